//! The page's data as any reader gets it: manifest, indexes, shards, people; unpacked, and put together.
//!
//! Written after docs/format.md and sharing nothing with the service, so that the two can disagree.

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use flate2::read::GzDecoder;
use serde::{Deserialize, de::DeserializeOwned};

/// The one name that never changes.
pub(crate) const MANIFEST: &str = "messages/manifest.json";

/// Where objects are read from: the bucket's folder, or an address that serves it.
pub(crate) trait Objects {
    /// The whole object.
    async fn get(&self, path: &str) -> Result<Vec<u8>, ReadError>;
}

/// Why the page's data could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// There is no such object.
    #[error("{path} is not there")]
    Missing { path: String },
    /// The object could not be fetched.
    #[error("read {path}: {reason}")]
    Failed { path: String, reason: String },
    /// It is not what docs/format.md says.
    #[error("{path} is malformed: {reason}")]
    Malformed { path: String, reason: String },
}

/// Everything that the page shows.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The root.
    pub(crate) manifest: Manifest,
    /// What each channel's index says, by channel.
    pub(crate) indexes: BTreeMap<String, Index>,
    /// Every entry of every shard, as often as it stands there.
    pub(crate) entries: Vec<Entry>,
    /// Authors by id.
    pub(crate) users: BTreeMap<String, User>,
    /// Where the data contradicts itself.
    pub(crate) contradictions: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) version: u32,
    pub(crate) generation: u64,
    pub(crate) title: String,
    pub(crate) totals: Totals,
    pub(crate) users: Option<String>,
    pub(crate) channels: Vec<Channel>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Totals {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Channel {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) entries: u64,
    pub(crate) index: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Index {
    pub(crate) channel: String,
    pub(crate) threads: Vec<Thread>,
    pub(crate) shards: Vec<Shard>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Thread {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) entries: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Shard {
    pub(crate) path: String,
    pub(crate) count: u64,
}

#[derive(Deserialize)]
struct Entries {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    pub(crate) id: String,
    #[serde(rename = "channelId")]
    pub(crate) channel: String,
    #[serde(rename = "posterId")]
    pub(crate) poster_id: String,
    pub(crate) poster: String,
    pub(crate) description: String,
    pub(crate) kind: String,
    pub(crate) size: u64,
    pub(crate) media: Option<String>,
    pub(crate) thumbnail: Option<String>,
    pub(crate) sha256: Option<String>,
    pub(crate) spoiler: bool,
    #[serde(rename = "Edited_at")]
    pub(crate) edited_at: Option<String>,
    pub(crate) gone: Option<String>,
}

#[derive(Deserialize)]
struct Users {
    users: BTreeMap<String, User>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) avatar: Option<String>,
}

impl Page {
    /// Reads everything, from the manifest down.
    pub(crate) async fn read(objects: &impl Objects) -> Result<Self, ReadError> {
        let manifest = plain(objects, MANIFEST).await?;
        Self::below(objects, manifest).await
    }

    /// Reads everything below a manifest.
    pub(crate) async fn below(
        objects: &impl Objects,
        manifest: Manifest,
    ) -> Result<Self, ReadError> {
        let mut page = Self { manifest, ..Self::default() };
        for channel in page.manifest.channels.clone() {
            let Some(path) = &channel.index else { continue };
            let index: Index = packed(objects, path).await?;
            page.take_shards(objects, &channel, &index).await?;
            page.indexes.insert(channel.id, index);
        }
        if let Some(path) = &page.manifest.users {
            page.users = packed::<Users>(objects, path).await?.users;
        }
        Ok(page)
    }

    async fn take_shards(
        &mut self,
        objects: &impl Objects,
        channel: &Channel,
        index: &Index,
    ) -> Result<(), ReadError> {
        if index.channel != channel.id {
            self.contradictions.push(format!("the index of {} says {}", channel.id, index.channel));
        }
        for shard in &index.shards {
            let Entries { entries } = packed(objects, &shard.path).await?;
            if entries.len() as u64 != shard.count {
                let (path, count, held) = (&shard.path, shard.count, entries.len());
                self.contradictions.push(format!("{path} holds {held} entries, not {count}"));
            }
            self.entries.extend(entries);
        }
        Ok(())
    }
}

/// Reads the manifest alone.
pub(crate) async fn manifest(objects: &impl Objects) -> Result<Manifest, ReadError> {
    plain(objects, MANIFEST).await
}

async fn plain<T: DeserializeOwned>(objects: &impl Objects, path: &str) -> Result<T, ReadError> {
    parse(path, &objects.get(path).await?)
}

async fn packed<T: DeserializeOwned>(objects: &impl Objects, path: &str) -> Result<T, ReadError> {
    let bytes = objects.get(path).await?;
    let json = gunzip(&bytes).map_err(|error| malformed(path, &error))?;
    parse(path, &json)
}

fn parse<T: DeserializeOwned>(path: &str, json: &[u8]) -> Result<T, ReadError> {
    serde_json::from_slice(json).map_err(|error| malformed(path, &error))
}

fn malformed(path: &str, reason: &dyn std::error::Error) -> ReadError {
    ReadError::Malformed { path: path.to_owned(), reason: reason.to_string() }
}

fn gunzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{collections::HashMap, io::Write};

    use flate2::{Compression, write::GzEncoder};
    use serde_json::{Value, json};

    use super::*;

    /// An archive in memory.
    #[derive(Default)]
    pub(crate) struct Shelf(pub(crate) HashMap<String, Vec<u8>>);

    impl Objects for Shelf {
        async fn get(&self, path: &str) -> Result<Vec<u8>, ReadError> {
            let found = self.0.get(path).cloned();
            found.ok_or_else(|| ReadError::Missing { path: path.to_owned() })
        }
    }

    impl Shelf {
        fn pack(&mut self, path: &str, value: &Value) {
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(value.to_string().as_bytes()).unwrap();
            self.0.insert(path.to_owned(), packer.finish().unwrap());
        }

        /// A channel `100` with a thread `200`, and this many entries claimed in its shard's line.
        pub(crate) fn small(entries: &Value, claimed: usize) -> Self {
            let mut shelf = Self::default();
            let total = entries.as_array().unwrap().len();
            let manifest = json!({
                "version": 1, "generation": 3, "title": "T", "media": "copy",
                "totals": { "entries": total, "bytes": 9, "people": 1 },
                "users": "userData/users-1.json.gz", "guilds": [],
                "channels": [
                    { "id": "100", "name": "clips", "entries": total, "index": "messages/100/index-1.json.gz" },
                    { "id": "101", "name": "empty", "entries": 0, "index": null },
                ],
            });
            shelf.0.insert(MANIFEST.to_owned(), manifest.to_string().into_bytes());
            shelf.pack(
                "messages/100/index-1.json.gz",
                &json!({
                    "channel": "100",
                    "threads": [{ "id": "200", "name": "T", "entries": 1 }],
                    "shards": [{ "path": "messages/100/2026-03-1.json.gz", "count": claimed }],
                }),
            );
            shelf.pack("messages/100/2026-03-1.json.gz", &json!({ "entries": entries }));
            shelf.pack(
                "userData/users-1.json.gz",
                &json!({ "users": { "7": { "name": "Wren", "avatar": null, "bot": false } } }),
            );
            shelf
        }
    }

    pub(crate) fn entry(id: &str) -> Value {
        json!({
            "Id": id, "channelId": "100", "posterId": "7", "Poster": "Wren", "Description": "",
            "Kind": "video", "Size": 9, "Media": null, "Thumbnail": null, "Sha256": null,
            "Spoiler": false, "Edited_at": null, "Gone": null, "Unknown": 1,
        })
    }

    #[tokio::test]
    async fn everything_is_read_from_the_manifest_down() {
        let shelf = Shelf::small(&json!([entry("1-2"), entry("3-4")]), 2);
        let page = Page::read(&shelf).await.unwrap();
        let ids: Vec<_> = page.entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["1-2", "3-4"]);
        assert_eq!(page.users["7"].name, "Wren");
        assert_eq!(page.indexes["100"].threads[0].id, "200");
        assert_eq!(page.contradictions, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_shard_that_holds_less_than_its_line_says_is_told() {
        let page = Page::read(&Shelf::small(&json!([entry("1-2")]), 2)).await.unwrap();
        assert_eq!(page.contradictions.len(), 1);
    }

    #[tokio::test]
    async fn what_is_named_and_missing_is_an_error() {
        let mut shelf = Shelf::small(&json!([entry("1-2")]), 1);
        shelf.0.remove("messages/100/2026-03-1.json.gz");
        assert!(matches!(Page::read(&shelf).await, Err(ReadError::Missing { .. })));
        shelf.0.insert("messages/100/2026-03-1.json.gz".to_owned(), b"{}".to_vec());
        assert!(matches!(Page::read(&shelf).await, Err(ReadError::Malformed { .. })));
    }
}
