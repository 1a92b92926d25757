//! The truth: what the simulated Discord holds, and the ways tests build it.
//!
//! A [`World`] is a handle that clones share. REST, gateway and CDN read it; only its methods change it,
//! and each change reaches the gateway's sessions before the method returns.

mod change;
mod generate;
mod truth;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

pub use self::{
    change::NewThread,
    generate::Spec,
    truth::{Place, Placement, TruthAttachment, TruthMessage},
};
use crate::{
    clock::Clock,
    compose::NewChannel,
    content::Content,
    ids::{ChannelId, GuildId, IdSource, MessageId, RoleId, UserId},
    model::{Channel, Guild, Member, MessageContent, Overwrite, Role, State, Subject, User},
    permissions, picture,
};

/// When the bot's account was made: before everything that happens in a world.
const BOT_BORN: u64 = 1_577_836_800_000;

/// A handle to the truth.
#[derive(Clone)]
pub struct World(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    listeners: Mutex<Vec<Weak<dyn Listener>>>,
    clock: Clock,
}

/// Told of each change while the world is still locked, so that order is kept.
pub(crate) trait Listener: Send + Sync {
    fn changed(self: Arc<Self>, state: &State, change: &Change);
}

/// What happened, as the gateway would tell it.
#[derive(Debug)]
pub(crate) enum Change {
    GuildJoined(GuildId),
    GuildLeft(GuildId),
    GuildUnavailable(GuildId),
    GuildAvailable(GuildId),
    RoleCreated(GuildId, RoleId),
    RoleUpdated(GuildId, RoleId),
    ChannelCreated(ChannelId),
    ChannelUpdated(ChannelId),
    ChannelDeleted(ChannelId),
    /// The bot sees a channel that it did not see before.
    AccessGained(ChannelId),
    ThreadCreated(ChannelId),
    ThreadUpdated(ChannelId),
    ThreadDeleted(ChannelId),
    MessageCreated(ChannelId, MessageId),
    MessageUpdated(ChannelId, MessageId),
    MessageDeleted(ChannelId, MessageId),
    MessagesDeleted(ChannelId, Vec<MessageId>),
}

