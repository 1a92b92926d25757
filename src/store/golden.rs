//! Rows as released builds wrote them: each file holds the bytes of a value, which must be read as that value for
//! ever.
//!
//! When a test here fails, the form of a row has changed, and every store in use would be unreadable. Raise `VERSION`
//! of the row, keep its file, read the old form in `migrate`, and add a file for the new form.

use std::{fmt::Debug, fmt::Write, path::PathBuf};

use super::{
    ArchiveRow, CoverageRow, Dirty, ErasedRow, ForgottenRow, GuildRow, IndexRow, PlaceReread,
    PublicationRow, Reading, Rebuilding, RereadWhole, SessionRow, ShardRef, ShardsRow, StartsRow,
    Tip, VerificationRow, Wholeness, Word,
    raw::RawRow,
    sample::{CHANNEL, THREAD, at, content, key, message, place, sha},
    table::{Key, Part, Row, Table},
    tables::{
        AFTERMATH, ARCHIVE, AftermathRow, CONTENTS, COVERAGE, DELAYED, DIRTY, ENTRIES, ERASED,
        ERASURES, ErasureRow, FORGOTTEN, GARBAGE, GUILDS, INDEXES, JOBS, KEPT, ListeningRow,
        MEMBERS, MemberRow, PARKED, PARKED_MESSAGES, PEOPLE, PEOPLE_CHANGED, PLACES, POLICY, POSTS,
        PROBE, PUBLICATION, ParkedMessage, PersonDirty, PlaceRow, PolicyRow, Progress, RAW, READY,
        RENEWALS, REREAD, RereadRow, SEALS, SESSIONS, SHARDS, STARTS, TALLIES, TIP, TOMBSTONES,
        Tombstone, USES, VERIFICATION,
    },
    verify::Seal,
};
use super::{
    sample::id,
    tables::{
        HOMES, Held, HomeRow, KEPT_WALKS, KeptWalkRow, LEFT_OUT, LOST, MASS, MassRow, REACHED,
        RECALLED, REMOVED, REMOVED_AT, Reached, RemovedRow, STILL_USES, UNRENEWED, WALKS, WalkRow,
    },
};
use crate::domain::{
    coverage::{EXTRACTOR, Span},
    entry::{Content, CopiedAvatar, Entry, EntryState, Look, Person, Post},
    forget::{Erased, Forgotten},
    id::{AttachmentId, GuildId, MessageId, UserId},
    job::{Job, JobState, Lane, Queue, Rank, Subject},
    message::Attachment,
    place::PlaceKind,
    reconcile::Unheard,
    removal::{Home, Wave},
    selection::MediaKind,
};

/// Compares a row with the file that holds it: what is written now, and what is read of the file.
#[track_caller]
fn check<K: Key + Debug + PartialEq, V: Row + Debug + PartialEq>(
    name: &str,
    table: &Table<K, V>,
    key: &K,
    value: &V,
) {
    let path_of = |version: u8| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(format!("src/store/golden/{name}.{version}.hex"))
    };
    for version in 1..V::VERSION {
        let old = std::fs::read_to_string(path_of(version)).expect("the files of old forms stay");
        let row = hex::decode(old.lines().nth(1).expect("a value stands below its key")).unwrap();
        assert!(table.decode(&row).is_ok(), "{name}: form {version} needs a migration");
    }
    let path = path_of(V::VERSION);
    let (key_bytes, value_bytes) = (table.key(key), Table::<K, V>::encode(value));
    let mut written = String::new();
    writeln!(written, "{}\n{}", hex::encode(&key_bytes), hex::encode(&value_bytes)).unwrap();
    let Ok(released) = std::fs::read_to_string(&path) else {
        std::fs::write(&path, &written).unwrap();
        panic!("{} is new: look at it, commit it, and never change it", path.display());
    };
    let mut lines = released.lines().map(|line| hex::decode(line).unwrap());
    let (released_key, released_value) = (lines.next().unwrap(), lines.next().unwrap());
    assert_eq!(table.decode(&released_value).ok().as_ref(), Some(value), "{name}: {ADVICE}");
    assert_eq!(K::read(&mut &released_key[1..]).as_ref(), Some(key), "{name}: {ADVICE}");
    assert_eq!(released, written, "{name}: {ADVICE}");
}

