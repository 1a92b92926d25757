//! Brings bytes to the bucket where they belong, and out of the one where they do not.
//!
//! Claims jobs from the store like Download does, and reports to Persistence. Bytes are copied through the spool and
//! checked by their hash before anything is deleted. A crash between an object and its report does the same again.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::StreamExt;
use sha2::Digest;
use tokio::{fs::File, io::AsyncWriteExt};

use super::{
    download::bucket_failure,
    hands::{Hands, Hold},
    worker::{Patience, Work},
};
use crate::{
    bucket::{Body, Bucket, BucketError, Crc32c, Object, ObjectKey, Precondition},
    domain::{
        entry::Sha256,
        job::{Failure, Queue, Subject},
        removal::{Chore, Home},
    },
    spool::{Arriving, Spool},
    store::{Change, Claimed, Moved, Store, Task},
};

/// So many are moved at a time: nobody waits for them, and downloads want the same line and disk.
pub const AT_ONCE: usize = 2;

/// Where the private bucket keeps what the public one must not: under its name there, below this.
pub const HIDDEN: &str = "hidden/";

/// How long a job waits that is no longer what it was when it was claimed.
const CHANGED: Duration = Duration::from_secs(1);

/// How long a job waits for the disk.
const AWAY: Duration = Duration::from_secs(30);

/// Moves one object at a time; several of it may run at once.
#[derive(Clone, Debug)]
pub struct Mover {
    /// What everybody may read.
    pub public: Arc<dyn Bucket>,
    /// What must not be public.
    pub private: Arc<dyn Bucket>,
    /// Where bytes are in between.
    pub spool: Spool,
    /// Knows what belongs where.
    pub store: Store,
    /// Who has which bytes in hand.
    pub hands: Hands,
}

#[async_trait]
impl Work for Mover {
    const QUEUE: Queue = Queue::Move;

    async fn perform(
        &self,
        job: &Claimed,
        _: &Patience,
        hold: &mut Option<Hold>,
    ) -> Result<Change, Failure> {
        let Task::Move { subject, object, chore } = &job.task else {
            return Err(Failure::Permanent { why: "there is nothing to move here".to_owned() });
        };
        *hold = Some(self.hands.take(*subject).await);
        if self.chore(*subject).await? != Some((*chore, object.clone())) {
            let why = "it belongs elsewhere by now".to_owned();
            return Err(Failure::Postponed { delay: CHANGED, why });
        }
        match (chore, subject) {
            (Chore::Copy(to), Subject::Content(sha256) | Subject::Still(sha256)) => {
                self.copy(object, *sha256, *to).await?;
            }
            (Chore::Clear(side), _) => self.clear(object, *side).await?,
            (Chore::Erase, _) => {
                self.clear(object, Home::Public).await?;
                self.clear(object, Home::Private).await?;
                if let Subject::Content(sha256) = subject {
                    // It may still wait there to be looked at. What can't be removed is swept at the next start.
                    self.spool.remove(*sha256).await.ok();
                }
            }
            (Chore::Copy(_), Subject::Entry(_)) => {
                return Err(Failure::Permanent { why: "an entry has no bytes".to_owned() });
            }
        }
        Ok(Moved { subject: *subject, chore: *chore }.into())
    }
}

impl Mover {
    async fn chore(&self, subject: Subject) -> Result<Option<(Chore, String)>, Failure> {
        let chore = self.store.read(move |store| store.chore(subject)).await;
        chore.map_err(|error| Failure::Postponed { delay: AWAY, why: error.to_string() })
    }

    /// Where an object is on some side, and under which name.
    fn side(&self, object: &str, side: Home) -> (&dyn Bucket, ObjectKey) {
        let (bucket, name) = match side {
            Home::Private => (&*self.private, format!("{HIDDEN}{object}")),
            Home::Public | Home::Nowhere => (&*self.public, object.to_owned()),
        };
        (bucket, ObjectKey::new(name).expect("made of a hash and a known extension"))
    }

    async fn copy(&self, object: &str, sha256: Sha256, to: Home) -> Result<(), Failure> {
        let (bucket, source, size) = self.find(object, to).await?;
        // Held until the copy is in its bucket.
        let _room = self.spool.room_for(size).await;
        let read = bucket.get(&source, None).await.map_err(|error| bucket_failure(&error))?;
        let arriving = self.spool.arriving();
        let (len, crc32c) = receive(read, &arriving, sha256).await?;
        let body = Body::File { path: arriving.path().to_owned(), len, crc32c };
        let (bucket, target) = self.side(object, to);
        // Put anew though it may be there: so it is another than the one that a late request may yet delete.
        let put = bucket.put(&target, body, Precondition::Always).await;
        put.map(drop).map_err(|error| bucket_failure(&error))
    }

