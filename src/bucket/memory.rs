//! A bucket in memory, for tests that need no disk and want to know what was asked of it.
//!
//! A crash loses all of it; clones share their contents, so a test keeps one and looks into it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::bucket::checked::{Promise, checked};
use crate::bucket::{
    Body, Bucket, BucketError, ByteRange, Crc32c, Generation, Listing, Object, ObjectInfo,
    ObjectKey, ObjectMeta, PageToken, Precondition,
};

/// Small, so that even a short object comes in pieces and readers must put them together.
const CHUNK_LEN: usize = 64 * 1024;

/// A bucket in memory.
#[derive(Clone, Debug)]
pub struct MemoryBucket {
    contents: Arc<Mutex<Contents>>,
}

/// What was asked of a [`MemoryBucket`] so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Puts that replaced or created an object.
    pub puts: u64,
    /// Puts that their precondition refused.
    pub refused_puts: u64,
    /// Objects opened for reading.
    pub gets: u64,
    /// Objects described.
    pub stats: u64,
    /// Pages listed.
    pub lists: u64,
    /// Objects removed.
    pub deletes: u64,
    /// Bytes of all puts that happened.
    pub bytes_in: u64,
    /// Bytes of all reads, counted when they are opened.
    pub bytes_out: u64,
}

#[derive(Debug)]
struct Contents {
    // Moves with Tokio's clock, so that on paused time objects age as everything else does.
    started: (OffsetDateTime, Instant),
    objects: BTreeMap<ObjectKey, (ObjectInfo, Bytes)>,
    last_generation: i64,
    counts: Counts,
}

impl MemoryBucket {
    /// An empty bucket.
    pub fn new() -> Self {
        let contents = Contents {
            started: (OffsetDateTime::now_utc(), Instant::now()),
            objects: BTreeMap::new(),
            last_generation: 0,
            counts: Counts::default(),
        };
        Self { contents: Arc::new(Mutex::new(contents)) }
    }

    /// What was asked so far.
    pub fn counts(&self) -> Counts {
        self.contents().counts
    }

    /// Everything that is there, not counted as a read.
    pub fn objects(&self) -> BTreeMap<ObjectKey, Bytes> {
        let contents = self.contents();
        contents.objects.iter().map(|(key, (_, bytes))| (key.clone(), bytes.clone())).collect()
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().expect("nothing panics while it holds the contents")
    }
}

impl Default for MemoryBucket {
    fn default() -> Self {
        Self::new()
    }
}

impl Contents {
    fn now(&self) -> OffsetDateTime {
        let (time, instant) = self.started;
        time + instant.elapsed()
    }
}

#[async_trait]
impl Bucket for MemoryBucket {
    async fn put(
        &self,
        key: &ObjectKey,
        body: Body,
        when: Precondition,
    ) -> Result<ObjectInfo, BucketError> {
        let (len, crc32c) = (body.len(), body.crc32c());
        let bytes = match body {
            Body::Bytes(bytes) => bytes,
            Body::File { path, .. } => read_spool(path, len, crc32c).await?,
        };

        let mut contents = self.contents();
        let there = contents.objects.get(key).map(|(info, _)| info.generation);
        if !when.allows(there) {
            contents.counts.refused_puts += 1;
            return Err(BucketError::PreconditionFailed { key: key.clone() });
        }
        contents.counts.puts += 1;
        contents.counts.bytes_in += len;
        contents.last_generation += 1;
        let info = ObjectInfo {
            key: key.clone(),
            size: len,
            crc32c: Some(crc32c),
            generation: Generation(contents.last_generation),
            updated: contents.now(),
            meta: ObjectMeta::of(key),
        };
        contents.objects.insert(key.clone(), (info.clone(), bytes));
        Ok(info)
    }