const ADVICE: &str = "the form of this row changed: raise VERSION, keep this file, add a migration";

#[test]
fn places_keep_their_form() {
    let guild = GuildRow {
        name: "birds".into(),
        icon: Some("a1b2".into()),
        watch_from: MessageId(5),
        history_from: Some(MessageId(3)),
        surveyed_at: at(1),
    };
    check("guild", &GUILDS, &GuildId(1), &guild);
    let mut row = PlaceRow::new(place(THREAD, PlaceKind::PublicThread, Some(CHANNEL)));
    row.coverage.add(Span::new(MessageId(4), MessageId(9)).unwrap(), EXTRACTOR);
    row.anchor = Some(MessageId(8));
    row.place.last_message = Some(MessageId(10));
    row.place.archived_at = Some(at(2));
    row.public_threads_until = Some(at(3));
    row.private_threads_until = Some(at(4));
    row.missing_since = Some(at(5));
    row.messages_read = 300;
    check("place", &PLACES, &THREAD, &row);
}

#[test]
fn messages_keep_their_form() {
    let message = message(1, &[1]);
    let post = Post {
        root: CHANNEL,
        channel: THREAD,
        guild: GuildId(1),
        author: UserId(7),
        poster: "Wren".into(),
        text: "look".into(),
        edited: Some(at(9)),
        items: vec![AttachmentId(1), AttachmentId(2)],
    };
    check("post", &POSTS, &message.id, &post);
    check("tombstone", &TOMBSTONES, &message.id, &Tombstone { at: at(4), channel: CHANNEL });
    // Written out, because another build of zstd may pack the same words otherwise. What this one reads is tested
    // below.
    let raw = RawRow { dictionary: 1, edited: Some(at(9)), length: 5, compressed: vec![1, 2, 3] };
    check("raw", &RAW, &message.id, &raw);
    let parked = ParkedMessage { channel: CHANNEL, why: "odd".into(), raw };
    check("parked_message", &PARKED_MESSAGES, &message.id, &parked);
    let person = Person {
        name: "Wren".into(),
        avatar: Some("a1b2".into()),
        bot: true,
        copied: Some(CopiedAvatar { hash: "a1b2".into(), object: "userData/a.webp".into() }),
        seen_in: message.id,
    };
    check("person", &PEOPLE, &UserId(7), &person);
    check("changed_person", &PEOPLE_CHANGED, &UserId(7), &PersonDirty { changes: 3 });
}

#[test]
fn raw_messages_are_read_for_ever() {
    let released = include_str!("golden/message.1.zst.hex").trim_end();
    let raw = include_str!("golden/message.json").trim_end();
    let row = RawRow {
        dictionary: 1,
        edited: None,
        length: u32::try_from(raw.len()).unwrap(),
        compressed: hex::decode(released).unwrap(),
    };
    assert_eq!(row.text().unwrap(), raw, "a released dictionary must never change");
}

#[test]
fn entries_keep_their_form() {
    let look = Look {
        width: Some(640),
        height: Some(480),
        runtime: Some(1.5),
        still: Some("thumb/a.webp".into()),
        failure: Some("no picture".into()),
    };
    let attachment = Attachment {
        title: Some("my clip".into()),
        content_type: Some("video/mp4".into()),
        width: Some(640),
        height: Some(480),
        runtime: Some(1.5),
        placeholder: Some("3QcG".into()),
        spoiler: true,
        ..crate::store::sample::attachment(1)
    };
    let states = [
        EntryState::Remote,
        EntryState::Stored(sha(1)),
        EntryState::Gone { at: at(1), why: "404".into() },
        EntryState::Parked { at: at(2), why: "odd".into() },
    ];
    for (state, name) in states.into_iter().zip(["remote", "stored", "gone", "parked"]) {
        let entry = Entry {
            attachment: attachment.clone(),
            kind: MediaKind::Audio,
            nsfw: true,
            state,
            look: Some(look.clone()),
            refresh_at: Some(at(3)),
            hidden_at: Some(at(4)),
        };
        check(&format!("entry_{name}"), &ENTRIES, &key(1, 1), &entry);
    }
    let content = Content { look: Some(look), ..content(1) };
    check("content", &CONTENTS, &sha(1), &content);
    check("use", &USES, &(sha(1), key(1, 1)), &());
    check("renewal", &RENEWALS, &(at(1), key(1, 1)), &());
}

