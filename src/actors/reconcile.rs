//! Reads again what was read, for edits and deletions that nobody told of.
//!
//! Whoever is not listening hears of no edit and no deletion, and Discord does not tell of them afterwards. So every
//! place is read a second time within a period, at an even pace; after events were lost, the latest pages of every place
//! are read again at once. All of it waits for Backfill to have nothing to read, and goes to Discord with the lowest
//! priority. It awaits Persistence. A crash loses the page in flight.

mod plan;
mod reader;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use actix::prelude::*;
use futures_util::{StreamExt, stream};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tracing::{debug, info, warn};

pub use self::plan::Reconciling;
use self::{
    plan::{Plan, Todo, Visit},
    reader::Reader,
};
use super::{Drain, Wake, alarm::Alarm, backfill::Progress, persistence::Ledger};
use crate::{
    clock::Clock,
    discord::{Discord, DiscordError},
    domain::{
        id::{ChannelId, MessageId},
        selection::PlaceSelection,
    },
    store::{Change, RereadPlanned, Store, UnheardReread},
};

/// One wake-up says as much as ten: what is to be read again is in the store.
pub const MAILBOX: usize = 1;

/// Places read again at once where nobody set a pace: a channel gives a page a second, and what can wait may use 38 of
/// Discord's fifty.
const AT_ONCE: usize = 32;

/// How long a place rests that can't be read now. The polite layer has tried for a minute already.
const REST: Duration = Duration::from_mins(5);

/// How often is looked what there is to do, though nobody rang: a lost bell costs no more than this.
const LOOK_EVERY: Duration = Duration::from_hours(1);

/// How far second readings have come, for people who wait for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Whether everything that was asked for was read again; nobody who asks for nothing waits.
    pub done: bool,
    /// Places that are left.
    pub left: usize,
    /// Pages read in this life.
    pub pages: u64,
}

/// Reads again.
pub struct Reconcile {
    parts: Parts,
    bell: Arc<Notify>,
    working: Option<SpawnHandle>,
}

/// What [`Reconcile`] needs to live, and to live again.
#[derive(Clone)]
pub struct Parts {
    /// Where history comes from, for calls that can wait.
    pub discord: Arc<dyn Discord>,
    /// Where what is found goes.
    pub ledger: Ledger,
    /// What is known already.
    pub store: Store,
    /// Which places are read; its servers are named.
    pub selection: Arc<PlaceSelection>,
    /// What is to be read again.
    pub reconciling: Reconciling,
    /// Tells when.
    pub clock: Clock,
    /// Hears of what only a person can mend.
    pub alarm: Alarm,
    /// How far the first reading is, which goes before.
    pub reading: watch::Receiver<Progress>,
    /// How far this is.
    pub progress: watch::Sender<Reconciled>,
}

impl Reconcile {
    /// A reader over these parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts, bell: Arc::default(), working: None }
    }
}

impl Actor for Reconcile {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let parts = self.parts.clone();
        let reader = Reader {
            discord: Arc::clone(&parts.discord),
            ledger: parts.ledger.clone(),
            store: parts.store.clone(),
        };
        let rounds =
            Rounds { parts, reader, bell: Arc::clone(&self.bell), resting: Mutex::default() };
        self.working = Some(ctx.spawn(rounds.run().into_actor(self)));
    }
}

impl Supervised for Reconcile {}

impl Handler<Wake> for Reconcile {
    type Result = ();

    fn handle(&mut self, Wake: Wake, _: &mut Self::Context) {
        self.bell.notify_one();
    }
}

impl Handler<Drain> for Reconcile {
    type Result = ();

    /// A page that is dropped half-way is read again; nothing waits for it.
    fn handle(&mut self, Drain: Drain, ctx: &mut Self::Context) {
        if let Some(working) = self.working.take() {
            ctx.cancel_future(working);
        }
    }
}

/// The work itself.
struct Rounds {
    parts: Parts,
    reader: Reader,
    bell: Arc<Notify>,
    /// Places that can't be read now, and until when they are let alone.
    resting: Mutex<HashMap<ChannelId, Instant>>,
}

/// Nothing works until a person acts.
struct Fatal(DiscordError);

impl Rounds {
    async fn run(self) {
        loop {
            self.quiet().await;
            let plan = self.plan().await;
            self.parts.progress.send_modify(|progress| {
                progress.left = plan.left;
                progress.done = plan.left == 0 && plan.todo.is_idle();
            });
            if let Err(Fatal(error)) = self.carry_out(plan.todo).await {
                return self.parts.alarm.ring("reconcile", error.to_string());
            }
        }
    }

