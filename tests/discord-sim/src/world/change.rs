//! What happens to messages, threads, channels and servers while the world runs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Change, World};
use crate::{
    compose::{Edit, NewAttachment, NewMessage},
    ids::{AttachmentId, ChannelId, GuildId, MessageId, UserId},
    model::{Attachment, Channel, Kind, Message, Snapshot, State, Thread},
};

/// The message that a thread begins with when it was started from another message.
const THREAD_STARTER_MESSAGE: u64 = 21;
/// Message flag: a thread was started from it.
const HAS_THREAD: u64 = 1 << 5;

/// A thread to be created.
#[derive(Clone, Debug)]
pub struct NewThread {
    name: String,
    kind: Option<Kind>,
    starter: Option<MessageId>,
    owner: Option<UserId>,
    members: Vec<UserId>,
    at: Option<u64>,
}

impl NewThread {
    /// A public thread of its own; in an announcement channel an announcement thread.
    pub fn public(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: None,
            starter: None,
            owner: None,
            members: Vec::new(),
            at: None,
        }
    }

    /// A thread that only its members and moderators see.
    pub fn private(name: impl Into<String>) -> Self {
        Self { kind: Some(Kind::PrivateThread), ..Self::public(name) }
    }

    /// Started from a message of the parent, whose id it takes.
    #[must_use]
    pub fn from_message(mut self, starter: MessageId) -> Self {
        self.starter = Some(starter);
        self
    }

    /// Who started it; otherwise the server's owner.
    #[must_use]
    pub fn by(mut self, owner: UserId) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Adds a member.
    #[must_use]
    pub fn member(mut self, user: UserId) -> Self {
        self.members.push(user);
        self
    }

    /// When (unix milliseconds); otherwise now.
    #[must_use]
    pub fn at(mut self, millis: u64) -> Self {
        self.at = Some(millis);
        self
    }
}

impl World {
    /// Posts a message. An archived thread is active again by it, as on Discord.
    pub fn post(&self, channel: ChannelId, new: NewMessage) -> MessageId {
        let mut state = self.lock();
        let at = new.at.unwrap_or_else(|| self.now(&state));
        let id = MessageId(state.ids.at(at));
        self.unarchive(&mut state, channel, at);
        state.insert_message(channel, id, at, new);
        self.tell(&state, &Change::MessageCreated(channel, id));
        id
    }

    /// Changes a message.
    pub fn edit(&self, channel: ChannelId, message: MessageId, edit: Edit) {
        let mut state = self.lock();
        let now = self.now(&state);
        for id in &edit.remove {
            state.attachments.get_mut(id).expect("the file exists").removed = Some(now);
        }
        let held = state.message_mut(channel, message);
        held.attachments.retain(|id| !edit.remove.contains(id));
        if let Some(content) = edit.content {
            held.content = content;
        }
        if let Some(embeds) = edit.embeds {
            held.embeds = embeds;
        }
        if !edit.silent {
            held.edited = Some(now);
        }
        self.tell(&state, &Change::MessageUpdated(channel, message));
    }

    /// Takes one file out of a message.
    pub fn remove_attachment(&self, channel: ChannelId, message: MessageId, file: AttachmentId) {
        self.edit(channel, message, Edit::default().without(file));
    }

    /// Pins a message.
    pub fn pin(&self, channel: ChannelId, message: MessageId) {
        let mut state = self.lock();
        let now = self.now(&state);
        state.message_mut(channel, message).pinned = Some(now);
        self.tell(&state, &Change::MessageUpdated(channel, message));
    }

    /// Deletes a message; its files leave the CDN at once.
    pub fn delete(&self, channel: ChannelId, message: MessageId) {
        let mut state = self.lock();
        let now = self.now(&state);
        state.delete_message(channel, message, now);
        self.tell(&state, &Change::MessageDeleted(channel, message));
    }

    /// Deletes up to 100 messages with one event.
    pub fn delete_bulk(&self, channel: ChannelId, messages: &[MessageId]) {
        let mut state = self.lock();
        let now = self.now(&state);
        for message in messages {
            state.delete_message(channel, *message, now);
        }
        self.tell(&state, &Change::MessagesDeleted(channel, messages.to_vec()));
    }

    /// Starts a thread in a text or announcement channel.
    pub fn create_thread(&self, parent: ChannelId, new: NewThread) -> ChannelId {
        let mut state = self.lock();
        let at = new.at.unwrap_or_else(|| self.now(&state));
        let id = ChannelId(new.starter.map_or_else(|| state.ids.at(at), |starter| starter.0));
        let starter = new.starter;
        state.insert_thread(parent, id, at, new);
        self.tell(&state, &Change::ThreadCreated(id));
        if let Some(starter) = starter {
            state.message_mut(parent, starter).flags |= HAS_THREAD;
            self.tell(&state, &Change::MessageUpdated(parent, starter));
            let first = MessageId(state.ids.at(at));
            let author = state.message_mut(parent, starter).author;
            let opening = NewMessage::default().by(author).kind(THREAD_STARTER_MESSAGE);
            state.insert_message(id, first, at, opening);
            let guild = state.channel_mut(id).guild;
            state.message_mut(id, first).reference = Some(json!({
                "type": 0,
                "channel_id": parent,
                "message_id": starter,
                "guild_id": guild,
            }));
            self.tell(&state, &Change::MessageCreated(id, first));
        }
        id
    }

