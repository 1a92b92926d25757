//! How jobs end: with a result, with another attempt, or with the insight that there will be none.

use std::time::Duration;

use super::{
    aside::park,
    claim::await_link,
    line::{end_job, set_job},
    need::{Sight, rank_of, schedule},
};
use crate::{
    domain::{
        entry::{Content, Entry, EntryKey, EntryState, Look, Sha256},
        job::{Failure, Job, JobState, Lane, Queue, Subject},
        link::Link,
        retry::delay_before_next,
    },
    store::{
        Context, Store, StoreError, Tally,
        erase::note,
        links::{set_renewal, withdraw_in_time},
        publication::mark_changed,
        removal::{leave_still, still_put, unused},
        table::Txn,
        tables::{CONTENTS, ENTRIES, HOMES, JOBS, SEALS, USES},
        tally::count,
        verify::Seal,
    },
};

/// A file is in the bucket.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Whose file.
    pub key: EntryKey,
    /// What it is.
    pub sha256: Sha256,
    /// Where it is.
    pub content: Content,
    /// What the bucket calls this version of the object; none when it was there before.
    pub stamp: Option<i64>,
}

/// A file was looked at.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Which.
    pub subject: Subject,
    /// What was seen.
    pub look: Look,
}

/// A job failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Of which queue.
    pub queue: Queue,
    /// Which.
    pub subject: Subject,
    /// The link under which its file was asked for, if it was.
    pub link: Option<Link>,
    /// How.
    pub failure: Failure,
}

impl Stored {
    pub(in crate::store) fn apply(
        &self,
        txn: &mut Txn<'_>,
        context: &Context,
    ) -> Result<(), StoreError> {
        let bytes = Subject::Content(self.sha256);
        let Some(mut entry) = ENTRIES.get(txn, &self.key)? else {
            // Erased while it was on its way: so its bytes go too, unless somebody else has them.
            if !CONTENTS.contains(txn, &self.sha256)? {
                unused(txn, context, bytes, &self.content.object)?;
                note(txn, context, None)?;
            }
            return Ok(());
        };
        if matches!(entry.state, EntryState::Stored(_)) {
            return Ok(());
        }
        if matches!(entry.state, EntryState::Gone { .. }) {
            count(txn, Tally::Gone, -1)?;
        }
        let known = CONTENTS.get(txn, &self.sha256)?;
        let fresh = known.is_none();
        let content = if let Some(known) = known {
            known
        } else {
            CONTENTS.put(txn, &self.sha256, &self.content);
            count_still(txn, None, self.content.look.as_ref())?;
            self.content.clone()
        };
        if let Some(stamp) = self.stamp {
            let seal = Seal { size: content.size, crc32c: content.crc32c, stamp };
            SEALS.put(txn, &content.object, &seal);
        }
        USES.put(txn, &(self.sha256, self.key), &());
        count(txn, Tally::Stored, 1)?;
        count(txn, Tally::StoredBytes, i64::try_from(content.size).unwrap_or(i64::MAX))?;
        let job = JOBS.get(txn, &(Queue::Download, Subject::Entry(self.key)))?;
        let rank = job.map_or_else(|| rank_of(self.key, &entry, Lane::History), |job| job.rank);
        entry.state = EntryState::Stored(self.sha256);
        schedule(txn, context, self.key, &mut entry, rank, Sight::Known)?;
        ENTRIES.put(txn, &self.key, &entry);
        if fresh && HOMES.contains(txn, &bytes)? {
            unused(txn, context, bytes, &content.object)?;
        }
        mark_shown(txn, context, self.key, &entry)
    }
}

impl Looked {
    pub(in crate::store) fn apply(
        &self,
        txn: &mut Txn<'_>,
        context: &Context,
    ) -> Result<(), StoreError> {
        end_job(txn, Queue::Thumbnail, self.subject)?;
        match self.subject {
            Subject::Content(sha256) => {
                let Some(mut content) = CONTENTS.get(txn, &sha256)? else {
                    return self.come_too_late(txn, context);
                };
                let old = content.look.replace(self.look.clone());
                CONTENTS.put(txn, &sha256, &content);
                self.still_seen(txn, context, old.as_ref())?;
                for ((_, key), ()) in USES.below(txn, &sha256, usize::MAX)? {
                    if let Some(entry) = ENTRIES.get(txn, &key)? {
                        mark_shown(txn, context, key, &entry)?;
                    }
                }
                Ok(())
            }
            Subject::Entry(key) => {
                let Some(mut entry) = ENTRIES.get(txn, &key)? else {
                    return self.come_too_late(txn, context);
                };
                let old = entry.look.replace(self.look.clone());
                ENTRIES.put(txn, &key, &entry);
                self.still_seen(txn, context, old.as_ref())?;
                mark_shown(txn, context, key, &entry)
            }
            Subject::Still(_) => Ok(()),
        }
    }

    /// What was looked at was erased meanwhile.
    fn come_too_late(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        if self.look.still.is_none() {
            return Ok(());
        }
        still_put(txn, context, self.subject, &self.look)?;
        note(txn, context, None)
    }

