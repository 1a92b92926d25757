//! What the page reads, and the page itself: pure functions from the catalogue's rows to files.
//!
//! The Publisher puts what comes out of here into the bucket, the manifest last. `docs/format.md` describes the files.

pub mod record;
pub mod shard;
pub mod manifest;
pub mod people;
pub mod coverage;
pub mod published;
pub mod page;

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;
use sha2::Digest;

use crate::bucket::ObjectKey;

/// So much of a hash names a file: with 128 bits, neither chance nor guessing finds another's name.
const NAME: usize = 16;

/// A file for the bucket whose name says what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Its name.
    pub path: String,
    /// A gzip stream of JSON.
    pub bytes: Bytes,
}

impl Packed {
    /// Packs a value under `<stem>-<hash>.json.gz`.
    pub fn new(stem: &str, value: &impl Serialize) -> Self {
        let json = serde_json::to_vec(value).expect("the page's data is plain data");
        let hash = hex::encode(&sha2::Sha256::digest(&json)[..NAME]);
        // The best level: it is packed once and read many times.
        let mut gzip = GzEncoder::new(Vec::with_capacity(json.len() / 4), Compression::best());
        gzip.write_all(&json).expect("memory takes every byte");
        let bytes = gzip.finish().expect("memory takes every byte").into();
        Self { path: format!("{stem}-{hash}.json.gz"), bytes }
    }

    /// Its name, checked.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(self.path.clone()).expect("made of ids and hashes")
    }
}
