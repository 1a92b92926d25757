//! How often anything may be called at all: Discord's global limit, and pauses that it imposes on everything.
//!
//! Pure: times are measured from any fixed moment.

use std::{collections::VecDeque, time::Duration};

use super::{Priority, gate::Verdict};

/// Discord allows a bot 50 calls a second (topics/rate-limits). The rest is for calls that the network bunches
/// together on their way.
const PER_SECOND: usize = 45;

/// What can wait leaves this many calls a second to what can't.
const KEPT_FOR_URGENT: usize = 10;

/// The global limit's window.
const WINDOW: Duration = Duration::from_secs(1);

/// The pause after a refusal that names none, which is what Cloudflare sends; it doubles with each further one.
const UNTOLD_PAUSE: Duration = Duration::from_secs(30);

/// The longest pause that is not asked for: Cloudflare's blocks last from minutes to an hour.
const LONGEST_UNTOLD_PAUSE: Duration = Duration::from_mins(15);

/// The calls of all routes together.
#[derive(Debug, Default)]
pub(super) struct Budget {
    sent: VecDeque<Duration>,
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
        let recent = self.sent.iter().rev().take_while(|&&at| at + WINDOW > now).count();
        match recent.checked_sub(allowed) {
            None => Verdict::Go,
            Some(over) => {
                let oldest = self.sent[self.sent.len() - recent + over];
                Verdict::WaitUntil(oldest + WINDOW)
            }
        }
    }

    /// A call is being sent.
    pub(super) fn sent(&mut self, now: Duration) -> Epoch {
        if self.sent.len() == PER_SECOND {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
        if let Mode::Probing { under_way } = &mut self.mode {
            *under_way = true;
        }
        self.epoch
    }

    /// A call was answered, and not with a refusal of everything.
    pub(super) fn answered(&mut self, epoch: Epoch) {
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
    pub(super) fn landed(&mut self, epoch: Epoch) {
        if let Mode::Probing { under_way } = &mut self.mode
            && epoch == self.epoch
        {
            *under_way = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn send_all(budget: &mut Budget, now: Duration, priority: Priority) -> usize {
        let mut sent = 0;
        while budget.verdict(now, priority) == Verdict::Go && sent < 1_000 {
            budget.sent(now);
            sent += 1;
        }
        sent
    }

    #[test]
    fn no_second_sees_more_calls_than_allowed() {
        let mut budget = Budget::default();
        let mut sent = Vec::new();
        for now in (0..5_000).map(millis) {
            // In bursts, the worst case for a window that moves.
            if now.as_millis() % 70 < 5 && budget.verdict(now, Priority::Urgent) == Verdict::Go {
                sent.extend(std::iter::repeat_n(now, send_all(&mut budget, now, Priority::Urgent)));
            }
        }
        for start in &sent {
            let within = sent.iter().filter(|&at| at >= start && *at < *start + WINDOW).count();
            assert!(within <= PER_SECOND);
        }
        assert!(sent.len() >= 5 * PER_SECOND - PER_SECOND, "{}", sent.len());
    }

    #[test]
    fn what_can_wait_leaves_room() {
        let mut budget = Budget::default();
        assert_eq!(send_all(&mut budget, millis(0), Priority::Patient), 35);
        assert_eq!(budget.verdict(millis(0), Priority::Patient), Verdict::WaitUntil(millis(1_000)));
        assert_eq!(send_all(&mut budget, millis(1), Priority::Urgent), 10);
        assert_eq!(budget.verdict(millis(1), Priority::Urgent), Verdict::WaitUntil(millis(1_000)));
        assert_eq!(
            budget.verdict(millis(1), Priority::Patient),
            Verdict::WaitUntil(millis(1_000)),
            "eleven of the first must have left, and they leave together"
        );
    }

    #[test]
    fn a_pause_ends_with_one_call_that_finds_out() {
        let mut budget = Budget::default();
        let urgent = Priority::Urgent;
        let before: Vec<_> = (0..9).map(|_| budget.sent(millis(0))).collect();
        let until = budget.refused(millis(10), before[0], Some(millis(2_000)));
        assert_eq!(until, millis(2_010));
        for epoch in &before[1..5] {
            budget.refused(millis(20), *epoch, Some(millis(1_000)));
        }
        budget.answered(before[5]);
        assert_eq!(budget.verdict(millis(2_009), urgent), Verdict::WaitUntil(until));
        let probe = budget.sent(until);
        assert_eq!(budget.verdict(until, urgent), Verdict::Listen);
        budget.answered(before[6]);
        assert_eq!(budget.verdict(until, urgent), Verdict::Listen, "that one is from before");
        budget.landed(probe);
        let probe = budget.sent(until);
        budget.answered(probe);
        assert_eq!(send_all(&mut budget, millis(4_000), urgent), PER_SECOND);
    }

    #[test]
    fn pauses_that_nobody_timed_grow() {
        let mut budget = Budget::default();
        let mut now = millis(0);
        let mut waits = Vec::new();
        for _ in 0..7 {
            let epoch = budget.sent(now);
            let until = budget.refused(now, epoch, None);
            waits.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 900, 900]);
        let epoch = budget.sent(now);
        budget.answered(epoch);
        let epoch = budget.sent(now);
        assert_eq!(budget.refused(now, epoch, None) - now, UNTOLD_PAUSE);
    }
}
