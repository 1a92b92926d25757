//! Discord's rate limits: buckets by route and resource, a global one, and the block behind them.
//!
//! Runs on the machine's own clock, scaled; the simulated clock may jump without giving anybody requests.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    faults::Scope,
    options::{Enforced, HeadersSay, RateLimits},
};

/// The window in which invalid requests are counted.
const INVALID_WINDOW: Duration = Duration::from_mins(10);
/// How long Cloudflare blocks an address, as the community has seen.
const BLOCK: Duration = Duration::from_hours(24);

/// How a route is limited, apart from the global limit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bucket {
    /// Not at all.
    GlobalOnly,
    /// A history page: as the options say.
    Messages,
    /// So many at once, then one more after each such time.
    Refill(u32, Duration),
    /// So many in each window.
    Window(u32, Duration),
}

/// A bucket's identity: the route's name and the channel or server.
pub(crate) type Key = (&'static str, u64);

#[derive(Debug)]
pub(crate) enum Verdict {
    Pass(Vec<(&'static str, String)>),
    Limited {
        scope: Scope,
        retry_after: Duration,
        headers: Vec<(&'static str, String)>,
    },
    /// Cloudflare does not let it through, and may tell until when.
    Blocked {
        status: u16,
        retry_after: Option<Duration>,
    },
}

#[derive(Debug)]
pub(crate) struct Limiter {
    options: RateLimits,
    buckets: HashMap<Key, Fill>,
    /// Arrivals within the last second.
    recent: VecDeque<Instant>,
    invalid: VecDeque<Instant>,
    blocked: Option<Instant>,
    /// Pauses that were ordered, which hold whether limits are enforced or not.
    pauses: HashMap<Option<Key>, (Instant, Ordered)>,
    /// What clients were told, and may be held to.
    promises: HashMap<Option<Key>, Promise>,
}

/// Who ordered a pause, and so how its refusals look.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ordered {
    Discord(Scope),
    Cloudflare(u16),
}

#[derive(Clone, Copy, Debug)]
struct Fill {
    left: f64,
    updated: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Promise {
    given: Instant,
    until: Instant,
}

impl Limiter {
    pub(crate) fn new(options: RateLimits) -> Self {
        Self {
            options,
            buckets: HashMap::new(),
            recent: VecDeque::new(),
            invalid: VecDeque::new(),
            blocked: None,
            pauses: HashMap::new(),
            promises: HashMap::new(),
        }
    }

    /// Takes one request out of its bucket and the global one, or refuses it.
    pub(crate) fn take(&mut self, key: Key, bucket: Bucket, now: Instant, epoch: f64) -> Verdict {
        if self.blocked.is_some_and(|until| now < until) {
            return Verdict::Blocked { status: 429, retry_after: None };
        }
        if let Some(verdict) = self.paused(key, now) {
            return verdict;
        }
        if self.options.enforced == Enforced::No {
            return Verdict::Pass(Vec::new());
        }
        let second = self.scaled(Duration::from_secs(1));
        while self.recent.front().is_some_and(|then| *then + second <= now) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.options.global_per_second as usize {
            let oldest = self.recent.front().expect("the limit is at least one");
            let retry_after = (*oldest + second).saturating_duration_since(now);
            return Verdict::Limited { scope: Scope::Global, retry_after, headers: Vec::new() };
        }
        self.recent.push_back(now);
        let Some((limit, each, refills)) = self.shape(bucket) else {
            return Verdict::Pass(Vec::new());
        };

        let brim = f64::from(limit);
        let fill = self.buckets.entry(key).or_insert(Fill { left: brim, updated: now });
        let elapsed = now.duration_since(fill.updated);
        if refills {
            fill.left = (fill.left + elapsed.as_secs_f64() / each.as_secs_f64()).min(brim);
            fill.updated = now;
        } else if elapsed >= each {
            *fill = Fill { left: brim, updated: now };
        }
        let passes = fill.left >= 1.0;
        if passes {
            fill.left -= 1.0;
        }
        // A bucket that refills tells the time until it is full, a window the time until it ends.
        let reset = if refills {
            each.mul_f64(brim - fill.left)
        } else {
            each.saturating_sub(now.duration_since(fill.updated))
        };
        let next = if refills { each.mul_f64((1.0 - fill.left).max(0.0)) } else { reset };
        let boasts = matches!(bucket, Bucket::Messages)
            && self.options.headers == HeadersSay::Plenty
            && passes;
        let (shown_limit, shown_left) =
            if boasts { (1000, 999.0) } else { (limit, fill.left.floor()) };
        let headers = vec![
            ("x-ratelimit-limit", shown_limit.to_string()),
            ("x-ratelimit-remaining", format!("{shown_left:.0}")),
            ("x-ratelimit-reset", format!("{:.3}", epoch + reset.as_secs_f64())),
            ("x-ratelimit-reset-after", format!("{:.3}", reset.as_secs_f64())),
            ("x-ratelimit-bucket", bucket_hash(key.0)),
        ];
        if passes {
            Verdict::Pass(headers)
        } else {
            Verdict::Limited { scope: Scope::User, retry_after: next, headers }
        }
    }

    /// Refuses everything to one bucket, or with `None` to all, for a while.
    pub(crate) fn pause(&mut self, key: Option<Key>, by: Ordered, wait: Duration, now: Instant) {
        self.pauses.insert(key, (now + wait, by));
    }

    pub(crate) fn end_pauses(&mut self) {
        self.pauses.clear();
    }

    /// Remembers that a client was told to wait: by `remaining: 0` or by a 429. `None` is all routes.
    pub(crate) fn promise(&mut self, key: Option<Key>, wait: Duration, now: Instant) {
        let until = now + wait;
        let promise = self.promises.entry(key).or_insert(Promise { given: now, until });
        // A wait that is still on began when it was first told; after it ended, a new one begins.
        if promise.until < now {
            promise.given = now;
        }
        promise.until = promise.until.max(until);
    }

    /// Whether the client had been told to wait and did not, leaving out what was on its way then.
    pub(crate) fn was_impolite(&self, key: Key, arrived: Instant) -> bool {
        [Some(key), None]
            .iter()
            .filter_map(|key| self.promises.get(key))
            .any(|promise| arrived > promise.given + self.options.grace && arrived < promise.until)
    }

    /// Counts a 401, 403 or 429; too many of them and Cloudflare shuts the door.
    pub(crate) fn note_invalid(&mut self, now: Instant) {
        let window = self.scaled(INVALID_WINDOW);
        while self.invalid.front().is_some_and(|then| *then + window <= now) {
            self.invalid.pop_front();
        }
        self.invalid.push_back(now);
        if self.invalid.len() >= self.options.invalid_allowed as usize {
            self.blocked = Some(now + self.scaled(BLOCK));
            self.invalid.clear();
        }
    }

    fn paused(&mut self, key: Key, now: Instant) -> Option<Verdict> {
        self.pauses.retain(|_, (until, _)| now < *until);
        let (until, by) = [None, Some(key)].iter().find_map(|key| self.pauses.get(key))?;
        let wait = until.duration_since(now);
        Some(match by {
            Ordered::Discord(scope) => {
                Verdict::Limited { scope: *scope, retry_after: wait, headers: Vec::new() }
            }
            Ordered::Cloudflare(status) => {
                Verdict::Blocked { status: *status, retry_after: Some(wait) }
            }
        })
    }

    fn shape(&self, bucket: Bucket) -> Option<(u32, Duration, bool)> {
        let (limit, each, refills) = match bucket {
            Bucket::GlobalOnly => return None,
            Bucket::Messages => (self.options.messages_burst, self.options.messages_refill, true),
            Bucket::Refill(limit, each) => (limit, each, true),
            Bucket::Window(limit, each) => (limit, each, false),
        };
        Some((limit, self.scaled(each), refills))
    }

    fn scaled(&self, duration: Duration) -> Duration {
        duration.mul_f64(self.options.time_scale)
    }
}

/// Opaque to clients: the same for all channels, as Discord's are.
fn bucket_hash(route: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(&Sha256::digest(route)[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = ("list_messages", 1);

    fn passes(limiter: &mut Limiter, key: Key, bucket: Bucket, at: Instant) -> bool {
        matches!(limiter.take(key, bucket, at, 0.0), Verdict::Pass(_))
    }

    #[test]
    fn history_refills_one_by_one_and_channels_do_not_share() {
        let mut limiter = Limiter::new(RateLimits::default());
        let start = Instant::now();
        let burst = (0..6).filter(|_| passes(&mut limiter, KEY, Bucket::Messages, start)).count();
        assert_eq!(burst, 5);
        assert!(passes(&mut limiter, ("list_messages", 2), Bucket::Messages, start));
        let later = start + Duration::from_millis(1_100);
        assert!(passes(&mut limiter, KEY, Bucket::Messages, later));
        assert!(!passes(&mut limiter, KEY, Bucket::Messages, later));
    }

    #[test]
    fn a_window_opens_whole() {
        let mut limiter = Limiter::new(RateLimits::default());
        let bucket = Bucket::Window(2, Duration::from_secs(5));
        let start = Instant::now();
        let at = |limiter: &mut Limiter, seconds| {
            passes(limiter, KEY, bucket, start + Duration::from_secs(seconds))
        };
        let got = [0, 1, 4, 5, 6, 7].map(|second| at(&mut limiter, second));
        assert_eq!(got, [true, true, false, true, true, false]);
    }

    #[test]
    fn fifty_a_second_over_all_routes() {
        let mut limiter = Limiter::new(RateLimits::default());
        let start = Instant::now();
        for n in 0..50 {
            assert!(passes(&mut limiter, ("any", n), Bucket::GlobalOnly, start));
        }
        let verdict = limiter.take(("any", 99), Bucket::GlobalOnly, start, 0.0);
        assert!(matches!(verdict, Verdict::Limited { scope: Scope::Global, .. }));
        let later = start + Duration::from_millis(1_001);
        assert!(passes(&mut limiter, ("any", 99), Bucket::GlobalOnly, later));
    }

    #[test]
    fn only_requests_that_could_have_known_are_impolite() {
        let mut limiter = Limiter::new(RateLimits::default());
        let start = Instant::now();
        limiter.promise(Some(KEY), Duration::from_secs(2), start);
        let after = |millis| start + Duration::from_millis(millis);
        let judged = [10, 500, 2_100].map(|millis| limiter.was_impolite(KEY, after(millis)));
        assert_eq!(judged, [false, true, false]);
        assert!(!limiter.was_impolite(("list_messages", 2), after(500)));
        limiter.promise(None, Duration::from_secs(2), start);
        assert!(limiter.was_impolite(("list_messages", 2), after(500)));
    }

    #[test]
    fn too_many_invalid_requests_end_in_a_block() {
        let options = RateLimits { invalid_allowed: 3, ..RateLimits::default() };
        let mut limiter = Limiter::new(options);
        let start = Instant::now();
        for _ in 0..3 {
            assert!(passes(&mut limiter, KEY, Bucket::GlobalOnly, start));
            limiter.note_invalid(start);
        }
        let verdict = limiter.take(KEY, Bucket::GlobalOnly, start, 0.0);
        assert!(matches!(verdict, Verdict::Blocked { .. }));
    }

    #[test]
    fn an_ordered_pause_holds_for_its_bucket_and_for_its_time() {
        let mut limiter = Limiter::new(RateLimits::off());
        let start = Instant::now();
        let wait = Duration::from_secs(2);
        limiter.pause(Some(KEY), Ordered::Discord(Scope::Shared), wait, start);
        assert!(!passes(&mut limiter, KEY, Bucket::GlobalOnly, start));
        assert!(passes(&mut limiter, ("list_messages", 2), Bucket::GlobalOnly, start));
        assert!(passes(&mut limiter, KEY, Bucket::GlobalOnly, start + wait));
        limiter.pause(None, Ordered::Cloudflare(429), wait, start);
        assert!(!passes(&mut limiter, ("list_messages", 2), Bucket::GlobalOnly, start));
    }
}
