//! The REST routes: which exist, what they take, how they are limited; then who answers.
//!
//! [`ROUTES`] is the whole contract. What a client sends beyond it is a violation that tests see.

mod account;
mod links;
mod messages;
mod search;
mod serve;
mod threads;

use std::{sync::MutexGuard, time::Duration};

use axum::http::Method;
use bytes::Bytes;

pub(crate) use self::serve::serve;
use crate::{
    core::Core,
    ids::{ChannelId, GuildId, MessageId, UserId},
    model::{Channel, Guild, State},
    permissions,
    rate::Bucket,
    reply::Reply,
};

/// A route as Discord's description has it.
pub(crate) struct Route {
    /// Its `operationId` there.
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    pub(crate) template: &'static str,
    pub(crate) query: &'static [&'static str],
    bucket: Bucket,
    answer: fn(&Call<'_>) -> Reply,
}

/// A route that the simulator knows, for those who compare it with Discord's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownRoute {
    /// Its `operationId` in the description.
    pub name: &'static str,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path with its variables in braces, below `/api/v10`.
    pub template: &'static str,
    /// The query keys it takes.
    pub query: &'static [&'static str],
}

/// Everything that is no violation to ask for.
pub fn routes() -> Vec<KnownRoute> {
    let told = |route: &Route| KnownRoute {
        name: route.name,
        method: if route.method == Method::GET { "GET" } else { "POST" },
        template: route.template,
        query: route.query,
    };
    ROUTES.iter().map(told).collect()
}

/// A request that has passed the gates, with the truth locked while it is answered.
struct Call<'a> {
    core: &'a Core,
    state: MutexGuard<'a, State>,
    /// The ids in the path, in order.
    ids: Vec<u64>,
    query: Vec<(String, String)>,
    body: Bytes,
}

const SECOND: Duration = Duration::from_secs(1);

/// Token buckets whose numbers nobody published: generous, but low enough to be met in a run.
const UNPUBLISHED: Bucket = Bucket::Refill(10, Duration::from_millis(500));

const PAGE: &[&str] = &["before", "limit"];

/// Literal segments come before ids where both would match.
pub(crate) const ROUTES: &[Route] = &[
    get("get_gateway", "/gateway", &[], Bucket::GlobalOnly, account::gateway),
    get(
        "get_bot_gateway",
        "/gateway/bot",
        &[],
        Bucket::Window(2, SECOND.saturating_mul(5)),
        account::bot_gateway,
    ),
    get("get_my_user", "/users/@me", &[], Bucket::Window(5, SECOND), account::me),
    get(
        "list_my_guilds",
        "/users/@me/guilds",
        &["before", "after", "limit", "with_counts"],
        Bucket::Window(2, SECOND),
        account::my_guilds,
    ),
    get(
        "get_my_application",
        "/applications/@me",
        &[],
        Bucket::Window(5, SECOND),
        account::application,
    ),
    get(
        "get_my_oauth2_application",
        "/oauth2/applications/@me",
        &[],
        Bucket::Window(5, SECOND),
        account::application,
    ),
    get("get_guild", "/guilds/{guild_id}", &["with_counts"], Bucket::GlobalOnly, account::guild),
    get(
        "list_guild_channels",
        "/guilds/{guild_id}/channels",
        &[],
        Bucket::Window(10, SECOND.saturating_mul(10)),
        account::channels,
    ),
    get("list_guild_roles", "/guilds/{guild_id}/roles", &[], Bucket::GlobalOnly, account::roles),
    get(
        "get_guild_member",
        "/guilds/{guild_id}/members/{user_id}",
        &[],
        Bucket::Window(5, SECOND),
        account::member,
    ),
    get(
        "get_active_guild_threads",
        "/guilds/{guild_id}/threads/active",
        &[],
        Bucket::GlobalOnly,
        threads::active,
    ),
    get(
        "guild_search",
        "/guilds/{guild_id}/messages/search",
        search::KEYS,
        UNPUBLISHED,
        search::messages,
    ),
    get("get_channel", "/channels/{channel_id}", &[], Bucket::GlobalOnly, account::channel),
    get(
        "list_messages",
        "/channels/{channel_id}/messages",
        &["around", "before", "after", "limit"],
        Bucket::Messages,
        messages::list,
    ),
    get("list_pins", "/channels/{channel_id}/messages/pins", PAGE, UNPUBLISHED, messages::pins),
    get(
        "get_message",
        "/channels/{channel_id}/messages/{message_id}",
        &[],
        UNPUBLISHED,
        messages::single,
    ),
    get(
        "list_public_archived_threads",
        "/channels/{channel_id}/threads/archived/public",
        PAGE,
        Bucket::Window(5, SECOND),
        threads::archived_public,
    ),
    get(
        "list_private_archived_threads",
        "/channels/{channel_id}/threads/archived/private",
        PAGE,
        Bucket::GlobalOnly,
        threads::archived_private,
    ),
    get(
        "list_my_private_archived_threads",
        "/channels/{channel_id}/users/@me/threads/archived/private",
        PAGE,
        Bucket::Window(5, SECOND),
        threads::joined_private,
    ),
    get(
        "thread_search",
        "/channels/{channel_id}/threads/search",
        search::THREAD_KEYS,
        UNPUBLISHED,
        search::threads,
    ),
    Route {
        // Not in Discord's description; the community's name for it.
        name: "refresh_urls",
        method: Method::POST,
        template: "/attachments/refresh-urls",
        query: &[],
        bucket: UNPUBLISHED,
        answer: links::refresh,
    },
];

