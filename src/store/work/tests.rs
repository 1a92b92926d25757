//! What is handed out in which order, and how work ends.

use std::time::Duration;

use super::{Failed, Looked, Stored, Task};
use crate::{
    domain::{
        entry::{EntryKey, EntryState, Look},
        id::AttachmentId,
        job::{Failure, Queue, Subject},
        link::Link,
        message::Message,
        retry::{MAX_ATTEMPTS, MAX_BEGINNINGS},
        selection::{MediaKind, MediaMode},
    },
    store::{
        Change, Hint, LinksRefreshed, PageRead, Tally,
        sample::{CHANNEL, World, at, attachment, content, key, link, message, policy, sha},
        tables::JOBS,
    },
};

fn store(world: &World, key: EntryKey, number: u8) {
    world.apply(Stored { key, sha256: sha(number), content: content(number), stamp: None });
}

/// It fails under the link that it has now.
fn fail(world: &World, key: EntryKey, failure: Failure) {
    world.apply(failed(key, world.entry(key).attachment.link, failure));
}

fn failed(key: EntryKey, link: Link, failure: Failure) -> Failed {
    Failed { queue: Queue::Download, subject: Subject::Entry(key), link: Some(link), failure }
}

fn renew(world: &World, key: EntryKey, dies: i64) {
    let renewed = vec![(key, link(key.item.0, dies, "renewed"))];
    world.apply(LinksRefreshed { renewed, ..LinksRefreshed::default() });
}

fn dead() -> Failure {
    Failure::DeadLink { why: "404".into() }
}

fn attempts(world: &World, key: EntryKey) -> Option<u16> {
    let job = JOBS.get(&world.store.source(), &(Queue::Download, Subject::Entry(key))).unwrap();
    job.map(|job| job.attempts)
}

#[test]
fn live_goes_before_history_then_newest_then_smallest() {
    let world = World::new();
    let hours_later = at(50_000);
    world.apply(PageRead {
        unreadable: Vec::new(),
        place: CHANNEL,
        span: None,
        messages: vec![message(20, &[3, 1]), message(30, &[2])],
        anchor: None,
        answered_at: hours_later,
    });
    world.see([message(10, &[2]), message(11, &[1])]);
    let order = [key(11, 1), key(10, 2), key(30, 2), key(20, 1), key(20, 3)];
    assert_eq!(world.downloads(9), order);
    // What history found is urgent once it is seen live.
    world.see([message(20, &[3, 1])]);
    assert_eq!(world.downloads(1), [key(20, 1)]);
}

#[test]
fn what_is_worked_on_is_not_handed_out_again() {
    let world = World::new();
    world.see([message(1, &[1, 2, 3])]);
    let busy: Vec<_> = [1, 2].map(|file| Subject::Entry(key(1, file))).into();
    let claimed = world.claim(Queue::Download, 1, &busy);
    assert_eq!(claimed[0].subject, Subject::Entry(key(1, 3)));
    assert!(world.claim(Queue::Download, 1, &[busy, vec![claimed[0].subject]].concat()).is_empty());
    assert!(world.claim(Queue::Thumbnail, 9, &[]).is_empty());
}

#[test]
fn a_line_of_dead_links_hides_nothing_behind_it() {
    let world = World::new();
    let dying = |second: u32| {
        let file = u64::from(second);
        let mut message = message(second, &[file]);
        message.attachments[0].link = link(file, 100, "dying");
        message
    };
    world.see((2..600).map(dying).chain([message(1, &[1])]));
    world.wait(200);
    let mut claimed = Vec::new();
    for _ in 0..3 {
        claimed.extend(world.downloads(2));
    }
    assert_eq!(claimed[..1], [key(1, 1)]);
    assert_eq!(world.store.links_due(at(200), 999).unwrap().len(), 598);
}

#[test]
fn a_job_that_kills_its_worker_is_put_aside_and_can_be_tried_again() {
    let world = World::new();
    world.see([message(1, &[1])]);
    for _ in 0..MAX_BEGINNINGS {
        assert_eq!(world.downloads(1), [key(1, 1)]);
    }
    assert!(world.downloads(1).is_empty());
    let parked = world.store.parked(9).unwrap();
    assert_eq!(parked[0].why, "begun 25 times, and never ended");
    assert_eq!(world.store.next_link_due().unwrap(), None);
    world.end_publication(world.begin_publication());
    let hints = world.apply(Change::RetryParked);
    assert!(hints.is_superset(&[Hint::Download, Hint::Publish].into()), "{hints:?}");
    assert!(world.store.parked(9).unwrap().is_empty());
    assert_eq!(world.downloads(1), [key(1, 1)]);
    assert_eq!(attempts(&world, key(1, 1)), Some(1));
}

