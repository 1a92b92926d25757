//! How often anything may be called at all: Discord's global limit, and pauses that it imposes on everything.
//!
//! Pure: times are measured from any fixed moment.

use std::{collections::VecDeque, time::Duration};

use super::{Priority, gate::Verdict};

/// Discord allows a bot 50 calls a second (topics/rate-limits). The rest is for clocks that differ.
const PER_SECOND: usize = 48;

/// What can wait leaves this many calls a second to what can't.
const KEPT_FOR_URGENT: usize = 10;

/// The global limit's window.
const WINDOW: Duration = Duration::from_secs(1);

/// The pause after a refusal that names none, which is what Cloudflare sends; it doubles with each further one.
const UNTOLD_PAUSE: Duration = Duration::from_secs(30);

/// The longest pause that is not asked for: Cloudflare's blocks last from minutes to an hour.
const LONGEST_UNTOLD_PAUSE: Duration = Duration::from_mins(15);

/// The calls of all routes together.
///
/// A call reaches Discord at some moment between being sent and being answered. So those under way and those answered
/// within the last second are all that Discord can have seen in its last second, however the network bunches them.
#[derive(Debug, Default)]
pub(super) struct Budget {
    in_flight: usize,
    answered: VecDeque<Duration>,
    paused_until: Duration,
    mode: Mode,
    pauses_in_a_row: u32,
    epoch: Epoch,
}

/// Which side of a pause a call was sent on: what was sent before one began says nothing about whether it is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Epoch(u64);

#[derive(Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Open,
    /// After a pause a single call finds out whether it is over, so that a long one costs a handful of refusals.
    Probing { under_way: bool },
}

impl Budget {
    /// Whether a call may be sent now.
    pub(super) fn verdict(&self, now: Duration, priority: Priority) -> Verdict {
        if now < self.paused_until {
            return Verdict::WaitUntil(self.paused_until);
        }
        if self.mode == (Mode::Probing { under_way: true }) {
            return Verdict::Listen;
        }
        let allowed = match priority {
            Priority::Urgent => PER_SECOND,
            Priority::Patient => PER_SECOND - KEPT_FOR_URGENT,
        };
        let old = self.answered.iter().take_while(|&&at| at + WINDOW <= now).count();
        let seen = self.in_flight + self.answered.len() - old;
        match seen.checked_sub(allowed) {
            None => Verdict::Go,
            // So many, and one more, must leave the window; those under way have to be answered first.
            Some(over) => match self.answered.get(old + over) {
                Some(&at) => Verdict::WaitUntil(at + WINDOW),
                None => Verdict::Listen,
            },
        }
    }

    /// A call is being sent.
    pub(super) fn sent(&mut self) -> Epoch {
        self.in_flight += 1;
        if let Mode::Probing { under_way } = &mut self.mode {
            *under_way = true;
        }
        self.epoch
    }

    /// A call was answered, and not with a refusal of everything.
    pub(super) fn answered(&mut self, now: Duration, epoch: Epoch) {
        self.count(now);
        if epoch == self.epoch {
            self.mode = Mode::Open;
            self.pauses_in_a_row = 0;
        }
    }

    /// Everything was refused. Returns when the next call may be sent.
    pub(super) fn refused(
        &mut self,
        now: Duration,
        epoch: Epoch,
        wait: Option<Duration>,
    ) -> Duration {
        self.count(now);
        let wait = wait.unwrap_or_else(|| {
            let doubled = 1_u32.checked_shl(self.pauses_in_a_row).unwrap_or(u32::MAX);
            UNTOLD_PAUSE.saturating_mul(doubled).min(LONGEST_UNTOLD_PAUSE)
        });
        self.paused_until = self.paused_until.max(now + wait);
        if epoch == self.epoch {
            self.pauses_in_a_row += 1;
            self.epoch = Epoch(self.epoch.0 + 1);
            self.mode = Mode::Probing { under_way: false };
        }
        self.paused_until
    }

    /// A call came to nothing, which says nothing about a pause.
    pub(super) fn landed(&mut self, now: Duration, epoch: Epoch) {
        self.count(now);
        if let Mode::Probing { under_way } = &mut self.mode
            && epoch == self.epoch
        {
            *under_way = false;
        }
    }

