//! Chance that can be replayed: what happens to a call follows from the seed, the call, and how often it was made
//! before. So the order in which tasks come to run changes nothing.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
};

#[derive(Clone, Debug)]
pub(super) struct Dice {
    seed: u64,
    thrown: Arc<Mutex<HashMap<u64, u32>>>,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, thrown: Arc::default() }
    }

    /// A number between 0 and 1 for this call, another one each time it is made.
    pub(super) fn throw(&self, call: impl Hash) -> f64 {
        self.nth(call).0
    }

    /// The same, and how often the call was made before.
    #[expect(clippy::cast_precision_loss, reason = "a die has fewer sides")]
    pub(super) fn nth(&self, call: impl Hash) -> (f64, u32) {
        let call = hash((self.seed, call));
        let mut thrown = self.thrown.lock().expect("no holder of this lock panics");
        let times = thrown.entry(call).or_default();
        let before = *times;
        *times += 1;
        ((hash((call, before)) >> 11) as f64 / (1_u64 << 53) as f64, before)
    }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
