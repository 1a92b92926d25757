//! One suite over every bucket: what holds for memory holds for a folder and for Google.

mod suite;

use std::sync::Arc;

use bowerbird::bucket::{FolderBucket, MemoryBucket};

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
    Some(Fixture::new(Arc::new(bucket)).keeping(root))
});
