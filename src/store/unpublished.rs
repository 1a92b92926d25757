//! What the catalogue knows and the page does not show: it must not be called read where only the page is left.

use std::collections::HashMap;

use super::{
    Store, StoreError,
    tables::{JOBS, PARKED_MESSAGES},
};
use crate::domain::{
    coverage::Span,
    id::{ChannelId, MessageId},
    job::{Job, JobState, Queue, Subject},
    place::Place,
};

/// How many rows are read at a time.
const AT_ONCE: usize = 4_096;

/// Messages with files that are on their way, and messages that could not be recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpublished {
    /// From the first to the last with a file on its way, below each channel of the page. One span, however many
    /// there are: reading some messages again is cheaper than a list of thousands of holes.
    on_their_way: HashMap<ChannelId, Span>,
    unrecorded: Vec<(ChannelId, MessageId)>,
}

impl Unpublished {
    /// What of a place may not be called read.
    pub fn of(&self, place: &Place) -> Vec<Span> {
        let own = self.unrecorded.iter().filter(|(channel, _)| *channel == place.id);
        let own = own.map(|(_, id)| Span { first: *id, last: *id });
        self.on_their_way.get(&place.root()).copied().into_iter().chain(own).collect()
    }

    fn add(&mut self, root: ChannelId, message: MessageId) {
        let alone = Span { first: message, last: message };
        let span = self.on_their_way.entry(root).or_insert(alone);
        *span = Span { first: span.first.min(message), last: span.last.max(message) };
    }
}

impl Store {
    /// What the page does not show yet. What was read of places before this is asked for holds nothing else that is
    /// missing there, but for months that changed.
    pub fn unpublished(&self) -> Result<Unpublished, StoreError> {
        let source = self.source();
        let mut unpublished = Unpublished::default();
        let mut last = None;
        loop {
            let jobs = JOBS.after(&source, last.as_ref(), AT_ONCE)?;
            let end = jobs.len() < AT_ONCE;
            last = jobs.last().map(|(key, _)| *key);
            for ((queue, subject), Job { state, .. }) in jobs {
                // What was put aside is shown, with the reason.
                let parked = matches!(state, JobState::Parked { .. });
                if let (Queue::Download, Subject::Entry(key), false) = (queue, subject, parked) {
                    unpublished.add(key.root, key.message);
                }
            }
            if end {
                break;
            }
        }
        let parked = PARKED_MESSAGES.all(&source)?;
        unpublished.unrecorded = parked.into_iter().map(|(id, row)| (row.channel, id)).collect();
        Ok(unpublished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::place::PlaceKind,
        store::{
            Stored,
            sample::{CHANNEL, FORUM, THREAD, World, content, id, key, message, place, sha},
        },
    };

    #[test]
    fn files_on_their_way_are_not_called_read() {
        let world = World::new();
        world.see([message(1, &[1]), message(5, &[2]), message(9, &[3])]);
        let channel = place(CHANNEL, PlaceKind::Text, None);
        let thread = place(THREAD, PlaceKind::PublicThread, Some(CHANNEL));
        let span = |first, last| vec![Span { first: id(first), last: id(last) }];
        let unpublished = world.store.unpublished().unwrap();
        assert_eq!(unpublished.of(&channel), span(1, 9));
        assert_eq!(unpublished.of(&thread), span(1, 9));
        assert_eq!(unpublished.of(&place(FORUM, PlaceKind::Forum, None)), []);
        world.apply(Stored { key: key(1, 1), sha256: sha(1), content: content(1), stamp: None });
        assert_eq!(world.store.unpublished().unwrap().of(&channel), span(5, 9));
        world.delete(9);
        assert_eq!(world.store.unpublished().unwrap().of(&channel), span(5, 5));
        world.apply(Stored { key: key(5, 2), sha256: sha(2), content: content(2), stamp: None });
        assert_eq!(world.store.unpublished().unwrap(), Unpublished::default());
    }
}
