//! Events of the gateway; the first byte is their kind.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bowerbird::discord::fuzz::event(bytes));
