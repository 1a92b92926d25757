//! The manifest: the one file whose name never changes, and that names all others.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Serialize;
use sha2::Digest;

use crate::{
    domain::{
        coverage::{EXTRACTOR, Span},
        id::{ChannelId, GuildId, MessageId},
        place::{Access, PlaceKind},
        selection::MediaMode,
        time::Timestamp,
    },
    store::{GuildRow, IndexRow, PlaceRow},
};

/// Where the manifest is.
pub const MANIFEST: &str = "messages/manifest.json";

/// The form of the page's data. Raised when readers of the form before would be wrong.
const VERSION: u32 = 1;

/// What the manifest is made of.
pub struct Parts<'a> {
    /// What visitors read above the page.
    pub title: &'a str,
    /// Where files are.
    pub mode: MediaMode,
    /// The file of people.
    pub users: Option<&'a str>,
    /// How many people there are.
    pub people: usize,
    /// The servers.
    pub guilds: &'a [(GuildId, GuildRow)],
    /// The places that are shown, threads and categories included.
    pub places: &'a [PlaceRow],
    /// What is published of each channel.
    pub indexes: &'a HashMap<ChannelId, IndexRow>,
}

#[derive(Serialize)]
struct Manifest<'a> {
    version: u32,
    generation: u64,
    #[serde(rename = "publishedAt")]
    published_at: Timestamp,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    title: &'a str,
    media: MediaMode,
    totals: Totals,
    users: Option<&'a str>,
    guilds: Vec<Guild<'a>>,
    channels: Vec<Channel<'a>>,
}

#[derive(Serialize)]
struct Totals {
    entries: u64,
    bytes: u64,
    people: usize,
}

#[derive(Serialize)]
struct Guild<'a> {
    id: GuildId,
    name: &'a str,
}

#[derive(Serialize)]
struct Channel<'a> {
    id: ChannelId,
    #[serde(rename = "guildId")]
    guild: GuildId,
    name: &'a str,
    kind: &'static str,
    category: Option<&'a str>,
    position: i64,
    entries: u64,
    newest: Option<Timestamp>,
    index: Option<&'a str>,
    coverage: Covered,
}

/// What of a channel was read.
#[derive(Serialize)]
struct Covered {
    #[serde(rename = "completeSince")]
    complete_since: Option<Timestamp>,
    #[serde(rename = "fromStart")]
    from_start: bool,
    holes: Vec<Hole>,
}

#[derive(Serialize)]
struct Hole {
    from: Timestamp,
    to: Timestamp,
    why: String,
}

/// A manifest that is yet to get its number and its time.
pub struct Draft<'a> {
    content: Content<'a>,
}

impl<'a> Draft<'a> {
    /// What the manifest says.
    pub fn new(parts: &Parts<'a>) -> Self {
        let channels: Vec<_> = parts
            .places
            .iter()
            .filter(|row| is_shown(row))
            .map(|row| channel(row, parts))
            .collect();
        let totals = Totals {
            entries: channels.iter().map(|channel| channel.entries).sum(),
            bytes: parts.indexes.values().map(|index| index.bytes).sum(),
            people: parts.people,
        };
        let guilds =
            parts.guilds.iter().map(|(id, row)| Guild { id: *id, name: &row.name }).collect();
        let content = Content {
            title: parts.title,
            media: parts.mode,
            totals,
            users: parts.users,
            guilds,
            channels,
        };
        Self { content }
    }

    /// A hash of what it says, by which an unchanged one is known.
    pub fn hash(&self) -> [u8; 32] {
        let json = serde_json::to_vec(&self.content).expect("the page's data is plain data");
        sha2::Sha256::digest(&json).into()
    }

    /// The manifest itself.
    pub fn finish(self, generation: u64, published_at: Timestamp) -> Bytes {
        let manifest =
            Manifest { version: VERSION, generation, published_at, content: self.content };
        serde_json::to_vec(&manifest).expect("the page's data is plain data").into()
    }
}

fn is_shown(row: &PlaceRow) -> bool {
    !row.place.kind.is_thread() && !matches!(row.place.kind, PlaceKind::Category | PlaceKind::Other)
}

fn channel<'a>(row: &'a PlaceRow, parts: &Parts<'a>) -> Channel<'a> {
    let place = &row.place;
    let above = parts.places.iter().find(|above| Some(above.place.id) == place.parent);
    let index = parts.indexes.get(&place.id);
    let wanted_from = parts
        .guilds
        .iter()
        .find(|(id, _)| *id == place.guild)
        .map_or(MessageId::FIRST, |(_, guild)| guild.wanted_from());
    Channel {
        id: place.id,
        guild: place.guild,
        name: &place.name,
        kind: place.kind.name(),
        category: above.map(|above| above.place.name.as_str()),
        position: place.position,
        entries: index.map_or(0, |index| index.entries),
        newest: index.and_then(|index| index.newest),
        index: index.and_then(|index| index.path.as_deref()),
        coverage: covered(row, parts, wanted_from),
    }
}

/// What was read of a channel and of its threads: where any of them has a hole, the channel has.
fn covered(row: &PlaceRow, parts: &Parts<'_>, wanted_from: MessageId) -> Covered {
    let own = row.place.kind.holds_messages().then_some(row);
    let threads = parts.places.iter().filter(|thread| {
        thread.place.kind.is_thread() && thread.place.parent == Some(row.place.id)
    });
    let mut since: Option<MessageId> = Some(wanted_from);
    let mut holes = Vec::new();
    for part in own.into_iter().chain(threads) {
        // A thread that was never visited may be empty; one that has messages is a hole.
        let Some(top) = part.coverage.top() else {
            if let Some(last) = part.place.last_message {
                let first = wanted_from.max(part.place.id.as_message());
                holes.extend(Span::new(first, last.max(first)).map(|span| hole(span, part)));
            } else if own.is_some_and(|own| own.place.id == part.place.id) {
                since = None;
            }
            continue;
        };
        let first = wanted_from.max(part.place.id.as_message());
        let wanted = Span::new(first, top);
        holes.extend(wanted.into_iter().flat_map(|wanted| {
            part.coverage.holes(wanted, EXTRACTOR).into_iter().map(|span| hole(span, part))
        }));
    }
    let from_start = holes.is_empty() && wanted_from <= row.place.id.as_message();
    let last_hole = holes.iter().map(|hole| hole.to).max();
    let first = since.map(|since| since.max(row.place.id.as_message()).created_at());
    let complete_since = first.map(|first| last_hole.map_or(first, |last| last.max(first)));
    Covered { complete_since, from_start: from_start && since.is_some(), holes: merged(holes) }
}

fn hole(span: Span, part: &PlaceRow) -> Hole {
    let why = match part.place.access {
        Access::Readable if part.missing_since.is_some() => "deleted on Discord".to_owned(),
        Access::Readable => "not read yet".to_owned(),
        denied => {
            format!("the bot lacks the permission {:?}", denied.missing().unwrap_or_default())
        }
    };
    Hole { from: span.first.created_at(), to: span.last.created_at(), why }
}

/// Holes of many threads that overlap and have one reason are one to a reader.
fn merged(mut holes: Vec<Hole>) -> Vec<Hole> {
    holes.sort_by_key(|hole| (hole.from, hole.to));
    let mut merged: Vec<Hole> = Vec::new();
    for hole in holes {
        match merged.iter_mut().find(|open| open.why == hole.why && open.to >= hole.from) {
            Some(open) => open.to = open.to.max(hole.to),
            None => merged.push(hole),
        }
    }
    merged
}
