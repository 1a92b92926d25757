//! What is deleted on Discord, or no longer for everybody to see: it leaves the page and the public bucket, is erased in
//! its time, and comes back where it may, without asking Discord again.

mod places;

use std::{collections::BTreeSet, time::Duration};

use bowerbird::{
    bucket::ObjectKey,
    domain::{
        id::{ChannelId, MessageId},
        removal::{OnDelete, RemovalPolicy},
        selection::MediaMode,
    },
    store::{Change, Tally},
};

use super::{
    PATIENCE, World,
    fate::{End, Step},
    file::Sort,
    life::Ran,
    point::Point,
    truth::TakeOff,
    weather::Climate,
};

/// Long enough for what was deleted to leave the page, and its bytes the public bucket.
const A_WHILE: Duration = Duration::from_mins(10);

fn policy(on_delete: OnDelete) -> RemovalPolicy {
    let erase_after = Some(Duration::from_hours(3));
    RemovalPolicy { on_delete, erase_after, ..RemovalPolicy::default() }
}

/// An archive that is complete, with a process that lives.
fn archived(seed: u64, on_delete: OnDelete) -> World {
    let mut world = World::new(seed).messages(60);
    world.removal = policy(on_delete);
    world.start();
    world.run_until_idle();
    world.assert_archived();
    world
}

/// The first message with a film of its own, and where its bytes and its still lie.
fn film(world: &World) -> (MessageId, [String; 2]) {
    let channel = world.channel();
    let state = world.truth.state();
    let posts = &state.channels[&channel].posts;
    let file_of = |id: &MessageId| {
        let files = &posts[id].current().files;
        files.first().map(|file| &state.files[file]).filter(|file| file.sort == Sort::Film)
    };
    let (id, file) =
        posts.keys().find_map(|id| Some((*id, file_of(id)?))).expect("somebody posted a film");
    (id, [file.media.clone(), file.still.clone().expect("films have stills")])
}

fn there(bucket: &bowerbird::bucket::MemoryBucket, path: &str) -> bool {
    bucket.objects().contains_key(&ObjectKey::new(path).unwrap())
}

/// Whether objects are in public, and whether they are in private.
#[track_caller]
fn lie(world: &World, paths: &[String], public: bool, private: bool) {
    for path in paths {
        let found = (there(&world.bucket, path), there(&world.private, &format!("hidden/{path}")));
        assert_eq!(found, (public, private), "{path} (in public, in private)");
    }
}

fn shown(world: &World, message: MessageId) -> usize {
    let id = message.to_string();
    world.archive().entries.values().filter(|entry| entry["Discord_id"] == id).count()
}

fn tally(world: &World, tally: Tally) -> u64 {
    world.store().tallies().unwrap().get(tally)
}

fn record(world: &World, change: Change) {
    let life = world.life();
    life.run(life.service.as_ref().unwrap().ledger.record([change]));
}

/// Nothing of the private bucket is left, and nothing of the store either.
#[track_caller]
fn assert_erased(world: &World, message: MessageId, paths: &[String]) {
    lie(world, paths, false, false);
    assert_eq!(world.store().raw(message).unwrap(), None);
    let month =
        bowerbird::store::Month { root: world.channel(), month: message.created_at().month() };
    let entries = world.store().month_entries(month).unwrap();
    assert!(entries.iter().all(|entry| entry.key.message != message));
    world.assert_archived();
}

#[test]
fn what_was_deleted_is_hidden_first_and_erased_later() {
    let mut world = archived(1, OnDelete::Hide);
    let (message, paths) = film(&world);
    lie(&world, &paths, true, false);
    world.truth.delete(world.channel(), message);
    world.run_for(A_WHILE);
    assert_eq!(shown(&world, message), 0);
    lie(&world, &paths, false, true);
    assert!(world.store().raw(message).unwrap().is_some());
    world.assert_archived();
    // Not before its time, though the process ends in between.
    world.restart();
    world.run_for(Duration::from_mins(150));
    lie(&world, &paths, false, true);
    world.run_for(Duration::from_mins(40));
    assert_erased(&world, message, &paths);
    assert_eq!(tally(&world, Tally::Deleted), 1, "the tombstone stays");
}

