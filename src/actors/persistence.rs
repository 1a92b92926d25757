//! The only writer of the store. Its answer means: durable.
//!
//! Everybody sends it what happened; it wakes those for whom there is work then. While one commit is being flushed,
//! requests gather for the next, so a flush is paid once for all that came in meanwhile.
//!
//! A crash here loses nothing: requests that were not answered are sent again by those who wait for them, and doing
//! a change twice is doing it once.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use tokio::sync::{oneshot, watch};
use tracing::{debug, error, info};

use super::{Drain, Wake, alarm::Alarm};
use crate::{
    clock::Clock,
    domain::{
        job::{Queue, Subject},
        selection::Policy,
    },
    store::{
        Change, Claim, Claimed, Commit, Context as Moment, Held, Hint, KvError, Store, StoreError,
        SweepDone, Tended,
    },
};

/// Those who wait for an answer are few: eight actors with some tasks each.
pub const MAILBOX: usize = 64;

/// The most requests that share a commit: a bound on how long the first of them waits.
const GROUP: usize = 128;

/// How often upkeep is thought of though nothing called for it: what time alone makes due may be late by this.
const UPKEEP: Duration = Duration::from_secs(15);

/// The first pause before a request is sent again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Write down what happened. The answer means that it is durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), PersistenceError>")]
pub struct Record(pub Arc<Vec<Change>>);

/// Hand out jobs, each with its attempt counted.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Claimed>, PersistenceError>")]
pub struct ClaimJobs(pub Claim);

/// Go through some more entries, when other files are wanted than before.
#[derive(Debug, Message)]
#[rtype(result = "Result<SweepDone, PersistenceError>")]
pub struct Sweep;

/// Why a request was not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PersistenceError {
    /// The store failed.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// The writer died on the way: send it again.
    #[error("the writer was interrupted")]
    Interrupted,
}

/// Writes the store.
pub struct Persistence {
    store: Store,
    policy: Arc<Policy>,
    clock: Clock,
    alarm: Alarm,
    wakes: BTreeMap<Hint, Recipient<Wake>>,
    commits: watch::Sender<u64>,
    waiting: VecDeque<Request>,
    committing: bool,
    /// Whether the last commit failed. It is said once, and once that it works again.
    failing: bool,
    upkeep: Upkeep,
    /// What was held back when it was last told.
    held: Option<Held>,
}

/// Whether what is done between other changes is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upkeep {
    Idle,
    Underway,
    /// The process ends.
    Over,
}

/// What [`Persistence`] needs to live, and to live again.
pub struct Parts {
    /// What it writes.
    pub store: Store,
    /// What is wanted.
    pub policy: Arc<Policy>,
    /// Tells when a change is written down.
    pub clock: Clock,
    /// Hears of a store that can't be read any more.
    pub alarm: Alarm,
    /// Who is woken by which hint.
    pub wakes: BTreeMap<Hint, Recipient<Wake>>,
    /// Counts commits, for those who wait for a state of the store.
    pub commits: watch::Sender<u64>,
}

enum Request {
    Record(Arc<Vec<Change>>, oneshot::Sender<Result<(), PersistenceError>>),
    Claim(Claim, oneshot::Sender<Result<Vec<Claimed>, PersistenceError>>),
    Sweep(oneshot::Sender<Result<SweepDone, PersistenceError>>),
    Tend(oneshot::Sender<Result<Tended, PersistenceError>>),
}

