//! The values that go into a bucket and come out of it.
//!
//! Used by whoever talks to a bucket and by every bucket; holds no bytes but those of small objects.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::bucket::{BucketError, ObjectKey, ObjectMeta};

/// The bytes of an object on their way out of a bucket.
pub type ObjectStream = Pin<Box<dyn Stream<Item = Result<Bytes, BucketError>> + Send>>;

/// The Castagnoli checksum that Google Cloud Storage keeps for every object.
///
/// Shown and written as Google does: base64 of the four bytes, highest first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Crc32c(pub u32);

/// What is put.
#[derive(Clone, Debug)]
pub enum Body {
    /// Something small that is in memory anyway.
    Bytes(Bytes),
    /// A spool file, streamed, so that memory does not grow with it.
    ///
    /// It is final: nobody writes to it any more, and a folder on the same disk may share its blocks.
    File {
        /// Where the file is; it may be deleted once the put is answered.
        path: PathBuf,
        /// Its length when it was hashed.
        len: u64,
        /// Its checksum, computed while it was written.
        crc32c: Crc32c,
    },
}

/// What must be true of the object that is there for a put or a delete to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    Always,
    /// There is none.
    Absent,
    /// It is this one and was not replaced.
    Generation(Generation),
}

/// Which of the objects that were ever under a key this is; each put makes a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub i64);

/// A part of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// The byte after the last, or to the end; an end beyond the object is the object's end.
    pub end: Option<u64>,
}

/// What a bucket knows about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its name.
    pub key: ObjectKey,
    /// How many bytes are stored.
    pub size: u64,
    /// Its checksum, `None` where only reading it would tell, as in a folder; a put always tells.
    pub crc32c: Option<Crc32c>,
    /// Which one it is.
    pub generation: Generation,
    /// When it was put.
    pub updated: OffsetDateTime,
    /// What is sent along with it.
    pub meta: ObjectMeta,
}

/// An object opened for reading.
pub struct Object {
    /// The whole object, whatever part is read.
    pub info: ObjectInfo,
    /// What is read: its first byte and the one after its last.
    pub range: std::ops::Range<u64>,
    /// The bytes as they are stored, packed if they are packed.
    ///
    /// It ends with an error when they are fewer, or do not match the checksum that the bucket keeps.
    pub body: ObjectStream,
}

/// Where a listing goes on, of meaning to the bucket that gave it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken(pub(super) String);

/// A part of a bucket's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Objects in the byte order of their keys.
    pub objects: Vec<ObjectInfo>,
    /// How to ask for what follows, `None` at the end.
    pub next: Option<PageToken>,
}

impl Crc32c {
    /// The checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(crc32c::crc32c(bytes))
    }

    /// The checksum of what this one covers followed by these bytes; start with that of nothing.
    #[must_use]
    pub fn append(self, bytes: &[u8]) -> Self {
        Self(crc32c::crc32c_append(self.0, bytes))
    }
}

impl fmt::Display for Crc32c {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.0.to_be_bytes()))
    }
}

impl fmt::Debug for Crc32c {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crc32c({self})")
    }
}

impl From<Crc32c> for String {
    fn from(crc32c: Crc32c) -> Self {
        crc32c.to_string()
    }
}

impl TryFrom<String> for Crc32c {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| "crc32c is not base64")?;
        let bytes = bytes.try_into().map_err(|_| "crc32c is not four bytes")?;
        Ok(Self(u32::from_be_bytes(bytes)))
    }
}

impl Body {
    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// Whether it has none, which is a valid object.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its checksum, computed for bytes, promised for a file.
    pub fn crc32c(&self) -> Crc32c {
        match self {
            Self::Bytes(bytes) => Crc32c::of(bytes),
            Self::File { crc32c, .. } => *crc32c,
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl Precondition {
    /// Whether it holds when this is what is there.
    pub fn allows(self, there: Option<Generation>) -> bool {
        match self {
            Self::Always => true,
            Self::Absent => there.is_none(),
            Self::Generation(wanted) => there == Some(wanted),
        }
    }
}

impl ByteRange {
    /// From a byte to the end.
    pub fn from(start: u64) -> Self {
        Self { start, end: None }
    }

    /// What it means for an object of this size, `None` when there is no such byte.
    pub fn within(self, size: u64) -> Option<std::ops::Range<u64>> {
        let end = self.end.unwrap_or(size).min(size);
        (self.start < end).then_some(self.start..end)
    }
}

impl Object {
    /// Reads a small object into memory, refusing one that is larger than `limit`.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, BucketError> {
        let wanted = self.range.end - self.range.start;
        if wanted > limit as u64 {
            return Err(BucketError::Invalid {
                what: format!("{} has {wanted} bytes, more than {limit}", self.info.key),
            });
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(wanted).unwrap_or(limit));
        while let Some(chunk) = self.body.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(bytes.freeze())
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("info", &self.info)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_written_as_google_writes_it() {
        // The example of RFC 3720: 32 bytes of zero.
        let zeros = Crc32c::of(&[0; 32]);
        assert_eq!(zeros, Crc32c(0x8a91_36aa));
        assert_eq!(zeros.to_string(), "ipE2qg==");
        assert_eq!(serde_json::to_string(&zeros).unwrap(), "\"ipE2qg==\"");
        assert_eq!(serde_json::from_str::<Crc32c>("\"ipE2qg==\"").unwrap(), zeros);
        assert!(serde_json::from_str::<Crc32c>("\"ipE2\"").is_err());
        assert_eq!(Crc32c::of(b"").append(b"ab").append(b"c"), Crc32c::of(b"abc"));
    }

    #[track_caller]
    fn check(start: u64, end: Option<u64>, size: u64, expected: Option<(u64, u64)>) {
        let range = ByteRange { start, end }.within(size);
        assert_eq!(range.map(|range| (range.start, range.end)), expected);
    }

    #[test]
    fn a_range_is_cut_to_the_object() {
        check(0, None, 10, Some((0, 10)));
        check(3, Some(5), 10, Some((3, 5)));
        check(3, Some(50), 10, Some((3, 10)));
        check(10, None, 10, None);
        check(5, Some(5), 10, None);
        check(0, None, 0, None);
    }
}
