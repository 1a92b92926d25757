//! One suite over every bucket: what holds for memory holds for a folder and for Google.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what went wrong")]

mod google;
mod processes;
mod suite;

use std::sync::Arc;

use std::num::NonZeroU32;
use std::time::Duration;

use bowerbird::bucket::{
    Bucket, Faults, FlakyBucket, FolderBucket, GcsBucket, GcsOptions, MemoryBucket, RetryBucket,
    RetryPolicy,
};
use gcs_sim::{Fault, Op, Sim};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

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
    Some(Fixture::new(bucket).unreliable())
});

contract!(flaky_folder, async {
    let root = tempfile::tempdir().unwrap();
    let bucket = FolderBucket::open(root.path().join("archive")).await.unwrap();
    Some(Fixture::new(patient(Arc::new(bucket))).unreliable().taking_files().keeping(root))
});

contract!(gcs, async {
    let sim = simulated().await;
    Some(Fixture::new(Arc::new(google(&sim).await)).keeping(sim))
});

contract!(flaky_gcs, async {
    let sim = simulated().await;
    let bucket = RetryBucket::new(Arc::new(google(&sim).await), impatient());
    bad_weather(&sim);
    Some(Fixture::new(Arc::new(bucket)).unreliable().keeping(sim))
});

contract!(real_gcs, async {
    // Needs an account, so the default run passes over it.
    let name = std::env::var("BOWERBIRD_TEST_GCS_BUCKET").ok()?;
    install_tls();
    let key_file = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS").map(Into::into);
    let bucket = GcsBucket::open(GcsOptions::new(name, key_file, None)).await.unwrap();
    let bucket = RetryBucket::new(Arc::new(bucket), RetryPolicy::default());
    Some(Fixture::new(Arc::new(bucket)).unreliable())
});

async fn simulated() -> Sim {
    install_tls();
    let sim = Sim::start().await.unwrap();
    sim.create_bucket("archive");
    sim
}

async fn google(sim: &Sim) -> GcsBucket {
    let options = GcsOptions::new("archive", None, Some(sim.endpoint()));
    GcsBucket::open(options).await.unwrap()
}

/// Everything that can go wrong, each kind of request a few times, in an order drawn from a printed seed.
fn bad_weather(sim: &Sim) {
    let seed = rand::rng().random();
    println!("faults are drawn from seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    for op in [
        Op::Upload,
        Op::StartUpload,
        Op::Chunk,
        Op::QueryUpload,
        Op::Download,
        Op::Stat,
        Op::List,
        Op::Delete,
    ] {
        for _ in 0..5 {
            let fault = match dice.random_range(0..9) {
                0 => Fault::Status(429, None),
                1 => Fault::Status(503, Some(0)),
                2 => Fault::Status(408, None),
                3 => Fault::Reset,
                4 => Fault::LostAnswer,
                5 => Fault::Slow(Duration::from_millis(20)),
                6 => Fault::CutRequest(dice.random_range(0..2_000_000)),
                7 => Fault::CutAnswer(dice.random_range(0..2_000_000)),
                _ => Fault::Status(500, None),
            };
            sim.inject(op, fault, dice.random_range(0..3), 1);
        }
    }
}

/// Whoever comes second finds it installed, which is as good.
fn install_tls() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// A bucket on a bad day, and the patience to use it.
fn patient(inner: Arc<dyn Bucket>) -> Arc<dyn Bucket> {
    let seed = rand::rng().random();
    println!("faults are drawn from seed {seed}");
    // Not longer than the callers here are ready to wait.
    let faults = Faults { busy_for: Some(Duration::from_millis(10)), ..Faults::weather() };
    let flaky = FlakyBucket::new(inner, faults, seed);
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
