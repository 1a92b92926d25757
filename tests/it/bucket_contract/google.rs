//! What only Google can do to us: refusals, lies, uploads that break in the middle.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bowerbird::bucket::{
    Bucket, BucketError, Crc32c, GcsBucket, GcsOptions, ObjectKey, Precondition, RetryBucket,
};
use gcs_sim::{Fault, Op, Permission, Public, Sim};

use super::suite::{LARGE, noise, spool};
use super::{google, impatient, install_tls, simulated};

#[tokio::test]
async fn a_bucket_that_is_missing_is_named_with_the_remedy() {
    install_tls();
    let sim = Sim::start().await.unwrap();
    let options = GcsOptions::new("nowhere", None, Some(sim.endpoint()));
    let bucket = GcsBucket::open(options).await.unwrap();
    let key = key("media/a.txt");
    let put = bucket.put(&key, b"x".to_vec().into(), Precondition::Absent).await.unwrap_err();
    let listed = bucket.list("", None, NonZeroUsize::MIN).await.unwrap_err();
    let read = bucket.get(&key, None).await.unwrap_err();
    let stat = bucket.stat(&key).await.unwrap_err();
    for error in [put, listed, read, stat] {
        assert_eq!(
            error.to_string(),
            "the bucket nowhere does not exist: create it, or correct BUCKET_NAME"
        );
    }
}

#[tokio::test]
async fn what_may_not_be_done_is_said_once_with_the_remedy() {
    let sim = simulated().await;
    let bucket = RetryBucket::new(Arc::new(google(&sim).await), impatient());
    let key = key("media/a.txt");
    sim.deny("archive", Permission::Create);
    let put = bucket.put(&key, b"x".to_vec().into(), Precondition::Always).await.unwrap_err();
    assert_eq!(
        put.to_string(),
        "the bucket archive does not let us put an object: grant this account the role \
         Storage Object User (roles/storage.objectUser) on archive"
    );
    assert_eq!(sim.counts(Op::Upload).requests, 1, "what is forbidden is not tried again");

    // Replacing needs more than creating does.
    sim.allow_all("archive");
    bucket.put(&key, b"x".to_vec().into(), Precondition::Always).await.unwrap();
    sim.deny("archive", Permission::Delete);
    for refused in [
        bucket.put(&key, b"y".to_vec().into(), Precondition::Always).await.map(drop),
        bucket.delete(&key, Precondition::Always).await,
    ] {
        assert!(matches!(refused, Err(BucketError::Denied { .. })), "{refused:?}");
    }
    sim.deny("archive", Permission::List);
    let listed = bucket.list("", None, NonZeroUsize::MIN).await;
    assert!(matches!(listed, Err(BucketError::Denied { .. })), "{listed:?}");
}

#[tokio::test]
async fn a_checksum_that_does_not_match_is_noticed_both_ways() {
    let sim = simulated().await;
    let bucket = google(&sim).await;
    let key = key("media/a.txt");
    sim.inject(Op::Upload, Fault::WrongChecksum, 0, 1);
    let put = bucket.put(&key, b"bytes".to_vec().into(), Precondition::Always).await;
    assert!(matches!(put, Err(BucketError::Corrupt { .. })), "{put:?}");

    bucket.put(&key, b"bytes".to_vec().into(), Precondition::Always).await.unwrap();
    assert!(sim.damage("archive", key.as_str()).await);
    let read = bucket.get(&key, None).await.unwrap().bytes(100).await;
    let expected = Crc32c::of(b"bytes");
    assert!(
        matches!(&read, Err(BucketError::Corrupt { expected: e, .. }) if *e == expected),
        "{read:?}"
    );
    let patient = RetryBucket::new(Arc::new(bucket), impatient());
    let read = patient.get(&key, None).await.unwrap().bytes(100).await;
    assert!(matches!(read, Err(BucketError::Corrupt { .. })), "{read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_where_it_broke() {
    let sim = simulated().await;
    let bucket = google(&sim).await;
    let folder = tempfile::tempdir().unwrap();
    let bytes = noise(LARGE);
    let half = LARGE as u64 / 2;
    sim.inject(Op::Chunk, Fault::CutRequest(half), 0, 1);
    sim.inject(Op::QueryUpload, Fault::Status(503, None), 0, 1);

    let key = key("media/large.mp4");
    let put = bucket.put(&key, spool(folder.path(), &bytes), Precondition::Absent).await.unwrap();
    assert_eq!(sim.pending_faults(), 0);
    assert_eq!(put.crc32c, Some(Crc32c::of(&bytes)));
    assert_eq!(sim.read("archive", key.as_str()).await.unwrap(), bytes);
    // A step of 256 KiB may be sent twice, and what was on its way when the connection broke.
    let sent = sim.counts(Op::Chunk).bytes_in;
    assert!(sent < LARGE as u64 + half / 2, "{sent} bytes sent for {LARGE}");
    assert_eq!(sim.counts(Op::StartUpload).requests, 1);
}

#[tokio::test]
async fn an_answer_lost_after_the_last_byte_is_not_a_second_upload() {
    let sim = simulated().await;
    let bucket = google(&sim).await;
    let folder = tempfile::tempdir().unwrap();
    let bytes = noise(LARGE);
    sim.inject(Op::Chunk, Fault::LostAnswer, 0, 1);

    let key = key("media/large.mp4");
    let put = bucket.put(&key, spool(folder.path(), &bytes), Precondition::Absent).await.unwrap();
    assert_eq!(sim.pending_faults(), 0);
    assert_eq!(sim.objects("archive")[0].generation, put.generation.0);
    assert_eq!(sim.counts(Op::Chunk).bytes_in, LARGE as u64);
}

#[tokio::test]
async fn browsers_are_told_what_the_name_implies() {
    let sim = simulated().await;
    let bucket = google(&sim).await;
    for name in ["index.html", "media/evil.svg"] {
        bucket.put(&key(name), b"<svg>".to_vec().into(), Precondition::Always).await.unwrap();
    }
    let address = format!("{}/archive", sim.endpoint());
    let page = reqwest::get(format!("{address}/index.html")).await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers()["cache-control"], "no-cache");
    assert!(!page.headers().contains_key("content-disposition"));

    let evil = reqwest::get(format!("{address}/media/evil.svg")).await.unwrap();
    assert_eq!(evil.headers()["content-type"], "application/octet-stream");
    assert_eq!(evil.headers()["content-disposition"], "attachment");

    assert_eq!(reqwest::get(&address).await.unwrap().status(), 403, "no listing for strangers");
    sim.set_public("archive", Public::ObjectsAndListing);
    let listing = reqwest::get(&address).await.unwrap().text().await.unwrap();
    assert!(listing.contains("<Key>media/evil.svg</Key>"), "{listing}");
    sim.set_public("archive", Public::Nothing);
    assert_eq!(reqwest::get(format!("{address}/index.html")).await.unwrap().status(), 403);
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(name).unwrap()
}
