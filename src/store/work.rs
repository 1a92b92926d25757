//! Jobs: made with the reason for them, claimed one by one, and ended or put aside.

use super::{
    Context, Hint, Store, StoreError, Tally,
    links::set_renewal,
    publication::mark_changed,
    table::{Source, Txn},
    tables::{
        CONTENTS, DELAYED, ENTRIES, JOBS, PARKED, PEOPLE, PEOPLE_CHANGED, POLICY, POSTS, PolicyRow,
        READY, USES,
    },
    tally::count,
};
use crate::domain::{
    entry::{Content, CopiedAvatar, Entry, EntryKey, EntryState, Look, Sha256},
    id::{ChannelId, UserId},
    job::{Failure, Job, JobState, Lane, Queue, Rank, Subject},
    link::Link,
    retry::{MAX_ATTEMPTS, delay_before_next},
    selection::{MediaKind, MediaMode},
};

/// A download takes a while; a link that dies sooner than this is made new first.
const LINK_MARGIN: std::time::Duration = std::time::Duration::from_secs(5);

/// How many delayed jobs one claim may call up, so that a claim stays short.
const CALLED_UP: usize = 256;

/// How many entries one step of a sweep goes through.
const SWEEP_STEP: usize = 500;

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
        /// The channel that holds it.
        channel: ChannelId,
        /// From where.
        link: Link,
        /// As Discord named it.
        filename: String,
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

/// A file is in the bucket.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Whose file.
    pub key: EntryKey,
    /// What it is.
    pub sha256: Sha256,
    /// Where it is.
    pub content: Content,
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
    /// How.
    pub failure: Failure,
}

/// The picture of a person is in the bucket, or can't be had.
#[derive(Clone, Debug)]
pub struct AvatarCopied {
    /// Whose.
    pub user: UserId,
    /// The copy; none when Discord has none.
    pub copied: Option<CopiedAvatar>,
}

/// Whether every entry was gone through since the policy changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepDone(pub bool);

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

/// Whether the page shows an entry: wanted, still to be seen on Discord, and not merely on its way into the bucket.
pub(super) fn is_shown(entry: &Entry, context: &Context) -> bool {
    let policy = &context.policy;
    let arrived = policy.mode == MediaMode::Link || entry.state != EntryState::Remote;
    entry.hidden_at.is_none()
        && arrived
        && policy.selection.wants(entry.kind, entry.attachment.size)
}

/// Makes the jobs that an entry needs and does not have.
pub(super) fn schedule(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
    entry: &mut Entry,
    lane: Lane,
) -> Result<(), StoreError> {
    let wanted = context.policy.selection.wants(entry.kind, entry.attachment.size);
    if !wanted || entry.state != EntryState::Remote {
        return set_renewal(txn, key, entry, None);
    }
    let subject = Subject::Entry(key);
    let rank = Rank::new(lane, key.message, entry.attachment.size, key.item);
    match context.policy.mode {
        MediaMode::Copy => {
            if !JOBS.contains(txn, &(Queue::Download, subject))? {
                set_job(txn, Queue::Download, subject, Some(Job::new(rank)))?;
            }
        }
        MediaMode::Link => {
            let looks = entry.look.is_none() && entry.kind != MediaKind::File;
            if looks && !JOBS.contains(txn, &(Queue::Thumbnail, subject))? {
                set_job(txn, Queue::Thumbnail, subject, Some(Job::new(rank)))?;
            }
        }
    }
    let renew_at = entry.attachment.link.renew_at(context.now);
    set_renewal(txn, key, entry, renew_at)?;
    revive(txn, Queue::Download, subject, entry, context)?;
    revive(txn, Queue::Thumbnail, subject, entry, context)
}

