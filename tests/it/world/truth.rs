//! What Discord holds in this world: the one truth that the fake ports serve from and that tests compare with.
//!
//! Nothing here is read by the code that makes or reads archives. Changes are told to gateway sessions as they happen.

mod telling;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bowerbird::{
    clock::Clock,
    discord::ThreadFacts,
    domain::{
        id::{AttachmentId, ChannelId, GuildId, MessageId, RoleId, UserId},
        link::Link,
        message::{Attachment, Author, Message},
        place::{Access, Place, PlaceKind},
        time::Timestamp,
    },
};
use bytes::Bytes;
use serde_json::json;
use tokio::sync::watch;

pub(super) use self::telling::{Hearing, Session, Telling, Told};
use super::file::{File, Sort};

/// When every world begins.
const BEGINNING: &str = "2026-03-01T12:00:00Z";

/// How long a link lives with Discord. Source: observed.
const LINK_LIVES: Duration = Duration::from_hours(24);

/// The only server there is.
pub(super) const GUILD: GuildId = GuildId(1_000);

/// So many people post.
const PEOPLE: u64 = 4;

/// A handle that the world and its ports share.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    state: Arc<Mutex<State>>,
    told: watch::Sender<u64>,
}

#[derive(Debug)]
pub(super) struct State {
    clock: Time,
    last_id: u64,
    pub(super) channels: BTreeMap<ChannelId, Channel>,
    pub(super) files: BTreeMap<AttachmentId, File>,
    pub(super) sessions: Vec<Session>,
    pub(super) link_lives: Duration,
    /// Who has taken which role.
    pub(super) roles: BTreeMap<UserId, BTreeSet<RoleId>>,
    /// Each signature is another one, as Discord's are.
    signatures: u64,
    /// The fate of the next event; the weather decides.
    pub(super) telling: Telling,
    /// Whether the channels were listed since one of them was deleted.
    pub(super) listed: bool,
    /// Messages that pages leave out though they are there.
    pub(super) overlooked: BTreeSet<MessageId>,
    /// Messages that are not found by their id though they are there.
    pub(super) mislaid: BTreeSet<MessageId>,
    /// Messages that make no sense.
    pub(super) garbled: BTreeSet<MessageId>,
    /// Events that others overtake.
    late: Vec<Told>,
}

/// Time runs while a process does, and is moved by hand in between.
#[derive(Debug)]
enum Time {
    Runs(Clock),
    Stands(Timestamp),
}

/// A channel or thread.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) place: Place,
    pub(super) posts: BTreeMap<MessageId, Post>,
    /// What pages of its history held so far.
    pub(super) served: BTreeSet<MessageId>,
    /// Whether who listens knows it: it was asked for, or told of below a channel that was.
    pub(super) known: bool,
    pub(super) deleted: Option<Hearing>,
}

impl Channel {
    fn new(place: Place) -> Self {
        let (posts, served) = Default::default();
        Self { place, posts, served, known: false, deleted: None }
    }
}

/// A message with everything it ever was.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) author: UserId,
    pub(super) versions: Vec<Version>,
    pub(super) deleted: Option<Hearing>,
}

/// A message between two edits.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) text: String,
    pub(super) edited: Option<Timestamp>,
    pub(super) files: Vec<AttachmentId>,
    pub(super) hearing: Hearing,
    /// Whether its place was known before. What is told of one that is not is left to the reading of its history,
    /// which tells nothing of a message that is deleted by then.
    pub(super) placed: bool,
}

impl Post {
    pub(super) fn current(&self) -> &Version {
        self.versions.last().expect("a post is made with its first version")
    }
}

