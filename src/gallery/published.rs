//! The published files, read back: what a lost catalogue is rebuilt from.
//!
//! Files may be older than this build, so what newer files have besides may be missing. What is newer is refused.

use std::{collections::BTreeMap, io::Read};

use flate2::read::GzDecoder;
use serde::{Deserialize, de::DeserializeOwned};

use super::{manifest::VERSION, record::Record};
use crate::domain::{
    entry::{CopiedAvatar, Person},
    id::{ChannelId, GuildId, MessageId, UserId},
    place::PlaceKind,
    time::Timestamp,
};

/// Unpacked, a file of a thousand entries has a megabyte, and one of all people some: more is no file of ours.
const LONGEST: u64 = 1 << 30;

/// Why a published file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is not packed as it should be.
    #[error("it can't be unpacked: {0}")]
    Packing(#[from] std::io::Error),
    /// It is not what the page reads.
    #[error("it can't be understood: {0}")]
    Json(#[from] serde_json::Error),
    /// A newer version wrote it.
    #[error(
        "the archive was published by a newer bowerbird (version {0}): run that version, or newer"
    )]
    Newer(u32),
}

/// The manifest, as far as a catalogue is rebuilt from it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Counts publications.
    pub generation: u64,
    /// When it was published.
    pub published_at: Timestamp,
    /// The file of people.
    pub users: Option<String>,
    /// The list of what was read; archives published before there was one have none.
    pub coverage: Option<String>,
    /// The servers.
    pub guilds: Vec<Guild>,
    /// The channels.
    pub channels: Vec<Channel>,
}

/// A server.
#[derive(Debug, Deserialize)]
pub struct Guild {
    /// Its id.
    pub id: GuildId,
    /// Its name.
    pub name: String,
}

/// A channel.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// Its server.
    pub guild_id: GuildId,
    /// Its name.
    pub name: String,
    /// What sort it is, as [`PlaceKind::name`] tells.
    pub kind: String,
    /// Where it stands.
    pub position: i64,
    /// How many entries it has.
    pub entries: u64,
    /// What leads to them.
    pub index: Option<String>,
    /// What was read of it, for people.
    pub coverage: Covered,
}

/// What was read of a channel, for people.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Covered {
    /// From when on nothing is missing.
    pub complete_since: Option<Timestamp>,
}

/// The shards of a channel.
#[derive(Debug, Deserialize)]
pub struct Index {
    /// The channel.
    pub channel: ChannelId,
    /// Newest first.
    pub shards: Vec<Listed>,
}

/// A shard, as its index lists it.
#[derive(Clone, Debug, Deserialize)]
pub struct Listed {
    /// Its name.
    pub path: String,
    /// When its oldest entry was posted.
    pub oldest: Timestamp,
}

/// The entries of a shard.
#[derive(Debug, Deserialize)]
pub struct Shard {
    /// Newest first.
    pub entries: Vec<Record>,
}

#[derive(Deserialize)]
struct People {
    users: BTreeMap<UserId, Shown>,
}

#[derive(Deserialize)]
struct Shown {
    name: String,
    avatar: Option<String>,
    picture: Option<String>,
    missing: Option<String>,
    bot: bool,
}

/// What every manifest says, whatever form it has.
#[derive(Deserialize)]
struct Form {
    version: u32,
}

impl Manifest {
    /// Reads a manifest.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let Form { version } = serde_json::from_slice(bytes)?;
        if version > VERSION {
            return Err(Unreadable::Newer(version));
        }
        Ok(serde_json::from_slice(bytes)?)
    }
}

impl Channel {
    /// What sort of place it is.
    pub fn place_kind(&self) -> PlaceKind {
        let kinds = [
            PlaceKind::Text,
            PlaceKind::Voice,
            PlaceKind::Stage,
            PlaceKind::Announcement,
            PlaceKind::Forum,
            PlaceKind::Media,
        ];
        kinds.into_iter().find(|kind| kind.name() == self.kind).unwrap_or(PlaceKind::Other)
    }
}

/// Unpacks a file.
pub fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    let mut json = Vec::new();
    GzDecoder::new(bytes).take(LONGEST).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// The people of the file of people. Whoever is seen again is known better.
pub fn people(bytes: &[u8]) -> Result<Vec<(UserId, Person)>, Unreadable> {
    let People { users } = unpack(bytes)?;
    let person = |shown: Shown| Person {
        name: shown.name,
        avatar: shown.missing.or_else(|| shown.picture.clone()),
        bot: shown.bot,
        copied: shown.avatar.map(|object| CopiedAvatar {
            // Files from before the hash was published: the picture is fetched when they are seen again.
            hash: shown.picture.unwrap_or_default(),
            object,
        }),
        seen_in: MessageId::FIRST,
    };
    Ok(users.into_iter().map(|(id, shown)| (id, person(shown))).collect())
}
