//! What every bucket does, written once.

use std::any::Any;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bowerbird::bucket::{
    Body, Bucket, BucketError, ByteRange, Crc32c, Holder, Lease, LeaseError, ObjectInfo, ObjectKey,
    ObjectMeta, Precondition,
};
use futures_util::StreamExt;
use time::macros::datetime;

/// More than Google's client sends in one request (16 MiB), and no multiple of its chunks.
pub(super) const LARGE: usize = 20 * 1024 * 1024 + 4321;

/// A bucket with a corner of its own, for a real one is shared by all tests and by others.
pub(super) struct Fixture {
    bucket: Arc<dyn Bucket>,
    corner: String,
    kept: Vec<Box<dyn Any + Send + Sync>>,
    bytes: Bytes,
    connection: Connection,
}

/// Whether reading may have to begin again in the middle.
#[derive(PartialEq)]
enum Connection {
    Holds,
    Breaks,
}

/// What becomes of the bytes of a spool file.
#[derive(PartialEq)]
enum Bytes {
    /// They pass through the bucket's hands and are looked at.
    Pass,
    /// They stay where they are and get another name.
    Stay,
}

impl Fixture {
    pub(super) fn new(bucket: Arc<dyn Bucket>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let started = time::OffsetDateTime::now_utc().unix_timestamp_nanos();
        Self {
            bucket,
            corner: format!("test-{started:x}-{number}"),
            kept: Vec::new(),
            bytes: Bytes::Pass,
            connection: Connection::Holds,
        }
    }

    /// For a bucket that takes the spool file itself.
    pub(super) fn taking_files(mut self) -> Self {
        self.bytes = Bytes::Stay;
        self
    }

    /// For a bucket behind a network.
    pub(super) fn unreliable(mut self) -> Self {
        self.connection = Connection::Breaks;
        self
    }

    /// Keeps something alive as long as the bucket needs it.
    pub(super) fn keeping(mut self, thing: impl Any + Send + Sync) -> Self {
        self.kept.push(Box::new(thing));
        self
    }

    fn key(&self, folder: &str, name: &str) -> ObjectKey {
        ObjectKey::new(format!("{folder}/{}/{name}", self.corner)).unwrap()
    }

    async fn put(&self, key: &ObjectKey, bytes: &[u8]) -> ObjectInfo {
        self.bucket.put(key, bytes.to_vec().into(), Precondition::Always).await.unwrap()
    }

    async fn read(&self, key: &ObjectKey, range: Option<ByteRange>) -> Vec<u8> {
        let object = self.bucket.get(key, range).await.unwrap();
        object.bytes(LARGE).await.unwrap().to_vec()
    }

    /// Removes what a test left in a bucket that outlives it.
    pub(super) async fn clean_up(self) {
        for folder in ["media", "messages", "userData", "thumb"] {
            let prefix = format!("{folder}/{}/", self.corner);
            let limit = NonZeroUsize::new(1000).unwrap();
            let listing = self.bucket.list(&prefix, None, limit).await.unwrap();
            for info in listing.objects {
                self.bucket.delete(&info.key, Precondition::Always).await.unwrap();
            }
        }
    }
}

pub(super) async fn bytes_come_back_as_they_went(fixture: &Fixture) {
    for (name, bytes) in [("empty.bin", &b""[..]), ("one.bin", b"x"), ("some.bin", b"a\0\r\n\xff")]
    {
        let key = fixture.key("media", name);
        let put = fixture.put(&key, bytes).await;
        assert_eq!(put.key, key);
        assert_eq!(put.size, bytes.len() as u64);
        assert_eq!(put.crc32c, Some(Crc32c::of(bytes)));
        let age = time::OffsetDateTime::now_utc() - put.updated;
        assert!(age.abs() < time::Duration::DAY, "put just now, not {age} ago");

        let object = fixture.bucket.get(&key, None).await.unwrap();
        assert_eq!(object.info.generation, put.generation);
        assert_eq!(object.info.size, put.size);
        assert_eq!(object.range, 0..put.size);
        assert_eq!(object.bytes(10).await.unwrap(), bytes);

        let stat = fixture.bucket.stat(&key).await.unwrap().unwrap();
        assert_eq!(ObjectInfo { crc32c: put.crc32c, ..stat.clone() }, put);
        assert!(stat.crc32c.is_none_or(|crc32c| Some(crc32c) == put.crc32c));
    }
}