/// A job that waited for a link goes on when it has one.
pub(super) fn revive(
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

/// Ends all work on an entry.
pub(super) fn drop_jobs(txn: &mut Txn<'_>, key: EntryKey) -> Result<(), StoreError> {
    for queue in Queue::ALL {
        end_job(txn, queue, Subject::Entry(key))?;
    }
    Ok(())
}

impl Claim {
    pub(super) fn apply(
        &self,
        txn: &mut Txn<'_>,
        context: &Context,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.call_up(txn, context)?;
        let mut claimed = Vec::new();
        // Those in work stay in line until they end, so look past them.
        let ready = READY.below(txn, &self.queue, self.limit.saturating_add(self.busy.len()))?;
        for ((queue, _, subject), ()) in ready {
            if claimed.len() == self.limit {
                break;
            }
            if self.busy.contains(&subject) {
                continue;
            }
            if let Some(job) = begin(txn, context, queue, subject)? {
                claimed.push(job);
            }
        }
        Ok(claimed)
    }

    fn call_up(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        let due = (self.queue, context.now.after(std::time::Duration::from_millis(1)));
        let start = (self.queue, crate::domain::time::Timestamp::from_millis(0));
        for ((queue, _, subject), ()) in DELAYED.between(txn, &start, &due, CALLED_UP)? {
            if let Some(job) = JOBS.get(txn, &(queue, subject))? {
                set_job(txn, queue, subject, Some(Job { state: JobState::Ready, ..job }))?;
            }
        }
        Ok(())
    }
}

fn begin(
    txn: &mut Txn<'_>,
    context: &Context,
    queue: Queue,
    subject: Subject,
) -> Result<Option<Claimed>, StoreError> {
    let Some(job) = JOBS.get(txn, &(queue, subject))? else { return Ok(None) };
    if job.attempts >= MAX_ATTEMPTS {
        let why = format!("begun {} times, and never ended", job.attempts);
        park(txn, context, queue, subject, &job, why)?;
        return Ok(None);
    }
    let Some(task) = task_of(txn, subject)? else {
        end_job(txn, queue, subject)?;
        return Ok(None);
    };
    if let Task::Copy { key, link, .. } | Task::LookAtLink { key, link, .. } = &task
        && link.is_stale(context.now, LINK_MARGIN)
    {
        await_link(txn, context, queue, subject, *key, &job)?;
        return Ok(None);
    }
    let attempts = job.attempts + 1;
    set_job(txn, queue, subject, Some(Job { attempts, ..job }))?;
    Ok(Some(Claimed { subject, task, attempts }))
}

fn task_of(txn: &Txn<'_>, subject: Subject) -> Result<Option<Task>, StoreError> {
    match subject {
        Subject::Content(sha256) => {
            let Some(content) = CONTENTS.get(txn, &sha256)? else { return Ok(None) };
            let Some(((_, key), ())) = USES.below(txn, &sha256, 1)?.into_iter().next() else {
                return Ok(None);
            };
            let kind = ENTRIES.get(txn, &key)?.map_or(MediaKind::File, |entry| entry.kind);
            Ok(Some(Task::LookAtContent { sha256, content, kind }))
        }
        Subject::Entry(key) => {
            let Some(entry) = ENTRIES.get(txn, &key)? else { return Ok(None) };
            let Some(post) = POSTS.get(txn, &key.message)? else { return Ok(None) };
            let Entry { attachment, kind, .. } = entry;
            let copy = JOBS.contains(txn, &(Queue::Download, subject))?;
            Ok(Some(if copy {
                Task::Copy {
                    key,
                    channel: post.channel,
                    link: attachment.link,
                    filename: attachment.filename,
                    size: attachment.size,
                    kind,
                }
            } else {
                Task::LookAtLink { key, link: attachment.link, kind }
            }))
        }
    }
}

fn await_link(
    txn: &mut Txn<'_>,
    context: &Context,
    queue: Queue,
    subject: Subject,
    key: EntryKey,
    job: &Job,
) -> Result<(), StoreError> {
    let Some(mut entry) = ENTRIES.get(txn, &key)? else { return Ok(()) };
    set_renewal(txn, key, &mut entry, Some(context.now))?;
    ENTRIES.put(txn, &key, &entry);
    set_job(txn, queue, subject, Some(Job { state: JobState::AwaitingLink, ..job.clone() }))
}

impl Stored {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        let known = CONTENTS.get(txn, &self.sha256)?;
        if known.is_none() {
            CONTENTS.put(txn, &self.sha256, &self.content);
        }
        let subject = Subject::Entry(self.key);
        let rank = JOBS.get(txn, &(Queue::Download, subject))?.map(|job| job.rank);
        end_job(txn, Queue::Download, subject)?;
        let Some(mut entry) = ENTRIES.get(txn, &self.key)? else { return Ok(()) };
        USES.put(txn, &(self.sha256, self.key), &());
        if entry.state == EntryState::Stored(self.sha256) {
            return Ok(());
        }
        entry.state = EntryState::Stored(self.sha256);
        set_renewal(txn, self.key, &mut entry, None)?;
        ENTRIES.put(txn, &self.key, &entry);
        count(txn, Tally::Stored, 1)?;
        count(txn, Tally::StoredBytes, i64::try_from(self.content.size).unwrap_or(i64::MAX))?;
        let unseen = known.is_none_or(|known| known.look.is_none());
        let look = Subject::Content(self.sha256);
        if unseen
            && entry.kind != MediaKind::File
            && !JOBS.contains(txn, &(Queue::Thumbnail, look))?
        {
            let rank = rank.unwrap_or(Rank::new(
                Lane::History,
                self.key.message,
                self.content.size,
                self.key.item,
            ));
            set_job(txn, Queue::Thumbnail, look, Some(Job::new(rank)))?;
        }
        if is_shown(&entry, context) {
            mark_changed(txn, self.key.root, self.key.message, context.publish_by())?;
        }
        Ok(())
    }
}

