//! What is left of what was erased: nothing, in no table, and nothing of anybody else is missing.

use std::collections::BTreeSet;

use super::{Trace, erase_entry, erase_message};
use crate::{
    domain::{
        entry::{CopiedAvatar, Look},
        forget::Forgotten,
        id::{AttachmentId, ChannelId, GuildId, UserId},
        job::{Failure, Queue, Subject},
        message::{Author, Message, Unreadable},
        place::PlaceKind,
        removal::Chore,
        selection::{MediaKind, MediaMode},
    },
    store::{
        Allow, AvatarCopied, Change, CopiesRenewed, Failed, Forget, Looked, Observed, PageRead,
        PlaceSeen, PublishedTo, Purged, Stored, Tally, Word,
        sample::{
            CHANNEL, FORUM, THREAD, World, content, edited, id, key, message, place, policy, sha,
        },
        tables::{ENTRIES, ERASURES, GARBAGE, HOMES, PARKED_MESSAGES, PEOPLE, POSTS, RAW},
    },
};

const WREN: UserId = UserId(7);
const ROOK: UserId = UserId(8);

fn still(number: u8) -> String {
    format!("thumb/{}.webp", sha(number))
}

fn of_rook(message: Message) -> Message {
    let author = Author { id: ROOK, name: "Rook".into(), avatar: None, bot: false };
    Message { author, ..message }
}

fn in_channel(channel: ChannelId, message: Message) -> Message {
    Message { channel, ..message }
}

/// A message as Discord tells it, so that its words, ids and people stand in its raw form.
fn with_raw(message: Message) -> Message {
    let raw = serde_json::json!({
        "id": message.id, "channel_id": message.channel, "content": message.text,
        "author": { "id": message.author.id, "username": message.author.name },
    });
    Message { raw: raw.to_string().into(), ..message }
}

impl World {
    fn store_file(&self, second: u32, file: u64, number: u8) {
        self.apply(Stored {
            key: key(second, file),
            sha256: sha(number),
            content: content(number),
            stamp: None,
        });
    }

    fn look(&self, number: u8) {
        let still = Some(still(number));
        let look = Look { still, ..Look::default() };
        self.apply(Looked { subject: Subject::Content(sha(number)), look });
    }

    fn forget(&self, what: &[Forgotten]) {
        self.apply(Forget { what: what.to_vec(), word: Word::Keeper });
        self.erase_all();
    }

    fn erase_all(&self) {
        let mut steps = 0;
        while self.store.is_erasing().unwrap() {
            self.apply(Change::EraseSome);
            steps += 1;
            assert!(steps < 1_000, "erasing does not end");
        }
    }

    fn garbage(&self) -> BTreeSet<String> {
        let source = &self.store.source();
        let garbage = GARBAGE.all(source).unwrap().into_iter().map(|((_, object), ())| object);
        let homes = HOMES.all(source).unwrap().into_iter().map(|(_, row)| row.object);
        garbage.chain(homes).collect()
    }

    fn erased(&self, what: Forgotten) -> crate::domain::forget::Erased {
        let list = self.store.forgotten().unwrap();
        list.into_iter().find(|(listed, _)| *listed == what).expect("on the list").1.erased
    }

    /// Every byte of the catalogue, with raw messages unpacked.
    fn everything(&self) -> String {
        let mut all = String::new();
        for (key, value) in crate::store::Kv::scan(&*self.kv, &[0], &[255], usize::MAX).unwrap() {
            all.push_str(&String::from_utf8_lossy(&key));
            all.push_str(&String::from_utf8_lossy(&value));
        }
        for (_, row) in RAW.all(&self.store.source()).unwrap() {
            all.push_str(&row.text().unwrap());
        }
        for (_, row) in PARKED_MESSAGES.all(&self.store.source()).unwrap() {
            all.push_str(&row.raw().unwrap());
        }
        all
    }
}

