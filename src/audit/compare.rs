//! Two streams in the order of their keys, side by side: what should be there, and what is.
//!
//! Both come in pages, so no more than a page of each is held however large the archive is. Pure: nothing here can be
//! lost.

use std::{cmp::Ordering, collections::VecDeque};

use super::finding::Fault;
use crate::{bucket::Crc32c, domain::time::Timestamp};

/// Something that has a name.
pub trait Keyed {
    /// Its name, by whose bytes it is ordered.
    fn key(&self) -> &str;
}

/// What should be there, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its name.
    pub key: String,
    /// Its length.
    pub size: Option<u64>,
    /// Its checksum.
    pub crc32c: Option<Crc32c>,
    /// What the bucket called this version of it when its bytes were known to be right.
    pub stamp: Option<i64>,
}

/// What is there, as a listing tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name.
    pub key: String,
    /// Its length.
    pub size: u64,
    /// Its checksum; a folder keeps none.
    pub crc32c: Option<Crc32c>,
    /// What the bucket calls this version of it: in a folder that is its time.
    pub stamp: i64,
    /// Since when it is there.
    pub updated: Timestamp,
}

impl Keyed for Expected {
    fn key(&self) -> &str {
        &self.key
    }
}

impl Keyed for Seen {
    fn key(&self) -> &str {
        &self.key
    }
}

/// What a listing says of an object that should be there and is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is what it should be.
    Whole,
    /// It is not.
    Wrong(Fault),
    /// Only its bytes can tell.
    Unproven,
}

