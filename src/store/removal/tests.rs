//! How what was deleted is hidden, moved, erased, held back and shown again.

use std::time::Duration;

use super::PlacesShown;
use crate::{
    domain::{
        entry::Look,
        job::{Queue, Subject},
        message::{Message, Unreadable},
        place::PlaceKind,
        removal::{Chore, Home, OnDelete, RemovalPolicy},
        selection::{MediaKind, MediaMode, Policy},
    },
    store::{
        Change, Looked, Loss, Moved, PageRead, PlaceSeen, PlacesFound, PlacesLost, PublishedTo,
        SessionMoved, Stored, Task,
        sample::{
            CHANNEL, THREAD, World, at, content, edited, id, key, message, place, policy, sha,
        },
        tables::{ENTRIES, HOMES, KEPT, PARKED_MESSAGES, POSTS, RAW, REMOVED, REMOVED_AT},
    },
};

fn wishes(on_delete: OnDelete) -> Policy {
    let erase_after = Some(Duration::from_hours(1));
    let removal = RemovalPolicy { on_delete, erase_after, ..RemovalPolicy::default() };
    Policy { removal, ..policy(MediaMode::Copy, &[MediaKind::Video]) }
}

/// A message for each number, whose file has the bytes of that number.
fn world(on_delete: OnDelete, files: &[(u32, u8)]) -> World {
    let world = World::with(wishes(on_delete));
    for (second, number) in files {
        world.see([message(*second, &[u64::from(*second)])]);
        let key = key(*second, u64::from(*second));
        world.apply(Stored { key, sha256: sha(*number), content: content(*number), stamp: None });
    }
    world
}

impl World {
    fn tend(&self) {
        loop {
            let mut commit = self.store.begin(self.context());
            let more = commit.tend().unwrap().more;
            commit.finish().unwrap();
            crate::store::invariants::check(self);
            if !more {
                return;
            }
        }
    }

    /// What the mover is given, after everything that changed was published if there was a publication.
    fn chores(&self) -> Vec<(Subject, Chore)> {
        let claimed = self.claim(Queue::Move, 9, &[]);
        let chore = |task| match task {
            Task::Move { subject, chore, .. } => (subject, chore),
            other => panic!("{other:?}"),
        };
        claimed.into_iter().map(|claimed| chore(claimed.task)).collect()
    }

    fn publish(&self) {
        self.apply(PublishedTo(self.store.last_change().unwrap()));
        self.wait(120);
    }

    fn home(&self, number: u8) -> Home {
        self.store.home(Subject::Content(sha(number))).unwrap()
    }
}

#[test]
fn bytes_are_copied_then_published_without_and_only_then_cleared() {
    let world = world(OnDelete::Hide, &[(1, 1)]);
    let bytes = Subject::Content(sha(1));
    world.delete(1);
    let copy = Chore::Copy(Home::Private);
    assert_eq!(world.chores(), [(bytes, copy)]);
    world.apply(Moved { subject: bytes, chore: copy });
    assert_eq!(world.home(1), Home::Private);
    world.wait(3_000);
    assert_eq!(world.chores(), [], "the manifest may name it");
    world.publish();
    let clear = Chore::Clear(Home::Public);
    assert_eq!(world.chores(), [(bytes, clear)]);
    world.apply(Moved { subject: bytes, chore: clear });
    world.publish();
    assert_eq!(world.chores(), []);
    // Its hour is over: it is erased, but for its tombstone.
    world.wait(3_600);
    world.tend();
    let source = &world.store.source();
    assert!(ENTRIES.all(source).unwrap().is_empty() && POSTS.all(source).unwrap().is_empty());
    assert!(!RAW.contains(source, &id(1)).unwrap());
    world.publish();
    assert_eq!(world.chores(), [(bytes, Chore::Erase)]);
    assert_eq!(world.home(1), Home::Nowhere, "nobody counts on them from here on");
    world.apply(Moved { subject: bytes, chore: Chore::Erase });
    assert!(HOMES.all(source).unwrap().is_empty() && REMOVED_AT.all(source).unwrap().is_empty());
    world.see([message(1, &[1])]);
    assert!(ENTRIES.all(source).unwrap().is_empty());
}

