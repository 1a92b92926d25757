//! Proves an archive without its catalogue: from the manifest to the indexes, the shards, and every object they name.
//!
//! Whoever has nothing but the bucket can do this. What was never published, or should have been, only a catalogue
//! knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use tokio::sync::watch;

use super::{
    compare::Expected,
    finding::{Fault, Finding, Part},
    name::FOLDERS,
    pass::{AuditError, Book, Pass},
    published::{self, Index, Manifest, People, Shard, Shown},
    reading::{Proof, Unproven},
    report::{Against, Depth, Progress, Report, Stage, Tray},
    windows::Windows,
};
use crate::{
    bucket::{Bucket, Crc32c, ObjectKey},
    clock::Clock,
    gallery::{coverage::Known, manifest::MANIFEST},
};

/// The page itself.
const PAGE: &str = "index.html";

/// So many names are handed on at a time.
const TOGETHER: usize = 1_000;

/// Proves an archive from its own manifest.
pub async fn audit(
    bucket: Arc<dyn Bucket>,
    depth: Depth,
    width: usize,
    clock: Clock,
    progress: &watch::Sender<Progress>,
) -> Result<Report, AuditError> {
    let began = clock.now();
    let mut tray = Tray::default();
    let mut pass = Pass { bucket: &*bucket, depth, width, now: began, tray: &mut tray, progress };
    pass.begin(Stage::Data);
    let found = read_data(&mut pass).await?;
    for folder in FOLDERS {
        pass.begin(match folder {
            "media/" => Stage::Media,
            "thumb/" => Stage::Stills,
            _ => Stage::Data,
        });
        let mut book = found.book(Arc::clone(&bucket), folder);
        pass.through(folder, &mut book).await?;
    }
    Ok(tray.into_report(Against::Manifest, depth, began, clock.now()))
}

/// What the manifest leads to.
#[derive(Default)]
struct Found {
    data: BTreeSet<String>,
    shards: Vec<String>,
    pictures: BTreeSet<String>,
    entries: u64,
}

async fn read_data(pass: &mut Pass<'_>) -> Result<Found, AuditError> {
    let mut found = Found::default();
    if pass.bucket.stat(&ObjectKey::new(PAGE).expect("a plain name")).await?.is_none() {
        pass.tray.add(Finding { part: Part::Page, object: PAGE.to_owned(), fault: Fault::Missing });
    }
    found.data.insert(MANIFEST.to_owned());
    let Some(manifest) = fetch::<Manifest>(pass, MANIFEST).await? else { return Ok(found) };
    if let Some(users) = &manifest.users {
        found.data.insert(users.clone());
        let people = fetch::<People>(pass, users).await?;
        let people = people.into_iter().flat_map(|people| people.users.into_values());
        found.pictures = people.filter_map(|person| person.avatar).collect();
    }
    if let Some(list) = &manifest.coverage {
        found.data.insert(list.clone());
        fetch::<Known>(pass, list).await?;
    }
    for channel in &manifest.channels {
        let Some(path) = &channel.index else { continue };
        found.data.insert(path.clone());
        let Some(index) = fetch::<Index>(pass, path).await? else { continue };
        if index.channel != channel.id {
            let what = format!("is the index of channel {}, not of {}", index.channel, channel.id);
            pass.tray.add(unlike(path, what));
        }
        let listed: u64 = index.shards.iter().map(|shard| shard.count).sum();
        if listed != channel.entries {
            let what = format!("lists {listed} entries, the manifest {}", channel.entries);
            pass.tray.add(unlike(path, what));
        }
        for shard in index.shards {
            found.data.insert(shard.path.clone());
            found.shards.push(shard.path.clone());
            let Some(read) = fetch::<Shard>(pass, &shard.path).await? else { continue };
            let entries = read.entries.len() as u64;
            if entries != shard.count {
                let what = format!("has {entries} entries, its index says {}", shard.count);
                pass.tray.add(unlike(&shard.path, what));
            }
            pass.tray.checked.entries += entries;
            found.entries += entries;
            for what in read.entries.iter().filter_map(Shown::contradiction) {
                pass.tray.add(unlike(&shard.path, what));
            }
        }
    }
    if found.entries != manifest.totals.entries && pass.tray.problems() == 0 {
        let what =
            format!("counts {} entries, there are {}", manifest.totals.entries, found.entries);
        pass.tray.add(unlike(MANIFEST, what));
    }
    Ok(found)
}

