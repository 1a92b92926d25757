//! Tells people that a bucket takes nothing, and that it does again: once each, however many objects wait.
//!
//! A decorator, outside of the retries: what it sees is what those who put have to wait for. It keeps nothing.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tracing::{error, info};

use crate::bucket::{
    Body, Bucket, BucketError, ByteRange, Listing, Object, ObjectInfo, ObjectKey, PageToken,
    Precondition,
};

/// A bucket whose outages are told.
#[derive(Clone, Debug)]
pub struct ToldBucket {
    inner: Arc<dyn Bucket>,
    away: Arc<AtomicBool>,
}

impl ToldBucket {
    /// Tells of this bucket.
    pub fn new(inner: Arc<dyn Bucket>) -> Self {
        Self { inner, away: Arc::default() }
    }

    fn heard(&self, result: &Result<ObjectInfo, BucketError>) {
        match result {
            Err(error) if is_outage(error) => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    error!(%error, "the bucket takes nothing: work waits, and goes on by itself when it does");
                }
            }
            Ok(_) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    info!("the bucket takes objects again");
                }
            }
            // This one object was refused; of the bucket it tells nothing.
            Err(_) => {}
        }
    }
}

/// Whether any other object would be refused as well.
fn is_outage(error: &BucketError) -> bool {
    match error {
        BucketError::Full { .. }
        | BucketError::Denied { .. }
        | BucketError::NoSuchBucket { .. }
        | BucketError::Timeout { .. }
        | BucketError::Unavailable { .. } => true,
        BucketError::NotFound { .. }
        | BucketError::PreconditionFailed { .. }
        | BucketError::NoSuchRange { .. }
        | BucketError::SpoolChanged { .. }
        | BucketError::Corrupt { .. }
        | BucketError::WrongLength { .. }
        | BucketError::Invalid { .. }
        | BucketError::Broken { .. } => false,
    }
}

#[async_trait]
impl Bucket for ToldBucket {
    async fn put(
        &self,
        key: &ObjectKey,
        body: Body,
        when: Precondition,
    ) -> Result<ObjectInfo, BucketError> {
        let result = self.inner.put(key, body, when).await;
        self.heard(&result);
        result
    }

    async fn get(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Object, BucketError> {
        self.inner.get(key, range).await
    }

    async fn stat(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        self.inner.stat(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        page: Option<PageToken>,
        limit: NonZeroUsize,
    ) -> Result<Listing, BucketError> {
        self.inner.list(prefix, page, limit).await
    }

    async fn delete(&self, key: &ObjectKey, when: Precondition) -> Result<(), BucketError> {
        self.inner.delete(key, when).await
    }
}
