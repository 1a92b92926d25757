//! What second readings write down, and what they are compared with.

use super::*;
use crate::{
    domain::message::Message,
    store::{
        Change, SessionMoved, SessionRow, Started,
        sample::{CHANNEL, THREAD, World, at, edited, id, message},
    },
};

fn reread(world: &World, messages: Vec<Message>, below: Option<u32>) {
    world.apply(Reread {
        place: CHANNEL,
        errand: Errand::Round,
        mark: at(100),
        below: below.map(id),
        messages,
        unreadable: Vec::new(),
    });
}

fn kept(world: &World, place: ChannelId) -> Vec<MessageId> {
    world.store.kept(place, Span::ALL).unwrap()
}

#[test]
fn what_is_kept_is_found_by_its_place_until_it_is_deleted() {
    let world = World::new();
    let in_thread = Message { channel: THREAD, ..message(2, &[2]) };
    let wordy = Message { carries_media: true, ..message(4, &[]) };
    world.see([message(1, &[1]), in_thread, message(3, &[]), wordy]);
    assert_eq!(kept(&world, CHANNEL), [id(1), id(4)]);
    assert_eq!(kept(&world, THREAD), [id(2)]);
    let few = |first, last| Span::new(id(first), id(last)).unwrap();
    assert_eq!(world.store.kept(CHANNEL, few(2, 4)).unwrap(), [id(4)]);
    assert!(!world.store.keeps_any(CHANNEL, few(2, 3)).unwrap());
    assert!(world.store.keeps_any(CHANNEL, few(1, 1)).unwrap());
    world.delete(1);
    assert_eq!(kept(&world, CHANNEL), [id(4)]);
}

#[test]
fn more_is_kept_than_one_scan_holds() {
    let world = World::new();
    let count = u32::try_from(SCAN).unwrap() * 2;
    let mut commit = world.store.begin(world.context());
    let messages = (1..=count).map(|second| message(second, &[second.into()])).collect();
    commit.add(&crate::store::Observed { messages }.into()).unwrap();
    commit.finish().unwrap();
    assert_eq!(kept(&world, CHANNEL), (1..=count).map(id).collect::<Vec<_>>());
}

#[test]
fn what_older_builds_kept_is_indexed_in_steps() {
    let world = World::new();
    let elsewhere = Message {
        carries_media: true,
        raw: format!("{{\"id\":\"{}\",\"channel_id\":\"11\"}}", id(2)).into(),
        channel: THREAD,
        ..message(2, &[])
    };
    world.see([message(1, &[1]), elsewhere, message(3, &[3])]);
    world.delete(3);
    // As an older build would have left it.
    let mut txn = Txn::new(world.store.source());
    for (key, ()) in KEPT.all(&txn).unwrap() {
        KEPT.delete(&mut txn, &key);
    }
    world.store.source().commit(&txn.into_kept().0).unwrap();
    assert!(kept(&world, CHANNEL).is_empty());
    world.apply(Change::IndexKept);
    assert!(world.store.reread_state().unwrap().whole.indexed);
    assert_eq!((kept(&world, CHANNEL), kept(&world, THREAD)), (vec![id(1)], vec![id(2)]));
}

#[test]
fn a_page_that_is_read_again_tells_of_edits_and_of_how_far_it_came() {
    let world = World::new();
    world.see([message(1, &[1, 2]), message(2, &[3])]);
    let found = |world: &World| {
        let tallies = world.store.tallies().unwrap();
        (tallies.get(Tally::MessagesReread), tallies.get(Tally::EditsFound))
    };
    reread(&world, vec![message(1, &[1, 2]), message(2, &[3])], Some(1));
    assert_eq!(found(&world), (2, 0));
    let row = || world.store.reread_state().unwrap().places[&CHANNEL].clone();
    assert_eq!(row().round, Reading { done: None, under_way: Some((at(100), id(1))) });
    // Words changed, a file was taken off, and a sight that is older than what is known.
    world.see([edited(7, message(2, &[3]))]);
    let taken_off = edited(5, message(1, &[1]));
    reread(&world, vec![taken_off, message(2, &[3]), message(3, &[])], None);
    assert_eq!(found(&world), (5, 1));
    assert_eq!(row().round, Reading { done: Some(world.now.get()), under_way: None });
    assert_eq!(row().unheard, Reading::default());
}

#[test]
fn a_deletion_is_found_once() {
    let world = World::new();
    world.see([message(1, &[1])]);
    let found = FoundDeleted(Deleted { channel: CHANNEL, messages: vec![id(1), id(2)] });
    world.delete(2);
    world.apply(found.clone());
    world.apply(found);
    let tallies = world.store.tallies().unwrap();
    assert_eq!((tallies.get(Tally::DeletionsFound), tallies.get(Tally::Deleted)), (1, 2));
    assert!(kept(&world, CHANNEL).is_empty());
}

fn moved(world: &World, shard: u32) {
    let session = SessionRow { session: "{}".into(), shards: 2 };
    world.apply(SessionMoved { shard, session: Some(session) });
}

#[test]
fn a_lost_session_is_remembered_until_what_it_hid_was_read_again() {
    let world = World::new();
    let unheard = || world.store.reread_state().unwrap().unheard;
    // The very first session follows none.
    world.apply(Started { shard: 0 });
    moved(&world, 0);
    assert_eq!(unheard(), None);
    world.wait(50);
    moved(&world, 0);
    world.wait(50);
    world.apply(Started { shard: 0 });
    moved(&world, 0);
    assert_eq!(unheard(), Some(Unheard { from: at(50), to: at(100) }));
    // Another one is lost before that was made up for.
    world.wait(50);
    world.apply(Started { shard: 0 });
    assert_eq!(unheard(), Some(Unheard { from: at(50), to: at(150) }));
    world.apply(UnheardReread { to: at(100) });
    assert_eq!(unheard(), Some(Unheard { from: at(50), to: at(150) }));
    world.apply(UnheardReread { to: at(150) });
    assert_eq!(unheard(), None);
}

#[test]
fn messages_that_were_put_aside_are_asked_for_when_somebody_wants_it() {
    let world = World::new();
    world.apply(Change::RetryParked);
    assert_eq!(world.store.reread_state().unwrap().whole.retry_after, None);
    let unreadable = Unreadable { id: Some(id(2)), reason: "odd".into(), raw: "{}".into() };
    world.apply(Reread {
        place: CHANNEL,
        errand: Errand::Asked,
        mark: at(1),
        below: None,
        messages: Vec::new(),
        unreadable: vec![unreadable],
    });
    world.apply(Change::RetryParked);
    assert_eq!(world.store.reread_state().unwrap().whole.retry_after, Some(MessageId::FIRST));
    assert_eq!(world.store.parked_after(MessageId::FIRST, 9).unwrap(), [(id(2), CHANNEL)]);
    world.apply(ParkedReread { messages: vec![message(2, &[2])], after: None });
    assert!(world.store.parked_messages(9).unwrap().is_empty());
    assert_eq!(world.store.reread_state().unwrap().whole.retry_after, None);
    assert_eq!(world.downloads(9).len(), 1);
}
