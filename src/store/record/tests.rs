//! Orders in which messages are seen, edited and deleted, and what is left of them.

use crate::{
    domain::{
        id::ChannelId,
        message::Message,
        place::{Place, PlaceKind},
    },
    store::{
        PageRead, PlaceSeen, Tally,
        sample::{CHANNEL, FORUM, POST, THREAD, World, at, edited, id, key, message, place},
        tables::ENTRIES,
    },
};

enum Event {
    See(Message),
    Delete,
}
use Event::{Delete, See};

/// The files of the message that are visible after all that happened.
#[track_caller]
fn check(events: impl IntoIterator<Item = Event>, visible: &[u64]) -> World {
    let world = World::new();
    for event in events {
        match event {
            See(message) => drop(world.see([message])),
            Delete => world.delete(1),
        }
    }
    let entries = ENTRIES.all(&world.store.source()).unwrap();
    let left: Vec<u64> = entries
        .iter()
        .filter(|(_, entry)| entry.hidden_at.is_none())
        .map(|(key, _)| key.item.0)
        .collect();
    assert_eq!(left, visible);
    world
}

#[test]
fn what_was_deleted_stays_deleted() {
    check([See(message(1, &[1, 2])), Delete], &[]);
    check([Delete, See(message(1, &[1]))], &[]);
    check([Delete, See(edited(5, message(1, &[1]))), Delete], &[]);
    let world = check([See(message(1, &[1])), Delete, Delete, See(message(1, &[1]))], &[]);
    assert_eq!(world.store.tallies().unwrap().get(Tally::Deleted), 1);
}

#[test]
fn an_older_sight_changes_nothing() {
    let newer = || edited(5, message(1, &[1]));
    check([See(message(1, &[1, 2])), See(newer())], &[1]);
    check([See(newer()), See(message(1, &[1, 2]))], &[1]);
    check([See(newer()), See(edited(4, message(1, &[1, 2])))], &[1]);
    check([See(newer()), See(edited(6, message(1, &[1, 2])))], &[1, 2]);
    // All files were taken off before the message was first heard of.
    check([See(edited(5, message(1, &[]))), See(message(1, &[1]))], &[]);
}

#[test]
fn the_same_sight_twice_is_one() {
    let world = check([See(message(1, &[1, 2])), See(message(1, &[1, 2]))], &[1, 2]);
    let tallies = world.store.tallies().unwrap();
    assert_eq!((tallies.get(Tally::Entries), tallies.get(Tally::DownloadsWaiting)), (2, 2));
}

#[test]
fn a_file_that_was_taken_off_comes_back_when_it_is_put_back() {
    let world = check(
        [
            See(message(1, &[1, 2])),
            See(edited(2, message(1, &[1]))),
            See(edited(3, message(1, &[1, 2]))),
        ],
        &[1, 2],
    );
    assert_eq!(world.downloads(9).len(), 2);
}

#[test]
fn a_thread_stands_under_its_channel_and_is_as_restricted_as_it() {
    let world = World::new();
    let seen =
        |channel: ChannelId, second| Message { channel, ..message(second, &[second.into()]) };
    world.see([seen(CHANNEL, 1), seen(THREAD, 2), seen(POST, 3)]);
    let restricted = Place { nsfw: true, ..place(FORUM, PlaceKind::Forum, None) };
    world.apply(PlaceSeen { place: restricted });
    world.see([seen(POST, 4), seen(THREAD, 5)]);
    let found: Vec<_> = ENTRIES
        .all(&world.store.source())
        .unwrap()
        .into_iter()
        .map(|(key, entry)| (key.item.0, key.root, entry.nsfw))
        .collect();
    let expected = [(1, CHANNEL), (2, CHANNEL), (5, CHANNEL), (3, FORUM), (4, FORUM)];
    assert_eq!(found, expected.map(|(item, root)| (item, root, item == 4)));
    // A message that is seen again is as restricted as its place is now.
    world.see([seen(POST, 3)]);
    assert!(world.entry(crate::domain::entry::EntryKey { root: FORUM, ..key(3, 3) }).nsfw);
}

#[test]
fn a_message_from_an_unknown_place_asks_for_a_survey_and_claims_nothing() {
    let world = World::new();
    let place = ChannelId(99);
    let hints = world.see([Message { channel: place, ..message(1, &[1]) }]);
    assert!(hints.contains(&crate::store::Hint::Survey));
    assert_eq!(world.store.place(place).unwrap(), None);
    assert!(ENTRIES.all(&world.store.source()).unwrap().is_empty());
}