impl World {
    /// An empty world with a bot in no server; the seed decides ids of accounts, hashes and the token.
    pub fn new(seed: u64) -> Self {
        let mut ids = IdSource::default();
        let bot = UserId(ids.at(BOT_BORN));
        let account = User {
            id: bot,
            name: "bowerbird".to_owned(),
            global_name: None,
            bot: true,
            avatar: None,
        };
        let state = State {
            seed,
            token: token(bot, seed),
            bot,
            message_content: MessageContent::Granted,
            guilds: BTreeMap::new(),
            channels: BTreeMap::new(),
            users: BTreeMap::from([(bot, account)]),
            attachments: BTreeMap::new(),
            ids,
            pretended: None,
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            listeners: Mutex::default(),
            clock: Clock::default(),
        }))
    }

    /// What this Discord believes the time to be.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Lets everything happen at this time (unix milliseconds) until told otherwise, so that a past can be written.
    pub fn pretend(&self, at: Option<u64>) {
        self.lock().pretended = at;
    }

    /// The token that logs the bot in.
    pub fn token(&self) -> String {
        self.lock().token.clone()
    }

    /// The bot's own account.
    pub fn bot(&self) -> UserId {
        self.lock().bot
    }

    /// A new server that the bot has joined, owned by a new account, readable by @everyone.
    pub fn create_guild(&self, name: &str) -> GuildId {
        let owner = self.create_user(&format!("{name} owner"));
        let mut state = self.lock();
        let now = self.now(&state);
        let guild = GuildId(state.ids.at(now));
        let role = |id, name: &str, position, managed| Role {
            id,
            name: name.to_owned(),
            permissions: permissions::DEFAULT_EVERYONE,
            position,
            managed,
        };
        let everyone = RoleId(guild.0);
        let own = RoleId(state.ids.at(now));
        let bot = state.bot;
        let member = |roles: BTreeSet<RoleId>| Member { roles, joined: guild.millis(), nick: None };
        let made = Guild {
            id: guild,
            name: name.to_owned(),
            owner,
            icon: Some(format!("{:032x}", state.seed ^ guild.0)),
            available: true,
            roles: BTreeMap::from([
                (everyone, role(everyone, "@everyone", 0, false)),
                (own, role(own, "Bowerbird", 1, true)),
            ]),
            members: BTreeMap::from([
                (owner, member(BTreeSet::new())),
                (bot, member(BTreeSet::from([own]))),
            ]),
        };
        state.guilds.insert(guild, made);
        self.tell(&state, &Change::GuildJoined(guild));
        guild
    }

    /// A new account, in no server yet, with a picture of its own.
    pub fn create_user(&self, name: &str) -> UserId {
        let mut state = self.lock();
        let now = self.now(&state);
        let id = UserId(state.ids.at(now));
        let seed = state.seed ^ id.0;
        let user = User {
            id,
            name: name.to_lowercase().replace(' ', "_"),
            global_name: Some(name.to_owned()),
            bot: false,
            avatar: Some((format!("{seed:032x}"), picture::png(seed))),
        };
        state.users.insert(id, user);
        id
    }

    /// Gives an account another picture, or none.
    pub fn set_avatar(&self, user: UserId, picture: Option<Content>) {
        let mut state = self.lock();
        let avatar = picture.map(|content| {
            let sums = content.sums().expect("a picture can be read");
            (sums.sha256[..32].to_owned(), content.clone())
        });
        state.users.get_mut(&user).expect("the account exists").avatar = avatar;
    }

    /// Lets an account join a server.
    pub fn join(&self, guild: GuildId, user: UserId) {
        let mut state = self.lock();
        let joined = self.now(&state);
        let member = Member { roles: BTreeSet::new(), joined, nick: None };
        state.guilds.get_mut(&guild).expect("the server exists").members.insert(user, member);
    }

    /// Gives a member a role. The bot is not told: that takes the privilege to see all members.
    pub fn give_role(&self, guild: GuildId, user: UserId, role: RoleId) {
        let mut state = self.lock();
        let members = state.guilds.get_mut(&guild).map(|guild| &mut guild.members);
        let member = members.and_then(|members| members.get_mut(&user));
        member.expect("the account is a member").roles.insert(role);
    }

    /// Gives a member another name in a server, or takes it away.
    pub fn set_nick(&self, guild: GuildId, user: UserId, nick: Option<&str>) {
        let mut state = self.lock();
        let members = state.guilds.get_mut(&guild).map(|guild| &mut guild.members);
        let member = members.and_then(|members| members.get_mut(&user));
        member.expect("the account is a member").nick = nick.map(str::to_owned);
    }

    /// A new role with these permissions.
    pub fn create_role(&self, guild: GuildId, name: &str, permissions: u64) -> RoleId {
        let mut state = self.lock();
        let now = self.now(&state);
        let id = RoleId(state.ids.at(now));
        let roles = &mut state.guilds.get_mut(&guild).expect("the server exists").roles;
        let position = i64::try_from(roles.len()).expect("few roles");
        roles.insert(id, Role { id, name: name.to_owned(), permissions, position, managed: false });
        self.tell(&state, &Change::RoleCreated(guild, id));
        id
    }

    /// The role that only the bot has.
    pub fn bot_role(&self, guild: GuildId) -> RoleId {
        let state = self.lock();
        let managed = state.guilds[&guild].roles.values().find(|role| role.managed);
        managed.expect("joining made it").id
    }

    /// A new channel.
    pub fn create_channel(&self, guild: GuildId, new: NewChannel) -> ChannelId {
        let mut state = self.lock();
        let now = self.now(&state);
        let at = new.at.unwrap_or(now);
        let id = ChannelId(state.ids.at(at));
        let position = i64::try_from(state.channels_of(guild).count()).expect("few channels");
        let channel = Channel {
            id,
            guild,
            kind: new.kind,
            name: new.name,
            topic: new.topic,
            parent: new.parent,
            position,
            nsfw: new.nsfw,
            flags: new.flags,
            overwrites: new.overwrites,
            deleted: false,
            thread: None,
            messages: BTreeMap::new(),
            last: None,
        };
        state.channels.insert(id, channel);
        self.tell(&state, &Change::ChannelCreated(id));
        id
    }

    /// Replaces one exception from the server's permissions.
    pub fn set_permissions(&self, channel: ChannelId, overwrite: Overwrite) {
        let mut state = self.lock();
        let sees =
            |state: &State| permissions::may_view(state, &state.channels[&channel], state.bot);
        let saw = sees(&state);
        let overwrites = &mut state.channel_mut(channel).overwrites;
        overwrites.retain(|held| held.subject != overwrite.subject);
        overwrites.push(overwrite);
        self.tell(&state, &Change::ChannelUpdated(channel));
        if !saw && sees(&state) {
            self.tell(&state, &Change::AccessGained(channel));
        }
    }

    /// Takes permissions in a channel away from the bot.
    pub fn withdraw(&self, channel: ChannelId, bits: u64) {
        let subject = Subject::Member(self.bot());
        self.set_permissions(channel, Overwrite { subject, allow: 0, deny: bits });
    }

    /// Gives the bot back what [`withdraw`](Self::withdraw) took.
    pub fn restore(&self, channel: ChannelId) {
        let subject = Subject::Member(self.bot());
        self.set_permissions(channel, Overwrite { subject, allow: 0, deny: 0 });
    }

    /// Changes what a role may do in the server at large.
    pub fn set_role_permissions(&self, guild: GuildId, role: RoleId, permissions: u64) {
        let mut state = self.lock();
        let held = state.guilds.get_mut(&guild).and_then(|guild| guild.roles.get_mut(&role));
        held.expect("the role exists").permissions = permissions;
        self.tell(&state, &Change::RoleUpdated(guild, role));
    }

    /// Flips the portal's switch for message content.
    pub fn set_message_content(&self, to: MessageContent) {
        self.lock().message_content = to;
    }

    /// Registers who is told of changes for as long as it lives.
    pub(crate) fn listen(&self, listener: &Arc<impl Listener + 'static>) {
        let weak: Weak<dyn Listener> = Arc::downgrade(listener) as Weak<dyn Listener>;
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(weak);
    }

    /// A test that panicked while it held the truth must not hide its own message behind ours.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock's time, unless a generated past is being written.
    fn now(&self, state: &State) -> u64 {
        state.pretended.unwrap_or_else(|| self.0.clock.now())
    }

    fn tell(&self, state: &State, change: &Change) {
        let mut listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener.strong_count() > 0);
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            listener.changed(state, change);
        }
    }
}

impl State {
    fn channel_mut(&mut self, id: ChannelId) -> &mut Channel {
        self.channels.get_mut(&id).filter(|c| !c.deleted).expect("the channel exists")
    }
}

impl Channel {
    fn note_last(&mut self, id: u64) {
        self.last = self.last.max(Some(id));
    }
}

/// The form of a bot token: the account's id in base64, a time, a secret.
fn token(bot: UserId, seed: u64) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let (id, time) = (bot.to_string(), (seed >> 40).to_be_bytes());
    let secret = Content::seeded(seed, 28).to_bytes().expect("memory can be read");
    format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(id),
        URL_SAFE_NO_PAD.encode(&time[4..]),
        URL_SAFE_NO_PAD.encode(secret)
    )
}