    /// Opens a post in a forum or media channel; its first message has the post's own number.
    pub fn create_post(&self, forum: ChannelId, name: &str, opening: NewMessage) -> ChannelId {
        let mut state = self.lock();
        assert!(state.channel_mut(forum).kind.is_forum(), "posts belong in forums");
        let at = opening.at.unwrap_or_else(|| self.now(&state));
        let id = ChannelId(state.ids.at(at));
        let new = NewThread { owner: opening.author, ..NewThread::public(name) };
        state.insert_thread(forum, id, at, new);
        state.channel_mut(forum).note_last(id.0);
        self.tell(&state, &Change::ThreadCreated(id));
        state.insert_message(id, MessageId(id.0), at, opening);
        self.tell(&state, &Change::MessageCreated(id, MessageId(id.0)));
        id
    }

    /// Archives a thread now.
    pub fn archive_thread(&self, thread: ChannelId) {
        let now = self.now(&self.lock());
        self.archive_thread_at(thread, now);
    }

    /// Archives a thread with a chosen archive time (unix milliseconds), which need not be unique.
    pub fn archive_thread_at(&self, thread: ChannelId, at: u64) {
        let mut state = self.lock();
        let held = state.thread_mut(thread);
        held.archived = true;
        held.archive_changed = at;
        self.tell(&state, &Change::ThreadUpdated(thread));
    }

    /// Makes an archived thread active again.
    pub fn unarchive_thread(&self, thread: ChannelId) {
        let mut state = self.lock();
        let now = self.now(&state);
        self.unarchive(&mut state, thread, now);
    }

    /// Deletes a channel or thread, with the threads and files in it.
    pub fn delete_channel(&self, channel: ChannelId) {
        let mut state = self.lock();
        let now = self.now(&state);
        let change = if state.channel_mut(channel).thread.is_some() {
            Change::ThreadDeleted(channel)
        } else {
            Change::ChannelDeleted(channel)
        };
        let gone: BTreeSet<ChannelId> = state
            .channels
            .values()
            .filter(|c| c.id == channel || c.parent == Some(channel) && c.thread.is_some())
            .map(|c| c.id)
            .collect();
        for id in &gone {
            state.channel_mut(*id).deleted = true;
        }
        for file in state.attachments.values_mut().filter(|file| gone.contains(&file.channel)) {
            file.removed = file.removed.or(Some(now));
        }
        self.tell(&state, &change);
    }

    /// A server goes out of order, which is no removal, or comes back.
    pub fn set_available(&self, guild: GuildId, available: bool) {
        let mut state = self.lock();
        state.guilds.get_mut(&guild).expect("the server exists").available = available;
        let change =
            if available { Change::GuildAvailable(guild) } else { Change::GuildUnavailable(guild) };
        self.tell(&state, &change);
    }

    /// The bot is thrown out of a server.
    pub fn kick_bot(&self, guild: GuildId) {
        let mut state = self.lock();
        let bot = state.bot;
        state.guilds.get_mut(&guild).expect("the server exists").members.remove(&bot);
        self.tell(&state, &Change::GuildLeft(guild));
    }

    fn unarchive(&self, state: &mut State, channel: ChannelId, at: u64) {
        let Some(thread) = state.channel_mut(channel).thread.as_mut().filter(|t| t.archived) else {
            return;
        };
        thread.archived = false;
        thread.archive_changed = at;
        self.tell(state, &Change::ThreadUpdated(channel));
    }
}

impl State {
    fn insert_thread(&mut self, parent: ChannelId, id: ChannelId, at: u64, new: NewThread) {
        let (guild, parent_kind) = {
            let parent = self.channel_mut(parent);
            (parent.guild, parent.kind)
        };
        let kind = new.kind.unwrap_or(match parent_kind {
            Kind::Announcement => Kind::AnnouncementThread,
            _ => Kind::PublicThread,
        });
        let owner = new.owner.unwrap_or(self.guilds[&guild].owner);
        let members = new.members.into_iter().chain([owner]).collect();
        let thread = Thread {
            owner,
            archived: false,
            archive_changed: at,
            created: at,
            locked: false,
            members,
            total_sent: 0,
        };
        let channel = Channel {
            id,
            guild,
            kind,
            name: new.name,
            topic: None,
            parent: Some(parent),
            position: 0,
            nsfw: false,
            flags: 0,
            overwrites: Vec::new(),
            deleted: false,
            thread: Some(thread),
            messages: BTreeMap::new(),
            last: None,
        };
        let before = self.channels.insert(id, channel);
        assert!(before.is_none(), "a message starts one thread at most");
    }

