//! What we ask of Discord over REST, as a port: the real one speaks through twilight, tests have their own.
//!
//! Answers are already in the words of the domain. Nothing here writes to Discord.

use std::{collections::BTreeSet, fmt::Debug, time::Duration};

use async_trait::async_trait;

use crate::domain::{
    id::{ChannelId, GuildId, MessageId, RoleId, UserId},
    link::Link,
    message::{Message, Unreadable},
    place::{Archived, Guild, Place, PlaceKind, Survey},
    time::Timestamp,
};

pub use self::{
    convert::roles_of_author,
    live::{DISCORD, LiveDiscord},
    polite::Priority,
    withheld::{Contents, contents},
};

mod live;
mod polite;
mod wire;
mod convert;
mod withheld;
pub mod gateway;
#[cfg(any(test, fuzzing))]
pub mod fuzz;

/// The most messages that one answer holds. Source: Discord's documentation, resources/message.
pub const PAGE: u16 = 100;

/// The most links that one call makes new. Source: observed, and documented by Discord Userdoccers.
pub const REFRESH_BATCH: usize = 50;

/// Discord's REST interface, as far as an archive needs it.
#[async_trait]
pub trait Discord: Send + Sync + Debug {
    /// Who we are, and what the developer portal allows us.
    async fn identity(&self) -> Result<Identity, DiscordError>;

    /// The servers that our bot is in.
    async fn guilds(&self) -> Result<Vec<Guild>, DiscordError>;

    /// A server with its channels, and what we may do in each.
    async fn survey(&self, guild: GuildId) -> Result<Survey, DiscordError>;

    /// All threads of a server that are active and that we can see. `channels` are those of its last survey, from
    /// which threads inherit what we may do.
    async fn active_threads(
        &self,
        guild: GuildId,
        channels: &[Place],
    ) -> Result<Vec<Place>, DiscordError>;

    /// One page of a channel's archived threads, latest archived first. Discord's cursor is finer than a
    /// [`Timestamp`], so a page repeats those that were archived in the very millisecond of `before`.
    async fn archived_threads(
        &self,
        channel: &Place,
        which: Archived,
        before: Option<Timestamp>,
    ) -> Result<ThreadPage, DiscordError>;

    /// One page of a channel's messages. Without the permission to read history this is empty and no error.
    async fn messages(
        &self,
        channel: ChannelId,
        cursor: Cursor,
        limit: u16,
    ) -> Result<MessagePage, DiscordError>;

    /// One message.
    async fn message(
        &self,
        channel: ChannelId,
        message: MessageId,
    ) -> Result<Message, DiscordError>;

    /// The roles of a member of a server; none for whoever is no member, such as a webhook or somebody who left.
    async fn member_roles(
        &self,
        guild: GuildId,
        user: UserId,
    ) -> Result<Option<BTreeSet<RoleId>>, DiscordError>;

    /// Makes links new, at most [`REFRESH_BATCH`]. Undocumented, so it may be missing
    /// ([`DiscordError::NotOffered`]), and a link may be without an answer.
    async fn refresh_links(&self, links: &[Link]) -> Result<Vec<RefreshedLink>, DiscordError>;
}

/// Where a page of messages lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// The newest messages.
    Newest,
    /// Those just below an id.
    Before(MessageId),
    /// Those just above an id.
    After(MessageId),
    /// Those on both sides of an id, and itself.
    Around(MessageId),
}

/// A page of messages.
#[derive(Clone, Debug)]
pub struct MessagePage {
    /// Newest first.
    pub messages: Vec<Message>,
    /// What stood among them and made no sense. They count as seen, and their raw form is worth keeping.
    pub unreadable: Vec<Unreadable>,
    /// When Discord answered, by its own clock.
    pub answered_at: Timestamp,
}

impl MessagePage {
    /// The ids of everything on the page, legible or not, in no order: what a cursor moves by.
    pub fn ids(&self) -> impl Iterator<Item = MessageId> {
        let read = self.messages.iter().map(|message| message.id);
        read.chain(self.unreadable.iter().filter_map(|message| message.id))
    }
}

/// A page of archived threads.
#[derive(Clone, Debug)]
pub struct ThreadPage {
    /// Latest archived first.
    pub threads: Vec<Place>,
    /// Whether older ones follow.
    pub has_more: bool,
}

/// What Discord says of a thread itself; what we may do there follows from the channel above it
/// ([`ThreadFacts::within`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadFacts {
    /// Its id.
    pub id: ChannelId,
    /// The server it is in.
    pub guild: GuildId,
    /// The channel above it.
    pub parent: Option<ChannelId>,
    /// What people call it.
    pub name: String,
    /// What sort of thread it is.
    pub kind: PlaceKind,
    /// The newest message, as Discord tells: a hint.
    pub last_message: Option<MessageId>,
    /// When it was archived; none while it is active.
    pub archived_at: Option<Timestamp>,
}

/// Our bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The bot's account.
    pub id: UserId,
    /// Its name.
    pub name: String,
    /// Whether the developer portal lets it read what people write. Without it, messages come empty.
    pub message_content: bool,
}

/// A link and its successor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshedLink {
    /// As it was given.
    pub original: Link,
    /// The new one; none when Discord gave none.
    pub refreshed: Option<Link>,
}

/// Why Discord did not give what was asked for. The polite layer has already waited and tried again where that
/// helps.
#[derive(Debug, thiserror::Error)]
pub enum DiscordError {
    /// The token is wrong or was reset. Nothing will work until a person acts.
    #[error(
        "Discord refused the token: copy it anew from the developer portal (Bot, Reset Token) into TOKEN"
    )]
    Unauthorized,
    /// We may not see or do this.
    #[error("Discord forbids it ({code})")]
    Forbidden {
        /// Discord's own code, such as 50001 "Missing Access".
        code: u64,
    },
    /// It does not exist, or no longer.
    #[error("Discord does not know it ({code})")]
    NotFound {
        /// Discord's own code, such as 10008 "Unknown Message".
        code: u64,
    },
    /// This call does not exist here.
    #[error("Discord does not offer this call")]
    NotOffered,
    /// Discord found fault with the request.
    #[error("Discord rejected the request ({code}): {message}")]
    Rejected {
        /// Discord's own code.
        code: u64,
        /// What it says.
        message: String,
    },
    /// So many requests were refused that going on could get the address blocked.
    #[error(
        "{count} requests were refused within ten minutes: stopped before Discord blocks this address"
    )]
    TooManyInvalid {
        /// How many.
        count: usize,
    },
    /// Discord is away, overloaded or unreachable, and stayed so while we tried.
    #[error("Discord can't be reached: {reason}")]
    Unavailable {
        /// What was seen last.
        reason: String,
        /// How long Discord asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The answer is not what the documentation describes.
    #[error("Discord's answer can't be read: {reason}")]
    Malformed {
        /// Where and why.
        reason: String,
    },
}

impl DiscordError {
    fn malformed(what: &str, error: &serde_json::Error) -> Self {
        Self::Malformed { reason: format!("{what}: {error}") }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Malformed { .. } => true,
            Self::Unauthorized
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::NotOffered
            | Self::Rejected { .. }
            | Self::TooManyInvalid { .. } => false,
        }
    }

    /// Whether the whole service must stop until a person acts.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Unauthorized | Self::TooManyInvalid { .. })
    }
}
