//! What an archive ought to hold, told by the world itself and by nobody's converter.

use super::World;
use crate::{
    content::Content,
    ids::{AttachmentId, ChannelId, GuildId, MessageId, UserId},
    model::{Channel, Kind, Message, State},
    permissions,
};

/// A channel or thread as it truly is.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked for by itself")]
pub struct Place {
    /// Its id.
    pub id: ChannelId,
    /// The server it belongs to.
    pub guild: GuildId,
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub name: String,
    /// The category over a channel, the channel over a thread.
    pub parent: Option<ChannelId>,
    /// Whether it is an archived thread.
    pub archived: bool,
    /// Age-restricted; a thread is when its parent is.
    pub nsfw: bool,
    /// Whether the bot may read its history now.
    pub readable: bool,
    /// Whether @everyone may see it now.
    pub public: bool,
}

/// A message as it truly is.
#[derive(Clone, Debug)]
pub struct TruthMessage {
    /// Its id.
    pub id: MessageId,
    /// The channel or thread it stands in.
    pub channel: ChannelId,
    /// The server.
    pub guild: GuildId,
    /// Who wrote it.
    pub author: UserId,
    /// The author's shown name.
    pub author_name: String,
    /// Its text.
    pub content: String,
    /// Discord's message type.
    pub kind: u64,
    /// When it was last edited by its author (unix milliseconds).
    pub edited: Option<u64>,
    /// When it was deleted (unix milliseconds).
    pub deleted: Option<u64>,
    /// Its files, wherever in the message they show.
    pub attachments: Vec<TruthAttachment>,
}

/// Where in its message a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placement {
    /// In the list of attachments.
    Listed,
    /// Only in an embed or a component.
    Embedded,
    /// In the list of a forwarded message.
    Forwarded,
}

/// A file as it truly is.
#[derive(Clone, Debug)]
pub struct TruthAttachment {
    /// Its id.
    pub id: AttachmentId,
    /// The message it belongs to.
    pub message: MessageId,
    /// The channel of that message.
    pub channel: ChannelId,
    /// The name in its link.
    pub filename: String,
    /// The name it had before.
    pub title: Option<String>,
    /// What Discord says it is.
    pub content_type: Option<String>,
    /// Width and height, when Discord knows them.
    pub dimensions: Option<(u32, u32)>,
    /// Its bytes.
    pub content: Content,
    /// Where it shows.
    pub placement: Placement,
    /// When it was taken away (unix milliseconds).
    pub removed: Option<u64>,
}

impl World {
    /// All channels and threads that exist, by id.
    pub fn places(&self) -> Vec<Place> {
        let state = self.lock();
        let living = state.channels.values().filter(|channel| !channel.deleted);
        living.map(|channel| describe(&state, channel)).collect()
    }

    /// All messages there ever were in a channel or thread, deleted ones included, oldest first.
    pub fn messages(&self, channel: ChannelId) -> Vec<TruthMessage> {
        let state = self.lock();
        let Some(channel) = state.channels.get(&channel) else { return Vec::new() };
        channel.messages.values().map(|message| tell(&state, channel, message)).collect()
    }

    /// What a complete archive of everything the bot may read holds now: no deleted messages, no removed
    /// files, by place and then oldest first.
    pub fn expected(&self) -> Vec<TruthMessage> {
        let state = self.lock();
        let mut messages = Vec::new();
        for channel in state.channels.values().filter(|channel| !channel.deleted) {
            let bot_in = state.guilds[&channel.guild].members.contains_key(&state.bot);
            if bot_in && permissions::may_read_history(&state, channel, state.bot) {
                messages.extend(channel.living().map(|message| tell(&state, channel, message)));
            }
        }
        for message in &mut messages {
            message.attachments.retain(|file| file.removed.is_none());
        }
        messages
    }

    /// The files of [`expected`](Self::expected) that stand in a message's own list.
    pub fn expected_attachments(&self) -> Vec<TruthAttachment> {
        let files = self.expected().into_iter().flat_map(|message| message.attachments);
        files.filter(|file| file.placement == Placement::Listed).collect()
    }

    /// How many messages exist now, wherever.
    pub fn message_count(&self) -> usize {
        self.lock().channels.values().map(|channel| channel.living().count()).sum()
    }

    /// An account's avatar: the hash in its address and the picture.
    pub fn avatar(&self, user: UserId) -> Option<(String, Content)> {
        self.lock().users.get(&user)?.avatar.clone()
    }

    /// What an account is called.
    pub fn user_name(&self, user: UserId) -> String {
        shown_name(&self.lock(), user)
    }

    /// Whether the bot may read what was written in a channel or thread before.
    pub fn may_read(&self, channel: ChannelId) -> bool {
        let state = self.lock();
        let found = state.channel(channel);
        found.is_some_and(|channel| permissions::may_read_history(&state, channel, state.bot))
    }
}

fn describe(state: &State, channel: &Channel) -> Place {
    let parent = channel.parent.and_then(|parent| state.channels.get(&parent));
    let governing = parent.filter(|_| channel.thread.is_some()).unwrap_or(channel);
    Place {
        id: channel.id,
        guild: channel.guild,
        kind: channel.kind,
        name: channel.name.clone(),
        parent: channel.parent,
        archived: channel.thread.as_ref().is_some_and(|thread| thread.archived),
        nsfw: governing.nsfw,
        readable: permissions::may_read_history(state, channel, state.bot),
        public: permissions::everyone_may_view(state, channel.id),
    }
}

fn tell(state: &State, channel: &Channel, message: &Message) -> TruthMessage {
    let first = message.snapshot.iter().flat_map(|snapshot| &snapshot.attachments);
    let forwarded: Vec<AttachmentId> = first.copied().collect();
    // Files get their ids with or after their message's, so nothing older needs a look.
    let files = state.attachments.range(AttachmentId(message.id.0)..).map(|(_, file)| file);
    let near = files.take_while(|file| file.id.millis() == message.id.millis());
    let attachments = near
        .filter(|file| file.message == message.id)
        .map(|file| TruthAttachment {
            id: file.id,
            message: message.id,
            channel: channel.id,
            filename: file.filename.clone(),
            title: file.title.clone(),
            content_type: file.content_type.clone(),
            dimensions: file.dimensions,
            content: file.content.clone(),
            placement: if forwarded.contains(&file.id) {
                Placement::Forwarded
            } else if message.attachments.contains(&file.id) || !mentioned(message, file.id) {
                Placement::Listed
            } else {
                Placement::Embedded
            },
            removed: file.removed,
        })
        .collect();
    TruthMessage {
        id: message.id,
        channel: channel.id,
        guild: channel.guild,
        author: message.author,
        author_name: shown_name(state, message.author),
        content: message.content.clone(),
        kind: message.kind,
        edited: message.edited,
        deleted: message.deleted,
        attachments,
    }
}

fn shown_name(state: &State, user: UserId) -> String {
    let user = &state.users[&user];
    user.global_name.clone().unwrap_or_else(|| user.name.clone())
}

/// Whether embeds or components of the message show the file.
fn mentioned(message: &Message, file: AttachmentId) -> bool {
    let needle = format!("\"sim:{file}\"");
    let mut parts = message.embeds.iter().chain(&message.components);
    parts.any(|part| part.to_string().contains(&needle))
}
