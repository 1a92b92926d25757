//! Makes what sled wrote survive a power cut.
//!
//! On Linux, sled waits until the disk has taken its log (`sync_file_range`), and neither until the length of the file
//! is known there, nor until the disk has written it down. A value of more than an eighth of a megabyte lies in a file
//! of its own, which sled does not sync at all. So both are synced here: the large values before the log that leads to
//! them.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    io::{self, ErrorKind},
    path::Path,
    sync::{Mutex, PoisonError},
};

/// sled's log, in its folder.
const LOG: &str = "db";

/// Its folder of large values.
const LARGE: &str = "blobs";

/// What of a store's folder is known to be on the disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    large: Mutex<BTreeSet<OsString>>,
}

impl Disk {
    /// Syncs the large values that were not synced yet. They are never written twice.
    pub(super) fn sync_large(&self, folder: &Path) -> io::Result<()> {
        let folder = folder.join(LARGE);
        let mut there = BTreeSet::new();
        for file in fs::read_dir(&folder)? {
            there.insert(file?.file_name());
        }
        let mut synced = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = false;
        for name in &there {
            if synced.contains(name) {
                continue;
            }
            match File::open(folder.join(name)).and_then(|file| file.sync_all()) {
                // sled removes what is replaced.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                result => result?,
            }
            fresh = true;
        }
        if fresh {
            File::open(&folder)?.sync_all()?;
        }
        *synced = there;
        Ok(())
    }

    /// Syncs the log, after sled flushed it.
    pub(super) fn sync_log(folder: &Path) -> io::Result<()> {
        File::open(folder.join(LOG))?.sync_data()
    }

    /// Nothing is known any more.
    pub(super) fn forget(&self) {
        self.large.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_value_is_synced_once_and_what_is_gone_is_not_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let large = folder.path().join(LARGE);
        let known = || disk.large.lock().unwrap().clone();
        assert_eq!(disk.sync_large(folder.path()).unwrap_err().kind(), ErrorKind::NotFound);
        fs::create_dir(&large).unwrap();
        fs::write(large.join("1"), "a").unwrap();
        disk.sync_large(folder.path()).unwrap();
        assert_eq!(known(), BTreeSet::from(["1".into()]));
        fs::remove_file(large.join("1")).unwrap();
        fs::write(large.join("2"), "b").unwrap();
        disk.sync_large(folder.path()).unwrap();
        assert_eq!(known(), BTreeSet::from(["2".into()]));
        disk.forget();
        assert_eq!(known(), BTreeSet::new());
    }
}
