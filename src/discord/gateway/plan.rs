//! What `GET /gateway/bot` answers.

use std::{num::NonZeroU32, time::Duration};

use serde::Deserialize;

use super::{Plan, StartLimit};
use crate::discord::{DiscordError, convert::lenient};

/// Starts that are never used: after a mistake that eats up starts, a person must still be able to start.
const RESERVE: u32 = 20;

/// What Discord grants every bot a day, should it not say.
/// Source: Discord's documentation, events/gateway, "Session Start Limit".
const USUAL: u32 = 1_000;

impl Plan {
    /// Reads the answer.
    pub(in crate::discord) fn read(body: &[u8]) -> Result<Self, DiscordError> {
        let parts: Parts = serde_json::from_slice(body)
            .map_err(|error| DiscordError::malformed("the gateway's plan", &error))?;
        let address = parts.url.filter(|url| url.starts_with("ws://") || url.starts_with("wss://"));
        let url = address.ok_or_else(|| DiscordError::Malformed {
            reason: "the gateway's plan: no address".to_owned(),
        })?;
        let limit = parts.session_start_limit;
        let total = limit.total.unwrap_or(USUAL);
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            shards: parts.shards.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN),
            starts: StartLimit {
                total,
                remaining: limit.remaining.unwrap_or(total).min(total),
                reset_after: Duration::from_millis(limit.reset_after.unwrap_or_default()),
                max_concurrency: limit.max_concurrency.unwrap_or(1).max(1),
            },
        })
    }
}

impl StartLimit {
    /// How many sessions may be started before the limit is reset, leaving a reserve.
    pub fn usable(&self) -> u32 {
        self.remaining.saturating_sub(RESERVE.min(self.total / 10))
    }

    /// How long so many new sessions must wait for the limit; none when they need not.
    pub fn wait_for(&self, sessions: u32) -> Option<Duration> {
        (self.usable() < sessions).then_some(self.reset_after)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parts {
    #[serde(deserialize_with = "lenient")]
    url: Option<String>,
    #[serde(deserialize_with = "lenient")]
    shards: Option<u32>,
    #[serde(deserialize_with = "lenient")]
    session_start_limit: Limit,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Limit {
    #[serde(deserialize_with = "lenient")]
    total: Option<u32>,
    #[serde(deserialize_with = "lenient")]
    remaining: Option<u32>,
    #[serde(deserialize_with = "lenient")]
    reset_after: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    max_concurrency: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read() {
        let plan = Plan::read(
            br#"{"url":"wss://gateway.discord.gg/","shards":3,"session_start_limit":
                {"total":1000,"remaining":21,"reset_after":14400000,"max_concurrency":16}}"#,
        )
        .unwrap();
        assert_eq!((plan.url.as_str(), plan.shards.get()), ("wss://gateway.discord.gg", 3));
        assert_eq!(plan.starts.max_concurrency, 16);
        assert_eq!(plan.starts.wait_for(1), None);
        assert_eq!(plan.starts.wait_for(2), Some(Duration::from_hours(4)));
    }

    #[test]
    fn a_plan_needs_an_address_and_nothing_else() {
        let plan = Plan::read(br#"{"url":"ws://127.0.0.1:1"}"#).unwrap();
        assert_eq!((plan.shards.get(), plan.starts.remaining), (1, 1_000));
        assert!(Plan::read(br#"{"url":"https://discord.com"}"#).is_err());
        assert!(Plan::read(b"{}").is_err());
    }
}
