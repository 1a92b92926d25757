//! Decides what is read again next, from what the store knows.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use crate::{
    domain::{
        coverage::{EXTRACTOR, Span},
        id::{ChannelId, MessageId},
        place::{Access, Place},
        reconcile::{Errand, Round, next_bound, next_page_at, pages},
        selection::PlaceSelection,
        time::Timestamp,
    },
    store::{PlaceReread, PlaceRow, RereadState, Store, StoreError},
};

/// What is to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconciling {
    /// Nothing.
    Never,
    /// All that is covered, once within each such period.
    Every(Duration),
    /// What is covered of a span, once.
    Once {
        /// The messages.
        span: Span,
        /// When it was asked for; what was read again for it since is not read a third time.
        asked_at: Timestamp,
    },
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) todo: Todo,
    /// Places that are to be read again without delay.
    pub(super) left: usize,
}

#[derive(Debug, Default)]
pub(super) enum Todo {
    /// Places are met for the first time.
    Plan(Vec<ChannelId>),
    /// What older builds kept is not indexed yet.
    Index,
    /// Messages that were put aside are to be asked for, from one on.
    Parked(MessageId),
    /// These, at once.
    Now(Vec<Visit>),
    /// What went unheard was read again, up to a moment.
    Heard(Timestamp),
    /// One page, at its time.
    At(Timestamp, Visit),
    /// Nothing.
    #[default]
    Nothing,
}

impl Todo {
    /// Whether nobody waits for anything.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self, Self::At(..) | Self::Nothing)
    }
}

/// A place that is read again.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) place: Place,
    pub(super) errand: Errand,
    pub(super) mark: Timestamp,
    /// What of it was read by this version.
    pub(super) covered: Vec<Span>,
    pub(super) window: Span,
    /// Below which message it goes on.
    pub(super) below: MessageId,
}

/// What is to be done now.
pub(super) fn make(
    store: &Store,
    selection: &PlaceSelection,
    reconciling: Reconciling,
    now: Timestamp,
    resting: &BTreeSet<ChannelId>,
) -> Result<Plan, StoreError> {
    let state = store.reread_state()?;
    if let Some(after) = state.whole.retry_after {
        return Ok(Plan { todo: Todo::Parked(after), left: 0 });
    }
    if reconciling == Reconciling::Never {
        return Ok(Plan::default());
    }
    if !state.whole.indexed {
        return Ok(Plan { todo: Todo::Index, left: 0 });
    }
    let places = readable(store, selection)?;
    let unknown: Vec<_> =
        places.iter().map(|row| row.place.id).filter(|id| !state.places.contains_key(id)).collect();
    if !unknown.is_empty() {
        return Ok(Plan { todo: Todo::Plan(unknown), left: 0 });
    }
    let desk = Desk { store, state, places, now, resting };
    match reconciling {
        Reconciling::Never => Ok(Plan::default()),
        Reconciling::Once { span, asked_at } => desk.at_once(Errand::Asked, asked_at, span),
        Reconciling::Every(period) => match desk.state.unheard {
            Some(unheard) => {
                let plan = desk.at_once(Errand::Unheard, unheard.to, unheard.window())?;
                Ok(match plan.todo {
                    Todo::Nothing if plan.left == 0 => {
                        Plan { todo: Todo::Heard(unheard.to), left: 0 }
                    }
                    // Those that rest hold up nobody's round.
                    Todo::Nothing => Plan { todo: desk.round(period), ..plan },
                    _ => plan,
                })
            }
            None => Ok(Plan { todo: desk.round(period), left: 0 }),
        },
    }
}

