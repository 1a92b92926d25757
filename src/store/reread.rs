//! Second readings of covered history: how far each is, what they are compared with, and what they found.
//!
//! What a page showed, what it proved to be deleted and how far the reading is by it become durable together: a crash
//! loses a page, which is read once more.

use std::collections::HashMap;

use serde::Deserialize;

use super::{
    Context, Deleted, Hint, Store, StoreError, Tally,
    record::{observe, set_aside},
    removal::walk_lost,
    table::{Source, Txn},
    tables::{KEPT, PARKED_MESSAGES, POSTS, RAW, REREAD, SESSIONS, TOMBSTONES},
    tables::{PlaceReread, Reading, RereadRow, RereadWhole},
    tally::count,
};
use crate::domain::{
    coverage::Span,
    entry::Post,
    id::{ChannelId, MessageId},
    job::Lane,
    message::{Message, Unreadable},
    reconcile::{Errand, Unheard},
    time::Timestamp,
};

/// How many raw messages one step indexes, so that others get their turn.
const STEP: usize = 500;

/// So many kept messages are read at once; a place may hold millions.
const SCAN: usize = 1_000;

/// A page was read again.
#[derive(Clone, Debug)]
pub struct Reread {
    /// Of which place.
    pub place: ChannelId,
    /// Why.
    pub errand: Errand,
    /// The mark of this reading.
    pub mark: Timestamp,
    /// Below which message it goes on; none when it has ended.
    pub below: Option<MessageId>,
    /// What it showed.
    pub messages: Vec<Message>,
    /// What it showed and makes no sense.
    pub unreadable: Vec<Unreadable>,
}

/// Deletions were found of which nobody told.
#[derive(Clone, Debug)]
pub struct FoundDeleted(pub Deleted);

/// Places are to be read again one day: their first round is counted from now.
#[derive(Clone, Debug)]
pub struct RereadPlanned {
    /// Which.
    pub places: Vec<ChannelId>,
}

/// Everything that events may have told while nobody listened was read again, where it is likeliest.
#[derive(Clone, Copy, Debug)]
pub struct UnheardReread {
    /// Of the times in which nobody listened, those that ended by then.
    pub to: Timestamp,
}

/// Messages that could not be recorded were asked for again.
#[derive(Clone, Debug)]
pub struct ParkedReread {
    /// Those that came.
    pub messages: Vec<Message>,
    /// After which message the asking goes on; none when it has ended.
    pub after: Option<MessageId>,
}

/// How far second readings are.
#[derive(Clone, Debug, Default)]
pub struct RereadState {
    /// Of each place.
    pub places: HashMap<ChannelId, PlaceReread>,
    /// Besides places.
    pub whole: RereadWhole,
    /// A time in which events were lost, of which not everything was read again.
    pub unheard: Option<Unheard>,
}

impl PlaceReread {
    fn new(now: Timestamp) -> Self {
        let (round, unheard, asked) = Default::default();
        Self { known_since: now, read_at: None, round, unheard, asked }
    }

    /// How far a sort of reading is.
    pub const fn reading(&self, errand: Errand) -> &Reading {
        match errand {
            Errand::Round => &self.round,
            Errand::Unheard => &self.unheard,
            Errand::Asked => &self.asked,
        }
    }

    fn reading_mut(&mut self, errand: Errand) -> &mut Reading {
        match errand {
            Errand::Round => &mut self.round,
            Errand::Unheard => &mut self.unheard,
            Errand::Asked => &mut self.asked,
        }
    }
}

impl Reread {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        for message in &self.messages {
            let before = POSTS.get(txn, &message.id)?;
            observe(txn, context, message, Lane::History)?;
            let after = POSTS.get(txn, &message.id)?;
            count(txn, Tally::EditsFound, i64::from(is_other(before.as_ref(), after.as_ref())))?;
        }
        for message in &self.unreadable {
            set_aside(txn, self.place, message)?;
        }
        let shown = self.messages.len() + self.unreadable.len();
        count(txn, Tally::MessagesReread, i64::try_from(shown).unwrap_or(i64::MAX))?;
        let mut row = place_row(txn, self.place)?.unwrap_or_else(|| PlaceReread::new(context.now));
        let reading = row.reading_mut(self.errand);
        reading.under_way = self.below.map(|below| (self.mark, below));
        if self.below.is_none() {
            // What was read last in a round is to be read again a period after that, and not after its beginning.
            let ended = self.errand == Errand::Round;
            reading.done = Some(if ended { context.now } else { self.mark });
        }
        if self.errand == Errand::Round {
            row.read_at = Some(context.now);
        }
        REREAD.put(txn, &Some(self.place), &RereadRow::Place(row));
        Ok(())
    }
}

/// Whether a message says or holds something else than was known of it.
fn is_other(before: Option<&Post>, after: Option<&Post>) -> bool {
    let told = |post: &Post| (post.text.clone(), post.edited, post.items.clone());
    // A message without files is remembered for a while when it was edited, which is nothing found.
    let is_new = before.is_none() && after.is_some_and(|post| post.items.is_empty());
    !is_new && before.map(told) != after.map(told)
}

impl FoundDeleted {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        let mut found = 0;
        for id in &self.0.messages {
            found += i64::from(!TOMBSTONES.contains(txn, id)?);
        }
        count(txn, Tally::DeletionsFound, found)?;
        self.0.apply(txn, context)
    }
}

