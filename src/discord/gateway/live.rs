//! The gateway itself, through twilight: it keeps the connection, we read what comes.
//!
//! twilight's models are not used, since an event that one of them does not know would be lost with its sequence.

use std::{
    collections::VecDeque, fmt, future::poll_fn, ops::RangeInclusive, task::Poll, time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};
use twilight_gateway::{
    CloseFrame, Config, ConfigBuilder, Intents, Message as Frame, Session as TwilightSession,
    Shard, ShardId, ShardState,
    error::{ReceiveMessageError, ReceiveMessageErrorType},
    queue::InMemoryQueue,
};

use super::{Connection, Event, FatalClose, Gateway, Heard, Plan, Session, ShardNumber};
use crate::{
    discord::{
        DiscordError, LiveDiscord,
        convert::{each, lenient},
    },
    domain::id::GuildId,
};

/// What an archive needs to hear.
const INTENTS: Intents =
    Intents::GUILDS.union(Intents::GUILD_MESSAGES).union(Intents::MESSAGE_CONTENT);

/// twilight doubles its pause with every failed connection, up to four minutes. After this many, of which the last
/// pause is 16 seconds, it begins again.
const PATIENT_ATTEMPTS: u8 = 6;

/// After an invalid session Discord wants a random pause of so many milliseconds.
/// Source: Discord's documentation, events/gateway, "Resuming".
const PAUSE_AFTER_INVALID: RangeInclusive<u64> = 1_000..=5_000;

/// After so many closes within a minute something is wrong on the other side, and coming back at once, as twilight
/// does, makes it no better.
const CLOSES_A_MINUTE: usize = 3;

/// The longest pause between two closes.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Close codes after which the session is over, though twilight would try to resume it for ever: not authenticated,
/// invalid sequence, session timed out. Source: Discord's documentation, topics/opcodes-and-status-codes.
const SESSION_OVER: [u16; 3] = [4003, 4007, 4009];

/// A connection that does not take our goodbye within this time is left without one, which can be resumed as well.
const GOODBYE: Duration = Duration::from_secs(2);

/// Discord greets within a second, and answers each heartbeat. A connection that is silent for so long when something
/// was to come is none. twilight misses heartbeats as well, but then says goodbye and waits for an answer.
const SILENCE: Duration = Duration::from_secs(5);

/// twilight gives a connection so long to stand.
const CONNECT: Duration = Duration::from_secs(10);

/// The gateway's opcodes that are read here. Source: Discord's documentation, topics/opcodes-and-status-codes.
const DISPATCH: u8 = 0;
const INVALID_SESSION: u8 = 9;
const HELLO: u8 = 10;

/// Opens connections to Discord.
pub struct LiveGateway {
    discord: LiveDiscord,
    config: Config,
}

impl LiveGateway {
    /// Speaks for the bot with this token. To be called in the runtime that the connections will live in.
    pub fn new(token: &str, discord: LiveDiscord) -> Self {
        let config = ConfigBuilder::new(token.to_owned(), INTENTS).build();
        Self { discord, config }
    }

    fn queue(&self) -> &InMemoryQueue {
        self.config.queue()
    }
}

#[async_trait]
impl Gateway for LiveGateway {
    async fn plan(&self) -> Result<Plan, DiscordError> {
        let plan = self.discord.plan().await?;
        let starts = &plan.starts;
        if let Some(wait) = starts.wait_for(plan.shards.get()) {
            warn!(
                remaining = starts.remaining,
                minutes = wait.as_secs() / 60,
                "nearly all of the day's session starts are used: new sessions wait until Discord allows more"
            );
        }
        // The queue is what makes them wait, and what keeps identifying shards apart.
        self.queue().update(
            starts.max_concurrency,
            starts.usable(),
            starts.reset_after,
            starts.total,
        );
        Ok(plan)
    }

    fn open(
        &self,
        plan: &Plan,
        shard: ShardNumber,
        resume: Option<Session>,
    ) -> Box<dyn Connection> {
        let config = ConfigBuilder::from(self.config.clone()).proxy_url(plan.url.clone()).build();
        // A plan of fewer shards than this one's number is Discord's to refuse (4010).
        let total = plan.shards.get().max(shard.0.saturating_add(1));
        let id = ShardId::new(shard.0, total);
        Box::new(LiveConnection::new(config, id, resume))
    }
}

impl fmt::Debug for LiveGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveGateway").finish_non_exhaustive()
    }
}

/// A shard's connection.
pub struct LiveConnection {
    config: Config,
    shard: Shard,
    /// As of the last READY or, before that, as it was given; the shard knows how far it has come.
    session: Option<Session>,
    /// Nothing is asked of the shard before this.
    paused_until: Option<Instant>,
    /// When the connection was closed within the last minute.
    closes: VecDeque<Instant>,
    /// How often there are heartbeats, once the connection was greeted.
    heartbeats: Option<Duration>,
    fatal: Option<FatalClose>,
}

