//! The only place where concrete parts meet: ports are opened, actors are started, and all of it is drained.

pub mod settings;
pub mod open;
pub mod choice;
pub mod overview;
pub mod metric;
pub mod vitals;
pub mod alerts;
pub mod attend;
pub mod control;
pub mod forget;
pub mod bureau;
mod crew;
pub mod checkup;
pub mod logs;
pub mod progress;
pub mod stills;
pub mod restore;
pub mod verify;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use tokio::{sync::watch, time::Instant};
use tracing::{info, warn};

use self::crew::Common;
use crate::{
    actors::{
        Drain,
        alarm::{Alarm, Fatal},
        backfill::{self, Backfill, Progress, Wanted},
        census::{self, Census},
        download::Copier,
        gateway::{self, Gateway, Health},
        mirror::{self, Mirror},
        mover::{self, Mover},
        persistence::{self, Ledger, Persistence},
        publisher::{self, Keeper, Page, Publisher},
        reconcile::{self, Reconcile, Reconciled, Reconciling},
        refresh::{self, Refresh},
        supervisor::Supervisor,
        thumbnail::Looker,
        verifier::{self, Board, Verifier, Verify},
        worker::{self, Worker},
    },
    bucket::Bucket,
    cdn::Cdn,
    clock::Clock,
    discord::{self, Discord},
    domain::{
        coverage::Span,
        id::{MessageId, RoleId},
        selection::{MediaMode, PlaceSelection, Policy},
        time::Timestamp,
    },
    ffmpeg::Thumbnailer,
    spool::Spool,
    store::{Hint, Store, Tallies, Tally},
};

/// The world outside, as ports.
pub struct Ports {
    /// Discord over REST.
    pub discord: Arc<dyn Discord>,
    /// The same, for calls that can wait.
    pub patient: Arc<dyn Discord>,
    /// Discord's gateway; none for work that ends.
    pub gateway: Option<Arc<dyn discord::gateway::Gateway>>,
    /// Where files come from.
    pub cdn: Arc<dyn Cdn>,
    /// Where they go.
    pub bucket: Arc<dyn Bucket>,
    /// Where is kept what must not be public.
    pub private: Arc<dyn Bucket>,
    /// What is known.
    pub store: Store,
    /// Where files are on their way.
    pub spool: Spool,
    /// Looks at files.
    pub thumbnailer: Arc<dyn Thumbnailer>,
    /// The right to write into the bucket.
    pub lease: Keeper,
    /// The time.
    pub clock: Clock,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Orders {
    /// Which files, and what becomes of them.
    pub policy: Policy,
    /// Whether the catalogue is copied into the private bucket.
    pub copies: Copies,
    /// Which places.
    pub selection: PlaceSelection,
    /// What of their history.
    pub wanted: Wanted,
    /// What of it is read again.
    pub reconciling: Reconciling,
    /// How long after a live message its place is read back.
    pub confirm_after: Duration,
    /// Transfers at a time.
    pub downloads: usize,
    /// Looks at a time.
    pub thumbnails: usize,
    /// How often the archive is verified by itself.
    pub verify_every: Option<Duration>,
    /// The page around the data.
    pub page: Page,
    /// The address under which Discord serves pictures of people.
    pub pictures: String,
    /// Members with one of these roles are not archived.
    pub opt_out_roles: BTreeSet<RoleId>,
}

/// Whether the catalogue is copied into the private bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// It is: the bucket outlives the disk.
    Kept,
    /// It is not: it lies on the same disk.
    None,
}

/// The threads on which everything but the actors runs: one for each core, so that hashing and packing use them all.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the system gives us threads")
}

/// Everything to come, what was asked for before, and all of history when it is asked for now.
pub const fn from_now_on(history_too: bool) -> Wanted {
    if history_too { Wanted::From(MessageId::FIRST) } else { Wanted::AsRemembered }
}

/// What is covered is read again within each such period, or never.
pub const fn reconciling(period: Option<Duration>) -> Reconciling {
    match period {
        Some(period) => Reconciling::Every(period),
        None => Reconciling::Never,
    }
}

/// What is covered of a span is read again, once, when it was asked for, and unless it was since then.
pub const fn reconciling_once(span: Span, asked_at: Option<Timestamp>) -> Reconciling {
    match asked_at {
        Some(asked_at) => Reconciling::Once { span, asked_at },
        None => Reconciling::Never,
    }
}

/// What lies in a span, and nothing to come.
pub const fn only(span: Span) -> Wanted {
    Wanted::Only(span)
}

/// Goes through what is known, when other files are wanted than before.
pub async fn sweep(ledger: Ledger) {
    while !ledger.sweep().await.0 {}
}

