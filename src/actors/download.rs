//! Copies attachments into the bucket: CDN, spool, bucket.
//!
//! A crash between the object and the report leaves an object without a row; copying it again finds it there.
//! While the bucket is away, each transfer waits with its file, so nothing more is fetched than what can wait.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::sleep;
use tracing::{debug, error};

use super::{
    hands::{Hands, Hold},
    worker::{Patience, Work},
};
use crate::{
    bucket::{Body, Bucket, BucketError, Crc32c, ObjectKey, Precondition},
    cdn::{Cdn, CdnError},
    domain::{
        entry::{Content, Sha256},
        job::{Failure, Queue, Subject},
        link::Link,
    },
    spool::{Spool, SpoolError, Spooled, is_full},
    store::{Change, Claimed, Store, StoreError, Stored, Task},
};

/// How long a job waits when the bucket or the disk does not take it: long enough for somebody to notice, short enough
/// to go on soon after it was mended.
const AWAY: Duration = Duration::from_secs(30);

/// The first pause between two offers. They double up to [`AWAY`]: most outages are short.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// How often a file is offered to a bucket that is away. Then it makes room: it may be this file alone that the bucket
/// does not take, and others wait behind it.
const OFFERS: u32 = 10;

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
    /// Who has which bytes in hand.
    pub hands: Hands,
}

#[async_trait]
impl Work for Copier {
    const QUEUE: Queue = Queue::Download;

    async fn perform(
        &self,
        job: &Claimed,
        patience: &Patience,
        hold: &mut Option<Hold>,
    ) -> Result<Change, Failure> {
        let Task::Copy { key, link, size, .. } = &job.task else {
            return Err(Failure::Permanent { why: "this is no file to copy".to_owned() });
        };
        let spooled = self.fetch(link, *size, patience).await?;
        let sha256 = spooled.sha256;
        *hold = Some(self.hands.take(Subject::Content(sha256)).await);
        match self.keep(&spooled, patience).await {
            Ok((content, stamp)) => {
                debug!(object = content.object, size = content.size, "stored");
                Ok(Stored { key: *key, sha256, content, stamp }.into())
            }
            Err(failure) => {
                self.make_room(sha256).await;
                Err(failure)
            }
        }
    }

    async fn settled(&self, change: &Change) {
        if let Change::Stored(Stored { sha256, .. }) = change {
            self.make_room(*sha256).await;
        }
    }
}

impl Copier {
    async fn fetch(&self, link: &Link, size: u64, patience: &Patience) -> Result<Spooled, Failure> {
        let room = patience.outlast(self.spool.room_for(size)).await.ok_or_else(ending)?;
        let room = room.map_err(|error| spool_failure(&error))?;
        let download = self.cdn.open(link).await.map_err(|error| cdn_failure(&error))?;
        self.spool.receive(download, size, room).await.map_err(|error| spool_failure(&error))
    }

    /// What is known of bytes, or else under which condition they are put. What may be on its way out is put anew, so
    /// that a late request does not delete it.
    async fn known(&self, sha256: Sha256) -> Result<Result<Content, Precondition>, Failure> {
        let known = self.store.read(move |store| {
            let leaving = store.is_leaving(Subject::Content(sha256))?;
            let when = if leaving { Precondition::Always } else { Precondition::Absent };
            Ok(store.content(sha256)?.ok_or(when))
        });
        known.await.map_err(|error| store_failure(&error))
    }

    /// Removes a file from the spool unless it is yet to be looked at. What can't be removed is swept at the next start.
    async fn make_room(&self, sha256: Sha256) {
        let awaited = self.store.read(move |store| store.awaits_look(sha256)).await;
        if matches!(awaited, Ok(false)) {
            self.spool.remove(sha256).await.ok();
        }
    }

