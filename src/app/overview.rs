//! What is covered, pending and put aside: the same for `status`, the control socket and metrics.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        coverage::EXTRACTOR,
        coverage::Span,
        id::{ChannelId, GuildId, MessageId},
        place::{Access, Place},
        selection::PlaceSelection,
        time::Timestamp,
    },
    store::{PlaceRow, Store, StoreError, Tally},
};

/// So many jobs that were put aside are shown; the rest is counted.
const PARKED_SHOWN: usize = 20;

/// How things stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// Files by what became of them.
    pub files: Files,
    /// Messages read from history.
    pub messages_read: u64,
    /// Work that waits.
    pub waiting: Waiting,
    /// Work that was put aside, some of it.
    pub parked: Vec<Parked>,
    /// What was read of each channel, threads included.
    pub places: Vec<Covered>,
    /// The last publication.
    pub published: Option<PublishedAt>,
    /// How the running service is; none when it was not asked.
    pub service: Option<Running>,
}

/// Files by what became of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Seen, wanted or not.
    pub seen: u64,
    /// In the bucket.
    pub stored: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// No longer with Discord.
    pub gone: u64,
    /// Stills made.
    pub stills: u64,
    /// Links kept alive.
    pub links: u64,
}

/// Work that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Downloads.
    pub downloads: u64,
    /// Their bytes.
    pub download_bytes: u64,
    /// Looks.
    pub thumbnails: u64,
    /// Downloads put aside.
    pub downloads_parked: u64,
    /// Looks put aside.
    pub thumbnails_parked: u64,
}

/// Work that was put aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// Which line of work.
    pub queue: String,
    /// What it is about.
    pub subject: String,
    /// Why.
    pub why: String,
}

/// What was read of a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// Which.
    pub id: ChannelId,
    /// Its server.
    pub guild: GuildId,
    /// What people call it.
    pub name: String,
    /// What sort it is.
    pub kind: String,
    /// Why it is not read, when it is not.
    pub not_read: Option<String>,
    /// From when on nothing is missing; none while nothing was read.
    pub complete_since: Option<Timestamp>,
    /// Spans that are wanted and were not read.
    pub holes: usize,
    /// Messages read.
    pub messages: u64,
}

/// When something was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedAt {
    /// The number of the publication.
    pub generation: u64,
    /// When it was made.
    pub at: Timestamp,
}

/// How the running service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The version that runs.
    pub version: String,
    /// Shards that listen, and how many there should be.
    pub shards: (usize, Option<u32>),
    /// How often each actor was started again.
    pub restarts: BTreeMap<String, u64>,
    /// Whether everything that is wanted was read.
    pub caught_up: bool,
}

impl Overview {
    /// Reads how things stand. Without a selection every known place counts as wanted.
    pub fn read(store: &Store, selection: Option<&PlaceSelection>) -> Result<Self, StoreError> {
        let tallies = store.tallies()?;
        let parked = store.parked(PARKED_SHOWN)?.into_iter().map(|job| Parked {
            queue: job.queue.to_string(),
            subject: job.subject.to_string(),
            why: job.why,
        });
        Ok(Self {
            files: Files {
                seen: tallies.get(Tally::Entries),
                stored: tallies.get(Tally::Stored),
                stored_bytes: tallies.get(Tally::StoredBytes),
                gone: tallies.get(Tally::Gone),
                stills: tallies.get(Tally::Stills),
                links: tallies.get(Tally::Links),
            },
            messages_read: tallies.get(Tally::MessagesRead),
            waiting: Waiting {
                downloads: tallies.get(Tally::DownloadsWaiting),
                download_bytes: tallies.get(Tally::BytesWaiting),
                thumbnails: tallies.get(Tally::ThumbnailsWaiting),
                downloads_parked: tallies.get(Tally::DownloadsParked),
                thumbnails_parked: tallies.get(Tally::ThumbnailsParked),
            },
            parked: parked.collect(),
            places: places(store, selection)?,
            published: store
                .publication()?
                .map(|last| PublishedAt { generation: last.generation, at: last.at }),
            service: None,
        })
    }
}