/// Reads data; none when something is wrong with it, which is noted.
async fn fetch<T: for<'a> serde::Deserialize<'a>>(
    pass: &mut Pass<'_>,
    object: &str,
) -> Result<Option<T>, AuditError> {
    let result = published::read(pass.bucket, object).await;
    pass.tell();
    match result {
        Ok((_, value)) => Ok(Some(value)),
        Err(Unproven::Away(error)) => Err(error.into()),
        Err(Unproven::Bad(fault)) => {
            pass.tray.add(Finding { part: Part::Data, object: object.to_owned(), fault });
            Ok(None)
        }
    }
}

fn unlike(object: &str, what: String) -> Finding {
    Finding { part: Part::Data, object: object.to_owned(), fault: Fault::Unlike { what } }
}

impl Found {
    fn book(&self, bucket: Arc<dyn Bucket>, folder: &'static str) -> Shards {
        let small = self.data.iter().chain(&self.pictures);
        let small: BTreeSet<_> =
            small.filter(|object| object.starts_with(folder)).cloned().collect();
        let in_shards = matches!(folder, "media/" | "thumb/");
        // An entry names a file and a still.
        let windows = in_shards.then(|| Windows::for_hashes(self.entries));
        Shards {
            bucket,
            folder,
            objects: self.shards.clone(),
            waiting: small.iter().map(|object| bare(object)).collect::<Vec<_>>().into_iter(),
            small,
            windows,
        }
    }
}

fn bare(object: &str) -> Expected {
    Expected { key: object.to_owned(), size: None, crc32c: None, stamp: None }
}

/// What the shards name in one folder, and what else is to be there. The shards are read again for each window of
/// hashes, so that memory does not grow with the archive.
struct Shards {
    bucket: Arc<dyn Bucket>,
    folder: &'static str,
    objects: Vec<String>,
    /// What is held whole.
    small: BTreeSet<String>,
    waiting: std::vec::IntoIter<Expected>,
    windows: Option<Windows>,
}

impl Shards {
    async fn gather(
        &self,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Expected>, AuditError> {
        let mut gathered = BTreeMap::new();
        for shard in &self.objects {
            let read: Shard = match published::read(&*self.bucket, shard).await {
                Ok((_, shard)) => shard,
                // Told before.
                Err(Unproven::Bad(_)) => continue,
                Err(Unproven::Away(error)) => return Err(error.into()),
            };
            for expected in read.entries.iter().flat_map(named_by) {
                if wanted(&expected.key) {
                    gathered.insert(expected.key.clone(), expected);
                }
            }
        }
        Ok(gathered)
    }
}

fn named_by(entry: &Shown) -> Vec<Expected> {
    let sum = entry.crc32c.as_deref().and_then(|sum| u32::from_str_radix(sum, 16).ok());
    let media = entry.media.as_deref().map(|object| Expected {
        size: Some(entry.size),
        crc32c: sum.map(Crc32c),
        ..bare(object)
    });
    media.into_iter().chain(entry.still.as_deref().map(bare)).collect()
}

#[async_trait]
impl Book for Shards {
    async fn page(&mut self) -> Result<Vec<Expected>, AuditError> {
        loop {
            let page: Vec<Expected> = self.waiting.by_ref().take(TOGETHER).collect();
            if !page.is_empty() {
                return Ok(page);
            }
            let Some(window) = self.windows.as_mut().and_then(Windows::next) else {
                return Ok(Vec::new());
            };
            let folder = self.folder;
            let gathered = self.gather(|object| window.holds(folder, object)).await?;
            self.waiting = gathered.into_values().collect::<Vec<_>>().into_iter();
        }
    }

    async fn named(&self, objects: &BTreeSet<String>) -> Result<BTreeSet<String>, AuditError> {
        if self.windows.is_none() {
            return Ok(objects.intersection(&self.small).cloned().collect());
        }
        Ok(self.gather(|object| objects.contains(object)).await?.into_keys().collect())
    }

    async fn proven(&mut self, _: &str, _: Proof) -> Result<(), AuditError> {
        Ok(())
    }
}
