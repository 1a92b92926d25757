//! Files on their way from the CDN to the bucket: read once, hashed while they arrive, and kept until their last
//! reader is done.
//!
//! Download writes here and Thumbnail reads. A crash leaves files behind: half ones are swept when the spool is
//! opened, whole ones serve the reader that still waits for them.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use sha2::Digest;
use tokio::{
    fs::{self, File},
    io::AsyncWriteExt,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tracing::{error, info};

use crate::{
    cdn::{CdnError, Download},
    domain::entry::Sha256,
};

/// What files are called while they arrive.
const ARRIVING: &str = "part";

/// So many first bytes are kept to tell what a file is: the signatures that we know lie within them.
const HEAD: usize = 512;

/// Room in the spool is counted in steps of this size, so that a semaphore can count it.
const UNIT: u64 = 64 * 1024;

/// So much is left free on the disk: the store shares it, and has to write down what becomes of the files. It asks for
/// less than this itself.
const LEFT_FREE: u64 = 32 << 20;

/// How often a full disk is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A folder with files on their way.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
    room: Arc<Semaphore>,
    units: u32,
    /// The room that each file takes up.
    held: Arc<Mutex<HashMap<Sha256, Room>>>,
    /// Whether the disk was found full, which is said once, and once that it is not any more.
    full: Arc<AtomicBool>,
}

/// A file that arrived whole.
#[derive(Debug)]
pub struct Spooled {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub sha256: Sha256,
    /// The checksum that object stores use.
    pub crc32c: u32,
    /// Its length.
    pub size: u64,
    /// Its first bytes.
    pub head: Vec<u8>,
}

