//! The catalogue as files for another place: chunks of the whole, and segments of what was committed since.
//!
//! A chunk ends where a key says so by its hash, wherever it stands: so a change leaves the chunks before and behind
//! it as they were, and they have their old names. The whole is read while commits go on, and is made true by the
//! commits since the reading began: each sets keys to values, so doing it again over newer rows ends in the same.
//!
//! Pure but for the store itself. What is read back is checked: chunks by their hash, segments by the chain of their
//! commits, which no other history has.

use std::io::Read;

use sha2::Digest;

use super::{
    Batch, Rebuilding, Store, StoreError, Tip, frames,
    kv::{Rows, Writes},
    table::Table,
    tables::{ARCHIVE, TIP},
};
use crate::domain::entry::Sha256;

/// A chunk is not cut before it has so many bytes, or small rows would make thousands of objects.
const MIN_CHUNK: usize = 128 << 10;

/// A chunk is cut when it has so many bytes, or large rows would not fit into memory.
pub const MAX_CHUNK: usize = 4 << 20;

/// One key in so many ends a chunk: of rows of some 300 bytes, about 300 KB.
const ENDS: u32 = 1_024;

/// Rows read at a time while a chunk is gathered; what is read beyond its end is read again.
const ROWS_AT_ONCE: usize = 256;

/// zstd's own default: the levels above take far longer for a tenth.
const LEVEL: i32 = 3;

/// No segment is longer; what claims to be is damaged.
const LONGEST_SEGMENT: u64 = 256 << 20;

/// What a segment begins with.
const MAGIC: &[u8; 8] = b"bower\0s1";

/// A stretch of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The hash of its rows, by which it is named.
    pub sha256: Sha256,
    /// How many rows it has.
    pub rows: u64,
    /// How long it is unpacked.
    pub bytes: u64,
    /// Its rows, packed.
    pub packed: Vec<u8>,
}

/// Why a copy can't be read.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The store that is to take it failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not what was written.
    #[error("the copy is damaged: {0}")]
    Damaged(String),
}

/// Reads the whole catalogue, chunk by chunk.
#[derive(Debug, Default)]
pub struct Scan {
    next: Vec<u8>,
}

impl Scan {
    /// The next chunk; none at the end.
    pub fn next(&mut self, store: &Store) -> Result<Option<Chunk>, StoreError> {
        let mut bytes = Vec::new();
        let mut rows = 0;
        'gather: loop {
            let found = store.source().scan(&self.next, &[u8::MAX], ROWS_AT_ONCE)?;
            let last = found.len() < ROWS_AT_ONCE;
            for (key, value) in found {
                frames::push(&mut bytes, &key, Some(&value));
                rows += 1;
                let ends = crc32c::crc32c(&key).is_multiple_of(ENDS) && bytes.len() >= MIN_CHUNK;
                self.next = key;
                self.next.push(0);
                if ends || bytes.len() >= MAX_CHUNK {
                    break 'gather;
                }
            }
            if last {
                break;
            }
        }
        Ok((rows > 0).then(|| Chunk {
            sha256: Sha256(sha2::Sha256::digest(&bytes).into()),
            rows,
            bytes: bytes.len() as u64,
            packed: pack(&bytes),
        }))
    }
}

/// Commits in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// How far the catalogue was before them.
    pub from: Tip,
    /// The commits.
    pub batches: Vec<Batch>,
}

impl Segment {
    /// How far the catalogue was after them.
    pub fn tip(&self) -> Tip {
        self.batches.last().map_or(self.from, |batch| batch.tip)
    }

