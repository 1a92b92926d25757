//! Work that is written down: what is to be done, how urgent it is, and how often it was tried.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    entry::{EntryKey, Sha256},
    id::{AttachmentId, ChannelId, MessageId},
    time::Timestamp,
};

/// A line of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Queue {
    /// Files to be copied into the bucket.
    Download = 1,
    /// Files to be looked at: a still and measures.
    Thumbnail = 2,
}

impl Queue {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Download, Self::Thumbnail];

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Thumbnail => "thumbnail",
        }
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a job is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// One file of a message.
    Entry(EntryKey),
    /// Bytes in the bucket.
    Content(Sha256),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(key) => key.fmt(f),
            Self::Content(sha256) => sha256.fmt(f),
        }
    }
}

/// Whether something was just posted. It goes before history, because its bytes vanish with its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Lane {
    /// Just posted.
    Live = 0,
    /// Read from history.
    History = 1,
}

/// The order of work within a queue: live first, then newest first, then small before large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rank {
    lane: Lane,
    age: u64,
    size: u64,
    item: AttachmentId,
}

impl Rank {
    /// The rank of a file.
    pub const fn new(lane: Lane, message: MessageId, size: u64, item: AttachmentId) -> Self {
        Self { lane, age: u64::MAX - message.0, size, item }
    }

    /// Whether it was just posted.
    pub const fn lane(self) -> Lane {
        self.lane
    }

    /// The message that holds the file.
    pub const fn message(self) -> MessageId {
        MessageId(u64::MAX - self.age)
    }

    /// The size of the file.
    pub const fn size(self) -> u64 {
        self.size
    }

    /// Bytes that sort as ranks do.
    pub fn to_bytes(self) -> [u8; 25] {
        let mut bytes = [0; 25];
        bytes[0] = self.lane as u8;
        bytes[1..9].copy_from_slice(&self.age.to_be_bytes());
        bytes[9..17].copy_from_slice(&self.size.to_be_bytes());
        bytes[17..].copy_from_slice(&self.item.0.to_be_bytes());
        bytes
    }

    /// Reads what [`Rank::to_bytes`] wrote.
    pub fn from_bytes(bytes: [u8; 25]) -> Option<Self> {
        let lane = match bytes[0] {
            0 => Lane::Live,
            1 => Lane::History,
            _ => return None,
        };
        let number =
            |at: usize| bytes[at..].first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        Some(Self { lane, age: number(1)?, size: number(9)?, item: AttachmentId(number(17)?) })
    }
}

/// A piece of work, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// How urgent it is.
    pub rank: Rank,
    /// How often it was begun. Counted before it begins, so that a job that kills its worker is found out.
    pub attempts: u16,
    /// Whether the link was made new on account of this job.
    pub link_renewed: bool,
    /// What it waits for.
    pub state: JobState,
}

/// What a job waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobState {
    /// A free worker.
    Ready,
    /// A later time.
    Delayed(Timestamp),
    /// A link that lives.
    AwaitingLink,
    /// A person: it failed for good, or again and again.
    Parked {
        /// When it was put aside.
        at: Timestamp,
        /// What went wrong last.
        why: String,
    },
}

impl Job {
    /// New work, ready to be done.
    pub const fn new(rank: Rank) -> Self {
        Self { rank, attempts: 0, link_renewed: false, state: JobState::Ready }
    }
}

/// A job that failed: what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The job is not to blame (a service is away): the same attempt again, a little later.
    Postponed {
        /// How much later.
        delay: Duration,
        /// What went wrong.
        why: String,
    },
    /// It may work next time.
    Retryable {
        /// What went wrong.
        why: String,
    },
    /// The link is dead, or was refused: make it new once.
    DeadLink {
        /// What was answered.
        why: String,
    },
    /// It can never work.
    Permanent {
        /// Why.
        why: String,
    },
}

/// Bytes that identify a subject and sort within their sort.
impl Subject {
    /// The form in which the store keeps it.
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Entry(key) => [&[0_u8][..], &entry_bytes(key)].concat(),
            Self::Content(sha256) => [&[1_u8][..], &sha256.0].concat(),
        }
    }

    /// Reads what [`Subject::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (0, key) => entry_from_bytes(key).map(Self::Entry),
            (1, sha256) => sha256.try_into().ok().map(|bytes| Self::Content(Sha256(bytes))),
            _ => None,
        }
    }
}

/// Channel, message and item, so that a channel's month is one range.
pub fn entry_bytes(key: EntryKey) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&key.root.0.to_be_bytes());
    bytes[8..16].copy_from_slice(&key.message.0.to_be_bytes());
    bytes[16..].copy_from_slice(&key.item.0.to_be_bytes());
    bytes
}

/// Reads what [`entry_bytes`] wrote.
pub fn entry_from_bytes(bytes: &[u8]) -> Option<EntryKey> {
    let number = |range| {
        Some(u64::from_be_bytes(bytes.get::<std::ops::Range<usize>>(range)?.try_into().ok()?))
    };
    (bytes.len() == 24).then_some(())?;
    Some(EntryKey {
        root: ChannelId(number(0..8)?),
        message: MessageId(number(8..16)?),
        item: AttachmentId(number(16..24)?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urgent_work_sorts_first() {
        let rank = |lane, message, size| Rank::new(lane, MessageId(message), size, AttachmentId(1));
        let ordered = [
            rank(Lane::Live, 9, 500),
            rank(Lane::Live, 8, 1),
            rank(Lane::History, 20, 1),
            rank(Lane::History, 20, 2),
            rank(Lane::History, 19, 1),
        ];
        assert!(ordered.is_sorted());
        assert!(ordered.map(Rank::to_bytes).is_sorted());
        for rank in ordered {
            assert_eq!(Rank::from_bytes(rank.to_bytes()), Some(rank));
        }
    }

    proptest! {
        #[test]
        fn subjects_survive_bytes(root: u64, message: u64, item: u64, hash: [u8; 32]) {
            let key = EntryKey {
                root: ChannelId(root),
                message: MessageId(message),
                item: AttachmentId(item),
            };
            for subject in [Subject::Entry(key), Subject::Content(Sha256(hash))] {
                prop_assert_eq!(Subject::from_bytes(&subject.to_bytes()), Some(subject));
            }
        }

        #[test]
        fn entries_sort_as_their_bytes(a: [u64; 3], b: [u64; 3]) {
            let key = |[root, message, item]: [u64; 3]| EntryKey {
                root: ChannelId(root),
                message: MessageId(message),
                item: AttachmentId(item),
            };
            prop_assert_eq!(key(a).cmp(&key(b)), entry_bytes(key(a)).cmp(&entry_bytes(key(b))));
        }
    }
}
