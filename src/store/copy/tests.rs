//! Copies of random histories, taken while they go on, and cut anywhere.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::store::{Kv, MemoryKv};

fn store() -> (Arc<MemoryKv>, Store) {
    let kv = Arc::new(MemoryKv::default());
    let store = Store::new(Arc::<MemoryKv>::clone(&kv));
    store.watch();
    (kv, store)
}

fn rows(store: &Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let own = [TIP.key(&()), ARCHIVE.key(&())];
    let rows = store.source().scan(&[0], &[u8::MAX], usize::MAX).unwrap();
    rows.into_iter().filter(|(key, _)| !own.contains(key)).collect()
}

/// A key of some table, and a value that says when it was written.
fn write(number: u16, value: Option<u32>) -> (Vec<u8>, Option<Vec<u8>>) {
    let [high, low] = number.to_be_bytes();
    (vec![1 + high % 8, low, high], value.map(|value| value.to_le_bytes().repeat(60)))
}

fn scanned(store: &Store) -> Vec<Chunk> {
    let mut scan = Scan::default();
    std::iter::from_fn(|| scan.next(store).unwrap()).collect()
}

fn segment(store: &Store, from: Tip) -> Segment {
    Segment { from, batches: store.committed_after(from.number, usize::MAX) }
}

type History = Vec<BTreeMap<u16, Option<u32>>>;

fn history() -> impl Strategy<Value = History> {
    let commit =
        prop::collection::btree_map(0..600_u16, prop::option::weighted(0.8, 0..9_u32), 1..90);
    prop::collection::vec(commit, 1..12)
}

fn commit(store: &Store, writes: &BTreeMap<u16, Option<u32>>) {
    store.write(writes.iter().map(|(number, value)| write(*number, *value)).collect()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The whole is read in the middle of a history that goes on, and what is committed later comes in segments of
    /// any length; some commits die before they are durable. What is restored is the store, and also after a first
    /// restore that was cut off.
    #[test]
    fn a_copy_is_the_store_it_was_made_of(
        before in history(),
        meanwhile in history(),
        most in 1_usize..20_000,
        dies in any::<bool>(),
        cut in 0_usize..4,
    ) {
        let (kv, store) = store();
        store.open().unwrap();
        store.found().unwrap();
        for writes in &before {
            commit(&store, writes);
        }
        let from = store.tip().unwrap();
        let (mut chunks, mut scan) = (Vec::new(), Scan::default());
        let mut going_on = meanwhile.iter();
        while let Some(chunk) = scan.next(&store).unwrap() {
            chunks.push(chunk);
            if let Some(writes) = going_on.next() {
                commit(&store, writes);
            }
        }
        for writes in going_on {
            commit(&store, writes);
        }
        if dies {
            // Visible, and gone with the machine: it must not be in a copy either.
            let lost = Writes::from([write(7, Some(77))]);
            kv.commit(&lost).unwrap();
            kv.crash();
        }
        let mut segments = Vec::new();
        let mut at = from;
        loop {
            let batches = store.committed_after(at.number, most);
            let Some(last) = batches.last() else { break };
            let segment = Segment { from: at, batches: batches.clone() };
            at = last.tip;
            segments.push(segment.pack());
        }
        prop_assert_eq!(at, store.tip().unwrap());

        let (_, other) = self::store();
        if cut > 0 {
            let mut loader = Loader::new(&other, from).unwrap();
            for chunk in chunks.iter().take(cut) {
                loader.chunk(chunk.sha256, chunk.bytes, &chunk.packed).unwrap();
            }
            drop(loader);
            prop_assert_eq!(other.open().unwrap(), crate::store::Found::Empty);
        }
        let mut loader = Loader::new(&other, from).unwrap();
        for chunk in &chunks {
            loader.chunk(chunk.sha256, chunk.bytes, &chunk.packed).unwrap();
        }
        for packed in &segments {
            loader.segment(&Segment::unpack(packed).unwrap()).unwrap();
        }
        prop_assert_eq!(loader.tip(), at);
        loader.finish().unwrap();
        prop_assert_eq!(other.open().unwrap(), crate::store::Found::Empty);
        other.end_restore(None).unwrap();
        prop_assert_eq!(rows(&other), rows(&store));
        prop_assert_eq!(other.open().unwrap(), crate::store::Found::Catalogue);
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Segment::unpack(&bytes).is_err());
        prop_assert!(Segment::unpack(&pack(&bytes)).is_err());
    }
}

