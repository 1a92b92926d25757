//! Link mode: files stay with Discord, and no link that the page shows is ever dead.

use std::time::Duration;

use bowerbird::domain::selection::MediaMode;

use super::{
    World,
    file::Sort,
    life::Ran,
    truth::{TakeOff, Telling},
    weather::{Batches, Climate},
};

/// How long links live here: Discord's live a day, and then so would the test.
const LINKS_LIVE: Duration = Duration::from_secs(20);

/// Watches the page for five minutes, second by second, while people go on posting. Returns how many requests were
/// made in that time.
fn watch(climate: Climate) -> u32 {
    let mut world = World::new(7).messages(150).mode(MediaMode::Link);
    world.truth.state().link_lives = LINKS_LIVE;
    world.weather.turn(climate);
    world.start();
    world.run_until_idle();
    let requests = |world: &World| world.requests.lock().unwrap().values().sum::<u32>();
    let before = requests(&world);
    let channel = world.channel();
    for second in 0..300 {
        if second % 30 == 0 {
            world.truth.post(channel, &[Sort::Film]);
        }
        assert_eq!(world.run_for(Duration::from_secs(1)), Ran::On);
        let archive = world.archive();
        let state = world.truth.state();
        let expired = world.comparison(&state, &archive).expired(state.now());
        assert!(expired.is_empty(), "in second {second}: {expired:#?}");
    }
    let requests = requests(&world) - before;
    world.run_until_idle();
    world.assert_archived();
    requests
}

#[test]
fn no_published_link_is_ever_dead() {
    let requests = watch(Climate::calm());
    // Forty links that live twenty seconds need one call each ten seconds at least.
    assert!((30..=150).contains(&requests), "{requests} requests");
}

#[test]
fn links_stay_alive_though_discord_does_not_make_them_new_by_the_batch() {
    let requests = watch(Climate { batches: Batches::Missing, ..Climate::calm() });
    // Two pages hold them all.
    assert!((60..=300).contains(&requests), "{requests} requests");
}

#[test]
fn links_stay_alive_though_some_get_no_answer() {
    let requests = watch(Climate { pairs_lost: 0.2, ..Climate::calm() });
    assert!((30..=600).contains(&requests), "{requests} requests");
}

#[test]
fn what_is_read_for_its_links_tells_of_edits_that_nobody_heard_of() {
    let mut world = World::new(8).messages(10).mode(MediaMode::Link);
    world.truth.state().link_lives = Duration::from_mins(10);
    world.weather.turn(Climate { batches: Batches::Missing, ..Climate::calm() });
    let channel = world.channel();
    let film = world.truth.post(channel, &[Sort::Film, Sort::Meme]);
    world.start();
    world.run_until_idle();
    world.truth.state().telling = Telling::Never;
    world.truth.edit(channel, film, TakeOff::Last);
    world.truth.state().telling = Telling::Once;
    world.run_for(Duration::from_mins(12));
    let archive = world.archive();
    let shown: Vec<_> =
        archive.entries.values().filter(|entry| entry["Discord_id"] == film.to_string()).collect();
    let texts: Vec<_> = shown.iter().map(|entry| &entry["Description"]).collect();
    assert_eq!(texts, [&format!("words of {film}, edition 1")], "one file, and its new words");
    world.assert_archived();
}
