//! Handing out jobs: the most urgent first, each attempt counted before it begins.

use std::time::Duration;

use super::{
    aside::park,
    line::{end_job, hint_of, set_job},
    need::LINK_MARGIN,
};
use crate::{
    domain::{
        entry::{Content, Entry, EntryKey, Sha256},
        id::MessageId,
        job::{Job, JobState, Queue, Rank, Subject},
        link::Link,
        removal::Chore,
        retry::MAX_BEGINNINGS,
        selection::MediaKind,
        time::Timestamp,
    },
    store::{
        Context, StoreError,
        links::set_renewal,
        removal::{begin_chore, chore_of, waits_for_publication},
        table::Txn,
        tables::{CONTENTS, DELAYED, ENTRIES, JOBS, POLICY, READY, USES},
    },
};

/// How many delayed jobs one claim may call up, so that a claim stays short.
const CALLED_UP: usize = 256;

/// We put nothing off for longer than an hour, and nobody has reason to ask for more than this. What is due later was
/// put off by a clock that has been set back since, and waits for nothing.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// How many jobs one claim may turn away, because their links are dead or because they kill their workers; after a
/// long downtime that can be all of them.
const TURNED_AWAY: usize = 256;

/// A job that was begun so often without an end waits until nothing else is ready. Should it be what kills the
/// process, the others are done before; should the process die for other reasons, again and again, then not always
/// the same jobs are begun in vain, and put aside for it.
const SUSPECT: u16 = 3;

/// How long a job waits for a publication that is overdue.
const UNPUBLISHED: std::time::Duration = std::time::Duration::from_secs(5);

/// How many such jobs one claim looks past, so that a claim stays short.
const LOOKED_PAST: usize = 64;

/// Asks for work.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Of which queue.
    pub queue: Queue,
    /// How many jobs at most.
    pub limit: usize,
    /// What is being worked on already.
    pub busy: Vec<Subject>,
}

/// A job that was handed out; its attempt is counted.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// What it is about.
    pub subject: Subject,
    /// What is to be done.
    pub task: Task,
    /// The message on whose account it is done: what ties the lines of a log together.
    pub message: MessageId,
    /// How often it was begun, this time included.
    pub attempts: u16,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Task {
    /// Copy a file into the bucket.
    Copy {
        /// Whose.
        key: EntryKey,
        /// From where.
        link: Link,
        /// How long Discord says it is.
        size: u64,
        /// What sort it is.
        kind: MediaKind,
    },
    /// Look at bytes in the bucket.
    LookAtContent {
        /// Which.
        sha256: Sha256,
        /// Where.
        content: Content,
        /// What sort they are.
        kind: MediaKind,
    },
    /// Bring bytes where they belong, or out of where they do not.
    Move {
        /// Which.
        subject: Subject,
        /// Their name in the public bucket.
        object: String,
        /// What is to be done.
        chore: Chore,
    },
    /// Look at a file that stays with Discord.
    LookAtLink {
        /// Whose.
        key: EntryKey,
        /// Where.
        link: Link,
        /// What sort it is.
        kind: MediaKind,
    },
}

impl Task {
    /// The link under which its file is asked for, if it is.
    pub fn link(&self) -> Option<&Link> {
        match self {
            Self::Copy { link, .. } | Self::LookAtLink { link, .. } => Some(link),
            Self::LookAtContent { .. } | Self::Move { .. } => None,
        }
    }
}

impl Claim {
    pub(in crate::store) fn apply(
        &self,
        txn: &mut Txn<'_>,
        context: &Context,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.call_up(txn, context)?;
        let mut claimed = Vec::new();
        let mut suspects = Vec::new();
        let mut turned_away = 0;
        // Those in work stay in line until they end, so look past them.
        let mut passed: Option<(Queue, Rank, Subject)> = None;
        while claimed.len() < self.limit {
            if turned_away >= TURNED_AWAY {
                // Whoever asked comes again at once for what is behind.
                txn.hint(hint_of(self.queue));
                break;
            }
            let step = self.limit.saturating_add(self.busy.len());
            let ready = match &passed {
                None => READY.below(txn, &self.queue, step)?,
                Some(last) => READY.after(txn, Some(last), step)?,
            };
            let before = passed;
            for (place, ()) in ready {
                let (queue, _, subject) = place;
                if queue != self.queue || claimed.len() == self.limit {
                    break;
                }
                passed = Some(place);
                if self.busy.contains(&subject) {
                    continue;
                }
                if suspects.len() < LOOKED_PAST && is_suspect(txn, queue, subject)? {
                    suspects.push(subject);
                    continue;
                }
                match begin(txn, context, queue, subject)? {
                    Some(job) => claimed.push(job),
                    None => turned_away += 1,
                }
            }
            if passed == before {
                // The line ends here.
                break;
            }
        }
        for subject in suspects {
            if claimed.len() == self.limit {
                break;
            }
            claimed.extend(begin(txn, context, self.queue, subject)?);
        }
        Ok(claimed)
    }