impl RereadPlanned {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        for place in &self.places {
            if place_row(txn, *place)?.is_none() {
                let row = RereadRow::Place(PlaceReread::new(context.now));
                REREAD.put(txn, &Some(*place), &row);
            }
        }
        Ok(())
    }
}

impl UnheardReread {
    pub(super) fn apply(self, txn: &mut Txn<'_>) -> Result<(), StoreError> {
        for (shard, mut row) in SESSIONS.all(txn)? {
            if row.unheard.is_some_and(|unheard| unheard.to <= self.to) {
                row.unheard = None;
                SESSIONS.put(txn, &shard, &row);
            }
        }
        Ok(())
    }
}

impl ParkedReread {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        for message in &self.messages {
            observe(txn, context, message, Lane::History)?;
        }
        let whole = whole_row(txn)?;
        put_whole(txn, RereadWhole { retry_after: self.after, ..whole });
        Ok(())
    }
}

/// Every message that was put aside is to be asked for again.
pub(super) fn want_parked(txn: &mut Txn<'_>) -> Result<(), StoreError> {
    if PARKED_MESSAGES.after(txn, None, 1)?.is_empty() {
        return Ok(());
    }
    let whole = whole_row(txn)?;
    put_whole(txn, RereadWhole { retry_after: Some(MessageId::FIRST), ..whole });
    txn.hint(Hint::Reconcile);
    Ok(())
}

/// Adds some more messages that older builds kept to the index, by which a second reading finds them. What is kept from
/// now on is there already.
pub(super) fn index_kept(txn: &mut Txn<'_>) -> Result<(), StoreError> {
    let whole = whole_row(txn)?;
    if whole.indexed {
        return Ok(());
    }
    let rows = RAW.after(txn, whole.indexed_to.as_ref(), STEP)?;
    let last = rows.last().map(|(id, _)| *id);
    for (id, raw) in &rows {
        if TOMBSTONES.contains(txn, id)? {
            continue;
        }
        let place = match POSTS.get(txn, id)? {
            Some(post) => Some(post.channel),
            None => channel_in(&raw.text()?),
        };
        if let Some(place) = place {
            KEPT.put(txn, &(place, *id), &());
        }
    }
    let indexed = rows.len() < STEP;
    if indexed {
        for (id, parked) in PARKED_MESSAGES.all(txn)? {
            KEPT.put(txn, &(parked.channel, id), &());
        }
        walk_lost(txn)?;
    }
    put_whole(txn, RereadWhole { indexed_to: last.or(whole.indexed_to), indexed, ..whole });
    Ok(())
}

/// Where a message stands, by its own word.
fn channel_in(raw: &str) -> Option<ChannelId> {
    #[derive(Deserialize)]
    struct Placed {
        channel_id: ChannelId,
    }
    serde_json::from_str::<Placed>(raw).ok().map(|placed| placed.channel_id)
}

fn place_row(source: &impl Source, place: ChannelId) -> Result<Option<PlaceReread>, StoreError> {
    Ok(match REREAD.get(source, &Some(place))? {
        Some(RereadRow::Place(row)) => Some(row),
        _ => None,
    })
}

fn whole_row(source: &impl Source) -> Result<RereadWhole, StoreError> {
    Ok(match REREAD.get(source, &None)? {
        Some(RereadRow::Whole(row)) => row,
        _ => RereadWhole::default(),
    })
}

fn put_whole(txn: &mut Txn<'_>, whole: RereadWhole) {
    REREAD.put(txn, &None, &RereadRow::Whole(whole));
}

impl Store {
    /// How far second readings are: a row for each place, so thousands and not millions.
    pub fn reread_state(&self) -> Result<RereadState, StoreError> {
        let source = self.source();
        let mut state = RereadState::default();
        for (place, row) in REREAD.all(&source)? {
            match (place, row) {
                (Some(place), RereadRow::Place(row)) => drop(state.places.insert(place, row)),
                (None, RereadRow::Whole(row)) => state.whole = row,
                _ => {}
            }
        }
        let lost = SESSIONS.all(&source)?.into_iter().filter_map(|(_, row)| row.unheard);
        state.unheard = lost.reduce(Unheard::with);
        Ok(state)
    }

    /// The messages of a place in a span of which something is kept, lowest first.
    pub fn kept(&self, place: ChannelId, span: Span) -> Result<Vec<MessageId>, StoreError> {
        let source = self.source();
        let end = (place, span.last.next());
        let (mut kept, mut from) = (Vec::new(), span.first);
        loop {
            let rows = KEPT.between(&source, &(place, from), &end, SCAN)?;
            kept.extend(rows.iter().map(|((_, id), ())| *id));
            match rows.last() {
                Some(((_, last), ())) if rows.len() == SCAN => from = last.next(),
                _ => return Ok(kept),
            }
        }
    }

    /// Whether anything of a place is kept in a span.
    pub fn keeps_any(&self, place: ChannelId, span: Span) -> Result<bool, StoreError> {
        let end = (place, span.last.next());
        Ok(!KEPT.between(&self.source(), &(place, span.first), &end, 1)?.is_empty())
    }

    /// Some messages that could not be recorded, with their places.
    pub fn parked_after(
        &self,
        message: MessageId,
        limit: usize,
    ) -> Result<Vec<(MessageId, ChannelId)>, StoreError> {
        let rows = PARKED_MESSAGES.after(&self.source(), Some(&message), limit)?;
        Ok(rows.into_iter().map(|(id, parked)| (id, parked.channel)).collect())
    }
}

#[cfg(test)]
mod tests;