#[test]
fn a_job_begun_in_vain_again_and_again_lets_the_others_go_first() {
    let world = World::new();
    world.see([message(1, &[1]), message(2, &[2])]);
    for _ in 0..3 {
        assert_eq!(world.downloads(1), [key(2, 2)], "the newest goes first");
    }
    assert_eq!(world.downloads(1), [key(1, 1)]);
    assert_eq!(world.downloads(9), [key(1, 1), key(2, 2)], "nothing is left out");
}

#[test]
fn a_file_put_aside_is_tried_again_when_it_was_hidden_in_between() {
    let world = World::new();
    world.see([message(1, &[1, 2])]);
    world.downloads(9);
    fail(&world, key(1, 1), Failure::Permanent { why: "odd".into() });
    world.see([crate::store::sample::edited(2, message(1, &[2]))]);
    assert!(world.store.parked(9).unwrap().is_empty());
    world.see([crate::store::sample::edited(3, message(1, &[1, 2]))]);
    assert_eq!(world.downloads(9).len(), 2);
}

#[test]
fn a_refusal_that_is_told_twice_counts_once() {
    let world = World::new();
    world.see([message(1, &[1])]);
    world.downloads(1);
    let refused = world.entry(key(1, 1)).attachment.link;
    // The first time it was written down, but not flushed, so whoever told of it is to tell it again.
    fail(&world, key(1, 1), dead());
    fail(&world, key(1, 1), dead());
    assert_eq!(world.entry(key(1, 1)).state, EntryState::Remote);
    renew(&world, key(1, 1), 100_000);
    // Nor does it count when the link was made new before it could be told again.
    world.apply(failed(key(1, 1), refused, dead()));
    assert_eq!(world.entry(key(1, 1)).state, EntryState::Remote);
    assert_eq!(world.downloads(1), [key(1, 1)]);
    fail(&world, key(1, 1), dead());
    let gone = EntryState::Gone { at: at(0), why: "404".into() };
    assert_eq!(world.entry(key(1, 1)).state, gone, "the new link was refused, too");
}

#[test]
fn a_stale_link_is_renewed_before_the_file_is_fetched() {
    let world = World::new();
    let mut stale = message(1, &[1]);
    stale.attachments[0].link = link(1, 20, "short");
    world.see([stale.clone()]);
    world.wait(16);
    assert!(world.downloads(1).is_empty());
    assert_eq!(world.store.next_link_due().unwrap(), Some(at(16)));
    world.see([stale]);
    assert!(world.downloads(1).is_empty(), "the same link again is no news");
    let postponed = vec![(key(1, 1), at(40))];
    world.apply(LinksRefreshed { postponed, ..LinksRefreshed::default() });
    let mut again = message(1, &[1]);
    again.attachments[0].link = link(1, 20, "short");
    world.see([again]);
    assert_eq!(world.store.next_link_due().unwrap(), Some(at(40)), "it is left alone as asked");
    renew(&world, key(1, 1), 10);
    assert!(world.downloads(1).is_empty(), "a link that is dead already is none");
    assert_eq!(world.store.next_link_due().unwrap(), Some(at(76)));
    renew(&world, key(1, 1), 60);
    assert_eq!(world.downloads(1), [key(1, 1)]);
}

