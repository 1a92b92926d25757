//! What is to be forgotten: whom or what an archive must neither keep nor take in again.

use std::{fmt, ops::AddAssign};

use serde::{Deserialize, Serialize};

use super::id::{ChannelId, GuildId, MessageId, UserId};

/// Somebody or something that is not archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forgotten {
    /// Everything that somebody posts, wherever.
    User(UserId),
    /// One message.
    Message(MessageId),
    /// A channel with its threads, a thread, or a category with its channels.
    Channel(ChannelId),
    /// A server.
    Guild(GuildId),
    /// What somebody posts in one server, where they have said so by a role.
    Member(GuildId, UserId),
}

impl Forgotten {
    /// Its number among the kinds, and the ids that say which. The number is on disk for ever.
    pub const fn parts(self) -> (u8, u64, u64) {
        match self {
            Self::User(id) => (1, id.0, 0),
            Self::Message(id) => (2, id.0, 0),
            Self::Channel(id) => (3, id.0, 0),
            Self::Guild(id) => (4, id.0, 0),
            Self::Member(guild, user) => (5, guild.0, user.0),
        }
    }

    /// Reads what [`Forgotten::parts`] told, and nothing else: what is read is found again under its own parts.
    pub const fn from_parts(kind: u8, first: u64, second: u64) -> Option<Self> {
        match (kind, first, second) {
            (1, id, 0) => Some(Self::User(UserId(id))),
            (2, id, 0) => Some(Self::Message(MessageId(id))),
            (3, id, 0) => Some(Self::Channel(ChannelId(id))),
            (4, id, 0) => Some(Self::Guild(GuildId(id))),
            (5, guild, user) => Some(Self::Member(GuildId(guild), UserId(user))),
            _ => None,
        }
    }
}

impl fmt::Display for Forgotten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user {id}"),
            Self::Message(id) => write!(f, "message {id}"),
            Self::Channel(id) => write!(f, "channel {id}"),
            Self::Guild(id) => write!(f, "server {id}"),
            Self::Member(guild, user) => write!(f, "user {user} in server {guild}"),
        }
    }
}

/// How much was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Messages of which anything was kept.
    pub messages: u64,
    /// Files that were listed, copied or not.
    pub entries: u64,
    /// Files in the bucket.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Stills.
    pub stills: u64,
    /// People whose name is no longer known.
    pub people: u64,
    /// Their pictures.
    pub avatars: u64,
    /// Files that stay in the bucket, because others posted the same bytes.
    pub shared: u64,
    /// Messages of others that quoted what was erased, or named who was, and were cleansed of it.
    pub cleansed: u64,
}

impl Erased {
    /// Objects that are deleted from the bucket on account of this.
    pub const fn objects(&self) -> u64 {
        self.files + self.stills + self.avatars
    }
}

impl AddAssign for Erased {
    fn add_assign(&mut self, other: Self) {
        let Self { messages, entries, files, bytes, stills, people, avatars, shared, cleansed } =
            other;
        self.messages += messages;
        self.entries += entries;
        self.files += files;
        self.bytes += bytes;
        self.stills += stills;
        self.people += people;
        self.avatars += avatars;
        self.shared += shared;
        self.cleansed += cleansed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forgotten_survive_being_taken_apart() {
        for forgotten in [
            Forgotten::User(UserId(7)),
            Forgotten::Message(MessageId(u64::MAX)),
            Forgotten::Channel(ChannelId(3)),
            Forgotten::Guild(GuildId(4)),
            Forgotten::Member(GuildId(4), UserId(7)),
        ] {
            let (kind, first, second) = forgotten.parts();
            assert_eq!(Forgotten::from_parts(kind, first, second), Some(forgotten));
        }
        for (kind, first, second) in
            [(0, 1, 2), (6, 1, 2), (1, 7, 1), (2, 7, 1), (3, 7, 1), (4, 7, 1)]
        {
            assert_eq!(Forgotten::from_parts(kind, first, second), None, "{kind}");
        }
    }
}