    /// The bytes in the bucket, put there unless they are.
    async fn keep(
        &self,
        spooled: &Spooled,
        patience: &Patience,
    ) -> Result<(Content, Option<i64>), Failure> {
        let when = match self.known(spooled.sha256).await? {
            Ok(known) => return Ok((known, None)),
            Err(when) => when,
        };
        let mut offers = 1;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.put(spooled, when).await {
                Err(Failure::Postponed { delay, .. }) if offers < OFFERS => {
                    offers += 1;
                    // A bucket that asks for a pause gets it; without a word it is tried sooner.
                    let delay = if delay == AWAY { pause } else { delay };
                    patience.outlast(sleep(delay)).await.ok_or_else(ending)?;
                    pause = (pause * 2).min(AWAY);
                }
                result => return result,
            }
        }
    }

    async fn put(
        &self,
        spooled: &Spooled,
        when: Precondition,
    ) -> Result<(Content, Option<i64>), Failure> {
        let Spooled { path, crc32c, size, head, .. } = spooled;
        let (size, crc32c) = (*size, *crc32c);
        let object = object_of(spooled);
        let key = ObjectKey::new(object.clone()).expect("made of a hash and a known extension");
        let body = Body::File { path: path.clone(), len: size, crc32c: Crc32c(crc32c) };
        let stamp = match self.bucket.put(&key, body, when).await {
            Ok(put) => Some(put.generation.0),
            // A crash between the object and the row left it there, or somebody posted the same file twice at once.
            Err(BucketError::PreconditionFailed { .. }) => {
                self.check_there(&key, size, crc32c).await?;
                None
            }
            Err(error) => return Err(bucket_failure(&error)),
        };
        let content_type = content_type_of(head);
        Ok((Content { object, size, crc32c, content_type, look: None }, stamp))
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

/// The name under which a file is kept.
fn object_of(spooled: &Spooled) -> String {
    format!("media/{}.{}", spooled.sha256, extension_of(&spooled.head))
}

/// The extension under which a file is kept. It follows from the bytes alone, so that equal bytes have one name
/// however often and under whatever names they were posted.
fn extension_of(head: &[u8]) -> &'static str {
    match infer::get(head) {
        Some(kind) => kind.extension(),
        None if is_text(head) => "txt",
        None => "bin",
    }
}

/// Whether these first bytes of a file are words. The last of them may be cut in the middle of a character.
fn is_text(head: &[u8]) -> bool {
    let words = match std::str::from_utf8(head) {
        Ok(words) => words,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !words.is_empty() && !words.chars().any(|c| c.is_control() && !c.is_whitespace())
}

fn content_type_of(head: &[u8]) -> String {
    infer::get(head).map_or("application/octet-stream", |kind| kind.mime_type()).to_owned()
}

/// The service ends: the next one does the job.
fn ending() -> Failure {
    Failure::Postponed { delay: Duration::ZERO, why: "the service ends".to_owned() }
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
        SpoolError::NoRoom { .. } => Failure::Postponed { delay: AWAY, why: error.to_string() },
        SpoolError::Disk(io) => {
            // A full disk is the spool's to tell of, and to wait for, before the next file is asked for.
            if !is_full(io) {
                error!(%error, "let STATE_DIR be written; downloads go on by themselves then");
            }
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
        | BucketError::NoSuchBucket { .. } => Failure::Postponed { delay: AWAY, why },
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
    fn check(head: &[u8], extension: &str) {
        assert_eq!(extension_of(head), extension, "{}", head.escape_ascii());
    }

    #[test]
    fn the_extension_is_what_the_bytes_say() {
        check(b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00", "mp4");
        check(b"\x89PNG\r\n\x1a\n", "png");
        check(b"just words\n", "txt");
        check("sch\u{f6}n".as_bytes(), "txt");
        check(&"sch\u{f6}n".as_bytes()[..4], "txt");
        check(b"words\x00and more", "bin");
        check(b"\xff\xfe\x01", "bin");
        check(b"", "bin");
    }
}
