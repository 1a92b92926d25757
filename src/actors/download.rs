//! Copies attachments into the bucket: CDN, spool, bucket.
//!
//! A crash between the object and the report leaves an object without a row; copying it again finds it there.

use std::{
    collections::HashMap,
    io::ErrorKind,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use tracing::error;

use super::worker::Work;
use crate::{
    bucket::{Body, Bucket, BucketError, Crc32c, ObjectKey, Precondition},
    cdn::{Cdn, CdnError},
    domain::{
        entry::{Content, EntryKey, Sha256},
        job::{Failure, Queue},
        link::Link,
        message::split_name,
        selection::MediaKind,
    },
    spool::{Spool, SpoolError, Spooled},
    store::{Change, Claimed, Store, StoreError, Stored, Task},
};

/// How long a job waits when the bucket or the disk does not take it: long enough for somebody to notice, short enough
/// to go on soon after it was mended.
const AWAY: Duration = Duration::from_secs(30);

/// Extensions are short, and anything else in a name is no extension.
const LONGEST_EXTENSION: usize = 8;

/// Copies one file at a time; several of it may run at once.
#[derive(Clone, Debug)]
pub struct Copier {
    /// Where files come from.
    pub cdn: Arc<dyn Cdn>,
    /// Where they go.
    pub bucket: Arc<dyn Bucket>,
    /// Where they are in between.
    pub spool: Spool,
    /// Knows what is there already.
    pub store: Store,
    /// Lets equal bytes get one name.
    pub naming: Naming,
}

/// Bytes that tell no type are named after the file that held them, and others may hold the same: of those, one at a
/// time looks for a name and gives one.
#[derive(Clone, Debug, Default)]
pub struct Naming(Arc<Mutex<HashMap<Sha256, Arc<Turn<()>>>>>);

impl Naming {
    /// Waits until nobody else names these bytes.
    async fn turn(&self, sha256: Sha256) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().expect("no holder of this lock panics");
            // Those that only we hold have nobody naming or waiting.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(sha256).or_default())
        };
        turn.lock_owned().await
    }
}

#[async_trait]
impl Work for Copier {
    const QUEUE: Queue = Queue::Download;

    async fn perform(&self, job: &Claimed) -> Result<Change, Failure> {
        let Task::Copy { key, link, filename, size, kind, .. } = &job.task else {
            return Err(Failure::Permanent { why: "this is no file to copy".to_owned() });
        };
        let spooled = self.fetch(link, *size).await?;
        let sha256 = spooled.sha256;
        let known = self.known(sha256).await?;
        let looked = known.as_ref().is_some_and(|content| content.look.is_some());
        let content = match known {
            Some(content) => content,
            None => self.put(spooled, filename).await?,
        };
        if looked || *kind == MediaKind::File {
            // Nobody reads it any more. What can't be removed is swept at the next start.
            self.spool.remove(sha256).await.ok();
        }
        Ok(stored(*key, sha256, content))
    }
}

impl Copier {
    async fn fetch(&self, link: &Link, size: u64) -> Result<Spooled, Failure> {
        let room = self.spool.room_for(size).await;
        let download = self.cdn.open(link).await.map_err(|error| cdn_failure(&error))?;
        self.spool.receive(download, size, room).await.map_err(|error| spool_failure(&error))
    }

    async fn known(&self, sha256: Sha256) -> Result<Option<Content>, Failure> {
        let store = self.store.clone();
        let known = tokio::task::spawn_blocking(move || store.content(sha256)).await;
        known.expect("reading the store does not panic").map_err(|error| store_failure(&error))
    }

    async fn put(&self, spooled: Spooled, filename: &str) -> Result<Content, Failure> {
        let Spooled { path, sha256, crc32c, size, head } = spooled;
        let extension = extension_of(&head, filename);
        let _alone;
        let mut object = format!("media/{sha256}.{extension}");
        if infer::get(&head).is_none() {
            _alone = self.naming.turn(sha256).await;
            object = self.named_before(sha256).await?.unwrap_or(object);
        }
        let key = ObjectKey::new(object.clone()).expect("made of a hash and a checked extension");
        let body = Body::File { path, len: size, crc32c: Crc32c(crc32c) };
        match self.bucket.put(&key, body, Precondition::Absent).await {
            Ok(_) => {}
            // A crash between the object and the row left it there, or somebody posted the same file twice at once.
            Err(BucketError::PreconditionFailed { .. }) => {
                self.check_there(&key, size, crc32c).await?;
            }
            Err(error) => return Err(bucket_failure(&error)),
        }
        let content_type = content_type_of(&head);
        Ok(Content { object, size, crc32c, content_type, look: None })
    }

