//! Where the archive is kept: a place for whole objects under names, nothing more.
//!
//! Download, Thumbnail and Publisher write through [`Bucket`]; `serve`, `verify` and `doctor` read through it.
//! An object appears whole or not at all, whatever dies in between, so a crash here loses the transfer in flight.
//! What a bucket is made of is known only to the modules below; one suite, `tests/it/bucket_contract.rs`, binds them all.

mod checked;
mod error;
mod flaky;
mod folder;
mod gcs;
mod key;
mod lease;
mod memory;
mod meta;
mod object;
mod retry;
mod told;

use std::fmt::Debug;
use std::num::NonZeroUsize;

use async_trait::async_trait;

pub use self::error::{BucketError, Source};
pub use self::flaky::{Faults, FlakyBucket};
pub use self::folder::FolderBucket;
pub use self::gcs::{Admission, GcsBucket, GcsCredentials, GcsOptions, Inspection, Kept};
pub use self::key::{InvalidKey, ObjectKey};
pub use self::lease::{Holder, Lease, LeaseError, Leased};
pub use self::memory::{Counts, MemoryBucket};
pub use self::meta::ObjectMeta;
pub use self::object::{
    Body, ByteRange, Crc32c, Generation, Listing, Object, ObjectInfo, ObjectStream, PageToken,
    Precondition,
};
pub use self::retry::{RetryBucket, RetryPolicy};
pub use self::told::ToldBucket;

/// A place that keeps whole objects under names.
#[async_trait]
pub trait Bucket: Send + Sync + Debug {
    /// Stores `body` under `key`, replacing what is there when `when` allows it.
    ///
    /// Readers see what was there before or the whole of the new object.
    /// Bytes that do not match what [`Body::File`] promises are refused, unless the file itself becomes the object.
    /// What browsers are told follows from the key, see [`ObjectMeta`].
    async fn put(
        &self,
        key: &ObjectKey,
        body: Body,
        when: Precondition,
    ) -> Result<ObjectInfo, BucketError>;

    /// Opens an object for reading, whole or in part; what is read is of one generation.
    async fn get(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Object, BucketError>;

    /// Describes an object, `None` when there is none.
    async fn stat(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError>;

    /// Names objects whose key starts with `prefix`, in the byte order of their keys.
    ///
    /// At most `limit` at a time; fewer does not mean that these were the last, only [`Listing::next`] says so.
    /// An object whose name is no [`ObjectKey`] was put there by somebody else and is left out.
    async fn list(
        &self,
        prefix: &str,
        page: Option<PageToken>,
        limit: NonZeroUsize,
    ) -> Result<Listing, BucketError>;

    /// Removes an object; removing what is absent is fine, whatever `when` says.
    async fn delete(&self, key: &ObjectKey, when: Precondition) -> Result<(), BucketError>;
}
