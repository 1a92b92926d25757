//! What came in and what went out, and everything a client did that Discord does not know.

use std::collections::BTreeMap;

use crate::ids::AttachmentId;

/// Counts since the simulator started.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// REST requests by route, named as in Discord's description.
    pub requests: BTreeMap<String, u64>,
    /// Answers by route and status; a reset connection counts as 0. Downloads are route `cdn`.
    pub answers: BTreeMap<(String, u16), u64>,
    /// 429s given, whatever the scope.
    pub limited: u64,
    /// Those of them that better manners would have avoided: earlier headers said so.
    pub avoidable: u64,
    /// 401s, 403s and 429s that count towards the Cloudflare block.
    pub invalid: u64,
    /// Downloads begun, by file.
    pub downloads: BTreeMap<AttachmentId, u64>,
    /// Bytes sent, by file.
    pub bytes: BTreeMap<AttachmentId, u64>,
    /// Bytes of other objects sent: avatars, emojis, stickers.
    pub other_bytes: u64,
    /// Links that `refresh-urls` was asked for.
    pub links_refreshed: u64,
    /// Gateway connections accepted.
    pub connections: u64,
    /// IDENTIFYs accepted.
    pub identifies: u64,
    /// RESUMEs accepted.
    pub resumes: u64,
    /// Heartbeats received.
    pub heartbeats: u64,
    /// Events sent, by name, replays included.
    pub events: BTreeMap<String, u64>,
}

impl Stats {
    /// REST requests of all routes.
    pub fn total_requests(&self) -> u64 {
        self.requests.values().sum()
    }

    /// REST requests of one route.
    pub fn requests_to(&self, route: &str) -> u64 {
        self.requests.get(route).copied().unwrap_or_default()
    }

    /// Downloads begun of all files.
    pub fn total_downloads(&self) -> u64 {
        self.downloads.values().sum()
    }

    /// Bytes sent of all files.
    pub fn total_bytes(&self) -> u64 {
        self.bytes.values().sum()
    }

    pub(crate) fn answered(&mut self, route: &str, status: u16) {
        *self.answers.entry((route.to_owned(), status)).or_default() += 1;
    }
}

/// Counts and complaints, behind one lock.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) stats: Stats,
    pub(crate) violations: Vec<String>,
}