#[test]
fn failures_have_their_consequences() {
    let world = World::new();
    world.see([message(1, &[1])]);
    let file = key(1, 1);
    world.downloads(1);
    let away = Failure::Postponed { delay: Duration::from_secs(30), why: "away".into() };
    fail(&world, file, away);
    assert_eq!(attempts(&world, file), Some(0), "an attempt that says nothing of the file");
    assert_eq!(world.store.next_due(Queue::Download).unwrap(), Some(at(30)));
    world.wait(29);
    assert!(world.downloads(1).is_empty());
    world.wait(1);
    assert_eq!(world.downloads(1), [file]);
    fail(&world, file, Failure::Retryable { why: "reset".into() });
    assert_eq!(world.store.next_due(Queue::Download).unwrap(), Some(at(35)));
    world.wait(5);
    world.downloads(1);
    fail(&world, file, dead());
    assert!(world.downloads(1).is_empty());
    world.see([message(1, &[1])]);
    assert!(world.downloads(1).is_empty(), "the link that was refused is seen again");
    renew(&world, file, 90_000);
    assert_eq!(world.downloads(1), [file]);
    fail(&world, file, dead());
    assert_eq!(world.entry(file).state, EntryState::Gone { at: at(35), why: "404".into() });
    assert_eq!(world.store.next_link_due().unwrap(), None);
    // It arrived after all.
    store(&world, file, 1);
    assert_eq!(world.store.tallies().unwrap().get(Tally::Gone), 0);
}

#[test]
fn a_file_without_end_is_put_aside_after_its_attempts() {
    let world = World::new();
    world.see([message(1, &[1])]);
    for _ in 0..MAX_ATTEMPTS {
        renew(&world, key(1, 1), 900_000);
        assert_eq!(world.downloads(1), [key(1, 1)]);
        fail(&world, key(1, 1), Failure::Retryable { why: "reset".into() });
        world.wait(3_600);
    }
    assert_eq!(world.store.parked(1).unwrap()[0].why, "reset");
    fail(&world, key(1, 1), Failure::Retryable { why: "late".into() });
    assert_eq!(world.store.parked(1).unwrap()[0].why, "reset");
}

#[test]
fn equal_bytes_are_looked_at_once_and_shown_everywhere() {
    let world = World::new();
    let named_badly = {
        let mut message = message(1, &[1]);
        message.attachments[0].filename = "clip".into();
        message
    };
    world.choose(policy(MediaMode::Copy, &[MediaKind::Video, MediaKind::File]));
    world.see([named_badly, message(2, &[2]), message(3, &[3])]);
    store(&world, key(1, 1), 5);
    assert!(world.claim(Queue::Thumbnail, 9, &[]).is_empty(), "nobody says that it is a picture");
    store(&world, key(2, 2), 5);
    let looks = world.claim(Queue::Thumbnail, 9, &[]);
    let [look] = looks.as_slice() else { panic!("one look: {looks:?}") };
    assert!(matches!(look.task, Task::LookAtContent { kind: MediaKind::Video, .. }), "{look:?}");
    assert!(world.store.awaits_look(sha(5)).unwrap());
    world.end_publication(world.begin_publication());
    let still = Some("thumb/5.webp".to_owned());
    for _ in 0..2 {
        let look = Look { still: still.clone(), ..Look::default() };
        world.apply(Looked { subject: Subject::Content(sha(5)), look });
    }
    assert_eq!(world.store.changed_months().unwrap().len(), 1);
    store(&world, key(3, 3), 5);
    assert!(world.claim(Queue::Thumbnail, 9, &[]).is_empty());
    let tallies = world.store.tallies().unwrap();
    let of = |tally| tallies.get(tally);
    assert_eq!((of(Tally::Stored), of(Tally::StoredBytes), of(Tally::Stills)), (3, 1_500, 1));
}

#[test]
fn a_look_that_was_put_aside_needs_no_spool_file() {
    let world = World::new();
    world.see([message(1, &[1])]);
    store(&world, key(1, 1), 5);
    let (queue, subject) = (Queue::Thumbnail, Subject::Content(sha(5)));
    let failure = Failure::Permanent { why: "odd".into() };
    world.apply(Failed { queue, subject, link: None, failure });
    assert!(!world.store.awaits_look(sha(5)).unwrap());
}

#[test]
fn what_arrives_for_a_deleted_message_is_known_but_not_shown() {
    let world = World::new();
    world.see([message(1, &[1])]);
    world.downloads(1);
    world.delete(1);
    store(&world, key(1, 1), 1);
    assert_eq!(world.entry(key(1, 1)).state, EntryState::Stored(sha(1)));
    assert!(world.claim(Queue::Thumbnail, 9, &[]).is_empty());
    assert!(world.store.changed_months().unwrap().is_empty());
}