#[test]
fn a_still_that_a_dead_process_put_is_taken_over_by_who_looks_again() {
    let mut world = World::new(19).messages(0);
    world.removal = policy(OnDelete::Hide);
    let channel = world.channel();
    let meme = world.truth.post(channel, &[Sort::Meme]);
    let paths = {
        let state = world.truth.state();
        let file = &state.files[&state.channels[&channel].posts[&meme].current().files[0]];
        [file.media.clone(), file.still.clone().expect("pictures have stills")]
    };
    world.end = Some(End::Point(Point::new(Step::PutDone, "still"), 1));
    world.start();
    assert_eq!(world.run_for(PATIENCE), Ran::Died(Step::PutDone));
    // It is deleted before anybody could look again, so its still is known to nobody.
    world.weather.turn(Climate { ffmpeg_fails: 1.0, ..Climate::calm() });
    world.restart();
    world.run_for(Duration::from_mins(1));
    world.truth.delete(channel, meme);
    world.run_for(A_WHILE);
    lie(&world, &paths[..1], false, true);
    lie(&world, &paths[1..], true, false);
    world.assert_archived();
    world.weather.turn(Climate::calm());
    let same = world.truth.post(channel, &[Sort::Meme]);
    world.run_until_idle();
    lie(&world, &paths, true, false);
    world.assert_archived();
    world.truth.delete(channel, same);
    world.run_for(A_WHILE);
    lie(&world, &paths, false, true);
    world.assert_archived();
}

#[test]
fn bytes_that_others_posted_too_stay_for_them() {
    let mut world = archived(2, OnDelete::Hide);
    let channel = world.channel();
    let memes =
        [world.truth.post(channel, &[Sort::Meme]), world.truth.post(channel, &[Sort::Meme])];
    world.run_for(A_WHILE);
    let posts: Vec<_> = world.truth.state().channels[&channel].posts.keys().copied().collect();
    let all_memes: Vec<_> = posts
        .into_iter()
        .filter(|id| {
            let state = world.truth.state();
            let files = state.channels[&channel].posts[id].current().files.clone();
            files.iter().any(|file| state.files[file].sort == Sort::Meme)
        })
        .collect();
    let path = {
        let state = world.truth.state();
        let file = state.channels[&channel].posts[&memes[0]].current().files[0];
        [state.files[&file].media.clone(), state.files[&file].still.clone().unwrap()]
    };
    let (last, others) = all_memes.split_last().unwrap();
    for meme in others {
        world.truth.delete(channel, *meme);
    }
    world.run_for(A_WHILE);
    lie(&world, &path, true, false);
    world.truth.delete(channel, *last);
    world.run_for(A_WHILE);
    lie(&world, &path, false, true);
    world.assert_archived();
    // Somebody posts it once more: it comes back from where it is.
    let again = world.truth.post(channel, &[Sort::Meme]);
    world.run_for(A_WHILE);
    assert_eq!(shown(&world, again), 1);
    lie(&world, &path, true, false);
    // And it stays when the others are erased.
    world.run_for(PATIENCE);
    lie(&world, &path, true, false);
    world.assert_archived();
    world.drain();
}

#[test]
fn what_is_kept_stays_and_is_marked() {
    let mut world = archived(3, OnDelete::Keep);
    let channel = world.channel();
    let (message, paths) = film(&world);
    world.truth.delete(channel, message);
    let deleted = world.truth.now();
    world.run_for(A_WHILE);
    lie(&world, &paths, true, false);
    let archive = world.archive();
    let marks: Vec<_> =
        archive.entries.values().filter(|entry| entry["Deleted_at"].is_string()).collect();
    assert_eq!(marks.len(), 1);
    assert_eq!(marks[0]["Discord_id"], message.to_string());
    assert!(marks[0]["Deleted_at"].as_str().unwrap() >= deleted.to_string().as_str());
    world.run_for(PATIENCE);
    assert_eq!(shown(&world, message), 1, "what is kept is never erased");

    // Another wish, and back again: Discord is not asked for a byte.
    let fetches = world.fetches();
    world.crash();
    world.removal = RemovalPolicy { erase_after: None, ..policy(OnDelete::Hide) };
    world.start();
    world.run_for(A_WHILE);
    assert_eq!(shown(&world, message), 0);
    lie(&world, &paths, false, true);
    world.crash();
    world.removal = policy(OnDelete::Keep);
    world.start();
    world.run_for(A_WHILE);
    assert_eq!(shown(&world, message), 1);
    lie(&world, &paths, true, false);
    assert_eq!(world.fetches(), fetches);
}

#[test]
fn what_is_kept_stays_marked_though_the_disk_was_lost() {
    let mut world = archived(16, OnDelete::Keep);
    let channel = world.channel();
    let message = world.truth.post(channel, &[Sort::Notes, Sort::Film]);
    let doomed = world.truth.post(channel, &[Sort::Film]);
    world.run_for(A_WHILE);
    world.truth.edit(channel, message, TakeOff::Last);
    world.truth.delete(channel, doomed);
    world.run_for(A_WHILE);
    let marks = |world: &World| -> Vec<_> {
        let archive = world.archive();
        let marks =
            archive.entries.iter().map(|(id, entry)| (id.clone(), entry["Deleted_at"].clone()));
        marks.filter(|(_, mark)| mark.is_string()).collect()
    };
    let before = marks(&world);
    assert_eq!(before.len(), 2);
    world.crash();
    world.disk_is_lost();
    world.start();
    // One more, in the same month: the page is made anew of what is known now.
    world.truth.post(channel, &[Sort::Film]);
    world.run_for(A_WHILE);
    assert_eq!(marks(&world), before);
    world.assert_archived();
    // Nor are they marked no longer once everything is gone through.
    world.restart();
    world.run_for(PATIENCE);
    assert_eq!(marks(&world), before);
}

