//! A panic in each actor in turn, by a faulty port, while work is queued: survived, counted, and without consequence.

use std::{collections::BTreeMap, time::Duration};

use bowerbird::domain::selection::MediaMode;

use super::{PATIENCE, World, fate::Fuse, life::Ran};

/// Which actor dies of which call, and how many such calls pass before that.
const DEATHS: [(&str, &str, u32); 15] = [
    ("gateway", "gateway plan", 0),
    ("gateway", "gateway next", 0),
    ("gateway", "gateway next", 1),
    ("backfill", "discord survey", 0),
    ("backfill", "discord messages", 0),
    ("backfill", "discord messages", 2),
    ("persistence", "store commit", 0),
    ("persistence", "store commit", 6),
    ("download", "cdn open https://cdn.discordapp.com", 3),
    ("download", "bucket put media", 1),
    ("thumbnail", "ffmpeg look", 1),
    ("thumbnail", "bucket put thumb", 1),
    ("publisher", "bucket put messages", 1),
    ("publisher", "cdn open https://pictures", 0),
    // The first one takes the lease, the second renews it.
    ("publisher", "bucket put lease", 1),
];

#[track_caller]
fn check(mut world: World, actor: &'static str, fuse: &Fuse) {
    world.start();
    world.run_until_idle();
    world.run_for(Duration::from_mins(3));
    assert_eq!(fuse.burnt(), 1, "{fuse:?} never came to burn");
    let restarts = world.life().service.as_ref().unwrap().supervisor.restarts();
    assert_eq!(restarts, BTreeMap::from([(actor, 1)]), "{fuse:?}");
    world.assert_archived();
}

#[test]
fn a_panic_in_any_actor_changes_nothing_in_the_end() {
    for (seed, (actor, call, pass)) in (0..).zip(DEATHS) {
        let fuse = Fuse::new(call, pass, 1);
        check(World::new(seed).messages(130).panicking(&fuse), actor, &fuse);
    }
}

#[test]
fn a_panic_while_links_are_made_new_lets_none_die() {
    let fuse = Fuse::new("discord refresh_links", 1, 1);
    let world = World::new(3).messages(60).mode(MediaMode::Link).panicking(&fuse);
    world.truth.state().link_lives = Duration::from_mins(2);
    check(world, "refresh", &fuse);
}

#[test]
fn an_actor_that_dies_again_and_again_ends_the_process_with_a_reason() {
    for (seed, (actor, call, pass)) in (0..).zip(DEATHS) {
        if call == "bucket put lease" {
            // It is renewed too seldom to spend a budget.
            continue;
        }
        let fuse = Fuse::new(call, pass, u32::MAX);
        let mut world = World::new(seed).messages(60).panicking(&fuse);
        world.start();
        let Ran::GaveUp(fatal) = world.run_for(PATIENCE) else {
            panic!("{actor} dies of {call} for ever, and nobody minds");
        };
        assert_eq!(fatal.part, actor, "{fatal}");
        assert!(fatal.reason.contains("again and again"), "{fatal}");
        assert!(fatal.reason.contains(call), "{fatal}");
        world.drain();
        // Nothing is lost: once the port is mended, another process brings it all to its end.
        world.fuse = None;
        world.start();
        world.run_until_idle();
        world.assert_archived();
    }
}
