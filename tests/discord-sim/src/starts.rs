//! How many gateway sessions may start: so many a day, and so many every five seconds.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::options::GatewayOptions;

/// The window of the daily limit.
const DAY: Duration = Duration::from_hours(24);

/// The IDENTIFYs that were sent.
#[derive(Debug)]
pub(crate) struct Starts {
    total: u32,
    window: Duration,
    max_concurrency: u32,
    used: VecDeque<Instant>,
    /// By rate limit key, which is the shard modulo `max_concurrency`.
    last: HashMap<u32, Instant>,
}

/// What `GET /gateway/bot` tells of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remaining {
    pub(crate) remaining: u32,
    pub(crate) reset_after: Duration,
}

/// Why Discord refuses an IDENTIFY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooMany {
    /// The day's starts are spent: Discord would reset the token.
    Today,
    /// Another shard of the same key identified within five seconds.
    AtOnce,
}

impl Starts {
    pub(crate) fn new(options: &GatewayOptions) -> Self {
        Self {
            total: options.session_starts,
            window: options.identify_window,
            max_concurrency: options.max_concurrency.max(1),
            used: VecDeque::new(),
            last: HashMap::new(),
        }
    }

    pub(crate) fn remaining(&mut self, now: Instant) -> Remaining {
        self.forget(now);
        let used = u32::try_from(self.used.len()).unwrap_or(u32::MAX);
        let reset_after = self
            .used
            .front()
            .map_or(Duration::ZERO, |first| (*first + DAY).saturating_duration_since(now));
        Remaining { remaining: self.total.saturating_sub(used), reset_after }
    }

    /// Counts one IDENTIFY of a shard.
    pub(crate) fn take(&mut self, shard: u32, now: Instant) -> Result<(), TooMany> {
        if self.remaining(now).remaining == 0 {
            return Err(TooMany::Today);
        }
        self.used.push_back(now);
        let before = self.last.insert(shard % self.max_concurrency, now);
        match before {
            Some(before) if now < before + self.window => Err(TooMany::AtOnce),
            _ => Ok(()),
        }
    }

    fn forget(&mut self, now: Instant) {
        while self.used.front().is_some_and(|then| *then + DAY <= now) {
            self.used.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_run_out_by_the_day_and_by_the_moment() {
        let options = GatewayOptions { session_starts: 3, ..GatewayOptions::default() };
        let mut starts = Starts::new(&options);
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(starts.take(0, now), Ok(()));
        assert_eq!(starts.take(0, after(2)), Err(TooMany::AtOnce));
        assert_eq!(starts.take(0, after(8)), Ok(()));
        assert_eq!(starts.take(0, after(20)), Err(TooMany::Today));
        assert_eq!(starts.remaining(after(20)).remaining, 0);
        assert_eq!(starts.remaining(after(86_401)).remaining, 1);
    }

    #[test]
    fn shards_of_different_keys_do_not_wait_for_each_other() {
        let options = GatewayOptions { max_concurrency: 2, ..GatewayOptions::default() };
        let mut starts = Starts::new(&options);
        let now = Instant::now();
        assert_eq!(starts.take(0, now), Ok(()));
        assert_eq!(starts.take(1, now), Ok(()));
        assert_eq!(starts.take(2, now), Err(TooMany::AtOnce));
    }
}
