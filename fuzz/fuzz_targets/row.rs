//! Rows of the store; the first byte is their table.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bowerbird::store::fuzz::row(bytes));
