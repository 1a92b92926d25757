//! What a verification asks of the catalogue, and what it writes there: which objects were found right, and what the
//! last one came to.
//!
//! The verifier reads in pages and in the order of keys, so that it holds little however large the catalogue is.

use serde::{Deserialize, Serialize};

use super::{
    Month, Store, StoreError,
    table::{Row, Txn},
    tables::{
        CONTENTS, DIRTY, ENTRIES, GARBAGE, JOBS, POSTS, SEALS, TOMBSTONES, USES, VERIFICATION,
    },
};
use crate::domain::{
    entry::{Content, Entry, EntryKey, EntryState, Sha256},
    id::{AttachmentId, ChannelId, MessageId},
    job::{JobState, Queue, Subject},
    selection::{MediaMode, Policy},
    time::Timestamp,
};

/// What an object was when its bytes were known to be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Its length.
    pub size: u64,
    /// Its checksum.
    pub crc32c: u32,
    /// What the bucket calls this version of it; in a folder this is its time.
    pub stamp: i64,
}

/// What a verification came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationRow {
    /// When it ended.
    pub at: Timestamp,
    /// Whether every byte was read.
    pub deep: bool,
    /// How long it took.
    pub seconds: u64,
    /// How many objects were looked at.
    pub objects: u64,
    /// How many things are wrong.
    pub problems: u64,
    /// The first of them, in words.
    pub first: Vec<String>,
    /// Why nothing could be said; none when something could.
    pub failed: Option<String>,
}

impl Row for Seal {}
impl Row for VerificationRow {}

/// Objects were read and found right.
#[derive(Clone, Debug, Default)]
pub struct Sealed {
    /// Which, and what they were.
    pub objects: Vec<(String, Seal)>,
}

/// A verification came to its end.
#[derive(Clone, Debug)]
pub struct Verified(pub VerificationRow);

impl Sealed {
    pub(super) fn apply(&self, txn: &mut Txn<'_>) {
        for (object, seal) in &self.objects {
            SEALS.put(txn, object, seal);
        }
    }
}

impl Verified {
    pub(super) fn apply(&self, txn: &mut Txn<'_>) {
        VERIFICATION.put(txn, &(), &self.0);
    }
}

/// Rows that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// What they are about.
    pub subject: Subject,
    /// What is wrong.
    pub what: &'static str,
}

/// Some entries, and what is wrong with them.
#[derive(Clone, Debug)]
pub struct Examined {
    /// How many were looked at.
    pub count: usize,
    /// The last of them; none at the end.
    pub last: Option<EntryKey>,
    /// What is wrong.
    pub contradictions: Vec<Contradiction>,
}

impl Store {
    /// The last verification.
    pub fn verification(&self) -> Result<Option<VerificationRow>, StoreError> {
        VERIFICATION.get(&self.source(), &())
    }

    /// What an object was when it was found right.
    pub fn seal(&self, object: &str) -> Result<Option<Seal>, StoreError> {
        SEALS.get(&self.source(), &object.to_owned())
    }

    /// At most so many contents after one, in the order of their hashes.
    pub fn contents_after(
        &self,
        last: Option<Sha256>,
        limit: usize,
    ) -> Result<Vec<(Sha256, Content)>, StoreError> {
        CONTENTS.after(&self.source(), last.as_ref(), limit)
    }

    /// At most so many entries after one, in the order of channels and times.
    pub fn entries_after(
        &self,
        last: Option<EntryKey>,
        limit: usize,
    ) -> Result<Vec<(EntryKey, Entry)>, StoreError> {
        ENTRIES.after(&self.source(), last.as_ref(), limit)
    }

    /// The entries that share some bytes.
    pub fn users_of(&self, sha256: Sha256) -> Result<Vec<EntryKey>, StoreError> {
        let uses = USES.below(&self.source(), &sha256, usize::MAX)?;
        Ok(uses.into_iter().map(|((_, key), ())| key).collect())
    }

    /// An entry, with the channel that holds its message.
    pub fn entry(&self, key: EntryKey) -> Result<Option<(Entry, Option<ChannelId>)>, StoreError> {
        let source = self.source();
        let post = POSTS.get(&source, &key.message)?;
        Ok(ENTRIES.get(&source, &key)?.map(|entry| (entry, post.map(|post| post.channel))))
    }

    /// Whether a message was deleted on Discord.
    pub fn is_deleted(&self, message: MessageId) -> Result<bool, StoreError> {
        TOMBSTONES.contains(&self.source(), &message)
    }