/// Judges an object without reading it.
pub fn judge(expected: &Expected, seen: &Seen) -> Verdict {
    if let Some(size) = expected.size.filter(|size| *size != seen.size) {
        return Verdict::Wrong(Fault::WrongSize { expected: size, found: seen.size });
    }
    match (expected.crc32c, seen.crc32c) {
        (Some(wanted), Some(found)) if wanted == found => Verdict::Whole,
        (Some(wanted), Some(found)) => Verdict::Wrong(Fault::WrongChecksum {
            expected: wanted.to_string(),
            found: found.to_string(),
        }),
        // Without a checksum, the same length at the same time is the same file.
        _ if expected.size.is_some() && expected.stamp == Some(seen.stamp) => Verdict::Whole,
        _ => Verdict::Unproven,
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<E, S> {
    /// The next page of what should be there is needed.
    WantExpected,
    /// The next page of what is there is needed.
    WantSeen,
    /// It should be there, and is.
    Both(E, S),
    /// It should be there, and is not.
    Absent(E),
    /// It is there, and need not be.
    Surplus(S),
    /// Both streams came to their end.
    End,
}

/// A stream whose pages are handed in.
#[derive(Debug)]
struct Side<T> {
    waiting: VecDeque<T>,
    ended: bool,
}

impl<T> Side<T> {
    /// An empty page is the end.
    fn take_in(&mut self, page: Vec<T>) {
        self.ended = page.is_empty();
        self.waiting.extend(page);
    }

    fn starves(&self) -> bool {
        self.waiting.is_empty() && !self.ended
    }
}

/// Goes along two streams at once.
#[derive(Debug)]
pub struct Merge<E, S> {
    expected: Side<E>,
    seen: Side<S>,
}

impl<E: Keyed, S: Keyed> Merge<E, S> {
    /// Nothing of either yet.
    pub fn new() -> Self {
        let (expected, seen) = (VecDeque::new(), VecDeque::new());
        Self {
            expected: Side { waiting: expected, ended: false },
            seen: Side { waiting: seen, ended: false },
        }
    }

    /// Takes in a page of what should be there; an empty one is the end.
    pub fn expect(&mut self, page: Vec<E>) {
        self.expected.take_in(page);
    }

    /// Takes in a page of what is there; an empty one is the end.
    pub fn see(&mut self, page: Vec<S>) {
        self.seen.take_in(page);
    }

    /// The next step.
    pub fn step(&mut self) -> Step<E, S> {
        if self.expected.starves() {
            return Step::WantExpected;
        }
        if self.seen.starves() {
            return Step::WantSeen;
        }
        let order = match (self.expected.waiting.front(), self.seen.waiting.front()) {
            (Some(expected), Some(seen)) => expected.key().cmp(seen.key()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Step::End,
        };
        let mut expected = || self.expected.waiting.pop_front().expect("it was just looked at");
        let mut seen = || self.seen.waiting.pop_front().expect("it was just looked at");
        match order {
            Ordering::Less => Step::Absent(expected()),
            Ordering::Equal => Step::Both(expected(), seen()),
            Ordering::Greater => Step::Surplus(seen()),
        }
    }
}

impl<E: Keyed, S: Keyed> Default for Merge<E, S> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn expected(size: Option<u64>, crc32c: Option<u32>, stamp: Option<i64>) -> Expected {
        Expected { key: "a".into(), size, crc32c: crc32c.map(Crc32c), stamp }
    }

    fn seen(size: u64, crc32c: Option<u32>, stamp: i64) -> Seen {
        let updated = Timestamp::from_secs(0);
        Seen { key: "a".into(), size, crc32c: crc32c.map(Crc32c), stamp, updated }
    }

    #[track_caller]
    fn check(expected: &Expected, seen: &Seen, verdict: &Verdict) {
        assert_eq!(judge(expected, seen), *verdict, "{expected:?} {seen:?}");
    }

    #[test]
    fn a_listing_proves_what_it_can() {
        let wrong_size = Verdict::Wrong(Fault::WrongSize { expected: 5, found: 4 });
        let wrong_sum = Verdict::Wrong(Fault::WrongChecksum {
            expected: Crc32c(1).to_string(),
            found: Crc32c(2).to_string(),
        });
        // Where the bucket keeps checksums, they decide, whatever the time.
        check(&expected(Some(5), Some(1), Some(7)), &seen(5, Some(1), 8), &Verdict::Whole);
        check(&expected(Some(5), Some(1), Some(7)), &seen(5, Some(2), 7), &wrong_sum);
        check(&expected(Some(5), Some(1), Some(7)), &seen(4, Some(1), 7), &wrong_size);
        // Where it keeps none, length and time do.
        check(&expected(Some(5), Some(1), Some(7)), &seen(5, None, 7), &Verdict::Whole);
        check(&expected(Some(5), Some(1), Some(7)), &seen(4, None, 7), &wrong_size);
        let longer = Verdict::Wrong(Fault::WrongSize { expected: 5, found: 6 });
        check(&expected(Some(5), Some(1), Some(7)), &seen(6, None, 7), &longer);
        check(&expected(Some(5), Some(1), Some(7)), &seen(5, None, 8), &Verdict::Unproven);
        check(&expected(Some(5), Some(1), None), &seen(5, None, 8), &Verdict::Unproven);
        // Nothing is known, so nothing is proven.
        check(&expected(None, None, None), &seen(5, Some(1), 7), &Verdict::Unproven);
        check(&expected(None, None, Some(7)), &seen(5, None, 7), &Verdict::Unproven);
    }

    #[derive(Clone, Debug, PartialEq)]
    struct Key(String);

    impl Keyed for Key {
        fn key(&self) -> &str {
            &self.0
        }
    }

    fn pages(keys: &BTreeSet<String>, page: usize) -> VecDeque<Vec<Key>> {
        let keys: Vec<_> = keys.iter().cloned().map(Key).collect();
        keys.chunks(page).map(<[Key]>::to_vec).collect()
    }

    proptest! {
        #[test]
        fn however_streams_are_cut_they_are_compared_as_sets(
            wanted in prop::collection::btree_set("[ab/.]{1,3}", 0..12),
            there in prop::collection::btree_set("[ab/.]{1,3}", 0..12),
            cuts in (1..5_usize, 1..5_usize),
        ) {
            let mut wanted_pages = pages(&wanted, cuts.0);
            let mut there_pages = pages(&there, cuts.1);
            let (mut both, mut absent, mut surplus) = (Vec::new(), Vec::new(), Vec::new());
            let mut merge = Merge::new();
            loop {
                prop_assert!(merge.expected.waiting.len() <= cuts.0, "no more than a page is held");
                prop_assert!(merge.seen.waiting.len() <= cuts.1, "no more than a page is held");
                match merge.step() {
                    Step::WantExpected => merge.expect(wanted_pages.pop_front().unwrap_or_default()),
                    Step::WantSeen => merge.see(there_pages.pop_front().unwrap_or_default()),
                    Step::Both(Key(a), Key(b)) => {
                        prop_assert_eq!(&a, &b);
                        both.push(a);
                    }
                    Step::Absent(Key(key)) => absent.push(key),
                    Step::Surplus(Key(key)) => surplus.push(key),
                    Step::End => break,
                }
            }
            prop_assert_eq!(both, wanted.intersection(&there).cloned().collect::<Vec<_>>());
            prop_assert_eq!(absent, wanted.difference(&there).cloned().collect::<Vec<_>>());
            prop_assert_eq!(surplus, there.difference(&wanted).cloned().collect::<Vec<_>>());
        }
    }
}