    fn count(&mut self, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        while self.answered.front().is_some_and(|&at| at + WINDOW <= now) {
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

    /// Sends as many as are let through, and has them answered at once.
    fn send_all(budget: &mut Budget, now: Duration, priority: Priority) -> usize {
        let mut sent = 0;
        while budget.verdict(now, priority) == Verdict::Go && sent < 1_000 {
            let epoch = budget.sent();
            budget.answered(now, epoch);
            sent += 1;
        }
        sent
    }

    #[test]
    fn no_second_sees_more_calls_than_allowed_whatever_the_network_does() {
        let mut budget = Budget::default();
        let mut under_way: Vec<(u64, Epoch)> = Vec::new();
        let mut arrived = Vec::new();
        let mut dice = 7_u64;
        for now in 0..5_000 {
            under_way.retain(|&(lands, epoch)| {
                if lands == now {
                    budget.answered(millis(now), epoch);
                }
                lands != now
            });
            while budget.verdict(millis(now), Priority::Urgent) == Verdict::Go {
                // Knuth's generator, for ways of 0 to 300 ms there and back.
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
                let (there, back) = ((dice >> 33) % 300, (dice >> 43) % 300);
                arrived.push(now + there);
                under_way.push((now + there + back + 1, budget.sent()));
            }
        }
        for &start in &arrived {
            let within = arrived.iter().filter(|&&at| (start..start + 1_000).contains(&at)).count();
            assert!(within <= PER_SECOND, "{within}");
        }
        assert!(arrived.len() > 4 * PER_SECOND * 3 / 4, "{}", arrived.len());
    }

    #[test]
    fn what_can_wait_leaves_room() {
        let mut budget = Budget::default();
        let second = Verdict::WaitUntil(millis(1_000));
        assert_eq!(send_all(&mut budget, millis(0), Priority::Patient), 38);
        assert_eq!(budget.verdict(millis(0), Priority::Patient), second);
        assert_eq!(send_all(&mut budget, millis(1), Priority::Urgent), 10);
        assert_eq!(budget.verdict(millis(1), Priority::Urgent), second);
        assert_eq!(budget.verdict(millis(1), Priority::Patient), second);
        assert_eq!(budget.verdict(millis(1_000), Priority::Patient), Verdict::Go);
    }

    #[test]
    fn calls_under_way_take_room_until_they_are_answered() {
        let mut budget = Budget::default();
        let epochs: Vec<_> = (0..PER_SECOND).map(|_| budget.sent()).collect();
        assert_eq!(budget.verdict(millis(5_000), Priority::Urgent), Verdict::Listen);
        budget.answered(millis(5_000), epochs[0]);
        let verdict = budget.verdict(millis(5_000), Priority::Urgent);
        assert_eq!(verdict, Verdict::WaitUntil(millis(6_000)));
        assert_eq!(budget.verdict(millis(6_000), Priority::Urgent), Verdict::Go);
    }

    #[test]
    fn a_pause_ends_with_one_call_that_finds_out() {
        let mut budget = Budget::default();
        let urgent = Priority::Urgent;
        let before: Vec<_> = (0..9).map(|_| budget.sent()).collect();
        let until = budget.refused(millis(10), before[0], Some(millis(2_000)));
        assert_eq!(until, millis(2_010));
        for epoch in &before[1..5] {
            budget.refused(millis(20), *epoch, Some(millis(1_000)));
        }
        budget.answered(millis(30), before[5]);
        assert_eq!(budget.verdict(millis(2_009), urgent), Verdict::WaitUntil(until));
        let probe = budget.sent();
        assert_eq!(budget.verdict(until, urgent), Verdict::Listen);
        budget.answered(until, before[6]);
        assert_eq!(budget.verdict(until, urgent), Verdict::Listen, "that one is from before");
        budget.landed(until, probe);
        let probe = budget.sent();
        budget.answered(until, probe);
        budget.landed(until, before[7]);
        budget.landed(until, before[8]);
        assert_eq!(send_all(&mut budget, millis(4_000), urgent), PER_SECOND);
    }

    #[test]
    fn pauses_that_nobody_timed_grow() {
        let mut budget = Budget::default();
        let mut now = millis(0);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let epoch = budget.sent();
            let until = budget.refused(now, epoch, None);
            waits.push(until.saturating_sub(now).as_secs());
            now = until;
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 900, 900]);
        let epoch = budget.sent();
        budget.answered(now, epoch);
        let epoch = budget.sent();
        assert_eq!(budget.refused(now, epoch, None), now + UNTOLD_PAUSE);
    }
}
