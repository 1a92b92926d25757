//! Signed links: when they end, and what of them is printed.
#![no_main]

use std::time::Duration;

use bowerbird::domain::{link::Link, time::Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|address: &str| {
    let link = Link::new(address);
    assert!(address.starts_with(link.unsigned()));
    assert!(!link.to_string().contains(['?', '#']));
    let now = Timestamp::from_secs(1_700_000_000);
    assert!(link.renew_at(now).is_none_or(|at| Some(at) <= link.expires_at()));
    let _ = link.may_be_renewed_early(now, now);
    let _ = link.is_stale(now, Duration::from_secs(60));
});
