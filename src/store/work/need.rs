//! What an entry needs: which jobs, which link. One function decides, for every reason at once.

use super::line::{end_job, set_job};
use crate::{
    domain::{
        entry::{Entry, EntryKey, EntryState, Look, Sha256},
        job::{Job, JobState, Lane, Queue, Rank, Subject},
        selection::{MediaKind, MediaMode},
    },
    store::{
        Context, StoreError,
        links::set_renewal,
        removal::{is_left_out, settle},
        table::Txn,
        tables::{CONTENTS, ENTRIES, JOBS, USES},
    },
};

/// A download takes a while; a link that dies sooner than this is made new first.
pub(super) const LINK_MARGIN: std::time::Duration = std::time::Duration::from_secs(5);

/// Whether an entry's link is the one that was known before. Only a new one ends the wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Sight {
    /// The same as before.
    Known,
    /// Another one, or one that Discord just confirmed.
    New,
}

/// The rank of work on an entry.
pub(in crate::store) fn rank_of(key: EntryKey, entry: &Entry, lane: Lane) -> Rank {
    Rank::new(lane, key.message, entry.attachment.size, key.item)
}

/// Makes the jobs that an entry needs, ends those that it does not need, and keeps its link alive for as long as
/// something needs it. The caller writes the entry.
pub(in crate::store) fn schedule(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
    entry: &mut Entry,
    rank: Rank,
    sight: Sight,
) -> Result<(), StoreError> {
    let subject = Subject::Entry(key);
    let withheld = entry.hidden_at.is_some() || is_left_out(txn, key)?;
    let wanted = !withheld && entry.is_wanted(&context.policy);
    let mode = context.policy.mode;
    let undecided = matches!(entry.state, EntryState::Remote | EntryState::Parked { .. });
    let copies = wanted && mode == MediaMode::Copy && undecided;
    keep_job(txn, Queue::Download, subject, rank, copies)?;
    if !copies && undecided {
        // Nothing is put aside any more, since nothing is tried.
        entry.state = EntryState::Remote;
    }
    let remote = entry.state == EntryState::Remote;
    let looks = wanted
        && mode == MediaMode::Link
        && remote
        && entry.look.is_none()
        && entry.kind != MediaKind::File;
    keep_job(txn, Queue::Thumbnail, subject, rank, looks)?;
    if let EntryState::Stored(sha256) = entry.state {
        let deserves = wanted && entry.kind != MediaKind::File;
        keep_content_job(txn, context, sha256, key, rank, deserves)?;
        settle(txn, context, Subject::Content(sha256), Some((key, withheld)))?;
    }
    if let Some(still) = entry.look.as_ref().and_then(Look::still_sha256) {
        settle(txn, context, Subject::Still(still), Some((key, withheld)))?;
    }
    let stored_but_linked = mode == MediaMode::Link && matches!(entry.state, EntryState::Stored(_));
    if !wanted || !(remote || stored_but_linked) {
        return set_renewal(txn, key, entry, None);
    }
    if sight == Sight::New || entry.refresh_at.is_none() {
        let renew_at = entry.attachment.link.renew_at(context.now);
        set_renewal(txn, key, entry, renew_at)?;
    }
    if sight == Sight::New {
        for queue in Queue::ALL {
            revive(txn, queue, subject, entry, context)?;
        }
    }
    Ok(())
}

/// A job that waited for a link goes on when it has one.
fn revive(
    txn: &mut Txn<'_>,
    queue: Queue,
    subject: Subject,
    entry: &Entry,
    context: &Context,
) -> Result<(), StoreError> {
    let Some(job) = JOBS.get(txn, &(queue, subject))? else { return Ok(()) };
    let alive = !entry.attachment.link.is_stale(context.now, LINK_MARGIN);
    if job.state == JobState::AwaitingLink && alive {
        set_job(txn, queue, subject, Some(Job { state: JobState::Ready, ..job }))?;
    }
    Ok(())
}

fn keep_job(
    txn: &mut Txn<'_>,
    queue: Queue,
    subject: Subject,
    rank: Rank,
    needed: bool,
) -> Result<(), StoreError> {
    match JOBS.get(txn, &(queue, subject))? {
        None if needed => set_job(txn, queue, subject, Some(Job::new(rank))),
        // What was found in history and is then seen live has become urgent.
        Some(job) if needed && rank < job.rank => {
            set_job(txn, queue, subject, Some(Job { rank, ..job }))
        }
        Some(_) if !needed => end_job(txn, queue, subject),
        _ => Ok(()),
    }
}

/// Bytes are looked at for as long as some entry that has them deserves it.
fn keep_content_job(
    txn: &mut Txn<'_>,
    context: &Context,
    sha256: Sha256,
    key: EntryKey,
    rank: Rank,
    deserves: bool,
) -> Result<(), StoreError> {
    let subject = Subject::Content(sha256);
    let unseen = CONTENTS.get(txn, &sha256)?.is_some_and(|content| content.look.is_none());
    let needed = unseen
        && (deserves
            || JOBS.contains(txn, &(Queue::Thumbnail, subject))?
                && others_deserve(txn, context, sha256, key)?);
    keep_job(txn, Queue::Thumbnail, subject, rank, needed)
}

fn others_deserve(
    txn: &Txn<'_>,
    context: &Context,
    sha256: Sha256,
    except: EntryKey,
) -> Result<bool, StoreError> {
    for ((_, key), ()) in USES.below(txn, &sha256, usize::MAX)? {
        let Some(entry) = ENTRIES.get(txn, &key)? else { continue };
        let deserves = entry.kind != MediaKind::File && entry.is_wanted(&context.policy);
        if key != except && deserves && !is_left_out(txn, key)? {
            return Ok(true);
        }
    }
    Ok(false)
}
