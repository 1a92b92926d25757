//! What a schedule is about besides its weather: what becomes of deletions, whether history is read again, whether disks
//! are lost, and what must be true in the end on their account.

use std::time::Duration;

use bowerbird::{
    app::{Copies, reconciling},
    domain::removal::{LISTED_AGAIN, OnDelete, RemovalPolicy},
    store::Change,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::actions::CLOCK_ERROR;
use crate::world::{
    World,
    compare::{Knowing, is_known, wanted_from},
};

/// Long enough for what is due to be erased, and to leave both buckets with the next publication.
const A_WHILE: Duration = Duration::from_mins(20);

/// What is erased only after days is not waited for.
const SOON: Duration = Duration::from_hours(4);

/// How much later than promised a second reading may end: places are looked at hourly.
const LATE: Duration = Duration::from_hours(2);

/// What was drawn for one schedule, from dice of its own, so that it changes nothing of what happens otherwise.
pub(super) struct Plan {
    /// How long a second reading of everything may take, where there is one.
    period: Option<Duration>,
    /// How likely a dead process takes its disk with it.
    disk_dies: f64,
}

impl Plan {
    pub(super) fn draw(seed: u64, world: &mut World) -> Self {
        let mut dice = StdRng::seed_from_u64(!seed);
        let all = [OnDelete::Hide, OnDelete::Hide, OnDelete::Erase, OnDelete::Keep];
        let on_delete = *all.choose(&mut dice).unwrap();
        let after = [None, Some(dice.random_range(10..90)), Some(30 * 24 * 60)];
        let after = after.choose(&mut dice).unwrap().map(Duration::from_mins);
        world.removal = RemovalPolicy { on_delete, erase_after: after, ..RemovalPolicy::default() };
        let period = dice.random_bool(0.1).then(|| Duration::from_hours(dice.random_range(2..5)));
        world.reconciling = reconciling(period);
        if dice.random_bool(0.3) {
            world.copies = Copies::Kept;
        }
        let disk_dies = if dice.random_bool(0.3) { 0.4 } else { 0.0 };
        Self { period, disk_dies }
    }

    /// A dead process loses its disk, or not.
    pub(super) fn disk_may_die(&self, world: &mut World, dice: &mut StdRng) {
        if self.disk_dies > 0.0 && dice.random_bool(self.disk_dies) {
            world.weather.meets("disk: lost");
            world.disk_is_lost();
        }
    }

    /// Whatever time alone brings is waited for, once the archive is what Discord told of.
    pub(super) fn see_through(&self, world: &mut World) {
        if let Some(period) = self.period {
            // A round that was begun before something happened does not find it, and the next one does.
            world.run_for(2 * period + LATE);
            world.knowing = Knowing::Everything;
            world.run_until_idle();
            world.assert_archived();
        }
        let soon = match world.removal.on_delete {
            OnDelete::Hide => world.removal.erase_after.filter(|after| *after < SOON),
            // What was in a place that is gone is erased only when it was missed twice.
            OnDelete::Erase
                if world.truth.state().channels.values().any(|c| c.deleted.is_some()) =>
            {
                Some(LISTED_AGAIN)
            }
            OnDelete::Erase => Some(Duration::ZERO),
            OnDelete::Keep => None,
        };
        let Some(after) = soon else { return };
        if world.store().held().unwrap().is_some() {
            let life = world.life();
            let allow = [Change::AllowErasing];
            life.run(life.service.as_ref().unwrap().ledger.record(allow));
        }
        // A clock that went ahead when something was deleted has it erased so much later.
        world.run_for(after + CLOCK_ERROR + A_WHILE);
        world.run_until_idle();
        world.assert_archived();
        assert_erased(world);
    }
}

/// Nothing is left of what was deleted: no row, and no byte.
fn assert_erased(world: &World) {
    let from = wanted_from(&world.store());
    let state = world.truth.state();
    for (id, post, channel) in state.posts() {
        let knowing = world.knowing.of(id, from);
        let known = |hearing| is_known(&state, channel, hearing, knowing);
        if post.deleted.as_ref().is_some_and(known) {
            let raw = world.store().raw(id).unwrap();
            assert_eq!(raw, None, "message {id} was deleted, and its words are still there");
        }
    }
    let private = world.private.objects();
    let public = world.bucket.objects();
    // What was hidden shortly before a disk was lost, and is shown again, may be there as well.
    let shown = |path: &str| world.lost_disk && public.keys().any(|key| key.as_str() == path);
    let hidden = private.keys().filter_map(|key| key.as_str().strip_prefix("hidden/"));
    let hidden: Vec<_> = hidden.filter(|path| !shown(path)).collect();
    // Where nobody knows any more what was hidden, nobody can erase it: only the copy knows.
    assert!(world.bereft || hidden.is_empty(), "{hidden:?} were to be erased");
}
