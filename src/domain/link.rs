//! Discord's signed links: `…/file.mp4?ex=<hex>&is=<hex>&hm=<64 hex>&`.
//!
//! A link is a key to a file, so it never prints itself whole.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// Discord's links live a day. Four hours are enough to sit out an outage, and cost a sixth more requests than waiting
/// for the last moment.
const AHEAD: Duration = Duration::from_hours(4);

/// A link that dies sooner than this is not published any more: a publication takes a moment, and so does a reader.
pub const DYING: Duration = Duration::from_secs(2);

/// The address of a file, signed or not.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Link(String);

impl Link {
    /// Takes an address as Discord gave it.
    pub fn new(address: impl Into<String>) -> Self {
        Self(address.into())
    }

    /// The whole address, signature included. Only for fetching and for the page's data, never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The address without its query, which is what stays the same when it is signed anew.
    pub fn unsigned(&self) -> &str {
        self.0.split(['?', '#']).next().unwrap_or_default()
    }

    /// When it stops working: the query's `ex`, in hexadecimal seconds. None for links that live for ever.
    /// Source: Discord's reference, "Signed Attachment CDN URLs".
    pub fn expires_at(&self) -> Option<Timestamp> {
        let query = self.0.split_once('?')?.1;
        let ex = query.split('&').find_map(|pair| pair.strip_prefix("ex="))?;
        i64::from_str_radix(ex, 16).ok().map(Timestamp::from_secs)
    }

    /// When it should be made new: ahead of its end by half the life it has left, though never by more than
    /// four hours, since each renewal costs a request.
    pub fn renew_at(&self, now: Timestamp) -> Option<Timestamp> {
        let expiry = self.expires_at()?;
        Some(expiry.before(AHEAD.min(expiry.since(now) / 2)))
    }

    /// Whether a link that is due later may go along with others that are due now: it has at most half as much life
    /// again as it will have then, so that it costs little of it.
    pub fn may_be_renewed_early(&self, due: Timestamp, now: Timestamp) -> bool {
        self.expires_at().is_none_or(|expiry| due.since(now) <= expiry.since(due) / 2)
    }

    /// Whether a link is dead, or may be before its file has been read.
    pub fn is_stale(&self, now: Timestamp, margin: Duration) -> bool {
        self.expires_at().is_some_and(|expiry| expiry <= now.after(margin))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.unsigned())
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.unsigned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(address: &str, expiry: Option<i64>) {
        assert_eq!(Link::new(address).expires_at(), expiry.map(Timestamp::from_secs), "{address}");
    }

    #[test]
    fn expiry_is_read_wherever_it_stands() {
        check(
            "https://cdn.discordapp.com/attachments/1/2/a.mp4?ex=65d903de&is=65c68ede&hm=00&",
            Some(0x65d9_03de),
        );
        check("https://cdn.discordapp.com/attachments/1/2/a.mp4?is=1&ex=ff", Some(255));
        check("https://cdn.discordapp.com/attachments/1/2/a.mp4?width=3&&ex=ff&", Some(255));
        check("https://cdn.discordapp.com/avatars/1/2.png", None);
        check("https://cdn.discordapp.com/a?ex=", None);
        check("https://cdn.discordapp.com/a?ex=never", None);
        check("https://cdn.discordapp.com/a?hex=ff", None);
    }

    #[test]
    fn a_link_is_stale_before_it_is_dead() {
        let link = Link::new("https://cdn/a?ex=64");
        let margin = Duration::from_secs(10);
        assert!(!link.is_stale(Timestamp::from_secs(89), margin));
        assert!(link.is_stale(Timestamp::from_secs(90), margin));
        assert!(!Link::new("https://cdn/a").is_stale(Timestamp::from_secs(90), margin));
    }

    #[test]
    fn a_link_is_renewed_ahead_of_its_end() {
        let link = Link::new(format!("https://cdn/a?ex={:x}", 100_000));
        let renew_at = |now| link.renew_at(Timestamp::from_secs(now)).map(Timestamp::as_secs);
        assert_eq!(renew_at(100_000 - 86_400), Some(100_000 - 4 * 3_600));
        assert_eq!(renew_at(100_000 - 20), Some(100_000 - 10));
        assert_eq!(renew_at(100_001), Some(100_000));
    }

    #[test]
    fn a_link_goes_along_when_it_costs_little_life() {
        let day = Link::new(format!("https://cdn/a?ex={:x}", 86_400));
        let (hours, due) = (|hours: i64| Timestamp::from_secs(hours * 3_600), 20);
        for (now, goes_along) in [(17, false), (18, true), (20, true), (21, true), (25, true)] {
            assert_eq!(day.may_be_renewed_early(hours(due), hours(now)), goes_along, "{now} h");
        }
        assert!(!day.may_be_renewed_early(hours(25), hours(24)), "put off though dead");
    }

    #[test]
    fn a_signature_is_never_printed() {
        let link = Link::new("https://cdn/a.mp4?ex=64&is=1&hm=secret&");
        assert_eq!(format!("{link} {link:?}"), "https://cdn/a.mp4 Link(https://cdn/a.mp4)");
    }

    proptest! {
        #[test]
        fn no_address_breaks_the_reader(address in ".*") {
            let link = Link::new(address.clone());
            prop_assert!(address.starts_with(link.unsigned()));
            let _ = link.expires_at();
        }

        #[test]
        fn no_time_of_expiry_breaks_the_clock(
            ex in "[0-9a-fA-FxX+-]{0,20}",
            rest in "[&?#=%a-z0-9]{0,10}",
            now: i64,
            due: i64,
            margin: u64,
        ) {
            let link = Link::new(format!("https://cdn.discordapp.com/a?{rest}&ex={ex}&{rest}"));
            let (now, due) = (Timestamp::from_millis(now), Timestamp::from_millis(due));
            let renewed = link.renew_at(now);
            prop_assert!(renewed.is_none_or(|at| Some(at) <= link.expires_at()));
            let _ = link.may_be_renewed_early(due, now);
            let _ = link.is_stale(now, Duration::from_millis(margin));
            prop_assert!(!link.to_string().contains(['?', '#']), "nothing of a signature is printed");
        }
    }
}
