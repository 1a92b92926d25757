//! Changes of the world as gateway events, and what may happen to them on the way.

use std::{sync::Arc, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::{
    faults::When,
    ids::{ChannelId, GuildId, MessageId},
    model::{Channel, MessageContent, State},
    permissions,
    render::{self, Sight},
    sign::Signer,
    world::Change,
};

pub(super) const GUILDS: u64 = 1 << 0;
pub(super) const GUILD_MESSAGES: u64 = 1 << 9;
pub(super) const MESSAGE_CONTENT: u64 = 1 << 15;

/// Something that happens to an event, or to the connections right after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventFault {
    /// It is never sent.
    Lose,
    /// It is sent twice.
    Duplicate,
    /// It is sent so much later.
    Late(Duration),
    /// It is sent after the next one, whatever that is.
    SwapWithNext,
    /// It is sent, and then every connection is cut.
    Cut,
    /// It is sent, and then the client is told to reconnect (op 7).
    Reconnect,
    /// It is sent, and then the session is invalid (op 9) and can be resumed.
    InvalidButResumable,
    /// It is sent, and then the session is invalid (op 9) and gone.
    Invalid,
}

/// Which events a fault concerns, and how often.
#[derive(Clone, Debug)]
pub struct EventRule {
    event: Option<&'static str>,
    when: When,
    fault: EventFault,
}

impl EventRule {
    /// A rule for events of one name: `MESSAGE_CREATE`.
    pub fn new(event: &'static str, when: When, fault: EventFault) -> Self {
        Self { event: Some(event), when, fault }
    }

    /// A rule for events of all names.
    pub fn any(when: When, fault: EventFault) -> Self {
        Self { event: None, when, fault }
    }
}

/// The rules in force, with their counts and the dice.
pub(super) struct EventRules {
    rules: Vec<(EventRule, u64)>,
    dice: StdRng,
}

impl EventRules {
    pub(super) fn new(rules: Vec<EventRule>, seed: u64) -> Self {
        let rules = rules.into_iter().map(|rule| (rule, 0)).collect();
        Self { rules, dice: StdRng::seed_from_u64(seed) }
    }

    pub(super) fn add(&mut self, rule: EventRule) {
        self.rules.push((rule, 0));
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn strike(&mut self, event: &str) -> Vec<EventFault> {
        let mut faults = Vec::new();
        for (rule, seen) in &mut self.rules {
            if rule.event.is_some_and(|name| name != event) {
                continue;
            }
            *seen += 1;
            let fires = match rule.when {
                When::Nth(n) => *seen == n,
                When::First(n) => *seen <= n,
                When::Every(n) => seen.is_multiple_of(n),
                When::Chance(probability) => self.dice.random_bool(probability),
                When::Always => true,
            };
            if fires {
                faults.push(rule.fault);
            }
        }
        faults
    }
}

/// An event before it has a number.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) guild: GuildId,
    /// The intent without which it is not sent.
    pub(super) intent: u64,
    pub(super) full: Arc<Value>,
    /// What sessions without message content get.
    pub(super) emptied: Arc<Value>,
}

impl Event {
    pub(super) fn new(name: &'static str, guild: GuildId, data: Value) -> Self {
        let full = Arc::new(data);
        Self { name, guild, intent: GUILDS, emptied: Arc::clone(&full), full }
    }
}