impl LiveConnection {
    fn new(config: Config, id: ShardId, session: Option<Session>) -> Self {
        let shard = shard(&config, id, session.as_ref());
        Self {
            config,
            shard,
            session,
            paused_until: None,
            closes: VecDeque::new(),
            heartbeats: None,
            fatal: None,
        }
    }

    fn heard_text(&mut self, text: &str) -> Option<Heard> {
        let envelope: Envelope<'_> = match serde_json::from_str(text) {
            Ok(envelope) => envelope,
            Err(error) => return Some(self.senseless(&error.to_string())),
        };
        match (envelope.op, envelope.s, envelope.t) {
            (DISPATCH, Some(sequence), Some(kind)) => {
                Some(self.dispatched(sequence, &kind, envelope.d.unwrap_or(RawValue::NULL)))
            }
            (HELLO, ..) => {
                let hello = envelope.d.and_then(|d| serde_json::from_str(d.get()).ok());
                let Hello { heartbeat_interval } = hello.unwrap_or_default();
                self.heartbeats = Some(Duration::from_millis(heartbeat_interval));
                None
            }
            (INVALID_SESSION, ..) if envelope.d.is_none_or(|d| d.get() != "true") => {
                self.session = None;
                let pause = Duration::from_millis(rand::random_range(PAUSE_AFTER_INVALID));
                self.paused_until = Some(Instant::now() + pause);
                Some(Heard::Disconnected { reason: "the session can't be resumed".to_owned() })
            }
            _ => None,
        }
    }

    fn dispatched(&mut self, sequence: u64, kind: &str, data: &RawValue) -> Heard {
        match kind {
            "READY" => self.ready(sequence, data),
            "RESUMED" => {
                info!(shard = self.shard.id().number(), "the session goes on");
                Heard::Resumed { sequence }
            }
            _ => Heard::Event { sequence, event: Event::read(kind, data) },
        }
    }

    fn ready(&mut self, sequence: u64, data: &RawValue) -> Heard {
        let ready: Ready = serde_json::from_str(data.get()).unwrap_or_default();
        let session =
            Session { id: ready.session_id, resume_url: ready.resume_gateway_url, sequence };
        // Without an id there is nothing to resume.
        self.session = (!session.id.is_empty()).then(|| session.clone());
        info!(shard = self.shard.id().number(), "a new session begins");
        let guilds = ready.guilds.into_iter().filter_map(|guild| guild.id).collect();
        Heard::Ready { session, guilds }
    }

    /// Something that neither twilight nor we understand. Whatever sequence it had is taken.
    fn senseless(&self, reason: &str) -> Heard {
        let sequence = self.shard.session().map_or(0, TwilightSession::sequence);
        let event = Event::Unreadable {
            kind: "unknown".to_owned(),
            reason: reason.to_owned(),
            message: None,
        };
        Heard::Event { sequence, event }
    }

    fn closed(&mut self, frame: Option<&CloseFrame<'_>>) -> Heard {
        if let Some(fatal) = frame.and_then(|frame| FatalClose::from_code(frame.code)) {
            self.fatal = Some(fatal);
            return Heard::Fatal(fatal);
        }
        if frame.is_some_and(|frame| SESSION_OVER.contains(&frame.code)) {
            self.session = None;
            self.shard = shard(&self.config, self.shard.id(), None);
        }
        self.breathe(Instant::now());
        let reason = match frame {
            Some(frame) => format!("closed with {} {}", frame.code, frame.reason),
            None => "closed without a word".to_owned(),
        };
        Heard::Disconnected { reason }
    }

    /// Notes a close, and holds back when there were many.
    fn breathe(&mut self, now: Instant) {
        self.closes.retain(|&at| now.duration_since(at) < Duration::from_mins(1));
        self.closes.push_back(now);
        let pause = now + pause_after(self.closes.len());
        self.paused_until = self.paused_until.max(Some(pause));
    }

    /// What comes next; none when nothing comes though it should have.
    async fn frame(&mut self) -> Option<Option<Result<Frame, ReceiveMessageError>>> {
        let pause = match (self.heartbeats, self.shard.state()) {
            // The first of them may come late, and so may the answer.
            (Some(interval), _) => interval.saturating_mul(2),
            // The shard itself pauses between connections that fail.
            (None, ShardState::Disconnected { reconnect_attempts }) => {
                let doubled = 1_u64.checked_shl(reconnect_attempts.into());
                CONNECT.saturating_add(Duration::from_secs(doubled.unwrap_or(u64::MAX)))
            }
            (None, _) => Duration::ZERO,
        };
        timeout(SILENCE.saturating_add(pause), self.shard.next()).await.ok()
    }

    /// Begins with short pauses again when those of the shard have grown long.
    fn lost(&mut self, reason: String) -> Heard {
        if let ShardState::Disconnected { reconnect_attempts } = self.shard.state()
            && reconnect_attempts >= PATIENT_ATTEMPTS
        {
            self.shard = shard(&self.config, self.shard.id(), self.session().as_ref());
        }
        Heard::Disconnected { reason }
    }
}

