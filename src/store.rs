//! The catalogue: what is known, what is to be done, and what was published.
//!
//! Persistence is the only writer; everybody may read. A change is applied whole or not at all, and changes that are
//! committed together see each other. Nothing here knows of time, but through arguments, or of other ports.

mod kv;
mod frames;
mod journal;
mod sled;
mod memory;
#[cfg(test)]
mod kv_contract;
mod table;
mod tables;
mod tally;
mod raw;
mod record;
mod people;
mod erase;
mod forget;
mod member;
mod cleanse;
mod crawl;
mod reread;
mod work;
mod links;
mod publication;
mod verify;
mod mend;
mod removal;
mod vitals;
mod change;
mod erasure;
mod migrate;
mod copy;
mod rebuild;
mod unpublished;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod invariants;
#[cfg(any(test, fuzzing))]
pub mod fuzz;

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use tokio::sync::oneshot;

pub use self::{
    change::{Change, Commit, Context},
    copy::{Chunk, CopyError, Loader, MAX_CHUNK, Scan, Segment},
    crawl::{
        HistoryWanted, Loss, PageRead, PlaceSeen, PlacesFound, PlacesLost, SessionMoved, Started,
        Surveyed, ThreadsListed,
    },
    erase::{Purge, Purged},
    erasure::CopiesRenewed,
    forget::{Allow, Forget},
    journal::{Batch, Tip},
    kv::{Kv, KvError, Rows, Work, Writes},
    links::{LinkDue, LinksRefreshed},
    member::MemberSeen,
    memory::MemoryKv,
    mend::Mended,
    migrate::{ArchiveRow, Found, Rebuilding, SCHEMA, Wholeness},
    people::{AvatarCopied, ChangedPerson},
    publication::{Announced, Month, MonthEntry, Published, PublishedMonth, PublishedTo},
    rebuild::{CoverageDoubted, Rebuilt, RebuiltEntry},
    record::{Deleted, Observed},
    removal::{Moved, PlacesShown, Tended},
    reread::{FoundDeleted, ParkedReread, Reread, RereadPlanned, RereadState, UnheardReread},
    sled::SledKv,
    table::Txn,
    tables::{
        CoverageRow, Dirty, ErasedRow, ForgottenRow, GuildRow, Held, IndexRow, MemberRow,
        ParkedMessage, PlaceReread, PlaceRow, PublicationRow, Reading, RereadWhole, SessionRow,
        ShardRef, ShardsRow, StartsRow, Word,
    },
    tally::{Tallies, Tally},
    unpublished::Unpublished,
    verify::{Contradiction, Examined, Seal, Sealed, VerificationRow, Verified},
    vitals::Backlog,
    work::{Claim, Claimed, Failed, Looked, ParkedJob, Stored, SweepDone, Task},
};

/// What there may be to do once a change is durable. Losing one is harmless: workers reread their queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hint {
    /// Files to be copied.
    Download,
    /// Files to be looked at.
    Thumbnail,
    /// Links to be made new.
    Refresh,
    /// Months to be published.
    Publish,
    /// Places of which nothing is known yet.
    Survey,
    /// Something to be read again.
    Reconcile,
    /// Bytes to be brought to another bucket.
    Move,
    /// Something to be done between other changes.
    Tend,
}

/// Reads the catalogue. Calls block for as long as a disk does, so actors make them within [`Store::read`].
#[derive(Clone, Debug)]
pub struct Store {
    kv: Arc<dyn Kv>,
    journal: journal::SharedJournal,
}

/// Why the catalogue did not serve.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store below failed.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// A row can't be read.
    #[error("the store is damaged: table {table}: {reason}")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A row was written by a newer version of this program.
    #[error(
        "STATE_DIR was written by a newer bowerbird (table {table}, form {version}): run that version, or newer"
    )]
    TooNew {
        /// Which table.
        table: &'static str,
        /// The form it has.
        version: u8,
    },
    /// The whole was written by a newer version of this program.
    #[error(
        "STATE_DIR was written by a newer bowerbird (schema {found}, and this one knows {SCHEMA}): run that version, or newer"
    )]
    NewerSchema {
        /// The schema it has.
        found: u32,
    },
}

impl StoreError {
    /// Whether what is on disk is not what was written. One that is locked, full or too new is whole.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Corrupt { .. } | Self::Kv(KvError::Corrupt { .. }) => true,
            Self::TooNew { .. } | Self::NewerSchema { .. } => false,
            Self::Kv(
                KvError::Full
                | KvError::Interrupted { .. }
                | KvError::Locked
                | KvError::Unusable { .. }
                | KvError::Io { .. },
            ) => false,
        }
    }
}

impl Store {
    /// A catalogue over a key-value store.
    pub fn new(kv: Arc<dyn Kv>) -> Self {
        Self { kv, journal: Arc::default() }
    }

    /// Bytes on disk.
    pub fn size_on_disk(&self) -> Result<u64, StoreError> {
        Ok(self.kv.size_on_disk()?)
    }

    /// Reads what every start needs, and a row of each large table: a store that is damaged there is of no use. The
    /// rest is too much to read at each start; damage in it is found by whoever reads it.
    pub fn look_through(&self) -> Result<(), StoreError> {
        self.tip()?;
        self.guilds()?;
        self.places()?;
        self.publication()?;
        self.tallies()?;
        self.starts()?;
        self.indexes()?;
        self.parked_messages(1)?;
        self.changed_months()?;
        self.next_link_due()?;
        Ok(())
    }

    /// Does work that reads or writes this, where blocking is no harm. It is begun at once and done even if nobody waits
    /// for it; a panic of it goes on in whoever does.
    pub fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let (tell, told) = oneshot::channel();
        let store = self.clone();
        self.kv.aside(Box::new(move || {
            let done = catch_unwind(AssertUnwindSafe(|| work(&store)));
            // Whoever hears that it is done may want the disk for themselves.
            drop(store);
            tell.send(done).ok();
        }));
        async {
            match told.await {
                Ok(Ok(done)) => done,
                Ok(Err(panic)) => resume_unwind(panic),
                // A runtime that ends drops the work, and then whoever waits for it.
                Err(_) => pending().await,
            }
        }
    }

    /// Reads where blocking is no harm.
    pub fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        self.aside(look)
    }

    fn source(&self) -> &dyn Kv {
        &*self.kv
    }
}
