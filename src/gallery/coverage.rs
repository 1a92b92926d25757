//! The list of what was read, exact to the message: what a lost catalogue is rebuilt from, beside the entries.
//!
//! It holds only places that the page shows, and claims only what the page shows: where files are still on their way,
//! it says less than was read, so that a rebuilt catalogue reads that part again instead of missing them for ever.
//! For the same reason it names the sorts of files that were wanted.

use serde::{Deserialize, Serialize};

use super::Packed;
use crate::{
    domain::{
        coverage::{Coverage, Extractor, Span},
        id::{ChannelId, GuildId, MessageId},
        place::{Access, Place, PlaceKind},
        selection::{MediaKind, MediaSelection},
        time::Timestamp,
    },
    store::{GuildRow, PlaceRow, Unpublished},
};

/// What the list is made of.
pub struct Parts<'a> {
    /// Which files are on the page.
    pub selection: &'a MediaSelection,
    /// The servers.
    pub guilds: &'a [(GuildId, GuildRow)],
    /// The places that are shown, threads and categories included, as they were before the entries were read.
    pub places: &'a [PlaceRow],
    /// What the page does not show yet.
    pub unpublished: &'a Unpublished,
}

/// What was read, and of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    selection: Selection,
    guilds: Vec<Guild>,
    places: Vec<Shown>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Selection {
    kinds: Vec<MediaKind>,
    #[serde(rename = "maxSize")]
    max_size: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Guild {
    id: GuildId,
    name: String,
    icon: Option<String>,
    #[serde(rename = "watchFrom")]
    watch_from: MessageId,
    #[serde(rename = "historyFrom")]
    history_from: Option<MessageId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: ChannelId,
    guild_id: GuildId,
    parent: Option<ChannelId>,
    name: String,
    kind: PlaceKind,
    position: i64,
    public: bool,
    nsfw: bool,
    last_message: Option<MessageId>,
    archived_at: Option<Timestamp>,
    threads_until: Option<Timestamp>,
    anchor: Option<MessageId>,
    messages_read: u64,
    read: Vec<(MessageId, MessageId, Extractor)>,
}

/// Packs the list.
pub fn coverage(parts: &Parts<'_>) -> Packed {
    let guilds = parts.guilds.iter().map(|(id, row)| Guild {
        id: *id,
        name: row.name.clone(),
        icon: row.icon.clone(),
        watch_from: row.watch_from,
        history_from: row.history_from,
    });
    let known = Known {
        selection: Selection {
            kinds: parts.selection.kinds.iter().copied().collect(),
            max_size: parts.selection.max_size,
        },
        guilds: guilds.collect(),
        places: parts.places.iter().map(|row| shown(row, parts.unpublished)).collect(),
    };
    Packed::new("messages/coverage", &known)
}

fn shown(row: &PlaceRow, unpublished: &Unpublished) -> Shown {
    let PlaceRow { place, .. } = row;
    let mut coverage = row.coverage.clone();
    for span in unpublished.of(place) {
        coverage.remove(span);
    }
    Shown {
        id: place.id,
        guild_id: place.guild,
        parent: place.parent,
        name: place.name.clone(),
        kind: place.kind,
        position: place.position,
        public: place.public,
        nsfw: place.nsfw,
        last_message: place.last_message,
        archived_at: place.archived_at,
        threads_until: row.public_threads_until,
        anchor: row.anchor,
        messages_read: row.messages_read,
        read: coverage.reads().map(|(span, by)| (span.first, span.last, by)).collect(),
    }
}

impl Known {
    /// Which files it is about.
    pub fn selection(&self) -> MediaSelection {
        let Selection { kinds, max_size } = &self.selection;
        MediaSelection { kinds: kinds.iter().copied().collect(), max_size: *max_size }
    }

    /// The servers. When they were surveyed does not matter: they are surveyed at each start.
    pub fn guilds(&self, at: Timestamp) -> Vec<(GuildId, GuildRow)> {
        let row = |guild: &Guild| GuildRow {
            name: guild.name.clone(),
            icon: guild.icon.clone(),
            watch_from: guild.watch_from,
            history_from: guild.history_from,
            surveyed_at: at,
        };
        self.guilds.iter().map(|guild| (guild.id, row(guild))).collect()
    }

    /// The places with what was read of them.
    pub fn places(&self) -> Vec<PlaceRow> {
        self.places.iter().map(place).collect()
    }
}

fn place(shown: &Shown) -> PlaceRow {
    let mut coverage = Coverage::default();
    for (first, last, by) in &shown.read {
        if let Some(span) = Span::new(*first, *last) {
            coverage.add(span, *by);
        }
    }
    PlaceRow {
        place: Place {
            id: shown.id,
            guild: shown.guild_id,
            parent: shown.parent,
            name: shown.name.clone(),
            kind: shown.kind,
            position: shown.position,
            // What the bot may do is asked at each start, before anything is read.
            access: Access::Readable,
            public: shown.public,
            nsfw: shown.nsfw,
            manages_threads: false,
            last_message: shown.last_message,
            archived_at: shown.archived_at,
        },
        coverage,
        anchor: shown.anchor,
        public_threads_until: shown.threads_until,
        // Which private threads were listed is nobody's business.
        private_threads_until: None,
        missing_since: None,
        messages_read: shown.messages_read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::coverage::EXTRACTOR, gallery::published};

    #[test]
    fn places_come_back_as_they_were_read() {
        let span = |first, last| Span { first: MessageId(first), last: MessageId(last) };
        let mut coverage = Coverage::default();
        coverage.add(span(0, 90), EXTRACTOR);
        coverage.add(span(200, u64::MAX), EXTRACTOR);
        let row = PlaceRow {
            place: Place {
                id: ChannelId(10),
                guild: GuildId(1),
                parent: Some(ChannelId(9)),
                name: "best of".into(),
                kind: PlaceKind::PublicThread,
                position: 3,
                access: Access::Readable,
                public: true,
                nsfw: true,
                manages_threads: false,
                last_message: Some(MessageId(300)),
                archived_at: Some(Timestamp::from_secs(4)),
            },
            coverage,
            anchor: Some(MessageId(299)),
            public_threads_until: Some(Timestamp::from_secs(5)),
            private_threads_until: None,
            missing_since: None,
            messages_read: 77,
        };
        let guild = GuildRow {
            name: "birds".into(),
            icon: None,
            watch_from: MessageId(5),
            history_from: Some(MessageId(0)),
            surveyed_at: Timestamp::from_secs(6),
        };
        let selection = MediaSelection { kinds: MediaKind::ALL.into(), max_size: Some(9) };
        let parts = Parts {
            selection: &selection,
            guilds: &[(GuildId(1), guild.clone())],
            places: std::slice::from_ref(&row),
            unpublished: &Unpublished::default(),
        };
        let packed = super::coverage(&parts);
        let known: Known = published::unpack(&packed.bytes).unwrap();
        assert_eq!(known.places(), [row]);
        assert_eq!(known.guilds(guild.surveyed_at), [(GuildId(1), guild)]);
        assert_eq!(known.selection(), selection);
    }
}
