//! Places that hold messages: channels and threads, and what we may read and show of them.

use serde::{Deserialize, Serialize};

use super::{
    id::{ChannelId, GuildId, MessageId},
    time::Timestamp,
};

/// What sort of place it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlaceKind {
    /// A text channel.
    Text,
    /// The chat of a voice channel.
    Voice,
    /// The chat of a stage channel.
    Stage,
    /// An announcement channel.
    Announcement,
    /// A forum: its posts are threads, itself it holds no message.
    Forum,
    /// A media channel: a forum of pictures.
    Media,
    /// A heading over channels.
    Category,
    /// A thread, or a post in a forum.
    PublicThread,
    /// A thread for those who were invited.
    PrivateThread,
    /// A thread in an announcement channel.
    AnnouncementThread,
    /// What Discord adds next, and what no bot sees.
    Other,
}

impl PlaceKind {
    /// Reads Discord's number. Source: Discord's documentation, resources/channel.
    pub const fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Text,
            2 => Self::Voice,
            4 => Self::Category,
            5 => Self::Announcement,
            10 => Self::AnnouncementThread,
            11 => Self::PublicThread,
            12 => Self::PrivateThread,
            13 => Self::Stage,
            15 => Self::Forum,
            16 => Self::Media,
            _ => Self::Other,
        }
    }

    /// Whether messages are posted right in it.
    pub const fn holds_messages(self) -> bool {
        match self {
            Self::Text | Self::Voice | Self::Stage | Self::Announcement => true,
            Self::PublicThread | Self::PrivateThread | Self::AnnouncementThread => true,
            Self::Forum | Self::Media | Self::Category | Self::Other => false,
        }
    }

    /// Whether threads can hang below it.
    pub const fn holds_threads(self) -> bool {
        match self {
            Self::Text | Self::Announcement | Self::Forum | Self::Media => true,
            Self::Voice | Self::Stage | Self::Category | Self::Other => false,
            Self::PublicThread | Self::PrivateThread | Self::AnnouncementThread => false,
        }
    }

    /// Whether it hangs below a channel.
    pub const fn is_thread(self) -> bool {
        matches!(self, Self::PublicThread | Self::PrivateThread | Self::AnnouncementThread)
    }

    /// Its name in the page's data.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Voice => "voice",
            Self::Stage => "stage",
            Self::Announcement => "announcement",
            Self::Forum => "forum",
            Self::Media => "media",
            Self::Category => "category",
            Self::PublicThread | Self::PrivateThread | Self::AnnouncementThread => "thread",
            Self::Other => "other",
        }
    }
}

/// What our bot may do in a place, computed before reading: without the permission to read history, Discord answers
/// "no messages" rather than "no".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Everything an archive needs.
    Readable,
    /// `VIEW_CHANNEL` is missing.
    Hidden,
    /// `READ_MESSAGE_HISTORY` is missing.
    NoHistory,
    /// `CONNECT` is missing, which the chat of a voice channel needs.
    NoConnect,
}

impl Access {
    /// What an administrator should grant, where something is missing.
    pub const fn missing(self) -> Option<&'static str> {
        match self {
            Self::Readable => None,
            Self::Hidden => Some("View Channel"),
            Self::NoHistory => Some("Read Message History"),
            Self::NoConnect => Some("Connect"),
        }
    }
}

/// A channel or a thread, as last seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its id.
    pub id: ChannelId,
    /// The server it is in.
    pub guild: GuildId,
    /// The channel above a thread, the category above a channel.
    pub parent: Option<ChannelId>,
    /// What people call it.
    pub name: String,
    /// What sort it is.
    pub kind: PlaceKind,
    /// Where it stands in the list.
    pub position: i64,
    /// What we may do there.
    pub access: Access,
    /// Whether everybody in the server can see it; a thread is as visible as its channel, a private one never.
    pub public: bool,
    /// Whether it is restricted by age.
    pub nsfw: bool,
    /// Whether its archived private threads may be listed.
    pub manages_threads: bool,
    /// The newest message, as Discord tells: a hint, since it may be deleted. In a forum, the newest post.
    pub last_message: Option<MessageId>,
    /// When a thread was archived; none while it is active, and for channels.
    pub archived_at: Option<Timestamp>,
}

impl Place {
    /// The channel under which the page shows it: itself, or the channel above a thread.
    pub fn root(&self) -> ChannelId {
        if self.kind.is_thread() { self.parent.unwrap_or(self.id) } else { self.id }
    }

    /// The places above it: the channel above a thread, and the category above that.
    pub fn ancestors<'a>(&self, find: impl Fn(ChannelId) -> Option<&'a Self>) -> Vec<&'a Self> {
        let parent = self.parent.and_then(&find);
        let grandparent = parent.and_then(|parent| parent.parent).and_then(&find);
        parent.into_iter().chain(grandparent).collect()
    }
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guild {
    /// Its id.
    pub id: GuildId,
    /// Its name.
    pub name: String,
    /// The hash in the address of its icon.
    pub icon: Option<String>,
}

/// A server and its channels, categories included, threads not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The server.
    pub guild: Guild,
    /// Its channels, with what we may do in each.
    pub channels: Vec<Place>,
    /// When Discord answered, by its own clock.
    pub answered_at: Timestamp,
}

impl Survey {
    /// A channel or category of the server.
    pub fn find(&self, id: ChannelId) -> Option<&Place> {
        self.channels.iter().find(|place| place.id == id)
    }
}

/// Which archived threads are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Archived {
    /// Those that everybody who sees the channel sees, announcement threads and posts included.
    Public,
    /// Those by invitation; needs the permission to manage threads.
    Private,
}
