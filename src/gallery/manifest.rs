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
pub(super) const VERSION: u32 = 1;

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
    coverage: Option<&'a str>,
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
            bytes: {
                let shown = channels.iter().filter_map(|channel| parts.indexes.get(&channel.id));
                shown.map(|index| index.bytes).sum()
            },
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

    /// The manifest itself, with the list of what was read. That list is not part of what it says to people: it grows
    /// with every message that is posted, whether or not it has a file.
    pub fn finish(self, generation: u64, published_at: Timestamp, coverage: Option<&str>) -> Bytes {
        let content = self.content;
        let manifest = Manifest { version: VERSION, generation, published_at, coverage, content };
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
    let born = row.place.id.as_message();
    // A forum has no messages of its own: its threads, all of which are listed, tell what is missing.
    let mut since = match own {
        Some(own) => own.coverage.extent(wanted_from, born, EXTRACTOR).since,
        None if threads.clone().next().is_some() => Some(born),
        None => Some(wanted_from.max(born)),
    };
    let mut holes = Vec::new();
    for part in own.into_iter().chain(threads) {
        let part_born = part.place.id.as_message();
        let extent = part.coverage.extent(wanted_from, part_born, EXTRACTOR);
        let missing_below = match (extent.since, part.place.last_message) {
            (Some(from), _) => (from > part_born).then_some(from),
            // Never visited, and there is something.
            (None, Some(last)) => {
                let first = wanted_from.max(part_born);
                holes.extend(Span::new(first, last).map(|span| hole(span, part)));
                Some(last.next())
            }
            // It may be empty.
            (None, None) => None,
        };
        holes.extend(extent.holes.into_iter().map(|span| hole(span, part)));
        since = since.map(|since| missing_below.map_or(since, |below| since.max(below)));
    }
    Covered {
        complete_since: since.map(MessageId::created_at),
        from_start: holes.is_empty() && since.is_some_and(|since| since <= born),
        holes: merged(holes),
    }
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
