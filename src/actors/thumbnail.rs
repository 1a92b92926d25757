//! Looks at files: a still and measures, from the spool in copy mode, over the link in link mode.
//!
//! A crash loses one look. What can't be read has no still, and is kept all the same.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt;
use sha2::Digest;
use tokio::{fs::File, io::AsyncWriteExt, time::Instant};
use tracing::{debug, error, info};

use super::{
    download::bucket_failure,
    hands::{Hands, Hold},
    worker::{Patience, Work},
};
use crate::{
    bucket::{Bucket, BucketError, ObjectKey, Precondition},
    cdn::Cdn,
    domain::{
        entry::{self, Content, Sha256},
        job::{Failure, Queue, Subject},
        selection::MediaKind,
    },
    ffmpeg::{Look, MediaHint, Source, Still, ThumbnailError, Thumbnailer},
    spool::Spool,
    store::{Change, Claimed, Looked, Store, Task},
};

/// How long a job waits for ffmpeg to be installed, or for a host to come back.
const AWAY: Duration = Duration::from_mins(1);

/// Looks at one file at a time; several of it may run at once.
#[derive(Clone, Debug)]
pub struct Looker {
    /// Looks.
    pub thumbnailer: Arc<dyn Thumbnailer>,
    /// Knows where links may lead, which whoever posts a message writes.
    pub cdn: Arc<dyn Cdn>,
    /// Where stills go, and where files come from that are no longer in the spool.
    pub bucket: Arc<dyn Bucket>,
    /// Where files are that just arrived.
    pub spool: Spool,
    /// Whether there is anything to look with.
    pub eyes: Eyes,
    /// Knows which stills are where.
    pub store: Store,
    /// Who has which bytes in hand.
    pub hands: Hands,
}

/// Until when nobody needs to try, because ffmpeg was not there a moment ago.
#[derive(Clone, Debug, Default)]
pub struct Eyes(Arc<Mutex<Option<Instant>>>);

