//! What a Discord holds, as plain data behind the lock of [`World`](crate::World).
//!
//! Deleted messages stay here, marked: a test must be able to ask what there was.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    content::Content,
    ids::{AttachmentId, ChannelId, GuildId, IdSource, MessageId, RoleId, UserId},
};

/// The sort of a channel or thread; the numbers are Discord's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An ordinary text channel.
    Text = 0,
    /// A voice channel, which has a chat.
    Voice = 2,
    /// A heading over channels.
    Category = 4,
    /// A channel others may follow.
    Announcement = 5,
    /// A thread of an announcement channel.
    AnnouncementThread = 10,
    /// A thread anyone who sees the parent may read.
    PublicThread = 11,
    /// A thread of its members.
    PrivateThread = 12,
    /// A stage channel, which has a chat.
    Stage = 13,
    /// A channel of posts, each a thread.
    Forum = 15,
    /// A forum whose posts are pictures first.
    Media = 16,
}

impl Kind {
    /// Whether messages can stand in it.
    pub fn holds_messages(self) -> bool {
        !matches!(self, Self::Category | Self::Forum | Self::Media)
    }

    /// Whether each entry of it is a thread of its own.
    pub fn is_forum(self) -> bool {
        matches!(self, Self::Forum | Self::Media)
    }
}

/// Whom an overwrite concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// All members with a role.
    Role(RoleId),
    /// One member.
    Member(UserId),
}

/// A channel's exception from the server's permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overwrite {
    /// Whom it concerns.
    pub subject: Subject,
    /// Bits granted.
    pub allow: u64,
    /// Bits taken away.
    pub deny: u64,
}

/// Whether the portal's switch for the message content intent is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageContent {
    /// On, as for a small bot: the application's flag is the `LIMITED` one.
    Granted,
    /// Off: texts, embeds, attachments and components come empty.
    Withheld,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) seed: u64,
    pub(crate) token: String,
    pub(crate) bot: UserId,
    pub(crate) message_content: MessageContent,
    pub(crate) guilds: BTreeMap<GuildId, Guild>,
    /// Threads are channels too.
    pub(crate) channels: BTreeMap<ChannelId, Channel>,
    pub(crate) users: BTreeMap<UserId, User>,
    pub(crate) attachments: BTreeMap<AttachmentId, Attachment>,
    pub(crate) ids: IdSource,
    /// While a generated past is being written: the time it is written at.
    pub(crate) pretended: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Guild {
    pub(crate) id: GuildId,
    pub(crate) name: String,
    pub(crate) owner: UserId,
    pub(crate) icon: Option<String>,
    pub(crate) available: bool,
    pub(crate) roles: BTreeMap<RoleId, Role>,
    pub(crate) members: BTreeMap<UserId, Member>,
}

#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) id: RoleId,
    pub(crate) name: String,
    pub(crate) permissions: u64,
    pub(crate) position: i64,
    pub(crate) managed: bool,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) roles: BTreeSet<RoleId>,
    pub(crate) joined: u64,
    pub(crate) nick: Option<String>,
}

#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) name: String,
    pub(crate) global_name: Option<String>,
    pub(crate) bot: bool,
    /// The hash in the address, and the picture behind it.
    pub(crate) avatar: Option<(String, Content)>,
}

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    pub(crate) guild: GuildId,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) topic: Option<String>,
    pub(crate) parent: Option<ChannelId>,
    pub(crate) position: i64,
    pub(crate) nsfw: bool,
    pub(crate) flags: u64,
    pub(crate) overwrites: Vec<Overwrite>,
    pub(crate) deleted: bool,
    pub(crate) thread: Option<Thread>,
    pub(crate) messages: BTreeMap<MessageId, Message>,
    /// Newest message ever, or newest thread of a forum; may be deleted since, as on Discord.
    pub(crate) last: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) owner: UserId,
    pub(crate) archived: bool,
    /// When `archived` last changed.
    pub(crate) archive_changed: u64,
    pub(crate) created: u64,
    pub(crate) locked: bool,
    pub(crate) members: BTreeSet<UserId>,
    pub(crate) total_sent: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) channel: ChannelId,
    pub(crate) author: UserId,
    pub(crate) kind: u64,
    pub(crate) content: String,
    pub(crate) attachments: Vec<AttachmentId>,
    /// Embeds, components and the rest as Discord writes them; a string `sim:<attachment id>`
    /// inside stands for that file's link, signed when the message is sent.
    pub(crate) embeds: Vec<Value>,
    pub(crate) components: Vec<Value>,
    pub(crate) stickers: Vec<Value>,
    pub(crate) poll: Option<Value>,
    pub(crate) reference: Option<Value>,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) flags: u64,
    pub(crate) webhook: bool,
    pub(crate) mentions: Vec<UserId>,
    pub(crate) edited: Option<u64>,
    pub(crate) pinned: Option<u64>,
    pub(crate) deleted: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) content: String,
    pub(crate) attachments: Vec<AttachmentId>,
    pub(crate) sent: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) id: AttachmentId,
    pub(crate) channel: ChannelId,
    pub(crate) message: MessageId,
    pub(crate) filename: String,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) dimensions: Option<(u32, u32)>,
    pub(crate) duration: Option<f64>,
    pub(crate) waveform: Option<String>,
    pub(crate) placeholder: Option<String>,
    pub(crate) flags: u64,
    pub(crate) content: Content,
    /// Since when the CDN does not have it any more.
    pub(crate) removed: Option<u64>,
}

impl State {
    pub(crate) fn channel(&self, id: ChannelId) -> Option<&Channel> {
        self.channels.get(&id).filter(|channel| !channel.deleted)
    }

    pub(crate) fn message(&self, channel: ChannelId, id: MessageId) -> Option<&Message> {
        self.channel(channel)?.messages.get(&id).filter(|message| message.deleted.is_none())
    }

    /// The channel's place in the tree as the list of channels shows it, threads left out.
    pub(crate) fn channels_of(&self, guild: GuildId) -> impl Iterator<Item = &Channel> {
        self.channels.values().filter(move |c| c.guild == guild && !c.deleted && c.thread.is_none())
    }

    /// All threads, archived ones included.
    pub(crate) fn threads_of(&self, guild: GuildId) -> impl Iterator<Item = (&Channel, &Thread)> {
        self.channels
            .values()
            .filter(move |c| c.guild == guild && !c.deleted)
            .filter_map(|channel| Some((channel, channel.thread.as_ref()?)))
    }
}

impl Channel {
    /// What history shows, oldest first.
    pub(crate) fn living(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages.values().filter(|message| message.deleted.is_none())
    }
}
