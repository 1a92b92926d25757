//! The whole service in one process, on time that the test owns, over ports in memory.
//!
//! A [`World`] holds what outlives a process: Discord, the store's disk, the spool's folder, the bucket. A life of the
//! service runs between [`World::start`] and its end, on a runtime of its own whose clock moves only when nothing is
//! left to do, blocking threads included. So hours pass in moments, and nothing here waits for luck.

#![allow(clippy::unwrap_used, reason = "a world that is not as it was built fails its test")]

mod truth;
mod file;
mod dice;
mod fate;
mod point;
mod weather;
mod discord;
mod gateway;
mod cdn;
mod panicking;
mod mortal;
mod baton;
mod life;
mod record;
mod archive;
mod compare;
mod panics;
mod schedules;
mod links;
mod copies;
mod access;
mod restore;
mod reconcile;
mod removal;
mod forget;
mod forgetting;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use bowerbird::{
    actors::{backfill::Wanted, reconcile::Reconciling},
    app::{Copies, from_now_on},
    bucket::{Faults, MemoryBucket, ObjectKey},
    domain::{
        forget::Forgotten,
        id::{ChannelId, MessageId, RoleId},
        removal::{OnDelete, RemovalPolicy},
        selection::{MediaKind, MediaMode, MediaSelection},
    },
    store::{MemoryKv, Store, Tally},
};
use tokio::time::timeout;

use self::{
    archive::{Archive, Reader},
    compare::{Comparison, Knowing},
    dice::Dice,
    discord::{Requests, Turns},
    fate::{End, Fuse, Step},
    file::Sort,
    life::{Life, Ran},
    record::Record,
    truth::Truth,
    weather::{Climate, Weather},
};

/// So long an archive may take to become what Discord holds, once the weather is calm: places are looked at every
/// hour, whatever went unheard, and what failed is tried again within one.
const PATIENCE: Duration = Duration::from_hours(4);

/// How long a process may take to end in order.
const DEADLINE: Duration = Duration::from_mins(1);

/// Everything that outlives a process, and the process.
struct World {
    seed: u64,
    truth: Truth,
    dice: Dice,
    weather: Weather,
    requests: Requests,
    /// Those that were made to read again.
    again: Requests,
    fetches: Arc<AtomicU64>,
    turns: Turns,
    kv: Arc<MemoryKv>,
    bucket: MemoryBucket,
    private: MemoryBucket,
    private_faults: Faults,
    copies: Copies,
    faults: Faults,
    folder: tempfile::TempDir,
    mode: MediaMode,
    wanted: Wanted,
    reconciling: Reconciling,
    selection: MediaSelection,
    removal: RemovalPolicy,
    /// Which edits and deletions the archive must know of by now.
    knowing: Knowing,
    /// Whether a disk was lost that nothing but the page was there to make up for.
    bereft: bool,
    /// Whether a disk was lost, and with it what was hidden since the copy of the state.
    lost_disk: bool,
    /// What was deleted, and gone from the page, when a disk was lost: nobody who could tell of it is left.
    buried: BTreeSet<MessageId>,
    /// Messages that were on the page when a process ended.
    shown: Mutex<BTreeSet<String>>,
    /// What a person asked to have forgotten.
    forgotten: BTreeSet<Forgotten>,
    /// What of that they were not told of that it is, by a process that died or because a disk was lost.
    unanswered: BTreeSet<Forgotten>,
    /// Objects that were put by a process that died before it could write that down.
    strays: BTreeSet<String>,
    /// Entries that were on the page where deletions take nothing away.
    kept: Mutex<BTreeSet<String>>,
    opt_out_roles: BTreeSet<RoleId>,
    end: Option<End>,
    fuse: Option<Fuse>,
    lives: u64,
    life: Option<Life>,
    /// By how many milliseconds the clock of this machine is wrong.
    clock_error: &'static AtomicI64,
    /// How many commits that were not flushed the next crash spares.
    spared: usize,
    /// What came of the lives that ended.
    record: Record,
    reader: Reader,
}

impl World {
    /// An empty server, calm weather, all history wanted, and no process yet.
    fn new(seed: u64) -> Self {
        if std::env::var_os("WORLD_LOG").is_some() {
            tracing_subscriber::fmt().with_test_writer().with_env_filter("debug").try_init().ok();
        }
        Self {
            seed,
            truth: Truth::new(),
            dice: Dice::new(seed),
            weather: Weather::new(Climate::calm()),
            requests: Requests::default(),
            again: Requests::default(),
            fetches: Arc::default(),
            turns: Arc::default(),
            kv: Arc::default(),
            bucket: MemoryBucket::new(),
            private: MemoryBucket::new(),
            private_faults: Faults::default(),
            copies: Copies::None,
            faults: Faults::default(),
            folder: folder(),
            mode: MediaMode::Copy,
            wanted: from_now_on(true),
            reconciling: Reconciling::Never,
            selection: MediaSelection { kinds: MediaKind::ALL.into(), max_size: None },
            removal: RemovalPolicy::default(),
            knowing: Knowing::WhatWasHeard,
            bereft: false,
            lost_disk: false,
            buried: BTreeSet::new(),
            shown: Mutex::default(),
            forgotten: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            strays: BTreeSet::new(),
            kept: Mutex::default(),
            opt_out_roles: BTreeSet::new(),
            end: None,
            fuse: None,
            lives: 0,
            life: None,
            // As long as the tests: clocks are plain values, and these are eight bytes.
            clock_error: Box::leak(Box::default()),
            spared: 0,
            record: Record::default(),
            reader: Reader::default(),
        }
    }