impl Persistence {
    /// A writer over these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { store, policy, clock, alarm, wakes, commits } = parts;
        let waiting = VecDeque::new();
        Self {
            store,
            policy,
            clock,
            alarm,
            wakes,
            commits,
            waiting,
            committing: false,
            failing: false,
            upkeep: Upkeep::Idle,
            held: None,
        }
    }

    /// Does what is to be done between other changes, step by step.
    fn tend(&mut self, ctx: &mut Context<Self>) {
        if self.upkeep != Upkeep::Idle {
            return;
        }
        self.upkeep = Upkeep::Underway;
        let step = self.enqueue(ctx, Request::Tend);
        ctx.spawn(step.into_actor(self).map(|done, this, ctx| {
            if this.upkeep == Upkeep::Underway {
                this.upkeep = Upkeep::Idle;
            }
            // One that failed is told where its commit ends, and done again when the clock calls.
            let Ok(Tended { more, held }) = done else { return };
            this.tell_held(held);
            if more {
                this.tend(ctx);
            }
        }));
    }

    fn tell_held(&mut self, held: Option<Held>) {
        match (&self.held, &held) {
            (None, Some(Held { files, .. })) => error!(
                files,
                "so much was deleted on Discord at once that nothing of it is erased: \
                 `bowerbird status --allow-erasing` lets it be erased, `bowerbird status --keep-deleted` \
                 shows it again, marked"
            ),
            (Some(_), None) => info!("nothing is held back from being erased any more"),
            _ => {}
        }
        self.held = held;
    }

    fn enqueue<T: 'static>(
        &mut self,
        ctx: &mut Context<Self>,
        request: impl FnOnce(oneshot::Sender<Result<T, PersistenceError>>) -> Request,
    ) -> ResponseFuture<Result<T, PersistenceError>> {
        let (reply, answer) = oneshot::channel();
        self.waiting.push_back(request(reply));
        self.commit(ctx);
        Box::pin(async move { answer.await.unwrap_or(Err(PersistenceError::Interrupted)) })
    }

    /// Commits what waits, unless a commit is under way: then its end calls this again.
    fn commit(&mut self, ctx: &mut Context<Self>) {
        if self.committing || self.waiting.is_empty() {
            return;
        }
        self.committing = true;
        let group: Vec<_> = self.waiting.drain(..self.waiting.len().min(GROUP)).collect();
        let moment = Moment { now: self.clock.now(), policy: Arc::clone(&self.policy) };
        let work = self.store.aside(move |store| commit_group(store, moment, group));
        ctx.spawn(work.into_actor(self).map(|done, this, ctx| {
            this.committing = false;
            this.committed(done, ctx);
            this.commit(ctx);
        }));
    }

    fn committed(
        &mut self,
        outcome: Result<BTreeSet<Hint>, PersistenceError>,
        ctx: &mut Context<Self>,
    ) {
        match outcome {
            Ok(hints) => {
                if std::mem::take(&mut self.failing) {
                    info!("the store takes what happens again; work goes on");
                }
                if hints.contains(&Hint::Tend) {
                    self.tend(ctx);
                }
                for hint in hints {
                    if let Some(worker) = self.wakes.get(&hint) {
                        // A full mailbox holds a wake-up already.
                        worker.try_send(Wake).ok();
                    }
                }
                self.commits.send_modify(|commits| *commits += 1);
            }
            Err(PersistenceError::Store(error)) if is_hopeless(&error) => {
                error!(%error, "the store can't be used any more");
                self.alarm.ring("persistence", error.to_string());
            }
            // Those who wait send again and again; saying so each time would help nobody.
            Err(error) if !std::mem::replace(&mut self.failing, true) => {
                error!(%error, "nothing can be written down: all work waits, and goes on by itself when it can");
            }
            Err(error) => debug!(%error, "nothing can be written down yet"),
        }
    }
}

impl Actor for Persistence {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(UPKEEP, Self::tend);
        self.tend(ctx);
    }
}

impl Supervised for Persistence {
    fn restarting(&mut self, _: &mut Self::Context) {
        // Those whose requests are dropped here hear of it, and send them again.
        self.waiting.clear();
        self.committing = false;
        if self.upkeep == Upkeep::Underway {
            self.upkeep = Upkeep::Idle;
        }
    }
}

impl Handler<Record> for Persistence {
    type Result = ResponseFuture<Result<(), PersistenceError>>;

    fn handle(&mut self, Record(changes): Record, ctx: &mut Self::Context) -> Self::Result {
        self.enqueue(ctx, |reply| Request::Record(changes, reply))
    }
}

impl Handler<ClaimJobs> for Persistence {
    type Result = ResponseFuture<Result<Vec<Claimed>, PersistenceError>>;

    fn handle(&mut self, ClaimJobs(claim): ClaimJobs, ctx: &mut Self::Context) -> Self::Result {
        self.enqueue(ctx, |reply| Request::Claim(claim, reply))
    }
}

