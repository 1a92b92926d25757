//! The shape that Download, Thumbnail and Mover share: claim from the store, work, report, park.
//!
//! An attempt is counted before it starts, and a claim is a guard that gives the job back when it is dropped. So a
//! crash loses one attempt, and a job that kills its worker again and again is put aside by the count.
//!
//! Work runs on tokio's threads, not on the actors' one. A panic in it is raised again here, so that the supervisor
//! sees it.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use actix::prelude::*;
use async_trait::async_trait;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::sleep,
};
use tracing::{Instrument, info, info_span, warn};

use super::{Drain, Wake, hands::Hold, persistence::Ledger};
use crate::{
    clock::Clock,
    domain::job::{Failure, Queue, Subject},
    store::{Change, Claimed, Failed, Store},
};

/// One wake-up says as much as ten: the queue is in the store.
pub const MAILBOX: usize = 1;

/// How often the queue is looked at though nobody rang and nothing is due: a lost wake-up costs no more than this, and
/// an idle service has little to do.
const ROUND: Duration = Duration::from_mins(1);

/// What a worker does with a job.
#[async_trait]
pub trait Work: Send + Sync + Debug + 'static {
    /// The line of work.
    const QUEUE: Queue;

    /// Does the job. What comes of it is written down by the worker, and until that is durable the bytes stay in hand
    /// that are put into `hold`. Waits for something outside go through [`Patience`], which ends with the service.
    async fn perform(
        &self,
        job: &Claimed,
        patience: &Patience,
        hold: &mut Option<Hold>,
    ) -> Result<Change, Failure>;

    /// Told when what came of a job is durable.
    async fn settled(&self, _: &Change) {}
}

/// Waits as long as the worker is open.
#[derive(Clone, Debug)]
pub struct Patience {
    closing: watch::Receiver<Closing>,
}

impl Patience {
    /// Waits for something; none when the worker is to close before.
    pub async fn outlast<T>(&self, wanted: impl Future<Output = T>) -> Option<T> {
        let mut closing = self.closing.clone();
        tokio::select! {
            biased;
            found = wanted => Some(found),
            // Also when nobody is left who could ask.
            _ = closing.wait_for(|closing| *closing != Closing::Open) => None,
        }
    }
}

/// Does the jobs of one queue, several at a time.
pub struct Worker<W: Work> {
    shop: Shop<W>,
}

/// What a [`Worker`] needs to live, and to live again.
pub struct Parts<W: Work> {
    /// What is done with a job.
    pub work: Arc<W>,
    /// How many jobs are done at a time.
    pub limit: usize,
    /// Where jobs come from and outcomes go.
    pub ledger: Ledger,
    /// Tells when the next delayed job is due.
    pub store: Store,
    /// Tells what that means.
    pub clock: Clock,
}

struct Shop<W: Work> {
    work: Arc<W>,
    limit: usize,
    ledger: Ledger,
    store: Store,
    clock: Clock,
    busy: Busy,
    bell: Arc<Notify>,
    closing: watch::Sender<Closing>,
}

/// How far a worker has come with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Open,
    Asked,
    Closed,
}

impl<W: Work> Clone for Shop<W> {
    fn clone(&self) -> Self {
        Self {
            work: Arc::clone(&self.work),
            limit: self.limit,
            ledger: self.ledger.clone(),
            store: self.store.clone(),
            clock: self.clock,
            busy: self.busy.clone(),
            bell: Arc::clone(&self.bell),
            closing: self.closing.clone(),
        }
    }
}

impl<W: Work> Worker<W> {
    /// A worker over these parts.
    pub fn new(parts: Parts<W>) -> Self {
        let Parts { work, limit, ledger, store, clock } = parts;
        let shop = Shop {
            work,
            limit,
            ledger,
            store,
            clock,
            busy: Busy::default(),
            bell: Arc::default(),
            closing: watch::Sender::new(Closing::Open),
        };
        Self { shop }
    }
}

impl<W: Work> Actor for Worker<W> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(run(self.shop.clone()).into_actor(self));
    }
}

