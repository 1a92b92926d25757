//! One life of the service: a process, as far as a test can have one, on a clock of its own.

use std::{sync::Arc, time::Duration};

use actix::spawn;
use bowerbird::{
    actors::{
        alarm::{Alarm, Fatal},
        publisher::{Keeper, LEASE_LASTS, Page},
    },
    app::{Orders, Ports, Service, open},
    bucket::{Bucket, Faults, FlakyBucket, Holder, Lease, LeaseError, RetryBucket, RetryPolicy},
    cdn::Cdn,
    clock::Clock,
    discord::{Discord, gateway::Gateway},
    domain::selection::{MediaMode, PlaceSelection, Policy},
    ffmpeg::Thumbnailer,
    gallery::page::PageMode,
    spool::Spool,
    store::{Kv, Store},
};
use tokio::{runtime::Runtime, task::LocalSet};

use super::{
    World,
    cdn::{FakeCdn, FakeThumbnailer},
    discord::FakeDiscord,
    fate::{Fate, Fuse, Step},
    gateway::FakeGateway,
    ports::{Mortal, Panicking},
    truth::GUILD,
};

/// Some files fit, and many do not: whoever downloads waits for whoever looks.
const SPOOL: u64 = 1 << 20;

/// Why a process stopped running.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ran {
    /// It did not: what was waited for is there.
    On,
    /// It died where it was fated to.
    Died(Step),
    /// It gave up.
    GaveUp(Fatal),
}

/// A process.
pub(super) struct Life {
    // Dropped in this order: first whoever works, then what they work on.
    pub(super) service: Option<Service>,
    local: LocalSet,
    runtime: Runtime,
    pub(super) fate: Fate,
    pub(super) flaky: FlakyBucket,
    pub(super) discord: FakeDiscord,
    pub(super) clock: Clock,
}

impl Life {
    /// A process is born. It may die before it does anything.
    pub(super) fn start(world: &World) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            // One after the other: so a schedule comes out the same each time.
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let fate = Fate::new(world.end);
        let entered = runtime.enter();
        let clock = Clock::simulated(world.truth.now());
        let memory: Arc<dyn Bucket> = Arc::new(world.bucket.clone());
        let mortal = Arc::new(Mortal::new(memory, fate.clone()));
        let flaky = FlakyBucket::new(mortal, world.faults, world.seed ^ world.lives);
        let discord = FakeDiscord {
            truth: world.truth.clone(),
            fate: fate.clone(),
            dice: world.dice.clone(),
            weather: world.weather.clone(),
            requests: Arc::clone(&world.requests),
            turns: Arc::clone(&world.turns),
        };
        drop(entered);
        let local = LocalSet::new();
        let mut life = Self { service: None, local, runtime, fate, flaky, discord, clock };
        let opening = open_ports(world, &life, clock);
        let ports = life.run(async {
            tokio::select! {
                ports = opening => Some(ports),
                _ = life.fate.died() => None,
            }
        });
        if let Some(ports) = ports {
            let orders = orders(world);
            life.service = Some(life.run(async {
                let service = Service::start(ports, &orders);
                spawn(bowerbird::app::sweep(service.ledger.clone()));
                service
            }));
        }
        life
    }

    /// Whatever is done in its time.
    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let truth = &self.discord.truth;
        truth.run_with(self.clock);
        self.local.block_on(&self.runtime, async {
            let done = work.await;
            truth.stand_still();
            done
        })
    }

    /// Runs until something is true, which is looked at ever more rarely, but no longer than this.
    pub(super) fn run_until(&self, patience: Duration, is_so: impl Fn(&Service) -> bool) -> Ran {
        let Some(service) = &self.service else {
            return Ran::Died(self.run(self.fate.died()));
        };
        self.run(async {
            let waiting = async {
                let mut pause = Duration::from_millis(500);
                while !is_so(service) {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 9 / 8).min(Duration::from_mins(1));
                }
            };
            tokio::select! {
                biased;
                step = self.fate.died() => Ran::Died(step),
                fatal = service.alarm.rung() => Ran::GaveUp(fatal),
                () = waiting => Ran::On,
                () = tokio::time::sleep(patience) => Ran::On,
            }
        })
    }

    /// Ends as told: what was begun is brought to its end. Returns who may still ring.
    pub(super) fn drain(&mut self, deadline: Duration) -> Alarm {
        let service = self.service.take().expect("whoever is told to end lives");
        let alarm = service.alarm.clone();
        self.run(service.drain(deadline));
        alarm
    }

    /// The end, whatever was going on.
    pub(super) fn end(mut self) {
        let entered = self.runtime.enter();
        self.service = None;
        drop(std::mem::take(&mut self.local));
        drop(entered);
        drop(self);
    }
}

