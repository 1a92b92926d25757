//! A folder as a bucket, the default.
//!
//! An object is written below `.tmp/`, synced, and renamed to its name under a lock that all processes share;
//! a crash leaves at most a temporary, which the next opening sweeps away.
//! Headers follow from the name (see [`ObjectMeta`]); checksums are not kept, reading the file is what tells.

mod disk;
mod fault;
mod walk;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;

use self::disk::Disk;
use crate::bucket::checked::{Promise, checked};
use crate::bucket::{
    Body, Bucket, BucketError, ByteRange, Listing, Object, ObjectInfo, ObjectKey, PageToken,
    Precondition,
};

/// Large enough that a file is read in few calls, small enough to hold for each of many readers.
const READ_BUFFER_LEN: usize = 256 * 1024;

/// A folder as a bucket.
#[derive(Clone, Debug)]
pub struct FolderBucket {
    disk: Arc<Disk>,
}

impl FolderBucket {
    /// Opens a folder, making it when it is missing, and sweeps away what crashes left.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self, BucketError> {
        let root = root.into();
        let disk = blocking(move || Disk::open(&root)).await?;
        Ok(Self { disk: Arc::new(disk) })
    }

    /// The folder, as an absolute path without symbolic links.
    pub fn root(&self) -> &Path {
        self.disk.root()
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Disk) -> Result<T, BucketError> + Send + 'static,
    ) -> Result<T, BucketError> {
        let disk = Arc::clone(&self.disk);
        blocking(move || work(&disk)).await
    }
}

#[async_trait]
impl Bucket for FolderBucket {
    async fn put(
        &self,
        key: &ObjectKey,
        body: Body,
        when: Precondition,
    ) -> Result<ObjectInfo, BucketError> {
        let key = key.clone();
        self.on_disk(move |disk| disk.put(&key, &body, when)).await
    }

    async fn get(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Object, BucketError> {
        let opened = key.clone();
        let (file, info) = self.on_disk(move |disk| disk.open_object(&opened)).await?;
        let size = info.size;
        let range = match range {
            None => 0..size,
            Some(range) => range
                .within(size)
                .ok_or_else(|| BucketError::NoSuchRange { key: key.clone(), size })?,
        };
        let len = range.end - range.start;
        let mut file = tokio::fs::File::from_std(file);
        let unreadable = |error| self.disk.error("read an object", error);
        file.seek(SeekFrom::Start(range.start)).await.map_err(unreadable)?;

        let disk = Arc::clone(&self.disk);
        let chunks = ReaderStream::with_capacity(file.take(len), READ_BUFFER_LEN);
        let chunks = futures_util::StreamExt::map(chunks, move |chunk| {
            chunk.map_err(|error| disk.error("read an object", error))
        });
        let promise = Promise { key: key.clone(), len, crc32c: None };
        Ok(Object { info, range, body: checked(chunks, promise) })
    }

    async fn stat(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        let key = key.clone();
        self.on_disk(move |disk| disk.stat(&key)).await
    }

    async fn list(
        &self,
        prefix: &str,
        page: Option<PageToken>,
        limit: NonZeroUsize,
    ) -> Result<Listing, BucketError> {
        let prefix = prefix.to_owned();
        self.on_disk(move |disk| disk.list(&prefix, page, limit)).await
    }

    async fn delete(&self, key: &ObjectKey, when: Precondition) -> Result<(), BucketError> {
        let key = key.clone();
        self.on_disk(move |disk| disk.delete(&key, when)).await
    }
}

/// Disks block, sometimes for seconds; the runtime's own threads must not.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BucketError> + Send + 'static,
) -> Result<T, BucketError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Err(BucketError::Unavailable {
                action: "use the folder while stopping",
                retry_after: None,
                source: cancelled.into(),
            }),
        },
    }
}
