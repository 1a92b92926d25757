//! What came of lives: where they came, where they died, which faults they met.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use super::{life::Life, point::Point};

/// What came of some lives.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) lives: u64,
    /// How long they lived, on their own clocks.
    pub(super) lived: Duration,
    /// How often a moment with a name was lived through.
    pub(super) passed: BTreeMap<Point, u64>,
    /// How often a process died there.
    pub(super) deaths: BTreeMap<Point, u64>,
    /// The bucket's faults; the other ports' are the weather's.
    pub(super) faults: BTreeMap<String, u64>,
    /// Tells one course of events from another.
    pub(super) history: u64,
}

impl Record {
    /// A life ends.
    pub(super) fn add(&mut self, life: &Life) {
        self.lives += 1;
        self.lived += life.discord.truth.now().since(life.born);
        sum(&mut self.passed, life.fate.passed());
        sum(&mut self.deaths, life.fate.died_at().into_iter().map(|point| (point, 1)));
        let faults = life.flaky.met().into_iter();
        sum(&mut self.faults, faults.map(|(fault, count)| (format!("bucket: {fault}"), count)));
        let mut history = DefaultHasher::new();
        (self.history, life.fate.history()).hash(&mut history);
        self.history = history.finish();
    }
}

/// Adds counts to counts.
pub(super) fn sum<K: Ord>(to: &mut BTreeMap<K, u64>, counts: impl IntoIterator<Item = (K, u64)>) {
    for (key, count) in counts {
        *to.entry(key).or_default() += count;
    }
}
