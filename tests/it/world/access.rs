//! Permissions that come and go while history is read: what could not be read is never taken for empty.

use std::time::Duration;

use bowerbird::domain::{coverage::EXTRACTOR, place::Access};

use super::{World, discord::Turn, file::Sort};

/// More requests than the histories below take.
const REQUESTS: u32 = 9;

/// A channel with two pages and a bit, one whose messages were all deleted but the oldest, and one that is empty.
fn world(seed: u64) -> World {
    let world = World::new(seed).messages(210);
    let channel = world.truth.add_channel("cleared");
    let messages: Vec<_> = (0..8).map(|_| world.truth.post(channel, &[Sort::Film])).collect();
    for message in &messages[1..] {
        world.truth.delete(channel, *message);
    }
    world.truth.add_channel("empty");
    world.truth.pass(Duration::from_mins(5));
    world
}

#[track_caller]
fn check(seed: u64, turns: &[(u32, Access)]) {
    let mut world = world(seed);
    let channels: Vec<_> = world.truth.state().channels.keys().copied().collect();
    for channel in channels.iter().copied() {
        let turns = turns.iter().map(|(at, access)| Turn { at: *at, channel, access: *access });
        world.turns.lock().unwrap().1.extend(turns);
    }
    world.start();
    world.run_for(Duration::from_mins(10));
    world.assert_sound();
    world.turns.lock().unwrap().1.clear();
    for channel in channels.iter().copied() {
        world.truth.permit(channel, Access::Readable);
    }
    world.run_for(Duration::from_mins(10));
    world.run_until_idle();
    world.assert_archived();
    for row in world.store().places().unwrap() {
        let whole = row.coverage.spans(EXTRACTOR).len() == 1;
        assert!(whole, "{} was not read: {turns:?} {:?}", row.place.name, row.coverage);
    }
}

#[test]
fn what_may_not_be_read_any_more_is_not_taken_for_empty() {
    for at in 1..=REQUESTS {
        for access in [Access::NoHistory, Access::Hidden] {
            check(u64::from(at), &[(at, access)]);
        }
    }
}

#[test]
fn a_permission_that_is_away_for_a_moment_hides_nothing() {
    for at in 1..=REQUESTS {
        for length in 1..=2 {
            let away = [(at, Access::NoHistory), (at + length, Access::Readable)];
            check(u64::from(at), &away);
            let and_again = [(at + length + 1, Access::NoHistory)];
            check(u64::from(at), &[&away[..], &and_again].concat());
        }
    }
}