pub(super) async fn a_large_file_is_streamed(fixture: &Fixture) {
    let folder = tempfile::tempdir().unwrap();
    let bytes = noise(LARGE);
    let key = fixture.key("media", "large.mp4");
    let body = spool(folder.path(), &bytes);
    let put = fixture.bucket.put(&key, body, Precondition::Absent).await.unwrap();
    folder.close().unwrap();

    assert_eq!(put.size, LARGE as u64);
    assert_eq!(put.crc32c, Some(Crc32c::of(&bytes)));
    let mut object = fixture.bucket.get(&key, None).await.unwrap();
    let mut read = Vec::new();
    let mut pieces = 0;
    while let Some(chunk) = object.body.next().await {
        read.extend_from_slice(&chunk.unwrap());
        pieces += 1;
    }
    assert!(read == bytes, "{} bytes of {LARGE} came back, or others", read.len());
    assert!(pieces > 10, "a large object comes in pieces, not in {pieces}");

    let range = ByteRange { start: 9_000_000, end: Some(9_000_100) };
    assert_eq!(fixture.read(&key, Some(range)).await, bytes[9_000_000..9_000_100]);
}

pub(super) async fn parts_are_read(fixture: &Fixture) {
    let key = fixture.key("media", "parts.txt");
    fixture.put(&key, b"0123456789").await;
    for (range, expected) in [
        (ByteRange::from(0), &b"0123456789"[..]),
        (ByteRange::from(7), b"789"),
        (ByteRange { start: 0, end: Some(1) }, b"0"),
        (ByteRange { start: 2, end: Some(5) }, b"234"),
        (ByteRange { start: 9, end: Some(100) }, b"9"),
    ] {
        let object = fixture.bucket.get(&key, Some(range)).await.unwrap();
        assert_eq!(object.info.size, 10, "the size is that of the whole");
        assert_eq!(Some(object.range.clone()), range.within(10));
        assert_eq!(object.bytes(10).await.unwrap(), expected);
    }
    let beyond = fixture.bucket.get(&key, Some(ByteRange::from(10))).await;
    assert!(matches!(beyond, Err(BucketError::NoSuchRange { size: 10, .. })), "{beyond:?}");
}

pub(super) async fn preconditions_decide(fixture: &Fixture) {
    let bucket = &fixture.bucket;
    let key = fixture.key("media", "conditional.txt");
    let put = |bytes: &'static str, when| bucket.put(&key, bytes.as_bytes().to_vec().into(), when);

    let first = put("first", Precondition::Absent).await.unwrap();
    refused(&put("again", Precondition::Absent).await);
    let second = put("second", Precondition::Generation(first.generation)).await.unwrap();
    refused(&put("third", Precondition::Generation(first.generation)).await);
    assert_eq!(fixture.read(&key, None).await, b"second");

    refused(&bucket.delete(&key, Precondition::Generation(first.generation)).await);
    assert_eq!(fixture.read(&key, None).await, b"second");
    bucket.delete(&key, Precondition::Generation(second.generation)).await.unwrap();
    refused(&put("fourth", Precondition::Generation(second.generation)).await);
    assert_eq!(bucket.stat(&key).await.unwrap(), None);
}

pub(super) async fn replacing_makes_another_generation(fixture: &Fixture) {
    let key = fixture.key("media", "replaced.txt");
    let mut seen = Vec::new();
    for _ in 0..5 {
        let put = fixture.put(&key, b"the same bytes each time").await;
        let stat = fixture.bucket.stat(&key).await.unwrap().unwrap();
        assert_eq!(stat.generation, put.generation);
        assert!(!seen.contains(&put.generation), "{:?} twice", put.generation);
        seen.push(put.generation);
    }
    fixture.put(&key, b"shorter").await;
    assert_eq!(fixture.read(&key, None).await, b"shorter");
}

pub(super) async fn lists_are_ordered_and_paged(fixture: &Fixture) {
    let names = ["a-b.txt", "a/b.txt", "a/c.txt", "a0.txt", "b/1.txt", "b/2.txt", "c.txt"];
    // Not in the order that is expected of the listing.
    for name in names.iter().rev() {
        fixture.put(&fixture.key("media", name), name.as_bytes()).await;
    }
    for limit in [1, 2, 3, 1000] {
        check_listing(fixture, "", limit, &names).await;
    }
    check_listing(fixture, "a", 2, &names[..4]).await;
    check_listing(fixture, "a/", 1, &names[1..3]).await;
    check_listing(fixture, "b/2", 1, &names[5..6]).await;
    check_listing(fixture, "d", 1, &[]).await;
}

