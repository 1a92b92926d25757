//! Reads the published archive as its page does: the manifest, the indexes it names, the shards that those name.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    sync::{Arc, Mutex},
};

use bowerbird::{bucket::ObjectKey, domain::id::MessageId};
use bytes::Bytes;
use flate2::read::GzDecoder;
use serde_json::Value;

/// The only name that every reader knows.
const MANIFEST: &str = "messages/manifest.json";

/// What is published.
#[derive(Debug, Default)]
pub(super) struct Archive {
    /// Entries by their `Id`.
    pub(super) entries: BTreeMap<String, Value>,
    /// People by their id.
    pub(super) people: BTreeMap<String, Value>,
    /// What was read, as it is published.
    pub(super) coverage: Value,
    /// Every object that the manifest leads to.
    pub(super) named: BTreeSet<String>,
}

/// Reads archives, and remembers the last one: what the manifest leads to never changes, it only can be missing.
#[derive(Debug, Default)]
pub(super) struct Reader(Mutex<(Bytes, Arc<Archive>)>);

impl Reader {
    /// The archive in a bucket, or what is wrong with it. A bucket without a manifest holds an empty one.
    pub(super) fn read(
        &self,
        objects: &BTreeMap<ObjectKey, Bytes>,
    ) -> Result<Arc<Archive>, String> {
        let manifest = objects.get(&key(MANIFEST)?).cloned().unwrap_or_default();
        let mut last = self.0.lock().expect("no holder of this lock panics");
        if last.0 != manifest {
            *last = (manifest, Arc::new(read(objects)?));
        }
        for path in &last.1.named {
            if !objects.contains_key(&key(path)?) {
                return Err(format!("{path} is named and is not there"));
            }
        }
        Ok(Arc::clone(&last.1))
    }
}

fn key(path: &str) -> Result<ObjectKey, String> {
    ObjectKey::new(path).map_err(|error| error.to_string())
}

fn read(objects: &BTreeMap<ObjectKey, Bytes>) -> Result<Archive, String> {
    let find = |path: &str| {
        objects.get(&key(path)?).ok_or_else(|| format!("{path} is named and is not there"))
    };
    let mut archive = Archive::default();
    if !objects.contains_key(&key(MANIFEST)?) {
        return Ok(archive);
    }
    archive.named.insert(MANIFEST.to_owned());
    let manifest: Value = serde_json::from_slice(find(MANIFEST)?).map_err(|e| e.to_string())?;
    if let Some(users) = manifest["users"].as_str() {
        archive.named.insert(users.to_owned());
        let users = unpack(users, find(users)?)?;
        for (id, user) in users["users"].as_object().ok_or("no users in their file")? {
            archive.named.extend(user["avatar"].as_str().map(str::to_owned));
            archive.people.insert(id.clone(), user.clone());
        }
    }
    if let Some(coverage) = manifest["coverage"].as_str() {
        archive.named.insert(coverage.to_owned());
        archive.coverage = unpack(coverage, find(coverage)?)?;
    }
    let mut total = 0;
    for channel in manifest["channels"].as_array().ok_or("no channels in the manifest")? {
        let Some(index) = channel["index"].as_str() else { continue };
        archive.named.insert(index.to_owned());
        let index = unpack(index, find(index)?)?;
        let mut count = 0;
        for shard in index["shards"].as_array().ok_or("no shards in an index")? {
            let path = shard["path"].as_str().ok_or("a shard without a path")?;
            archive.named.insert(path.to_owned());
            let entries = unpack(path, find(path)?)?;
            let entries = entries["entries"].as_array().ok_or("no entries in a shard")?.clone();
            same("entries of a shard", &shard["count"], entries.len())?;
            count += entries.len();
            archive.add(entries)?;
        }
        same("entries of a channel", &channel["entries"], count)?;
        total += count;
    }
    same("entries", &manifest["totals"]["entries"], total)?;
    Ok(archive)
}

impl Archive {
    /// Whether a message has anything on the page.
    pub(super) fn shows(&self, message: MessageId) -> bool {
        // The ids of its entries begin with its own, and a dash.
        let first = format!("{message}-");
        self.entries.range(first.clone()..).next().is_some_and(|(id, _)| id.starts_with(&first))
    }

    fn add(&mut self, entries: Vec<Value>) -> Result<(), String> {
        for entry in entries {
            for path in [&entry["Media"], &entry["Thumbnail"]] {
                self.named.extend(path.as_str().map(str::to_owned));
            }
            let id = entry["Id"].as_str().ok_or("an entry without an id")?.to_owned();
            if self.entries.insert(id.clone(), entry).is_some() {
                return Err(format!("entry {id} is there twice"));
            }
        }
        Ok(())
    }
}

fn same(what: &str, told: &Value, count: usize) -> Result<(), String> {
    match told.as_u64() {
        Some(told) if told == count as u64 => Ok(()),
        _ => Err(format!("{told} {what} are announced, and {count} are there")),
    }
}

fn unpack(path: &str, bytes: &Bytes) -> Result<Value, String> {
    let mut json = Vec::new();
    let unpacked = GzDecoder::new(&bytes[..]).read_to_end(&mut json);
    unpacked.map_err(|error| format!("{path}: {error}"))?;
    serde_json::from_slice(&json).map_err(|error| format!("{path}: {error}"))
}
