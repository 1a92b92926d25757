//! Reads an archive as docs/format.md describes it, from the manifest down, and knows nothing else of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

const MANIFEST: &str = "messages/manifest.json";

/// Where an archive is.
pub(crate) enum Bucket {
    /// In a folder.
    Folder(PathBuf),
    /// In a simulated Cloud Storage.
    Cloud {
        /// The whole of it.
        sim: gcs_sim::Sim,
        /// The bucket's name.
        name: &'static str,
    },
}

/// What is published.
pub(crate) struct Archive {
    /// The root.
    pub manifest: Value,
    /// The entries by their id.
    pub entries: BTreeMap<String, Value>,
    indexes: BTreeMap<String, Value>,
    shards: BTreeMap<String, Value>,
    users: Option<(String, Value)>,
}

/// Whether files may lie in the bucket that no entry names any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Leftovers {
    /// Nothing was deleted on Discord after it had been copied, so there are none.
    #[default]
    None,
    /// Files of messages that were deleted.
    OfDeletedMessages,
}

impl Bucket {
    /// The names of all objects.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        match self {
            Self::Cloud { sim, name } => {
                sim.objects(name).into_iter().map(|object| object.name).collect()
            }
            Self::Folder(root) => {
                let mut names = BTreeSet::new();
                walk(root, "", &mut names);
                names
            }
        }
    }

    /// The bytes of an object; none when it is not there.
    pub(crate) async fn read(&self, key: &str) -> Option<Vec<u8>> {
        match self {
            Self::Cloud { sim, name } => sim.read(name, key).await.map(Vec::from),
            Self::Folder(root) => match std::fs::read(root.join(key)) {
                Ok(bytes) => Some(bytes),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => panic!("{key}: {error}"),
            },
        }
    }
}

fn walk(root: &Path, prefix: &str, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(root.join(prefix)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        // Where the folder does its own work; no object's name begins so.
        if name.starts_with('.') {
            continue;
        }
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if entry.file_type().unwrap().is_dir() {
            walk(root, &path, names);
        } else {
            names.insert(path);
        }
    }
}

impl Archive {
    pub(super) async fn read(bucket: &Bucket) -> Option<Self> {
        let manifest: Value =
            serde_json::from_slice(&bucket.read(MANIFEST).await?).expect("the manifest is JSON");
        let mut archive = Self {
            users: None,
            entries: BTreeMap::new(),
            indexes: BTreeMap::new(),
            shards: BTreeMap::new(),
            manifest,
        };
        if let Some(users) = archive.manifest["users"].as_str() {
            archive.users = Some((users.to_owned(), unpacked(bucket, users).await));
        }
        let paths: Vec<String> = list(&archive.manifest["channels"])
            .iter()
            .filter_map(|channel| channel["index"].as_str().map(str::to_owned))
            .collect();
        for path in paths {
            let index = unpacked(bucket, &path).await;
            for shard in list(&index["shards"]) {
                let path = text(&shard["path"]);
                let shard = unpacked(bucket, path).await;
                for entry in list(&shard["entries"]) {
                    let id = text(&entry["Id"]).to_owned();
                    let twice = archive.entries.insert(id.clone(), entry.clone());
                    assert!(twice.is_none(), "{id} is in the archive twice");
                }
                archive.shards.insert(path.to_owned(), shard);
            }
            archive.indexes.insert(path, index);
        }
        Some(archive)
    }

    /// A channel as the manifest shows it.
    pub(crate) fn channel(&self, id: &impl Display) -> Option<&Value> {
        let id = id.to_string();
        list(&self.manifest["channels"]).iter().find(|channel| channel["id"] == id)
    }

    /// The entries of a message.
    pub(crate) fn of_message(&self, message: &impl Display) -> Vec<&Value> {
        let message = message.to_string();
        self.entries.values().filter(|entry| entry["Discord_id"] == message).collect()
    }