/// Everything, at work.
pub struct Service {
    /// Hears of what only a person can mend.
    pub alarm: Alarm,
    /// Counts restarts.
    pub supervisor: Supervisor,
    /// Speaks to the store's writer.
    pub ledger: Ledger,
    /// What is known.
    pub store: Store,
    /// How far reading has come.
    pub progress: watch::Receiver<Progress>,
    /// How far reading again has come.
    pub reconciled: watch::Receiver<Reconciled>,
    /// Counts commits, for those who wait for a state of the store.
    pub commits: watch::Receiver<u64>,
    /// How the gateway's shards are.
    pub health: watch::Receiver<Health>,
    /// How far verifications are.
    pub board: watch::Receiver<Board>,
    verifier: Addr<Verifier>,
    policy: Arc<Policy>,
    clock: Clock,
    gateway: Option<Addr<Gateway>>,
    census: Option<Addr<Census>>,
    backfill: Addr<Backfill>,
    reconcile: Addr<Reconcile>,
    reconciling: Reconciling,
    refresh: Addr<Refresh>,
    download: Addr<Worker<Copier>>,
    thumbnail: Addr<Worker<Looker>>,
    mover: Addr<Worker<Mover>>,
    publisher: Addr<Publisher>,
    mirror: Option<Addr<Mirror>>,
    persistence: Addr<Persistence>,
    lease: Keeper,
}

/// A file that fails is tried again after pauses that grow to an hour. Work that is to end does not wait for the long
/// ones: the next run tries again.
const STALLED: Duration = Duration::from_mins(15);

impl Service {
    /// Starts every actor, sinks first. Must be called on a thread of actix's.
    pub fn start(ports: Ports, orders: &Orders) -> Self {
        let alarm = Alarm::default();
        let supervisor = Supervisor::new(alarm.clone());
        let (persistence, persistence_seat) = supervisor.seat("persistence", persistence::MAILBOX);
        let (publisher, publisher_seat) = supervisor.seat("publisher", publisher::MAILBOX);
        let (mirror, mirror_seat) = supervisor.seat("mirror", mirror::MAILBOX);
        let (mover, mover_seat) = supervisor.seat("mover", worker::MAILBOX);
        let (thumbnail, thumbnail_seat) = supervisor.seat("thumbnail", worker::MAILBOX);
        let (download, download_seat) = supervisor.seat("download", worker::MAILBOX);
        let (refresh, refresh_seat) = supervisor.seat("refresh", refresh::MAILBOX);
        let (reconcile, reconcile_seat) = supervisor.seat("reconcile", reconcile::MAILBOX);
        let (backfill, backfill_seat) = supervisor.seat("backfill", backfill::MAILBOX);
        let (census, census_seat) = supervisor.seat("census", census::MAILBOX);
        let (verifier, verifier_seat) = supervisor.seat("verifier", verifier::MAILBOX);
        let (gateway, gateway_seat) = supervisor.seat("gateway", gateway::MAILBOX);

        let common = Common::new(alarm, ledger(&persistence), &ports, orders);
        let commits = watch::Sender::new(0);
        let progress = watch::Sender::new(Progress::new());
        let reconciled = watch::Sender::new(Reconciled::default());
        let health = watch::Sender::new(Health::default());

        let wakes = BTreeMap::from([
            (Hint::Download, download.clone().recipient()),
            (Hint::Thumbnail, thumbnail.clone().recipient()),
            (Hint::Refresh, refresh.clone().recipient()),
            (Hint::Publish, publisher.clone().recipient()),
            (Hint::Survey, backfill.clone().recipient()),
            (Hint::Reconcile, reconcile.clone().recipient()),
            (Hint::Move, mover.clone().recipient()),
        ]);
        persistence_seat.start(Persistence::new(common.persistence(wakes, commits.clone())));
        publisher_seat.start(Publisher::new(common.publisher(&ports, orders)));
        mover_seat.start(Worker::new(common.worker(common.mover(&ports), mover::AT_ONCE)));
        let looker = common.looker(&ports);
        thumbnail_seat.start(Worker::new(common.worker(looker, orders.thumbnails)));
        let copier = common.copier(&ports);
        download_seat.start(Worker::new(common.worker(copier, orders.downloads)));
        refresh_seat.start(Refresh::new(common.refresh(&ports)));
        let reading = progress.subscribe();
        reconcile_seat.start(common.reconcile(&ports, orders, reading, reconciled.clone()));
        backfill_seat.start(Backfill::new(common.backfill(&ports, orders, progress.clone())));
        let copies = orders.copies == Copies::Kept;
        if copies {
            mirror_seat.start(Mirror::new(common.mirror(&ports, commits.subscribe())));
        }
        let members = common.members(&ports, orders);
        let asks = members.is_asked();
        if asks {
            census_seat.start(Census::new(members.clone(), Arc::clone(&common.selection)));
        }
        let board = watch::Sender::new(Board::default());
        verifier_seat.start(Verifier::new(common.verifier(&ports, orders, board.clone())));
        let listens = ports.gateway.is_some();
        let lease = ports.lease.clone();
        if let Some(port) = ports.gateway {
            gateway_seat.start(common.gateway(port, &backfill, health.clone(), members));
        }
        Self {
            supervisor,
            progress: progress.subscribe(),
            reconciled: reconciled.subscribe(),
            reconciling: orders.reconciling,
            commits: commits.subscribe(),
            health: health.subscribe(),
            board: board.subscribe(),
            verifier,
            gateway: listens.then_some(gateway),
            census: asks.then_some(census),
            backfill,
            reconcile,
            refresh,
            download,
            thumbnail,
            mover,
            publisher,
            mirror: copies.then_some(mirror),
            persistence,
            lease,
            alarm: common.alarm,
            ledger: common.ledger,
            store: common.store,
            policy: common.policy,
            clock: common.clock,
        }
    }

