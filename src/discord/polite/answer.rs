//! What an HTTP answer means.
//!
//! Discord answers in JSON. What comes as HTML or text comes from Cloudflare or another machine in between, and says
//! nothing about the thing that was asked for.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{self, HeaderMap};
use serde::Deserialize;

use super::gate::Allowance;
use crate::{
    discord::{DiscordError, convert::lenient},
    domain::time::Timestamp,
};

/// Added to each pause that Discord asks for: its own clients do, and the clocks differ by the way of the answer.
const COURTESY: Duration = Duration::from_millis(300);

/// An answer as it came.
#[derive(Clone, Debug)]
pub(in crate::discord) struct Answer {
    pub(in crate::discord) status: u16,
    pub(in crate::discord) headers: HeaderMap,
    pub(in crate::discord) body: Bytes,
}

/// What it means.
#[derive(Debug)]
pub(super) enum Meaning {
    /// What was asked for.
    Good,
    /// Too many calls.
    Limited(Limited),
    /// Discord's last word.
    Refused(DiscordError),
    /// Something that may pass.
    Trouble {
        /// What was seen.
        reason: String,
        /// How long to wait, where that was told.
        retry_after: Option<Duration>,
    },
}

/// Too many calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limited {
    pub(super) scope: Scope,
    /// How long to wait, courtesy included; none when that was not told.
    pub(super) wait: Option<Duration>,
    /// The limit that was hit.
    pub(super) allowance: Option<Allowance>,
}

/// What must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Our calls of this route.
    Route,
    /// Everybody's calls of this route; it counts against nobody.
    Shared,
    /// All our calls.
    Everything,
}

impl Answer {
    /// When Discord answered, by its own clock.
    pub(in crate::discord) fn date(&self) -> Option<Timestamp> {
        self.text(header::DATE.as_str()).and_then(Timestamp::parse_http)
    }

    /// What it says of its route's limit.
    pub(super) fn allowance(&self) -> Option<Allowance> {
        Some(Allowance {
            limit: self.text("x-ratelimit-limit")?.trim().parse().ok()?,
            remaining: self.text("x-ratelimit-remaining")?.trim().parse().ok()?,
            reset_after: seconds(self.text("x-ratelimit-reset-after")?)?,
        })
    }

    /// What it means.
    pub(super) fn meaning(&self) -> Meaning {
        let said = serde_json::from_slice::<Said>(&self.body).ok();
        match (self.status, said) {
            (200..=299, _) => Meaning::Good,
            (429, said) => Meaning::Limited(self.limited(said)),
            (401, _) => Meaning::Refused(DiscordError::Unauthorized),
            // A challenge or a block page.
            (403, None) => Meaning::Limited(self.limited(None)),
            (403, Some(said)) => Meaning::Refused(DiscordError::Forbidden { code: said.code }),
            // Discord knows every thing by its own code; 0 is a route that does not exist.
            (404, Some(Said { code: 0, .. })) | (405, _) => {
                Meaning::Refused(DiscordError::NotOffered)
            }
            (404, Some(said)) => Meaning::Refused(DiscordError::NotFound { code: said.code }),
            (400..=499, Some(said)) if self.status != 408 => {
                Meaning::Refused(DiscordError::Rejected { code: said.code, message: said.message })
            }
            (status, _) => Meaning::Trouble {
                reason: format!("status {status}"),
                retry_after: self.text(header::RETRY_AFTER.as_str()).and_then(seconds),
            },
        }
    }

    /// Whether Discord counts it among the refusals for which it blocks addresses.
    pub(super) fn counts_as_refusal(&self) -> bool {
        match self.status {
            401 | 403 => true,
            429 => {
                !matches!(self.meaning(), Meaning::Limited(Limited { scope: Scope::Shared, .. }))
            }
            _ => false,
        }
    }