    fn still_seen(
        &self,
        txn: &mut Txn<'_>,
        context: &Context,
        old: Option<&Look>,
    ) -> Result<(), StoreError> {
        count_still(txn, old, Some(&self.look))?;
        if old.and_then(|old| old.still.as_ref()) != self.look.still.as_ref() {
            leave_still(txn, context, self.subject, old)?;
        }
        still_put(txn, context, self.subject, &self.look)
    }
}

impl Failed {
    pub(in crate::store) fn apply(
        &self,
        txn: &mut Txn<'_>,
        context: &Context,
    ) -> Result<(), StoreError> {
        let Self { queue, subject, link, failure } = self;
        let Some(job) = JOBS.get(txn, &(*queue, *subject))? else { return Ok(()) };
        if job.state != JobState::Ready {
            // A job in work stays in line until it ends. So this report was heard before, and is sent again because its
            // flush failed: one refusal must not count as two. Or it is late, and a person is to decide.
            return Ok(());
        }
        match failure {
            Failure::Postponed { delay, .. } => {
                let state = JobState::Delayed(context.now.after(*delay));
                let attempts = job.attempts.saturating_sub(1);
                set_job(txn, *queue, *subject, Some(Job { state, attempts, ..job }))
            }
            Failure::Retryable { why } => match delay_before_next(job.attempts) {
                Some(delay) => {
                    let state = JobState::Delayed(context.now.after(delay));
                    set_job(txn, *queue, *subject, Some(Job { state, ..job }))
                }
                None => park(txn, context, *queue, *subject, &job, why.clone()),
            },
            Failure::DeadLink { why } => match subject {
                // It has another link by now, of which this refusal tells nothing. It may be the same refusal again.
                Subject::Entry(key) if has_other_link(txn, *key, link.as_ref())? => Ok(()),
                // It died of age on the way, which tells nothing of the file.
                Subject::Entry(key) if has_expired(txn, context, *key)? => {
                    await_link(txn, context, *queue, *subject, *key, &job)
                }
                Subject::Entry(key) if !job.link_renewed => {
                    let job = Job { link_renewed: true, ..job };
                    await_link(txn, context, *queue, *subject, *key, &job)
                }
                Subject::Entry(key) => lose(txn, context, *key, why.clone()),
                Subject::Content(_) | Subject::Still(_) => {
                    park(txn, context, *queue, *subject, &job, why.clone())
                }
            },
            Failure::Permanent { why } => park(txn, context, *queue, *subject, &job, why.clone()),
        }
    }
}

fn has_other_link(
    txn: &Txn<'_>,
    key: EntryKey,
    refused: Option<&Link>,
) -> Result<bool, StoreError> {
    let entry = ENTRIES.get(txn, &key)?;
    Ok(entry.is_some_and(|entry| refused.is_some_and(|link| *link != entry.attachment.link)))
}

fn has_expired(txn: &Txn<'_>, context: &Context, key: EntryKey) -> Result<bool, StoreError> {
    let entry = ENTRIES.get(txn, &key)?;
    Ok(entry.is_some_and(|entry| entry.attachment.link.is_stale(context.now, Duration::ZERO)))
}

/// Writes down that Discord no longer has a file. What is hidden or in the bucket stays as it is.
pub(in crate::store) fn lose(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
    why: String,
) -> Result<(), StoreError> {
    let Some(mut entry) = ENTRIES.get(txn, &key)? else { return Ok(()) };
    if entry.hidden_at.is_some() || entry.state != EntryState::Remote {
        set_renewal(txn, key, &mut entry, None)?;
        ENTRIES.put(txn, &key, &entry);
        return withdraw_in_time(txn, context, key, &entry);
    }
    entry.state = EntryState::Gone { at: context.now, why };
    count(txn, Tally::Gone, 1)?;
    let rank = rank_of(key, &entry, Lane::History);
    schedule(txn, context, key, &mut entry, rank, Sight::Known)?;
    ENTRIES.put(txn, &key, &entry);
    mark_shown(txn, context, key, &entry)?;
    withdraw_in_time(txn, context, key, &entry)
}

/// Has an entry published, where the page shows it.
pub(super) fn mark_shown(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
    entry: &Entry,
) -> Result<(), StoreError> {
    if entry.is_shown(&context.policy) {
        mark_changed(txn, key.root, key.message, context.publish_by())?;
    }
    Ok(())
}

pub(in crate::store) fn count_still(
    txn: &mut Txn<'_>,
    old: Option<&Look>,
    new: Option<&Look>,
) -> Result<(), StoreError> {
    let stills = |look: Option<&Look>| i64::from(look.is_some_and(|look| look.still.is_some()));
    count(txn, Tally::Stills, stills(new) - stills(old))
}

impl Store {
    /// Bytes already in the bucket.
    pub fn content(&self, sha256: Sha256) -> Result<Option<Content>, StoreError> {
        CONTENTS.get(&self.source(), &sha256)
    }
}
