//! A moment, in milliseconds since 1970, as precise as Discord's own ids.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// After every moment that is ever written down.
    pub const LAST: Self = Self(i64::MAX);

    /// The moment this many milliseconds after 1970 began.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment this many seconds after 1970 began.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// Milliseconds since 1970 began.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970 began.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Reads RFC 3339, with any offset.
    pub fn parse(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(Self::from)
    }

    /// Reads the date of an HTTP answer, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn parse_http(text: &str) -> Option<Self> {
        let rfc2822 = text.replace("GMT", "+0000");
        OffsetDateTime::parse(&rfc2822, &time::format_description::well_known::Rfc2822)
            .ok()
            .map(Self::from)
    }

    /// How long after `earlier` this is; nothing when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This moment and then some.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(millis(delay)))
    }

    /// This moment less some.
    #[must_use]
    pub fn before(self, delay: Duration) -> Self {
        Self(self.0.saturating_sub(millis(delay)))
    }

    /// The calendar month in UTC.
    pub fn month(self) -> Month {
        let date = self.date();
        Month { year: date.year(), month: u8::from(date.month()) }
    }

    fn date(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl From<OffsetDateTime> for Timestamp {
    fn from(date: OffsetDateTime) -> Self {
        let millis = date.unix_timestamp_nanos().div_euclid(1_000_000);
        Self(i64::try_from(millis).expect("every date of the calendar fits"))
    }
}

impl From<Timestamp> for OffsetDateTime {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.date()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.date().format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Self::parse(&text).ok_or_else(|| de::Error::custom("not an RFC 3339 time"))
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

/// A calendar month in UTC: the unit in which the page's data is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i32,
    month: u8,
}

impl Month {
    /// Its first moment.
    pub fn start(self) -> Timestamp {
        let month = time::Month::try_from(self.month).expect("made from a calendar date");
        let date = time::Date::from_calendar_date(self.year, month, 1)
            .expect("each month has a first day");
        date.midnight().assume_utc().into()
    }

    /// The first moment of the next one.
    pub fn end(self) -> Timestamp {
        let (year, month) =
            if self.month == 12 { (self.year + 1, 1) } else { (self.year, self.month + 1) };
        Self { year, month }.start()
    }
}

/// Months count from the year 0, so that they sort as numbers do.
impl Month {
    /// Its number.
    pub fn number(self) -> u32 {
        u32::try_from(self.year * 12).expect("no message is older than the calendar")
            + u32::from(self.month)
            - 1
    }

    /// The month with a number.
    pub fn from_number(number: u32) -> Option<Self> {
        let year = i32::try_from(number / 12).ok()?;
        let month = u8::try_from(number % 12 + 1).ok()?;
        Some(Self { year, month })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_text() {
        let time = Timestamp::parse("2026-03-04T05:06:07.089+00:00").unwrap();
        assert_eq!(time.to_string(), "2026-03-04T05:06:07.089Z");
        assert_eq!(Timestamp::parse("2026-03-04T06:06:07.089+01:00"), Some(time));
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn http_dates_are_read() {
        let time = Timestamp::parse_http("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(time.to_string(), "1994-11-06T08:49:37Z");
    }

    #[test]
    fn a_month_holds_its_moments_and_no_others() {
        let month = Timestamp::parse("2025-12-31T23:59:59.999Z").unwrap().month();
        assert_eq!(month.to_string(), "2025-12");
        assert_eq!(month.start().to_string(), "2025-12-01T00:00:00Z");
        assert_eq!(month.end().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(month.end().month().to_string(), "2026-01");
        assert_eq!(Month::from_number(month.number()), Some(month));
        assert_eq!(month.end().month().number(), month.number() + 1);
    }
}