#[test]
fn what_is_to_be_erased_at_once_goes_with_the_next_publication() {
    let world = archived(4, OnDelete::Erase);
    let (message, paths) = film(&world);
    let before: BTreeSet<_> = world.archive().named.clone();
    world.truth.delete(world.channel(), message);
    world.run_for(Duration::from_mins(3));
    assert_erased(&world, message, &paths);
    // Nor does a file of the page stay that told of it.
    let named = world.archive().named.clone();
    let old: Vec<_> = before.iter().filter(|path| path.starts_with("messages/")).collect();
    for path in old.into_iter().filter(|path| !named.contains(*path)) {
        assert!(!there(&world.bucket, path), "{path} still tells of what was erased");
    }
}

#[test]
fn a_file_that_was_taken_off_its_message_goes_alone() {
    for on_delete in [OnDelete::Hide, OnDelete::Erase, OnDelete::Keep] {
        let world = archived(5, on_delete);
        let channel = world.channel();
        let message = world.truth.post(channel, &[Sort::Notes, Sort::Film]);
        world.run_for(A_WHILE);
        assert_eq!(shown(&world, message), 2);
        let path = {
            let state = world.truth.state();
            let file = state.channels[&channel].posts[&message].current().files[1];
            [state.files[&file].media.clone()]
        };
        world.truth.edit(channel, message, TakeOff::Last);
        world.run_for(A_WHILE);
        let (entries, public, private) = match on_delete {
            OnDelete::Hide => (1, false, true),
            OnDelete::Erase => (1, false, false),
            OnDelete::Keep => (2, true, false),
        };
        assert_eq!(shown(&world, message), entries, "{on_delete}");
        lie(&world, &path, public, private);
        world.run_for(PATIENCE);
        lie(&world, &path, public, false);
        assert!(world.store().raw(message).unwrap().is_some(), "its message is still there");
    }
}

/// Thirty films, of which many are deleted at once.
fn attacked(seed: u64, on_delete: OnDelete) -> (World, Vec<MessageId>, Vec<String>) {
    let world = archived(seed, on_delete);
    let channel = world.channel();
    let films: Vec<_> = (0..30).map(|_| world.truth.post(channel, &[Sort::Film])).collect();
    world.run_for(A_WHILE);
    let paths = {
        let state = world.truth.state();
        let posts = &state.channels[&channel].posts;
        films.iter().map(|id| state.files[&posts[id].current().files[0]].media.clone()).collect()
    };
    for film in &films {
        world.truth.delete(channel, *film);
    }
    world.run_for(A_WHILE);
    (world, films, paths)
}

#[test]
fn a_wave_of_deletions_hides_and_erases_nothing_until_somebody_says_so() {
    for on_delete in [OnDelete::Hide, OnDelete::Erase] {
        let (mut world, films, paths) = attacked(9, on_delete);
        world.run_for(PATIENCE);
        world.restart();
        world.run_for(PATIENCE);
        for film in &films {
            assert_eq!(shown(&world, *film), 0);
        }
        let left = paths.iter().filter(|path| there(&world.private, &format!("hidden/{path}")));
        let left = left.count();
        // The first of a wave are no wave yet: with `erase` they may be gone before it is seen for one.
        let least = if on_delete == OnDelete::Hide { 30 } else { 11 };
        assert!(left >= least, "{left} of 30 are left");
        assert!(world.store().held().unwrap().is_some());
        record(&world, Change::AllowErasing);
        world.run_for(PATIENCE);
        lie(&world, &paths, false, false);
        assert_eq!(world.store().held().unwrap(), None);
        world.assert_archived();
    }
}

#[test]
fn an_attacked_archive_is_shown_again_as_it_was() {
    let (mut world, films, paths) = attacked(10, OnDelete::Hide);
    record(&world, Change::KeepDeleted);
    world.run_for(A_WHILE);
    world.restart();
    world.run_for(PATIENCE);
    lie(&world, &paths, true, false);
    let marked = |id: &MessageId| {
        let id = id.to_string();
        let archive = world.archive();
        let entries: Vec<_> =
            archive.entries.values().filter(|entry| entry["Discord_id"] == id).cloned().collect();
        entries.len() == 1 && entries[0]["Deleted_at"].is_string()
    };
    assert!(films.iter().all(marked));
    assert_eq!(world.store().held().unwrap(), None);
    // What is deleted after that is erased as ever.
    let (message, gone) = film(&world);
    world.truth.delete(world.channel(), message);
    world.run_for(PATIENCE);
    lie(&world, &gone, false, false);
    lie(&world, &paths, true, false);
}