    /// Whether a month waits to be published.
    pub fn is_changed(&self, month: Month) -> Result<bool, StoreError> {
        DIRTY.contains(&self.source(), &(month.root, month.month.number()))
    }

    /// The first month with entries after another one.
    pub fn month_after(&self, last: Option<Month>) -> Result<Option<Month>, StoreError> {
        let source = self.source();
        let from = last.map(|month| EntryKey {
            root: month.root,
            message: MessageId::at(month.month.end()).previous(),
            item: AttachmentId(u64::MAX),
        });
        let next = ENTRIES.after(&source, from.as_ref(), 1)?;
        Ok(next
            .first()
            .map(|(key, _)| Month { root: key.root, month: key.message.created_at().month() }))
    }

    /// Every object that waits to be deleted.
    pub fn all_garbage(&self) -> Result<Vec<String>, StoreError> {
        Ok(GARBAGE.all(&self.source())?.into_iter().map(|((_, object), ())| object).collect())
    }

    /// Whether a look at a file is still to be expected.
    pub fn awaits(&self, subject: Subject) -> Result<bool, StoreError> {
        let source = self.source();
        for queue in Queue::ALL {
            let job = JOBS.get(&source, &(queue, subject))?;
            if job.is_some_and(|job| !matches!(job.state, JobState::Parked { .. })) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks at the next entries: what they say of themselves must agree with what other rows say of them.
    pub fn examine(
        &self,
        last: Option<EntryKey>,
        limit: usize,
        policy: &Policy,
    ) -> Result<Examined, StoreError> {
        let entries = self.entries_after(last, limit)?;
        let mut examined = Examined {
            count: entries.len(),
            last: entries.last().map(|(key, _)| *key),
            contradictions: Vec::new(),
        };
        for (key, entry) in entries {
            let Some(what) = self.contradiction(key, &entry, policy)? else { continue };
            // It may have changed between two looks; what is wrong stays wrong.
            let Some(now) = ENTRIES.get(&self.source(), &key)? else { continue };
            if let Some(still) = self.contradiction(key, &now, policy)?.filter(|now| *now == what) {
                let subject = Subject::Entry(key);
                examined.contradictions.push(Contradiction { subject, what: still });
            }
        }
        Ok(examined)
    }

    /// Looks at the next contents: nothing is kept that no entry uses.
    pub fn examine_contents(
        &self,
        last: Option<Sha256>,
        limit: usize,
    ) -> Result<(Option<Sha256>, Vec<Contradiction>), StoreError> {
        let source = self.source();
        let contents = CONTENTS.after(&source, last.as_ref(), limit)?;
        let mut contradictions = Vec::new();
        for (sha256, content) in &contents {
            let subject = Subject::Content(*sha256);
            if !content.object.starts_with(&format!("media/{sha256}.")) {
                contradictions.push(Contradiction {
                    subject,
                    what: "is kept under another name than its hash",
                });
            }
            if USES.below(&source, sha256, 1)?.is_empty() && CONTENTS.contains(&source, sha256)? {
                contradictions
                    .push(Contradiction { subject, what: "is kept though no entry uses it" });
            }
        }
        Ok((contents.last().map(|(sha256, _)| *sha256), contradictions))
    }

    fn contradiction(
        &self,
        key: EntryKey,
        entry: &Entry,
        policy: &Policy,
    ) -> Result<Option<&'static str>, StoreError> {
        let source = self.source();
        if !POSTS.contains(&source, &key.message)? {
            return Ok(Some("belongs to no message"));
        }
        if let EntryState::Stored(sha256) = entry.state {
            return Ok(if !CONTENTS.contains(&source, &sha256)? {
                Some("is said to be in the bucket, but not where")
            } else if !USES.contains(&source, &(sha256, key))? {
                Some("is in the bucket, but not counted among those who use its bytes")
            } else {
                None
            });
        }
        let undecided = matches!(entry.state, EntryState::Remote | EntryState::Parked { .. });
        let wanted = policy.mode == MediaMode::Copy && entry.is_wanted(policy) && undecided;
        let job = JOBS.contains(&source, &(Queue::Download, Subject::Entry(key)))?;
        Ok(if wanted && !job {
            Some("is wanted, and nobody would ever fetch it")
        } else if !wanted && job {
            Some("is to be fetched, though nobody wants it")
        } else {
            None
        })
    }
}