    /// Its bytes, packed.
    pub fn pack(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.from.number.to_le_bytes());
        bytes.extend(self.from.chain);
        bytes.extend(self.tip().chain);
        for batch in &self.batches {
            let length = u32::try_from(batch.len()).expect("a commit is far below 4 GiB");
            bytes.extend(length.to_le_bytes());
            bytes.extend(&batch.frames);
        }
        pack(&bytes)
    }

    /// Reads what [`Segment::pack`] wrote, and refuses anything else.
    pub fn unpack(packed: &[u8]) -> Result<Self, CopyError> {
        let damaged = || CopyError::Damaged("a segment can't be read".to_owned());
        let bytes = unpack(packed, LONGEST_SEGMENT)?;
        let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let number = u64::from_le_bytes(take(&mut rest).ok_or_else(damaged)?);
        let from = Tip { number, chain: take(&mut rest).ok_or_else(damaged)? };
        let end: [u8; 32] = take(&mut rest).ok_or_else(damaged)?;
        let mut batches = Vec::new();
        let mut tip = from;
        while !rest.is_empty() {
            let length = u32::from_le_bytes(take(&mut rest).ok_or_else(damaged)?);
            let length = usize::try_from(length).map_err(|_| damaged())?;
            let (frames, behind) = rest.split_at_checked(length).ok_or_else(damaged)?;
            rest = behind;
            tip = tip.after(frames);
            batches.push(Batch { tip, frames: frames.to_vec() });
        }
        if tip.chain == end {
            Ok(Self { from, batches })
        } else {
            Err(CopyError::Damaged("a segment is not what was committed".to_owned()))
        }
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

/// Fills an empty store from a copy. Until it is [finished](Loader::finish), the store counts as empty.
#[derive(Debug)]
pub struct Loader<'a> {
    store: &'a Store,
    /// The row that says that the store is whole is written last.
    archive: Option<Vec<u8>>,
    tip: Tip,
}

impl<'a> Loader<'a> {
    /// Empties a store, and fills it. The copy of the whole was begun at a moment from which on commits are needed.
    pub fn new(store: &'a Store, from: Tip) -> Result<Self, StoreError> {
        store.begin_restore()?;
        Ok(Self { store, archive: None, tip: from })
    }

    /// How far the catalogue has come here.
    pub fn tip(&self) -> Tip {
        self.tip
    }

    /// Takes a chunk of this name and length. Returns how many rows it had.
    pub fn chunk(&mut self, name: Sha256, length: u64, packed: &[u8]) -> Result<u64, CopyError> {
        let bytes = unpack(packed, length)?;
        let damaged = || CopyError::Damaged(format!("chunk {name} is not what its name says"));
        if Sha256(sha2::Sha256::digest(&bytes).into()) != name {
            return Err(damaged());
        }
        let rows: Rows = frames::to_rows(&bytes).ok_or_else(damaged)?;
        let count = rows.len() as u64;
        self.put(rows.into_iter().map(|(key, value)| (key, Some(value))).collect())?;
        Ok(count)
    }

    /// Takes the commits of a segment that goes on where the catalogue is; what is known already is passed over.
    pub fn segment(&mut self, segment: &Segment) -> Result<(), CopyError> {
        let joins =
            segment.from == self.tip || segment.batches.iter().any(|batch| batch.tip == self.tip);
        if !joins {
            return Err(CopyError::Damaged(format!(
                "the commits after {} are missing",
                self.tip.number
            )));
        }
        let known = self.tip.number;
        for batch in segment.batches.iter().filter(|batch| batch.tip.number > known) {
            let writes = frames::to_writes(&batch.frames)
                .ok_or_else(|| CopyError::Damaged("a commit can't be read".to_owned()))?;
            self.put(writes)?;
            self.tip = batch.tip;
        }
        Ok(())
    }

    /// Says that this is all of the copy, and brings it into the form of this build. The store counts as empty until
    /// the restore is ended; returned is what was known of an earlier one.
    pub fn finish(self) -> Result<Option<Rebuilding>, StoreError> {
        let tip = Table::<(), Tip>::encode(&self.tip);
        self.store.source().commit(&Writes::from([(TIP.key(&()), Some(tip))]))?;
        self.store.source().flush()?;
        self.store.forget_tip();
        // Copies made before there was such a row are of the first schema.
        let copied = self.archive.map(|row| ARCHIVE.decode(&row)).transpose()?;
        let (schema, rebuilt) = copied.map_or((1, None), |row| (row.schema, row.rebuilt));
        self.store.adopt_schema(schema)?;
        Ok(rebuilt)
    }

    fn put(&mut self, mut writes: Writes) -> Result<(), StoreError> {
        if let Some(row) = writes.remove(&ARCHIVE.key(&())) {
            self.archive = row;
        }
        Ok(self.store.source().commit(&writes)?)
    }
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, LEVEL).expect("memory is the only thing that compressing needs")
}

/// Unpacks, but never more than this: what claims to be longer is damaged, or meant to fill the memory.
fn unpack(packed: &[u8], most: u64) -> Result<Vec<u8>, CopyError> {
    let damaged = |error: std::io::Error| CopyError::Damaged(error.to_string());
    let mut bytes = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(packed).map_err(damaged)?;
    decoder.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(damaged)?;
    if bytes.len() as u64 > most {
        return Err(CopyError::Damaged("it is longer than it says".to_owned()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