#[test]
fn in_link_mode_stills_and_former_copies_go_too() {
    let mut world = World::new(12).messages(40);
    world.removal = policy(OnDelete::Hide);
    world.start();
    world.run_until_idle();
    let (copied, copy) = film(&world);
    world.crash();
    world = world.mode(MediaMode::Link);
    world.start();
    world.run_for(A_WHILE);
    let channel = world.channel();
    let linked = world.truth.post(channel, &[Sort::Film]);
    world.run_for(A_WHILE);
    let still = {
        let state = world.truth.state();
        let file = state.channels[&channel].posts[&linked].current().files[0];
        [state.files[&file].still.clone().unwrap()]
    };
    lie(&world, &copy, true, false);
    lie(&world, &still, true, false);
    for message in [copied, linked] {
        world.truth.delete(channel, message);
    }
    world.run_for(A_WHILE);
    lie(&world, &copy, false, true);
    lie(&world, &still, false, true);
    world.run_for(PATIENCE);
    lie(&world, &copy, false, false);
    lie(&world, &still, false, false);
}

#[test]
fn wherever_the_process_dies_the_end_is_the_same() {
    let flush = [1, 3, 5, 7].map(|time| (Step::Flush, time));
    let moves = [Step::Put, Step::PutDone, Step::Delete];
    let moves = moves.into_iter().flat_map(|step| (1..=3).map(move |time| (step, time)));
    let manifest = [(Step::Flushed, 4), (Step::Manifest, 1), (Step::ManifestDone, 1)];
    for (step, time) in flush.into_iter().chain(moves).chain(manifest) {
        let mut world = archived(13, OnDelete::Hide);
        world.removal.erase_after = Some(Duration::from_mins(20));
        let (message, paths) = film(&world);
        world.crash();
        world.crash_at(step, time);
        world.start();
        world.truth.delete(world.channel(), message);
        let ran = world.run_for(Duration::from_mins(30));
        assert!(matches!(ran, Ran::Died(_) | Ran::On), "{ran:?}");
        world.assert_sound();
        world.restart();
        world.run_for(A_WHILE);
        assert_eq!(shown(&world, message), 0, "{step:?} {time}");
        world.run_for(Duration::from_mins(30));
        lie(&world, &paths, false, false);
        world.assert_archived();
    }
}

#[test]
fn a_message_that_is_deleted_while_its_file_is_on_its_way_leaves_nothing_in_public() {
    for on_delete in [OnDelete::Hide, OnDelete::Erase] {
        for moment in 1..12 {
            let world = archived(14, on_delete);
            let channel = world.channel();
            let message = world.truth.post(channel, &[Sort::Film]);
            let paths = films_in_message(&world, channel, message);
            world.run_for(Duration::from_millis(150 * moment));
            world.truth.delete(channel, message);
            world.run_for(A_WHILE);
            assert_eq!(shown(&world, message), 0, "{on_delete} after {moment}");
            let there = there(&world.bucket, &paths[0]);
            assert!(!there, "{on_delete}: {} is left after {moment}", paths[0]);
            world.assert_archived();
            world.run_for(PATIENCE);
            lie(&world, &paths, false, false);
        }
    }
}

fn films_in_message(world: &World, channel: ChannelId, message: MessageId) -> Vec<String> {
    let state = world.truth.state();
    let files = state.channels[&channel].posts[&message].current().files.clone();
    files.iter().map(|file| state.files[file].media.clone()).collect()
}

#[test]
fn what_was_just_posted_is_fetched_before_what_waits() {
    let mut world = World::new(15).messages(0);
    let channel = world.channel();
    for _ in 0..200 {
        world.truth.pass(Duration::from_mins(1));
        world.truth.post(channel, &[Sort::Film]);
    }
    world.truth.pass(Duration::from_hours(2));
    world.start();
    world.run_for(Duration::from_secs(12));
    assert!(tally(&world, Tally::DownloadsWaiting) > 100, "the queue is busy");
    let message = world.truth.post(channel, &[Sort::Film]);
    let path = films_in_message(&world, channel, message);
    world.run_for(Duration::from_secs(4));
    assert!(there(&world.bucket, &path[0]), "it waits behind what was posted long ago");
    assert!(tally(&world, Tally::DownloadsWaiting) > 80, "the queue was busy");
}
