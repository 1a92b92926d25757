//! How often one route may be called for one channel or server, learned from what the answers say.
//!
//! Pure: times are measured from any fixed moment.

use std::{collections::VecDeque, time::Duration};

/// Answers are counted back to here when a limit is learned the hard way; none of Discord's documented limits lets
/// more than this through in one window.
const REMEMBERED: usize = 64;

/// A refusal teaches a limit only when the calls that used it up are this recent; older ones were not the cause, and
/// somebody else shares our token.
const RECENT: Duration = Duration::from_secs(15);

/// Added to each reset: Discord rounds to milliseconds, and its window began when our call arrived, not when its
/// answer did.
const MARGIN: Duration = Duration::from_millis(50);

/// Resets that lie this close together are one reset, seen through the network's jitter.
const JITTER: Duration = Duration::from_millis(250);

/// What an answer says of its bucket (`X-RateLimit-Limit`, `-Remaining`, `-Reset-After`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) reset_after: Duration,
}

/// Whether a call may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Now.
    Go,
    /// At this time at the earliest.
    WaitUntil(Duration),
    /// When a call that is under way has been answered.
    Listen,
}

/// The pace of one route in one channel or server.
#[derive(Debug, Default)]
pub(super) struct Gate {
    in_flight: u32,
    known: Known,
    closed_until: Duration,
    learned: Option<Learned>,
    answered: VecDeque<Duration>,
}

/// What the answers have said so far.
#[derive(Debug, Default)]
enum Known {
    /// Nothing: one call is sent to find out.
    #[default]
    Nothing,
    /// No limit of its own.
    Unlimited,
    /// So many calls are left until the reset. Whether the window is fixed or refills drop by drop does not matter:
    /// at the reset it is whole either way.
    Window { limit: u32, left: u32, reset: Duration },
}

/// A limit that the headers of good answers hide: Discord has been seen to claim 999 of 1,000 left and then to
/// refuse, with the true limit in the refusal.
#[derive(Clone, Copy, Debug)]
struct Learned {
    limit: usize,
    window: Duration,
}

impl Gate {
    /// Whether a call may be sent now.
    pub(super) fn verdict(&self, now: Duration) -> Verdict {
        if now < self.closed_until {
            return Verdict::WaitUntil(self.closed_until);
        }
        if let Some(Learned { limit, window }) = self.learned {
            let recent = self.answered.iter().filter(|&&at| at + window > now).count();
            if recent + self.in_flight as usize >= limit {
                // With calls under way their answers decide; else the oldest of the window makes room.
                let oldest = self.answered.iter().find(|&&at| at + window > now);
                return oldest.map_or(Verdict::Listen, |&at| Verdict::WaitUntil(at + window));
            }
        }
        match self.known {
            Known::Nothing if self.in_flight > 0 => Verdict::Listen,
            Known::Nothing | Known::Unlimited => Verdict::Go,
            Known::Window { limit, reset, .. } if now >= reset => {
                if self.in_flight < limit {
                    Verdict::Go
                } else {
                    Verdict::Listen
                }
            }
            Known::Window { left: 0, reset: Duration::MAX, .. } => Verdict::Listen,
            Known::Window { left: 0, reset, .. } => Verdict::WaitUntil(reset),
            Known::Window { .. } => Verdict::Go,
        }
    }

    /// A call is being sent.
    pub(super) fn sent(&mut self, now: Duration) {
        if let Known::Window { limit, left, reset } = &mut self.known {
            if now >= *reset {
                // The next answer tells when the window that begins now ends. Until then it is taken to be open for
                // those that are not under way already.
                *left = limit.saturating_sub(self.in_flight);
                *reset = Duration::MAX;
            }
            *left = left.saturating_sub(1);
        }
        self.in_flight += 1;
    }