    fn insert_message(&mut self, channel: ChannelId, id: MessageId, at: u64, new: NewMessage) {
        let guild = self.channel_mut(channel).guild;
        assert!(self.channel_mut(channel).kind.holds_messages(), "no messages stand here");
        let author = new.author.unwrap_or(self.guilds[&guild].owner);
        let place = (channel, id, at);
        let attachments = self.insert_files(place, new.attachments);
        let uploads = self.insert_files(place, new.uploads);
        let snapshot = new.forward_of.map(|source| self.take_snapshot(place, source));
        let reference = match (new.reply_to, new.forward_of) {
            (Some((channel, message)), _) => Some(self.refer(0, channel, message)),
            (None, Some((channel, message))) => Some(self.refer(1, channel, message)),
            (None, None) => None,
        };
        let named = |values: Vec<Value>| values.into_iter().map(|v| name_uploads(v, &uploads));
        let message = Message {
            id,
            channel,
            author,
            kind: new.kind,
            content: new.content,
            attachments,
            embeds: named(new.embeds).collect(),
            components: named(new.components).collect(),
            stickers: new.stickers,
            poll: new.poll,
            reference,
            snapshot,
            flags: new.flags,
            webhook: new.webhook,
            mentions: new.mentions,
            edited: None,
            pinned: None,
            deleted: None,
        };
        let channel = self.channel_mut(channel);
        channel.note_last(id.0);
        if let Some(thread) = channel.thread.as_mut() {
            thread.total_sent += 1;
        }
        channel.messages.insert(id, message);
    }

    fn insert_files(
        &mut self,
        (channel, message, at): (ChannelId, MessageId, u64),
        files: Vec<NewAttachment>,
    ) -> Vec<AttachmentId> {
        let mut ids = Vec::new();
        for file in files {
            let id = AttachmentId(self.ids.at(at));
            let attachment = Attachment {
                id,
                channel,
                message,
                filename: file.filename,
                title: file.title,
                description: file.description,
                content_type: file.content_type,
                dimensions: file.dimensions,
                duration: file.duration,
                waveform: file.waveform,
                placeholder: file.placeholder,
                flags: file.flags,
                content: file.content,
                removed: None,
            };
            self.attachments.insert(id, attachment);
            ids.push(id);
        }
        ids
    }

    /// A forward's files are copies that live on when the source is deleted.
    fn take_snapshot(
        &mut self,
        (channel, message, at): (ChannelId, MessageId, u64),
        (from, source): (ChannelId, MessageId),
    ) -> Snapshot {
        let source = self.message_mut(from, source).clone();
        let mut attachments = Vec::new();
        for original in &source.attachments {
            let id = AttachmentId(self.ids.at(at));
            let copy = Attachment { id, channel, message, ..self.attachments[original].clone() };
            self.attachments.insert(id, copy);
            attachments.push(id);
        }
        Snapshot { content: source.content, attachments, sent: source.id.millis() }
    }

    fn refer(&mut self, kind: u64, channel: ChannelId, message: MessageId) -> Value {
        let guild = self.channel_mut(channel).guild;
        json!({ "type": kind, "channel_id": channel, "message_id": message, "guild_id": guild })
    }

    fn delete_message(&mut self, channel: ChannelId, message: MessageId, now: u64) {
        self.message_mut(channel, message).deleted = Some(now);
        for file in self.attachments.values_mut().filter(|file| file.message == message) {
            file.removed = file.removed.or(Some(now));
        }
    }

    fn message_mut(&mut self, channel: ChannelId, message: MessageId) -> &mut Message {
        let held = self.channel_mut(channel).messages.get_mut(&message);
        held.filter(|message| message.deleted.is_none()).expect("the message exists")
    }

    fn thread_mut(&mut self, thread: ChannelId) -> &mut Thread {
        self.channel_mut(thread).thread.as_mut().expect("it is a thread")
    }
}

/// Turns `sim:0` into `sim:<id of the first upload>`, at any depth; `sim-id:0` into the id alone.
fn name_uploads(value: Value, uploads: &[AttachmentId]) -> Value {
    match value {
        Value::String(text) => {
            let number = |prefix| text.strip_prefix(prefix)?.parse::<usize>().ok();
            if let Some(n) = number("sim:") {
                return Value::String(format!("sim:{}", uploads[n]));
            }
            if let Some(n) = number("sim-id:") {
                return Value::String(uploads[n].to_string());
            }
            Value::String(text)
        }
        Value::Array(items) => items.into_iter().map(|item| name_uploads(item, uploads)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, item)| (key, name_uploads(item, uploads))).collect()
        }
        other => other,
    }
}