async fn open_ports(world: &World, life: &Life, clock: Clock) -> Ports {
    let (fate, truth) = (life.fate.clone(), world.truth.clone());
    let (dice, weather) = (world.dice.clone(), world.weather.clone());
    let retry = RetryBucket::seeded(
        Arc::new(life.flaky.clone()),
        RetryPolicy::default(),
        world.seed.wrapping_add(1),
    );
    let mut bucket: Arc<dyn Bucket> = Arc::new(retry);
    let mut discord: Arc<dyn Discord> = Arc::new(life.discord.clone());
    let patient = FakeDiscord { requests: Arc::clone(&world.again), ..life.discord.clone() };
    let mut patient: Arc<dyn Discord> = Arc::new(patient);
    let gateway = FakeGateway {
        truth: truth.clone(),
        fate: fate.clone(),
        dice: dice.clone(),
        weather: weather.clone(),
    };
    let mut gateway: Arc<dyn Gateway> = Arc::new(gateway);
    let cdn = FakeCdn {
        fetches: Arc::clone(&world.fetches),
        truth: truth.clone(),
        fate: fate.clone(),
        dice: dice.clone(),
        weather: weather.clone(),
    };
    let mut cdn: Arc<dyn Cdn> = Arc::new(cdn);
    let looker = FakeThumbnailer { truth, fate: fate.clone(), dice, weather };
    let mut thumbnailer: Arc<dyn Thumbnailer> = Arc::new(looker);
    let private: Arc<dyn Bucket> = Arc::new(world.private.clone());
    let private: Arc<dyn Bucket> = Arc::new(Mortal::new(private, fate.clone()));
    let mut kv: Arc<dyn Kv> = Arc::new(Mortal::new(Arc::clone(&world.kv), fate));
    if let Some(fuse) = &world.fuse {
        let fuse = || Fuse::clone(fuse);
        bucket = Arc::new(Panicking::new(bucket, fuse()));
        discord = Arc::new(Panicking::new(discord, fuse()));
        patient = Arc::new(Panicking::new(patient, fuse()));
        gateway = Arc::new(Panicking::new(gateway, fuse()));
        cdn = Arc::new(Panicking::new(cdn, fuse()));
        thumbnailer = Arc::new(Panicking::new(thumbnailer, fuse()));
        kv = Arc::new(Panicking::new(kv, fuse()));
    }
    let store = Store::new(kv);
    let lease = lease(&bucket, clock, "this state folder").await;
    let spool = Spool::open(world.folder.path().join("spool"), SPOOL).await.unwrap();
    open::sweep(&spool, &store).await.unwrap();
    let gateway = Some(gateway);
    let lease = Keeper::new(lease.expect("nobody else wants this bucket"), clock);
    Ports {
        discord,
        patient,
        gateway,
        cdn,
        bucket,
        private,
        store,
        spool,
        thumbnailer,
        lease,
        clock,
    }
}

/// The right to write. Whoever starts while the bucket is away is started again.
pub(super) async fn lease(
    bucket: &Arc<dyn Bucket>,
    clock: Clock,
    id: &str,
) -> Result<Lease, LeaseError> {
    loop {
        let holder = Holder { id: id.to_owned(), host: "here".to_owned(), process: 7 };
        let bucket = Arc::clone(bucket);
        match Lease::acquire(bucket, holder, clock.now().into(), LEASE_LASTS).await {
            Err(LeaseError::Bucket(_)) => tokio::time::sleep(Duration::from_secs(5)).await,
            other => return other,
        }
    }
}

fn orders(world: &World) -> Orders {
    let mode = match world.mode {
        MediaMode::Copy => PageMode::Copy,
        MediaMode::Link => PageMode::Link(Vec::new()),
    };
    Orders {
        policy: Policy {
            selection: world.selection.clone(),
            mode: world.mode,
            publish_every: Duration::from_mins(1),
            removal: world.removal,
        },
        selection: PlaceSelection { guilds: [GUILD].into(), ..PlaceSelection::default() },
        wanted: world.wanted,
        reconciling: world.reconciling,
        confirm_after: Duration::from_mins(2),
        downloads: 3,
        thumbnails: 2,
        verify_every: None,
        page: Page { title: None, mode },
        pictures: "https://pictures".to_owned(),
        opt_out_roles: world.opt_out_roles.clone(),
    }
}

/// A bucket that takes and gives nothing.
pub(super) fn away() -> Faults {
    Faults { refused: 1.0, ..Faults::default() }
}