    /// A call was answered, with or without a word about limits.
    pub(super) fn answered(&mut self, now: Duration, said: Option<Allowance>) {
        self.landed();
        self.remember(now);
        let Some(said) = said else {
            if matches!(self.known, Known::Nothing) {
                self.known = Known::Unlimited;
            }
            return;
        };
        let reset = now + said.reset_after + MARGIN;
        // Other calls that are under way may or may not be counted in what is left: taken as not.
        let spare = said.remaining.saturating_sub(self.in_flight);
        let (left, reset) = match self.known {
            Known::Window { left, reset: current, .. } if current < Duration::MAX => {
                if reset + JITTER < current {
                    // An answer that was overtaken by one of the next window.
                    (left, current)
                } else if reset <= current + JITTER {
                    (left.min(said.remaining), current.max(reset))
                } else {
                    (spare, reset)
                }
            }
            _ => (spare, reset),
        };
        self.known = Known::Window { limit: said.limit.max(1), left, reset };
    }

    /// A call was refused: nothing is sent before `until`. What the refusal says of the limit is true, whatever good
    /// answers said; none when it is owed to what others did.
    pub(super) fn refused(&mut self, now: Duration, until: Duration, said: Option<Allowance>) {
        self.landed();
        self.closed_until = self.closed_until.max(until);
        if let Known::Window { left, reset, .. } = &mut self.known {
            *left = 0;
            *reset = self.closed_until;
        }
        if let Some(said) = said {
            self.learn(now, said);
        }
    }

    fn learn(&mut self, now: Duration, said: Allowance) {
        let limit = said.limit as usize;
        let Some(index) = self.answered.len().checked_sub(limit).filter(|_| limit > 0) else {
            return;
        };
        let first = self.answered[index];
        if now.saturating_sub(first) > RECENT {
            return;
        }
        // A bucket that refills drop by drop tells the time until it is full, which is its whole window; a fixed
        // window tells its end.
        let window = self.closed_until.saturating_sub(first).max(said.reset_after + MARGIN);
        let longest = self.learned.map_or(window, |learned| learned.window.max(window));
        self.learned = Some(Learned { limit, window: longest });
    }

    /// A call came to nothing: nobody knows whether it counted.
    pub(super) fn landed(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Known::Window { reset, .. } = &mut self.known
            && self.in_flight == 0
            && *reset == Duration::MAX
        {
            // The call that was to tell the new window is lost: the next one tells.
            self.known = Known::Nothing;
        }
    }

