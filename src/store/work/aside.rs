//! Jobs that were put aside: they failed for good or again and again, and wait for a person, blocking nothing.

use super::{
    line::set_job,
    need::{Sight, schedule},
    outcome::mark_shown,
};
use crate::{
    domain::{
        entry::EntryState,
        job::{Job, JobState, Queue, Subject},
    },
    store::{
        Context, Store, StoreError,
        links::set_renewal,
        publication::mark_changed,
        reread::want_parked,
        table::{Source, Txn},
        tables::{ENTRIES, JOBS, PARKED},
    },
};

/// A job that waits for a person.
#[derive(Clone, Debug)]
pub struct ParkedJob {
    /// Of which queue.
    pub queue: Queue,
    /// Which.
    pub subject: Subject,
    /// Why.
    pub why: String,
}

/// Puts a job aside, and says so where the page shows it.
pub(super) fn park(
    txn: &mut Txn<'_>,
    context: &Context,
    queue: Queue,
    subject: Subject,
    job: &Job,
    why: String,
) -> Result<(), StoreError> {
    let state = JobState::Parked { at: context.now, why: why.clone() };
    set_job(txn, queue, subject, Some(Job { state, ..job.clone() }))?;
    let (Queue::Download, Subject::Entry(key)) = (queue, subject) else { return Ok(()) };
    let Some(mut entry) = ENTRIES.get(txn, &key)? else { return Ok(()) };
    entry.state = EntryState::Parked { at: context.now, why };
    set_renewal(txn, key, &mut entry, None)?;
    ENTRIES.put(txn, &key, &entry);
    mark_shown(txn, context, key, &entry)
}

/// Puts every job that was put aside back in line, and has every message asked for again.
pub(in crate::store) fn retry_parked(
    txn: &mut Txn<'_>,
    context: &Context,
) -> Result<(), StoreError> {
    for ((queue, subject), ()) in PARKED.all(txn)? {
        let Some(job) = JOBS.get(txn, &(queue, subject))? else { continue };
        let rank = job.rank;
        let fresh = Job { attempts: 0, link_renewed: false, state: JobState::Ready, ..job };
        set_job(txn, queue, subject, Some(fresh))?;
        let Subject::Entry(key) = subject else { continue };
        let Some(mut entry) = ENTRIES.get(txn, &key)? else { continue };
        let shown = entry.is_shown(&context.policy);
        if matches!(entry.state, EntryState::Parked { .. }) {
            entry.state = EntryState::Remote;
        }
        schedule(txn, context, key, &mut entry, rank, Sight::Known)?;
        ENTRIES.put(txn, &key, &entry);
        if shown {
            mark_changed(txn, key.root, key.message, context.publish_by())?;
        }
    }
    want_parked(txn)
}

impl Store {
    /// The first jobs that were put aside.
    pub fn parked(&self, limit: usize) -> Result<Vec<ParkedJob>, StoreError> {
        let source = self.source();
        let keys = PARKED.after(&source, None, limit)?;
        keys.into_iter().filter_map(|(key, ())| parked_job(&source, key).transpose()).collect()
    }
}

fn parked_job(
    source: &impl Source,
    key: (Queue, Subject),
) -> Result<Option<ParkedJob>, StoreError> {
    let Some(Job { state: JobState::Parked { why, .. }, .. }) = JOBS.get(source, &key)? else {
        return Ok(None);
    };
    Ok(Some(ParkedJob { queue: key.0, subject: key.1, why }))
}