#[test]
fn words_that_change_are_published_and_raw_messages_kept() {
    let world = World::new();
    world.see([message(1, &[1])]);
    world.choose(crate::store::sample::policy(
        crate::domain::selection::MediaMode::Link,
        &[crate::domain::selection::MediaKind::Video],
    ));
    world.end_publication(world.begin_publication());
    assert!(world.store.changed_months().unwrap().is_empty());
    world.see([message(1, &[1])]);
    assert!(world.store.changed_months().unwrap().is_empty(), "nothing is new");
    let newer = Message { raw: "{\"newer\":true}".into(), ..edited(7, message(1, &[1])) };
    world.see([newer, message(1, &[1])]);
    assert_eq!(world.store.changed_months().unwrap().len(), 1);
    assert_eq!(world.store.raw(id(1)).unwrap().as_deref(), Some("{\"newer\":true}"));
    assert_eq!(world.store.raw(id(2)).unwrap(), None);
}

#[test]
fn media_that_is_no_attachment_keeps_the_newest_raw_message() {
    let world = World::new();
    let embed = |raw: &str| Message { carries_media: true, raw: raw.into(), ..message(1, &[]) };
    // Edited so long ago that nothing but the raw message remembers it.
    world.see([edited(-90_000, embed("new")), embed("old")]);
    assert_eq!(world.store.raw(id(1)).unwrap().as_deref(), Some("new"));
}

#[test]
fn a_message_that_panics_is_put_aside_and_the_rest_of_its_page_recorded() {
    let world = World::new();
    let page = || PageRead {
        unreadable: Vec::new(),
        place: CHANNEL,
        span: crate::domain::coverage::Span::new(id(0), id(9)),
        messages: (1..=3).map(|second| message(second, &[second.into()])).collect(),
        anchor: Some(id(3)),
        answered_at: at(9),
    };
    world.kv.panic_at(&[&id(2).0.to_be_bytes()[..], &2_u64.to_be_bytes()].concat());
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut commit = world.store.begin(world.context());
    commit.add(&page().into()).unwrap();
    commit.finish().unwrap();
    std::panic::set_hook(quiet);
    world.kv.heal();
    crate::store::invariants::check(&world);

    assert_eq!(world.downloads(9), [key(3, 3), key(1, 1)]);
    let coverage = world.store.place(CHANNEL).unwrap().unwrap().coverage;
    assert!(coverage.contains(id(2)), "nobody reads it again for nothing");
    let parked = world.store.parked_messages(9).unwrap();
    let [(parked_id, parked)] = parked.as_slice() else { panic!("one message: {parked:?}") };
    assert_eq!((*parked_id, parked.channel), (id(2), CHANNEL));
    assert!(parked.why.contains("told to panic"), "{}", parked.why);
    assert_eq!(parked.raw().unwrap(), &*message(2, &[2]).raw);

    world.apply(page());
    assert!(world.store.parked_messages(9).unwrap().is_empty());
    assert_eq!(world.downloads(9).len(), 3);
}

#[test]
fn a_page_and_its_coverage_come_together_or_not_at_all() {
    let world = World::new();
    let page = PageRead {
        unreadable: Vec::new(),
        place: THREAD,
        span: crate::domain::coverage::Span::new(id(0), id(9)),
        messages: vec![Message { channel: THREAD, ..message(1, &[1]) }],
        anchor: None,
        answered_at: at(9),
    };
    world.die_during(&page.clone().into());
    assert!(!world.store.place(THREAD).unwrap().unwrap().coverage.contains(id(1)));
    assert!(ENTRIES.all(&world.store.source()).unwrap().is_empty());
    world.apply(page);
    assert!(world.store.place(THREAD).unwrap().unwrap().coverage.contains(id(1)));
    assert_eq!(world.downloads(9), [key(1, 1)]);
}

#[test]
fn a_message_stays_where_it_was_first_put() {
    let world = World::new();
    let seen = Message { channel: THREAD, ..message(1, &[1]) };
    world.see([seen.clone()]);
    world.apply(PlaceSeen { place: place(THREAD, PlaceKind::PublicThread, Some(FORUM)) });
    world.see([seen]);
    let entries = ENTRIES.all(&world.store.source()).unwrap();
    assert_eq!(entries.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [key(1, 1)]);
}