#[test]
fn bytes_stay_in_public_while_anybody_shows_them() {
    let world = world(OnDelete::Hide, &[(1, 7), (2, 7)]);
    world.delete(1);
    assert_eq!(world.chores(), []);
    world.delete(2);
    let bytes = Subject::Content(sha(7));
    assert_eq!(world.chores(), [(bytes, Chore::Copy(Home::Private))]);
    // Somebody posts them again while they are on their way out: they stay at home, and the copy goes.
    world.see([message(3, &[3])]);
    world.apply(Stored { key: key(3, 3), sha256: sha(7), content: content(7), stamp: None });
    world.apply(Moved { subject: bytes, chore: Chore::Copy(Home::Private) });
    assert_eq!(world.home(7), Home::Public);
    assert_eq!(world.chores(), [(bytes, Chore::Clear(Home::Private))]);
}

#[test]
fn a_still_that_others_show_stays() {
    let world = world(OnDelete::Hide, &[(1, 1), (2, 2)]);
    let still = format!("thumb/{}.webp", sha(9));
    for number in [1, 2] {
        let look = Look { still: Some(still.clone()), ..Look::default() };
        world.apply(Looked { subject: Subject::Content(sha(number)), look });
    }
    let moved = |world: &World| {
        let chores = world.chores();
        chores.into_iter().map(|(subject, _)| subject).collect::<Vec<_>>()
    };
    world.delete(1);
    assert_eq!(moved(&world), [Subject::Content(sha(1))]);
    world.delete(2);
    let all = moved(&world);
    assert!(all.contains(&Subject::Still(sha(9))) && all.len() == 3, "{all:?}");
}

#[test]
fn what_arrives_for_what_was_erased_is_cleared() {
    let world = world(OnDelete::Erase, &[]);
    world.see([message(1, &[1])]);
    world.delete(1);
    world.tend();
    world.apply(Stored { key: key(1, 1), sha256: sha(1), content: content(1), stamp: None });
    world.publish();
    assert_eq!(world.chores(), [(Subject::Content(sha(1)), Chore::Erase)]);
    // The same bytes, posted anew before they are gone, are there.
    world.see([message(2, &[2])]);
    world.apply(Stored { key: key(2, 2), sha256: sha(1), content: content(1), stamp: None });
    assert_eq!(world.home(1), Home::Public);
    world.apply(Moved { subject: Subject::Content(sha(1)), chore: Chore::Erase });
    assert_eq!(world.home(1), Home::Public);
}

#[test]
fn a_place_that_is_left_out_comes_back_as_it_was() {
    let world = world(OnDelete::Hide, &[(1, 1)]);
    let bytes = Subject::Content(sha(1));
    let places = vec![(CHANNEL, CHANNEL)];
    world.apply(PlacesShown { withdrawn: places.clone(), returned: Vec::new() });
    world.tend();
    let copy = Chore::Copy(Home::Private);
    assert_eq!(world.chores(), [(bytes, copy)]);
    world.apply(Moved { subject: bytes, chore: copy });
    world.apply(PlacesShown { withdrawn: Vec::new(), returned: places });
    world.tend();
    let back = Chore::Copy(Home::Public);
    assert_eq!(world.chores(), [(bytes, back)]);
    world.apply(Moved { subject: bytes, chore: back });
    assert_eq!(
        (world.home(1), world.chores()),
        (Home::Public, vec![(bytes, Chore::Clear(Home::Private))])
    );
    assert!(REMOVED.all(&world.store.source()).unwrap().is_empty());
}

#[test]
fn a_place_is_gone_when_that_was_told_and_not_when_it_was_inferred() {
    for (loss, hidden) in [(Loss::Told, true), (Loss::Inferred, false)] {
        let world = world(OnDelete::Hide, &[(1, 1)]);
        world.apply(PlacesLost { places: vec![CHANNEL, THREAD], loss });
        world.tend();
        assert_eq!(world.entry(key(1, 1)).hidden_at.is_some(), hidden, "{loss:?}");
        // Somebody saw it before that.
        let sight = PlaceSeen { place: place(CHANNEL, PlaceKind::Text, None) };
        world.apply(sight.clone());
        world.tend();
        assert_eq!(world.entry(key(1, 1)).hidden_at.is_some(), hidden, "{loss:?}");
        // It is there after all.
        world.apply(PlacesFound { places: vec![CHANNEL] });
        world.apply(sight);
        world.tend();
        assert_eq!(world.entry(key(1, 1)).hidden_at, None);
        let row = world.store.place(CHANNEL).unwrap().unwrap();
        assert_eq!(row.missing_since, None, "it is read again");
    }
}

