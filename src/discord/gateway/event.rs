//! Events in the words of the domain. Like all that Discord sends they are read leniently: an event that makes no sense
//! is reported as such, so that its sequence is not lost.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    discord::{
        ThreadFacts, Unreadable,
        convert::{self, Setting, each, lenient},
    },
    domain::{
        id::{ChannelId, GuildId, MessageId},
        message::Message,
    },
};

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Somebody posted.
    Posted(Box<Message>),
    /// A message changed, be it that Discord added a preview to it.
    Edited(Box<Message>),
    /// Messages were deleted.
    Deleted {
        /// The server they were in.
        guild: Option<GuildId>,
        /// The channel or thread they were in.
        channel: ChannelId,
        /// Which.
        messages: Vec<MessageId>,
    },
    /// A server is there: at the beginning of a session, after an outage, or because we were invited.
    GuildAvailable {
        /// Which.
        guild: GuildId,
        /// Its channels, with the newest message of each as a hint.
        newest: Vec<(ChannelId, Option<MessageId>)>,
        /// Its active threads that we can see.
        threads: Vec<ThreadFacts>,
    },
    /// A server has an outage; it is not gone.
    GuildUnavailable(GuildId),
    /// We are no longer in a server.
    GuildLost(GuildId),
    /// Threads were opened, changed, archived or became visible.
    ThreadsSeen(Vec<ThreadFacts>),
    /// A thread was deleted.
    ThreadGone {
        /// The server it was in.
        guild: Option<GuildId>,
        /// Which.
        thread: ChannelId,
    },
    /// A channel was deleted.
    ChannelGone {
        /// The server it was in.
        guild: Option<GuildId>,
        /// Which.
        channel: ChannelId,
    },
    /// Channels, roles or our own membership changed: what we may read there has to be computed anew.
    PlacesChanged(GuildId),
    /// It makes no sense, though it is of a kind that matters.
    Unreadable {
        /// What Discord calls it.
        kind: String,
        /// What is wrong with it.
        reason: String,
        /// What of a message could be told.
        message: Option<Unreadable>,
    },
    /// Nothing that an archive cares for.
    Other,
}

impl Event {
    /// Reads what Discord calls `kind`.
    pub(in crate::discord) fn read(kind: &str, data: &RawValue) -> Self {
        let read = match kind {
            "MESSAGE_CREATE" => return posted(kind, data),
            "MESSAGE_UPDATE" => return edited(kind, data),
            "GUILD_CREATE" => guild_available(data),
            "GUILD_DELETE" => guild_deleted(data),
            "THREAD_LIST_SYNC" => threads_synced(data),
            "MESSAGE_DELETE"
            | "MESSAGE_DELETE_BULK"
            | "THREAD_CREATE"
            | "THREAD_UPDATE"
            | "THREAD_DELETE"
            | "CHANNEL_DELETE"
            | "CHANNEL_CREATE"
            | "CHANNEL_UPDATE"
            | "GUILD_ROLE_CREATE"
            | "GUILD_ROLE_UPDATE"
            | "GUILD_ROLE_DELETE"
            | "GUILD_UPDATE"
            | "GUILD_MEMBER_UPDATE" => simple(kind, data),
            _ => return Self::Other,
        };
        read.unwrap_or_else(|| unreadable(kind, "an id is missing", None))
    }
}

fn unreadable(kind: &str, reason: &str, message: Option<Unreadable>) -> Event {
    Event::Unreadable { kind: kind.to_owned(), reason: reason.to_owned(), message }
}

fn posted(kind: &str, data: &RawValue) -> Event {
    match convert::message(data.get(), Setting::default()) {
        Ok(message) => Event::Posted(Box::new(message)),
        Err(error) => unreadable(kind, &error.reason.clone(), Some(error)),
    }
}

