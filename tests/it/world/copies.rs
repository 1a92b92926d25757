//! Copy mode: links that die in the queue, files that are gone, a bucket that is away, and the right to write.

use std::{sync::Arc, time::Duration};

use bowerbird::{
    bucket::{Bucket, Faults, LeaseError, ObjectKey},
    clock::Clock,
    domain::selection::MediaKind,
};

use super::{PATIENCE, World, fate::Step, file::Sort, life, life::Ran};

fn requests(world: &World, call: &str) -> u32 {
    world.requests.lock().unwrap().get(call).copied().unwrap_or(0)
}

#[test]
fn a_link_that_dies_in_the_queue_is_made_new_and_tried_again() {
    let mut world = World::new(1).messages(0);
    let channel = world.channel();
    for _ in 0..90 {
        world.truth.post(channel, &[Sort::Film]);
    }
    // Three at a time take half a minute, and the last ones wait longer than their links live.
    world.truth.state().link_lives = Duration::from_secs(15);
    world.start();
    world.run_until_idle();
    world.assert_archived();
    let refreshed = requests(&world, "refresh_links");
    assert!((1..30).contains(&refreshed), "{refreshed} calls");
}

#[test]
fn a_file_that_discord_lost_is_marked_as_gone_after_one_new_link() {
    let mut world = World::new(2).messages(40);
    let channel = world.channel();
    let message = world.truth.post(channel, &[Sort::Film]);
    let file = world.truth.state().channels[&channel].posts[&message].current().files[0];
    world.truth.lose(file);
    world.start();
    world.run_until_idle();
    world.assert_archived();
    let gone = world.archive().entries[&format!("{message}-{file}")]["Gone"].clone();
    assert!(gone.as_str().is_some_and(|why| why.contains("404")), "{gone}");
    assert_eq!(requests(&world, "refresh_links"), 1);
}

#[test]
fn a_bucket_that_is_away_for_an_hour_costs_an_hour() {
    let mut world = World::new(3).messages(300);
    world.start();
    world.run_for(Duration::from_secs(8));
    world.bucket_is(life::away());
    let channel = world.channel();
    for _ in 0..30 {
        world.truth.post(channel, &[Sort::Film]);
        assert_eq!(world.run_for(Duration::from_mins(2)), Ran::On);
    }
    world.bucket_is(Faults::default());
    let back = world.truth.now();
    world.run_until_idle();
    world.assert_archived();
    let late = world.truth.now().since(back);
    assert!(late < Duration::from_mins(10), "work went on after {late:?}");
}

#[test]
fn work_that_is_to_end_does_not_wait_for_what_does_not_move() {
    let mut world = World::new(3).messages(40);
    world.start();
    world.run_for(Duration::from_secs(8));
    world.bucket_is(life::away());
    let channel = world.channel();
    world.truth.post(channel, &[Sort::Film]);
    world.run_for(Duration::from_mins(1));
    let began = world.truth.now();
    let done = {
        let life = world.life();
        let service = life.service.as_ref().expect("it was started");
        life.run(service.done())
    };
    let waited = world.truth.now().since(began);
    assert!(waited < Duration::from_hours(1), "it gave up after {waited:?}");
    let reason = done.expect_err("a file is yet to be copied").reason;
    assert!(reason.contains("yet to be copied: 1,"), "{reason}");
    world.bucket_is(Faults::default());
    world.run_until_idle();
    world.assert_archived();
}

#[test]
fn whoever_is_told_to_end_publishes_and_lets_the_next_one_write() {
    let mut world = World::new(4).messages(60);
    world.start();
    world.run_until_idle();
    let bucket: Arc<dyn Bucket> = Arc::new(world.bucket.clone());
    let clock = world.life().clock;
    let refused = world.life().run(life::lease(&bucket, clock, "another state folder"));
    let Err(LeaseError::Held { host, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(host, "here");

    let channel = world.channel();
    world.truth.post(channel, &[Sort::Film, Sort::Meme]);
    // Long enough to copy them, and sooner than the next publication.
    world.run_for(Duration::from_secs(15));
    assert!(!world.differences().is_empty());
    world.drain();
    world.assert_archived();
    let lease = ObjectKey::new("lease.json").unwrap();
    assert!(!world.bucket.objects().contains_key(&lease), "the lease was not given back");
}

#[test]
fn whoever_crashed_takes_its_lease_back_at_once_and_others_a_minute_later() {
    let mut world = World::new(5).messages(20);
    world.start();
    world.run_until_idle();
    world.restart();
    world.run_until_idle();
    world.crash();
    let bucket: Arc<dyn Bucket> = Arc::new(world.bucket.clone());
    let take = |now| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let clock = || Clock::simulated(now);
        runtime.block_on(async { life::lease(&bucket, clock(), "another state folder").await })
    };
    let now = world.truth.now();
    assert!(matches!(take(now), Err(LeaseError::Held { .. })));
    drop(take(now.after(Duration::from_mins(1))).unwrap());
    // Who comes back now finds another writer, and says so instead of writing.
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.start()));
    assert!(refused.is_err(), "two wrote into one bucket");
}

#[test]
fn only_what_is_wanted_is_copied() {
    let mut world = World::new(6).messages(100);
    world.selection.kinds = [MediaKind::Video].into();
    world.start();
    world.run_until_idle();
    world.assert_archived();
    // Another choice reads the store, not Discord.
    let read = requests(&world, "messages");
    world.crash();
    world.selection.kinds = MediaKind::ALL.into();
    world.start();
    world.run_until_idle();
    world.assert_archived();
    assert_eq!(requests(&world, "messages"), read);
}

#[test]
fn each_file_is_fetched_once_though_the_process_dies_in_between() {
    let mut world = World::new(8).messages(100);
    for (step, time) in [(Step::PutDone, 4), (Step::Flush, 30), (Step::ManifestDone, 1)] {
        world.crash_at(step, time);
        world.start();
        assert_eq!(world.run_for(PATIENCE), Ran::Died(step));
        world.crash();
        world.assert_sound();
    }
    world.start();
    world.run_until_idle();
    world.assert_archived();
    let counts = world.bucket.counts();
    let files = world.truth.state().files.len() as u64;
    // Three processes died, each with three transfers.
    let put = counts.puts + counts.refused_puts;
    assert!(
        world.fetches() <= files + 9,
        "{} fetches of {files} files, {put} puts",
        world.fetches()
    );
}