impl<W: Work> Supervised for Worker<W> {}

impl<W: Work> Handler<Wake> for Worker<W> {
    type Result = ();

    fn handle(&mut self, Wake: Wake, _: &mut Self::Context) {
        self.shop.bell.notify_one();
    }
}

impl<W: Work> Handler<Drain> for Worker<W> {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Drain: Drain, _: &mut Self::Context) -> Self::Result {
        self.shop.closing.send_if_modified(|closing| {
            let open = *closing == Closing::Open;
            if open {
                *closing = Closing::Asked;
            }
            open
        });
        self.shop.bell.notify_one();
        let mut closing = self.shop.closing.subscribe();
        Box::pin(async move {
            // Fails only when the worker is gone, and then it is closed too.
            closing.wait_for(|closing| *closing == Closing::Closed).await.ok();
        })
    }
}

/// Claims and does jobs until asked to close.
async fn run<W: Work>(shop: Shop<W>) {
    let mut jobs = JoinSet::new();
    loop {
        let open = *shop.closing.borrow() == Closing::Open;
        let free = shop.limit.saturating_sub(jobs.len());
        if open && free > 0 {
            for claimed in shop.ledger.claim(W::QUEUE, free, shop.busy.subjects()).await {
                let guard = shop.busy.take(claimed.subject);
                // Whatever is said on the way, by whomever, says for which message.
                let Claimed { subject, message, .. } = &claimed;
                let span = info_span!("job", queue = %W::QUEUE, message_id = %message, %subject);
                jobs.spawn(do_job(shop.clone(), claimed, guard).instrument(span));
            }
        } else if !open && jobs.is_empty() {
            shop.closing.send_replace(Closing::Closed);
            return;
        }
        let pause = until_due(&shop).await;
        tokio::select! {
            // In this order, so that a test that owns time sees the same twice.
            biased;
            Some(done) = jobs.join_next() => {
                if let Err(died) = done {
                    std::panic::resume_unwind(died.into_panic());
                }
            }
            () = shop.bell.notified() => {}
            () = sleep(pause) => {}
        }
    }
}

async fn do_job<W: Work>(shop: Shop<W>, job: Claimed, guard: Guard) {
    let patience = Patience { closing: shop.closing.subscribe() };
    let mut hold = None;
    let change = match shop.work.perform(&job, &patience, &mut hold).await {
        Ok(change) => change,
        Err(failure) => {
            log_failure(job.attempts, &failure);
            let link = job.task.link().cloned();
            Failed { queue: W::QUEUE, subject: job.subject, link, failure }.into()
        }
    };
    shop.ledger.record([change.clone()]).await;
    shop.work.settled(&change).await;
    drop((hold, guard));
}

fn log_failure(attempts: u16, failure: &Failure) {
    match failure {
        Failure::Postponed { why, .. } => info!(why, "postponed"),
        Failure::DeadLink { why } => info!(why, "the link is dead"),
        Failure::Retryable { why } => warn!(attempts, why, "to be tried again"),
        Failure::Permanent { why } => warn!(why, "put aside"),
    }
}

async fn until_due<W: Work>(shop: &Shop<W>) -> Duration {
    let due = shop.store.read(|store| store.next_due(W::QUEUE)).await.ok().flatten();
    due.map_or(ROUND, |due| due.since(shop.clock.now()).clamp(Duration::from_millis(50), ROUND))
}

/// The jobs that are being worked on.
#[derive(Clone, Debug, Default)]
struct Busy(Arc<Mutex<BTreeSet<Subject>>>);

/// Gives its job back when it is dropped.
struct Guard {
    busy: Busy,
    subject: Subject,
}

impl Busy {
    fn take(&self, subject: Subject) -> Guard {
        self.set().insert(subject);
        Guard { busy: self.clone(), subject }
    }

    fn subjects(&self) -> Vec<Subject> {
        self.set().iter().copied().collect()
    }

    fn set(&self) -> MutexGuard<'_, BTreeSet<Subject>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.busy.set().remove(&self.subject);
    }
}
