//! Pages of messages, as REST answers them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| bowerbird::discord::fuzz::page(bytes));