/// The event that tells of a change; none when the bot must not know.
pub(super) fn describe(state: &State, signer: &Signer, change: &Change) -> Option<Event> {
    let channel_event = |name, id: &ChannelId| {
        let channel = &state.channels[id];
        Some(Event::new(name, channel.guild, render::channel(channel)))
    };
    match change {
        Change::GuildJoined(guild) | Change::GuildAvailable(guild) => {
            Some(Event::new("GUILD_CREATE", *guild, render::guild_create(state, *guild)))
        }
        Change::GuildUnavailable(guild) => {
            let data = json!({ "id": guild, "unavailable": true });
            Some(Event::new("GUILD_DELETE", *guild, data))
        }
        Change::GuildLeft(guild) => {
            Some(Event::new("GUILD_DELETE", *guild, json!({ "id": guild })))
        }
        Change::RoleCreated(guild, role) | Change::RoleUpdated(guild, role) => {
            let name = match change {
                Change::RoleCreated(..) => "GUILD_ROLE_CREATE",
                _ => "GUILD_ROLE_UPDATE",
            };
            let role = render::role(&state.guilds[guild].roles[role]);
            Some(Event::new(name, *guild, json!({ "guild_id": guild, "role": role })))
        }
        Change::ChannelCreated(id) => channel_event("CHANNEL_CREATE", id),
        Change::ChannelUpdated(id) => channel_event("CHANNEL_UPDATE", id),
        Change::ChannelDeleted(id) => channel_event("CHANNEL_DELETE", id),
        Change::AccessGained(id) => Some(thread_list(state, &state.channels[id])),
        Change::ThreadCreated(id) => {
            let mut event = thread_event(state, "THREAD_CREATE", *id)?;
            Arc::make_mut(&mut event.full)["newly_created"] = json!(true);
            event.emptied = Arc::clone(&event.full);
            Some(event)
        }
        Change::ThreadUpdated(id) => thread_event(state, "THREAD_UPDATE", *id),
        Change::ThreadDeleted(id) => {
            let thread = &state.channels[id];
            let data = json!({
                "id": thread.id,
                "guild_id": thread.guild,
                "parent_id": thread.parent,
                "type": thread.kind as u8,
            });
            Some(Event::new("THREAD_DELETE", thread.guild, data))
        }
        Change::MessageCreated(channel, message) => {
            message_event(state, signer, "MESSAGE_CREATE", *channel, *message)
        }
        Change::MessageUpdated(channel, message) => {
            message_event(state, signer, "MESSAGE_UPDATE", *channel, *message)
        }
        Change::MessageDeleted(channel, message) => {
            let channel = visible(state, *channel)?;
            let data = render::deletion(channel, &channel.messages[message]);
            Some(about_messages("MESSAGE_DELETE", channel, data))
        }
        Change::MessagesDeleted(channel, messages) => {
            let channel = visible(state, *channel)?;
            let data = json!({
                "ids": messages,
                "channel_id": channel.id,
                "guild_id": channel.guild,
            });
            Some(about_messages("MESSAGE_DELETE_BULK", channel, data))
        }
    }
}

fn visible(state: &State, channel: ChannelId) -> Option<&Channel> {
    let channel = &state.channels[&channel];
    permissions::may_view(state, channel, state.bot).then_some(channel)
}

fn thread_event(state: &State, name: &'static str, id: ChannelId) -> Option<Event> {
    let channel = visible(state, id)?;
    let thread = channel.thread.as_ref().expect("the change says it is one");
    Some(Event::new(name, channel.guild, render::thread(state, channel, thread)))
}

/// `THREAD_LIST_SYNC`, which follows when a channel becomes visible.
fn thread_list(state: &State, parent: &Channel) -> Event {
    let seen = state.threads_of(parent.guild).filter(|(channel, thread)| {
        channel.parent == Some(parent.id)
            && !thread.archived
            && permissions::may_view(state, channel, state.bot)
    });
    let (mut threads, mut members) = (Vec::new(), Vec::new());
    for (channel, thread) in seen {
        threads.push(render::thread(state, channel, thread));
        if thread.members.contains(&state.bot) {
            members.push(render::thread_member(channel, thread, state.bot));
        }
    }
    let data = json!({
        "guild_id": parent.guild,
        "channel_ids": [parent.id],
        "threads": threads,
        "members": members,
    });
    Event::new("THREAD_LIST_SYNC", parent.guild, data)
}

fn about_messages(name: &'static str, channel: &Channel, data: Value) -> Event {
    Event { intent: GUILD_MESSAGES, ..Event::new(name, channel.guild, data) }
}

fn message_event(
    state: &State,
    signer: &Signer,
    name: &'static str,
    channel: ChannelId,
    message: MessageId,
) -> Option<Event> {
    let channel = visible(state, channel)?;
    let message = &channel.messages[&message];
    let seen = |sight| Arc::new(render::gateway_message(state, signer, channel, message, sight));
    let full = seen(Sight::of(state, message, state.message_content));
    let emptied = seen(Sight::of(state, message, MessageContent::Withheld));
    Some(Event { name, guild: channel.guild, intent: GUILD_MESSAGES, full, emptied })
}
