//! The lines in which jobs stand: a job and its place in line are written together, and nowhere else.

use crate::{
    domain::{
        entry::Sha256,
        job::{Job, JobState, Queue, Subject},
        time::Timestamp,
    },
    store::{
        Hint, Store, StoreError, Tally,
        table::Txn,
        tables::{DELAYED, JOBS, PARKED, READY},
        tally::count,
    },
};

/// The hint that a queue has work.
pub(super) const fn hint_of(queue: Queue) -> Hint {
    match queue {
        Queue::Download => Hint::Download,
        Queue::Thumbnail => Hint::Thumbnail,
        Queue::Move => Hint::Move,
    }
}

/// Ends a job, if there is one.
pub(in crate::store) fn end_job(
    txn: &mut Txn<'_>,
    queue: Queue,
    subject: Subject,
) -> Result<(), StoreError> {
    set_job(txn, queue, subject, None)
}

/// Ends a job whose reason was taken away.
pub(in crate::store) fn drop_job(
    txn: &mut Txn<'_>,
    queue: Queue,
    subject: Subject,
) -> Result<(), StoreError> {
    end_job(txn, queue, subject)
}

/// Writes a job, and keeps the lines in which it stands in step.
pub(in crate::store) fn set_job(
    txn: &mut Txn<'_>,
    queue: Queue,
    subject: Subject,
    job: Option<Job>,
) -> Result<(), StoreError> {
    let key = (queue, subject);
    let old = JOBS.get(txn, &key)?;
    if old == job {
        return Ok(());
    }
    if let Some(old) = &old {
        count_job(txn, queue, old, -1)?;
        leave_line(txn, queue, subject, old);
    }
    let Some(job) = job else {
        JOBS.delete(txn, &key);
        return Ok(());
    };
    count_job(txn, queue, &job, 1)?;
    join_line(txn, queue, subject, &job);
    match job.state {
        // A job that was in line already is nobody's news, least of all that of the worker which claims it.
        JobState::Ready if old.is_none_or(|old| old.state != JobState::Ready) => {
            txn.hint(hint_of(queue));
        }
        JobState::AwaitingLink => txn.hint(Hint::Refresh),
        _ => {}
    }
    JOBS.put(txn, &key, &job);
    Ok(())
}

fn join_line(txn: &mut Txn<'_>, queue: Queue, subject: Subject, job: &Job) {
    match job.state {
        JobState::Ready => READY.put(txn, &(queue, job.rank, subject), &()),
        JobState::Delayed(until) => DELAYED.put(txn, &(queue, until, subject), &()),
        JobState::Parked { .. } => PARKED.put(txn, &(queue, subject), &()),
        JobState::AwaitingLink => {}
    }
}

fn leave_line(txn: &mut Txn<'_>, queue: Queue, subject: Subject, job: &Job) {
    match job.state {
        JobState::Ready => READY.delete(txn, &(queue, job.rank, subject)),
        JobState::Delayed(until) => DELAYED.delete(txn, &(queue, until, subject)),
        JobState::Parked { .. } => PARKED.delete(txn, &(queue, subject)),
        JobState::AwaitingLink => {}
    }
}

fn count_job(txn: &mut Txn<'_>, queue: Queue, job: &Job, sign: i64) -> Result<(), StoreError> {
    let tally = Tally::of_job(queue, &job.state);
    if tally == Tally::DownloadsWaiting {
        let size = i64::try_from(job.rank.size()).unwrap_or(i64::MAX);
        count(txn, Tally::BytesWaiting, sign.saturating_mul(size))?;
    }
    count(txn, tally, sign)
}

impl Store {
    /// When the next delayed job of a queue is due.
    pub fn next_due(&self, queue: Queue) -> Result<Option<Timestamp>, StoreError> {
        Ok(DELAYED.below(&self.source(), &queue, 1)?.first().map(|((_, until, _), ())| *until))
    }

    /// Whether bytes still wait to be looked at, so that their spool file is needed. Nobody knows when a person comes
    /// for what was put aside, so that does not count.
    pub fn awaits_look(&self, sha256: Sha256) -> Result<bool, StoreError> {
        let job = JOBS.get(&self.source(), &(Queue::Thumbnail, Subject::Content(sha256)))?;
        Ok(job.is_some_and(|job| !matches!(job.state, JobState::Parked { .. })))
    }
}
