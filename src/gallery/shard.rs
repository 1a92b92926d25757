//! Shards: the entries of a channel's month, and the index that leads to them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Packed, record::Record};
use crate::{
    domain::{id::ChannelId, text::Mention, time::Timestamp},
    store::{IndexRow, Month, MonthEntry, ShardRef, ShardsRow},
};

/// A reader loads a shard whole, so it must stay small: about 100 KB packed.
const MOST_ENTRIES: usize = 1_000;

#[derive(Serialize)]
struct Shard {
    entries: Vec<Record>,
}

#[derive(Serialize)]
struct Index<'a> {
    channel: ChannelId,
    threads: Vec<Thread<'a>>,
    shards: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Thread<'a> {
    id: ChannelId,
    name: &'a str,
    entries: u64,
}

#[derive(Serialize)]
struct Listed<'a> {
    path: &'a str,
    count: u64,
    newest: Timestamp,
    oldest: Timestamp,
}

/// Cuts a month into shards, newest first. `entries` are those to be shown, oldest first. Cuts are made from the
/// oldest on, so that a new entry changes the newest shard only.
pub fn shards(
    month: Month,
    entries: &[MonthEntry],
    name: impl Fn(Mention) -> Option<String>,
) -> Vec<(ShardRef, Packed)> {
    let stem = format!("messages/{}/{}", month.root, month.month);
    let cut = entries.chunks(MOST_ENTRIES).rev();
    cut.map(|chunk| {
        let records = chunk.iter().rev().map(|entry| Record::new(entry, &name)).collect();
        let packed = Packed::new(&stem, &Shard { entries: records });
        (reference(chunk, &packed.path), packed)
    })
    .collect()
}

/// A shard as the catalogue remembers it: its entries, of which there is at least one, oldest first, and its name.
pub fn reference(chunk: &[MonthEntry], path: &str) -> ShardRef {
    let mut per_channel: BTreeMap<ChannelId, u64> = BTreeMap::new();
    let mut people = BTreeSet::new();
    for entry in chunk {
        *per_channel.entry(entry.post.channel).or_default() += 1;
        people.insert(entry.post.author);
    }
    let posted = |entry: Option<&MonthEntry>| {
        entry.expect("chunks are never empty").key.message.created_at()
    };
    ShardRef {
        path: path.to_owned(),
        count: u64::try_from(chunk.len()).expect("a chunk is small"),
        bytes: chunk.iter().map(|entry| entry.entry.attachment.size).sum(),
        newest: posted(chunk.last()),
        oldest: posted(chunk.first()),
        per_channel: per_channel.into_iter().collect(),
        people: people.into_iter().collect(),
    }
}

/// The index of a channel over its months, newest first. None while it has no entries.
pub fn index(
    root: ChannelId,
    months: &[ShardsRow],
    thread_name: impl Fn(ChannelId) -> Option<String>,
) -> (IndexRow, Option<Packed>) {
    let shards: Vec<&ShardRef> = months.iter().flat_map(|month| &month.shards).collect();
    let Some(newest) = shards.first().map(|shard| shard.newest) else {
        return (IndexRow::default(), None);
    };
    let mut per_thread: BTreeMap<ChannelId, u64> = BTreeMap::new();
    for (channel, count) in shards.iter().flat_map(|shard| &shard.per_channel) {
        *per_thread.entry(*channel).or_default() += count;
    }
    per_thread.remove(&root);
    let names: Vec<_> = per_thread
        .into_iter()
        .map(|(id, entries)| (id, thread_name(id).unwrap_or_else(|| id.to_string()), entries))
        .collect();
    let index = Index {
        channel: root,
        threads: names
            .iter()
            .map(|(id, name, entries)| Thread { id: *id, name, entries: *entries })
            .collect(),
        shards: shards
            .iter()
            .map(|shard| Listed {
                path: &shard.path,
                count: shard.count,
                newest: shard.newest,
                oldest: shard.oldest,
            })
            .collect(),
    };
    let packed = Packed::new(&format!("messages/{root}/index"), &index);
    let row = IndexRow {
        path: Some(packed.path.clone()),
        entries: shards.iter().map(|shard| shard.count).sum(),
        bytes: shards.iter().map(|shard| shard.bytes).sum(),
        newest: Some(newest),
    };
    (row, Some(packed))
}
