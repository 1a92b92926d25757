//! Discord's gateway, as a port: what happens in the servers, as it happens, best effort.
//!
//! Discord promises neither that an event arrives nor that it arrives once, so nothing here proves anything: events are
//! an early sight, and history is what counts. The Gateway actor talks to it. A crash loses the events that were not
//! yet handled; the next process resumes the session at the last one that was, and Discord sends the rest again.

use std::{
    fmt::{self, Debug},
    num::NonZeroU32,
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::DiscordError;
use crate::domain::id::GuildId;

mod event;
mod live;
mod plan;
mod startup;

pub use self::{
    event::Event,
    live::{LiveConnection, LiveGateway},
    startup::{spacing, startup_delay},
};

/// Opens connections.
#[async_trait]
pub trait Gateway: Send + Sync + Debug {
    /// How Discord wants to be connected to, today.
    async fn plan(&self) -> Result<Plan, DiscordError>;

    /// A connection for one shard, which goes on with a session or begins a new one. Nothing happens before it is asked
    /// for events.
    fn open(&self, plan: &Plan, shard: ShardNumber, resume: Option<Session>)
    -> Box<dyn Connection>;
}

/// One shard's connection, which restores itself when it is lost.
#[async_trait]
pub trait Connection: Send + Debug {
    /// What comes next. Heartbeats are sent only while this is awaited, so whoever awaits it may not wait for anything
    /// else; it may be dropped at any time without losing an event.
    async fn next(&mut self) -> Heard;

    /// The session, with the sequence of the last event that was *received*. To resume after a crash, keep it with the
    /// sequence of the last event that was *handled* ([`Session::at`]).
    fn session(&self) -> Option<Session>;

    /// Ends the connection in a way that lets the session be resumed.
    async fn close_for_resume(&mut self);
}

/// Which part of the servers a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShardNumber(pub u32);

/// How Discord wants to be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The gateway's address.
    pub url: String,
    /// How many shards there should be.
    pub shards: NonZeroU32,
    /// How many sessions may be started.
    pub starts: StartLimit,
}

/// How many sessions may be started. Discord resets the token of a bot that starts more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartLimit {
    /// In a day.
    pub total: u32,
    /// Of those, not yet used.
    pub remaining: u32,
    /// When they are all there again.
    pub reset_after: Duration,
    /// In each window of five seconds.
    pub max_concurrency: u16,
}

/// What it takes to go on where a connection ended. Whoever has it and the token can read along, so it never prints
/// itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    id: String,
    resume_url: String,
    sequence: u64,
}

impl Session {
    /// The same session, to be resumed after the event with this sequence.
    #[must_use]
    pub fn at(self, sequence: u64) -> Self {
        Self { sequence, ..self }
    }

    /// The last event that is not to be sent again.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }
}

impl Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

/// What a connection has to say.
#[derive(Debug)]
pub enum Heard {
    /// Something happened. When it is handled for good, its sequence may be kept.
    Event {
        /// Its number in the session.
        sequence: u64,
        /// What happened.
        event: Event,
    },
    /// A new session began. What happened since the one before it is only to be found in history.
    Ready {
        /// The session.
        session: Session,
        /// The servers of this shard; each is announced by an event of its own when it is there.
        guilds: Vec<GuildId>,
    },
    /// The session goes on; the events that were missed have been sent.
    Resumed {
        /// The number of this notice in the session.
        sequence: u64,
    },
    /// The connection is lost, and restores itself when asked for more.
    Disconnected {
        /// What was seen.
        reason: String,
    },
    /// Discord will not have us until a person acts. Nothing else will be heard.
    Fatal(FatalClose),
}

/// Why Discord closed the connection for good.
/// Source: Discord's documentation, topics/opcodes-and-status-codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FatalClose {
    /// 4004.
    #[error(
        "Discord refused the token: copy it anew from the developer portal (Bot, Reset Token) into TOKEN"
    )]
    Token,
    /// 4010.
    #[error("Discord does not know this shard: restart, and report it when that does not help")]
    Shard,
    /// 4011.
    #[error(
        "the bot is in too many servers for so few shards: restart, so that Discord is asked anew"
    )]
    ShardingRequired,
    /// 4012.
    #[error("Discord no longer speaks this version of its protocol: update Bowerbird")]
    Version,
    /// 4013.
    #[error("Discord does not know the intents that were asked for: update Bowerbird")]
    Intents,
    /// 4014.
    #[error(
        "the bot may not read what people write: switch on \"Message Content Intent\" in the developer portal (Bot, Privileged Gateway Intents)"
    )]
    DisallowedIntents,
}

impl FatalClose {
    /// Reads a close code; none for those after which it makes sense to come back.
    pub const fn from_code(code: u16) -> Option<Self> {
        match code {
            4004 => Some(Self::Token),
            4010 => Some(Self::Shard),
            4011 => Some(Self::ShardingRequired),
            4012 => Some(Self::Version),
            4013 => Some(Self::Intents),
            4014 => Some(Self::DisallowedIntents),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_survives_storage_and_never_prints_itself() {
        let session = Session { id: "s3cret".into(), resume_url: "wss://r".into(), sequence: 7 };
        let stored = serde_json::to_string(&session.clone().at(5)).unwrap();
        let restored: Session = serde_json::from_str(&stored).unwrap();
        assert_eq!(restored, session.clone().at(5));
        assert!(!format!("{session:?}").contains("s3cret"));
    }

    #[test]
    fn only_what_a_person_must_mend_is_fatal() {
        let fatal: Vec<_> =
            (1_000..5_000).filter(|&code| FatalClose::from_code(code).is_some()).collect();
        assert_eq!(fatal, [4004, 4010, 4011, 4012, 4013, 4014]);
    }
}
