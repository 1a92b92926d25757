//! `lease.json`, which anybody who may write to the bucket may have written.
#![no_main]

use std::sync::Arc;

use bowerbird::bucket::{Bucket, Holder, Lease, MemoryBucket, ObjectKey, Precondition};
use futures_util::FutureExt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let bucket = MemoryBucket::new();
    let key = ObjectKey::new("lease.json").expect("a valid key");
    let put = bucket.put(&key, bytes.to_vec().into(), Precondition::Always);
    put.now_or_never().expect("memory does not wait").expect("memory takes it");
    let now = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
    let holder = Holder { id: "us".into(), host: "us.example".into(), process: 7 };
    let there = Lease::look(&bucket).now_or_never().expect("memory does not wait");
    let ttl = std::time::Duration::from_secs(60);
    let taken = Lease::acquire(Arc::new(bucket), holder, now, ttl).now_or_never();
    let taken = taken.expect("memory does not wait");
    // What can't be read is not taken for "free".
    assert!(there.is_ok() || taken.is_err());
});
