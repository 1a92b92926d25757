//! A folder shared by processes, some of which are killed: nothing is lost, nothing is half.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use bowerbird::bucket::{Body, Bucket, BucketError, FolderBucket, ObjectKey, Precondition};

/// The folder that a writer is to use; without it there is no writer.
const FOLDER: &str = "BOWERBIRD_TEST_SHARED_FOLDER";

/// How often a writer counts on.
const STEPS: u64 = 25;

/// How many bytes say the number, so that a half written object would be noticed.
const LEN: usize = 300_000;

/// A step that succeeds takes milliseconds; a writer that needs this long waits for a lock nobody gives back.
const GIVE_UP_AFTER: Duration = Duration::from_mins(1);

#[tokio::test]
async fn processes_count_together_and_none_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let bucket = FolderBucket::open(root.path()).await.unwrap();
    let writers: Vec<_> = (0..3).map(|_| writer(root.path())).collect();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    assert_eq!(number(&bucket).await, 3 * STEPS);
}

#[tokio::test]
async fn a_killed_process_leaves_a_whole_object_and_no_lock() {
    let root = tempfile::tempdir().unwrap();
    let bucket = FolderBucket::open(root.path()).await.unwrap();
    for _ in 0..5 {
        let before = number(&bucket).await;
        let mut killed = writer(root.path());
        let patience = tokio::time::timeout(GIVE_UP_AFTER, async {
            while number(&bucket).await == before {
                tokio::task::yield_now().await;
            }
        });
        patience.await.expect("the writer writes");
        killed.kill().unwrap();
        killed.wait().unwrap();
        let after = number(&bucket).await;
        assert!(after > before && after <= before + STEPS);
    }
    let last = number(&bucket).await;
    assert!(writer(root.path()).wait().unwrap().success());
    assert_eq!(number(&bucket).await, last + STEPS);
}

/// Counts on, as a process of its own that the tests above start.
#[tokio::test]
async fn a_writer() {
    let Some(root) = std::env::var_os(FOLDER) else { return };
    let bucket = FolderBucket::open(Path::new(&root)).await.unwrap();
    let mut steps = 0;
    while steps < STEPS {
        let there = bucket.stat(&key()).await.unwrap();
        let when =
            there.map_or(Precondition::Absent, |info| Precondition::Generation(info.generation));
        let next = number(&bucket).await + 1;
        let body = Body::from(next.to_be_bytes().repeat(LEN / 8));
        match bucket.put(&key(), body, when).await {
            Ok(_) => steps += 1,
            Err(BucketError::PreconditionFailed { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn writer(root: &Path) -> Child {
    let name = "bucket_contract::processes::a_writer";
    Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(FOLDER, root)
        .spawn()
        .unwrap()
}

/// The number that is there, of which every copy must say the same.
async fn number(bucket: &FolderBucket) -> u64 {
    let object = match bucket.get(&key(), None).await {
        Ok(object) => object,
        Err(BucketError::NotFound { .. }) => return 0,
        Err(error) => panic!("{error}"),
    };
    let bytes = object.bytes(LEN).await.unwrap();
    assert_eq!(bytes.len(), LEN / 8 * 8);
    let mut copies = bytes.chunks_exact(8);
    let first = copies.next().unwrap();
    assert!(copies.all(|copy| copy == first), "two numbers in one object");
    u64::from_be_bytes(first.try_into().unwrap())
}

fn key() -> ObjectKey {
    ObjectKey::new("media/number").unwrap()
}