fn edited(kind: &str, data: &RawValue) -> Event {
    let whole = serde_json::from_str::<Value>(data.get())
        .is_ok_and(|message| message["author"].is_object() && message["attachments"].is_array());
    match convert::message(data.get(), Setting::default()) {
        Ok(message) if whole => Event::Edited(Box::new(message)),
        // Discord used to send the changed fields only. Taken for a whole message, such a part would erase the rest.
        Ok(message) => {
            let reason = "only a part of the message";
            let (id, raw) = (Some(message.id), message.raw);
            unreadable(kind, reason, Some(Unreadable { id, reason: reason.to_owned(), raw }))
        }
        Err(error) => unreadable(kind, &error.reason.clone(), Some(error)),
    }
}

fn guild_available(data: &RawValue) -> Option<Event> {
    let parts: GuildParts = serde_json::from_str(data.get()).ok()?;
    let guild = parts.id?;
    if parts.unavailable {
        return Some(Event::GuildUnavailable(guild));
    }
    Some(Event::GuildAvailable {
        guild,
        newest: parts
            .channels
            .iter()
            .filter_map(|channel| Some((channel.id?, channel.last_message_id)))
            .collect(),
        threads: thread_facts(&parts.threads, guild),
    })
}

fn guild_deleted(data: &RawValue) -> Option<Event> {
    let parts: GuildParts = serde_json::from_str(data.get()).ok()?;
    let guild = parts.id?;
    Some(if parts.unavailable { Event::GuildUnavailable(guild) } else { Event::GuildLost(guild) })
}

fn threads_synced(data: &RawValue) -> Option<Event> {
    let parts: GuildParts = serde_json::from_str(data.get()).ok()?;
    Some(Event::ThreadsSeen(thread_facts(&parts.threads, parts.guild_id?)))
}

fn thread_facts(threads: &[Value], guild: GuildId) -> Vec<ThreadFacts> {
    threads.iter().filter_map(|thread| convert::thread_facts(thread, Some(guild))).collect()
}

