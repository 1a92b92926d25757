//! What a service says of itself over its control socket, and `status` shows.
#![no_main]

use bowerbird::app::overview::{Amount, Overview};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(overview) = serde_json::from_slice::<Overview>(bytes) else { return };
    let shown = overview.words(Amount::All).to_string();
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
});
