//! Discord itself, over REST.
//!
//! Backfill, Refresh and `doctor` talk to it through [`Discord`]; it talks through the polite layer. It keeps nothing
//! but its own account's id.

use std::{collections::BTreeSet, fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use tracing::warn;
use twilight_http::{
    request::{Method, Request, RequestBuilder},
    routing::Route,
};

use super::{
    Archived, Cursor, Discord, DiscordError, Guild, Identity, MessagePage, REFRESH_BATCH,
    RefreshedLink, Survey, ThreadPage,
    convert::{self, Setting, Standing, each, lenient},
    gateway::Plan,
    polite::{Answer, Polite, Priority},
    wire::HttpWire,
};
use crate::{
    clock::Clock,
    domain::{
        id::{ChannelId, GuildId, MessageId, RoleId, UserId},
        link::Link,
        message::Message,
        place::Place,
        time::Timestamp,
    },
};

/// Where Discord answers, unless another address is configured.
pub const DISCORD: &str = "https://discord.com";

/// The most servers that one answer lists. Source: Discord's documentation, resources/user.
const GUILDS: u16 = 200;

/// The most archived threads that one answer lists. Source: Discord's documentation, resources/channel.
const THREADS: u64 = 100;

/// The application flags for the intent to read content: granted, and granted to a small bot.
/// Source: Discord's documentation, resources/application.
const MESSAGE_CONTENT: u64 = 1 << 18 | 1 << 19;

/// What a bot hears that calls what is made for people. Source: Discord's documentation, topics/opcodes.
const NOT_FOR_BOTS: u64 = 20_001;

/// Finding two bad links among fifty by halving takes twelve rejections. Where there are more, it is cheaper to read the
/// messages.
const MOST_REJECTIONS: usize = 12;

/// Discord over REST. Clones share one pace.
#[derive(Clone)]
pub struct LiveDiscord {
    polite: Arc<Polite>,
    priority: Priority,
    me: Arc<OnceCell<UserId>>,
    clock: Clock,
}

impl LiveDiscord {
    /// Speaks for the bot with this token, at `scheme://host:port`. A token that can't even be sent is refused like a
    /// wrong one.
    pub fn new(token: &str, origin: &str, clock: Clock) -> Result<Self, DiscordError> {
        let wire = HttpWire::new(origin, token).ok_or(DiscordError::Unauthorized)?;
        Ok(Self {
            polite: Arc::new(Polite::new(Box::new(wire))),
            priority: Priority::Urgent,
            me: Arc::default(),
            clock,
        })
    }

    /// The same, for calls that matter more or less.
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> Self {
        Self { priority, ..self.clone() }
    }

    /// How to connect to the gateway.
    pub(super) async fn plan(&self) -> Result<Plan, DiscordError> {
        self.get(Route::GetGatewayBot, |answer| Plan::read(&answer.body)).await
    }

    async fn get<T>(
        &self,
        route: Route<'_>,
        read: impl Fn(Answer) -> Result<T, DiscordError>,
    ) -> Result<T, DiscordError> {
        self.polite.call(Request::from_route(&route), self.priority, read).await
    }

    async fn me(&self) -> Result<UserId, DiscordError> {
        let me = self.me.get_or_try_init(async || {
            let account = self.get(Route::GetCurrentUser, |answer| Account::read(&answer)).await?;
            account.id.ok_or_else(|| DiscordError::Malformed {
                reason: "our account has no id".to_owned(),
            })
        });
        me.await.copied()
    }

    fn answered_at(&self, answer: &Answer) -> Timestamp {
        // Every HTTP answer is dated; one that is not was answered just now.
        answer.date().unwrap_or_else(|| self.clock.now())
    }

    /// Makes links new, and finds the one that spoils it for the others by halving.
    async fn refresh(&self, links: &[Link]) -> Result<Vec<RefreshedLink>, DiscordError> {
        let mut batches = vec![links];
        let mut refreshed = Vec::with_capacity(links.len());
        let unanswered = |link: &Link| RefreshedLink { original: link.clone(), refreshed: None };
        let mut rejections = 0;
        while let Some(batch) = batches.pop() {
            match self.refresh_batch(batch).await {
                Ok(mut answers) => refreshed.append(&mut answers),
                Err(DiscordError::Rejected { code, message }) => {
                    rejections += 1;
                    match batch {
                        [] => {}
                        [only] => {
                            warn!(code, message, link = %only, "discord won't renew a link");
                            refreshed.push(unanswered(only));
                        }
                        many if rejections < MOST_REJECTIONS => {
                            let (front, back) = many.split_at(many.len() / 2);
                            batches.extend([back, front]);
                        }
                        many => {
                            warn!(code, message, "discord won't renew links together");
                            refreshed.extend(many.iter().map(unanswered));
                            refreshed.extend(batches.drain(..).flatten().map(unanswered));
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refreshed)
    }

    async fn refresh_batch(&self, links: &[Link]) -> Result<Vec<RefreshedLink>, DiscordError> {
        let attachment_urls: Vec<_> = links.iter().map(Link::reveal).collect();
        let request = RequestBuilder::raw(Method::Post, "attachments/refresh-urls".to_owned())
            .json(&RefreshRequest { attachment_urls })
            .build()
            .expect("a list of strings can be written as JSON");
        let read = |answer: Answer| {
            let answer: RefreshAnswer = serde_json::from_slice(&answer.body)
                .map_err(|error| DiscordError::malformed("renewed links", &error))?;
            Ok(answer.refreshed_urls)
        };
        let pairs = match self.polite.call(request, self.priority, read).await {
            // Known to exist, but not for us.
            Err(
                DiscordError::Forbidden { .. } | DiscordError::Rejected { code: NOT_FOR_BOTS, .. },
            ) => {
                return Err(DiscordError::NotOffered);
            }
            pairs => pairs?,
        };
        let renewed = |link: &Link| {
            let pair = pairs.iter().find(|pair| pair.original.as_ref() == Some(link))?;
            pair.refreshed.clone()
        };
        Ok(links
            .iter()
            .map(|link| RefreshedLink { original: link.clone(), refreshed: renewed(link) })
            .collect())
    }
}

/// Discord knows the account, and it is no member. Source: Discord's documentation, topics/opcodes-and-status-codes.
const UNKNOWN_MEMBER: u64 = 10_007;

/// Discord does not know the account; a webhook's id is none.
const UNKNOWN_USER: u64 = 10_013;

#[async_trait]
impl Discord for LiveDiscord {
    async fn identity(&self) -> Result<Identity, DiscordError> {
        let account = self.get(Route::GetCurrentUser, |answer| Account::read(&answer)).await?;
        let flags = self
            .get(Route::GetCurrentUserApplicationInfo, |answer| {
                serde_json::from_slice::<Application>(&answer.body)
                    .map_err(|error| DiscordError::malformed("our application", &error))
            })
            .await?
            .flags;
        let id = account.id.ok_or_else(|| DiscordError::Malformed {
            reason: "our account has no id".to_owned(),
        })?;
        Ok(Identity { id, name: account.username, message_content: flags & MESSAGE_CONTENT != 0 })
    }

    async fn guilds(&self) -> Result<Vec<Guild>, DiscordError> {
        let mut guilds: Vec<Guild> = Vec::new();
        loop {
            // From the highest id on, since Discord sorts each page by id.
            let after = guilds.iter().map(|guild| guild.id.0).max();
            let route = Route::GetGuilds { after, before: None, limit: Some(GUILDS), shard: None };
            let page = self.get(route, |answer| convert::guilds(&answer.body)).await?;
            let known = guilds.len();
            for guild in page {
                if guilds.iter().all(|other| other.id != guild.id) {
                    guilds.push(guild);
                }
            }
            if guilds.len() - known < usize::from(GUILDS) {
                return Ok(guilds);
            }
        }
    }

    async fn survey(&self, guild: GuildId) -> Result<Survey, DiscordError> {
        let me = self.me().await?;
        let of_guild = Route::GetGuild { guild_id: guild.0, with_counts: false };
        let of_us = Route::GetMember { guild_id: guild.0, user_id: me.0 };
        let server = self.get(of_guild, |answer| Ok(answer.body)).await?;
        let member = self.get(of_us, |answer| Ok(answer.body)).await?;
        let standing = Standing::read(guild, me, &server, &member)?;
        self.get(Route::GetChannels { guild_id: guild.0 }, |answer| {
            Ok(Survey {
                guild: convert::guild(&server)?,
                channels: convert::channels(&answer.body, guild, &standing)?,
                answered_at: self.answered_at(&answer),
            })
        })
        .await
    }

    async fn active_threads(
        &self,
        guild: GuildId,
        channels: &[Place],
    ) -> Result<Vec<Place>, DiscordError> {
        let route = Route::GetActiveThreads { guild_id: guild.0 };
        self.get(route, |answer| convert::threads(&answer.body, guild, channels)).await
    }

    async fn archived_threads(
        &self,
        channel: &Place,
        which: Archived,
        before: Option<Timestamp>,
    ) -> Result<ThreadPage, DiscordError> {
        // Our times are cut to milliseconds, and Discord's are not: the next millisecond is before none of them.
        let before = before.map(|time| time.after(std::time::Duration::from_millis(1)).to_string());
        let (before, channel_id, limit) = (before.as_deref(), channel.id.0, Some(THREADS));
        let route = match which {
            Archived::Public => Route::GetPublicArchivedThreads { before, channel_id, limit },
            Archived::Private => Route::GetPrivateArchivedThreads { before, channel_id, limit },
        };
        self.get(route, |answer| convert::thread_page(&answer.body, channel)).await
    }

    async fn messages(
        &self,
        channel: ChannelId,
        cursor: Cursor,
        limit: u16,
    ) -> Result<MessagePage, DiscordError> {
        let (mut after, mut around, mut before) = (None, None, None);
        match cursor {
            Cursor::Newest => {}
            Cursor::Before(id) => before = Some(id.0),
            Cursor::After(id) => after = Some(id.0),
            Cursor::Around(id) => around = Some(id.0),
        }
        let limit = Some(limit);
        let route = Route::GetMessages { after, around, before, channel_id: channel.0, limit };
        let setting = Setting { channel: Some(channel), guild: None };
        self.get(route, |answer| {
            let (messages, unreadable) = convert::messages(&answer.body, setting)?;
            Ok(MessagePage { messages, unreadable, answered_at: self.answered_at(&answer) })
        })
        .await
    }

    async fn message(
        &self,
        channel: ChannelId,
        message: MessageId,
    ) -> Result<Message, DiscordError> {
        let route = Route::GetMessage { channel_id: channel.0, message_id: message.0 };
        let setting = Setting { channel: Some(channel), guild: None };
        self.get(route, |answer| {
            let text = std::str::from_utf8(&answer.body)
                .map_err(|error| DiscordError::Malformed { reason: error.to_string() })?;
            convert::message(text, setting)
                .map_err(|unreadable| DiscordError::Malformed { reason: unreadable.reason })
        })
        .await
    }

    async fn member_roles(
        &self,
        guild: GuildId,
        user: UserId,
    ) -> Result<Option<BTreeSet<RoleId>>, DiscordError> {
        let route = Route::GetMember { guild_id: guild.0, user_id: user.0 };
        match self.get(route, |answer| convert::member_roles(&answer.body)).await {
            Ok(roles) => Ok(Some(roles)),
            Err(DiscordError::NotFound { code: UNKNOWN_MEMBER | UNKNOWN_USER }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn refresh_links(&self, links: &[Link]) -> Result<Vec<RefreshedLink>, DiscordError> {
        let mut refreshed = Vec::with_capacity(links.len());
        for batch in links.chunks(REFRESH_BATCH) {
            refreshed.append(&mut self.refresh(batch).await?);
        }
        Ok(refreshed)
    }
}

impl fmt::Debug for LiveDiscord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveDiscord").field("priority", &self.priority).finish_non_exhaustive()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Account {
    #[serde(deserialize_with = "lenient")]
    id: Option<UserId>,
    #[serde(deserialize_with = "lenient")]
    username: String,
}

impl Account {
    fn read(answer: &Answer) -> Result<Self, DiscordError> {
        serde_json::from_slice(&answer.body)
            .map_err(|error| DiscordError::malformed("our account", &error))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Application {
    #[serde(deserialize_with = "lenient")]
    flags: u64,
}

#[derive(Serialize)]
struct RefreshRequest<'a> {
    attachment_urls: Vec<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RefreshAnswer {
    #[serde(deserialize_with = "each")]
    refreshed_urls: Vec<Pair>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pair {
    #[serde(deserialize_with = "lenient")]
    original: Option<Link>,
    #[serde(deserialize_with = "lenient")]
    refreshed: Option<Link>,
}