#[test]
fn a_message_goes_with_all_that_is_its_own() {
    let world = World::new();
    world.see([message(1, &[1, 2]), of_rook(message(2, &[3]))]);
    world.store_file(1, 1, 1);
    world.store_file(2, 3, 3);
    world.look(1);
    let picture = CopiedAvatar { hash: "a".into(), object: "userData/avatars/7.png".into() };
    world.apply(AvatarCopied { user: WREN, copied: Some(picture) });
    let erased = world.change(|commit| {
        commit.attempt(|txn, context| erase_message(txn, context, id(1), Trace::Tombstone(CHANNEL)))
    });
    assert_eq!(
        (erased.messages, erased.entries, erased.files, erased.bytes, erased.stills, erased.shared),
        (1, 2, 1, 100, 1, 0)
    );
    world.erase_all();
    let expected = ["media/1.mp4", &still(1), "userData/avatars/7.png"];
    assert_eq!(world.garbage(), expected.map(str::to_owned).into());
    let source = &world.store.source();
    assert!(!PEOPLE.contains(source, &WREN).unwrap() && PEOPLE.contains(source, &ROOK).unwrap());
    assert!(!POSTS.contains(source, &id(1)).unwrap() && !RAW.contains(source, &id(1)).unwrap());
    assert_eq!(ENTRIES.all(source).unwrap().len(), 1);
    assert!(!world.everything().contains("Wren"));
    // The tombstone keeps it away.
    world.see([message(1, &[1])]);
    assert_eq!(ENTRIES.all(source).unwrap().len(), 1);
}

#[test]
fn bytes_stay_for_as_long_as_somebody_has_them() {
    let world = World::new();
    world.see([message(1, &[1]), of_rook(message(2, &[2]))]);
    world.store_file(1, 1, 9);
    world.store_file(2, 2, 9);
    world.look(9);
    world.forget(&[Forgotten::User(WREN)]);
    assert_eq!((world.garbage().len(), world.erased(Forgotten::User(WREN)).shared), (0, 1));
    world.forget(&[Forgotten::Message(id(2))]);
    assert_eq!(world.garbage(), ["media/9.mp4", &still(9)].map(str::to_owned).into());
    assert_eq!(world.erased(Forgotten::Message(id(2))).shared, 0);
    assert_eq!(world.erased(Forgotten::Message(id(2))).people, 1);
}

#[test]
fn bytes_wait_for_a_publication_that_began_after_they_were_erased() {
    let world = World::new();
    world.see([message(1, &[1])]);
    world.store_file(1, 1, 1);
    let under_way = world.store.last_change().unwrap();
    world.forget(&[Forgotten::Message(id(1))]);
    let chore = || world.store.chore(Subject::Content(sha(1))).unwrap().map(|(chore, _)| chore);
    world.apply(PublishedTo(under_way));
    assert_eq!(chore(), None, "it may name them");
    world.apply(PublishedTo(world.store.last_change().unwrap()));
    assert_eq!(chore(), Some(Chore::Erase));
}

#[test]
fn bytes_that_one_person_posted_twice_do_not_stay() {
    let world = World::new();
    world.see([message(1, &[1]), message(2, &[2])]);
    world.store_file(1, 1, 9);
    world.store_file(2, 2, 9);
    world.forget(&[Forgotten::User(WREN)]);
    let erased = world.erased(Forgotten::User(WREN));
    assert_eq!((erased.messages, erased.files, erased.shared, erased.people), (2, 1, 0, 1));
}

#[test]
fn one_file_of_a_message_can_go_alone() {
    let world = World::new();
    world.see([message(1, &[1, 2])]);
    world.store_file(1, 1, 1);
    world.change(|commit| commit.attempt(|txn, context| erase_entry(txn, context, key(1, 1))));
    world.erase_all();
    let source = &world.store.source();
    assert_eq!(POSTS.get(source, &id(1)).unwrap().unwrap().items, [AttachmentId(2)]);
    assert_eq!(world.garbage(), ["media/1.mp4".to_owned()].into());
    assert!(PEOPLE.contains(source, &WREN).unwrap(), "something of theirs is left");
}

#[test]
fn work_that_comes_too_late_leaves_nothing() {
    let world = World::new();
    world.see([message(1, &[1]), message(2, &[2])]);
    world.store_file(2, 2, 2);
    world.forget(&[Forgotten::User(WREN)]);
    world.store_file(1, 1, 1);
    world.look(2);
    let picture = CopiedAvatar { hash: "a".into(), object: "userData/avatars/7.png".into() };
    world.apply(AvatarCopied { user: WREN, copied: Some(picture) });
    world.apply(Failed {
        queue: Queue::Download,
        subject: Subject::Entry(key(1, 1)),
        link: None,
        failure: Failure::Permanent { why: "odd".into() },
    });
    let expected = ["media/1.mp4", "media/2.mp4", &still(2), "userData/avatars/7.png"];
    assert_eq!(world.garbage(), expected.map(str::to_owned).into());
    assert!(world.store.purge().unwrap().is_some());
}