/// The places that may be read and were, at least in part. What older versions read is for Backfill to read anew.
fn readable(store: &Store, selection: &PlaceSelection) -> Result<Vec<PlaceRow>, StoreError> {
    let rows = store.places()?;
    let by_id: HashMap<_, _> = rows.iter().map(|row| (row.place.id, &row.place)).collect();
    let is_read = |row: &&PlaceRow| {
        row.place.kind.holds_messages()
            && row.place.access == Access::Readable
            && row.missing_since.is_none()
            && !row.coverage.spans(EXTRACTOR).is_empty()
            && selection
                .omits(&row.place, &row.place.ancestors(|id| by_id.get(&id).copied()))
                .is_none()
    };
    Ok(rows.iter().filter(is_read).cloned().collect())
}

struct Desk<'a> {
    store: &'a Store,
    state: RereadState,
    places: Vec<PlaceRow>,
    now: Timestamp,
    resting: &'a BTreeSet<ChannelId>,
}

impl Desk<'_> {
    /// Every place that was not read again for this errand, and keeps anything there. What nobody kept can't have
    /// been deleted from here; that it was edited is found by its round.
    fn at_once(&self, errand: Errand, mark: Timestamp, window: Span) -> Result<Plan, StoreError> {
        let mut visits = Vec::new();
        let mut left = 0;
        for row in &self.places {
            let reading = self.of(row).reading(errand);
            if reading.done.is_some_and(|done| done >= mark) {
                continue;
            }
            let visit = self.visit(row, errand, mark, window);
            let due = next_bound(&visit.covered, window, visit.below).is_some()
                && (errand == Errand::Asked || self.store.keeps_any(row.place.id, window)?);
            if due {
                left += 1;
                if !self.resting.contains(&row.place.id) {
                    visits.push(visit);
                }
            }
        }
        let todo = if visits.is_empty() { Todo::Nothing } else { Todo::Now(visits) };
        Ok(Plan { todo, left })
    }

    /// The next page of the round that is due first.
    fn round(&self, period: Duration) -> Todo {
        let due = |row: &PlaceRow| {
            let reread = self.of(row);
            reread.round.done.unwrap_or(reread.known_since).after(period)
        };
        let places = || self.places.iter().filter(|row| !self.resting.contains(&row.place.id));
        let rounds: Vec<_> =
            places().map(|row| Round { due: due(row), pages: self.pages_left(row) }).collect();
        let Some(first) = places().min_by_key(|row| (due(row), row.place.id)) else {
            return Todo::Nothing;
        };
        let all = || self.places.iter().map(|row| self.of(row));
        let last_read = all().filter_map(|reread| reread.read_at).max();
        let last = last_read.or_else(|| all().map(|reread| reread.known_since).min());
        let mark = self.of(first).round.under_way.map_or(self.now, |(mark, _)| mark);
        let at = last.and_then(|last| next_page_at(last, &rounds)).unwrap_or(self.now);
        Todo::At(at, self.visit(first, Errand::Round, mark, Span::ALL))
    }

    fn visit(&self, row: &PlaceRow, errand: Errand, mark: Timestamp, window: Span) -> Visit {
        let begun = self.of(row).reading(errand).under_way.filter(|(begun, _)| *begun == mark);
        let below = begun.map_or(MessageId::LAST, |(_, below)| below);
        let covered = row.coverage.spans(EXTRACTOR);
        Visit { place: row.place.clone(), errand, mark, covered, window, below }
    }

    fn pages_left(&self, row: &PlaceRow) -> u64 {
        let Some((_, below)) = self.of(row).round.under_way else {
            return pages(row.messages_read, 1.0);
        };
        let born = row.place.id.as_message();
        let length = |up_to: MessageId| -> f64 {
            let spans = row.coverage.spans(EXTRACTOR).into_iter();
            let parts = spans.filter_map(|span| {
                Span::new(span.first.max(born), span.last.min(up_to.previous()))
            });
            parts
                .map(|span| span.last.created_at().since(span.first.created_at()).as_secs_f64())
                .sum()
        };
        pages(row.messages_read, length(below) / length(MessageId::LAST).max(1.0))
    }

    fn of(&self, row: &PlaceRow) -> &PlaceReread {
        &self.state.places[&row.place.id]
    }
}
