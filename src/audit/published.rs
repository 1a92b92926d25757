//! The page's data as readers read it, see `docs/format.md`: only what leads to objects, and what tells entries apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    finding::Fault,
    reading::{Unproven, unpack},
};
use crate::{
    bucket::Bucket,
    domain::{entry::Sha256, id::ChannelId},
};

/// The root.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    /// Counts publications.
    pub generation: u64,
    /// What visitors read above the page.
    pub title: String,
    /// The file of people.
    pub users: Option<String>,
    /// Entries and more, in sum.
    pub totals: Totals,
    /// Channels with their indexes.
    pub channels: Vec<Channel>,
}

/// Entries in sum.
#[derive(Clone, Debug, Deserialize)]
pub struct Totals {
    /// How many.
    pub entries: u64,
}

/// A channel.
#[derive(Clone, Debug, Deserialize)]
pub struct Channel {
    /// Which.
    pub id: ChannelId,
    /// How many entries it has.
    pub entries: u64,
    /// Its index.
    pub index: Option<String>,
}

/// The shards of a channel.
#[derive(Clone, Debug, Deserialize)]
pub struct Index {
    /// Which channel.
    pub channel: ChannelId,
    /// Newest first.
    pub shards: Vec<Listed>,
}

/// A shard of an index.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Listed {
    /// Its object.
    pub path: String,
    /// How many entries it has.
    pub count: u64,
}

/// Entries.
#[derive(Clone, Debug, Deserialize)]
pub struct Shard {
    /// Newest first.
    pub entries: Vec<Shown>,
}

/// An entry, as far as it tells where its bytes are. Names of keys are those of `docs/format.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its name.
    #[serde(rename = "Id")]
    pub id: String,
    /// Its file.
    #[serde(rename = "Media")]
    pub media: Option<String>,
    /// Its still.
    #[serde(rename = "Thumbnail")]
    pub still: Option<String>,
    /// In bytes.
    #[serde(rename = "Size")]
    pub size: u64,
    /// The hash of its file.
    #[serde(rename = "Sha256")]
    pub sha256: Option<String>,
    /// The checksum of its file.
    #[serde(rename = "Crc32c")]
    pub crc32c: Option<String>,
    /// Why the file can't be had.
    #[serde(rename = "Gone")]
    pub gone: Option<String>,
}

/// The file of people.
#[derive(Clone, Debug, Deserialize)]
pub struct People {
    /// By id.
    pub users: BTreeMap<String, Person>,
}

/// Somebody.
#[derive(Clone, Debug, Deserialize)]
pub struct Person {
    /// The object with their picture.
    pub avatar: Option<String>,
}

/// Reads one of these files, and tells how long it is in the bucket.
pub async fn read<T: for<'a> Deserialize<'a>>(
    bucket: &dyn Bucket,
    object: &str,
) -> Result<(u64, T), Unproven> {
    let (size, json) = unpack(bucket, object).await?;
    match serde_json::from_slice(&json) {
        Ok(value) => Ok((size, value)),
        Err(error) => Err(Unproven::Bad(Fault::Unreadable { why: error.to_string() })),
    }
}

impl Shown {
    /// What contradicts itself in this entry.
    pub fn contradiction(&self) -> Option<String> {
        let named = self.media.as_deref()?;
        let sha256 = self.sha256.as_deref().and_then(|hash| hash.parse::<Sha256>().ok());
        match super::name::Name::of(named).sha256() {
            Some(hash) if Some(hash) == sha256 => None,
            _ => {
                Some(format!("entry {} names {named}, which is not the file of its hash", self.id))
            }
        }
    }
}