impl Looked {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        end_job(txn, Queue::Thumbnail, self.subject)?;
        count(txn, Tally::Stills, i64::from(self.look.still.is_some()))?;
        match self.subject {
            Subject::Content(sha256) => {
                let Some(content) = CONTENTS.get(txn, &sha256)? else { return Ok(()) };
                CONTENTS.put(txn, &sha256, &Content { look: Some(self.look.clone()), ..content });
                for ((_, key), ()) in USES.below(txn, &sha256, usize::MAX)? {
                    mark_changed(txn, key.root, key.message, context.publish_by())?;
                }
            }
            Subject::Entry(key) => {
                let Some(entry) = ENTRIES.get(txn, &key)? else { return Ok(()) };
                ENTRIES.put(txn, &key, &Entry { look: Some(self.look.clone()), ..entry });
                mark_changed(txn, key.root, key.message, context.publish_by())?;
            }
        }
        Ok(())
    }
}

impl Failed {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        let Self { queue, subject, failure } = self;
        let Some(job) = JOBS.get(txn, &(*queue, *subject))? else { return Ok(()) };
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
                Subject::Entry(key) if !job.link_renewed => {
                    let job = Job { link_renewed: true, ..job };
                    await_link(txn, context, *queue, *subject, *key, &job)
                }
                Subject::Entry(key) => lose(txn, context, *key, why.clone()),
                Subject::Content(_) => park(txn, context, *queue, *subject, &job, why.clone()),
            },
            Failure::Permanent { why } => park(txn, context, *queue, *subject, &job, why.clone()),
        }
    }
}

/// Writes down that Discord no longer has a file.
pub(super) fn lose(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
    why: String,
) -> Result<(), StoreError> {
    drop_jobs(txn, key)?;
    let Some(mut entry) = ENTRIES.get(txn, &key)? else { return Ok(()) };
    if entry.state != EntryState::Remote {
        return Ok(());
    }
    entry.state = EntryState::Gone { at: context.now, why };
    set_renewal(txn, key, &mut entry, None)?;
    ENTRIES.put(txn, &key, &entry);
    count(txn, Tally::Gone, 1)?;
    if is_shown(&entry, context) {
        mark_changed(txn, key.root, key.message, context.publish_by())?;
    }
    Ok(())
}

/// Puts a job aside, and says so where the page shows it.
fn park(
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
    if is_shown(&entry, context) {
        mark_changed(txn, key.root, key.message, context.publish_by())?;
    }
    Ok(())
}

impl AvatarCopied {
    pub(super) fn apply(&self, txn: &mut Txn<'_>) -> Result<(), StoreError> {
        let Some(mut person) = PEOPLE.get(txn, &self.user)? else { return Ok(()) };
        if person.copied != self.copied {
            person.copied.clone_from(&self.copied);
            PEOPLE.put(txn, &self.user, &person);
            PEOPLE_CHANGED.put(txn, &self.user, &());
        }
        Ok(())
    }
}

