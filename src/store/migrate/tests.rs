//! Whole stores as released builds left them, and what becomes of newer ones and of half-restored ones.

use std::{fmt::Write as _, path::PathBuf, sync::Arc};

use super::*;
use crate::{
    domain::{
        entry::EntryState,
        id::MessageId,
        selection::{MediaKind, MediaMode},
    },
    store::{
        Kv, MemoryKv, Stored,
        sample::{self, CHANNEL, World, content, id, key, message, policy, sha},
    },
};

/// A store as a build of this schema leaves it: something of every table.
fn sample_world() -> World {
    let world = World::with(policy(MediaMode::Copy, &[MediaKind::Video, MediaKind::Image]));
    world.see([message(1, &[1, 2]), message(2, &[3]), message(3, &[1])]);
    world.apply(Stored { key: key(1, 1), sha256: sha(1), content: content(1), stamp: None });
    let edition = world.begin_publication();
    world.end_publication(edition);
    world.delete(2);
    // One more to be published.
    world.apply(Stored { key: key(3, 1), sha256: sha(2), content: content(2), stamp: None });
    world
}

fn dump(kv: &dyn Kv) -> String {
    let rows = kv.scan(&[0], &[u8::MAX], usize::MAX).unwrap();
    let mut dump = String::new();
    // Another build of zstd may pack the same words otherwise, so raw messages are tested by themselves.
    for (key, value) in rows.into_iter().filter(|(key, _)| ![4, 38, 41].contains(&key[0])) {
        writeln!(dump, "{} {}", hex::encode(key), hex::encode(value)).unwrap();
    }
    dump
}

fn load(dump: &str) -> (Arc<MemoryKv>, Store) {
    let kv = Arc::new(MemoryKv::default());
    let bytes = |hex: &str| hex::decode(hex).unwrap();
    let rows = dump.lines().map(|line| line.split_once(' ').unwrap());
    let writes = rows.map(|(key, value)| (bytes(key), Some(bytes(value)))).collect();
    kv.commit(&writes).unwrap();
    kv.flush().unwrap();
    let store = Store::new(Arc::<MemoryKv>::clone(&kv));
    (kv, store)
}

/// When this fails without a change of the schema, stores in use would be read wrongly: raise `SCHEMA`, keep the file,
/// and add a step.
#[test]
fn whole_stores_of_every_schema_can_be_opened() {
    let path = |schema: u32| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(format!("src/store/golden/store.{schema}.hex"))
    };
    if !path(SCHEMA).exists() {
        std::fs::write(path(SCHEMA), dump(&*sample_world().kv)).unwrap();
        panic!("{} is new: look at it, commit it, never change it", path(SCHEMA).display());
    }
    for schema in 1..=SCHEMA {
        let (_, store) = load(&std::fs::read_to_string(path(schema)).unwrap());
        assert_eq!(store.open().unwrap(), Found::Catalogue);
        assert_eq!(store.archive().unwrap().unwrap().schema, SCHEMA);
        let names: Vec<_> = store.places().unwrap().into_iter().map(|row| row.place.name).collect();
        assert_eq!(names, ["place 10", "place 11", "place 20", "place 21"]);
        let month = crate::store::Month { root: CHANNEL, month: id(1).created_at().month() };
        let entries = store.month_entries(month).unwrap();
        let seen: Vec<_> = entries
            .iter()
            .map(|entry| (entry.key, entry.entry.hidden_at.is_some(), entry.content.is_some()))
            .collect();
        assert_eq!(
            seen,
            [
                (key(1, 1), false, true),
                (key(1, 2), false, false),
                (key(2, 3), true, false),
                (key(3, 1), false, true),
            ]
        );
        assert_eq!(entries[0].entry.state, EntryState::Stored(sha(1)));
        assert_eq!(entries[0].post.text, "hello");
        assert!(!store.channel_shards(CHANNEL).unwrap().is_empty());
        assert_eq!(store.changed_months().unwrap().len(), 1);
        assert_eq!(store.tallies().unwrap().get(crate::store::Tally::Entries), 4);
        assert_eq!(store.people().unwrap().len(), 1);
        assert!(store.place(sample::THREAD).unwrap().is_some());
        // It goes on: a message that was deleted before stays so.
        let mut commit = store.begin(sample_world().context());
        commit.add(&crate::store::Observed { messages: vec![message(2, &[3])] }.into()).unwrap();
        commit.finish().unwrap();
        let hidden = store.month_entries(month).unwrap();
        assert!(
            hidden
                .iter()
                .filter(|entry| entry.key.message == id(2))
                .all(|entry| entry.entry.hidden_at.is_some())
        );
    }
}

#[test]
fn a_newer_store_is_refused_with_words() {
    let (_, store) = load("");
    assert_eq!(store.open().unwrap(), Found::Empty);
    store.set_archive(&ArchiveRow { schema: SCHEMA + 1, ..ArchiveRow::new() }).unwrap();
    let refused = store.open().unwrap_err();
    assert!(matches!(refused, StoreError::NewerSchema { found } if found == SCHEMA + 1));
    assert!(refused.to_string().contains("run that version, or newer"), "{refused}");
}

#[test]
fn what_is_half_restored_counts_as_empty() {
    let world = sample_world();
    world.store.open().unwrap();
    assert_eq!(world.store.archive().unwrap().unwrap(), ArchiveRow::new());
    world.store.begin_restore().unwrap();
    assert_eq!(world.store.open().unwrap(), Found::Empty);
    assert_eq!(world.store.places().unwrap(), []);
    assert_eq!(world.store.tip().unwrap(), crate::store::Tip::ZERO);
    let rebuilt =
        Rebuilding { at: MessageId(1).created_at(), kinds: vec![MediaKind::Video], max_size: None };
    world.store.end_restore(Some(rebuilt.clone())).unwrap();
    assert_eq!(world.store.open().unwrap(), Found::Catalogue);
    assert_eq!(world.store.archive().unwrap().unwrap().rebuilt, Some(rebuilt));
}