    /// Panics when what the archive says in two places differs, or when a name does not tell of its bytes.
    pub(crate) fn assert_consistent(&self) {
        let mut total = 0;
        for channel in list(&self.manifest["channels"]) {
            let Some(path) = channel["index"].as_str() else {
                assert_eq!(channel["entries"], 0, "{channel}");
                continue;
            };
            let index = &self.indexes[path];
            assert_eq!(index["channel"], channel["id"]);
            let mut count = 0;
            let mut after = None;
            for shard in list(&index["shards"]) {
                let entries = list(&self.shards[text(&shard["path"])]["entries"]);
                assert_eq!(shard["count"], entries.len(), "{shard}");
                assert!((1..=1000).contains(&entries.len()), "{shard}");
                assert_eq!(shard["newest"], entries.first().unwrap()["Date"], "{shard}");
                assert_eq!(shard["oldest"], entries.last().unwrap()["Date"], "{shard}");
                count += entries.len();
                for entry in entries {
                    let order = (number(&entry["Discord_id"]), number(&entry["Attachment_id"]));
                    assert!(after.is_none_or(|after| order < after), "newest first: {entry}");
                    after = Some(order);
                }
            }
            assert_eq!(channel["entries"], count, "{channel}");
            total += count;
            for thread in list(&index["threads"]) {
                let of_thread = |entry: &&Value| entry["channelId"] == thread["id"];
                let there = self.entries.values().filter(of_thread).count();
                assert_eq!(thread["entries"], there, "{thread}");
            }
        }
        assert_eq!(self.manifest["totals"]["entries"], total);
        assert_eq!(self.entries.len(), total);
        let bytes: u64 = self.entries.values().map(|entry| entry["Size"].as_u64().unwrap()).sum();
        assert_eq!(self.manifest["totals"]["bytes"], bytes);
        let users = &self.users.as_ref().expect("there are people").1["users"];
        for entry in self.entries.values() {
            assert!(users.get(text(&entry["posterId"])).is_some(), "nobody posted {entry}");
        }
    }

    /// Panics when an object is named that is absent or not what its name says, or when one is there that nothing
    /// leads to and that is not merely replaced.
    pub(super) async fn assert_objects(&self, bucket: &Bucket, leftovers: Leftovers) {
        let names = bucket.names();
        let mut named: BTreeSet<String> =
            self.indexes.keys().chain(self.shards.keys()).cloned().collect();
        named.extend(self.manifest["coverage"].as_str().map(str::to_owned));
        if let Some((path, users)) = &self.users {
            named.insert(path.clone());
            let people = users["users"].as_object().unwrap().values();
            named.extend(people.filter_map(|person| person["avatar"].as_str()).map(str::to_owned));
        }
        for entry in self.entries.values() {
            for key in ["Media", "Thumbnail"] {
                named.extend(entry[key].as_str().map(str::to_owned));
            }
        }
        let absent: Vec<_> = named.difference(&names).collect();
        assert!(absent.is_empty(), "named and not there: {absent:?}");
        for name in &named {
            let bytes = bucket.read(name).await.unwrap();
            // Names of data carry the first half of the hash, of what is in the gzip stream.
            let hash = if is_replaced(name) {
                hex::encode(&Sha256::digest(gunzip(&bytes))[..16])
            } else {
                hex::encode(Sha256::digest(&bytes))
            };
            assert!(name.contains(&hash), "{name} has the bytes of something else");
        }
        let beside: Vec<_> = names
            .difference(&named)
            .filter(|name| !is_page(name) && !is_replaced(name))
            .filter(|name| leftovers == Leftovers::None || !is_file(name))
            .collect();
        assert!(beside.is_empty(), "nothing leads to {beside:?}");
    }

    /// Every object with its size and SHA-256, as the judge wants it.
    pub(crate) async fn inventory(bucket: &Bucket) -> Value {
        let mut inventory = serde_json::Map::new();
        for name in bucket.names() {
            let bytes = bucket.read(&name).await.unwrap();
            let sha256 = hex::encode(Sha256::digest(&bytes));
            inventory.insert(name, serde_json::json!({ "size": bytes.len(), "sha256": sha256 }));
        }
        inventory.into()
    }
}

fn is_page(name: &str) -> bool {
    ["index.html", MANIFEST, "lease.json"].contains(&name) || name.starts_with("gallery/")
}

/// Shards, indexes and lists of people stay for an hour after they were replaced, for readers of the manifest before.
fn is_replaced(name: &str) -> bool {
    let in_messages = name.starts_with("messages/") && name.ends_with(".json.gz");
    in_messages || (name.starts_with("userData/users-") && name.ends_with(".json.gz"))
}

fn is_file(name: &str) -> bool {
    name.starts_with("media/") || name.starts_with("thumb/")
}

async fn unpacked(bucket: &Bucket, path: &str) -> Value {
    let bytes = bucket.read(path).await.unwrap_or_else(|| panic!("{path} is named and not there"));
    serde_json::from_slice(&gunzip(&bytes)).expect("it is JSON")
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut all).expect("it is gzip");
    all
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn number(value: &Value) -> u64 {
    text(value).parse().unwrap()
}