#[test]
fn jobs_keep_their_form() {
    let rank = Rank::new(Lane::History, key(1, 1).message, 77, AttachmentId(1));
    let states = [
        JobState::Ready,
        JobState::Delayed(at(1)),
        JobState::AwaitingLink,
        JobState::Parked { at: at(2), why: "odd".into() },
    ];
    let subjects = [Subject::Entry(key(1, 1)), Subject::Content(sha(1))];
    let subjects = subjects.iter().cycle();
    for ((state, name), subject) in
        states.into_iter().zip(["ready", "delayed", "awaiting", "parked"]).zip(subjects)
    {
        let job = Job { rank, attempts: 3, link_renewed: true, state };
        check(&format!("job_{name}"), &JOBS, &(Queue::Thumbnail, *subject), &job);
    }
    let subject = Subject::Entry(key(1, 1));
    check("ready", &READY, &(Queue::Download, rank, subject), &());
    check("delayed", &DELAYED, &(Queue::Download, at(1), subject), &());
    check("parked", &PARKED, &(Queue::Download, subject), &());
    let policy = PolicyRow { text: "Copy video".into(), swept_to: Some(key(1, 1)), swept: true };
    check("policy", &POLICY, &(), &policy);
}

#[test]
fn publications_keep_their_form() {
    let month = (CHANNEL, at(0).month().number());
    check("dirty", &DIRTY, &month, &Dirty { by: at(1), changes: 300 });
    let shard = ShardRef {
        path: "messages/10/2023-11-a.json".into(),
        count: 3,
        bytes: 300,
        newest: at(2),
        oldest: at(1),
        per_channel: vec![(CHANNEL, 2), (THREAD, 1)],
        people: vec![UserId(7)],
    };
    check("shards", &SHARDS, &month, &ShardsRow { shards: vec![shard] });
    let index = IndexRow {
        path: Some("messages/10/index-a.json".into()),
        entries: 3,
        bytes: 300,
        newest: Some(at(2)),
    };
    check("index", &INDEXES, &CHANNEL, &index);
    let publication = PublicationRow {
        generation: 4,
        object_generation: Some(5),
        users: Some("userData/users-a.json".into()),
        content: Some([1; 32]),
        page: Some([2; 32]),
        at: at(3),
    };
    check("publication", &PUBLICATION, &(), &publication);
    check("garbage", &GARBAGE, &(at(1), "messages/10/old.json".to_owned()), &());
}

#[test]
fn what_is_forgotten_keeps_its_form() {
    let member = Forgotten::Member(GuildId(1), UserId(7));
    let erasures = [
        ("posts", Progress::Posts(MessageId(5)), Forgotten::User(UserId(7))),
        ("raw", Progress::Raw(MessageId(6)), Forgotten::Message(MessageId(6))),
        ("parked", Progress::Parked(MessageId(7)), member),
    ];
    for (name, progress, what) in erasures {
        check(&format!("erasure_{name}"), &ERASURES, &what, &ErasureRow { progress });
    }
    let erased = Erased {
        messages: 1,
        entries: 2,
        files: 3,
        bytes: 400,
        stills: 5,
        people: 6,
        avatars: 7,
        shared: 8,
        cleansed: 9,
    };
    let row = ForgottenRow { since: at(1), word: Word::Keeper, until: None, erased };
    check("forgotten", &FORGOTTEN, &Forgotten::Channel(CHANNEL), &row);
    let row = ForgottenRow { word: Word::Member, until: Some(MessageId(5)), ..row };
    check("forgotten_once", &FORGOTTEN, &member, &row);
    let row = MemberRow { looked_at: at(1), opted_out: true };
    check("member", &MEMBERS, &(GuildId(1), UserId(7)), &row);
    let row = AftermathRow {
        erased_at: at(1),
        erased: 300,
        purged: 200,
        leavers: [(UserId(7), Some(member)), (UserId(8), None)].into(),
        leavers_to: MessageId(5),
    };
    check("aftermath", &AFTERMATH, &(), &row);
}

