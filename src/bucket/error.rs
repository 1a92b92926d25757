//! How a bucket fails, with what is needed to act on it.
//!
//! Made by every bucket; the retry decorator asks it whether to try again, people read it in logs and from `doctor`.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::bucket::{Crc32c, ObjectKey};

/// Whatever the layer below said.
pub type Source = Box<dyn StdError + Send + Sync>;

/// Why a bucket did not do what it was asked.
#[derive(Debug, Error)]
pub enum BucketError {
    /// There is no such object.
    #[error("object {key} does not exist")]
    NotFound {
        /// What was asked for.
        key: ObjectKey,
    },
    /// Somebody else put or removed the object first.
    #[error("object {key} is not what it was expected to be")]
    PreconditionFailed {
        /// What was to be changed.
        key: ObjectKey,
    },
    /// The object ends before the range that was asked for.
    #[error("object {key} has {size} bytes and none in the range that was asked for")]
    NoSuchRange {
        /// What was asked for.
        key: ObjectKey,
        /// How many bytes it has.
        size: u64,
    },
    /// These credentials, or this user, may not do that.
    #[error("{bucket} does not let us {action}: {remedy}")]
    Denied {
        /// The bucket or folder.
        bucket: String,
        /// What we tried.
        action: &'static str,
        /// What a person can do about it.
        remedy: String,
        /// What the layer below said.
        #[source]
        source: Option<Source>,
    },
    /// The bucket itself is missing.
    #[error("{bucket} does not exist: {remedy}")]
    NoSuchBucket {
        /// The bucket or folder.
        bucket: String,
        /// What a person can do about it.
        remedy: String,
    },
    /// The file to put is not the one that was hashed, so it has to be fetched again.
    #[error("spool file {} is not what it was when it was hashed", path.display())]
    SpoolChanged {
        /// Where the file is.
        path: PathBuf,
    },
    /// Bytes do not match their checksum.
    #[error("object {key} has checksum {found} instead of {expected}")]
    Corrupt {
        /// What was read or written.
        key: ObjectKey,
        /// What the checksum should be.
        expected: Crc32c,
        /// What it is.
        found: Crc32c,
    },
    /// Bytes that were read are fewer than there are, or more.
    #[error("{found} bytes of object {key} came instead of {expected}")]
    WrongLength {
        /// What was read.
        key: ObjectKey,
        /// How many there should be.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// No answer in time.
    #[error("no answer within {after:?} to {action}")]
    Timeout {
        /// What we tried.
        action: &'static str,
        /// How long we waited.
        after: Duration,
    },
    /// Overloaded, restarting, unreachable.
    #[error("cannot {action} at the moment")]
    Unavailable {
        /// What we tried.
        action: &'static str,
        /// How long the other side asks us to wait.
        retry_after: Option<Duration>,
        /// What the layer below said.
        #[source]
        source: Source,
    },
    /// The disk or the quota is full; there is room again when somebody makes some.
    #[error("{bucket} is full")]
    Full {
        /// The bucket or folder.
        bucket: String,
    },
    /// The request made no sense, here or to the other side.
    #[error("{what}")]
    Invalid {
        /// What was wrong with it.
        what: String,
    },
    /// Anything that no retry and no person but a programmer mends.
    #[error("cannot {action}")]
    Broken {
        /// What we tried.
        action: &'static str,
        /// What the layer below said.
        #[source]
        source: Source,
    },
}

impl BucketError {
    /// Whether the same call may succeed a moment later. No `_` arm: a new variant must choose.
    pub fn is_transient(&self) -> bool {
        match self {
            // Damaged or cut on the way as likely as at the source.
            Self::Corrupt { .. }
            | Self::WrongLength { .. }
            | Self::Timeout { .. }
            | Self::Unavailable { .. } => true,
            // A full disk needs a person or a pause that is longer than any back-off here.
            Self::Full { .. }
            | Self::NotFound { .. }
            | Self::PreconditionFailed { .. }
            | Self::SpoolChanged { .. }
            | Self::NoSuchRange { .. }
            | Self::Denied { .. }
            | Self::NoSuchBucket { .. }
            | Self::Invalid { .. }
            | Self::Broken { .. } => false,
        }
    }

    /// How long the other side asked us to wait before the next call.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
