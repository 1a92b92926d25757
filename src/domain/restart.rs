//! Whether an actor that died is started again: Erlang's restart intensity, with a pause that grows.

use std::{collections::VecDeque, time::Duration};

/// So many restarts within [`PERIOD`] are bad luck; one more is a fault that restarting does not mend.
const INTENSITY: usize = 5;

/// The time within which restarts are counted.
const PERIOD: Duration = Duration::from_mins(1);

/// The pause before the first restart; it doubles with each crash in the period.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What is to become of an actor that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is started again after a pause.
    RestartAfter(Duration),
    /// It died too often: the process ends with an error.
    GiveUp,
}

/// When one actor died. Times are measured from any fixed moment.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    crashes: VecDeque<Duration>,
}

impl Budget {
    /// Counts a crash and judges it.
    pub fn crashed(&mut self, at: Duration) -> Verdict {
        while self.crashes.front().is_some_and(|crash| at.saturating_sub(*crash) >= PERIOD) {
            self.crashes.pop_front();
        }
        self.crashes.push_back(at);
        let recent = self.crashes.len();
        if recent > INTENSITY {
            return Verdict::GiveUp;
        }
        let doubled = u32::try_from(recent - 1).map_or(u32::MAX, |times| 1 << times);
        Verdict::RestartAfter(FIRST_PAUSE * doubled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(crashes: &[u64], verdict: Verdict) {
        let mut budget = Budget::default();
        let last = crashes.iter().map(|&second| budget.crashed(Duration::from_secs(second))).last();
        assert_eq!(last, Some(verdict), "{crashes:?}");
    }

    fn millis(millis: u64) -> Verdict {
        Verdict::RestartAfter(Duration::from_millis(millis))
    }

    #[test]
    fn crashes_in_a_row_are_paused_and_then_given_up() {
        check(&[0], millis(100));
        check(&[0, 1], millis(200));
        check(&[0, 1, 2, 3, 4], millis(1600));
        check(&[0, 1, 2, 3, 4, 5], Verdict::GiveUp);
    }

    #[test]
    fn old_crashes_are_forgiven() {
        check(&[0, 60], millis(100));
        check(&[0, 59], millis(200));
        check(&[0, 1, 2, 3, 4, 60], millis(1600));
        check(&[0, 100, 200, 300, 400, 500, 600], millis(100));
    }
}