/// A store with so many rows of some 300 bytes.
fn large(count: u32) -> Store {
    let (_, store) = store();
    for first in (0..count).step_by(500) {
        let row = |number: u32| (key(number), Some(number.to_le_bytes().repeat(70)));
        store.write((first..count.min(first + 500)).map(row).collect()).unwrap();
    }
    store
}

fn key(number: u32) -> Vec<u8> {
    [&[5][..], &(number * 2).to_be_bytes()].concat()
}

#[test]
fn a_change_leaves_other_chunks_as_they_were() {
    let store = large(20_000);
    let names =
        |chunks: &[Chunk]| -> Vec<Sha256> { chunks.iter().map(|chunk| chunk.sha256).collect() };
    let before = scanned(&store);
    assert!(before.len() > 8, "{} chunks", before.len());
    assert!(before.iter().all(|chunk| chunk.bytes <= MAX_CHUNK as u64 + 1_000));
    // A row more, in the middle, and one less.
    let mut between = key(10_000);
    *between.last_mut().unwrap() += 1;
    store.write(Writes::from([(between, Some(vec![1; 300])), (key(9_999), None)])).unwrap();
    let after = scanned(&store);
    let known = names(&before);
    let fresh = names(&after).into_iter().filter(|name| !known.contains(name)).count();
    // The one with the change, perhaps its neighbour, and the one with the tip.
    assert!((1..=3).contains(&fresh), "{fresh} of {} chunks are new", after.len());
}

#[test]
fn what_is_damaged_is_refused() {
    let store = large(1_000);
    let from = Tip::ZERO;
    let whole = segment(&store, from);
    let (_, other) = self::store();
    let mut loader = Loader::new(&other, from).unwrap();
    let chunk = &scanned(&store)[0];
    let refused = loader.chunk(Sha256([1; 32]), chunk.bytes, &chunk.packed);
    assert!(matches!(refused, Err(CopyError::Damaged(_))), "another name");
    let refused = loader.chunk(chunk.sha256, chunk.bytes - 1, &chunk.packed);
    assert!(matches!(refused, Err(CopyError::Damaged(_))), "longer than it says");
    // A commit is missing.
    let late = Segment { from: whole.batches[0].tip, batches: whole.batches[1..].to_vec() };
    assert!(matches!(loader.segment(&late), Err(CopyError::Damaged(_))));
    // Another commit than was made.
    let mut forged = whole.clone();
    forged.batches[1].frames[20] ^= 1;
    let mut bytes = unpack(&whole.pack(), u64::MAX).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    assert!(Segment::unpack(&pack(&bytes)).is_err());
    assert!(Segment::unpack(&forged.pack()).is_err());
    // What overlaps is taken once.
    let (first, all) = (Segment { from, batches: whole.batches[..1].to_vec() }, whole);
    loader.segment(&first).unwrap();
    loader.segment(&all).unwrap();
    assert_eq!(loader.tip(), store.tip().unwrap());
}

#[test]
fn a_backlog_that_grows_too_large_becomes_a_gap() {
    let (_, store) = store();
    store.write(Writes::from([write(1, Some(1))])).unwrap();
    let first = store.tip().unwrap();
    for number in 0..40 {
        let value = vec![number; 300_000];
        store.write(Writes::from([(vec![9, number], Some(value))])).unwrap();
    }
    assert!(store.uncopied() <= 9 << 20, "{} bytes wait", store.uncopied());
    let kept = store.committed_after(first.number, usize::MAX);
    assert!(kept.first().is_none_or(|batch| batch.tip.number > first.number + 1), "no gap");
    store.forget_committed(store.tip().unwrap().number);
    assert_eq!(store.uncopied(), 0);
}
