//! How strict, how fast and how unreliable a simulator is.

use std::time::Duration;

use crate::{faults::Rule, gateway::EventRule};

/// The settings of one running simulator.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many requests are let through.
    pub rate_limits: RateLimits,
    /// How long a signed link opens its file, in whole seconds.
    pub link_lifetime: Duration,
    /// What goes wrong.
    pub faults: Vec<Rule>,
    /// Decides what goes wrong by chance.
    pub fault_seed: u64,
    /// How `refresh-urls` behaves.
    pub refresh: Refresh,
    /// How the gateway behaves.
    pub gateway: GatewayOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rate_limits: RateLimits::default(),
            // Every real link since July 2024 lives exactly a day.
            link_lifetime: Duration::from_hours(24),
            faults: Vec::new(),
            fault_seed: 0,
            refresh: Refresh::Works,
            gateway: GatewayOptions::default(),
        }
    }
}

/// Discord's rate limits, with the numbers that were measured.
#[derive(Clone, Debug)]
pub struct RateLimits {
    /// Whether anything is ever refused.
    pub enforced: Enforced,
    /// Requests a second over all routes.
    pub global_per_second: u32,
    /// History pages of one channel in a burst.
    pub messages_burst: u32,
    /// How long until one more history page of that channel is allowed.
    pub messages_refill: Duration,
    /// What the headers of history pages say.
    pub headers: HeadersSay,
    /// 401, 403 and 429 within ten minutes until Cloudflare blocks the address.
    pub invalid_allowed: u32,
    /// Multiplies every duration above and every other window, so that tests need not wait.
    pub time_scale: f64,
    /// How long after an answer a request may still have been on its way when it arrives:
    /// one that breaks the answer's word within this time is not held against the client.
    pub grace: Duration,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            enforced: Enforced::Yes,
            global_per_second: 50,
            messages_burst: 5,
            messages_refill: Duration::from_secs(1),
            headers: HeadersSay::TheTruth,
            invalid_allowed: 10_000,
            time_scale: 1.0,
            // Loopback takes far less; a busy machine may not.
            grace: Duration::from_millis(50),
        }
    }
}

impl RateLimits {
    /// No limit at all, for tests of something else.
    pub fn off() -> Self {
        Self { enforced: Enforced::No, ..Self::default() }
    }

    /// The same limits in a world that runs `factor` times as fast.
    pub fn faster(factor: f64) -> Self {
        Self { time_scale: 1.0 / factor, ..Self::default() }
    }
}

/// Whether rate limits hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforced {
    /// They do.
    Yes,
    /// They do not, and no header speaks of them.
    No,
}

/// Whether the headers of history pages can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadersSay {
    /// They tell what is left.
    TheTruth,
    /// They claim 999 of 1000 left until a sudden 429 shows 0 of 5, as seen in February 2026.
    Plenty,
}

/// How `POST /attachments/refresh-urls` behaves, which no document promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// It refreshes every link of ours and leaves out all others.
    Works,
    /// It is not there and answers this status: 404, 405 or 401.
    Gone(u16),
    /// It answers null for every link that is not first in its call.
    Nulls,
    /// It leaves every second link out.
    Gaps,
    /// It refuses batches of more than one with 400.
    RefusesBatches,
}

/// How the gateway behaves when nothing is injected.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// What HELLO asks for.
    pub heartbeat_interval: Duration,
    /// Shards that Discord recommends.
    pub shards: u32,
    /// Sessions that may start in 24 hours.
    pub session_starts: u32,
    /// IDENTIFYs allowed in each window of five seconds.
    pub max_concurrency: u32,
    /// The window of `max_concurrency`; Discord's is five seconds.
    pub identify_window: Duration,
    /// How long a dropped session can be resumed.
    pub resume_window: Duration,
    /// Fewer shards than this are refused with 4011.
    pub required_shards: u32,
    /// What goes wrong with events.
    pub faults: Vec<EventRule>,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_millis(41_250),
            shards: 1,
            session_starts: 1000,
            max_concurrency: 1,
            identify_window: Duration::from_secs(5),
            // "A few minutes", says the documentation.
            resume_window: Duration::from_mins(3),
            required_shards: 1,
            faults: Vec::new(),
        }
    }
}