    /// Whether forgetting it loses nothing.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        let whole = match self.known {
            Known::Nothing | Known::Unlimited => true,
            Known::Window { reset, .. } => reset <= now,
        };
        whole && self.in_flight == 0 && self.closed_until <= now && self.learned.is_none()
    }

    fn remember(&mut self, now: Duration) {
        if self.answered.len() == REMEMBERED {
            self.answered.pop_front();
        }
        self.answered.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const fn said(limit: u32, remaining: u32, reset_after: u64) -> Allowance {
        Allowance { limit, remaining, reset_after: millis(reset_after) }
    }

    /// Sends as many as are let through.
    fn send_all(gate: &mut Gate, now: Duration) -> usize {
        let mut sent = 0;
        while sent < 1_000 && gate.verdict(now) == Verdict::Go {
            gate.sent(now);
            sent += 1;
        }
        sent
    }

    #[test]
    fn an_unknown_route_is_tried_with_one_call() {
        let mut gate = Gate::default();
        assert_eq!(send_all(&mut gate, millis(0)), 1);
        assert_eq!(gate.verdict(millis(0)), Verdict::Listen);
        gate.answered(millis(100), Some(said(5, 4, 4_900)));
        assert_eq!(send_all(&mut gate, millis(100)), 4);
        assert_eq!(gate.verdict(millis(100)), Verdict::WaitUntil(millis(5_050)));
    }

    #[test]
    fn a_route_without_limits_is_not_held() {
        let mut gate = Gate::default();
        gate.sent(millis(0));
        gate.answered(millis(1), None);
        assert_eq!(send_all(&mut gate, millis(1)), 1_000);
    }

    #[test]
    fn after_the_reset_the_window_is_whole() {
        let mut gate = Gate::default();
        gate.sent(millis(0));
        gate.answered(millis(10), Some(said(5, 0, 1_000)));
        assert_eq!(gate.verdict(millis(1_059)), Verdict::WaitUntil(millis(1_060)));
        assert_eq!(send_all(&mut gate, millis(1_060)), 5);
        gate.answered(millis(1_100), Some(said(5, 4, 1_000)));
        assert_eq!(send_all(&mut gate, millis(1_100)), 0, "four are still under way");
        for remaining in [3, 2, 1, 0] {
            gate.answered(millis(1_101), Some(said(5, remaining, 999)));
        }
        assert_eq!(gate.verdict(millis(1_101)), Verdict::WaitUntil(millis(2_150)));
    }

    #[test]
    fn answers_out_of_order_do_not_widen_the_window() {
        let mut gate = Gate::default();
        gate.sent(millis(0));
        gate.answered(millis(10), Some(said(5, 4, 5_000)));
        assert_eq!(send_all(&mut gate, millis(10)), 4);
        for remaining in [0, 3, 1, 2] {
            gate.answered(millis(20), Some(said(5, remaining, 4_990)));
        }
        assert_eq!(send_all(&mut gate, millis(20)), 0);
    }

    #[test]
    fn an_answer_of_the_window_before_is_ignored() {
        let mut gate = Gate::default();
        gate.sent(millis(0));
        gate.answered(millis(10), Some(said(2, 1, 1_000)));
        gate.sent(millis(10));
        gate.sent(millis(1_100));
        gate.answered(millis(1_150), Some(said(2, 1, 1_000)));
        gate.answered(millis(1_160), Some(said(2, 0, 0)));
        assert!(matches!(gate.known, Known::Window { reset, .. } if reset == millis(2_200)));
    }

    #[test]
    fn a_bucket_that_refills_drop_by_drop_is_left_to_fill() {
        let mut gate = Gate::default();
        for (at, remaining, full) in [(0, 2, 1_000), (100, 1, 1_900), (200, 0, 2_800)] {
            assert_eq!(gate.verdict(millis(at)), Verdict::Go);
            gate.sent(millis(at));
            gate.answered(millis(at), Some(said(3, remaining, full)));
        }
        assert_eq!(gate.verdict(millis(200)), Verdict::WaitUntil(millis(3_050)));
    }

    #[test]
    fn a_refusal_closes_the_gate_and_teaches_the_limit_that_was_hidden() {
        let mut gate = Gate::default();
        for count in 0..5 {
            assert_eq!(gate.verdict(millis(count)), Verdict::Go);
            gate.sent(millis(count));
            gate.answered(millis(count), Some(said(1_000, 999, 1_000)));
        }
        gate.sent(millis(5));
        gate.refused(millis(5), millis(1_300), Some(said(5, 0, 5_000)));
        assert_eq!(gate.verdict(millis(5)), Verdict::WaitUntil(millis(1_300)));
        assert_eq!(gate.verdict(millis(1_300)), Verdict::WaitUntil(millis(5_050)));
        let mut sent = 0;
        while gate.verdict(millis(5_100)) == Verdict::Go {
            gate.sent(millis(5_100));
            gate.answered(millis(5_100), Some(said(1_000, 999, 1_000)));
            sent += 1;
        }
        assert_eq!(sent, 5, "the claim of 999 is not believed again");
        assert_eq!(gate.verdict(millis(5_100)), Verdict::WaitUntil(millis(10_150)));
    }

    #[test]
    fn a_refusal_owed_to_others_teaches_nothing() {
        let mut gate = Gate::default();
        gate.sent(millis(0));
        gate.answered(millis(0), Some(said(5, 4, 1_000)));
        gate.sent(millis(1));
        gate.refused(millis(1), millis(500), None);
        assert_eq!(gate.verdict(millis(1)), Verdict::WaitUntil(millis(500)));
        assert!(gate.learned.is_none());
    }

    #[test]
    fn a_call_that_was_lost_does_not_hold_the_gate() {
        let mut gate = Gate::default();
        gate.sent(millis(0));
        gate.landed();
        assert_eq!(gate.verdict(millis(0)), Verdict::Go);
        gate.sent(millis(0));
        gate.answered(millis(0), Some(said(1, 0, 100)));
        gate.sent(millis(200));
        gate.landed();
        assert_eq!(gate.verdict(millis(200)), Verdict::Go);
        assert!(gate.is_idle(millis(200)));
    }
}