/// Room in the spool, given back when dropped.
#[derive(Debug)]
pub struct Room(#[expect(dead_code, reason = "held for what its drop does")] OwnedSemaphorePermit);

/// Why a file did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The CDN's fault, or the network's.
    #[error(transparent)]
    Cdn(#[from] CdnError),
    /// The disk's fault.
    #[error("the spool in STATE_DIR can't be written: {0}")]
    Disk(#[from] io::Error),
    /// The file is larger than what is free.
    #[error("the disk that holds STATE_DIR has no room for a file of {size} bytes")]
    NoRoom {
        /// Its length.
        size: u64,
    },
}

/// Whether no room is left: on the disk, of a quota, or below the longest file that this process may write.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl Spool {
    /// Opens a folder that may hold so many bytes, and removes what never arrived whole.
    pub async fn open(folder: PathBuf, bound: u64) -> io::Result<Self> {
        fs::create_dir_all(&folder).await?;
        let mut files = fs::read_dir(&folder).await?;
        while let Some(file) = files.next_entry().await? {
            if file.path().extension().is_some_and(|extension| extension == ARRIVING) {
                fs::remove_file(file.path()).await?;
            }
        }
        let units = u32::try_from(bound.div_ceil(UNIT)).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(units).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let room = Arc::new(Semaphore::new(permits));
        let spool = Self { folder, room, units, held: Arc::default(), full: Arc::default() };
        for sha256 in spool.files().await? {
            let size = fs::metadata(spool.path(sha256)).await?.len();
            // More than fits is there only when the bound was lowered; then it is merely full.
            if let Ok(permit) = Arc::clone(&spool.room).try_acquire_many_owned(spool.units_of(size))
            {
                spool.hold(sha256, Room(permit));
            }
        }
        Ok(spool)
    }

    /// Waits until a file of this size fits. One larger than the whole spool waits for all of it. While the disk is full
    /// everybody waits, so that nothing is fetched in vain; a file that is larger than what is free waits for nobody.
    pub async fn room_for(&self, size: u64) -> Result<Room, SpoolError> {
        let permit = Arc::clone(&self.room).acquire_many_owned(self.units_of(size)).await;
        let room = Room(permit.expect("the semaphore is never closed"));
        loop {
            // A disk that can't be asked shows how much it holds when it is written.
            let free = free(&self.folder).unwrap_or(u64::MAX);
            if free >= LEFT_FREE {
                if self.full.swap(false, Ordering::Relaxed) {
                    info!("there is room on the disk again: downloads go on");
                }
                let fits = free - LEFT_FREE >= size;
                return if fits { Ok(room) } else { Err(SpoolError::NoRoom { size }) };
            }
            if !self.full.swap(true, Ordering::Relaxed) {
                error!(
                    free,
                    "the disk that holds STATE_DIR is full: make room; downloads wait, and go on by themselves then"
                );
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Reads a download to its end. `expected` is what Discord says of its length.
    pub async fn receive(
        &self,
        download: Download,
        expected: u64,
        room: Room,
    ) -> Result<Spooled, SpoolError> {
        let arriving = self.arriving();
        let mut file = File::create(&arriving.path).await?;
        let seen = read_through(download, expected, &mut file).await?;
        file.flush().await?;
        // The bucket may take the file over as it is, and then it must be on the disk.
        file.sync_data().await?;
        let path = self.arrive(arriving, seen.sha256, Some(room)).await?;
        let Seen { sha256, crc32c, size, head } = seen;
        Ok(Spooled { path, sha256, crc32c, size, head })
    }

    /// A name for a file that is about to arrive.
    pub fn arriving(&self) -> Arriving {
        let path = self.folder.join(format!("{:032x}.{ARRIVING}", rand::random::<u128>()));
        Arriving { path, arrived: false }
    }

    /// Keeps a file that arrived whole.
    pub async fn arrive(
        &self,
        mut arriving: Arriving,
        sha256: Sha256,
        room: Option<Room>,
    ) -> io::Result<PathBuf> {
        let path = self.path(sha256);
        fs::rename(&arriving.path, &path).await?;
        arriving.arrived = true;
        if let Some(room) = room {
            self.hold(sha256, room);
        }
        Ok(path)
    }

    /// Where a file is, when it is here.
    pub async fn find(&self, sha256: Sha256) -> Option<PathBuf> {
        let path = self.path(sha256);
        fs::try_exists(&path).await.unwrap_or(false).then_some(path)
    }

    /// Where a file is, or would be.
    fn path(&self, sha256: Sha256) -> PathBuf {
        self.folder.join(sha256.to_string())
    }

    /// Removes a file whose last reader is done.
    pub async fn remove(&self, sha256: Sha256) -> io::Result<()> {
        self.rooms().remove(&sha256);
        match fs::remove_file(self.path(sha256)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The files that are here, for sweeping those that nobody waits for.
    pub async fn files(&self) -> io::Result<Vec<Sha256>> {
        let mut found = Vec::new();
        let mut files = fs::read_dir(&self.folder).await?;
        while let Some(file) = files.next_entry().await? {
            found.extend(file.file_name().to_str().and_then(|name| name.parse::<Sha256>().ok()));
        }
        Ok(found)
    }

    fn units_of(&self, size: u64) -> u32 {
        u32::try_from(size.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.units)
    }

    fn hold(&self, sha256: Sha256, room: Room) {
        self.rooms().insert(sha256, room);
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<Sha256, Room>> {
        self.held.lock().expect("no holder of this lock panics")
    }
}

/// A file that is arriving; removed when dropped before it arrived whole.
#[derive(Debug)]
pub struct Arriving {
    path: PathBuf,
    arrived: bool,
}

impl Arriving {
    /// Where to write it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if !self.arrived {
            remove_quietly(&self.path);
        }
    }
}

fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn remove_quietly(path: &Path) {
    // What can't be removed now is swept when the spool is opened.
    std::fs::remove_file(path).ok();
}

struct Seen {
    sha256: Sha256,
    crc32c: u32,
    size: u64,
    head: Vec<u8>,
}

/// Writes what comes, hashes it, and believes it only when it is what was announced.
async fn read_through(
    mut download: Download,
    expected: u64,
    file: &mut File,
) -> Result<Seen, SpoolError> {
    if let Some(length) = download.length.filter(|length| *length != expected) {
        return Err(damaged(format!("the CDN announces {length} bytes, Discord {expected}")).into());
    }
    let mut sha256 = sha2::Sha256::new();
    let mut crc32c = 0;
    let mut size: u64 = 0;
    let mut head = Vec::with_capacity(HEAD);
    while let Some(chunk) = download.body.next().await {
        let chunk = chunk?;
        size += u64::try_from(chunk.len()).expect("a chunk fits in memory");
        if size > expected {
            return Err(
                damaged(format!("more than the {expected} bytes that Discord announces")).into()
            );
        }
        sha256.update(&chunk);
        crc32c = crc32c::crc32c_append(crc32c, &chunk);
        head.extend_from_slice(&chunk[..chunk.len().min(HEAD - head.len())]);
        file.write_all(&chunk).await?;
    }
    if size != expected {
        return Err(damaged(format!("{size} of {expected} bytes")).into());
    }
    if let Some(announced) = download.crc32c.filter(|announced| *announced != crc32c) {
        return Err(damaged(format!("checksum {crc32c:08x} instead of {announced:08x}")).into());
    }
    Ok(Seen { sha256: Sha256(sha256.finalize().into()), crc32c, size, head })
}

fn damaged(reason: String) -> CdnError {
    CdnError::Damaged { reason }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    async fn spool() -> (tempfile::TempDir, Spool) {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path().join("spool"), 1 << 20).await.unwrap();
        (folder, spool)
    }

    fn download(chunks: &[&'static str], length: Option<u64>, crc32c: Option<u32>) -> Download {
        let chunks: Vec<_> =
            chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect();
        Download {
            length,
            crc32c,
            content_type: None,
            body: Box::pin(futures_util::stream::iter(chunks)),
        }
    }

    fn files(spool: &Spool) -> usize {
        std::fs::read_dir(&spool.folder).unwrap().count()
    }

    #[tokio::test]
    async fn a_whole_file_is_kept_under_its_hash() {
        let (_folder, spool) = spool().await;
        let crc32c = crc32c::crc32c(b"abcdef");
        let room = spool.room_for(6).await.unwrap();
        let spooled =
            spool.receive(download(&["abc", "def"], Some(6), Some(crc32c)), 6, room).await.unwrap();
        assert_eq!(
            spooled.sha256.to_string(),
            "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721"
        );
        assert_eq!(
            (spooled.crc32c, spooled.size, spooled.head.as_slice()),
            (crc32c, 6, b"abcdef".as_slice())
        );
        assert_eq!(spool.find(spooled.sha256).await, Some(spooled.path));
        assert_eq!(spool.files().await.unwrap(), [spooled.sha256]);
        spool.remove(spooled.sha256).await.unwrap();
        spool.remove(spooled.sha256).await.unwrap();
        assert_eq!(spool.find(spooled.sha256).await, None);
    }

    #[tokio::test]
    async fn what_is_not_the_announced_file_leaves_nothing() {
        let (_folder, spool) = spool().await;
        let cases = [
            download(&["abc"], None, None),
            download(&["abcdefg"], None, None),
            download(&["abcdef"], Some(7), None),
            download(&["abcdef"], Some(6), Some(1)),
        ];
        for case in cases {
            let room = spool.room_for(6).await.unwrap();
            let result = spool.receive(case, 6, room).await;
            assert!(matches!(result, Err(SpoolError::Cdn(CdnError::Damaged { .. }))), "{result:?}");
            assert_eq!(files(&spool), 0);
        }
    }

    #[tokio::test]
    async fn opening_sweeps_what_never_arrived_and_keeps_what_did() {
        let (_folder, spool) = spool().await;
        let room = spool.room_for(0).await.unwrap();
        let spooled = spool.receive(download(&[], Some(0), None), 0, room).await.unwrap();
        std::fs::write(spool.folder.join("0.part"), "half").unwrap();
        let spool = Spool::open(spool.folder.clone(), 1).await.unwrap();
        assert_eq!(spool.files().await.unwrap(), [spooled.sha256]);
        assert_eq!(files(&spool), 1);
    }

    #[tokio::test]
    async fn a_full_spool_makes_the_next_wait() {
        let (_folder, spool) = spool().await;
        let room = spool.room_for(1 << 20).await.unwrap();
        let first = spool.receive(download(&["a"], None, None), 1, room).await.unwrap();
        let mut second = Box::pin(spool.room_for(1));
        assert!(futures_util::poll!(&mut second).is_pending());
        spool.remove(first.sha256).await.unwrap();
        drop(second.await.unwrap());
        // Larger than the whole spool: gets all of it rather than nothing.
        spool.room_for(1 << 21).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_larger_than_the_disk_keeps_nobody_waiting() {
        let (_folder, spool) = spool().await;
        let room = spool.room_for(1 << 60).await;
        assert!(matches!(room, Err(SpoolError::NoRoom { .. })), "{room:?}");
        spool.room_for(1 << 20).await.unwrap();
    }
}