#[test]
fn removals_keep_their_form() {
    check("removed", &REMOVED, &key(1, 1), &RemovedRow { at: at(1), kept: true });
    check("removal", &REMOVED_AT, &(at(1), id(1)), &());
    let home = |home| HomeRow { object: "media/a.mp4".into(), home, stale: Some(300) };
    let subject = Subject::Content(sha(1));
    for (name, place) in
        [("public", Home::Public), ("private", Home::Private), ("nowhere", Home::Nowhere)]
    {
        check(&format!("home_{name}"), &HOMES, &subject, &home(place));
    }
    check("home_of_still", &HOMES, &Subject::Still(sha(1)), &home(Home::Public));
    check("left_out", &LEFT_OUT, &(Part, CHANNEL, THREAD), &());
    let reached = Reached { changes: 300 };
    let month = (CHANNEL, at(0).month().number());
    check("recalled", &RECALLED, &(Part, month), &reached);
    check("still_use", &STILL_USES, &(Part, sha(1), Subject::Entry(key(1, 1))), &());
    check("walk", &WALKS, &(Part, CHANNEL), &WalkRow { after: Some(key(1, 1)) });
    let kept_walk = KeptWalkRow { after: Some(key(1, 1).message) };
    check("kept_walk", &KEPT_WALKS, &(Part, CHANNEL), &kept_walk);
    check("unrenewed", &UNRENEWED, &(Part, key(1, 1)), &());
    let mass = MassRow {
        wave: Wave { deleted: vec![(at(1), 20), (at(2), 300)] },
        held: Some(Held { since: at(1), files: 320 }),
        keep_until: Some(at(3)),
    };
    check("mass", &MASS, &Part, &mass);
    check("lost", &LOST, &(Part, CHANNEL), &at(1));
    check("reached", &REACHED, &Part, &reached);
}

#[test]
fn the_rest_keeps_its_form() {
    let listening = ListeningRow {
        session: Some(SessionRow { session: r#"{"id":"s"}"#.into(), shards: 2 }),
        heard_until: Some(at(3)),
        unheard: Some(Unheard { from: at(1), to: at(2) }),
    };
    check("session", &SESSIONS, &1, &listening);
    check("kept", &KEPT, &(CHANNEL, key(1, 1).message), &());
    let done = Reading { done: Some(at(1)), under_way: None };
    let place = PlaceReread {
        known_since: at(1),
        read_at: Some(at(2)),
        round: Reading { under_way: Some((at(3), MessageId(4))), ..done.clone() },
        unheard: Reading::default(),
        asked: done,
    };
    check("reread_place", &REREAD, &Some(THREAD), &RereadRow::Place(place));
    let whole = RereadWhole {
        indexed_to: Some(MessageId(5)),
        indexed: true,
        retry_after: Some(MessageId(6)),
    };
    check("reread_whole", &REREAD, &None, &RereadRow::Whole(whole));
    check("starts", &STARTS, &(), &StartsRow { at: vec![at(1), at(2)] });
    check("tally", &TALLIES, &3, &-7);
    check("probe", &PROBE, &(), &-7);
    check("tip", &TIP, &(), &Tip { number: 300, chain: [7; 32] });
    check("erased", &ERASED, &(), &ErasedRow { changes: 300 });
    let path = "messages/coverage-a.json.gz".to_owned();
    check("coverage", &COVERAGE, &(), &CoverageRow { path, at: at(1) });
    let rebuilt = Rebuilding { at: at(1), kinds: vec![MediaKind::Image], max_size: Some(300) };
    for (state, name) in [(Wholeness::Whole, "whole"), (Wholeness::Restoring, "restoring")] {
        let row = ArchiveRow { schema: 1, state, rebuilt: Some(rebuilt.clone()) };
        check(&format!("archive_{name}"), &ARCHIVE, &(), &row);
    }
}

#[test]
fn verifications_keep_their_form() {
    let seal = Seal { size: 300, crc32c: 7, stamp: -1 };
    check("seal", &SEALS, &"media/a.mp4".to_owned(), &seal);
    let row = VerificationRow {
        at: at(1),
        deep: true,
        seconds: 2,
        objects: 300,
        problems: 1,
        first: vec!["media/a.mp4 is missing".into()],
        failed: Some("away".into()),
    };
    check("verification", &VERIFICATION, &(), &row);
}
