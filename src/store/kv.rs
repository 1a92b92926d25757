//! The key-value store below the catalogue, as a port.
//!
//! One process owns it and one actor writes it, so there is no need for transactions that read: writes are prepared
//! beside it and committed at once.

use std::{collections::BTreeMap, fmt::Debug};

/// Keys with their new values; none deletes.
pub type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Keys and values in the order of keys.
pub type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// What calls a store, and so blocks for as long as a disk does.
pub type Work = Box<dyn FnOnce() + Send>;

/// An ordered map on disk. Its calls block.
pub trait Kv: Send + Sync + Debug {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;

    /// At most `limit` rows from `from` on and below `to`.
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Rows, KvError>;

    /// Writes all or nothing. Visible at once, durable after the next [`Kv::flush`].
    fn commit(&self, writes: &Writes) -> Result<(), KvError>;

    /// Returns when everything committed so far survives a crash.
    fn flush(&self) -> Result<(), KvError>;

    /// Bytes on disk.
    fn size_on_disk(&self) -> Result<u64, KvError>;

    /// Does work that calls this where blocking is no harm. Where nothing blocks, another place will do.
    fn aside(&self, work: Work) {
        tokio::task::spawn_blocking(work);
    }
}

/// Why the store did not serve.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KvError {
    /// The disk is full.
    #[error("the disk that holds STATE_DIR is full")]
    Full,
    /// It failed between a commit and its flush; what was committed has to be committed again.
    #[error("the store was interrupted: {reason}")]
    Interrupted {
        /// What happened.
        reason: String,
    },
    /// Another process has it open.
    #[error(
        "another process uses this STATE_DIR: stop it, or give each instance a folder of its own"
    )]
    Locked,
    /// The folder can't be used.
    #[error("STATE_DIR can't be used: {reason}")]
    Unusable {
        /// What the system says.
        reason: String,
    },
    /// What is on disk is not what was written.
    #[error("the store is damaged: {reason}")]
    Corrupt {
        /// What was found.
        reason: String,
    },
    /// The disk failed.
    #[error("the store can't be read or written: {reason}")]
    Io {
        /// What the system says.
        reason: String,
    },
}