    /// A channel with so many messages, of which every fifth has a file.
    fn messages(self, count: usize) -> Self {
        let channel = self.truth.add_channel("general");
        for number in 0..count {
            self.truth.pass(Duration::from_secs(7));
            let sorts = [Sort::ALL[number / 5 % 4]];
            self.truth.post(channel, if number % 5 == 0 { &sorts } else { &[] });
        }
        self
    }

    fn mode(mut self, mode: MediaMode) -> Self {
        self.mode = mode;
        self
    }

    fn wanted(mut self, wanted: Wanted) -> Self {
        self.wanted = wanted;
        self
    }

    /// The next process dies when it comes to a step for the nth time.
    fn crash_at(&mut self, step: Step, time: u32) {
        self.end = Some(End::Step(step, time));
    }

    /// The calls of some port panic.
    fn panicking(mut self, fuse: &Fuse) -> Self {
        self.fuse = Some(fuse.clone());
        self
    }

    /// How many files the CDN served.
    fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::Relaxed)
    }

    /// The only channel, or the first.
    fn channel(&self) -> ChannelId {
        *self.truth.state().channels.keys().next().expect("a world without a channel")
    }

    /// A process is started.
    fn start(&mut self) {
        assert!(self.life.is_none(), "one process at a time");
        self.lives += 1;
        self.life = Some(Life::start(self));
        self.end = None;
    }

    fn life(&self) -> &Life {
        self.life.as_ref().expect("a process lives")
    }

    fn run_for(&self, time: Duration) -> Ran {
        self.life().run_until(time, |_| false)
    }

    /// Runs until everything that was asked for is done and published.
    fn run_until_idle(&self) {
        let ran = self.life().run_until(PATIENCE, |service| self.is_idle(service));
        assert_eq!(ran, Ran::On);
        let service = self.life().service.as_ref().unwrap();
        let tallies = self.store().tallies().unwrap();
        let differences = self.differences();
        assert!(self.is_idle(service), "still at work after hours: {differences:#?} {tallies:?}");
    }

    fn is_idle(&self, service: &bowerbird::app::Service) -> bool {
        service.is_done().unwrap()
            && self.store().changed_months().unwrap().is_empty()
            && self.store().changed_people(1).unwrap().is_empty()
            && self.store().tallies().unwrap().get(Tally::MovesWaiting) == 0
            && self.has_forgotten()
            && self.differences().is_empty()
    }

    /// The process dies with everything that was not flushed.
    fn crash(&mut self) {
        let life = self.life.take().expect("a process lives");
        self.record.add(&life);
        life.end();
        self.kv.crash_ahead(self.spared);
        self.look_for_strays();
        assert_eq!(Arc::strong_count(&self.kv), 1, "an actor outlived its process");
    }

    /// The disk of a dead process is lost, and with it what its session was yet to tell.
    fn disk_is_lost(&mut self) {
        assert!(self.life.is_none(), "a process lives on this disk");
        self.kv = Arc::default();
        self.folder = folder();
        self.lost_disk = true;
        if self.copies == Copies::None {
            // Without a bucket of its own, what is hidden lies beside the store.
            self.private = MemoryBucket::new();
        }
        let root = ObjectKey::new("state/root.json").unwrap();
        if !self.private.objects().contains_key(&root) {
            self.bereft = true;
            self.only_the_page_is_left();
        }
        if self.removal.hides() {
            let shown = self.archive();
            let before = self.shown.lock().unwrap();
            // Where a copy was kept, what never came to the page may come there though it was deleted meanwhile.
            let was_there = |id: &MessageId| self.bereft || before.contains(&id.to_string());
            let gone = self.truth.deleted().into_iter().filter(|id| !shown.shows(*id));
            self.buried.extend(gone.filter(was_there));
        }
        self.truth.forget_late();
        // The list may be lost with it, or what was last written there.
        self.unanswered.clone_from(&self.forgotten);
    }

    fn restart(&mut self) {
        self.crash();
        self.start();
    }

    /// The process is told to end, and ends. When it could do so in order, nothing of it goes on.
    fn drain(&mut self) {
        let mut life = self.life.take().expect("a process lives");
        let began = self.truth.now();
        let alarm = life.drain(DEADLINE);
        let in_time = self.truth.now().since(began) + Duration::from_secs(1) < DEADLINE;
        let in_order = in_time && life.fate.died_at().is_empty();
        if in_order {
            let before = (self.bucket.counts(), self.requests.lock().unwrap().clone());
            let rung = || life.run(async { timeout(Duration::ZERO, alarm.rung()).await.ok() });
            let rung_before = rung();
            life.run(async { tokio::time::sleep(Duration::from_hours(2)).await });
            assert_eq!(rung(), rung_before, "an end in order is no failure");
            let after = (self.bucket.counts(), self.requests.lock().unwrap().clone());
            assert_eq!(before, after, "an actor went on after the end");
        }
        self.life = Some(life);
        self.crash();
    }

    /// The bucket's faults, from now on.
    fn bucket_is(&mut self, faults: Faults) {
        self.faults = faults;
        if let Some(life) = &self.life {
            life.flaky.set_faults(faults);
        }
    }

    /// The store as it would be after a crash or, while a process lives, as it sees it.
    fn store(&self) -> Store {
        Store::new(Arc::clone(&self.kv) as Arc<dyn bowerbird::store::Kv>)
    }

    #[track_caller]
    fn archive(&self) -> Arc<Archive> {
        self.reader.read(&self.bucket.objects()).unwrap_or_else(|why| panic!("{why}"))
    }

    fn wanted_sorts(&self) -> Vec<Sort> {
        let named =
            |sort: &Sort| self.selection.kinds.iter().any(|kind| kind.name() == sort.kind());
        Sort::ALL.into_iter().filter(named).collect()
    }

    /// What of the archive is not as Discord has it.
    #[track_caller]
    fn differences(&self) -> Vec<String> {
        let archive = self.archive();
        let objects = self.bucket.objects();
        let state = self.truth.state();
        let mut differences = compare::wrong_objects(&state, &archive, &objects);
        differences.extend(self.comparison(&state, &archive).differences());
        differences
    }

    fn comparison<'a>(&'a self, truth: &'a truth::State, archive: &'a Archive) -> Comparison<'a> {
        let from = compare::wanted_from(&self.store());
        let wanted = self.wanted_sorts().leak();
        let (mode, removal, knowing) = (self.mode, self.removal, self.knowing);
        let (bereft, buried, forgotten) = (self.bereft, &self.buried, &self.forgotten);
        Comparison {
            truth,
            archive,
            mode,
            wanted,
            from,
            removal,
            knowing,
            bereft,
            buried,
            forgotten,
        }
    }

    /// What must be true at every moment, whoever just died.
    #[track_caller]
    fn assert_sound(&self) {
        let archive = self.archive();
        let shown = archive.entries.values().filter_map(|entry| entry["Discord_id"].as_str());
        self.shown.lock().unwrap().extend(shown.map(str::to_owned));
        if self.removal.on_delete == OnDelete::Keep && self.mode == MediaMode::Copy {
            let mut kept = self.kept.lock().unwrap();
            kept.extend(archive.entries.keys().cloned());
            let forgotten = self.forgotten_messages();
            kept.retain(|id| !forgotten.iter().any(|message| id.starts_with(message)));
            let lost: Vec<_> =
                kept.iter().filter(|id| !archive.entries.contains_key(*id)).collect();
            assert!(lost.is_empty(), "no longer on the page: {lost:?}");
        }
        let state = self.truth.state();
        let claims =
            compare::false_claims(&state, &self.store(), &self.wanted_sorts(), &self.forgotten);
        assert!(claims.is_empty(), "{claims:#?}");
    }

    /// The archive is what Discord holds, exactly, and nothing else lies in the bucket.
    #[track_caller]
    fn assert_archived(&self) {
        self.assert_sound();
        let differences = self.differences();
        assert!(differences.is_empty(), "{differences:#?}");
        let parked = self.store().parked(10).unwrap();
        assert!(parked.is_empty(), "{parked:#?}");
        let (archive, objects) = (self.archive(), self.bucket.objects());
        let state = self.truth.state();
        let unreferenced = compare::unreferenced(
            self.bereft,
            &self.forgotten,
            &state,
            &archive,
            &self.store(),
            &objects,
        );
        assert!(unreferenced.is_empty(), "nothing leads to {unreferenced:#?}");
        let misplaced = compare::misplaced(
            self.lost_disk,
            &state,
            &self.store(),
            &objects,
            &self.private.objects(),
        );
        assert!(misplaced.is_empty(), "{misplaced:#?}");
        drop(state);
        self.assert_forgotten();
    }
}

/// Where memory is a disk, syncing costs nothing.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

#[test]
fn a_service_that_is_left_alone_archives_everything() {
    let mut world = World::new(1).messages(250);
    world.start();
    world.run_until_idle();
    let channel = world.channel();
    world.truth.post(channel, &[Sort::Film, Sort::Notes]);
    world.run_for(Duration::from_mins(5));
    world.assert_archived();
    world.drain();
    world.assert_archived();
}

#[test]
fn an_interrupted_backfill_goes_on_where_it_stopped() {
    let mut world = World::new(2).messages(950);
    world.crash_at(Step::Commit, 5);
    world.start();
    assert_eq!(world.run_for(PATIENCE), Ran::Died(Step::Commit));
    world.restart();
    world.run_until_idle();
    world.assert_archived();
    let pages = world.requests.lock().unwrap()["messages"];
    assert!(pages <= 14, "{pages} pages were read, and ten with one again and an end would do");
}