    /// Where verifications are asked for.
    pub fn verifier(&self) -> Recipient<Verify> {
        self.verifier.clone().recipient()
    }

    /// Sources stop, what was begun ends, the archive is published and the store flushed, all within the deadline.
    pub async fn drain(self, deadline: Duration) {
        info!(?deadline, "ending: what was begun is brought to its end");
        let ended = tokio::time::timeout(deadline, self.drain_in_order()).await;
        if ended.is_err() {
            warn!("the deadline came first; what was not ended is done again at the next start");
        }
    }

    async fn drain_in_order(&self) {
        if let Some(gateway) = &self.gateway {
            drained("gateway", gateway.send(Drain).await);
        }
        if let Some(census) = &self.census {
            drained("census", census.send(Drain).await);
        }
        drained("verifier", self.verifier.send(Drain).await);
        drained("backfill", self.backfill.send(Drain).await);
        drained("reconcile", self.reconcile.send(Drain).await);
        drained("refresh", self.refresh.send(Drain).await);
        drained("download", self.download.send(Drain).await);
        drained("thumbnail", self.thumbnail.send(Drain).await);
        drained("mover", self.mover.send(Drain).await);
        drained("publisher", self.publisher.send(Drain).await);
        if let Some(mirror) = &self.mirror {
            drained("mirror", mirror.send(Drain).await);
        }
        self.lease.release().await;
        drained("persistence", self.persistence.send(Drain).await);
    }

    /// Whether everything that was asked for was read, and read again.
    pub fn has_read(&self) -> bool {
        let again = matches!(self.reconciling, Reconciling::Once { .. });
        self.progress.borrow().idle && (!again || self.reconciled.borrow().done)
    }

    /// Whether everything that was asked for is done: read, copied, looked at and published.
    pub fn is_done(&self) -> Result<bool, crate::store::StoreError> {
        if !self.has_read() {
            return Ok(false);
        }
        let tallies = self.store.tallies()?;
        let waiting = [Tally::DownloadsWaiting, Tally::ThumbnailsWaiting];
        let links_due = self.policy.mode == MediaMode::Link
            && self.store.next_link_due()?.is_some_and(|due| due <= self.clock.now());
        // What was put aside waits for a person, and so does the end of the erasure.
        let erased = tallies.get(Tally::MovesParked) > 0
            || !self.store.is_erasing()? && self.store.purge()?.is_none();
        Ok(waiting.iter().all(|tally| tallies.get(*tally) == 0) && !links_due && erased)
    }

    /// Returns when everything that was asked for is done but for publishing, when somebody rang the alarm, or when
    /// nothing has moved for so long that waiting on makes no sense.
    pub async fn done(&self) -> Result<(), Fatal> {
        let mut commits = self.commits.clone();
        let (mut progress, mut reconciled) = (self.progress.clone(), self.reconciled.clone());
        let mut moved = (Tallies::default(), Instant::now());
        loop {
            if self.is_done().unwrap_or(false) {
                return Ok(());
            }
            let tallies = self.store.tallies().unwrap_or_default();
            if tallies != moved.0 || !progress.borrow().idle {
                moved = (tallies, Instant::now());
            } else if moved.1.elapsed() > STALLED {
                return Err(stalled(&tallies));
            }
            tokio::select! {
                fatal = self.alarm.rung() => return Err(fatal),
                _ = commits.changed() => {}
                _ = progress.changed() => {}
                _ = reconciled.changed() => {}
                // Time alone makes links due.
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }
}

fn stalled(tallies: &Tallies) -> Fatal {
    let (downloads, looks) =
        (tallies.get(Tally::DownloadsWaiting), tallies.get(Tally::ThumbnailsWaiting));
    let reason = format!(
        "nothing has moved for {} minutes (files yet to be copied: {downloads}, to be looked at: {looks}): \
         Discord or the bucket does not give or take them now. Run this again later",
        STALLED.as_secs() / 60
    );
    Fatal { part: "work", reason }
}

fn ledger(persistence: &Addr<Persistence>) -> Ledger {
    let address = || persistence.clone();
    Ledger::new(address().recipient(), address().recipient(), address().recipient())
}

fn drained(part: &'static str, sent: Result<(), MailboxError>) {
    if sent.is_err() {
        warn!(part, "had already ended");
    }
}
