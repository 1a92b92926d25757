//! Channels and threads that are deleted, or no longer for everybody: what was in them goes as what was deleted by itself
//! does, and what it was called goes too.

use std::time::Duration;

use bowerbird::{
    app::Copies,
    bucket::ObjectKey,
    domain::{
        id::{ChannelId, MessageId},
        removal::OnDelete,
    },
    store::{Change, Loss, PlacesLost, Tally},
};

use super::{A_WHILE, PATIENCE, World, archived, film, lie, policy, record, shown, tally, there};
use crate::world::{
    file::Sort,
    truth::{TakeOff, Telling},
};

#[test]
fn a_deleted_channel_leaves_with_its_threads_and_its_name() {
    for (on_delete, private) in [(OnDelete::Hide, true), (OnDelete::Erase, false)] {
        let mut world = archived(6, on_delete);
        let channel = world.truth.add_channel("doomed");
        let thread = world.truth.add_thread(channel, "doomed thread");
        for place in [channel, thread] {
            world.truth.post(place, &[Sort::Film]);
        }
        world.run_for(A_WHILE);
        let paths = films_in(&world, &[channel, thread]);
        lie(&world, &paths, true, false);
        assert!(names(&world).contains("doomed"));
        world.truth.delete_channel(channel);
        world.run_for(A_WHILE);
        lie(&world, &paths, false, true);
        assert!(!names(&world).contains("doomed"), "{}", names(&world));
        world.run_for(Duration::from_mins(100));
        lie(&world, &paths, false, private);
        world.run_for(PATIENCE);
        lie(&world, &paths, false, false);
        world.assert_archived();
        world.drain();
    }
}

#[test]
fn a_channel_that_was_deleted_while_nobody_listened_is_missed_when_the_server_is_listed() {
    let mut world = archived(7, OnDelete::Hide);
    let channel = world.truth.add_channel("doomed");
    world.truth.post(channel, &[Sort::Film]);
    world.run_for(A_WHILE);
    let paths = films_in(&world, &[channel]);
    world.crash();
    world.truth.state().telling = Telling::Never;
    world.truth.delete_channel(channel);
    world.truth.state().telling = Telling::Once;
    world.start();
    world.run_for(Duration::from_mins(70));
    lie(&world, &paths, false, true);
    assert!(!names(&world).contains("doomed"));
}

#[test]
fn an_older_sight_brings_no_deleted_thread_back() {
    let world = archived(19, OnDelete::Hide);
    let thread = world.truth.add_thread(world.channel(), "doomed");
    let message = world.truth.post(thread, &[Sort::Film]);
    world.run_for(A_WHILE);
    assert_eq!(shown(&world, message), 1);
    // It is archived, and its deletion overtakes that.
    world.truth.state().telling = Telling::Late;
    world.truth.archive(thread);
    world.truth.state().telling = Telling::Once;
    world.truth.delete_channel(thread);
    world.run_for(PATIENCE);
    assert_eq!(shown(&world, message), 0);
    world.assert_archived();
}

#[test]
fn places_that_are_believed_to_be_deleted_are_found_when_the_server_is_listed() {
    let world = archived(20, OnDelete::Hide);
    let thread = world.truth.add_thread(world.channel(), "archived");
    let message = world.truth.post(thread, &[Sort::Film]);
    world.truth.archive(thread);
    world.run_for(A_WHILE);
    let places = vec![world.channel(), thread];
    record(&world, PlacesLost { places, loss: Loss::Told }.into());
    world.run_for(A_WHILE);
    assert_eq!(shown(&world, message), 0);
    world.run_for(Duration::from_mins(75));
    assert_eq!(shown(&world, message), 1);
    world.assert_archived();
}

#[test]
fn losing_the_server_takes_nothing_away() {
    for on_delete in [OnDelete::Hide, OnDelete::Erase] {
        let world = archived(8, on_delete);
        let (message, paths) = film(&world);
        world.truth.throw_out();
        world.truth.permit(world.channel(), bowerbird::domain::place::Access::Hidden);
        world.run_for(PATIENCE);
        assert_eq!(shown(&world, message), 1);
        lie(&world, &paths, true, false);
        assert_eq!(tally(&world, Tally::Removed), 0);
    }
}

/// A message in a channel of its own, whose only file was taken off and erased.
fn bared(world: &World) -> (ChannelId, MessageId) {
    let channel = world.truth.add_channel("doomed");
    let message = world.truth.post(channel, &[Sort::Film]);
    world.run_for(A_WHILE);
    world.truth.edit(channel, message, TakeOff::Last);
    world.run_for(PATIENCE);
    assert!(world.store().raw(message).unwrap().is_some(), "the message is there");
    (channel, message)
}

