//! What is uploaded, as Google's client wants to read it.
//!
//! A file is hashed on its way out: one that changed since it was spooled ends the upload before it is complete.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use google_cloud_storage::streaming_source::{Seek, SizeHint, StreamingSource};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};

use crate::bucket::{BucketError, Crc32c};

/// What is read and handed on at a time: few calls, and little memory for each upload in flight.
const CHUNK_LEN: usize = 256 * 1024;

/// A connection over which nothing moved for so long is dead, whatever TCP thinks of it.
const STALLED_AFTER: Duration = Duration::from_mins(1);

/// Something small, already in memory.
pub(super) struct Memory {
    bytes: Bytes,
    at: usize,
}

/// A spool file.
pub(super) struct Spool {
    file: File,
    len: u64,
    expected: Crc32c,
    at: u64,
    hashed: u64,
    crc32c: Crc32c,
    shared: Arc<Shared>,
}

/// Sees how the reading of a [`Spool`] goes.
pub(super) struct Watch {
    path: PathBuf,
    shared: Arc<Shared>,
}

/// Nothing was read for this long.
pub(super) struct Stalled(pub(super) Duration);

#[derive(Default)]
struct Shared {
    reads: AtomicU64,
    changed: AtomicBool,
}

impl Memory {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0 }
    }
}

impl StreamingSource for Memory {
    type Error = io::Error;

    async fn next(&mut self) -> Option<Result<Bytes, io::Error>> {
        let end = self.bytes.len().min(self.at + CHUNK_LEN);
        let chunk = self.bytes.slice(self.at..end);
        self.at = end;
        (!chunk.is_empty()).then_some(Ok(chunk))
    }

    async fn size_hint(&self) -> Result<SizeHint, io::Error> {
        Ok(SizeHint::with_exact(self.bytes.len() as u64))
    }
}

impl Seek for Memory {
    type Error = io::Error;

    async fn seek(&mut self, offset: u64) -> Result<(), io::Error> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.at = offset.min(self.bytes.len());
        Ok(())
    }
}

impl Spool {
    pub(super) async fn open(
        path: PathBuf,
        len: u64,
        expected: Crc32c,
    ) -> Result<(Self, Watch), BucketError> {
        let broken = |error: io::Error| BucketError::Broken {
            action: "open the spool file",
            source: error.into(),
        };
        let file = File::open(&path).await.map_err(broken)?;
        if file.metadata().await.map_err(broken)?.len() != len {
            return Err(BucketError::SpoolChanged { path });
        }
        let shared = Arc::<Shared>::default();
        let watch = Watch { path, shared: Arc::clone(&shared) };
        let crc32c = Crc32c::of(b"");
        Ok((Self { file, len, expected, at: 0, hashed: 0, crc32c, shared }, watch))
    }

    async fn read(&mut self) -> Result<Option<Bytes>, io::Error> {
        self.shared.reads.fetch_add(1, Ordering::Relaxed);
        let mut buffer = vec![0; CHUNK_LEN];
        let read = self.file.read(&mut buffer).await?;
        buffer.truncate(read);
        // After a resumption some bytes come again: they are hashed already.
        let start = self.at;
        self.at += read as u64;
        if (start..self.at).contains(&self.hashed) {
            let seen = usize::try_from(self.hashed - start).map_err(io::Error::other)?;
            self.crc32c = self.crc32c.append(&buffer[seen..]);
            self.hashed = self.at;
        }
        let is_complete = self.at >= self.len;
        let is_wrong = self.hashed != self.len || self.crc32c != self.expected;
        if (is_complete || read == 0) && is_wrong {
            self.shared.changed.store(true, Ordering::Relaxed);
            return Err(io::Error::other("the spool file changed"));
        }
        Ok((read > 0).then_some(buffer.into()))
    }
}

impl StreamingSource for Spool {
    type Error = io::Error;

    async fn next(&mut self) -> Option<Result<Bytes, io::Error>> {
        self.read().await.transpose()
    }

    async fn size_hint(&self) -> Result<SizeHint, io::Error> {
        Ok(SizeHint::with_exact(self.len))
    }
}

impl Seek for Spool {
    type Error = io::Error;

    async fn seek(&mut self, offset: u64) -> Result<(), io::Error> {
        self.at = self.file.seek(SeekFrom::Start(offset)).await?;
        Ok(())
    }
}

impl Watch {
    /// Ends when nothing was read for too long; until then it never does.
    pub(super) async fn stalled(&self) -> Stalled {
        loop {
            let before = self.shared.reads.load(Ordering::Relaxed);
            tokio::time::sleep(STALLED_AFTER).await;
            if self.shared.reads.load(Ordering::Relaxed) == before {
                return Stalled(STALLED_AFTER);
            }
        }
    }

    /// Whether the file is not the one that was hashed.
    pub(super) fn changed(&self) -> Option<BucketError> {
        let changed = self.shared.changed.load(Ordering::Relaxed);
        changed.then(|| BucketError::SpoolChanged { path: self.path.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn spool(bytes: &[u8], crc32c: Crc32c) -> (tempfile::TempDir, Spool, Watch) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        std::fs::write(&path, bytes).unwrap();
        let (spool, watch) = Spool::open(path, bytes.len() as u64, crc32c).await.unwrap();
        (folder, spool, watch)
    }

    async fn read_all(spool: &mut Spool) -> Result<usize, io::Error> {
        let mut read = 0;
        while let Some(chunk) = spool.next().await {
            read += chunk?.len();
        }
        Ok(read)
    }

    #[tokio::test]
    async fn a_resumed_upload_is_still_hashed_once() {
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * CHUNK_LEN + 17).collect();
        let (_folder, mut spool, watch) = spool(&bytes, Crc32c::of(&bytes)).await;
        spool.next().await.unwrap().unwrap();
        spool.next().await.unwrap().unwrap();
        spool.seek(CHUNK_LEN as u64 + 5).await.unwrap();
        assert_eq!(read_all(&mut spool).await.unwrap(), bytes.len() - CHUNK_LEN - 5);
        assert!(watch.changed().is_none());
    }

    #[tokio::test]
    async fn a_changed_file_never_ends_well() {
        let (_folder, mut spool, watch) = spool(b"these bytes", Crc32c::of(b"other bytes")).await;
        read_all(&mut spool).await.unwrap_err();
        assert!(matches!(watch.changed(), Some(BucketError::SpoolChanged { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_does_not_read_is_noticed() {
        let (_folder, _spool, watch) = spool(b"bytes", Crc32c::of(b"bytes")).await;
        let Stalled(after) = watch.stalled().await;
        assert_eq!(after, STALLED_AFTER);
    }
}