/// Goes through the next entries for a policy that changed.
pub(super) fn sweep(txn: &mut Txn<'_>, context: &Context) -> Result<SweepDone, StoreError> {
    let text = context.policy.describe();
    let row = match POLICY.get(txn, &())? {
        Some(row) if row.text == text && row.swept => return Ok(SweepDone(true)),
        Some(row) if row.text == text => row,
        // A first start has nothing to go through.
        None if ENTRIES.after(txn, None, 1)?.is_empty() => {
            POLICY.put(txn, &(), &PolicyRow { text, swept_to: None, swept: true });
            return Ok(SweepDone(true));
        }
        _ => PolicyRow { text: text.clone(), swept_to: None, swept: false },
    };
    let entries = ENTRIES.after(txn, row.swept_to.as_ref(), SWEEP_STEP)?;
    let swept = entries.len() < SWEEP_STEP;
    let swept_to = entries.last().map(|(key, _)| *key);
    for (key, before) in entries {
        let mut entry = before.clone();
        if entry.hidden_at.is_none() {
            if !context.policy.selection.wants(entry.kind, entry.attachment.size) {
                drop_jobs(txn, key)?;
            }
            schedule(txn, context, key, &mut entry, Lane::History)?;
        }
        if entry != before {
            ENTRIES.put(txn, &key, &entry);
        }
        mark_changed(txn, key.root, key.message, context.publish_by())?;
    }
    POLICY.put(txn, &(), &PolicyRow { text, swept_to, swept });
    Ok(SweepDone(swept))
}

fn end_job(txn: &mut Txn<'_>, queue: Queue, subject: Subject) -> Result<(), StoreError> {
    set_job(txn, queue, subject, None)
}

/// Writes a job, and keeps the lines in which it stands in step.
fn set_job(
    txn: &mut Txn<'_>,
    queue: Queue,
    subject: Subject,
    job: Option<Job>,
) -> Result<(), StoreError> {
    let key = (queue, subject);
    if let Some(old) = JOBS.get(txn, &key)? {
        count_job(txn, queue, &old, -1)?;
        match old.state {
            JobState::Ready => READY.delete(txn, &(queue, old.rank, subject)),
            JobState::Delayed(until) => DELAYED.delete(txn, &(queue, until, subject)),
            JobState::Parked { .. } => PARKED.delete(txn, &key),
            JobState::AwaitingLink => {}
        }
    }
    let Some(job) = job else {
        JOBS.delete(txn, &key);
        return Ok(());
    };
    count_job(txn, queue, &job, 1)?;
    match job.state {
        JobState::Ready => {
            READY.put(txn, &(queue, job.rank, subject), &());
            txn.hint(match queue {
                Queue::Download => Hint::Download,
                Queue::Thumbnail => Hint::Thumbnail,
            });
        }
        JobState::Delayed(until) => DELAYED.put(txn, &(queue, until, subject), &()),
        JobState::Parked { .. } => PARKED.put(txn, &key, &()),
        JobState::AwaitingLink => txn.hint(Hint::Refresh),
    }
    JOBS.put(txn, &key, &job);
    Ok(())
}

fn count_job(txn: &mut Txn<'_>, queue: Queue, job: &Job, sign: i64) -> Result<(), StoreError> {
    let tally = Tally::of_job(queue, &job.state);
    if tally == Tally::DownloadsWaiting {
        let size = i64::try_from(job.rank.size()).unwrap_or(i64::MAX);
        count(txn, Tally::BytesWaiting, sign * size)?;
    }
    count(txn, tally, sign)
}

impl Store {
    /// When the next delayed job of a queue is due.
    pub fn next_due(
        &self,
        queue: Queue,
    ) -> Result<Option<crate::domain::time::Timestamp>, StoreError> {
        Ok(DELAYED.below(&self.source(), &queue, 1)?.first().map(|((_, until, _), ())| *until))
    }

    /// Bytes already in the bucket.
    pub fn content(&self, sha256: Sha256) -> Result<Option<Content>, StoreError> {
        CONTENTS.get(&self.source(), &sha256)
    }

    /// Whether bytes still wait to be looked at, so that their spool file is needed.
    pub fn awaits_look(&self, sha256: Sha256) -> Result<bool, StoreError> {
        JOBS.contains(&self.source(), &(Queue::Thumbnail, Subject::Content(sha256)))
    }

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

/// Puts every job that was put aside back in line.
pub(super) fn retry_parked(txn: &mut Txn<'_>) -> Result<(), StoreError> {
    for ((queue, subject), ()) in PARKED.after(txn, None, usize::MAX)? {
        let Some(job) = JOBS.get(txn, &(queue, subject))? else { continue };
        let fresh = Job { attempts: 0, link_renewed: false, state: JobState::Ready, ..job };
        set_job(txn, queue, subject, Some(fresh))?;
        if let (Queue::Download, Subject::Entry(key)) = (queue, subject)
            && let Some(mut entry) = ENTRIES.get(txn, &key)?
        {
            entry.state = EntryState::Remote;
            ENTRIES.put(txn, &key, &entry);
        }
    }
    Ok(())
}
