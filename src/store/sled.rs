//! The key-value port over sled.
//!
//! After a write that failed, sled refuses everything until it is opened again, so that is what happens here: the call
//! that failed fails, and the ones after it meet what was durable before. So that a disk which runs full costs no more
//! than a refused commit, none is begun that might not find room. A crash loses what was not flushed, and so does a power
//! cut.

mod disk;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{
        PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use tracing::{info, warn};

use self::disk::Disk;
use super::kv::{Kv, KvError, Rows, Writes};

/// What sled keeps of its pages in memory. Rows are small, and the hot ones are few: queues and the newest entries.
const CACHE: u64 = 32 << 20;

/// A commit finds so much room, or is not begun: some of sled's segments of half a megabyte, since it moves old pages
/// while it writes new ones. What copies files leaves more, so that what they come to can still be written down.
const ROOM: u64 = 8 << 20;

/// A commit is written several times over: as it is, and as the pages that it changes.
const TIMES_OVER: u64 = 4;

/// How often opening is tried again while it does not work. Callers come back by themselves, and often.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// The lock may outlive its owner for a moment, and so do we wait for it so often, and so long each time: sled's own
/// threads hold the file after the last of us let go of it, and a child that a killed process was just making does
/// until it becomes another program.
const LETTING_GO: (u32, Duration) = (100, Duration::from_millis(20));

/// A store in a folder.
#[derive(Debug)]
pub struct SledKv {
    folder: PathBuf,
    disk: Disk,
    door: RwLock<Door>,
    /// The opening in which there is a commit that was not flushed; none of them is number zero.
    unflushed: AtomicU64,
}

#[derive(Debug)]
enum Door {
    /// It serves, after so many openings.
    Open { db: sled::Db, opening: u64 },
    /// It can't be opened, for the time being.
    Closed { why: KvError, tried: Instant, opening: u64 },
}

impl SledKv {
    /// Opens the folder, or makes it. One process at a time.
    pub fn open(folder: &Path) -> Result<Self, KvError> {
        std::fs::create_dir_all(folder).map_err(|error| unusable(&error, folder))?;
        let db = open_patiently(folder)?;
        let door = RwLock::new(Door::Open { db, opening: 1 });
        let (folder, disk) = (folder.to_owned(), Disk::default());
        Ok(Self { folder, disk, door, unflushed: AtomicU64::new(0) })
    }

    /// Reads, once more when the first time fails: that may be the echo of a write that failed.
    fn read<T>(&self, work: impl Fn(&sled::Db) -> sled::Result<T>) -> Result<T, KvError> {
        match self.attempt(|db, _| work(db).map_err(kv_error)) {
            Err(error) if is_unsettling(&error) => self.attempt(|db, _| work(db).map_err(kv_error)),
            result => result,
        }
    }

    /// One call to the open store. When it fails for a reason that leaves sled unusable, the store is opened anew.
    fn attempt<T>(
        &self,
        work: impl FnOnce(&sled::Db, u64) -> Result<T, KvError>,
    ) -> Result<T, KvError> {
        self.try_door();
        let (error, failed) = match &*self.door() {
            Door::Closed { why, .. } => return Err(why.clone()),
            Door::Open { db, opening } => match work(db, *opening) {
                Err(error) if is_unsettling(&error) => (error, *opening),
                result => return result,
            },
        };
        self.open_anew(&error, failed);
        Err(error)
    }

    /// Tries a closed door, now and then.
    fn try_door(&self) {
        let due = match &*self.door() {
            Door::Closed { tried, opening, .. } if tried.elapsed() >= REOPEN_EVERY => *opening,
            Door::Closed { .. } | Door::Open { .. } => return,
        };
        let mut door = self.door.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*door, Door::Closed { opening, .. } if *opening == due) {
            *door = opened(&self.folder, due);
        }
    }

