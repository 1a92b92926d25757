//! Servers, channels and threads.

use serde::Deserialize;

use super::{
    each, lenient,
    permissions::{Allowed, Overwrite, Standing},
};
use crate::{
    discord::{DiscordError, Guild, ThreadFacts, ThreadPage},
    domain::{
        id::{ChannelId, GuildId, MessageId},
        place::{Access, Place, PlaceKind},
        time::Timestamp,
    },
};

/// Reads a server.
pub(in crate::discord) fn guild(body: &[u8]) -> Result<Guild, DiscordError> {
    let parts: GuildParts = serde_json::from_slice(body)
        .map_err(|error| DiscordError::malformed("a server", &error))?;
    parts
        .into_guild()
        .ok_or_else(|| DiscordError::Malformed { reason: "a server without an id".to_owned() })
}

/// Reads a list of servers.
pub(in crate::discord) fn guilds(body: &[u8]) -> Result<Vec<Guild>, DiscordError> {
    let Many(list): Many<GuildParts> = serde_json::from_slice(body)
        .map_err(|error| DiscordError::malformed("a list of servers", &error))?;
    Ok(list.into_iter().filter_map(GuildParts::into_guild).collect())
}

/// Reads a server's channels and computes what we may do in each.
pub(in crate::discord) fn channels(
    body: &[u8],
    guild: GuildId,
    standing: &Standing,
) -> Result<Vec<Place>, DiscordError> {
    let Many(list): Many<Parts> = serde_json::from_slice(body)
        .map_err(|error| DiscordError::malformed("a list of channels", &error))?;
    Ok(list.into_iter().filter_map(|parts| parts.into_channel(guild, standing)).collect())
}

/// Reads a list of threads, as `{threads: […]}`.
pub(in crate::discord) fn threads(
    body: &[u8],
    guild: GuildId,
    channels: &[Place],
) -> Result<Vec<Place>, DiscordError> {
    let list: Threads = serde_json::from_slice(body)
        .map_err(|error| DiscordError::malformed("a list of threads", &error))?;
    Ok(places(list.threads, guild, channels))
}

/// Reads a page of a channel's archived threads.
pub(in crate::discord) fn thread_page(
    body: &[u8],
    channel: &Place,
) -> Result<ThreadPage, DiscordError> {
    let list: Threads = serde_json::from_slice(body)
        .map_err(|error| DiscordError::malformed("a page of threads", &error))?;
    let threads = places(list.threads, channel.guild, std::slice::from_ref(channel));
    Ok(ThreadPage { threads, has_more: list.has_more })
}

/// Reads one thread; none when it has no id.
pub(in crate::discord) fn thread_facts(
    thread: &serde_json::Value,
    guild: Option<GuildId>,
) -> Option<ThreadFacts> {
    Parts::deserialize(thread).ok()?.into_thread(guild)
}

impl ThreadFacts {
    /// The thread as a place: it inherits what we and everybody may do there from the channel above it. Without that
    /// channel nothing is known to be allowed.
    pub fn within(self, parent: Option<&Place>) -> Place {
        Place {
            id: self.id,
            guild: self.guild,
            parent: self.parent,
            name: self.name,
            kind: self.kind,
            position: 0,
            access: parent.map_or(Access::Hidden, |parent| parent.access),
            public: self.kind != PlaceKind::PrivateThread
                && parent.is_some_and(|parent| parent.public),
            nsfw: parent.is_some_and(|parent| parent.nsfw),
            manages_threads: parent.is_some_and(|parent| parent.manages_threads),
            last_message: self.last_message,
            archived_at: self.archived_at,
        }
    }
}

fn places(threads: Vec<Parts>, guild: GuildId, channels: &[Place]) -> Vec<Place> {
    threads
        .into_iter()
        .filter_map(|parts| parts.into_thread(Some(guild)))
        .map(|facts| {
            let parent = channels.iter().find(|channel| Some(channel.id) == facts.parent);
            facts.within(parent)
        })
        .collect()
}

