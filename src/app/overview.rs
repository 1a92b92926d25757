//! What is covered, pending and put aside: what `status` tells, and what the control socket is asked for.
//!
//! The keys of its JSON are an interface: programs read `status --json`, and may be older or newer than we are.

mod words;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        coverage::EXTRACTOR,
        id::{ChannelId, GuildId, MessageId},
        place::Place,
        reconcile::Unheard,
        selection::PlaceSelection,
        time::Timestamp,
    },
    store::{PlaceRow, Store, StoreError, Tallies, Tally},
};

pub use self::words::{Amount, Words};

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
    /// Deletions on Discord that came all at once, and are not erased before a person decides.
    #[serde(default)]
    pub held: Option<HeldBack>,
    /// Work that was put aside, some of it.
    pub parked: Vec<Parked>,
    /// Messages that could not be recorded, some of them. They are kept as they came.
    #[serde(default)]
    pub parked_messages: Vec<ParkedMessage>,
    /// What was read of each channel, threads included.
    pub places: Vec<Covered>,
    /// What was read again for edits and deletions that nobody told of.
    pub reconciled: Reconciled,
    /// The last publication.
    pub published: Option<PublishedAt>,
    /// The last verification.
    #[serde(default)]
    pub verified: Option<Verified>,
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
    /// Deleted on Discord, and not erased.
    #[serde(default)]
    pub removed: u64,
}

/// Deletions that are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// Since when.
    pub since: Timestamp,
    /// How many files they took.
    pub files: u64,
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
    /// Bytes to be brought where they belong.
    #[serde(default)]
    pub moves: u64,
    /// The same, put aside.
    #[serde(default)]
    pub moves_parked: u64,
    /// Messages put aside.
    #[serde(default)]
    pub messages_parked: u64,
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

/// A message that could not be recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedMessage {
    /// Which.
    pub message: MessageId,
    /// Where it stands.
    pub channel: ChannelId,
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
    /// How far it is.
    pub state: Standing,
    /// Why it is not read, when it is not.
    pub not_read: Option<String>,
    /// From when on nothing is missing; none while nothing was read.
    pub complete_since: Option<Timestamp>,
    /// Whether that is its own beginning.
    pub from_start: bool,
    /// Spans before that which are missing.
    pub holes: usize,
    /// Messages read.
    pub messages: u64,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Denied, Self::Incomplete, Self::Complete, Self::Deleted, Self::LeftOut];

    /// Its name in JSON and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Incomplete => "incomplete",
            Self::Complete => "complete",
            Self::Deleted => "deleted",
            Self::LeftOut => "left_out",
        }
    }
}

/// How far the reading of a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It can't be read for want of a permission.
    Denied,
    /// Nothing of it was read yet, or there are holes in what was.
    Incomplete,
    /// Nothing is missing since it began or since it is wanted.
    Complete,
    /// It was deleted on Discord; what was read of it stays.
    Deleted,
    /// It is not wanted.
    LeftOut,
}

/// What was read again for edits and deletions that nobody told of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// Channels and threads that are gone through in rounds.
    pub places: usize,
    /// Those whose first round has ended.
    pub places_done: usize,
    /// Those in the middle of one.
    pub places_under_way: usize,
    /// Each was gone through once more since then; none before each was once.
    pub all_since: Option<Timestamp>,
    /// When the last page of a round was read.
    pub last_page: Option<Timestamp>,
    /// From when to when events were lost, where the latest pages are still being read again for it.
    pub unheard: Option<Unheard>,
    /// Messages read again so far.
    pub messages: u64,
    /// Edits found so far.
    pub edits: u64,
    /// Deletions found so far.
    pub deletions: u64,
}

/// When something was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedAt {
    /// The number of the publication.
    pub generation: u64,
    /// When it was made.
    pub at: Timestamp,
}

/// What a verification came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// When.
    pub at: Timestamp,
    /// Whether every byte was read.
    pub deep: bool,
    /// How many objects were looked at.
    pub objects: u64,
    /// How many things are wrong.
    pub problems: u64,
    /// The first of them, in words.
    pub first: Vec<String>,
    /// Why nothing could be said.
    pub failed: Option<String>,
}