impl Truth {
    pub(super) fn new() -> Self {
        let state = State {
            clock: Time::Stands(Timestamp::parse(BEGINNING).unwrap()),
            last_id: 0,
            channels: BTreeMap::new(),
            files: BTreeMap::new(),
            sessions: Vec::new(),
            link_lives: LINK_LIVES,
            roles: BTreeMap::new(),
            signatures: 0,
            telling: Telling::Once,
            listed: true,
            overlooked: BTreeSet::new(),
            mislaid: BTreeSet::new(),
            garbled: BTreeSet::new(),
            late: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), told: watch::Sender::new(0) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    pub(super) fn now(&self) -> Timestamp {
        self.state().now()
    }

    /// Rings whenever sessions have more to send.
    pub(super) fn told(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    /// Time runs with the clock of a process, for as long as its runtime does.
    pub(super) fn run_with(&self, clock: Clock) {
        self.state().clock = Time::Runs(clock);
    }

    /// Time stands. Must be called where it ran.
    pub(super) fn stand_still(&self) {
        let mut state = self.state();
        state.clock = Time::Stands(state.now());
    }

    /// Time passes while no process lives.
    pub(super) fn pass(&self, time: Duration) {
        let mut state = self.state();
        let Time::Stands(now) = state.clock else { panic!("a process runs, and time with it") };
        state.clock = Time::Stands(now.after(time));
    }

    pub(super) fn add_channel(&self, name: &str) -> ChannelId {
        let mut state = self.state();
        let id = ChannelId(state.next_id());
        let place = Place {
            id,
            guild: GUILD,
            parent: None,
            name: name.to_owned(),
            kind: PlaceKind::Text,
            position: 0,
            access: Access::Readable,
            public: true,
            nsfw: false,
            manages_threads: false,
            last_message: None,
            archived_at: None,
        };
        state.channels.insert(id, Channel::new(place));
        state.tell(&Told::PlacesChanged);
        drop(state);
        self.ring();
        id
    }

    pub(super) fn add_thread(&self, parent: ChannelId, name: &str) -> ChannelId {
        let mut state = self.state();
        let id = ChannelId(state.next_id());
        let above = state.channels[&parent].place.clone();
        let place = Place {
            id,
            parent: Some(parent),
            name: name.to_owned(),
            kind: PlaceKind::PublicThread,
            ..above
        };
        let place = Place { last_message: None, ..place };
        state.channels.insert(id, Channel::new(place));
        state.tell(&Told::Thread(id));
        drop(state);
        self.ring();
        id
    }

    pub(super) fn archive(&self, thread: ChannelId) {
        let mut state = self.state();
        let now = state.now();
        state.channels.get_mut(&thread).unwrap().place.archived_at = Some(now);
        state.tell(&Told::Thread(thread));
        drop(state);
        self.ring();
    }

    /// Somebody posts some files, or only words.
    pub(super) fn post(&self, channel: ChannelId, sorts: &[Sort]) -> MessageId {
        self.post_by(None, channel, sorts)
    }

    /// Somebody posts, whose turn it is unless it is said who.
    pub(super) fn post_by(
        &self,
        author: Option<UserId>,
        channel: ChannelId,
        sorts: &[Sort],
    ) -> MessageId {
        let mut state = self.state();
        let id = MessageId(state.next_id());
        let files = sorts
            .iter()
            .map(|sort| {
                let file = AttachmentId(state.next_id());
                state.files.insert(file, File::new(*sort, file, channel, id));
                file
            })
            .collect();
        let version = Version {
            text: format!("words of {id}"),
            edited: None,
            files,
            hearing: Hearing::default(),
            placed: true,
        };
        let author = author.unwrap_or(UserId(500 + id.0 % PEOPLE));
        let post = Post { author, versions: vec![version], deleted: None };
        let place = state.channels.get_mut(&channel).unwrap();
        place.posts.insert(id, post);
        place.place.last_message = Some(id);
        // Whoever posts in an archived thread opens it again.
        let reopened = place.place.archived_at.take().is_some();
        if reopened {
            state.tell(&Told::Thread(channel));
        }
        state.tell(&Told::Posted(channel, id));
        drop(state);
        self.ring();
        id
    }

    /// Somebody edits a message; at times this takes its last file off.
    pub(super) fn edit(&self, channel: ChannelId, message: MessageId, takes_file_off: TakeOff) {
        let mut state = self.state();
        let now = state.now();
        let Some(post) = state.channels[&channel].posts.get(&message) else { return };
        if post.deleted.is_some() {
            return;
        }
        let number = post.versions.len();
        let mut files = post.current().files.clone();
        if takes_file_off == TakeOff::Last {
            files.pop();
        }
        let placed = state.channels[&channel].known;
        let hearing = state.tell(&Told::Edited(channel, message, number));
        let text = format!("words of {message}, edition {number}");
        let version = Version { text, edited: Some(now), files, hearing, placed };
        let post = state.channels.get_mut(&channel).unwrap().posts.get_mut(&message).unwrap();
        post.versions.push(version);
        drop(state);
        self.ring();
    }

    pub(super) fn delete(&self, channel: ChannelId, message: MessageId) {
        let mut state = self.state();
        if state.channels[&channel].posts[&message].deleted.is_some() {
            return;
        }
        let hearing = state.tell(&Told::Deleted(channel, message));
        let post = state.channels.get_mut(&channel).unwrap().posts.get_mut(&message).unwrap();
        post.deleted = Some(hearing);
        drop(state);
        self.ring();
    }

    /// What the bot may do in a channel, and so in its threads.
    pub(super) fn permit(&self, channel: ChannelId, access: Access) {
        let mut state = self.state();
        for place in state.channels.values_mut().map(|channel| &mut channel.place) {
            if place.id == channel || place.parent == Some(channel) {
                place.access = access;
            }
        }
        state.tell(&Told::PlacesChanged);
        drop(state);
        self.ring();
    }

    /// What is late is late no longer.
    pub(super) fn catch_up(&self) {
        self.state().catch_up();
        self.ring();
    }

    /// A session that is given up tells nothing any more.
    pub(super) fn forget_late(&self) {
        self.state().late.clear();
    }

    /// All messages that were deleted.
    pub(super) fn deleted(&self) -> Vec<MessageId> {
        let state = self.state();
        let deleted = state.posts().filter(|(_, post, _)| post.deleted.is_some());
        deleted.map(|(id, ..)| id).collect()
    }

    /// Everybody may see a channel and its threads, or only some.
    pub(super) fn open_to(&self, channel: ChannelId, public: bool) {
        let mut state = self.state();
        for place in state.channels.values_mut().map(|channel| &mut channel.place) {
            if place.id == channel || place.parent == Some(channel) {
                place.public = public;
            }
        }
        state.tell(&Told::PlacesChanged);
        drop(state);
        self.ring();
    }

    /// Somebody deletes a channel with its threads, and Discord with it everything in them.
    pub(super) fn delete_channel(&self, channel: ChannelId) {
        let mut state = self.state();
        let hearing = state.tell(&Told::ChannelGone(channel));
        state.listed = false;
        for (id, place) in &mut state.channels {
            if *id == channel || place.place.parent == Some(channel) {
                place.deleted.get_or_insert_with(|| hearing.clone());
                for post in place.posts.values_mut() {
                    post.deleted.get_or_insert_with(|| hearing.clone());
                }
            }
        }
        drop(state);
        self.ring();
    }

    /// The bot is thrown out.
    pub(super) fn throw_out(&self) {
        self.state().tell(&Told::GuildLost);
        self.ring();
    }

    /// Discord loses a file: no link to it works any more.
    pub(super) fn lose(&self, file: AttachmentId) {
        self.state().files.get_mut(&file).unwrap().gone = true;
    }

    fn ring(&self) {
        self.told.send_modify(|count| *count += 1);
    }
}

/// Whether an edit takes a file off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakeOff {
    Nothing,
    Last,
}

impl State {
    /// Everything that was ever posted.
    pub(super) fn posts(&self) -> impl Iterator<Item = (MessageId, &Post, &Channel)> {
        let channels = self.channels.values();
        channels
            .flat_map(|channel| channel.posts.iter().map(move |(id, post)| (*id, post, channel)))
    }

