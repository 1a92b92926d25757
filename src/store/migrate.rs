//! The form of the catalogue as a whole: written when it is made, looked at whenever it is opened.
//!
//! A row can be read in every form it ever had (`table.rs`), and that is enough for most changes. What changes several
//! tables at once, or how they belong together, raises [`SCHEMA`] and gets a step in [`STEPS`]. A store of a newer
//! schema is refused, because what an older build would write into it might be wrong.
//!
//! A crash in a step does it again: its writes and the new number are one commit, or the step can be done twice.

use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError,
    kv::Writes,
    table::{Row, Table},
    tables::ARCHIVE,
};
use crate::domain::{selection::MediaKind, time::Timestamp};

/// The schema that this build writes.
pub const SCHEMA: u32 = 1;

/// What turns the schema before each of these numbers into it. Steps return what is to be written.
const STEPS: &[(u32, Step)] = &[];

type Step = fn(&Store) -> Result<Writes, StoreError>;

/// How many rows of a store that is given up are deleted at a time.
const CLEARED_AT_ONCE: usize = 1_000;

/// What is to be known of a catalogue as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRow {
    /// The form of the catalogue. It stands first, so that every build ever made can read it.
    pub schema: u32,
    /// Whether all of it is there.
    pub state: Wholeness,
    /// How it was made, unless from Discord alone.
    pub rebuilt: Option<Rebuilding>,
}

/// Whether a catalogue is all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wholeness {
    /// It is.
    Whole,
    /// It is being restored. Found at a start, the restore was cut off and is begun again.
    Restoring,
}

/// That a catalogue was rebuilt from what is published, which knows only of the files that were wanted then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuilding {
    /// When.
    pub at: Timestamp,
    /// The sorts of files that the published archive was made of.
    pub kinds: Vec<MediaKind>,
    /// The largest of them.
    pub max_size: Option<u64>,
}

impl Row for ArchiveRow {}

/// What a store is found to be when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing is in it, or half a restore, which is as good as nothing.
    Empty,
    /// A catalogue.
    Catalogue,
}

impl Store {
    /// Looks at what is there, and brings it into the form of this build. To be called before anything else is read.
    pub fn open(&self) -> Result<Found, StoreError> {
        let Some(row) = ARCHIVE.get(&self.source(), &())? else {
            // Builds before the first release wrote no such row, and what they wrote is the first schema.
            let found = if self.is_empty()? { Found::Empty } else { Found::Catalogue };
            if found == Found::Catalogue {
                self.set_archive(&ArchiveRow { schema: 1, ..ArchiveRow::new() })?;
                self.step_up(1)?;
            }
            return Ok(found);
        };
        if row.schema > SCHEMA {
            return Err(StoreError::NewerSchema { found: row.schema });
        }
        if row.state == Wholeness::Restoring {
            return Ok(Found::Empty);
        }
        self.step_up(row.schema)?;
        Ok(Found::Catalogue)
    }

    /// Writes down that a catalogue begins here.
    pub fn found(&self) -> Result<(), StoreError> {
        self.set_archive(&ArchiveRow::new())
    }

    /// What is to be known of the catalogue as a whole.
    pub fn archive(&self) -> Result<Option<ArchiveRow>, StoreError> {
        ARCHIVE.get(&self.source(), &())
    }

    /// Removes everything, and writes down that a restore has begun. Until it is [ended](Store::end_restore), this
    /// store counts as empty.
    pub fn begin_restore(&self) -> Result<(), StoreError> {
        let restoring = ArchiveRow { state: Wholeness::Restoring, ..ArchiveRow::new() };
        self.set_archive(&restoring)?;
        let kept = ARCHIVE.key(&());
        loop {
            let rows = self.source().scan(&[0], &[u8::MAX], CLEARED_AT_ONCE)?;
            let doomed: Writes = rows
                .into_iter()
                .filter(|(key, _)| *key != kept)
                .map(|(key, _)| (key, None))
                .collect();
            if doomed.is_empty() {
                self.source().flush()?;
                self.forget_tip();
                return Ok(());
            }
            self.source().commit(&doomed)?;
        }
    }

    /// Writes down that everything is there that could be restored.
    pub fn end_restore(&self, rebuilt: Option<Rebuilding>) -> Result<(), StoreError> {
        self.set_archive(&ArchiveRow { rebuilt, ..ArchiveRow::new() })
    }

    /// Brings a restored copy of this schema into the form of this build; the restore goes on.
    pub(super) fn adopt_schema(&self, schema: u32) -> Result<(), StoreError> {
        if schema > SCHEMA {
            return Err(StoreError::NewerSchema { found: schema });
        }
        let restoring = ArchiveRow { schema, state: Wholeness::Restoring, rebuilt: None };
        self.set_archive(&restoring)?;
        self.step_up(schema)
    }

    fn set_archive(&self, row: &ArchiveRow) -> Result<(), StoreError> {
        let value = Table::<(), ArchiveRow>::encode(row);
        self.write(Writes::from([(ARCHIVE.key(&()), Some(value))]))
    }

    fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.source().scan(&[0], &[u8::MAX], 1)?.is_empty())
    }

    fn step_up(&self, from: u32) -> Result<(), StoreError> {
        for (to, step) in STEPS.iter().filter(|(to, _)| *to > from) {
            let mut writes = step(self)?;
            let before = self.archive()?.unwrap_or_else(ArchiveRow::new);
            let row = ArchiveRow { schema: *to, ..before };
            writes.insert(ARCHIVE.key(&()), Some(Table::<(), ArchiveRow>::encode(&row)));
            self.write(writes)?;
            tracing::info!(schema = to, "the store has the form of this version now");
        }
        Ok(())
    }
}

impl ArchiveRow {
    const fn new() -> Self {
        Self { schema: SCHEMA, state: Wholeness::Whole, rebuilt: None }
    }
}

#[cfg(test)]
mod tests;