/// How the running service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The version that runs.
    pub version: String,
    /// Connections to Discord that listen.
    pub shards_listening: usize,
    /// How many there should be; none before Discord was asked.
    pub shards_wanted: Option<u32>,
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
        let messages = store.parked_messages(PARKED_SHOWN)?.into_iter();
        let messages = messages.map(|(message, parked)| ParkedMessage {
            message,
            channel: parked.channel,
            why: parked.why,
        });
        Ok(Self {
            files: Files {
                seen: tallies.get(Tally::Entries),
                stored: tallies.get(Tally::Stored),
                stored_bytes: tallies.get(Tally::StoredBytes),
                gone: tallies.get(Tally::Gone),
                stills: tallies.get(Tally::Stills),
                links: tallies.get(Tally::Links),
                removed: tallies.get(Tally::Removed),
            },
            messages_read: tallies.get(Tally::MessagesRead),
            waiting: Waiting {
                downloads: tallies.get(Tally::DownloadsWaiting),
                download_bytes: tallies.get(Tally::BytesWaiting),
                thumbnails: tallies.get(Tally::ThumbnailsWaiting),
                downloads_parked: tallies.get(Tally::DownloadsParked),
                thumbnails_parked: tallies.get(Tally::ThumbnailsParked),
                moves: tallies.get(Tally::MovesWaiting),
                moves_parked: tallies.get(Tally::MovesParked),
                messages_parked: tallies.get(Tally::MessagesParked),
            },
            held: store.held()?.map(|held| HeldBack { since: held.since, files: held.files }),
            parked: parked.collect(),
            parked_messages: messages.collect(),
            places: places(store, selection)?,
            reconciled: reconciled(store, &tallies)?,
            published: store
                .publication()?
                .map(|last| PublishedAt { generation: last.generation, at: last.at }),
            verified: store.verification()?.map(|last| Verified {
                at: last.at,
                deep: last.deep,
                objects: last.objects,
                problems: last.problems,
                first: last.first,
                failed: last.failed,
            }),
            service: None,
        })
    }
}

fn reconciled(store: &Store, tallies: &Tallies) -> Result<Reconciled, StoreError> {
    let state = store.reread_state()?;
    // Places that are gone are in no round any more.
    let gone: HashSet<ChannelId> = store
        .places()?
        .into_iter()
        .filter(|row| row.missing_since.is_some())
        .map(|row| row.place.id)
        .collect();
    let rows = || state.places.iter().filter(|(id, _)| !gone.contains(id)).map(|(_, row)| row);
    let done = || rows().filter_map(|row| row.round.done);
    let (places, places_done) = (rows().count(), done().count());
    Ok(Reconciled {
        places,
        places_done,
        places_under_way: rows().filter(|row| row.round.under_way.is_some()).count(),
        all_since: done().min().filter(|_| places_done == places),
        last_page: rows().filter_map(|row| row.read_at).max(),
        unheard: state.unheard,
        messages: tallies.get(Tally::MessagesReread),
        edits: tallies.get(Tally::EditsFound),
        deletions: tallies.get(Tally::DeletionsFound),
    })
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
    places.extend(store.places_left_out()?.iter().filter_map(forgotten));
    places.sort_by(|a, b| (a.guild, &a.name, a.id).cmp(&(b.guild, &b.name, b.id)));
    Ok(places)
}

/// A place that is on the do-not-archive list. What it is called was erased with the rest.
fn forgotten(place: &Place) -> Option<Covered> {
    place.kind.holds_messages().then(|| Covered {
        id: place.id,
        guild: place.guild,
        name: "forgotten".to_owned(),
        kind: place.kind.name().to_owned(),
        state: Standing::LeftOut,
        not_read: Some("on the do-not-archive list (`bowerbird forget --list`)".to_owned()),
        complete_since: None,
        from_start: false,
        holes: 0,
        messages: 0,
    })
}

fn covered(
    row: &PlaceRow,
    wanted_from: MessageId,
    selection: Option<&PlaceSelection>,
    by_id: &HashMap<ChannelId, &PlaceRow>,
) -> Covered {
    let Place { id, guild, ref name, kind, access, .. } = row.place;
    let born = id.as_message();
    let extent = row.coverage.extent(wanted_from, born, EXTRACTOR);
    let ancestors = row.place.ancestors(|id| by_id.get(&id).map(|row| &row.place));
    let omitted = selection.and_then(|selection| selection.omits(&row.place, &ancestors));
    let (state, not_read) = match (omitted, access.missing()) {
        (Some(omission), _) => (Standing::LeftOut, Some(omission.to_string())),
        (None, _) if row.missing_since.is_some() => {
            (Standing::Deleted, Some("deleted on Discord".to_owned()))
        }
        (None, Some(missing)) => {
            (Standing::Denied, Some(format!("the bot lacks the permission {missing:?}")))
        }
        // A place with no message later than what is wanted is never visited: there is nothing to read.
        (None, None) if extent.since.is_none() => match row.place.last_message {
            Some(last) if last >= wanted_from => (Standing::Incomplete, None),
            _ => (Standing::Complete, None),
        },
        (None, None) if extent.holes.is_empty() => (Standing::Complete, None),
        (None, None) => (Standing::Incomplete, None),
    };
    Covered {
        id,
        guild,
        name: name.clone(),
        kind: kind.name().to_owned(),
        state,
        not_read,
        complete_since: extent.since.map(MessageId::created_at),
        from_start: extent.since.is_some_and(|since| since <= born),
        holes: extent.holes.len(),
        messages: row.messages_read,
    }
}