    async fn get(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Object, BucketError> {
        let mut contents = self.contents();
        contents.counts.gets += 1;
        let Some((info, bytes)) = contents.objects.get(key).cloned() else {
            return Err(BucketError::NotFound { key: key.clone() });
        };
        let size = info.size;
        let range = match range {
            None => 0..size,
            Some(range) => range
                .within(size)
                .ok_or_else(|| BucketError::NoSuchRange { key: key.clone(), size })?,
        };
        contents.counts.bytes_out += range.end - range.start;
        let part = bytes.slice(as_index(range.start)..as_index(range.end));
        let whole = range == (0..size);
        let promise = Promise {
            key: key.clone(),
            len: part.len() as u64,
            crc32c: info.crc32c.filter(|_| whole),
        };
        Ok(Object { info, range, body: checked(stream::iter(chunks(part)), promise) })
    }

    async fn stat(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        let mut contents = self.contents();
        contents.counts.stats += 1;
        Ok(contents.objects.get(key).map(|(info, _)| info.clone()))
    }

    async fn list(
        &self,
        prefix: &str,
        page: Option<PageToken>,
        limit: NonZeroUsize,
    ) -> Result<Listing, BucketError> {
        let mut contents = self.contents();
        contents.counts.lists += 1;
        let after = page.and_then(|PageToken(key)| ObjectKey::new(key).ok());
        let start = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = contents
            .objects
            .range((start, Bound::Unbounded))
            .map(|(_, (info, _))| info)
            .filter(|info| info.key.as_str().starts_with(prefix));
        let objects: Vec<_> = found.by_ref().take(limit.get()).cloned().collect();
        let more = found.next().is_some();
        let next =
            objects.last().filter(|_| more).map(|last| PageToken(last.key.as_str().to_owned()));
        Ok(Listing { objects, next })
    }

    async fn delete(&self, key: &ObjectKey, when: Precondition) -> Result<(), BucketError> {
        let mut contents = self.contents();
        let there = contents.objects.get(key).map(|(info, _)| info.generation);
        if there.is_some() && !when.allows(there) {
            return Err(BucketError::PreconditionFailed { key: key.clone() });
        }
        if contents.objects.remove(key).is_some() {
            contents.counts.deletes += 1;
        }
        Ok(())
    }
}

async fn read_spool(path: PathBuf, len: u64, crc32c: Crc32c) -> Result<Bytes, BucketError> {
    let bytes = tokio::fs::read(&path).await.map_err(|error| BucketError::Broken {
        action: "read the spool file",
        source: error.into(),
    })?;
    if bytes.len() as u64 != len || Crc32c::of(&bytes) != crc32c {
        return Err(BucketError::SpoolChanged { path });
    }
    Ok(bytes.into())
}

fn chunks(mut bytes: Bytes) -> impl Iterator<Item = Result<Bytes, BucketError>> {
    std::iter::from_fn(move || {
        let len = bytes.len().min(CHUNK_LEN);
        (len > 0).then(|| Ok(bytes.split_to(len)))
    })
}

/// What is in memory is indexed by `usize`.
fn as_index(offset: u64) -> usize {
    usize::try_from(offset).expect("an offset within bytes in memory fits")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_counts_and_ages_with_the_test() {
        let bucket = MemoryBucket::new();
        let key = ObjectKey::new("a").unwrap();
        let put = |when| bucket.put(&key, b"12345".to_vec().into(), when);
        let first = put(Precondition::Absent).await.unwrap();
        tokio::time::sleep(Duration::from_hours(1)).await;
        put(Precondition::Absent).await.unwrap_err();
        let second = put(Precondition::Always).await.unwrap();
        assert_eq!(second.updated - first.updated, Duration::from_hours(1));

        bucket.get(&key, Some(ByteRange::from(2))).await.unwrap();
        bucket.stat(&key).await.unwrap();
        bucket.delete(&key, Precondition::Always).await.unwrap();
        bucket.delete(&key, Precondition::Always).await.unwrap();
        let expected = Counts {
            puts: 2,
            refused_puts: 1,
            gets: 1,
            stats: 1,
            lists: 0,
            deletes: 1,
            bytes_in: 10,
            bytes_out: 3,
        };
        assert_eq!(bucket.counts(), expected);
    }
}
