//! The page's data against the catalogue: what the manifest leads to is read, whole, and must say what the catalogue
//! says.
//!
//! The service goes on publishing meanwhile. What waits to be published may differ, and what changed while it was
//! read is not judged.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use serde::Deserialize;
use tokio::time::sleep;

use super::Examiner;
use crate::{
    actors::publisher::shown_places,
    audit::{
        finding::{Fault, Finding, Part},
        pass::{AuditError, Pass},
        published::{self, Index, Manifest, People, Shard, Shown},
        reading::Unproven,
    },
    domain::{id::ChannelId, time::Timestamp},
    gallery::{
        coverage::Known,
        manifest::MANIFEST,
        page::{self, PageMode},
        record::Record,
    },
    store::{IndexRow, Month, MonthEntry, PublicationRow, ShardsRow, Store},
};

/// A publication replaces the manifest and then writes that down; so often is looked for a moment in which both agree.
const LOOKS: u32 = 20;

/// How long to wait between two looks.
const BETWEEN: Duration = Duration::from_millis(250);

/// Checks everything that the page reads.
pub(super) async fn check(examiner: &Examiner, pass: &mut Pass<'_>) -> Result<(), AuditError> {
    let Some(publication) = examiner.store.read(Store::publication).await? else {
        // Nothing was ever published.
        return Ok(());
    };
    check_root(examiner, pass).await?;
    if publication.page.is_some() {
        check_page_files(pass).await?;
    }
    if let Some(users) = &publication.users {
        check_data::<People>(pass, users).await?;
    }
    if let Some(list) = examiner.store.read(Store::published_coverage).await? {
        check_data::<Known>(pass, &list.path).await?;
    }
    let places = examiner.store.read(Store::places).await?;
    let shown = shown_places(&places, &examiner.selection);
    let policy = examiner.policy.clone();
    let settled = examiner.store.read(move |store| store.is_swept(&policy)).await?;
    let mut months = BTreeSet::new();
    for (root, row) in examiner.store.read(Store::indexes).await? {
        check_index(examiner, pass, root, &row).await?;
        let shards = examiner.store.read(move |store| store.channel_shards(root)).await?;
        months.extend(shards.into_iter().map(|(month, _)| month));
    }
    let mut last = None;
    while let Some(month) = examiner.store.read(move |store| store.month_after(last)).await? {
        months.insert(month);
        last = Some(month);
    }
    for month in months {
        check_month(examiner, pass, month, &shown, settled).await?;
    }
    Ok(())
}

/// The manifest names what the catalogue says is published.
async fn check_root(examiner: &Examiner, pass: &mut Pass<'_>) -> Result<(), AuditError> {
    let mut looks = 0;
    loop {
        looks += 1;
        let before = state(examiner).await?;
        let read = published::read::<Manifest>(pass.bucket, MANIFEST).await;
        let after = state(examiner).await?;
        // A manifest that is to be written anew says nothing yet.
        let moves = before != after || after.0.content.is_none();
        let manifest = match read {
            _ if moves && looks < LOOKS => None,
            Ok((_, manifest)) if manifest.generation == after.0.generation || looks == LOOKS => {
                Some(manifest)
            }
            Ok(_) => None,
            Err(Unproven::Away(error)) => return Err(error.into()),
            Err(Unproven::Bad(fault)) => {
                pass.tray.add(data(MANIFEST, fault));
                return Ok(());
            }
        };
        if let Some(manifest) = manifest {
            if let Some(what) = difference(&manifest, &after) {
                pass.tray.add(data(MANIFEST, Fault::Unlike { what }));
            }
            return Ok(());
        }
        sleep(BETWEEN).await;
    }
}

type State = (PublicationRow, Vec<(ChannelId, IndexRow)>);

async fn state(examiner: &Examiner) -> Result<State, AuditError> {
    let state = examiner
        .store
        .read(|store| Ok((store.publication()?.unwrap_or_default(), store.indexes()?)));
    Ok(state.await?)
}

fn difference(manifest: &Manifest, (row, indexes): &State) -> Option<String> {
    if manifest.generation != row.generation {
        let (there, known) = (manifest.generation, row.generation);
        return Some(format!("is publication {there}, the catalogue made {known}"));
    }
    if manifest.users != row.users {
        return Some("names another file of people than the catalogue".to_owned());
    }
    let known: BTreeMap<_, _> = indexes.iter().map(|(id, row)| (*id, row.path.as_ref())).collect();
    let other = manifest
        .channels
        .iter()
        .find(|channel| channel.index.as_ref() != known.get(&channel.id).copied().flatten());
    other.map(|channel| format!("names another index of channel {} than the catalogue", channel.id))
}

async fn check_page_files(pass: &mut Pass<'_>) -> Result<(), AuditError> {
    for file in page::objects(&PageMode::Copy, "") {
        if let Some(info) = pass.bucket.stat(&file.key).await? {
            pass.tray.count(Part::Page, info.size);
        } else {
            let object = file.key.to_string();
            pass.tray.add(Finding { part: Part::Page, object, fault: Fault::Missing });
        }
    }
    Ok(())
}

