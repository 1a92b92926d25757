//! Discord's REST interface over the truth: pages, permissions, links, and a bad day.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bowerbird::{
    discord::{
        Cursor, Discord, DiscordError, Identity, MessagePage, RefreshedLink, ThreadFacts,
        ThreadPage,
    },
    domain::{
        id::{ChannelId, GuildId, MessageId, RoleId, UserId},
        link::Link,
        message::{Message, Unreadable},
        place::{Access, Archived, Guild, Place, Survey},
        time::Timestamp,
    },
};

use super::{
    dice::Dice,
    fate::{Fate, Step},
    file::File,
    truth::{GUILD, State, Truth},
    weather::{Batches, Weather},
};

/// Discord pages archived threads by fifty; two make a listing of several pages out of a few.
const THREADS_A_PAGE: usize = 2;

/// The codes of Discord's refusals. Source: its documentation, opcodes and status codes.
const UNKNOWN_CHANNEL: u64 = 10_003;
const UNKNOWN_MESSAGE: u64 = 10_008;
const MISSING_ACCESS: u64 = 50_001;

/// What is to happen just before a request is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Before which request to the channel.
    pub(super) at: u32,
    pub(super) channel: ChannelId,
    pub(super) access: Access,
}

/// How many requests each channel got, and what happens at which.
pub(super) type Turns = Arc<Mutex<(BTreeMap<ChannelId, u32>, Vec<Turn>)>>;

/// How often each call was made.
pub(super) type Requests = Arc<Mutex<BTreeMap<&'static str, u32>>>;

#[derive(Clone, Debug)]
pub(super) struct FakeDiscord {
    pub(super) truth: Truth,
    pub(super) fate: Fate,
    pub(super) dice: Dice,
    pub(super) weather: Weather,
    pub(super) requests: Requests,
    pub(super) turns: Turns,
}

impl FakeDiscord {
    /// What each call has in common: it takes time, may fail, and may be the last thing that is heard.
    async fn ask<T>(
        &self,
        call: &'static str,
        about: u64,
        answer: impl FnOnce(&mut State) -> Result<T, DiscordError>,
    ) -> Result<T, DiscordError> {
        *self.requests.lock().unwrap().entry(call).or_default() += 1;
        let latency = 0.02 + 0.2 * self.dice.throw(("latency", call, about));
        tokio::time::sleep(Duration::from_secs_f64(latency)).await;
        self.turn(ChannelId(about));
        let thrown = self.dice.throw(("away", call, about));
        let away = self.weather.now().discord_away;
        let answer = if thrown < away {
            Err(self.away(thrown / away, || drop(answer(&mut self.truth.state()))))
        } else {
            answer(&mut self.truth.state())
        };
        self.fate.reach(Step::Answered, call).await;
        answer
    }

    /// How Discord is away, by a throw of the dice.
    fn away(&self, thrown: f64, answer: impl FnOnce()) -> DiscordError {
        let (fault, retry_after) = match thrown {
            part if part < 0.4 => ("discord: 500", None),
            part if part < 0.7 => ("discord: 429", Some(Duration::from_secs(5))),
            _ => {
                // It did what it was asked to.
                answer();
                ("discord: answer lost", None)
            }
        };
        self.weather.meets(fault);
        DiscordError::Unavailable { reason: fault.to_owned(), retry_after }
    }

    fn turn(&self, channel: ChannelId) {
        let now: Vec<Turn> = {
            let mut turns = self.turns.lock().unwrap();
            let count = turns.0.entry(channel).or_default();
            *count += 1;
            let count = *count;
            let due = |turn: &Turn| turn.channel == channel && turn.at == count;
            turns.1.iter().copied().filter(due).collect()
        };
        for turn in now {
            self.truth.permit(turn.channel, turn.access);
        }
    }
}

#[async_trait]
impl Discord for FakeDiscord {
    async fn identity(&self) -> Result<Identity, DiscordError> {
        Ok(Identity { id: UserId(1), name: "bowerbird".to_owned(), message_content: true })
    }

    async fn guilds(&self) -> Result<Vec<Guild>, DiscordError> {
        Ok(vec![guild()])
    }

    async fn survey(&self, _: GuildId) -> Result<Survey, DiscordError> {
        self.ask("survey", 0, |state| {
            let places = state.there().map(|channel| channel.place.clone());
            let channels = places.filter(|place| !place.kind.is_thread()).collect();
            Ok(Survey { guild: guild(), channels, answered_at: to_the_second(state.now()) })
        })
        .await
    }

    async fn active_threads(
        &self,
        _: GuildId,
        channels: &[Place],
    ) -> Result<Vec<Place>, DiscordError> {
        let facts = self
            .ask("active_threads", 0, |state| {
                Ok(threads(state)
                    .filter(|place| place.archived_at.is_none() && place.access != Access::Hidden)
                    .map(|place| state.thread_facts(place.id))
                    .collect::<Vec<_>>())
            })
            .await?;
        Ok(facts.into_iter().map(|facts| within(facts, channels)).collect())
    }

