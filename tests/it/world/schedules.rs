//! Random histories: people post, edit and delete, permissions come and go, ports fail, and the process dies between
//! any two effects. After each of them the archive is what Discord holds.
//!
//! A failure prints its seed; `WORLD_SEED=<seed>` replays that one alone.

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Mutex,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use bowerbird::{
    app::from_now_on,
    bucket::Faults,
    domain::{
        id::{ChannelId, MessageId},
        place::Access,
        selection::MediaMode,
    },
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{
    World,
    discord::Climate,
    fate::Step,
    file::Sort,
    life::{self, Ran},
    truth::{TakeOff, Telling},
};

/// So many are run every day: half a minute on two busy cores.
const SCHEDULES: u64 = 60;

/// How often a process dies at most: an attempt at a file is counted before it starts, and a file that was tried too
/// often is put aside.
const DEATHS: u32 = 4;

/// One history in progress.
struct Schedule {
    world: World,
    dice: StdRng,
    met: BTreeSet<Step>,
    foul: bool,
}

/// What a schedule did.
struct Report {
    met: BTreeSet<Step>,
    lives: u64,
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let mode = if dice.random_bool(0.7) { MediaMode::Copy } else { MediaMode::Link };
        let history = dice.random_bool(0.7);
        let mut world = World::new(seed).mode(mode).wanted(from_now_on(history));
        world.truth.state().link_lives = Duration::from_secs(dice.random_range(30..4_000));
        let foul = dice.random_bool(0.8);
        if foul {
            world.weather.turn(Climate::foul());
            world.bucket_is(Faults { hung: 0.0, ..Faults::weather() });
        }
        Self { world, dice, met: BTreeSet::new(), foul }
    }

    fn run(mut self) -> Report {
        self.settle_in();
        for _ in 0..self.dice.random_range(0..=DEATHS) {
            if self.dice.random_bool(0.8) {
                let step = *Step::ALL.choose(&mut self.dice).unwrap();
                let most = if step == Step::Commit { 60 } else { 12 };
                self.world.crash_at(step, self.dice.random_range(1..=most));
            }
            self.start();
            self.live();
            self.world.crash();
            self.world.assert_sound();
            for _ in 0..self.dice.random_range(0..4) {
                self.world.truth.pass(Duration::from_secs(self.dice.random_range(1..3_000)));
                self.something_happens();
            }
        }
        self.start();
        self.live();
        self.clear_up();
        self.world.assert_archived();
        // Whatever was left behind is gone an hour later.
        self.world.run_for(Duration::from_mins(75));
        self.world.assert_archived();
        let lately = self.world.truth.now().before(Duration::from_mins(5));
        let garbage = self.world.store().garbage(lately, 10).unwrap();
        assert!(garbage.is_empty(), "garbage is left: {garbage:?}");
        self.world.drain();
        self.world.assert_archived();
        Report { met: self.met, lives: self.world.lives }
    }

    /// Whoever starts while the bucket is away ends at once, and is started until it is there.
    fn start(&mut self) {
        if self.foul {
            self.world.bucket_is(Faults { hung: 0.0, ..Faults::weather() });
        }
        self.world.start();
    }

    /// What was there before us.
    fn settle_in(&mut self) {
        let long = self.dice.random_bool(0.2);
        for number in 0..self.dice.random_range(1..4) {
            let channel = self.world.truth.add_channel(&format!("channel {number}"));
            if self.dice.random_bool(0.4) {
                for thread in 0..self.dice.random_range(1..5) {
                    let thread = self.world.truth.add_thread(channel, &format!("thread {thread}"));
                    self.posts(thread, 4);
                    if self.dice.random_bool(0.6) {
                        self.world.truth.archive(thread);
                    }
                }
            }
            self.posts(channel, if long { 240 } else { 30 });
        }
    }

    fn posts(&mut self, channel: ChannelId, most: u32) {
        for _ in 0..self.dice.random_range(0..=most) {
            self.world.truth.pass(Duration::from_secs(self.dice.random_range(0..900)));
            self.post(channel);
        }
    }

    fn post(&mut self, channel: ChannelId) {
        let files = [0, 0, 1, 1, 2].choose(&mut self.dice).unwrap();
        let sorts: Vec<_> =
            (0..*files).map(|_| *Sort::ALL.choose(&mut self.dice).unwrap()).collect();
        self.world.truth.post(channel, &sorts);
    }

    /// Things happen until the process dies, or for a while.
    fn live(&mut self) {
        for _ in 0..self.dice.random_range(2..20) {
            let pause = Duration::from_millis(self.dice.random_range(100..40_000));
            match self.world.run_for(pause) {
                Ran::On => self.something_happens(),
                Ran::Died(step) => {
                    self.met.insert(step);
                    return;
                }
                Ran::GaveUp(fatal) => panic!("{}: {fatal}", fatal.part),
            }
        }
    }

    fn something_happens(&mut self) {
        self.world.truth.state().telling = match self.dice.random_range(0..10) {
            0 if self.foul => Telling::Never,
            1 if self.foul => Telling::Twice,
            _ => Telling::Once,
        };
        let channels: Vec<_> = self.world.truth.state().channels.keys().copied().collect();
        let channel = *channels.choose(&mut self.dice).unwrap();
        match self.dice.random_range(0..20) {
            0..8 => self.post(channel),
            8..10 => {
                for _ in 0..self.dice.random_range(1..6) {
                    self.post(channel);
                }
            }
            10..12 => {
                if let Some(message) = self.some_message(channel) {
                    let most = [TakeOff::Nothing, TakeOff::Last];
                    let takes = *most.choose(&mut self.dice).unwrap();
                    self.world.truth.edit(channel, message, takes);
                }
            }
            12..14 => {
                if let Some(message) = self.some_message(channel) {
                    self.world.truth.delete(channel, message);
                }
            }
            14 => self.thread(channel),
            15 => self.permission(channel),
            16 if self.foul => self.world.bucket_is(life::away()),
            17 if self.foul => {
                self.world.bucket_is(Faults { hung: 0.0, ..Faults::weather() });
            }
            _ => {}
        }
        self.world.truth.state().telling = Telling::Once;
    }

    fn some_message(&mut self, channel: ChannelId) -> Option<MessageId> {
        let state = self.world.truth.state();
        let messages: Vec<_> = state.channels[&channel].posts.keys().copied().collect();
        messages.choose(&mut self.dice).copied()
    }

    fn thread(&mut self, channel: ChannelId) {
        let is_thread = self.world.truth.state().channels[&channel].place.kind.is_thread();
        if is_thread {
            self.world.truth.archive(channel);
        } else {
            let thread = self.world.truth.add_thread(channel, "new thread");
            self.post(thread);
        }
    }

    /// What may be read of a channel may be read of its threads.
    fn permission(&mut self, channel: ChannelId) {
        let parent = self.world.truth.state().channels[&channel].place.parent;
        let all = [Access::Readable, Access::NoHistory, Access::Hidden];
        let access = *all.choose(&mut self.dice).unwrap();
        self.world.truth.permit(parent.unwrap_or(channel), access);
    }

    /// The weather clears up, and whatever is wanted is brought to its end.
    fn clear_up(&mut self) {
        self.world.weather.turn(Climate::calm());
        self.world.bucket_is(Faults::default());
        let channels: Vec<_> = self.world.truth.state().channels.keys().copied().collect();
        for channel in channels {
            self.world.truth.permit(channel, Access::Readable);
        }
        if self.dice.random_bool(0.5) {
            self.world.restart();
        }
        // Lost links are looked for hourly while their channel may not be read, and so are places.
        self.world.run_for(Duration::from_mins(70));
        self.world.run_until_idle();
    }
}