async fn check_index(
    examiner: &Examiner,
    pass: &mut Pass<'_>,
    root: ChannelId,
    row: &IndexRow,
) -> Result<(), AuditError> {
    let Some(path) = &row.path else { return Ok(()) };
    let result = published::read::<Index>(pass.bucket, path).await;
    let now = examiner.store.read(move |store| {
        Ok((store.indexes()?.into_iter().find(|(id, _)| *id == root), store.channel_shards(root)?))
    });
    let (current, shards) = now.await?;
    if current.as_ref().map(|(_, row)| row) != Some(row) {
        // Replaced while it was read.
        return Ok(());
    }
    let index = match result {
        Ok((_, index)) => index,
        Err(Unproven::Away(error)) => return Err(error.into()),
        Err(Unproven::Bad(fault)) => {
            pass.tray.add(data(path, fault));
            return Ok(());
        }
    };
    let known = shards.iter().flat_map(|(_, row)| &row.shards);
    let known: Vec<_> = known.map(|shard| (&shard.path, shard.count)).collect();
    let listed: Vec<_> = index.shards.iter().map(|shard| (&shard.path, shard.count)).collect();
    if known != listed {
        let what = "names other shards than the catalogue".to_owned();
        pass.tray.add(data(path, Fault::Unlike { what }));
    }
    Ok(())
}

/// The shards of a month hold what the catalogue shows of it.
async fn check_month(
    examiner: &Examiner,
    pass: &mut Pass<'_>,
    month: Month,
    places: &HashSet<ChannelId>,
    settled: bool,
) -> Result<(), AuditError> {
    let row = examiner.store.read(move |store| store.published_shards(month)).await?;
    let mut there = Some(Vec::new());
    let mut bad = Vec::new();
    for shard in &row.shards {
        match published::read::<Shard>(pass.bucket, &shard.path).await {
            Ok((_, read)) => {
                if let Some(there) = &mut there {
                    there.extend(read.entries);
                }
            }
            Err(Unproven::Away(error)) => return Err(error.into()),
            Err(Unproven::Bad(fault)) => {
                bad.push(data(&shard.path, fault));
                there = None;
            }
        }
        pass.tell();
    }
    let now = examiner.clock.now();
    let entries = examiner.store.read(move |store| store.month_entries(month)).await?;
    let known = shown(&entries, places, examiner, now);
    let after = examiner
        .store
        .read(move |store| Ok((store.published_shards(month)?, store.is_changed(month)?)));
    let (row_after, changed): (ShardsRow, bool) = after.await?;
    if row_after != row {
        // Published while it was read.
        return Ok(());
    }
    for finding in bad {
        pass.tray.add(finding);
    }
    if let Some(there) = there
        && settled
        && !changed
        && let Some(what) = first_difference(&there, &known)
    {
        let month = format!("messages/{}/{}", month.root, month.month);
        let object = row.shards.first().map_or(month, |shard| shard.path.clone());
        pass.tray.add(data(&object, Fault::Unlike { what }));
    }
    Ok(())
}

/// What the page should show of a month, newest first.
fn shown(
    entries: &[MonthEntry],
    places: &HashSet<ChannelId>,
    examiner: &Examiner,
    now: Timestamp,
) -> Vec<Shown> {
    let is_shown = |entry: &&MonthEntry| {
        entry.entry.is_published(&examiner.policy, now) && places.contains(&entry.post.channel)
    };
    let records = entries.iter().filter(is_shown).rev().map(|entry| Record::new(entry, |_| None));
    records.map(|record| record_as_read(&record)).collect()
}

fn record_as_read(record: &Record) -> Shown {
    let json = serde_json::to_vec(record).expect("the page's data is plain data");
    serde_json::from_slice(&json).expect("a record has these keys")
}

fn first_difference(there: &[Shown], known: &[Shown]) -> Option<String> {
    if there == known {
        return None;
    }
    let ids = |entries: &[Shown]| -> BTreeSet<String> {
        entries.iter().map(|entry| entry.id.clone()).collect()
    };
    let (shown, wanted) = (ids(there), ids(known));
    if let Some(id) = wanted.difference(&shown).next() {
        let count = wanted.difference(&shown).count();
        return Some(format!("lacks {count} entries that the catalogue shows, such as {id}"));
    }
    if let Some(id) = shown.difference(&wanted).next() {
        let count = shown.difference(&wanted).count();
        return Some(format!("shows {count} entries that the catalogue does not, such as {id}"));
    }
    let differs = there.iter().zip(known).find(|(there, known)| there != known);
    let id = differs.map_or("?", |(there, _)| there.id.as_str());
    Some(format!("tells something else of entry {id} than the catalogue"))
}

/// What has the right hash has the right content, so it is enough that it can be read.
async fn check_data<T: for<'a> Deserialize<'a>>(
    pass: &mut Pass<'_>,
    object: &str,
) -> Result<(), AuditError> {
    match published::read::<T>(pass.bucket, object).await {
        Ok(_) => {}
        Err(Unproven::Away(error)) => return Err(error.into()),
        Err(Unproven::Bad(fault)) => pass.tray.add(data(object, fault)),
    }
    Ok(())
}

fn data(object: &str, fault: Fault) -> Finding {
    Finding { part: Part::Data, object: object.to_owned(), fault }
}