#[async_trait]
impl Connection for LiveConnection {
    async fn next(&mut self) -> Heard {
        if let Some(fatal) = self.fatal {
            return Heard::Fatal(fatal);
        }
        loop {
            if let Some(until) = self.paused_until
                && self.shard.state() == (ShardState::Disconnected { reconnect_attempts: 0 })
            {
                sleep_until(until).await;
            }
            self.paused_until = None;
            let Some(frame) = self.frame().await else {
                info!(
                    shard = self.shard.id().number(),
                    "the gateway has fallen silent: connecting anew"
                );
                self.heartbeats = None;
                self.shard = shard(&self.config, self.shard.id(), self.session().as_ref());
                return Heard::Disconnected { reason: "silence".to_owned() };
            };
            if matches!(self.shard.state(), ShardState::Disconnected { .. }) {
                self.heartbeats = None;
            }
            let heard = match frame {
                Some(Ok(Frame::Text(text))) => self.heard_text(&text),
                Some(Ok(Frame::Close(frame))) => Some(self.closed(frame.as_ref())),
                Some(Err(error)) => {
                    let reason = in_words(&error);
                    match error.kind() {
                        ReceiveMessageErrorType::Deserializing { event } => {
                            let event = event.clone();
                            self.heard_text(&event).or_else(|| Some(self.senseless(&reason)))
                        }
                        _ => Some(self.lost(reason)),
                    }
                }
                // The stream ends after a close that is fatal, which was heard before; should it end otherwise, it
                // begins anew.
                None => {
                    self.shard = shard(&self.config, self.shard.id(), self.session().as_ref());
                    Some(Heard::Disconnected { reason: "the connection ended".to_owned() })
                }
            };
            if let Some(heard) = heard {
                return heard;
            }
        }
    }

    fn session(&self) -> Option<Session> {
        let session = self.session.clone()?;
        let received = self.shard.session().map(TwilightSession::sequence);
        Some(match received {
            Some(sequence) => session.at(sequence),
            None => session,
        })
    }

    async fn close_for_resume(&mut self) {
        if matches!(self.shard.state(), ShardState::Disconnected { .. } | ShardState::FatallyClosed)
        {
            return;
        }
        self.shard.close(CloseFrame::RESUME);
        let said = poll_fn(|context| {
            loop {
                match self.shard.poll_next_unpin(context) {
                    // Events that still arrive are not handled, and are sent again to whoever resumes.
                    Poll::Ready(Some(Ok(frame))) if !frame.is_close() => {}
                    Poll::Ready(_) => return Poll::Ready(()),
                    // The goodbye is said. Waiting for the answer would make the shard connect anew after it.
                    Poll::Pending if is_away(self.shard.state()) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        if timeout(GOODBYE, said).await.is_err() {
            info!("the gateway does not take our goodbye");
        }
        self.shard = shard(&self.config, self.shard.id(), self.session().as_ref());
    }
}

const fn is_away(state: ShardState) -> bool {
    matches!(state, ShardState::Disconnected { .. } | ShardState::FatallyClosed)
}

impl fmt::Debug for LiveConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveConnection")
            .field("shard", &self.shard.id())
            .field("state", &self.shard.state())
            .finish_non_exhaustive()
    }
}

fn pause_after(closes: usize) -> Duration {
    let Some(over) = closes.checked_sub(CLOSES_A_MINUTE + 1) else { return Duration::ZERO };
    let doubled = u32::try_from(over).ok().and_then(|over| 1_u32.checked_shl(over));
    Duration::from_secs(1).saturating_mul(doubled.unwrap_or(u32::MAX)).min(LONGEST_PAUSE)
}

fn shard(config: &Config, id: ShardId, session: Option<&Session>) -> Shard {
    let builder = ConfigBuilder::from(config.clone());
    let config = match session {
        Some(Session { id, resume_url, sequence }) => builder
            .session(TwilightSession::new(*sequence, id.clone()))
            .resume_url(resume_url.clone())
            .build(),
        None => builder.build(),
    };
    Shard::with_config(id, config)
}

fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

/// What every frame looks like.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default, deserialize_with = "lenient")]
    op: u8,
    #[serde(default, deserialize_with = "lenient")]
    s: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    t: Option<String>,
    #[serde(borrow)]
    d: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Hello {
    #[serde(deserialize_with = "lenient")]
    heartbeat_interval: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ready {
    #[serde(deserialize_with = "lenient")]
    session_id: String,
    #[serde(deserialize_with = "lenient")]
    resume_gateway_url: String,
    #[serde(deserialize_with = "each")]
    guilds: Vec<ReadyGuild>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReadyGuild {
    #[serde(deserialize_with = "lenient")]
    id: Option<GuildId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_in_a_row_take_longer_and_longer() {
        let pauses: Vec<_> = (0..11).map(|closes| pause_after(closes).as_secs()).collect();
        assert_eq!(pauses, [0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause_after(usize::MAX), LONGEST_PAUSE);
    }
}
