//! Ports that have no effect any more once their process is dead, and that may be where it dies: the bucket, and the
//! disk under the store, which fails at times besides.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bowerbird::{
    bucket::{
        Body, Bucket, BucketError, ByteRange, Listing, Object, ObjectInfo, ObjectKey, PageToken,
        Precondition,
    },
    store::{Kv, KvError, MemoryKv, Rows, Work, Writes},
};

use super::{
    baton::Errands,
    dice::Dice,
    fate::{Fate, Step},
    point,
    weather::Weather,
};

/// A bucket, as a process sees it.
#[derive(Debug)]
pub(super) struct MortalBucket {
    pub(super) inner: Arc<dyn Bucket>,
    /// What its objects are called besides, when it is not the public one.
    pub(super) of: &'static str,
    pub(super) fate: Fate,
}

impl MortalBucket {
    fn name(&self, key: &ObjectKey) -> &'static str {
        let object = point::object(key);
        if self.of.is_empty() { object } else { point::name(format!("{} {object}", self.of)) }
    }
}

#[async_trait]
impl Bucket for MortalBucket {
    async fn put(
        &self,
        key: &ObjectKey,
        body: Body,
        when: Precondition,
    ) -> Result<ObjectInfo, BucketError> {
        let name = self.name(key);
        let (before, after) = match name {
            "manifest" => (Step::Manifest, Step::ManifestDone),
            _ => (Step::Put, Step::PutDone),
        };
        self.fate.reach(before, name).await;
        let put = self.inner.put(key, body, when).await;
        tracing::debug!(bucket = self.of, %key, ok = put.is_ok(), "put");
        self.fate.reach(after, name).await;
        put
    }

    async fn get(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Object, BucketError> {
        let got = self.inner.get(key, range).await;
        self.fate.reach(Step::Got, self.name(key)).await;
        got
    }

    async fn stat(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        self.inner.stat(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        page: Option<PageToken>,
        limit: std::num::NonZeroUsize,
    ) -> Result<Listing, BucketError> {
        self.inner.list(prefix, page, limit).await
    }

    async fn delete(&self, key: &ObjectKey, when: Precondition) -> Result<(), BucketError> {
        let name = self.name(key);
        self.fate.reach(Step::Delete, name).await;
        let deleted = self.inner.delete(key, when).await;
        tracing::debug!(bucket = self.of, %key, ok = deleted.is_ok(), "deleted");
        self.fate.reach(Step::DeleteDone, name).await;
        deleted
    }
}

/// The disk under the store, as a process sees it.
#[derive(Debug)]
pub(super) struct MortalDisk {
    inner: Arc<MemoryKv>,
    fate: Fate,
    dice: Dice,
    weather: Weather,
    errands: Errands,
    /// What was written since the last flush.
    unflushed: Mutex<BTreeSet<&'static str>>,
}

impl MortalDisk {
    pub(super) fn new(
        inner: Arc<MemoryKv>,
        fate: Fate,
        dice: Dice,
        weather: Weather,
        errands: Errands,
    ) -> Self {
        Self { inner, fate, dice, weather, errands, unflushed: Mutex::default() }
    }

    fn fails(&self, call: &'static str) -> bool {
        let fails = self.dice.throw(("disk", call)) < self.weather.now().disk_fails;
        if fails {
            self.weather.meets(call);
        }
        fails
    }

    fn survives(&self, step: Step) -> bool {
        let unflushed = self.unflushed.lock().expect("no holder of this lock panics").clone();
        self.fate.survives(step, unflushed)
    }
}

impl Kv for MortalDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.inner.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Rows, KvError> {
        self.inner.scan(from, to, limit)
    }

    fn commit(&self, writes: &Writes) -> Result<(), KvError> {
        let rows = point::rows(writes);
        if !self.fate.survives(Step::Commit, rows.clone()) {
            return Err(dead());
        }
        if self.fails("disk: full") {
            return Err(KvError::Full);
        }
        self.inner.commit(writes)?;
        self.unflushed.lock().expect("no holder of this lock panics").extend(rows);
        Ok(())
    }

    fn flush(&self) -> Result<(), KvError> {
        if !self.survives(Step::Flush) {
            return Err(dead());
        }
        if self.fails("disk: not flushed") {
            return Err(KvError::Io { reason: "weather".to_owned() });
        }
        self.inner.flush()?;
        if !self.survives(Step::Flushed) {
            return Err(dead());
        }
        self.unflushed.lock().expect("no holder of this lock panics").clear();
        if self.fails("disk: flushed, and told otherwise") {
            return Err(KvError::Io { reason: "weather".to_owned() });
        }
        Ok(())
    }

    fn size_on_disk(&self) -> Result<u64, KvError> {
        self.inner.size_on_disk()
    }

    fn aside(&self, work: Work) {
        self.errands.add(work);
    }
}

fn dead() -> KvError {
    KvError::Io { reason: "the process is dead".to_owned() }
}