pub(super) async fn deleting_twice_is_fine(fixture: &Fixture) {
    let key = fixture.key("media", "deleted.txt");
    let put = fixture.put(&key, b"here").await;
    fixture.bucket.delete(&key, Precondition::Always).await.unwrap();
    assert_eq!(fixture.bucket.stat(&key).await.unwrap(), None);
    fixture.bucket.delete(&key, Precondition::Always).await.unwrap();
    fixture.bucket.delete(&key, Precondition::Generation(put.generation)).await.unwrap();
    fixture.bucket.delete(&fixture.key("media", "never/was"), Precondition::Always).await.unwrap();
}

pub(super) async fn a_damaged_file_is_refused(fixture: &Fixture) {
    let folder = tempfile::tempdir().unwrap();
    let key = fixture.key("media", "damaged.bin");
    let Body::File { path, len, crc32c } = spool(folder.path(), b"what was hashed") else {
        unreachable!()
    };
    for changed in [&b"what was hashed, and more"[..], b"what"] {
        std::fs::write(&path, changed).unwrap();
        let body = Body::File { path: path.clone(), len, crc32c };
        let put = fixture.bucket.put(&key, body, Precondition::Always).await;
        assert!(matches!(put, Err(BucketError::SpoolChanged { .. })), "{put:?}");
        assert_eq!(fixture.bucket.stat(&key).await.unwrap(), None, "nothing was stored");
    }
    if fixture.bytes == Bytes::Pass {
        std::fs::write(&path, b"what is here..").unwrap();
        let body = Body::File { path, len, crc32c };
        let put = fixture.bucket.put(&key, body, Precondition::Always).await;
        assert!(matches!(put, Err(BucketError::SpoolChanged { .. })), "{put:?}");
        assert_eq!(fixture.bucket.stat(&key).await.unwrap(), None, "nothing was stored");
    }
}

pub(super) async fn headers_follow_from_the_name(fixture: &Fixture) {
    for (folder, name, bytes) in [
        ("media", "clip.mp4", &b"clip"[..]),
        ("media", "evil.svg", b"<svg onload=alert(1)>"),
        ("media", "packed.json", b"\x1f\x8b\x08\0"),
        ("thumb", "still.webp", b"still"),
        ("messages", "plain.json", b"{}"),
        ("messages", "packed.json.gz", &gzip(b"{\"packed\":true}")),
    ] {
        let key = fixture.key(folder, name);
        let put = fixture.put(&key, bytes).await;
        let expected = ObjectMeta::of(&key);
        assert_eq!(put.meta, expected);
        assert_eq!(fixture.bucket.stat(&key).await.unwrap().unwrap().meta, expected);
        assert_eq!(fixture.bucket.get(&key, None).await.unwrap().info.meta, expected);
        assert_eq!(fixture.read(&key, None).await, bytes, "{key} comes back packed as it went");
        let listing = fixture.bucket.list(key.as_str(), None, NonZeroUsize::MIN).await.unwrap();
        assert_eq!(listing.objects[0].meta, expected);
    }
}

pub(super) async fn one_of_many_writers_wins(fixture: &Fixture) {
    let key = fixture.key("media", "contended.txt");
    let mut when = Precondition::Absent;
    for round in 0..3 {
        let puts = (0..8).map(|writer| {
            let (bucket, key) = (Arc::clone(&fixture.bucket), key.clone());
            let bytes = format!("round {round}, writer {writer}").into_bytes();
            tokio::spawn(async move {
                let put = bucket.put(&key, bytes.clone().into(), when).await;
                put.map(|info| (info, bytes))
            })
        });
        let mut won = Vec::new();
        for put in puts.collect::<Vec<_>>() {
            match put.await.unwrap() {
                Ok(winner) => won.push(winner),
                Err(error) => refused::<()>(&Err(error)),
            }
        }
        assert_eq!(won.len(), 1, "winners: {won:?}");
        let (info, bytes) = won.remove(0);
        assert_eq!(fixture.read(&key, None).await, bytes);
        when = Precondition::Generation(info.generation);
    }
}