    fn limited(&self, said: Option<Said>) -> Limited {
        let scope = match (&said, self.text("x-ratelimit-scope")) {
            (None, _) | (_, Some("global")) => Scope::Everything,
            (Some(said), _) if said.global => Scope::Everything,
            _ if self.text("x-ratelimit-global").is_some() => Scope::Everything,
            (_, Some("shared")) => Scope::Shared,
            _ => Scope::Route,
        };
        let in_header = self.text(header::RETRY_AFTER.as_str()).and_then(seconds);
        let in_body = said.and_then(|said| said.retry_after).and_then(duration);
        Limited {
            scope,
            wait: in_header.max(in_body).map(|wait| wait + COURTESY),
            allowance: self.allowance(),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Discord's errors in JSON.
#[derive(Deserialize)]
struct Said {
    #[serde(default, deserialize_with = "lenient")]
    code: u64,
    #[serde(default, deserialize_with = "lenient")]
    message: String,
    #[serde(default, deserialize_with = "lenient")]
    global: bool,
    #[serde(default, deserialize_with = "lenient")]
    retry_after: Option<f64>,
}

fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().and_then(duration)
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        Answer { status, headers, body: Bytes::from_static(body.as_bytes()) }
    }

    #[track_caller]
    fn check_limited(
        headers: &[(&'static str, &'static str)],
        body: &'static str,
        scope: Scope,
        wait: Option<u64>,
    ) {
        let Meaning::Limited(limited) = answer(429, headers, body).meaning() else {
            panic!("{body}")
        };
        assert_eq!(
            (limited.scope, limited.wait),
            (scope, wait.map(Duration::from_millis)),
            "{body}"
        );
    }

    #[test]
    fn the_longer_of_two_waits_counts() {
        let json =
            r#"{"message":"You are being rate limited.","retry_after":1.234,"global":false}"#;
        check_limited(&[("retry-after", "2")], json, Scope::Route, Some(2_300));
        check_limited(&[("retry-after", "1")], json, Scope::Route, Some(1_534));
        check_limited(&[], json, Scope::Route, Some(1_534));
        check_limited(&[("x-ratelimit-scope", "shared")], json, Scope::Shared, Some(1_534));
        check_limited(&[("x-ratelimit-scope", "global")], json, Scope::Everything, Some(1_534));
        check_limited(&[("x-ratelimit-global", "true")], json, Scope::Everything, Some(1_534));
        check_limited(&[], r#"{"retry_after":1,"global":true}"#, Scope::Everything, Some(1_300));
        check_limited(&[("retry-after", "60")], "<html>", Scope::Everything, Some(60_300));
        check_limited(&[("retry-after", "-1")], "error code: 1015", Scope::Everything, None);
    }

    #[track_caller]
    fn check(status: u16, body: &'static str, expected: &str) {
        let meaning = answer(status, &[], body).meaning();
        let seen = match &meaning {
            Meaning::Good => "good".to_owned(),
            Meaning::Limited(limited) => format!("{:?}", limited.scope),
            Meaning::Refused(error) => format!("{error:?}"),
            Meaning::Trouble { .. } => "trouble".to_owned(),
        };
        assert_eq!(seen, expected, "{status} {body}");
    }

    #[test]
    fn what_discord_says_is_told_from_what_stands_between() {
        check(200, "[]", "good");
        check(204, "", "good");
        check(401, r#"{"message":"401: Unauthorized","code":0}"#, "Unauthorized");
        check(403, r#"{"message":"Missing Access","code":50001}"#, "Forbidden { code: 50001 }");
        check(403, "<html>Attention Required! | Cloudflare", "Everything");
        check(404, r#"{"message":"Unknown Message","code":10008}"#, "NotFound { code: 10008 }");
        check(404, r#"{"message":"404: Not Found","code":0}"#, "NotOffered");
        check(404, "<html>", "trouble");
        check(405, r#"{"message":"405: Method Not Allowed","code":0}"#, "NotOffered");
        check(
            400,
            r#"{"message":"Invalid Form Body","code":50035,"errors":{}}"#,
            r#"Rejected { code: 50035, message: "Invalid Form Body" }"#,
        );
        check(408, "{}", "trouble");
        for status in [500, 502, 503, 504, 520, 522, 302] {
            check(status, "<html>", "trouble");
        }
    }

    #[test]
    fn shared_limits_are_nobodys_fault() {
        let json = r#"{"retry_after":1,"global":false}"#;
        assert!(!answer(429, &[("x-ratelimit-scope", "shared")], json).counts_as_refusal());
        assert!(answer(429, &[("x-ratelimit-scope", "user")], json).counts_as_refusal());
        assert!(answer(429, &[], "<html>").counts_as_refusal());
        assert!(answer(403, &[], json).counts_as_refusal());
        assert!(!answer(404, &[], json).counts_as_refusal());
        assert!(!answer(500, &[], json).counts_as_refusal());
    }

    #[test]
    fn limits_are_read_from_good_answers() {
        let headers = [
            ("x-ratelimit-limit", "5"),
            ("x-ratelimit-remaining", "4"),
            ("x-ratelimit-reset-after", "4.999"),
        ];
        let expected =
            Allowance { limit: 5, remaining: 4, reset_after: Duration::from_millis(4_999) };
        assert_eq!(answer(200, &headers, "[]").allowance(), Some(expected));
        assert_eq!(answer(200, &headers[..2], "[]").allowance(), None);
    }
}