    /// Everybody lets go of the store, and it is opened again; once, however many saw it fail.
    fn open_anew(&self, error: &KvError, failed: u64) {
        let mut door = self.door.write().unwrap_or_else(PoisonError::into_inner);
        if !matches!(&*door, Door::Open { opening, .. } if *opening == failed) {
            return;
        }
        warn!(%error, "the store failed and is opened again, as it was when it last was durable");
        self.disk.forget();
        // The old one has to be gone before, since it holds the lock.
        *door = Door::Closed { why: error.clone(), tried: Instant::now(), opening: failed + 1 };
        *door = opened(&self.folder, failed + 1);
    }

    fn door(&self) -> RwLockReadGuard<'_, Door> {
        self.door.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the disk has room for a commit.
    fn has_room_for(&self, writes: &Writes) -> Result<(), KvError> {
        let size = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let written: u64 =
            writes.iter().map(|(key, value)| size(key) + value.as_deref().map_or(0, size)).sum();
        let wanted = ROOM.saturating_add(written.saturating_mul(TIMES_OVER));
        match rustix::fs::statvfs(&self.folder) {
            Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < wanted => Err(KvError::Full),
            // What can't be measured shows when it is written.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl Kv for SledKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.read(|db| Ok(db.get(key)?.map(|value| value.to_vec())))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Rows, KvError> {
        if from >= to {
            return Ok(Rows::new());
        }
        self.read(|db| {
            db.range(from..to)
                .take(limit)
                .map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())))
                .collect()
        })
    }

    fn commit(&self, writes: &Writes) -> Result<(), KvError> {
        self.has_room_for(writes)?;
        let mut batch = sled::Batch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                None => batch.remove(key.as_slice()),
            }
        }
        let commit = |db: &sled::Db, opening| {
            self.unflushed.store(opening, Ordering::SeqCst);
            db.apply_batch(batch.clone()).map_err(kv_error)
        };
        match self.attempt(commit) {
            // Perhaps a page whose write failed a moment ago. What is damaged is so after opening it anew, too.
            Err(KvError::Corrupt { .. }) => self.attempt(commit),
            result => result,
        }
    }

    fn flush(&self) -> Result<(), KvError> {
        self.attempt(|db, opening| {
            // A store that was opened anew since has nothing of what was committed before.
            let unflushed = self.unflushed.swap(0, Ordering::SeqCst);
            if unflushed != 0 && unflushed != opening {
                let reason = "it was opened anew before it was flushed".to_owned();
                return Err(KvError::Interrupted { reason });
            }
            self.disk.sync_large(&self.folder).map_err(|error| io_error(&error))?;
            db.flush().map_err(kv_error)?;
            Disk::sync_log(&self.folder).map_err(|error| io_error(&error))
        })
    }

    fn size_on_disk(&self) -> Result<u64, KvError> {
        self.read(sled::Db::size_on_disk)
    }
}

fn open(folder: &Path) -> Result<sled::Db, KvError> {
    sled::Config::new()
        .path(folder)
        .cache_capacity(CACHE)
        // We flush when a reply depends on it; a timer would only add writes.
        .flush_every_ms(None)
        .mode(sled::Mode::LowSpace)
        .open()
        .map_err(|error| opening(error, folder))
}

fn open_patiently(folder: &Path) -> Result<sled::Db, KvError> {
    let (mut tries, pause) = LETTING_GO;
    loop {
        match open(folder) {
            Err(KvError::Locked) if tries > 0 => {
                tries -= 1;
                sleep(pause);
            }
            result => return result,
        }
    }
}

/// The store, after it failed; `opening` numbers the times.
fn opened(folder: &Path, opening: u64) -> Door {
    match open_patiently(folder) {
        Ok(db) => {
            info!("the store is open again");
            Door::Open { db, opening }
        }
        Err(why) => Door::Closed { why, tried: Instant::now(), opening },
    }
}