fn places(store: &Store, selection: Option<&PlaceSelection>) -> Result<Vec<Covered>, StoreError> {
    let wanted: HashMap<GuildId, MessageId> =
        store.guilds()?.into_iter().map(|(id, guild)| (id, guild.wanted_from())).collect();
    let rows = store.places()?;
    let by_id: HashMap<ChannelId, &PlaceRow> = rows.iter().map(|row| (row.place.id, row)).collect();
    let mut places: Vec<_> = rows
        .iter()
        .filter(|row| row.place.kind.holds_messages())
        .map(|row| {
            let from = wanted.get(&row.place.guild).copied().unwrap_or(MessageId::FIRST);
            covered(row, from, selection, &by_id)
        })
        .collect();
    places.sort_by(|a, b| (a.guild, &a.name, a.id).cmp(&(b.guild, &b.name, b.id)));
    Ok(places)
}

fn covered(
    row: &PlaceRow,
    wanted_from: MessageId,
    selection: Option<&PlaceSelection>,
    by_id: &HashMap<ChannelId, &PlaceRow>,
) -> Covered {
    let Place { id, guild, ref name, kind, access, .. } = row.place;
    let first = wanted_from.max(id.as_message());
    let top = row.coverage.top();
    let holes = top
        .and_then(|top| Span::new(first, top))
        .map(|wanted| row.coverage.holes(wanted, EXTRACTOR));
    let holes = holes.unwrap_or_default();
    let parent = row.place.parent.and_then(|id| by_id.get(&id));
    let above = parent.and_then(|parent| parent.place.parent).and_then(|id| by_id.get(&id));
    let ancestors: Vec<&Place> = parent.into_iter().chain(above).map(|row| &row.place).collect();
    let omitted = selection.and_then(|selection| selection.omits(&row.place, &ancestors));
    let not_read = match (omitted, access) {
        (Some(omission), _) => Some(omission.to_string()),
        (None, Access::Readable) => row.missing_since.map(|_| "deleted on Discord".to_owned()),
        (None, denied) => {
            denied.missing().map(|missing| format!("the bot lacks the permission {missing:?}"))
        }
    };
    Covered {
        id,
        guild,
        name: name.clone(),
        kind: kind.name().to_owned(),
        not_read,
        complete_since: top.map(|_| holes.last().map_or(first, |hole| hole.last).created_at()),
        holes: holes.len(),
        messages: row.messages_read,
    }
}

impl fmt::Display for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(service) = &self.service {
            let (connected, shards) = service.shards;
            let of = shards.map_or_else(|| "?".to_owned(), |shards| shards.to_string());
            writeln!(
                f,
                "Service    running, version {}, {connected} of {of} shards listening",
                service.version
            )?;
            let restarts: u64 = service.restarts.values().sum();
            if restarts > 0 {
                writeln!(f, "Restarts   {restarts} ({:?})", service.restarts)?;
            }
        }
        let Files { seen, stored, stored_bytes, gone, stills, links } = &self.files;
        writeln!(
            f,
            "Files      {stored} stored ({}), {stills} stills, {gone} gone from Discord, {seen} seen",
            indicatif::HumanBytes(*stored_bytes)
        )?;
        if *links > 0 {
            writeln!(f, "Links      {links} kept alive")?;
        }
        let Waiting { downloads, download_bytes, thumbnails, downloads_parked, thumbnails_parked } =
            &self.waiting;
        writeln!(
            f,
            "Waiting    {downloads} downloads ({}), {thumbnails} looks",
            indicatif::HumanBytes(*download_bytes)
        )?;
        match &self.published {
            Some(published) => {
                writeln!(f, "Published  {} (number {})", published.at, published.generation)?;
            }
            None => writeln!(f, "Published  nothing yet")?,
        }
        writeln!(f, "History    {} messages read", self.messages_read)?;
        for place in &self.places {
            let state = match (&place.not_read, place.complete_since) {
                (Some(why), _) => format!("not read: {why}"),
                (None, None) => "not read yet".to_owned(),
                (None, Some(since)) if place.holes == 0 => format!("complete since {since}"),
                (None, Some(since)) => {
                    format!("complete since {since}, {} holes before", place.holes)
                }
            };
            writeln!(
                f,
                "  {:<28} {:>8} messages  {state}",
                format!("#{}", place.name),
                place.messages
            )?;
        }
        let parked = downloads_parked + thumbnails_parked;
        if parked > 0 {
            writeln!(f, "Put aside  {parked} jobs that failed for good, or again and again:")?;
            for job in &self.parked {
                writeln!(f, "  {} {}: {}", job.queue, job.subject, job.why)?;
            }
        }
        Ok(())
    }
}
