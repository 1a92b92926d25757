//! What is published, what was changed meanwhile, and what may be thrown away.

use std::time::Duration;

use super::Published;
use crate::{
    domain::{
        id::UserId,
        message::{Author, Message},
        selection::{MediaKind, MediaMode},
    },
    store::{
        PublicationRow, PublishedMonth, ShardRef, ShardsRow,
        sample::{World, at, edited, id, message, policy},
    },
};

fn linked() -> World {
    World::with(policy(MediaMode::Link, &[MediaKind::Video]))
}

fn nothing() -> Published {
    Published {
        publication: PublicationRow::default(),
        coverage: None,
        months: Vec::new(),
        indexes: Vec::new(),
        people: Vec::new(),
        garbage: Vec::new(),
        swept: Vec::new(),
    }
}

#[test]
fn a_change_made_while_publishing_is_not_forgotten() {
    let world = linked();
    world.see([message(1, &[1])]);
    let edition = world.begin_publication();
    world.see([message(2, &[2])]);
    world.end_publication(edition);
    assert_eq!(world.store.changed_months().unwrap().len(), 1);
    world.end_publication(world.begin_publication());
    assert!(world.store.changed_months().unwrap().is_empty());
}

#[test]
fn a_publication_that_comes_late_forgets_no_newer_change() {
    let world = linked();
    world.see([message(1, &[1])]);
    let late = world.begin_publication();
    world.end_publication(late.clone());
    world.see([edited(3, message(1, &[1]))]);
    world.end_publication(late);
    assert_eq!(world.store.changed_months().unwrap().len(), 1);
}

#[test]
fn the_earliest_deadline_of_a_month_counts() {
    let world = linked();
    world.see([message(1, &[1])]);
    world.wait(30);
    world.see([message(2, &[2])]);
    assert_eq!(world.store.changed_months().unwrap()[0].1.by, at(60));
}

#[test]
fn a_person_who_changes_while_publishing_is_not_forgotten() {
    let world = linked();
    world.see([message(1, &[1])]);
    let people = world.store.changed_people(9).unwrap();
    let author = Author { id: UserId(7), name: "Wren II".into(), avatar: None, bot: false };
    world.see([Message { author, ..message(2, &[2]) }]);
    world.apply(Published { people, ..nothing() });
    let people = world.store.changed_people(9).unwrap();
    assert_eq!(people.len(), 1);
    world.apply(Published { people, ..nothing() });
    assert!(world.store.changed_people(9).unwrap().is_empty());
    // An older message does not bring the old name back.
    world.see([message(1, &[1])]);
    assert_eq!(world.store.person(UserId(7)).unwrap().unwrap().name, "Wren II");
}

#[test]
fn garbage_waits_for_its_time_and_is_spared_when_it_is_named_again() {
    let world = linked();
    let row = |at_second, path: &str| (at(at_second), path.to_owned());
    let garbage = vec![row(10, "a"), row(20, "b"), row(10, "c")];
    world.apply(Published { garbage, ..nothing() });
    assert_eq!(world.store.garbage(at(9), 9).unwrap(), []);
    assert_eq!(world.store.garbage(at(10), 9).unwrap(), [row(10, "a"), row(10, "c")]);
    world.see([message(1, &[1])]);
    let (month, seen) = world.store.changed_months().unwrap()[0].clone();
    let shard = ShardRef {
        path: "c".into(),
        count: 1,
        bytes: 1,
        newest: id(1).created_at(),
        oldest: id(1).created_at(),
        per_channel: Vec::new(),
        people: Vec::new(),
    };
    let months = vec![PublishedMonth { month, seen, shards: ShardsRow { shards: vec![shard] } }];
    world.page.borrow_mut().insert(month, world.shown(month));
    world.apply(Published { months, swept: vec![row(10, "a")], ..nothing() });
    let later = at(20).after(Duration::from_hours(1));
    assert_eq!(world.store.garbage(later, 9).unwrap(), [row(20, "b")]);
}
