//! What the catalogue knows and the page does not show: it must not be called read where only the page is left.

use std::collections::HashMap;

use super::{
    Store, StoreError,
    table::Part,
    tables::{ENTRIES, JOBS, PARKED_MESSAGES, RENEWALS, UNRENEWED},
};
use crate::domain::{
    coverage::Span,
    entry::EntryKey,
    id::{ChannelId, MessageId},
    job::{Job, JobState, Queue, Subject},
    place::Place,
    selection::{MediaMode, Policy},
    time::Timestamp,
};

/// How many rows are read at a time.
const AT_ONCE: usize = 4_096;

/// Messages with files that are on their way or, where the page shows links, have none that lives, and messages that
/// could not be recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpublished {
    /// From the first to the last with such a file, below each channel of the page. One span, however many
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
    pub fn unpublished(&self, policy: &Policy, now: Timestamp) -> Result<Unpublished, StoreError> {
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
        if policy.mode == MediaMode::Link {
            self.add_unopened(&mut unpublished, policy, now)?;
        }
        let parked = PARKED_MESSAGES.all(&source)?;
        unpublished.unrecorded = parked.into_iter().map(|(id, row)| (row.channel, id)).collect();
        Ok(unpublished)
    }

    /// Files that can't be opened, because their links were not made new in time: they are overdue, or put off.
    fn add_unopened(
        &self,
        unpublished: &mut Unpublished,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let source = self.source();
        let mut add = |key: EntryKey| {
            let entry = ENTRIES.get(&source, &key)?;
            if entry.is_some_and(|entry| entry.is_shown(policy) && !entry.is_published(policy, now))
            {
                unpublished.add(key.root, key.message);
            }
            Ok::<_, StoreError>(())
        };
        let mut last = None;
        loop {
            let rows = RENEWALS.after(&source, last.as_ref(), AT_ONCE)?;
            let due: Vec<_> =
                rows.into_iter().map(|(row, ())| row).take_while(|(at, _)| *at <= now).collect();
            due.iter().try_for_each(|(_, key)| add(*key))?;
            if due.len() < AT_ONCE {
                break;
            }
            last = due.last().copied();
        }
        let put_off = UNRENEWED.below(&source, &Part::<8>, usize::MAX)?;
        put_off.into_iter().try_for_each(|((_, key), ())| add(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{place::PlaceKind, selection::MediaKind},
        store::{
            LinksRefreshed, Stored,
            sample::{
                CHANNEL, FORUM, THREAD, World, at, content, id, key, link, message, place, policy,
                sha,
            },
        },
    };

    impl World {
        fn unpublished(&self) -> Unpublished {
            self.store.unpublished(&self.policy.borrow(), self.now.get()).unwrap()
        }
    }

    #[test]
    fn links_that_nobody_made_new_are_not_called_read() {
        let world = World::with(policy(MediaMode::Link, &[MediaKind::Video]));
        let channel = place(CHANNEL, PlaceKind::Text, None);
        let of = || world.unpublished().of(&channel);
        let span = |first, last| vec![Span { first: id(first), last: id(last) }];
        let mut short = message(1, &[1]);
        short.attachments[0].link = link(1, 20, "short");
        world.see([short, message(5, &[2])]);
        assert_eq!(of(), []);
        world.wait(30);
        assert_eq!(of(), span(1, 1), "it is overdue");
        let postponed = vec![(key(1, 1), at(3_600))];
        world.apply(LinksRefreshed { postponed, ..LinksRefreshed::default() });
        assert_eq!(of(), span(1, 1), "it is put off");
        let renewed = vec![(key(1, 1), link(1, 90_000, "new"))];
        world.apply(LinksRefreshed { renewed, ..LinksRefreshed::default() });
        assert_eq!(of(), []);
        assert!(UNRENEWED.all(&world.store.source()).unwrap().is_empty());
    }

    #[test]
    fn files_on_their_way_are_not_called_read() {
        let world = World::new();
        world.see([message(1, &[1]), message(5, &[2]), message(9, &[3])]);
        let channel = place(CHANNEL, PlaceKind::Text, None);
        let thread = place(THREAD, PlaceKind::PublicThread, Some(CHANNEL));
        let span = |first, last| vec![Span { first: id(first), last: id(last) }];
        let unpublished = world.unpublished();
        assert_eq!(unpublished.of(&channel), span(1, 9));
        assert_eq!(unpublished.of(&thread), span(1, 9));
        assert_eq!(unpublished.of(&place(FORUM, PlaceKind::Forum, None)), []);
        world.apply(Stored { key: key(1, 1), sha256: sha(1), content: content(1), stamp: None });
        assert_eq!(world.unpublished().of(&channel), span(5, 9));
        world.delete(9);
        assert_eq!(world.unpublished().of(&channel), span(5, 5));
        world.apply(Stored { key: key(5, 2), sha256: sha(2), content: content(2), stamp: None });
        assert_eq!(world.unpublished(), Unpublished::default());
    }
}
