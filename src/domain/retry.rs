//! When to try again, and when to stop trying.

use std::time::Duration;

/// A file that failed this often is put aside: with the delays below that is after about two hours.
pub const MAX_ATTEMPTS: u16 = 8;

/// A job that was begun this often without an end is put aside: it may be what kills the process. Mostly it is not,
/// and who is killed again and again for other reasons should not lose files over it.
pub const MAX_BEGINNINGS: u16 = 25;

/// The first pause: long enough for a hiccup to pass.
const FIRST_DELAY: Duration = Duration::from_secs(5);

/// The longest pause: an outage of hours then costs a few tries.
const LONGEST_DELAY: Duration = Duration::from_hours(1);

/// How long to wait before a job is tried again that was begun this often; none when it is to be put aside.
pub fn delay_before_next(attempts: u16) -> Option<Duration> {
    (attempts < MAX_ATTEMPTS).then(|| {
        let doubled =
            1_u32.checked_shl(u32::from(attempts.saturating_sub(1)) * 2).unwrap_or(u32::MAX);
        FIRST_DELAY.saturating_mul(doubled).min(LONGEST_DELAY)
    })
}

/// The part of a pause to take, given a number drawn between 0 and 1: never less than half of it, so that a crowd
/// that failed together does not come back together.
pub fn jittered(delay: Duration, drawn: f64) -> Duration {
    delay.mul_f64(0.5 + drawn.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let delays: Vec<_> =
            (1..).map_while(delay_before_next).map(|delay| delay.as_secs()).collect();
        assert_eq!(delays, [5, 20, 80, 320, 1280, 3600, 3600]);
        assert_eq!(delay_before_next(u16::MAX), None);
    }

    #[test]
    fn jitter_stays_between_half_and_whole() {
        let delay = Duration::from_secs(10);
        assert_eq!(jittered(delay, 0.0), Duration::from_secs(5));
        assert_eq!(jittered(delay, 1.0), delay);
        assert_eq!(jittered(delay, 7.0), delay);
    }
}