impl Eyes {
    /// How much longer nobody needs to try.
    fn closed_for(&self) -> Option<Duration> {
        let until = (*self.until())?;
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    fn close(&self) {
        *self.until() = Some(Instant::now() + AWAY);
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

#[async_trait]
impl Work for Looker {
    const QUEUE: Queue = Queue::Thumbnail;

    async fn perform(
        &self,
        job: &Claimed,
        _: &Patience,
        hold: &mut Option<Hold>,
    ) -> Result<Change, Failure> {
        if let Some(delay) = self.eyes.closed_for() {
            return Err(Failure::Postponed {
                delay,
                why: "there is no ffmpeg to look with".to_owned(),
            });
        }
        let look = match &job.task {
            Task::LookAtContent { sha256, content, kind } => {
                self.look_at_content(*sha256, content, *kind, hold).await?
            }
            Task::LookAtLink { link, kind, .. } => {
                let allowed = self.cdn.allows(link);
                allowed.map_err(|error| Failure::Permanent { why: error.to_string() })?;
                self.look(&Source::Link(link.reveal().to_owned()), *kind, hold).await?
            }
            Task::Copy { .. } | Task::Move { .. } => {
                return Err(Failure::Permanent {
                    why: "there is nothing to look at here".to_owned(),
                });
            }
        };
        if let Some(why) = &look.failure {
            info!(why, "kept without a still");
        } else {
            debug!(still = look.still, "looked at");
        }
        Ok(Looked { subject: job.subject, look }.into())
    }
}

impl Looker {
    async fn look_at_content(
        &self,
        sha256: Sha256,
        content: &Content,
        kind: MediaKind,
        hold: &mut Option<Hold>,
    ) -> Result<entry::Look, Failure> {
        let path = match self.spool.find(sha256).await {
            Some(path) => path,
            None => self.fetch_back(sha256, content).await?,
        };
        let look = self.look(&Source::File(path), kind, hold).await;
        // We were its last reader. Should it be looked at again, it comes from the bucket: whatever keeps us from looking
        // must not keep others from arriving. What can't be removed is swept at the next start.
        self.spool.remove(sha256).await.ok();
        look
    }

    async fn look(
        &self,
        source: &Source,
        kind: MediaKind,
        hold: &mut Option<Hold>,
    ) -> Result<entry::Look, Failure> {
        match self.thumbnailer.look(source, hint(kind)).await {
            Ok(Look { probe, still }) => {
                let still = match still {
                    Some(still) => Some(self.put(still, hold).await?),
                    None => None,
                };
                Ok(entry::Look {
                    width: probe.size.map(|size| size.width),
                    height: probe.size.map(|size| size.height),
                    runtime: probe.runtime.map(|runtime| runtime.as_secs_f64()),
                    still,
                    failure: None,
                })
            }
            // It will be as unreadable tomorrow.
            Err(error) if error.is_permanent() => {
                Ok(entry::Look { failure: Some(error.to_string()), ..entry::Look::default() })
            }
            Err(error) => {
                if matches!(error, ThumbnailError::Missing { .. } | ThumbnailError::Lacking { .. })
                {
                    self.eyes.close();
                }
                Err(failure(&error))
            }
        }
    }

    /// Stills are named by their own bytes, so one that is there already is this one.
    async fn put(&self, still: Still, hold: &mut Option<Hold>) -> Result<String, Failure> {
        let sha256 = Sha256(sha2::Sha256::digest(&still.webp).into());
        let subject = Subject::Still(sha256);
        *hold = Some(self.hands.take(subject).await);
        let object = format!("thumb/{sha256}.webp");
        let key = ObjectKey::new(object.clone()).expect("made of a hash");
        let leaving = self.store.read(move |store| store.is_leaving(subject)).await;
        // What may be on its way out is put anew, so that a late request does not delete it.
        let when =
            if leaving.unwrap_or(true) { Precondition::Always } else { Precondition::Absent };
        match self.bucket.put(&key, still.webp.into(), when).await {
            Ok(_) | Err(BucketError::PreconditionFailed { .. }) => Ok(object),
            Err(error) => Err(bucket_failure(&error)),
        }
    }

    /// Reads a file back from the bucket, when a crash came between its copy and its look. It waits for no room in the
    /// spool: what fills it may be waiting for us.
    async fn fetch_back(&self, sha256: Sha256, content: &Content) -> Result<PathBuf, Failure> {
        let key = ObjectKey::new(content.object.clone())
            .map_err(|error| Failure::Permanent { why: error.to_string() })?;
        let object = self.bucket.get(&key, None).await.map_err(|error| bucket_failure(&error))?;
        let arriving = self.spool.arriving();
        let written = write(object, arriving.path()).await;
        written.map_err(|why| Failure::Retryable { why })?;
        let arrived = self.spool.arrive(arriving, sha256, None).await;
        arrived.map_err(|error| Failure::Postponed { delay: AWAY, why: error.to_string() })
    }
}

async fn write(mut object: crate::bucket::Object, path: &std::path::Path) -> Result<(), String> {
    let mut file = File::create(path).await.map_err(|error| error.to_string())?;
    while let Some(chunk) = object.body.next().await {
        let chunk = chunk.map_err(|error| error.to_string())?;
        file.write_all(&chunk).await.map_err(|error| error.to_string())?;
    }
    file.flush().await.map_err(|error| error.to_string())
}

fn hint(kind: MediaKind) -> MediaHint {
    match kind {
        MediaKind::Video => MediaHint::Video,
        MediaKind::Image => MediaHint::Image,
        MediaKind::Audio => MediaHint::Audio,
        MediaKind::File => MediaHint::Unknown,
    }
}

fn failure(error: &ThumbnailError) -> Failure {
    let why = error.to_string();
    match error {
        ThumbnailError::Missing { .. } | ThumbnailError::Lacking { .. } => {
            error!(%error, "files are kept without stills until then");
            Failure::Postponed { delay: AWAY, why }
        }
        ThumbnailError::LinkRefused { .. } => Failure::DeadLink { why },
        ThumbnailError::LinkUnavailable { .. } => Failure::Retryable { why },
        ThumbnailError::Unreadable { .. } => Failure::Permanent { why },
        ThumbnailError::Timeout(_)
        | ThumbnailError::Crashed { .. }
        | ThumbnailError::File(_)
        | ThumbnailError::Run { .. } => Failure::Retryable { why },
    }
}