#[test]
fn what_is_forgotten_does_not_come_back_by_any_way() {
    let thread = Forgotten::Channel(THREAD);
    let category = Forgotten::Channel(ChannelId(90));
    for what in [
        Forgotten::User(WREN),
        Forgotten::Message(id(1)),
        Forgotten::Channel(CHANNEL),
        Forgotten::Guild(GuildId(1)),
        Forgotten::Member(GuildId(1), WREN),
        thread,
        category,
    ] {
        let world = World::new();
        world.apply(PlaceSeen { place: place(ChannelId(90), PlaceKind::Category, None) });
        let below = crate::domain::place::Place {
            parent: Some(ChannelId(90)),
            ..place(CHANNEL, PlaceKind::Text, None)
        };
        world.apply(PlaceSeen { place: below });
        let sight = || {
            let text = "the marker".to_owned();
            let channel = if what == thread { THREAD } else { CHANNEL };
            with_raw(Message { text, channel, ..message(1, &[1]) })
        };
        let other = || with_raw(of_rook(in_channel(FORUM, message(5, &[5]))));
        world.see([sight(), other()]);
        world.forget(&[what]);
        assert!(!world.everything().contains("the marker"), "{what}");
        let unreadable = Unreadable { id: Some(id(1)), reason: "odd".into(), raw: sight().raw };
        let page = PageRead {
            place: sight().channel,
            span: None,
            messages: vec![sight(), edited(9, sight())],
            unreadable: vec![unreadable],
            anchor: None,
            answered_at: world.now.get(),
        };
        world.apply(page);
        world.see([sight()]);
        assert!(!world.everything().contains("the marker"), "{what}");
        let left = usize::from(!matches!(what, Forgotten::Guild(_)));
        assert_eq!(ENTRIES.all(&world.store.source()).unwrap().len(), left, "{what}");
        // And it may come back once that is allowed.
        world.apply(Allow { what: vec![what] });
        world.see([sight()]);
        assert!(world.everything().contains("the marker"), "{what}");
    }
}

#[test]
fn places_that_are_forgotten_are_nameless_and_left_out() {
    let world = World::new();
    world.forget(&[Forgotten::Channel(CHANNEL)]);
    let named = |world: &World| {
        let places = world.store.places().unwrap();
        places.into_iter().map(|row| row.place.id).collect::<Vec<_>>()
    };
    assert_eq!(named(&world), [FORUM, crate::store::sample::POST]);
    world.apply(PlaceSeen { place: place(CHANNEL, PlaceKind::Text, None) });
    world.apply(PlaceSeen { place: place(ChannelId(12), PlaceKind::PublicThread, Some(CHANNEL)) });
    let left_out: BTreeSet<_> =
        world.store.places_left_out().unwrap().into_iter().map(|place| place.id).collect();
    assert_eq!(left_out, [CHANNEL, THREAD, ChannelId(12)].into());
    let all = world.everything();
    assert!(!all.contains("place 10") && !all.contains("place 11") && !all.contains("place 12"));
    assert_eq!(named(&world), [FORUM, crate::store::sample::POST]);
    world.forget(&[Forgotten::Guild(GuildId(1))]);
    assert!(named(&world).is_empty() && world.store.guilds().unwrap().is_empty());
}

#[test]
fn a_large_erasure_takes_steps_and_survives_being_cut_short() {
    let world = World::new();
    for second in 0..1_200 {
        let sight = with_raw(message(second, &[u64::from(second) + 1]));
        world.kv_only(|commit| commit.add(&Observed { messages: vec![sight.clone()] }.into()));
    }
    let what = [Forgotten::User(WREN)];
    world.apply(Forget { what: what.to_vec(), word: Word::Keeper });
    world.apply(Change::EraseSome);
    let left = ENTRIES.all(&world.store.source()).unwrap().len();
    assert_eq!(left, 700);
    world.die_during(&Change::EraseSome);
    assert_eq!(ENTRIES.all(&world.store.source()).unwrap().len(), 700);
    world.apply(Change::EraseSome);
    // Another joins in the middle, and both end.
    world.see([with_raw(of_rook(message(1_300, &[1_300])))]);
    world.apply(Forget { what: vec![Forgotten::User(ROOK)], word: Word::Keeper });
    world.erase_all();
    let source = &world.store.source();
    assert!(ENTRIES.all(source).unwrap().is_empty() && POSTS.all(source).unwrap().is_empty());
    assert!(RAW.all(source).unwrap().is_empty() && PEOPLE.all(source).unwrap().is_empty());
    assert!(ERASURES.all(source).unwrap().is_empty());
    assert_eq!(world.erased(Forgotten::User(WREN)).messages, 1_200);
    assert_eq!(world.erased(Forgotten::User(ROOK)).messages, 1);
}

