//! How long a process that is started again and again holds back. A crash loop that identifies each time would use up
//! the day's session starts, and Discord then resets the token.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// Starts are counted this far back.
const PERIOD: Duration = Duration::from_hours(1);

/// So many starts in the period are an operator at work, and wait for nothing.
const FREE: u32 = 3;

/// Sessions are begun no faster than one in this time, and a little. Source: Discord's documentation, events/gateway,
/// "Rate limiting".
const WINDOW: Duration = Duration::from_millis(5_250);

/// The first pause; it doubles with each further start in the period.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause: a loop then uses a tenth of the day's starts.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// How long to wait before connecting, given when the process was started before, in any order.
pub fn startup_delay(starts: &[Timestamp], now: Timestamp) -> Duration {
    // A start in the future was noted by a clock that has been set since, and counts as well.
    let recent = starts.iter().filter(|&&start| now.since(start) < PERIOD).count();
    let recent = u32::try_from(recent).unwrap_or(u32::MAX);
    let Some(over) = recent.checked_sub(FREE) else { return Duration::ZERO };
    let doubled = 1_u32.checked_shl(over).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

/// How long a process waits before it connects at all, when the one before it began a session a moment ago. Even a
/// session that is resumed may turn out to be over, and then a new one is begun at once.
pub fn spacing(starts: &[Timestamp], now: Timestamp) -> Duration {
    let last = starts.iter().copied().max().filter(|last| *last <= now);
    last.map_or(Duration::ZERO, |last| WINDOW.saturating_sub(now.since(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(minutes_ago: &[i64], seconds: u64) {
        let now = Timestamp::from_secs(1_000_000);
        let starts: Vec<_> =
            minutes_ago.iter().map(|ago| Timestamp::from_secs(1_000_000 - ago * 60)).collect();
        assert_eq!(startup_delay(&starts, now), Duration::from_secs(seconds), "{minutes_ago:?}");
    }

    #[test]
    fn restarting_again_and_again_takes_longer_and_longer() {
        check(&[], 0);
        check(&[1, 2], 0);
        check(&[1, 2, 3], 10);
        check(&[3, 2, 1, 4], 20);
        check(&[1, 2, 3, 4, 5, 6], 80);
        check(&[1; 100], 900);
    }

    #[test]
    fn a_session_that_was_just_begun_keeps_the_next_one_waiting() {
        let now = Timestamp::from_secs(1_000_000);
        let ago = |millis| {
            [now.before(Duration::from_hours(1)), now.before(Duration::from_millis(millis))]
        };
        assert_eq!(spacing(&ago(0), now), Duration::from_millis(5_250));
        assert_eq!(spacing(&ago(5_000), now), Duration::from_millis(250));
        assert_eq!(spacing(&ago(6_000), now), Duration::ZERO);
        assert_eq!(spacing(&[], now), Duration::ZERO);
        assert_eq!(spacing(&[now.after(Duration::from_hours(1))], now), Duration::ZERO);
    }

    #[test]
    fn old_starts_are_forgotten_and_odd_clocks_are_not_trusted() {
        check(&[60, 61, 1_000, 9_000], 0);
        check(&[59, 58, 57], 10);
        check(&[-5, -6, -7], 10);
    }
}