#[test]
fn the_words_of_a_message_go_with_its_channel_though_its_only_file_went_before() {
    let hour = Duration::from_hours(1);
    for (on_delete, least, most) in [
        (OnDelete::Erase, None, Some(hour * 5 / 3)),
        (OnDelete::Hide, Some(hour * 5 / 2), Some(hour)),
        (OnDelete::Keep, Some(hour * 5), None),
    ] {
        let mut world = World::new(17).messages(60);
        world.removal = policy(on_delete);
        world.copies = Copies::Kept;
        world.start();
        let (channel, message) = bared(&world);
        world.truth.delete_channel(channel);
        let raw = |world: &World| world.store().raw(message).unwrap();
        if let Some(least) = least {
            world.run_for(least);
            assert!(raw(&world).is_some(), "{on_delete}: it is kept for some hours");
        }
        let Some(most) = most else { continue };
        world.run_for(most);
        assert_eq!(raw(&world), None, "{on_delete}");
        // Nor does the copy tell of it, for whoever needs that.
        world.crash();
        world.disk_is_lost();
        world.start();
        world.run_for(A_WHILE);
        assert_eq!(raw(&world), None, "{on_delete}");
        world.assert_archived();
    }
}

#[test]
fn what_is_held_back_is_held_with_the_words_of_bare_messages() {
    let world = archived(18, OnDelete::Erase);
    let (channel, message) = bared(&world);
    for _ in 0..30 {
        world.truth.post(channel, &[Sort::Film]);
    }
    world.run_for(A_WHILE);
    world.truth.delete_channel(channel);
    world.run_for(PATIENCE);
    assert!(world.store().held().unwrap().is_some());
    assert!(world.store().raw(message).unwrap().is_some(), "nobody has said so yet");
    record(&world, Change::AllowErasing);
    world.run_for(A_WHILE);
    assert_eq!(world.store().raw(message).unwrap(), None);
    world.assert_archived();
}

/// Where the films of some places lie.
fn films_in(world: &World, places: &[ChannelId]) -> Vec<String> {
    let state = world.truth.state();
    let files = places.iter().flat_map(|place| state.channels[place].posts.values());
    let files = files.flat_map(|post| &post.current().files);
    files.map(|file| state.files[file].media.clone()).collect()
}

/// What the manifest and the indexes say of places.
fn names(world: &World) -> String {
    let objects = world.bucket.objects();
    let named = world.archive().named.clone();
    let mut names = String::new();
    for path in named.iter().filter(|path| path.contains("manifest") || path.contains("/index-")) {
        let bytes = &objects[&ObjectKey::new(path.as_str()).unwrap()];
        let mut text = String::new();
        let packed = flate2::read::GzDecoder::new(&bytes[..]);
        if std::io::Read::read_to_string(&mut { packed }, &mut text).is_err() {
            text = String::from_utf8_lossy(bytes).into_owned();
        }
        names.push_str(&text);
    }
    names
}

#[test]
fn a_channel_that_turned_private_leaves_and_comes_back() {
    let mut world = archived(11, OnDelete::Hide);
    let channel = world.truth.add_channel("secret");
    let thread = world.truth.add_thread(channel, "secret thread");
    let messages =
        [channel, thread].map(|place| world.truth.post(place, &[Sort::Film, Sort::Notes]));
    world.run_for(A_WHILE);
    let paths = films_in(&world, &[channel, thread]);
    let before = world.archive();
    let fetches = world.fetches();
    assert!(names(&world).contains("secret thread"));
    lie(&world, &paths, true, false);

    world.truth.open_to(channel, false);
    world.run_for(Duration::from_mins(5));
    assert!(messages.iter().all(|message| shown(&world, *message) == 0));
    assert!(!names(&world).contains("secret"), "{}", names(&world));
    lie(&world, &paths, false, true);
    let now = world.archive().named.clone();
    for path in before.named.iter().filter(|path| !now.contains(*path)) {
        assert!(!there(&world.bucket, path), "{path} still tells of what is private");
    }
    assert!(shown(&world, film(&world).0) == 1, "the others are shown as before");
    world.restart();
    world.run_for(PATIENCE);
    lie(&world, &paths, false, true);

    world.truth.open_to(channel, true);
    world.run_for(A_WHILE);
    lie(&world, &paths, true, false);
    assert_eq!(world.archive().entries, before.entries);
    assert_eq!(world.fetches(), fetches);
    world.assert_archived();
}