/// Reads what is told by a few ids.
fn simple(kind: &str, data: &RawValue) -> Option<Event> {
    let value: Value = serde_json::from_str(data.get()).ok()?;
    let parts = Ids::deserialize(&value).ok()?;
    let guild = parts.guild_id;
    Some(match kind {
        "MESSAGE_DELETE" => {
            let messages = vec![MessageId(parts.id?.0)];
            Event::Deleted { guild, channel: parts.channel_id?, messages }
        }
        "MESSAGE_DELETE_BULK" => {
            Event::Deleted { guild, channel: parts.channel_id?, messages: parts.several }
        }
        "THREAD_CREATE" | "THREAD_UPDATE" => {
            Event::ThreadsSeen(vec![convert::thread_facts(&value, guild)?])
        }
        "THREAD_DELETE" => Event::ThreadGone { guild, thread: parts.id? },
        "CHANNEL_DELETE" => Event::ChannelGone { guild, channel: parts.id? },
        // A server names itself by its own id.
        "GUILD_UPDATE" => Event::PlacesChanged(GuildId(parts.id?.0)),
        _ => Event::PlacesChanged(guild?),
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ids {
    /// Whatever the event is about.
    #[serde(deserialize_with = "lenient")]
    id: Option<ChannelId>,
    #[serde(rename = "ids", deserialize_with = "each")]
    several: Vec<MessageId>,
    #[serde(deserialize_with = "lenient")]
    channel_id: Option<ChannelId>,
    #[serde(deserialize_with = "lenient")]
    guild_id: Option<GuildId>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GuildParts {
    #[serde(deserialize_with = "lenient")]
    id: Option<GuildId>,
    #[serde(deserialize_with = "lenient")]
    guild_id: Option<GuildId>,
    #[serde(deserialize_with = "lenient")]
    unavailable: bool,
    #[serde(deserialize_with = "each")]
    channels: Vec<ChannelParts>,
    #[serde(deserialize_with = "each")]
    threads: Vec<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ChannelParts {
    #[serde(deserialize_with = "lenient")]
    id: Option<ChannelId>,
    #[serde(deserialize_with = "lenient")]
    last_message_id: Option<MessageId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, json: &str) -> Event {
        Event::read(kind, serde_json::from_str(json).unwrap())
    }

    #[track_caller]
    fn check(kind: &str, json: &str, expected: &str) {
        assert_eq!(format!("{:?}", read(kind, json)), expected, "{kind} {json}");
    }

    #[test]
    fn events_are_read() {
        check(
            "MESSAGE_DELETE",
            r#"{"id":"3","channel_id":"2","guild_id":"1"}"#,
            "Deleted { guild: Some(GuildId(1)), channel: ChannelId(2), messages: [MessageId(3)] }",
        );
        check(
            "MESSAGE_DELETE_BULK",
            r#"{"ids":["3",null,"4"],"channel_id":"2"}"#,
            "Deleted { guild: None, channel: ChannelId(2), messages: [MessageId(3), MessageId(4)] }",
        );
        check("GUILD_DELETE", r#"{"id":"1","unavailable":true}"#, "GuildUnavailable(GuildId(1))");
        check("GUILD_DELETE", r#"{"id":"1"}"#, "GuildLost(GuildId(1))");
        check("GUILD_CREATE", r#"{"id":"1","unavailable":true}"#, "GuildUnavailable(GuildId(1))");
        check("GUILD_ROLE_DELETE", r#"{"guild_id":"1"}"#, "PlacesChanged(GuildId(1))");
        check("GUILD_UPDATE", r#"{"id":"1"}"#, "PlacesChanged(GuildId(1))");
        check("CHANNEL_UPDATE", r#"{"id":"2","guild_id":"1"}"#, "PlacesChanged(GuildId(1))");
        check(
            "CHANNEL_DELETE",
            r#"{"id":"2","guild_id":"1"}"#,
            "ChannelGone { guild: Some(GuildId(1)), channel: ChannelId(2) }",
        );
        check(
            "THREAD_DELETE",
            r#"{"id":"2","guild_id":"1"}"#,
            "ThreadGone { guild: Some(GuildId(1)), thread: ChannelId(2) }",
        );
        check("TYPING_START", r#"{"user_id":"1"}"#, "Other");
        check("SOMETHING_NEW", "[]", "Other");
    }

    #[test]
    fn a_server_comes_with_its_channels_and_threads() {
        let event = read(
            "GUILD_CREATE",
            r#"{"id":"1","channels":[{"id":"2","last_message_id":"9"},{"id":"3"},{}],
                "threads":[{"id":"4","type":11,"parent_id":"2","name":"t"},7]}"#,
        );
        let Event::GuildAvailable { guild, newest, threads } = event else { panic!("{event:?}") };
        assert_eq!(guild, GuildId(1));
        assert_eq!(newest, [(ChannelId(2), Some(MessageId(9))), (ChannelId(3), None)]);
        assert_eq!((threads.len(), threads[0].guild), (1, GuildId(1)));
    }

    #[test]
    fn half_an_edit_is_not_taken_for_a_message() {
        let whole = r#"{"id":"3","channel_id":"2","author":{"id":"5"},"attachments":[]}"#;
        assert!(matches!(read("MESSAGE_UPDATE", whole), Event::Edited(_)));
        let half = r#"{"id":"3","channel_id":"2","embeds":[]}"#;
        let event = read("MESSAGE_UPDATE", half);
        let Event::Unreadable { message: Some(message), .. } = event else { panic!("{event:?}") };
        assert_eq!((message.id, &*message.raw), (Some(MessageId(3)), half));
    }

    #[test]
    fn what_makes_no_sense_is_reported() {
        for kind in ["MESSAGE_CREATE", "MESSAGE_DELETE", "GUILD_CREATE", "THREAD_CREATE"] {
            for json in ["{}", "[]", "null", r#"{"id":{}}"#] {
                assert!(matches!(read(kind, json), Event::Unreadable { .. }), "{kind} {json}");
            }
        }
    }
}