    /// The channels and threads that are there.
    pub(super) fn there(&self) -> impl Iterator<Item = &Channel> {
        self.channels.values().filter(|channel| channel.deleted.is_none())
    }

    /// Whether somebody who lists the channels finds out that a place is gone. Archived threads are not listed.
    pub(super) fn is_missed(&self, channel: &Channel) -> bool {
        let listed = channel.place.parent.filter(|_| channel.place.kind.is_thread());
        let listed = listed.map_or(channel, |parent| &self.channels[&parent]);
        listed.deleted.is_some()
    }

    pub(super) fn now(&self) -> Timestamp {
        match &self.clock {
            Time::Runs(clock) => clock.now(),
            Time::Stands(now) => *now,
        }
    }

    /// Ids tell time, and no two are the same.
    fn next_id(&mut self) -> u64 {
        self.last_id = (self.last_id + 1).max(MessageId::at(self.now()).0);
        self.last_id
    }

    pub(super) fn roles_of(&self, user: UserId) -> BTreeSet<RoleId> {
        self.roles.get(&user).cloned().unwrap_or_default()
    }

    /// A link to a file that is signed now.
    pub(super) fn sign(&mut self, file: AttachmentId) -> Link {
        self.signatures += 1;
        let expiry = self.now().after(self.link_lives).as_secs();
        let address = self.files[&file].address(file);
        Link::new(format!("{address}?ex={expiry:x}&is=0&hm={:x}&", self.signatures))
    }

