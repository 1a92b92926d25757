//! Reading again what was read, for edits and deletions that nobody told of: what comes next and when, and what a page
//! says of messages that it does not show.
//!
//! A second reading walks down what is covered, page by page. Each page begins with the last message of the one before,
//! so no message stands between two pages. A message that we keep and that such a page does not show is a suspect; what
//! becomes of suspects is decided by asking for them.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{coverage::Span, id::MessageId, time::Timestamp};

/// People edit and delete what was posted lately, far more than what is old: after a time in which nobody listened, this
/// much more is read again at once. The rest comes with its round.
const MARGIN: Duration = Duration::from_hours(24);

/// A channel gives a page a second, and rounds read one place at a time.
const FASTEST: Duration = Duration::from_secs(1);

/// How many of a page's hundred messages the page before did not show.
const NEW_PER_PAGE: u64 = 99;

/// So many suspects are each asked for. More are taken together: see [`sample`].
const SAMPLE: usize = 5;

/// Why something is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Errand {
    /// Its time has come.
    Round,
    /// Events were lost, and this is where most of them belonged.
    Unheard,
    /// Somebody asked for it.
    Asked,
}

/// A time in which events were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unheard {
    /// Up to when everything was heard for certain.
    pub from: Timestamp,
    /// Since when we listen again.
    pub to: Timestamp,
}

impl Unheard {
    /// Both, and what lies between.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to) }
    }

    /// The messages that are read again at once for it.
    pub fn window(self) -> Span {
        Span::from(MessageId::at(self.from.before(MARGIN)))
    }
}

/// The round of one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// When it is to have ended.
    pub due: Timestamp,
    /// How many pages are left of it.
    pub pages: u64,
}

/// How many pages a place with so many messages takes, of which this share is left.
pub fn pages(messages: u64, left: f64) -> u64 {
    let all = messages.div_ceil(NEW_PER_PAGE).max(1);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, and a share lies between 0 and 1"
    )]
    let left = (all as f64 * left.clamp(0.0, 1.0)).ceil() as u64;
    left.clamp(1, all)
}

/// When the next page of some round is to be read: as late as lets each round end in time, one page after the other, at
/// an even pace. `last` is when the last one was read. The round that is due first goes first.
pub fn next_page_at(last: Timestamp, rounds: &[Round]) -> Option<Timestamp> {
    let mut rounds = rounds.to_vec();
    rounds.sort_unstable_by_key(|round| round.due);
    let mut pages = 0_u64;
    let paces = rounds.iter().map(|round| {
        pages = pages.saturating_add(round.pages);
        round.due.since(last) / u32::try_from(pages).unwrap_or(u32::MAX).max(1)
    });
    paces.min().map(|pace| last.after(pace.max(FASTEST)))
}

/// Below which message the next page is asked for: just above the highest that was read, lies in the window and is below
/// what was read again already. None when nothing is left.
pub fn next_bound(covered: &[Span], window: Span, below: MessageId) -> Option<MessageId> {
    let highest = below.previous().min(window.last);
    let span = covered.iter().rfind(|span| span.first <= highest)?;
    let highest = highest.min(span.last);
    (below > MessageId::FIRST && highest >= window.first).then(|| highest.next())
}

/// A page of messages below an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Below which id it was asked for.
    pub below: MessageId,
    /// What it showed.
    pub shown: BTreeSet<MessageId>,
    /// Whether it showed as many as a page can hold.
    pub full: bool,
}

impl Sight {
    /// The messages of which it would have shown each that is there: from its lowest up to where it was asked for.
    ///
    /// A page that shows nothing says nothing: so answers Discord without the permission to read history. One that shows
    /// the very message below which it was asked for, and nothing else, says that there is nothing further down.
    pub fn speaks_of(&self) -> Option<Span> {
        let lowest = *self.shown.first()?;
        let top = self.below.previous();
        let first = if self.is_bottom() { MessageId::FIRST } else { lowest.min(top) };
        Span::new(first, top)
    }

    /// What we keep and it should have shown.
    pub fn absent(&self, covered: &[Span], kept: &[MessageId]) -> Vec<MessageId> {
        let Some(region) = self.speaks_of() else { return Vec::new() };
        let is_covered = |id: MessageId| covered.iter().any(|span| span.contains(id));
        let absent =
            |id: &MessageId| region.contains(*id) && is_covered(*id) && !self.shown.contains(id);
        kept.iter().copied().filter(absent).collect()
    }

    /// How far this page brought the reading: below which message it goes on. None when it has ended.
    ///
    /// Pages overlap by one message. A page that is not full may have been the last, but Discord filters some pages;
    /// where we keep something further down, it is asked once more.
    pub fn next(&self, covered: &[Span], window: Span, keeps_below: Keeps) -> Option<MessageId> {
        let lowest = *self.shown.first()?;
        let bound = next_bound(covered, window, lowest)?;
        if self.is_bottom() || (!self.full && keeps_below == Keeps::Nothing) {
            return None;
        }
        // Where a hole lies between, or the page reached into one, there is nothing to overlap with.
        let overlap = lowest.next();
        Some(if bound == lowest && overlap < self.below { overlap } else { bound })
    }

    fn is_bottom(&self) -> bool {
        !self.full && self.shown.iter().eq([&self.below.previous()])
    }
}

/// Whether we keep messages in some stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// None.
    Nothing,
    /// At least one.
    Something,
}

/// Those among the suspects who are asked for: all when they are few, else the highest, the lowest and some between.
///
/// Somebody who deletes a thousand messages at once must not cost a thousand requests. So where there are many, a few
/// from all over the run are asked for, and the page is read a second time. When all of those few are gone and the page
/// leaves out the others again, Discord has told the same in two ways at two times, for messages on both ends of the
/// run. When but one of them is there, its pages can't be trusted, and each of the others has to be asked for.
pub fn sample(suspects: &[MessageId]) -> Vec<MessageId> {
    if suspects.len() <= SAMPLE {
        return suspects.to_vec();
    }
    let last = suspects.len() - 1;
    (0..SAMPLE).map(|n| suspects[n * last / (SAMPLE - 1)]).collect()
}

#[cfg(test)]
mod tests;
