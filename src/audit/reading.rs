//! Reads objects to their end, and tells whether their bytes are what their names promise.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use futures_util::StreamExt;
use sha2::{Digest, Sha256 as Hasher};

use super::{finding::Fault, name::Name};
use crate::{
    bucket::{Bucket, BucketError, Crc32c, ObjectKey},
    domain::entry::Sha256,
};

/// The longest data that is believed: a shard has 1,000 entries of at most some 30 KB, the file of people grows with
/// those who post, some 100 bytes each.
const LONGEST: usize = 256 << 20;

/// Bytes that were read and found right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// How many.
    pub size: u64,
    /// Their checksum.
    pub crc32c: Crc32c,
    /// What the bucket calls this version of the object.
    pub stamp: i64,
}

/// Why an object is not proven.
#[derive(Debug)]
pub enum Unproven {
    /// It is not what it should be.
    Bad(Fault),
    /// The bucket does not answer, so nothing can be said.
    Away(BucketError),
}

/// Reads an object whose name carries the hash of its bytes.
pub async fn prove(bucket: &dyn Bucket, object: &str, sha256: Sha256) -> Result<Proof, Unproven> {
    let key = key(object)?;
    let mut object = bucket.get(&key, None).await.map_err(unread)?;
    let (mut hasher, mut crc32c, mut size) = (Hasher::new(), Crc32c::of(b""), 0);
    while let Some(chunk) = object.body.next().await {
        let chunk = chunk.map_err(unread)?;
        hasher.update(&chunk);
        crc32c = crc32c.append(&chunk);
        size += chunk.len() as u64;
    }
    if <[u8; 32]>::from(hasher.finalize()) != sha256.0 {
        return Err(Unproven::Bad(Fault::WrongBytes));
    }
    Ok(Proof { size, crc32c, stamp: object.info.generation.0 })
}

/// Reads data that the page reads: unpacks it, and compares it with the hash in its name, where there is one.
pub async fn unpack(bucket: &dyn Bucket, object: &str) -> Result<(u64, Vec<u8>), Unproven> {
    let key = key(object)?;
    let read = async { bucket.get(&key, None).await?.bytes(LONGEST).await };
    let bytes: Bytes = read.await.map_err(unread)?;
    let size = bytes.len() as u64;
    let Some(hash) = Name::of(object).packed().map(str::to_owned) else {
        return Ok((size, bytes.into()));
    };
    let unpacked = tokio::task::spawn_blocking(move || {
        let mut json = Vec::new();
        let limit = LONGEST as u64;
        GzDecoder::new(&bytes[..]).take(limit).read_to_end(&mut json).map(|_| json)
    });
    let json = unpacked
        .await
        .expect("unpacking does not panic")
        .map_err(|error| Unproven::Bad(Fault::Unreadable { why: error.to_string() }))?;
    // The name has the first half of the hash.
    if !hex::encode(Hasher::digest(&json)).starts_with(&hash) {
        return Err(Unproven::Bad(Fault::WrongBytes));
    }
    Ok((size, json))
}

fn key(object: &str) -> Result<ObjectKey, Unproven> {
    let why = |error: crate::bucket::InvalidKey| Fault::Unreadable { why: error.to_string() };
    ObjectKey::new(object).map_err(|error| Unproven::Bad(why(error)))
}

/// What a bucket's refusal tells of an object, if it tells anything of it.
fn unread(error: BucketError) -> Unproven {
    match error {
        BucketError::NotFound { .. } => Unproven::Bad(Fault::Missing),
        BucketError::Corrupt { .. }
        | BucketError::WrongLength { .. }
        | BucketError::Invalid { .. }
        | BucketError::NoSuchRange { .. } => {
            Unproven::Bad(Fault::Unreadable { why: error.to_string() })
        }
        // Replaced while it was read: the next look sees the new one.
        BucketError::PreconditionFailed { .. }
        | BucketError::Denied { .. }
        | BucketError::NoSuchBucket { .. }
        | BucketError::SpoolChanged { .. }
        | BucketError::Timeout { .. }
        | BucketError::Unavailable { .. }
        | BucketError::Full { .. }
        | BucketError::Broken { .. } => Unproven::Away(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bucket::{MemoryBucket, Precondition},
        gallery::Packed,
    };

    async fn put(bucket: &MemoryBucket, object: &str, bytes: impl Into<Bytes>) {
        let key = ObjectKey::new(object).unwrap();
        bucket.put(&key, bytes.into().into(), Precondition::Always).await.unwrap();
    }

    #[tokio::test]
    async fn bytes_prove_a_name_or_do_not() {
        let bucket = MemoryBucket::new();
        let sha256 = Sha256(Hasher::digest(b"owl").into());
        let object = format!("media/{sha256}.bin");
        let missing = prove(&bucket, &object, sha256).await;
        assert!(matches!(missing, Err(Unproven::Bad(Fault::Missing))), "{missing:?}");
        put(&bucket, &object, &b"owl"[..]).await;
        let proof = prove(&bucket, &object, sha256).await.unwrap();
        assert_eq!((proof.size, proof.crc32c), (3, Crc32c::of(b"owl")));
        put(&bucket, &object, &b"owk"[..]).await;
        let wrong = prove(&bucket, &object, sha256).await;
        assert!(matches!(wrong, Err(Unproven::Bad(Fault::WrongBytes))), "{wrong:?}");
    }

    #[tokio::test]
    async fn data_that_is_not_what_its_name_says_is_found() {
        let bucket = MemoryBucket::new();
        let one = Packed::new("messages/1/2024-03", &"one");
        let two = Packed::new("messages/1/2024-03", &"two");
        put(&bucket, &one.path, one.bytes.clone()).await;
        assert_eq!(unpack(&bucket, &one.path).await.unwrap().1, br#""one""#);
        put(&bucket, &one.path, two.bytes).await;
        let swapped = unpack(&bucket, &one.path).await;
        assert!(matches!(swapped, Err(Unproven::Bad(Fault::WrongBytes))), "{swapped:?}");
        put(&bucket, &one.path, one.bytes.slice(..one.bytes.len() - 4)).await;
        let cut = unpack(&bucket, &one.path).await;
        assert!(matches!(cut, Err(Unproven::Bad(Fault::Unreadable { .. }))), "{cut:?}");
    }
}