    /// A message as Discord would send it.
    pub(super) fn message(
        &mut self,
        channel: ChannelId,
        id: MessageId,
        version: Option<usize>,
    ) -> Message {
        let post = &self.channels[&channel].posts[&id];
        let author_id = post.author;
        let author = Author {
            id: post.author,
            name: name_of(post.author),
            avatar: Some(format!("a{}", post.author)),
            bot: false,
        };
        let version = version.map_or(post.current(), |number| &post.versions[number]).clone();
        let attachments: Vec<Attachment> =
            version.files.iter().map(|file| self.attachment(*file)).collect();
        Message {
            id,
            channel,
            guild: Some(GUILD),
            author,
            text: version.text,
            edited: version.edited,
            carries_media: !attachments.is_empty(),
            attachments,
            raw: self.raw(channel, id, author_id),
        }
    }

    /// What matters of it in Discord's own words, with the roles of its author as the gateway tells them.
    fn raw(&self, channel: ChannelId, id: MessageId, author: UserId) -> Box<str> {
        let roles: Vec<_> = self.roles_of(author).into_iter().collect();
        let (author, member) = (json!({ "id": author }), json!({ "roles": roles }));
        json!({ "id": id, "channel_id": channel, "author": author, "member": member })
            .to_string()
            .into()
    }

    fn attachment(&mut self, id: AttachmentId) -> Attachment {
        let link = self.sign(id);
        let file = &self.files[&id];
        Attachment {
            id,
            filename: file.name.clone(),
            title: None,
            content_type: file.content_type().map(str::to_owned),
            size: file.bytes.len() as u64,
            link,
            width: None,
            height: None,
            runtime: None,
            placeholder: None,
            spoiler: false,
        }
    }

    pub(super) fn thread_facts(&self, thread: ChannelId) -> ThreadFacts {
        let place = &self.channels[&thread].place;
        ThreadFacts {
            id: place.id,
            guild: place.guild,
            parent: place.parent,
            name: place.name.clone(),
            kind: place.kind,
            last_message: place.last_message,
            archived_at: place.archived_at,
        }
    }

    /// The bytes behind a link, when it lives.
    pub(super) fn open(&self, link: &Link) -> Option<Bytes> {
        let file = self.files.get(&File::id_in(link)?)?;
        let alive = link.expires_at().is_some_and(|expiry| expiry > self.now());
        let post = &self.channels[&file.channel].posts[&file.message];
        (alive && !file.gone && post.deleted.is_none()).then(|| file.bytes.clone())
    }
}

/// What people are called.
pub(super) fn name_of(user: UserId) -> String {
    format!("person {user}")
}