    async fn archived_threads(
        &self,
        channel: &Place,
        which: Archived,
        before: Option<Timestamp>,
    ) -> Result<ThreadPage, DiscordError> {
        let (facts, has_more) = self
            .ask("archived_threads", channel.id.0, |state| {
                readable(state, channel.id)?;
                let mut found: Vec<ThreadFacts> = threads(state)
                    .filter(|place| which == Archived::Public && place.parent == Some(channel.id))
                    .map(|place| state.thread_facts(place.id))
                    .filter(|facts| facts.archived_at.is_some())
                    .filter(|facts| before.is_none_or(|before| facts.archived_at < Some(before)))
                    .collect();
                found.sort_by_key(|facts| std::cmp::Reverse(facts.archived_at));
                let has_more = found.len() > THREADS_A_PAGE;
                found.truncate(THREADS_A_PAGE);
                Ok((found, has_more))
            })
            .await?;
        let channels = std::slice::from_ref(channel);
        let threads = facts.into_iter().map(|facts| within(facts, channels)).collect();
        Ok(ThreadPage { threads, has_more })
    }

    async fn messages(
        &self,
        channel: ChannelId,
        cursor: Cursor,
        limit: u16,
    ) -> Result<MessagePage, DiscordError> {
        self.truth.state().channels.get_mut(&channel).expect("nobody invents one").known = true;
        self.ask("messages", channel.0, |state| {
            let answered_at = to_the_second(state.now());
            let ids = match readable(state, channel) {
                Ok(()) => page(state, channel, cursor, usize::from(limit)),
                // Discord does not say that it hides something.
                Err(DiscordError::Forbidden { .. })
                    if state.channels[&channel].place.access == Access::NoHistory =>
                {
                    Vec::new()
                }
                Err(error) => return Err(error),
            };
            state.channels.get_mut(&channel).expect("it was read").served.extend(&ids);
            let (garbled, legible): (Vec<_>, Vec<_>) =
                ids.into_iter().partition(|id| state.garbled.contains(id));
            let messages = legible.into_iter().map(|id| state.message(channel, id, None)).collect();
            let unreadable = garbled.into_iter().map(|id| Unreadable {
                id: Some(id),
                reason: "it makes no sense".to_owned(),
                raw: format!("{{\"id\":\"{id}\"}}").into(),
            });
            Ok(MessagePage { messages, unreadable: unreadable.collect(), answered_at })
        })
        .await
    }

    async fn message(
        &self,
        channel: ChannelId,
        message: MessageId,
    ) -> Result<Message, DiscordError> {
        self.ask("message", channel.0, |state| {
            readable(state, channel)?;
            let post = state.channels[&channel].posts.get(&message);
            if post.is_none_or(|post| post.deleted.is_some()) || state.mislaid.contains(&message) {
                return Err(DiscordError::NotFound { code: UNKNOWN_MESSAGE });
            }
            if state.garbled.contains(&message) {
                return Err(DiscordError::Malformed { reason: "it makes no sense".to_owned() });
            }
            Ok(state.message(channel, message, None))
        })
        .await
    }

    async fn member_roles(
        &self,
        _: GuildId,
        user: UserId,
    ) -> Result<Option<BTreeSet<RoleId>>, DiscordError> {
        self.ask("member_roles", user.0, |state| Ok(Some(state.roles_of(user)))).await
    }

    async fn refresh_links(&self, links: &[Link]) -> Result<Vec<RefreshedLink>, DiscordError> {
        assert!(links.len() <= bowerbird::discord::REFRESH_BATCH, "Discord takes fifty at most");
        let climate = self.weather.now();
        self.ask("refresh_links", 0, |state| {
            if climate.batches == Batches::Missing {
                return Err(DiscordError::NotOffered);
            }
            let mut pairs = Vec::new();
            for link in links {
                let file = File::id_in(link).expect("only links to files are made new");
                if self.dice.throw(("pair", file.0)) < climate.pairs_lost {
                    self.weather.meets("discord: a link without an answer");
                    continue;
                }
                // Discord signs whatever it is given, also for files that are gone.
                let refreshed = Some(state.sign(file));
                pairs.push(RefreshedLink { original: link.clone(), refreshed });
            }
            Ok(pairs)
        })
        .await
    }
}

fn guild() -> Guild {
    Guild { id: GUILD, name: "Owls".to_owned(), icon: None }
}

fn threads(state: &State) -> impl Iterator<Item = &Place> {
    state.there().map(|channel| &channel.place).filter(|place| place.kind.is_thread())
}

fn within(facts: ThreadFacts, channels: &[Place]) -> Place {
    let parent = channels.iter().find(|place| Some(place.id) == facts.parent);
    facts.within(parent)
}

fn readable(state: &State, channel: ChannelId) -> Result<(), DiscordError> {
    let there = state.channels.get(&channel).filter(|channel| channel.deleted.is_none());
    match there.map(|channel| channel.place.access) {
        Some(Access::Readable) => Ok(()),
        Some(_) => Err(DiscordError::Forbidden { code: MISSING_ACCESS }),
        None => Err(DiscordError::NotFound { code: UNKNOWN_CHANNEL }),
    }
}

/// Newest first, as Discord answers.
fn page(state: &State, channel: ChannelId, cursor: Cursor, limit: usize) -> Vec<MessageId> {
    let posts = &state.channels[&channel].posts;
    let there = posts.iter().filter(|(_, post)| post.deleted.is_none()).map(|(id, _)| *id);
    let there = there.filter(|id| !state.overlooked.contains(id));
    let mut ids: Vec<MessageId> = match cursor {
        Cursor::Newest => there.rev().take(limit).collect(),
        Cursor::Before(id) => there.filter(|there| *there < id).rev().take(limit).collect(),
        Cursor::After(id) => there.filter(|there| *there > id).take(limit).collect(),
        Cursor::Around(_) => panic!("nobody asks for this so far"),
    };
    ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
    ids
}

/// The `Date` of an answer has no milliseconds.
fn to_the_second(time: Timestamp) -> Timestamp {
    Timestamp::from_secs(time.as_secs())
}