const fn get(
    name: &'static str,
    template: &'static str,
    query: &'static [&'static str],
    bucket: Bucket,
    answer: fn(&Call<'_>) -> Reply,
) -> Route {
    Route { name, method: Method::GET, template, query, bucket, answer }
}

impl Route {
    /// The ids in the path when it is one of this route's.
    fn ids(&self, path: &str) -> Option<Vec<u64>> {
        let mut ids = Vec::new();
        let (mut wanted, mut given) = (self.template.split('/'), path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return Some(ids),
                (Some(variable), Some(id)) if variable.starts_with('{') => {
                    ids.push(id.parse().ok()?);
                }
                (Some(wanted), Some(given)) if wanted == given => {}
                _ => return None,
            }
        }
    }
}

impl Call<'_> {
    /// The first value of a query key.
    fn value(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(held, _)| held == key).map(|(_, value)| value.as_str())
    }

    /// All values of a repeated query key.
    fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(held, _)| held == key).map(|(_, value)| value.as_str())
    }

    /// A whole number within bounds, or its default; anything else is the client's error.
    fn number(&self, key: &str, default: usize, bounds: (usize, usize)) -> Result<usize, Reply> {
        let Some(text) = self.value(key) else { return Ok(default) };
        let (least, most) = bounds;
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => {
                self.core.violation(format!("{key}={text} is not within {least} to {most}"));
                Err(Reply::invalid(key, &format!("Value must be between {least} and {most}.")))
            }
        }
    }

    /// A snowflake, if given.
    fn snowflake(&self, key: &str) -> Result<Option<u64>, Reply> {
        let Some(text) = self.value(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            self.core.violation(format!("{key}={text} is not a snowflake"));
            Reply::invalid(key, &format!("Value \"{text}\" is not snowflake."))
        })
    }

    /// The server in the path, if the bot is in it.
    fn guild(&self) -> Result<&Guild, Reply> {
        let unknown = || Reply::error(404, 10_004, "Unknown Guild");
        let guild = self.state.guilds.get(&GuildId(self.ids[0])).ok_or_else(unknown)?;
        let joined = guild.members.contains_key(&self.state.bot);
        if joined { Ok(guild) } else { Err(Reply::error(403, 50_001, "Missing Access")) }
    }

    /// The channel or thread in the path, if the bot sees it.
    fn channel(&self) -> Result<&Channel, Reply> {
        let unknown = || Reply::error(404, 10_003, "Unknown Channel");
        let channel = self.state.channel(ChannelId(self.ids[0])).ok_or_else(unknown)?;
        let visible = permissions::may_view(&self.state, channel, self.state.bot);
        if visible { Ok(channel) } else { Err(Reply::error(403, 50_001, "Missing Access")) }
    }

    fn may(&self, channel: &Channel, bits: u64) -> bool {
        permissions::in_channel(&self.state, channel, self.state.bot) & bits == bits
    }

    fn message_id(&self) -> MessageId {
        MessageId(self.ids[1])
    }

    fn user_id(&self) -> UserId {
        UserId(self.ids[1])
    }
}

/// An answer is an answer whether it went well or not.
fn either(result: Result<Reply, Reply>) -> Reply {
    result.unwrap_or_else(|refusal| refusal)
}

fn missing_permissions() -> Reply {
    Reply::error(403, 50_013, "Missing Permissions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<(&str, &[u64])>) {
        let found = ROUTES.iter().find_map(|route| Some((route.name, route.ids(path)?)));
        let found = found.as_ref().map(|(name, ids)| (*name, ids.as_slice()));
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn paths_find_their_route() {
        check("/channels/1/messages", Some(("list_messages", &[1])));
        check("/channels/1/messages/2", Some(("get_message", &[1, 2])));
        check("/channels/1/messages/pins", Some(("list_pins", &[1])));
        check("/channels/x/messages", None);
        check("/channels/1/messages/", None);
        check("/users/@me", Some(("get_my_user", &[])));
        check("/users/7", None);
    }
}