    fn call_up(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        let due = (self.queue, context.now.after(Duration::from_millis(1)));
        let start = (self.queue, Timestamp::from_millis(0));
        let mut called = DELAYED.between(txn, &start, &due, CALLED_UP)?;
        let never = (self.queue, context.now.after(LONGEST_WAIT));
        let end = (self.queue, Timestamp::from_millis(i64::MAX));
        called.extend(DELAYED.between(txn, &never, &end, CALLED_UP)?);
        for ((queue, _, subject), ()) in called {
            if let Some(job) = JOBS.get(txn, &(queue, subject))? {
                set_job(txn, queue, subject, Some(Job { state: JobState::Ready, ..job }))?;
            }
        }
        Ok(())
    }
}

fn is_suspect(txn: &Txn<'_>, queue: Queue, subject: Subject) -> Result<bool, StoreError> {
    Ok(JOBS.get(txn, &(queue, subject))?.is_some_and(|job| job.attempts >= SUSPECT))
}

/// Begins a job, or turns it away: then it is no longer in line.
fn begin(
    txn: &mut Txn<'_>,
    context: &Context,
    queue: Queue,
    subject: Subject,
) -> Result<Option<Claimed>, StoreError> {
    let Some(job) = JOBS.get(txn, &(queue, subject))? else { return Ok(None) };
    if job.attempts >= MAX_BEGINNINGS {
        let why = format!("begun {} times, and never ended", job.attempts);
        park(txn, context, queue, subject, &job, why)?;
        return Ok(None);
    }
    if queue == Queue::Move && !may_move(txn, subject)? {
        let state = JobState::Delayed(context.now.after(UNPUBLISHED));
        set_job(txn, queue, subject, Some(Job { state, ..job }))?;
        return Ok(None);
    }
    let Some(task) = task_of(txn, queue, subject)? else {
        end_job(txn, queue, subject)?;
        return Ok(None);
    };
    if let Task::Move { chore, .. } = task {
        begin_chore(txn, subject, chore)?;
    }
    if let Task::Copy { key, link, .. } | Task::LookAtLink { key, link, .. } = &task
        && link.is_stale(context.now, LINK_MARGIN)
    {
        await_link(txn, context, queue, subject, *key, &job)?;
        return Ok(None);
    }
    let (attempts, message) = (job.attempts + 1, job.rank.message());
    set_job(txn, queue, subject, Some(Job { attempts, ..job }))?;
    Ok(Some(Claimed { subject, task, message, attempts }))
}

fn task_of(txn: &Txn<'_>, queue: Queue, subject: Subject) -> Result<Option<Task>, StoreError> {
    match (queue, subject) {
        (Queue::Move, subject) => {
            Ok(chore_of(txn, subject)?.map(|(chore, object)| Task::Move { subject, object, chore }))
        }
        (_, Subject::Still(_)) => Ok(None),
        (_, Subject::Content(sha256)) => {
            let Some(content) = CONTENTS.get(txn, &sha256)? else { return Ok(None) };
            let kind = kind_of(txn, sha256)?;
            Ok(kind.map(|kind| Task::LookAtContent { sha256, content, kind }))
        }
        (Queue::Download, Subject::Entry(key)) => {
            let entry = ENTRIES.get(txn, &key)?;
            Ok(entry.map(|Entry { attachment, kind, .. }| Task::Copy {
                key,
                link: attachment.link,
                size: attachment.size,
                kind,
            }))
        }
        (Queue::Thumbnail, Subject::Entry(key)) => {
            let entry = ENTRIES.get(txn, &key)?;
            Ok(entry.map(|Entry { attachment, kind, .. }| Task::LookAtLink {
                key,
                link: attachment.link,
                kind,
            }))
        }
    }
}

/// Whether bytes may be moved now: who shares them is known once every entry was gone through, and what a manifest
/// still names stays until the next one.
fn may_move(txn: &Txn<'_>, subject: Subject) -> Result<bool, StoreError> {
    let swept = POLICY.get(txn, &())?.is_none_or(|row| row.swept);
    Ok(swept && !waits_for_publication(txn, subject)?)
}

/// What sort shared bytes are, told by an entry that names them well: the same clip may have been posted as `a.mp4`
/// and as `a.bin`.
fn kind_of(txn: &Txn<'_>, sha256: Sha256) -> Result<Option<MediaKind>, StoreError> {
    let mut kind = None;
    for ((_, key), ()) in USES.below(txn, &sha256, usize::MAX)? {
        match ENTRIES.get(txn, &key)?.map(|entry| entry.kind) {
            Some(MediaKind::File) => kind = Some(MediaKind::File),
            Some(told) => return Ok(Some(told)),
            None => {}
        }
    }
    Ok(kind)
}

/// Puts a job off until its link was made new, which is asked for with it.
pub(super) fn await_link(
    txn: &mut Txn<'_>,
    context: &Context,
    queue: Queue,
    subject: Subject,
    key: EntryKey,
    job: &Job,
) -> Result<(), StoreError> {
    let Some(mut entry) = ENTRIES.get(txn, &key)? else { return end_job(txn, queue, subject) };
    set_renewal(txn, key, &mut entry, Some(context.now))?;
    ENTRIES.put(txn, &key, &entry);
    set_job(txn, queue, subject, Some(Job { state: JobState::AwaitingLink, ..job.clone() }))
}