pub(super) async fn what_is_missing_is_said_to_be(fixture: &Fixture) {
    let key = fixture.key("media", "missing.txt");
    assert_eq!(fixture.bucket.stat(&key).await.unwrap(), None);
    for range in [None, Some(ByteRange::from(0))] {
        let get = fixture.bucket.get(&key, range).await;
        assert!(matches!(get, Err(BucketError::NotFound { .. })), "{get:?}");
    }
    // What is a folder to a folder is no object.
    fixture.put(&fixture.key("media", "folder/file.txt"), b"x").await;
    assert_eq!(fixture.bucket.stat(&fixture.key("media", "folder")).await.unwrap(), None);
}

pub(super) async fn an_open_object_stays_what_it_was(fixture: &Fixture) {
    let key = fixture.key("media", "open.txt");
    let before = fixture.put(&key, b"before").await;
    let object = fixture.bucket.get(&key, None).await.unwrap();
    fixture.put(&key, b"after, and longer").await;
    assert_eq!(object.info.generation, before.generation);
    match object.bytes(100).await {
        Ok(bytes) => assert_eq!(bytes, &b"before"[..]),
        // A connection that broke cannot go on with what is no longer there, and must say so.
        Err(error) if fixture.connection == Connection::Breaks => refused::<()>(&Err(error)),
        Err(error) => panic!("{error}"),
    }
    assert_eq!(fixture.read(&key, None).await, b"after, and longer");
}

pub(super) async fn one_holder_has_the_lease(fixture: &Fixture) {
    let noon = datetime!(2026-03-01 12:00 UTC);
    let ttl = Duration::from_mins(1);
    let acquire = |id: &str, now| {
        let holder = Holder { id: id.to_owned(), host: format!("{id}.example"), process: 42 };
        Lease::acquire(Arc::clone(&fixture.bucket), holder, now, ttl)
    };

    let mut first = acquire("first", noon).await.unwrap();
    let refused = acquire("second", noon + ttl / 2).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "another Bowerbird writes to this archive: process 42 on first.example, until \
         2026-03-01T12:01:00Z unless it goes on. Stop that one, or give this one an archive of its own; \
         after a crash, wait until then"
    );
    first.renew(noon + ttl / 2).await.unwrap();
    assert!(matches!(acquire("second", noon + ttl).await, Err(LeaseError::Held { .. })));

    // The first crashes and comes back: what it held before its crash is void.
    let again = acquire("first", noon + ttl).await.unwrap();
    assert!(matches!(first.renew(noon + ttl).await, Err(LeaseError::Lost)));
    assert!(again.is_valid(noon + ttl) && !again.is_valid(noon + 2 * ttl));

    // Nobody hears of it again, so another takes over, once.
    let (a, b) = tokio::join!(acquire("second", noon + 3 * ttl), acquire("third", noon + 3 * ttl));
    let winner = match (a, b) {
        (Ok(winner), Err(LeaseError::Held { .. })) | (Err(LeaseError::Held { .. }), Ok(winner)) => {
            winner
        }
        other => panic!("not one winner: {other:?}"),
    };
    again.release().await.unwrap();
    assert!(matches!(acquire("fourth", noon + 3 * ttl).await, Err(LeaseError::Held { .. })));
    winner.release().await.unwrap();
    acquire("fourth", noon + 3 * ttl).await.unwrap().release().await.unwrap();
}

async fn check_listing(fixture: &Fixture, prefix: &str, limit: usize, expected: &[&str]) {
    let start = format!("media/{}/", fixture.corner);
    let limit = NonZeroUsize::new(limit).unwrap();
    let mut found = Vec::new();
    let mut page = None;
    loop {
        let prefix = format!("{start}{prefix}");
        let listing = fixture.bucket.list(&prefix, page, limit).await.unwrap();
        assert!(listing.objects.len() <= limit.get());
        for info in listing.objects {
            let name = info.key.as_str().strip_prefix(&start).unwrap().to_owned();
            assert_eq!(info.size, name.len() as u64);
            found.push(name);
        }
        page = listing.next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!(found, expected, "prefix {prefix:?}, {limit} a page");
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: &Result<T, BucketError>) {
    assert!(matches!(result, Err(BucketError::PreconditionFailed { .. })), "{result:?}");
}

/// A spool file as a download leaves it.
pub(super) fn spool(folder: &Path, bytes: &[u8]) -> Body {
    let path = folder.join("spool");
    std::fs::write(&path, bytes).unwrap();
    Body::File { path, len: bytes.len() as u64, crc32c: Crc32c::of(bytes) }
}

/// Bytes in which no part equals another, so that parts in the wrong order are noticed.
pub(super) fn noise(len: usize) -> Vec<u8> {
    let words = (0_u64..).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    words.take(len).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;

    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}