#[test]
fn what_is_kept_of_a_lost_place_goes_though_no_file_tells_of_it() {
    for (on_delete, stays) in
        [(OnDelete::Erase, false), (OnDelete::Hide, false), (OnDelete::Keep, true)]
    {
        let world = world(on_delete, &[]);
        let raw = |number| format!(r#"{{"id":"{}","channel_id":"{CHANNEL}"}}"#, id(number));
        // Media that no version reads yet, and what no version could read.
        let sticker = |number| Message {
            carries_media: true,
            raw: raw(number).into(),
            ..message(number, &[])
        };
        world.see((1..=250).map(sticker));
        let torn = Unreadable { id: Some(id(300)), reason: "torn".into(), raw: raw(300).into() };
        world.apply(PageRead {
            place: CHANNEL,
            span: None,
            messages: Vec::new(),
            unreadable: vec![torn],
            anchor: None,
            answered_at: at(300),
        });
        let kept = |world: &World| {
            let source = &world.store.source();
            let parked = PARKED_MESSAGES.all(source).unwrap().len();
            (RAW.all(source).unwrap().len(), parked, KEPT.all(source).unwrap().len())
        };
        world.apply(PlacesLost { places: vec![CHANNEL], loss: Loss::Told });
        world.tend();
        assert_eq!(kept(&world), (250, 1, 251), "{on_delete}: it may be listed again");
        world.wait(2 * 3_600);
        world.tend();
        assert_eq!(kept(&world), if stays { (250, 1, 251) } else { (0, 0, 0) }, "{on_delete}");
    }
}

#[test]
fn what_comes_late_of_a_lost_place_goes_with_it() {
    let world = world(OnDelete::Hide, &[]);
    world.apply(PlacesLost { places: vec![CHANNEL], loss: Loss::Told });
    world.tend();
    let sticker = Message {
        carries_media: true,
        raw: format!(r#"{{"channel_id":"{CHANNEL}"}}"#).into(),
        ..message(2, &[])
    };
    world.see([message(1, &[1]), sticker]);
    assert!(world.entry(key(1, 1)).hidden_at.is_some() && world.downloads(9).is_empty());
    world.wait(3_601);
    world.tend();
    assert!(RAW.all(&world.store.source()).unwrap().is_empty());
}

#[test]
fn what_a_file_left_behind_waits_for_its_own_time() {
    let world = world(OnDelete::Hide, &[(1, 1)]);
    world.see([edited(2, message(1, &[]))]);
    world.wait(3_000);
    world.apply(PlacesLost { places: vec![CHANNEL], loss: Loss::Told });
    world.tend();
    let left = |world: &World| {
        let source = &world.store.source();
        (ENTRIES.all(source).unwrap().len(), RAW.all(source).unwrap().len())
    };
    world.wait(700);
    world.tend();
    assert_eq!(
        left(&world),
        (0, 1),
        "the file was taken off an hour ago, and the place is lost since"
    );
    world.wait(3_000);
    world.tend();
    assert_eq!(left(&world), (0, 0));
}

#[test]
fn a_wave_is_held_back_until_a_person_decides() {
    let numbers: Vec<_> = (1..=40).map(|number| (u32::from(number), number)).collect();
    for (decision, left) in [(Change::AllowErasing, 0), (Change::KeepDeleted, 30)] {
        let world = world(OnDelete::Hide, &numbers);
        for second in 1..=30 {
            world.delete(second);
        }
        assert_eq!(world.store.held().unwrap().map(|held| held.files), Some(30));
        world.wait(7_200);
        world.tend();
        assert_eq!(REMOVED.all(&world.store.source()).unwrap().len(), 30);
        world.apply(decision);
        world.tend();
        let rows = REMOVED.all(&world.store.source()).unwrap();
        assert_eq!(rows.len(), left);
        for (key, row) in rows {
            assert!(row.kept && world.entry(key).hidden_at.is_none());
        }
        assert_eq!(world.store.held().unwrap(), None);
        // And it is over with: what is deleted now is erased in time.
        world.apply(SessionMoved { shard: 0, session: None });
        world.delete(31);
        world.wait(3_601);
        world.tend();
        assert!(!ENTRIES.contains(&world.store.source(), &key(31, 31)).unwrap());
    }
}

#[test]
fn another_wish_goes_for_what_was_deleted_before() {
    let world = world(OnDelete::Keep, &[(1, 1)]);
    world.delete(1);
    assert_eq!((world.entry(key(1, 1)).hidden_at, world.chores()), (None, Vec::new()));
    world.choose(wishes(OnDelete::Hide));
    assert!(world.entry(key(1, 1)).hidden_at.is_some());
    world.choose(wishes(OnDelete::Keep));
    assert_eq!((world.entry(key(1, 1)).hidden_at, world.chores()), (None, Vec::new()));
}
