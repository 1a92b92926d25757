//! The key-value port over sled.

use std::{io::ErrorKind, path::Path};

use super::kv::{Kv, KvError, Rows, Writes};

/// What sled keeps of its pages in memory. Rows are small, and the hot ones are few: queues and the newest entries.
const CACHE: u64 = 32 << 20;

/// A store in a folder.
#[derive(Debug)]
pub struct SledKv {
    db: sled::Db,
}

impl SledKv {
    /// Opens the folder, or makes it. One process at a time.
    pub fn open(folder: &Path) -> Result<Self, KvError> {
        std::fs::create_dir_all(folder).map_err(|error| unusable(&error, folder))?;
        let db = sled::Config::new()
            .path(folder)
            .cache_capacity(CACHE)
            // We flush when a reply depends on it; a timer would only add writes.
            .flush_every_ms(None)
            .mode(sled::Mode::LowSpace)
            .open()
            .map_err(|error| opening(error, folder))?;
        Ok(Self { db })
    }
}

impl Kv for SledKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.db.get(key).map_err(kv_error)?.map(|value| value.to_vec()))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Rows, KvError> {
        if from >= to {
            return Ok(Rows::new());
        }
        self.db
            .range(from..to)
            .take(limit)
            .map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())).map_err(kv_error))
            .collect()
    }

    fn commit(&self, writes: &Writes) -> Result<(), KvError> {
        let mut batch = sled::Batch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                None => batch.remove(key.as_slice()),
            }
        }
        self.db.apply_batch(batch).map_err(kv_error)
    }

    fn flush(&self) -> Result<(), KvError> {
        self.db.flush().map_err(kv_error).map(|_| ())
    }

    fn size_on_disk(&self) -> Result<u64, KvError> {
        self.db.size_on_disk().map_err(kv_error)
    }
}

fn opening(error: sled::Error, folder: &Path) -> KvError {
    match error {
        // sled reports a lock that is held as "other", with the system's words.
        sled::Error::Io(io) if io.to_string().contains("could not acquire lock") => KvError::Locked,
        sled::Error::Io(io) if io.kind() == ErrorKind::PermissionDenied => unusable(&io, folder),
        other => kv_error(other),
    }
}

fn unusable(error: &std::io::Error, folder: &Path) -> KvError {
    KvError::Unusable { reason: format!("{}: {error}", folder.display()) }
}

fn kv_error(error: sled::Error) -> KvError {
    match error {
        sled::Error::Io(io) if io.kind() == ErrorKind::StorageFull => KvError::Full,
        sled::Error::Io(io) => KvError::Io { reason: io.to_string() },
        sled::Error::Corruption { at, .. } => KvError::Corrupt { reason: format!("at {at:?}") },
        sled::Error::CollectionNotFound(name) => {
            KvError::Corrupt { reason: format!("no tree {name:?}") }
        }
        // What sled says of files that are not its own, or no longer.
        sled::Error::Unsupported(reason) | sled::Error::ReportableBug(reason) => {
            KvError::Corrupt { reason }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::kv_contract;

    #[test]
    fn it_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        kv_contract::check(&SledKv::open(folder.path()).unwrap());
    }

    #[test]
    fn a_second_owner_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let _first = SledKv::open(folder.path()).unwrap();
        assert!(matches!(SledKv::open(folder.path()), Err(KvError::Locked)));
    }

    #[test]
    fn what_was_flushed_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let kv = SledKv::open(folder.path()).unwrap();
        kv.commit(&Writes::from([(b"k".to_vec(), Some(b"v".to_vec()))])).unwrap();
        kv.flush().unwrap();
        drop(kv);
        assert_eq!(SledKv::open(folder.path()).unwrap().get(b"k").unwrap(), Some(b"v".to_vec()));
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state");
        std::fs::write(&file, "").unwrap();
        let Err(KvError::Unusable { reason }) = SledKv::open(&file) else {
            panic!("must not open")
        };
        assert!(reason.contains("state"), "{reason}");
    }
}
