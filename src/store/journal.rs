//! What was committed lately, for whoever copies the catalogue elsewhere, and how far it has come.
//!
//! Each commit is numbered, and its number is chained by a hash to all commits before, in the commit itself. So
//! whoever holds a copy can tell for certain whether it is this catalogue at an earlier moment, and nothing has to be
//! written twice: the changes themselves are kept in memory alone, up to a bound. What a crash or the bound takes from
//! there is not lost, since the copier sees a gap in the numbers and copies the whole again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::{
    Store, StoreError, frames,
    kv::Writes,
    table::{Row, Table},
    tables::TIP,
};

/// More than this is not kept for a copier that can't keep up: some minutes of the liveliest backfill, and nothing
/// beside what the process needs anyway.
const KEPT: usize = 8 << 20;

/// How far a catalogue has come.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// How many commits there were.
    pub number: u64,
    /// A hash of all of them.
    #[serde(with = "hex_or_bytes")]
    pub chain: [u8; 32],
}

impl Row for Tip {}

impl std::fmt::Debug for Tip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tip({}, {})", self.number, hex::encode(&self.chain[..4]))
    }
}

impl Tip {
    /// Before the first commit.
    pub const ZERO: Self = Self { number: 0, chain: [0; 32] };

    /// After one more commit, of these frames.
    pub(super) fn after(self, frames: &[u8]) -> Self {
        let chain = sha2::Sha256::new().chain_update(self.chain).chain_update(frames).finalize();
        Self { number: self.number + 1, chain: chain.into() }
    }
}

/// One commit.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    /// How far the catalogue was after it.
    pub tip: Tip,
    /// What it wrote, but for the tip.
    pub(super) frames: Vec<u8>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({:?}, {} bytes)", self.tip, self.frames.len())
    }
}

impl Batch {
    /// How long it is.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether it wrote nothing.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

/// What the store remembers of its commits.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    /// Where the next commit goes on; read from the store when it is not known.
    tip: Option<Tip>,
    watched: bool,
    batches: VecDeque<Batch>,
    bytes: usize,
    /// The last commit of which it is known that it survives a crash.
    durable: u64,
}

impl Memory {
    fn keep(&mut self, batch: Batch) {
        if !self.watched {
            return;
        }
        self.bytes += batch.len();
        self.batches.push_back(batch);
        if self.bytes > KEPT {
            // A gap, which the copier sees by the numbers.
            self.batches.clear();
            self.bytes = 0;
        }
    }
}

impl Journal {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // A store may panic in a commit; the memory is put in order before it is asked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Commits these writes together with the number they get, and returns when they survive a crash.
    pub(super) fn write(&self, mut writes: Writes) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let mut memory = self.journal.memory();
        let before = match memory.tip {
            Some(tip) => tip,
            None => self.tip()?,
        };
        let frames = frames::of_writes(&writes);
        let tip = before.after(&frames);
        writes.insert(TIP.key(&()), Some(Table::<(), Tip>::encode(&tip)));
        // Whether a commit that failed is there after all, only the store can tell.
        memory.tip = None;
        self.source().commit(&writes)?;
        memory.tip = Some(tip);
        memory.keep(Batch { tip, frames });
        drop(memory);
        self.source().flush()?;
        let mut memory = self.journal.memory();
        memory.durable = memory.durable.max(tip.number);
        Ok(())
    }

    /// How far this catalogue has come.
    pub fn tip(&self) -> Result<Tip, StoreError> {
        Ok(TIP.get(&self.source(), &())?.unwrap_or(Tip::ZERO))
    }

    /// The next commit goes on from what the store says.
    pub(super) fn forget_tip(&self) {
        self.journal.memory().tip = None;
    }

    /// Begins to keep what is committed, for one who copies it.
    pub fn watch(&self) {
        self.journal.memory().watched = true;
    }

    /// Whether every commit after a moment of this very catalogue is kept, or there was none.
    pub fn follows(&self, moment: Tip) -> Result<bool, StoreError> {
        // Held while looking: no commit comes in between.
        let memory = self.journal.memory();
        let next = memory.batches.iter().find(|batch| batch.tip.number > moment.number);
        Ok(match next {
            Some(batch) => moment.after(&batch.frames) == batch.tip,
            None => self.tip()? == moment,
        })
    }

    /// The commits after a moment that are kept and survive a crash, at most so many bytes of them but at least one.
    pub fn committed_after(&self, number: u64, most: usize) -> Vec<Batch> {
        let memory = self.journal.memory();
        let mut bytes = 0;
        let new = memory.batches.iter().filter(|batch| batch.tip.number > number);
        new.take_while(|batch| {
            let first = bytes == 0;
            bytes += batch.len();
            batch.tip.number <= memory.durable && (first || bytes <= most)
        })
        .cloned()
        .collect()
    }

    /// Forgets the commits up to a moment: they are copied.
    pub fn forget_committed(&self, number: u64) {
        let mut memory = self.journal.memory();
        while memory.batches.front().is_some_and(|batch| batch.tip.number <= number) {
            let gone = memory.batches.pop_front().expect("it was just looked at");
            memory.bytes -= gone.len();
        }
    }

    /// How many bytes wait to be copied.
    pub fn uncopied(&self) -> usize {
        self.journal.memory().bytes
    }
}

/// Hexadecimal digits for people, bytes for the store.
mod hex_or_bytes {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(chain: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { hex::encode(chain).serialize(to) } else { chain.serialize(to) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        if !from.is_human_readable() {
            return <[u8; 32]>::deserialize(from);
        }
        let mut chain = [0; 32];
        let text = String::deserialize(from)?;
        hex::decode_to_slice(text, &mut chain).map_err(D::Error::custom)?;
        Ok(chain)
    }
}

/// The journal of a store, as the store holds it.
pub(super) type SharedJournal = Arc<Journal>;
