//! How often Discord refused us lately. Ten thousand refusals in ten minutes block the address, for a day perhaps.
//!
//! Pure: times are measured from any fixed moment.

use std::{collections::VecDeque, time::Duration};

/// The window in which Discord counts. Source: Discord's documentation, topics/rate-limits.
const WINDOW: Duration = Duration::from_mins(10);

/// We stop at a twentieth of what Discord bears: whoever is refused so often does something wrong.
const MOST: usize = 500;

/// The refusals of the last ten minutes.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    at: VecDeque<Duration>,
}

impl Refusals {
    /// Counts one. Returns how many there are when that is too many.
    pub(super) fn count(&mut self, now: Duration) -> Option<usize> {
        while self.at.front().is_some_and(|&at| now.saturating_sub(at) >= WINDOW) {
            self.at.pop_front();
        }
        self.at.push_back(now);
        (self.at.len() >= MOST).then_some(self.at.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_hundredth_within_ten_minutes_is_too_many() {
        let mut refusals = Refusals::default();
        let judged: Vec<_> =
            (0..500).map(|second| refusals.count(Duration::from_secs(second))).collect();
        assert!(judged[..499].iter().all(Option::is_none));
        assert_eq!(judged[499], Some(500));
    }

    #[test]
    fn old_refusals_are_forgotten() {
        let mut refusals = Refusals::default();
        for second in 0..10_000 {
            assert_eq!(refusals.count(Duration::from_secs(second * 2)), None);
        }
    }
}