/// A list whose elements are read one by one.
#[derive(Deserialize)]
#[serde(transparent)]
struct Many<T: for<'a> Deserialize<'a>>(#[serde(deserialize_with = "each")] Vec<T>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Threads {
    #[serde(deserialize_with = "each")]
    threads: Vec<Parts>,
    #[serde(deserialize_with = "lenient")]
    has_more: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GuildParts {
    #[serde(deserialize_with = "lenient")]
    id: Option<GuildId>,
    #[serde(deserialize_with = "lenient")]
    name: String,
    #[serde(deserialize_with = "lenient")]
    icon: Option<String>,
}

impl GuildParts {
    fn into_guild(self) -> Option<Guild> {
        Some(Guild { id: self.id?, name: self.name, icon: self.icon })
    }
}

/// What is read of a channel or a thread.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parts {
    #[serde(deserialize_with = "lenient")]
    id: Option<ChannelId>,
    #[serde(deserialize_with = "lenient")]
    guild_id: Option<GuildId>,
    #[serde(rename = "type", deserialize_with = "lenient")]
    kind: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    parent_id: Option<ChannelId>,
    #[serde(deserialize_with = "lenient")]
    name: String,
    #[serde(deserialize_with = "lenient")]
    position: i64,
    #[serde(deserialize_with = "lenient")]
    nsfw: bool,
    #[serde(deserialize_with = "lenient")]
    last_message_id: Option<MessageId>,
    #[serde(deserialize_with = "each")]
    permission_overwrites: Vec<Overwrite>,
    #[serde(deserialize_with = "lenient")]
    thread_metadata: ThreadParts,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ThreadParts {
    #[serde(deserialize_with = "lenient")]
    archived: bool,
    #[serde(deserialize_with = "lenient")]
    archive_timestamp: Option<Timestamp>,
}

impl Parts {
    fn kind(&self) -> PlaceKind {
        self.kind.map_or(PlaceKind::Other, PlaceKind::from_number)
    }

    fn into_channel(self, guild: GuildId, standing: &Standing) -> Option<Place> {
        let kind = self.kind();
        let overwrites: Vec<_> =
            self.permission_overwrites.iter().filter_map(Overwrite::for_calculator).collect();
        let Allowed { access, public, manages_threads } = standing.allowed(kind, &overwrites);
        Some(Place {
            id: self.id?,
            guild,
            parent: self.parent_id,
            name: self.name,
            kind,
            position: self.position,
            access,
            public,
            nsfw: self.nsfw,
            manages_threads,
            last_message: self.last_message_id,
            archived_at: None,
        })
    }

    fn into_thread(self, guild: Option<GuildId>) -> Option<ThreadFacts> {
        let id = self.id?;
        // A thread archived at a time that can't be read was archived after it was opened.
        let archived_at = self.thread_metadata.archive_timestamp.unwrap_or(id.created_at());
        Some(ThreadFacts {
            id,
            guild: self.guild_id.or(guild)?,
            parent: self.parent_id,
            kind: self.kind(),
            name: self.name,
            last_message: self.last_message_id,
            archived_at: self.thread_metadata.archived.then_some(archived_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent() -> Place {
        Place {
            id: ChannelId(20),
            guild: GuildId(1),
            parent: None,
            name: "clips".into(),
            kind: PlaceKind::Text,
            position: 3,
            access: Access::NoHistory,
            public: true,
            nsfw: true,
            manages_threads: true,
            last_message: None,
            archived_at: None,
        }
    }

    #[test]
    fn a_thread_inherits_and_a_private_one_is_never_public() {
        let body = br#"{"threads":[
            {"id":"30","type":11,"parent_id":"20","name":"a","last_message_id":"31",
             "thread_metadata":{"archived":true,"archive_timestamp":"2026-01-02T03:04:05.678901+00:00"}},
            {"id":"32","type":12,"parent_id":"20","name":"b","thread_metadata":{"archived":false,
             "archive_timestamp":"2026-01-02T03:04:05+00:00"}},
            {"id":"33","type":11,"parent_id":"21"}, {"name":"no id"}, 7
        ],"members":[],"has_more":true}"#;
        let page = thread_page(body, &parent()).unwrap();
        assert!(page.has_more);
        let [open, private, orphan] = &page.threads[..] else { panic!("{:?}", page.threads) };
        assert_eq!(open.archived_at, Timestamp::parse("2026-01-02T03:04:05.678Z"));
        assert_eq!(
            (open.access, open.public, open.nsfw, open.manages_threads, open.last_message),
            (Access::NoHistory, true, true, true, Some(MessageId(31)))
        );
        assert_eq!(
            (private.kind, private.public, private.archived_at),
            (PlaceKind::PrivateThread, false, None)
        );
        assert_eq!((orphan.access, orphan.public), (Access::Hidden, false));
    }

    #[test]
    fn unknown_kinds_and_missing_fields_are_no_obstacle() {
        let standing = Standing::read(
            GuildId(1),
            crate::domain::id::UserId(5),
            br#"{"roles":[{"id":"1","permissions":"66560"}]}"#,
            b"{}",
        )
        .unwrap();
        let body = br#"[{"id":"40","type":99},{"id":"41","type":0,"name":null,"position":null,
            "permission_overwrites":null,"last_message_id":null},null,{"type":0}]"#;
        let places = channels(body, GuildId(1), &standing).unwrap();
        assert_eq!(places.len(), 2);
        assert_eq!((places[0].kind, places[1].kind), (PlaceKind::Other, PlaceKind::Text));
        assert_eq!((places[1].access, places[1].public), (Access::Readable, true));
    }
}