    /// Where bytes are that are to come to some side: on the other one, or there already. Who lost their disk after that
    /// was done, and goes on with a copy of the state from before, does not know of it.
    async fn find(&self, object: &str, to: Home) -> Result<(&dyn Bucket, ObjectKey, u64), Failure> {
        let from = if to == Home::Public { Home::Private } else { Home::Public };
        for side in [from, to] {
            let (bucket, key) = self.side(object, side);
            if let Some(info) = bucket.stat(&key).await.map_err(|error| bucket_failure(&error))? {
                return Ok((bucket, key, info.size));
            }
        }
        Err(Failure::Retryable { why: format!("{object} is in neither bucket") })
    }

    async fn clear(&self, object: &str, side: Home) -> Result<(), Failure> {
        let (bucket, key) = self.side(object, side);
        let there = bucket.stat(&key).await.map_err(|error| bucket_failure(&error))?;
        let Some(there) = there else { return Ok(()) };
        match bucket.delete(&key, Precondition::Generation(there.generation)).await {
            Ok(()) => Ok(()),
            Err(BucketError::PreconditionFailed { .. }) => {
                let why = format!("{key} was put anew meanwhile");
                Err(Failure::Postponed { delay: CHANGED, why })
            }
            Err(error) => Err(bucket_failure(&error)),
        }
    }
}

/// Writes bytes to the disk, and believes them only when they are what their name says.
async fn receive(
    mut object: Object,
    arriving: &Arriving,
    expected: Sha256,
) -> Result<(u64, Crc32c), Failure> {
    let disk = |error: std::io::Error| Failure::Postponed { delay: AWAY, why: error.to_string() };
    let mut file = File::create(arriving.path()).await.map_err(disk)?;
    let (mut sha256, mut crc32c, mut len) = (sha2::Sha256::new(), Crc32c::of(b""), 0_u64);
    while let Some(chunk) = object.body.next().await {
        let chunk = chunk.map_err(|error| bucket_failure(&error))?;
        sha256.update(&chunk);
        crc32c = crc32c.append(&chunk);
        len += u64::try_from(chunk.len()).expect("a chunk fits in memory");
        file.write_all(&chunk).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    // A bucket on the same disk takes the file over as it is.
    file.sync_data().await.map_err(disk)?;
    let found = Sha256(sha256.finalize().into());
    if found == expected {
        return Ok((len, crc32c));
    }
    let why = format!("{} holds bytes with the hash {found}", object.info.key);
    Err(Failure::Retryable { why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bucket::MemoryBucket, store::MemoryKv};

    /// Enough for what is moved here.
    const ROOM: u64 = 1 << 20;

    #[tokio::test]
    async fn bytes_that_were_brought_home_already_are_found_there() {
        let folder = tempfile::tempdir().unwrap();
        let (public, private) = (MemoryBucket::new(), MemoryBucket::new());
        let mover = Mover {
            public: Arc::new(public.clone()),
            private: Arc::new(private.clone()),
            spool: Spool::open(folder.path().to_owned(), ROOM).await.unwrap(),
            store: Store::new(Arc::new(MemoryKv::default())),
            hands: Hands::default(),
        };
        let (object, bytes): (_, &[u8]) = ("media/clip.mp4", b"bytes");
        let sha256 = Sha256(sha2::Sha256::digest(bytes).into());
        for (to, name, there) in [
            (Home::Private, format!("{HIDDEN}{object}"), &private),
            (Home::Public, object.to_owned(), &public),
        ] {
            let nowhere = mover.copy(object, sha256, to).await;
            assert!(matches!(nowhere, Err(Failure::Retryable { .. })), "{nowhere:?}");
            let key = ObjectKey::new(name).unwrap();
            there
                .put(&key, bytes::Bytes::from_static(bytes).into(), Precondition::Always)
                .await
                .unwrap();
            mover.copy(object, sha256, to).await.unwrap();
            assert_eq!(there.objects()[&key], bytes);
            mover.clear(object, to).await.unwrap();
        }
    }
}