    /// The name under which these bytes are in the bucket, be it that the row of it was lost in a crash.
    async fn named_before(&self, sha256: Sha256) -> Result<Option<String>, Failure> {
        let listed = self.bucket.list(&format!("media/{sha256}."), None, NonZeroUsize::MIN).await;
        let listed = listed.map_err(|error| bucket_failure(&error))?;
        Ok(listed.objects.into_iter().next().map(|object| object.key.to_string()))
    }

    async fn check_there(&self, key: &ObjectKey, size: u64, crc32c: u32) -> Result<(), Failure> {
        let there = self.bucket.stat(key).await.map_err(|error| bucket_failure(&error))?;
        let same = there.as_ref().is_some_and(|there| {
            there.size == size && there.crc32c.is_none_or(|there| there == Crc32c(crc32c))
        });
        if same {
            return Ok(());
        }
        Err(Failure::Retryable { why: format!("{key} is in the bucket with other bytes") })
    }
}

fn stored(key: EntryKey, sha256: Sha256, content: Content) -> Change {
    Stored { key, sha256, content }.into()
}

/// The extension under which a file is kept: what its bytes say, else what its name says.
fn extension_of(head: &[u8], filename: &str) -> String {
    if let Some(kind) = infer::get(head) {
        return kind.extension().to_owned();
    }
    let named = split_name(filename).1.to_ascii_lowercase();
    let sound = !named.is_empty()
        && named.len() <= LONGEST_EXTENSION
        && named.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if sound { named } else { "bin".to_owned() }
}

fn content_type_of(head: &[u8]) -> String {
    infer::get(head).map_or("application/octet-stream", |kind| kind.mime_type()).to_owned()
}

fn cdn_failure(error: &CdnError) -> Failure {
    let why = error.to_string();
    match error {
        CdnError::Refused { .. } => Failure::DeadLink { why },
        CdnError::ForbiddenHost { .. } => Failure::Permanent { why },
        CdnError::Unavailable { retry_after: Some(delay), .. } => {
            Failure::Postponed { delay: *delay, why }
        }
        CdnError::Unavailable { retry_after: None, .. } | CdnError::Damaged { .. } => {
            Failure::Retryable { why }
        }
    }
}

fn spool_failure(error: &SpoolError) -> Failure {
    match error {
        SpoolError::Cdn(error) => cdn_failure(error),
        SpoolError::Disk(io) => {
            let full = matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
            error!(%error, full, "make room, or let STATE_DIR be written; downloads go on by themselves then");
            Failure::Postponed { delay: AWAY, why: error.to_string() }
        }
    }
}

fn store_failure(error: &StoreError) -> Failure {
    Failure::Postponed { delay: AWAY, why: error.to_string() }
}

/// What a bucket's refusal means for a job: mostly that the bucket is away, which is not the job's fault.
pub(super) fn bucket_failure(error: &BucketError) -> Failure {
    let why = error.to_string();
    match error {
        BucketError::Full { .. }
        | BucketError::Denied { .. }
        | BucketError::NoSuchBucket { .. } => {
            error!(%error, "the bucket takes nothing; work goes on by itself when it does");
            Failure::Postponed { delay: AWAY, why }
        }
        BucketError::Timeout { .. } | BucketError::Unavailable { .. } => {
            Failure::Postponed { delay: error.retry_after().unwrap_or(AWAY), why }
        }
        BucketError::NotFound { .. }
        | BucketError::PreconditionFailed { .. }
        | BucketError::NoSuchRange { .. }
        | BucketError::SpoolChanged { .. }
        | BucketError::Corrupt { .. }
        | BucketError::WrongLength { .. }
        | BucketError::Invalid { .. }
        | BucketError::Broken { .. } => Failure::Retryable { why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &[u8], filename: &str, extension: &str) {
        assert_eq!(extension_of(head, filename), extension, "{filename:?}");
    }

    #[test]
    fn the_extension_is_what_the_bytes_say_else_what_the_name_says() {
        check(b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00", "clip", "mp4");
        check(b"\x89PNG\r\n\x1a\n", "really.MP4", "png");
        check(b"just words", "notes.TXT", "txt");
        check(b"", "empty.mp4", "mp4");
        check(b"", "", "bin");
        check(b"", "x.tar.gz/../../etc", "bin");
        check(b"", "clip.waytoolongextension", "bin");
        check(b"", "clip.mp4\u{202e}", "bin");
    }
}