#[test]
fn raw_messages_without_files_go_too() {
    let world = World::new();
    let embed = with_raw(Message { carries_media: true, ..message(1, &[]) });
    world.see([embed]);
    let source = &world.store.source();
    assert!(RAW.contains(source, &id(1)).unwrap() && !POSTS.contains(source, &id(1)).unwrap());
    world.forget(&[Forgotten::Channel(CHANNEL)]);
    assert!(!RAW.contains(source, &id(1)).unwrap());
}

#[test]
fn a_purge_is_over_when_the_last_erasure_has_left_the_bucket() {
    let world = World::with(policy(MediaMode::Copy, &[MediaKind::Video]));
    assert_eq!((world.store.purge().unwrap(), world.store.erased().unwrap()), (None, None));
    world.see([message(1, &[1]), message(2, &[2])]);
    world.forget(&[Forgotten::Message(id(1))]);
    let first = world.store.purge().unwrap().unwrap();
    let erased = world.store.erased().unwrap().expect("copies still hold it");
    world.forget(&[Forgotten::Message(id(2))]);
    world.apply(Purged(first));
    let second = world.store.purge().unwrap().expect("the second is still to leave");
    world.apply(Purged(second));
    assert_eq!(world.store.purge().unwrap(), None);
    assert_eq!(world.store.tallies().unwrap().get(Tally::Entries), 0);
    // Copies that were made anew between the two still hold the second.
    world.apply(CopiesRenewed { erased });
    let erased = world.store.erased().unwrap().expect("copies still hold it");
    world.apply(CopiesRenewed { erased });
    assert_eq!(world.store.erased().unwrap(), None);
}

#[test]
fn others_who_answer_or_mention_somebody_forgotten_no_longer_do() {
    let world = World::new();
    let reply = |second, file| {
        let raw = serde_json::json!({
            "id": id(second), "channel_id": CHANNEL, "author": { "id": "8", "username": "rook" },
            "mentions": [{ "id": "7", "username": "wren_the_bird", "global_name": "Wren" }],
            "referenced_message": {
                "id": "5", "content": "the marker", "author": { "id": "7", "username": "wren_the_bird" },
            },
        });
        let text = "look @Wren".to_owned();
        let sight = of_rook(message(second, &[file]));
        Message { raw: raw.to_string().into(), text, ..sight }
    };
    world.see([reply(2, 2)]);
    assert!(world.everything().contains("the marker"));
    world.forget(&[Forgotten::User(WREN)]);
    // Neither in what was there nor in what comes later.
    world.see([reply(3, 3)]);
    let everything = world.everything();
    for trace in ["the marker", "Wren", "wren_the_bird"] {
        assert!(!everything.contains(trace), "{trace}");
    }
    let source = &world.store.source();
    assert_eq!(POSTS.get(source, &id(3)).unwrap().unwrap().text, "look <@7>");
    assert_eq!(ENTRIES.all(source).unwrap().len(), 2);
    assert_eq!(world.erased(Forgotten::User(WREN)).cleansed, 1);
}

#[test]
fn what_is_foretold_is_what_is_erased() {
    let world = World::new();
    world.see([message(1, &[1, 2]), message(2, &[3]), of_rook(message(3, &[4]))]);
    world.see([with_raw(Message { carries_media: true, ..message(4, &[]) })]);
    for (second, file, number) in [(1, 1, 1), (1, 2, 2), (2, 3, 2), (3, 4, 1)] {
        world.store_file(second, file, number);
    }
    world.look(2);
    let picture = CopiedAvatar { hash: "a".into(), object: "userData/avatars/7.png".into() };
    world.apply(AvatarCopied { user: WREN, copied: Some(picture) });
    for what in [Forgotten::Message(id(3)), Forgotten::User(WREN), Forgotten::Channel(CHANNEL)] {
        let foretold = world.store.foretell(what).unwrap();
        world.forget(&[what]);
        assert_eq!(world.erased(what), foretold, "{what}");
    }
}
