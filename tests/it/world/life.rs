//! One life of the service: a process, as far as a test can have one, on a clock of its own.

use std::{sync::Arc, time::Duration};

use actix::spawn;
use bowerbird::{
    actors::{
        alarm::{Alarm, Fatal},
        publisher::{Keeper, LEASE_LASTS, Page},
    },
    app::{
        Copies, Orders, Ports, Service, open,
        restore::{self, Sources},
    },
    bucket::{Bucket, Faults, FlakyBucket, Holder, Lease, LeaseError, RetryBucket, RetryPolicy},
    cdn::Cdn,
    clock::Clock,
    discord::{Discord, gateway::Gateway},
    domain::{
        selection::{MediaMode, PlaceSelection, Policy},
        time::Timestamp,
    },
    ffmpeg::Thumbnailer,
    gallery::page::PageMode,
    spool::Spool,
    store::{Kv, Store},
};
use tokio::{runtime::Runtime, task::LocalSet};

use super::{
    World,
    baton::{Baton, DropBaton, Errands},
    cdn::{FakeCdn, FakeThumbnailer},
    discord::FakeDiscord,
    fate::{Fate, Fuse, Step},
    gateway::FakeGateway,
    mortal::{MortalBucket, MortalDisk},
    panicking::Panicking,
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
    baton: DropBaton,
    runtime: Runtime,
    pub(super) fate: Fate,
    pub(super) flaky: FlakyBucket,
    pub(super) private: FlakyBucket,
    pub(super) discord: FakeDiscord,
    /// Discord's time. That of the process may be wrong.
    pub(super) clock: Clock,
    pub(super) born: Timestamp,
}

impl Life {
    /// A process is born. It may die before it does anything.
    pub(super) fn start(world: &World) -> Self {
        let (baton, errands) = (Baton::default(), Errands::default());
        let runtime = baton.runtime(errands.clone());
        let fate = Fate::new(world.end);
        let entered = runtime.enter();
        let clock = Clock::simulated(world.truth.now());
        let wall = Clock::wrong(world.truth.now(), world.clock_error);
        let memory: Arc<dyn Bucket> = Arc::new(world.bucket.clone());
        let mortal = MortalBucket { inner: memory, of: "", fate: fate.clone() };
        // Another life, other dice.
        let seed = world.seed.rotate_left(32) ^ world.lives;
        let flaky = FlakyBucket::new(Arc::new(mortal), world.faults, seed);
        let memory: Arc<dyn Bucket> = Arc::new(world.private.clone());
        let mortal = MortalBucket { inner: memory, of: "private", fate: fate.clone() };
        let private = FlakyBucket::new(Arc::new(mortal), world.private_faults, !seed);
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
        let baton = DropBaton(baton, errands.clone());
        let born = world.truth.now();
        let service = None;
        let mut life =
            Self { born, service, local, baton, runtime, fate, flaky, private, discord, clock };
        let opening = open_ports(world, &life, wall, errands);
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
        self.run(async {
            tokio::select! {
                biased;
                _ = self.fate.died() => {}
                () = service.drain(deadline) => {}
            }
        });
        alarm
    }

    /// The end, whatever was going on.
    pub(super) fn end(mut self) {
        let entered = self.runtime.enter();
        self.service = None;
        drop(std::mem::take(&mut self.local));
        drop(entered);
        drop(self.baton);
        drop(self.runtime);
    }
}

async fn open_ports(world: &World, life: &Life, clock: Clock, errands: Errands) -> Ports {
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
    let (kv, fate_of_disk) = (Arc::clone(&world.kv), fate.clone());
    let disk = MortalDisk::new(kv, fate_of_disk, dice.clone(), weather.clone(), errands);
    let mut kv: Arc<dyn Kv> = Arc::new(disk);
    let looker = FakeThumbnailer { truth, fate, dice, weather };
    let mut thumbnailer: Arc<dyn Thumbnailer> = Arc::new(looker);
    // What is done before there are actors, nobody would revive.
    let opening = Store::new(Arc::clone(&kv));
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
    let private: Arc<dyn Bucket> = Arc::new(life.private.clone());
    let lease = lease(&bucket, clock, "this state folder").await;
    let copy = (world.copies == Copies::Kept).then(|| Arc::clone(&private));
    let sources = Sources { bucket: Arc::clone(&bucket), copy };
    let policy = Arc::new(policy(world));
    // A store that dies on the way is one that a process dies with.
    while let Err(error) = restore::ensure(&opening, &sources, &policy, clock).await {
        tracing::debug!(%error, "not restored");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
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

fn policy(world: &World) -> Policy {
    Policy {
        selection: world.selection.clone(),
        mode: world.mode,
        publish_every: Duration::from_mins(1),
        removal: world.removal,
    }
}

fn orders(world: &World) -> Orders {
    let mode = match world.mode {
        MediaMode::Copy => PageMode::Copy,
        MediaMode::Link => PageMode::Link(Vec::new()),
    };
    Orders {
        policy: policy(world),
        copies: world.copies,
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
