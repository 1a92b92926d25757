//! One suite over every bucket: what holds for memory holds for a folder and for Google.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what went wrong")]

mod suite;

use std::sync::Arc;

use std::num::NonZeroU32;
use std::time::Duration;

use bowerbird::bucket::{
    Bucket, Faults, FlakyBucket, FolderBucket, MemoryBucket, RetryBucket, RetryPolicy,
};
use rand::Rng;

use self::suite::Fixture;

/// Runs every test of the suite over the bucket that `$make` gives.
macro_rules! contract {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            contract!(@tests $make,
                bytes_come_back_as_they_went,
                a_large_file_is_streamed,
                parts_are_read,
                preconditions_decide,
                replacing_makes_another_generation,
                lists_are_ordered_and_paged,
                deleting_twice_is_fine,
                a_damaged_file_is_refused,
                headers_follow_from_the_name,
                one_of_many_writers_wins,
                what_is_missing_is_said_to_be,
                an_open_object_stays_what_it_was,
                one_holder_has_the_lease,
            );
        }
    };
    (@tests $make:expr, $($test:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let fixture: Option<Fixture> = $make.await;
                if let Some(fixture) = fixture {
                    suite::$test(&fixture).await;
                    fixture.clean_up().await;
                }
            }
        )*
    };
}

contract!(memory, async { Some(Fixture::new(Arc::new(MemoryBucket::new()))) });

contract!(folder, async {
    let root = tempfile::tempdir().unwrap();
    let bucket = FolderBucket::open(root.path().join("archive")).await.unwrap();
    Some(Fixture::new(Arc::new(bucket)).taking_files().keeping(root))
});

contract!(flaky, async {
    let bucket = patient(Arc::new(MemoryBucket::new()));
    Some(Fixture::new(bucket))
});

contract!(flaky_folder, async {
    let root = tempfile::tempdir().unwrap();
    let bucket = FolderBucket::open(root.path().join("archive")).await.unwrap();
    Some(Fixture::new(patient(Arc::new(bucket))).taking_files().keeping(root))
});

/// A bucket on a bad day, and the patience to use it.
fn patient(inner: Arc<dyn Bucket>) -> Arc<dyn Bucket> {
    let seed = rand::rng().random();
    println!("faults are drawn from seed {seed}");
    let flaky = FlakyBucket::new(inner, Faults::weather(), seed);
    Arc::new(RetryBucket::seeded(Arc::new(flaky), impatient(), seed))
}

/// So many attempts that chance never uses them up, and pauses that a test can afford.
fn impatient() -> RetryPolicy {
    RetryPolicy {
        attempts: NonZeroU32::new(20).unwrap(),
        first_pause: Duration::from_millis(2),
        longest_pause: Duration::from_millis(20),
        answer_within: Duration::from_secs(2),
        slowest: NonZeroU32::new(8 * 1024 * 1024).unwrap(),
    }
}