impl Handler<Sweep> for Persistence {
    type Result = ResponseFuture<Result<SweepDone, PersistenceError>>;

    fn handle(&mut self, Sweep: Sweep, ctx: &mut Self::Context) -> Self::Result {
        self.enqueue(ctx, Request::Sweep)
    }
}

impl Handler<Drain> for Persistence {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Drain: Drain, ctx: &mut Self::Context) -> Self::Result {
        self.upkeep = Upkeep::Over;
        // Answered after everything that came before it.
        let drained = self.enqueue(ctx, |reply| Request::Record(Arc::default(), reply));
        Box::pin(async move { drop(drained.await) })
    }
}

/// Tells one asker what came of it, once the commit is known to be durable or not.
type Answer = Box<dyn FnOnce(Result<(), PersistenceError>)>;

/// Applies each request, flushes once, and only then answers.
fn commit_group(
    store: &Store,
    moment: Moment,
    group: Vec<Request>,
) -> Result<BTreeSet<Hint>, PersistenceError> {
    let mut commit = store.begin(moment);
    let answers: Vec<Answer> =
        group.into_iter().map(|request| apply(&mut commit, request)).collect();
    let outcome = commit.finish().map_err(|error| PersistenceError::Store(Arc::new(error)));
    for answer in answers {
        answer(outcome.as_ref().map(|_| ()).map_err(Clone::clone));
    }
    outcome
}

/// Applies a request to the commit.
fn apply(commit: &mut Commit<'_>, request: Request) -> Answer {
    match request {
        Request::Record(changes, reply) => {
            let added = changes.iter().try_for_each(|change| commit.add(change));
            answer(added, reply)
        }
        Request::Claim(claim, reply) => answer(commit.claim(&claim), reply),
        Request::Sweep(reply) => answer(commit.sweep(), reply),
        Request::Tend(reply) => answer(commit.tend(), reply),
    }
}

fn answer<T: 'static>(
    result: Result<T, StoreError>,
    reply: oneshot::Sender<Result<T, PersistenceError>>,
) -> Answer {
    let result = result.map_err(|error| PersistenceError::Store(Arc::new(error)));
    Box::new(move |durable| {
        // Nobody waits any more when the asker died; it asks again when it lives again.
        reply.send(durable.and(result)).ok();
    })
}

/// Whether waiting can't help: somebody has to look.
fn is_hopeless(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Corrupt { .. }
            | StoreError::TooNew { .. }
            | StoreError::Kv(KvError::Corrupt { .. })
    )
}

/// How others speak to [`Persistence`]: a request that is interrupted is sent again until it is done.
#[derive(Clone)]
pub struct Ledger {
    record: Recipient<Record>,
    claim: Recipient<ClaimJobs>,
    sweep: Recipient<Sweep>,
}

impl Ledger {
    /// Speaks to whoever takes these messages.
    pub fn new(
        record: Recipient<Record>,
        claim: Recipient<ClaimJobs>,
        sweep: Recipient<Sweep>,
    ) -> Self {
        Self { record, claim, sweep }
    }

    /// Returns when the changes are durable.
    pub async fn record(&self, changes: impl IntoIterator<Item = Change>) {
        let changes = Arc::new(changes.into_iter().collect::<Vec<_>>());
        insist(|| self.record.send(Record(Arc::clone(&changes)))).await;
    }

    /// Takes jobs of a queue, but none of those that are busy.
    pub async fn claim(&self, queue: Queue, limit: usize, busy: Vec<Subject>) -> Vec<Claimed> {
        let claim = Claim { queue, limit, busy };
        insist(|| self.claim.send(ClaimJobs(claim.clone()))).await
    }

    /// One step through the entries after other files are wanted than before.
    pub async fn sweep(&self) -> SweepDone {
        insist(|| self.sweep.send(Sweep)).await
    }
}

/// Sends until it is done. A store that can't write now (a full disk) may be able to later, and one that never can
/// ends the process.
async fn insist<T, F>(mut send: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<Result<T, PersistenceError>, MailboxError>>,
{
    let (mut pause, longest) = PAUSES;
    loop {
        if let Ok(Ok(answer)) = send().await {
            return answer;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}
