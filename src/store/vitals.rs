//! What tells from outside whether work gets on: how long the oldest of it waits, and why some was put aside.
//!
//! Read by those who watch a running service, every few seconds, so each look is bounded whatever the backlog.

use std::collections::BTreeMap;

use super::{
    Store, StoreError,
    tables::{DELAYED, DIRTY, ENTRIES, JOBS, PARKED, PUBLICATION, READY, RENEWALS},
};
use crate::domain::{
    id::MessageId,
    job::{JobState, Lane, Queue, Subject},
    time::Timestamp,
};

/// How many rows of a queue one look reads. What was just posted comes first there, and when more than this waits, the
/// counts tell it.
const LOOKED_AT: usize = 2_000;

/// Whatever else is in a reason (ids, addresses, sizes), its beginning says what it is.
const REASON_LEN: usize = 60;

/// How a queue gets on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// When the file was posted that waits longest of those that were just posted. History has no such hurry.
    pub oldest_live: Option<Timestamp>,
    /// How many jobs were put aside, by reason.
    pub parked: BTreeMap<String, u64>,
}

impl Store {
    /// How a queue gets on.
    pub fn backlog(&self, queue: Queue) -> Result<Backlog, StoreError> {
        let source = self.source();
        let mut oldest: Option<MessageId> = None;
        let mut waits = |message: Option<MessageId>| {
            oldest = match (oldest, message) {
                (Some(known), Some(message)) => Some(known.min(message)),
                (known, message) => known.or(message),
            };
        };
        for ((_, rank, _), ()) in READY.below(&source, &queue, LOOKED_AT)? {
            if rank.lane() != Lane::Live {
                break;
            }
            waits(Some(rank.message()));
        }
        for ((_, _, subject), ()) in DELAYED.below(&source, &queue, LOOKED_AT)? {
            let job = JOBS.get(&source, &(queue, subject))?;
            let live = job.filter(|job| job.rank.lane() == Lane::Live);
            waits(live.map(|job| job.rank.message()));
        }
        let oldest_live = oldest.map(MessageId::created_at);
        Ok(Backlog { oldest_live, parked: self.parked_by_reason(queue)? })
    }

    fn parked_by_reason(&self, queue: Queue) -> Result<BTreeMap<String, u64>, StoreError> {
        let source = self.source();
        let mut reasons = BTreeMap::new();
        let parked: Vec<((Queue, Subject), ())> = PARKED.below(&source, &queue, LOOKED_AT)?;
        for (key, ()) in parked {
            if let Some(JobState::Parked { why, .. }) =
                JOBS.get(&source, &key)?.map(|job| job.state)
            {
                *reasons.entry(kind_of(&why)).or_default() += 1;
            }
        }
        Ok(reasons)
    }

    /// When the link dies that is to be made new next.
    pub fn soonest_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        let source = self.source();
        let Some(((_, key), ())) = RENEWALS.after(&source, None, 1)?.into_iter().next() else {
            return Ok(None);
        };
        Ok(ENTRIES.get(&source, &key)?.and_then(|entry| entry.attachment.link.expires_at()))
    }

    /// When the change that waits longest is to be published at the latest.
    pub fn publication_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let rows = DIRTY.after(&self.source(), None, LOOKED_AT)?;
        Ok(rows.into_iter().map(|(_, dirty)| dirty.by).min())
    }

    /// When something was published last.
    pub fn published_at(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(PUBLICATION.get(&self.source(), &())?.map(|row| row.at))
    }
}

/// A reason without what is different each time, so that equal ones can be counted: numbers and hashes are one sign.
fn kind_of(why: &str) -> String {
    let mut kind = String::new();
    for word in why.split_inclusive(' ') {
        let plain = word.trim_end_matches(|c: char| !c.is_alphanumeric());
        let rest = &word[plain.len()..];
        let is_odd = plain.contains('/') || plain.bytes().any(|b| b.is_ascii_digit());
        // An HTTP status is short and says it all.
        let is_status = plain.len() == 3 && plain.bytes().all(|b| b.is_ascii_digit());
        kind.push_str(if is_odd && !is_status { "#" } else { plain });
        kind.push_str(rest);
        if kind.len() >= REASON_LEN {
            break;
        }
    }
    kind.chars().filter(|c| !c.is_control()).take(REASON_LEN).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::job::Failure,
        store::{Failed, Stored, sample::*},
    };

    #[track_caller]
    fn check(why: &str, kind: &str) {
        assert_eq!(kind_of(why), kind);
    }

    #[test]
    fn reasons_that_differ_in_numbers_are_one() {
        check("the CDN answered 404", "the CDN answered 404");
        check(
            "media/ab12.mp4 is in the bucket with other bytes",
            "# is in the bucket with other bytes",
        );
        check("17 bytes too few of 4096, again", "# bytes too few of #, again");
        check("line\u{1b}one\nand two", "lineoneand two");
        check("", "");
        let long = "word ".repeat(40);
        assert!(kind_of(&long).len() <= REASON_LEN);
    }

    #[test]
    fn the_oldest_of_what_was_just_posted_is_told() {
        let world = World::new();
        assert_eq!(world.store.backlog(Queue::Download).unwrap(), Backlog::default());
        world.see([message(1, &[1]), message(2, &[2])]);
        let posted = |second| Some(message(second, &[]).id.created_at());
        let oldest = || world.store.backlog(Queue::Download).unwrap().oldest_live;
        assert_eq!(oldest(), posted(1));
        world.downloads(2);
        let subject = Subject::Entry(key(2, 2));
        let failure = Failure::Retryable { why: "reset 7".into() };
        world.apply(Failed { queue: Queue::Download, subject, link: None, failure });
        let subject = Subject::Entry(key(1, 1));
        let failure = Failure::Permanent { why: "host 10.0.0.1 is not listed".into() };
        world.apply(Failed { queue: Queue::Download, subject, link: None, failure });
        assert_eq!(oldest(), posted(2), "what waits for its next attempt waits too");
        let parked = world.store.backlog(Queue::Download).unwrap().parked;
        assert_eq!(parked, BTreeMap::from([("host # is not listed".to_owned(), 1)]));
    }

    #[test]
    fn the_next_link_and_the_next_publication_are_told() {
        let world = World::new();
        assert_eq!(world.store.publication_due().unwrap(), None);
        assert_eq!(world.store.soonest_expiry().unwrap(), None);
        world.see([message(1, &[1])]);
        let link = message(1, &[1]).attachments[0].link.expires_at();
        assert_eq!(world.store.soonest_expiry().unwrap(), link);
        let stored = Stored { key: key(1, 1), sha256: sha(1), content: content(1), stamp: None };
        world.apply(stored);
        assert_eq!(world.store.publication_due().unwrap(), Some(at(60)));
    }
}
