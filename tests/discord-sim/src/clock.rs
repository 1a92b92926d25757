//! The simulated time: the machine's clock plus an offset that tests may move.
//!
//! Links, snowflakes and `Date` headers follow it; rate limits follow the machine's own clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use time::{OffsetDateTime, macros::format_description};

/// What Discord believes the time to be.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_millis: Arc<AtomicI64>,
}

impl Clock {
    /// Unix milliseconds now.
    pub fn now(&self) -> u64 {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let real = u64::try_from(real.as_millis()).unwrap_or(u64::MAX);
        real.saturating_add_signed(self.offset_millis.load(Ordering::Relaxed))
    }

    /// Moves the clock forwards, as an afternoon would.
    pub fn advance(&self, by: Duration) {
        self.offset_millis.fetch_add(signed_millis(by), Ordering::Relaxed);
    }

    /// Moves the clock backwards.
    pub fn rewind(&self, by: Duration) {
        self.offset_millis.fetch_sub(signed_millis(by), Ordering::Relaxed);
    }
}

/// The form of every time in Discord's JSON.
pub fn iso8601(millis: u64) -> String {
    let format = format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]+00:00"
    );
    at(millis).format(&format).expect("the format names only parts that a date has")
}

/// The form of HTTP's `Date` and `Last-Modified`.
pub(crate) fn http_date(millis: u64) -> String {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    at(millis).format(&format).expect("the format names only parts that a date has")
}

/// Reads a time as a client may write it in a query, in microseconds: cursors are finer than our times.
pub(crate) fn parse_iso8601(text: &str) -> Option<u64> {
    let parsed =
        OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
    u64::try_from(parsed.unix_timestamp_nanos() / 1_000).ok()
}

fn at(millis: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .expect("simulated times lie within the years 1970 to 9999")
}

fn signed_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