fn run(seed: u64) -> Report {
    match catch_unwind(AssertUnwindSafe(|| Schedule::new(seed).run())) {
        Ok(report) => report,
        Err(panic) => {
            // Beside what the panic said of itself.
            eprintln!("the schedule of WORLD_SEED={seed} failed");
            resume_unwind(panic)
        }
    }
}

/// Runs schedules, as many at a time as there are cores, until there are no more seeds; returns at which steps
/// processes died.
fn run_all(seeds: impl Iterator<Item = u64> + Send) -> BTreeSet<Step> {
    let began = Instant::now();
    let seeds = Mutex::new(seeds);
    let all = Mutex::new((0, 0, BTreeSet::new()));
    let work = || {
        loop {
            let seed = seeds.lock().unwrap().next();
            let Some(seed) = seed else { return };
            let report = run(seed);
            let mut all = all.lock().unwrap();
            all.0 += 1;
            all.1 += report.lives;
            all.2.extend(report.met);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, NonZeroUsize::get) {
            scope.spawn(work);
        }
    });
    let (count, lives, met) = all.into_inner().unwrap();
    let seconds = began.elapsed().as_secs_f64();
    eprintln!("{count} schedules of {lives} lives in {seconds:.1} s");
    met
}

#[test]
fn no_schedule_of_deaths_and_faults_loses_or_doubles_anything() {
    if let Ok(seed) = std::env::var("WORLD_SEED") {
        run(seed.parse().expect("WORLD_SEED is a number"));
        return;
    }
    let met = run_all(0..SCHEDULES);
    let unmet: Vec<_> = Step::ALL.iter().filter(|step| !met.contains(step)).collect();
    assert!(unmet.is_empty(), "no process ever died at {unmet:?}");
}

#[test]
#[ignore = "runs for BOWERBIRD_SOAK seconds; make soak does"]
fn soak_schedules() {
    let seconds = std::env::var("BOWERBIRD_SOAK").ok().and_then(|text| text.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(600));
    let first: u64 = rand::rng().random();
    let seeds = (0..).map(|number| first.wrapping_add(number));
    run_all(seeds.take_while(|_| Instant::now() < end));
}