    async fn carry_out(&self, todo: Todo) -> Result<(), Fatal> {
        match todo {
            Todo::Plan(places) => self.record(RereadPlanned { places }).await,
            Todo::Index => self.record(Change::IndexKept).await,
            Todo::Parked(after) => return self.ask_for_parked(after).await,
            Todo::Now(visits) => return self.read_all(visits).await,
            Todo::Heard(to) => {
                info!("what may have changed while nobody listened was read again");
                self.record(UnheardReread { to }).await;
            }
            Todo::At(at, visit) => {
                let pause = at.since(self.parts.clock.now());
                if pause.is_zero() {
                    self.page(&visit).await?;
                } else {
                    self.wait(pause).await;
                }
            }
            Todo::Nothing => self.wait(LOOK_EVERY).await,
        }
        Ok(())
    }

    async fn record(&self, change: impl Into<Change>) {
        self.parts.ledger.record([change.into()]).await;
    }

    /// Returns when nothing waits to be read for the first time.
    async fn quiet(&self) {
        let mut reading = self.parts.reading.clone();
        if reading.wait_for(|reading| !reading.busy).await.is_err() {
            // Nobody reads any more, so the end is near.
            std::future::pending::<()>().await;
        }
    }

    fn is_quiet(&self) -> bool {
        !self.parts.reading.borrow().busy
    }

    async fn wait(&self, pause: Duration) {
        let rested = self.resting().values().min().copied();
        // Places come to be covered without a bell.
        let longest = match self.parts.reconciling {
            Reconciling::Every(period) => LOOK_EVERY.min(period),
            Reconciling::Never | Reconciling::Once { .. } => LOOK_EVERY,
        };
        let at = Instant::now() + pause.min(longest);
        tokio::select! {
            () = self.bell.notified() => {}
            () = tokio::time::sleep_until(rested.map_or(at, |rested| rested.min(at))) => {}
        }
    }

    async fn plan(&self) -> Plan {
        let selection = Arc::clone(&self.parts.selection);
        let (reconciling, now) = (self.parts.reconciling, self.parts.clock.now());
        let resting = {
            let mut resting = self.resting();
            resting.retain(|_, until| *until > Instant::now());
            resting.keys().copied().collect()
        };
        let made = self
            .parts
            .store
            .read(move |store| plan::make(store, &selection, reconciling, now, &resting));
        made.await.unwrap_or_else(|error| {
            warn!(%error, "what is to be read again can't be told");
            Plan::default()
        })
    }

    /// Each place to its end, or until there is something that goes before.
    async fn read_all(&self, visits: Vec<Visit>) -> Result<(), Fatal> {
        debug!(places = visits.len(), errand = ?visits.first().map(|visit| visit.errand), "reading again");
        let failed: Mutex<Option<Fatal>> = Mutex::default();
        stream::iter(visits)
            .for_each_concurrent(AT_ONCE, |mut visit| {
                let failed = &failed;
                async move {
                    while self.is_quiet() && lock(failed).is_none() {
                        match self.page(&visit).await {
                            Ok(Some(below)) => visit.below = below,
                            Ok(None) => break,
                            Err(fatal) => *lock(failed) = Some(fatal),
                        }
                    }
                }
            })
            .await;
        failed.into_inner().expect("no holder of this lock panics").map_or(Ok(()), Err)
    }

    /// One page of a place. Tells where it goes on; nowhere when it has ended, or can't go on now.
    async fn page(&self, visit: &Visit) -> Result<Option<MessageId>, Fatal> {
        match self.reader.page(visit).await {
            Ok(next) => {
                self.parts.progress.send_modify(|progress| progress.pages += 1);
                Ok(next)
            }
            Err(error) if error.is_fatal() => Err(Fatal(error)),
            Err(error) => {
                self.reader.refused(visit, error).await;
                self.resting().insert(visit.place.id, Instant::now() + REST);
                Ok(None)
            }
        }
    }

    async fn ask_for_parked(&self, after: MessageId) -> Result<(), Fatal> {
        match self.reader.parked(after).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_fatal() => Err(Fatal(error)),
            Err(error) => {
                warn!(%error, "messages that were put aside can't be asked for now");
                tokio::time::sleep(REST).await;
                Ok(())
            }
        }
    }

    fn resting(&self) -> MutexGuard<'_, HashMap<ChannelId, Instant>> {
        lock(&self.resting)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}