#[test]
fn another_selection_finds_its_files_in_the_store() {
    let world = World::new();
    let sounds = |message: Message| {
        let rename = |mut attachment: crate::domain::message::Attachment| {
            attachment.filename = "voice.ogg".into();
            attachment
        };
        Message { attachments: message.attachments.into_iter().map(rename).collect(), ..message }
    };
    world.see((0..700).map(|second| sounds(message(second, &[u64::from(second) + 1]))));
    world.see([message(900, &[1])]);
    assert_eq!(world.downloads(999), [key(900, 1)]);
    world.choose(policy(MediaMode::Copy, &[MediaKind::Audio]));
    assert_eq!(world.downloads(999).len(), 700);
    world.choose(policy(MediaMode::Link, &[MediaKind::Audio]));
    assert!(world.downloads(999).is_empty());
    let looks = world.claim(Queue::Thumbnail, 999, &[]);
    assert_eq!(looks.len(), 700);
    assert!(looks.iter().all(|look| matches!(look.task, Task::LookAtLink { .. })));
}

#[test]
fn in_link_mode_a_new_link_is_published_while_the_old_one_lives() {
    let world = World::with(policy(MediaMode::Link, &[MediaKind::Video]));
    let mut short = message(1, &[1]);
    short.attachments[0].link = link(1, 20, "short");
    world.see([short]);
    world.end_publication(world.begin_publication());
    world.wait(10);
    assert_eq!(world.store.links_due(at(10), 9).unwrap()[0].key, key(1, 1));
    renew(&world, key(1, 1), 30);
    assert_eq!(world.store.changed_months().unwrap()[0].1.by, at(15));
    let subject = Subject::Entry(key(1, 1));
    world.apply(Looked { subject, look: Look { width: Some(4), ..Look::default() } });
    assert!(world.claim(Queue::Thumbnail, 9, &[]).is_empty());
    let vanished = vec![(key(1, 1), "404".to_owned())];
    world.apply(LinksRefreshed { vanished, ..LinksRefreshed::default() });
    assert!(matches!(world.entry(key(1, 1)).state, EntryState::Gone { .. }));
    assert_eq!(world.store.next_link_due().unwrap(), None);
}

#[test]
fn in_link_mode_what_cannot_be_made_new_leaves_the_page_while_its_link_lives() {
    let world = World::with(policy(MediaMode::Link, &[MediaKind::Video]));
    let outcomes = [
        LinksRefreshed { postponed: vec![(key(1, 1), at(3_600))], ..LinksRefreshed::default() },
        LinksRefreshed { vanished: vec![(key(1, 1), "404".into())], ..LinksRefreshed::default() },
    ];
    let mut short = message(1, &[1]);
    short.attachments[0].link = link(1, 20, "short");
    world.see([short]);
    world.wait(10);
    for outcome in outcomes {
        world.end_publication(world.begin_publication());
        let is_listed =
            |second| world.entry(key(1, 1)).is_published(&world.policy.borrow(), at(second));
        assert!(is_listed(17) && !is_listed(18));
        world.apply(outcome);
        assert_eq!(world.store.changed_months().unwrap()[0].1.by, at(18));
    }
    let entry = world.entry(key(1, 1));
    assert!(!entry.is_published(&world.policy.borrow(), at(11)), "there is nothing to open");
    assert!(entry.is_published(&policy(MediaMode::Copy, &[MediaKind::Video]), at(11)));
}

#[test]
fn another_wish_waits_for_the_entries_to_be_gone_through() {
    let world = World::new();
    world.see([message(1, &[1])]);
    let other = policy(MediaMode::Link, &[MediaKind::Video]);
    assert!(world.store.is_swept(&world.policy.borrow()).unwrap());
    assert!(!world.store.is_swept(&other).unwrap());
    world.choose(other);
    assert!(world.store.is_swept(&world.policy.borrow()).unwrap());
}

#[test]
fn a_link_that_lives_for_ever_is_never_renewed() {
    let world = World::with(policy(MediaMode::Link, &[MediaKind::Video]));
    let mut eternal = message(1, &[]);
    let link = crate::domain::link::Link::new("https://cdn/1");
    eternal.attachments =
        vec![crate::domain::message::Attachment { id: AttachmentId(1), link, ..attachment(1) }];
    world.see([eternal]);
    assert_eq!(world.store.next_link_due().unwrap(), None);
    assert_eq!(world.claim(Queue::Thumbnail, 9, &[]).len(), 1);
}