/// Whether sled is of no use after this. What it calls corruption may be a page whose write failed a moment ago.
fn is_unsettling(error: &KvError) -> bool {
    match error {
        KvError::Full | KvError::Io { .. } | KvError::Corrupt { .. } => true,
        KvError::Interrupted { .. } | KvError::Locked | KvError::Unusable { .. } => false,
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
        sled::Error::Io(io) => io_error(&io),
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

fn io_error(error: &std::io::Error) -> KvError {
    if is_full(error.kind()) {
        return KvError::Full;
    }
    KvError::Io { reason: error.to_string() }
}

/// No room is left: on the disk, of a quota, or below the longest file that this process may write.
fn is_full(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::kv_contract;

    fn one(key: &[u8], value: &[u8]) -> Writes {
        Writes::from([(key.to_vec(), Some(value.to_vec()))])
    }

    /// What a write that failed leaves behind.
    fn fail(kv: &SledKv) {
        let failed = kv.attempt(|_, _| Err::<(), _>(KvError::Io { reason: "a test".to_owned() }));
        assert!(matches!(failed, Err(KvError::Io { .. })), "{failed:?}");
    }

    #[test]
    fn a_store_that_failed_is_opened_again_as_it_was_durable() {
        let folder = tempfile::tempdir().unwrap();
        let kv = SledKv::open(folder.path()).unwrap();
        kv.commit(&one(b"k", b"v")).unwrap();
        kv.flush().unwrap();
        for _ in 0..3 {
            fail(&kv);
            assert_eq!(kv.get(b"k").unwrap(), Some(b"v".to_vec()));
        }
        kv.commit(&one(b"l", b"w")).unwrap();
        kv.flush().unwrap();
        drop(kv);
        let kv = SledKv::open(folder.path()).unwrap();
        assert_eq!(kv.get(b"l").unwrap(), Some(b"w".to_vec()));
    }

    #[test]
    fn what_is_not_known_to_be_on_the_disk_is_not_called_durable() {
        let folder = tempfile::tempdir().unwrap();
        let kv = SledKv::open(folder.path()).unwrap();
        let large = vec![7; 1 << 20];
        kv.commit(&one(b"k", &large)).unwrap();
        let kept = std::fs::read_dir(folder.path().join("blobs")).unwrap().count();
        assert_eq!(kept, 1, "sled keeps large values in files of their own");
        kv.flush().unwrap();
        kv.commit(&one(b"l", b"w")).unwrap();
        // sled goes on with the file that it has open.
        std::fs::rename(folder.path().join("db"), folder.path().join("elsewhere")).unwrap();
        let flushed = kv.flush();
        assert!(matches!(flushed, Err(KvError::Io { .. })), "{flushed:?}");
    }

    #[test]
    fn what_was_committed_before_the_store_failed_is_never_called_durable() {
        let folder = tempfile::tempdir().unwrap();
        let kv = SledKv::open(folder.path()).unwrap();
        kv.commit(&one(b"k", b"v")).unwrap();
        // Somebody else's read is what fails.
        fail(&kv);
        let flushed = kv.flush();
        assert!(matches!(flushed, Err(KvError::Interrupted { .. })), "{flushed:?}");
        kv.flush().unwrap();
    }

    #[test]
    fn readers_do_not_notice_that_a_write_failed() {
        let folder = tempfile::tempdir().unwrap();
        let kv = SledKv::open(folder.path()).unwrap();
        kv.commit(&one(b"k", b"v")).unwrap();
        kv.flush().unwrap();
        let failures = std::cell::Cell::new(0);
        let read = kv.read(|db| {
            if failures.replace(1) == 0 {
                return Err(sled::Error::Io(ErrorKind::StorageFull.into()));
            }
            db.get(b"k")
        });
        assert_eq!(read.unwrap().unwrap(), b"v");
    }

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
    fn a_lock_that_is_given_back_in_a_moment_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let first = SledKv::open(folder.path()).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| SledKv::open(folder.path()));
            drop(first);
            second.join().unwrap().unwrap();
        });
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
