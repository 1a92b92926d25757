//! The right to write an archive, held by one process at a time as an object in its bucket.
//!
//! `app` acquires it before anything writes, renews it while the service runs and gives it back at the end.
//! A crash leaves it behind: the same state folder takes it back at once, anybody else when it has expired.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::bucket::{Bucket, BucketError, Generation, ObjectKey, Precondition};

/// Where the lease lies, at the root for a person to find.
const LEASE_KEY: &str = "lease.json";

/// A lease has some two hundred bytes; whatever is longer is none.
const MAX_LEASE_LEN: usize = 64 * 1024;

/// Somebody may come first once or twice; who loses more often meets a bucket that is not in order.
const MAX_TRIES: usize = 5;

/// Who wants to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Says that two runs are of the same archive: kept in the state folder, which one process owns at a time.
    pub id: String,
    /// The machine, for the person who wonders.
    pub host: String,
    /// The process there, for the same person.
    pub process: u32,
}

/// What `lease.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    #[serde(flatten)]
    holder: Holder,
    #[serde(with = "time::serde::rfc3339")]
    acquired: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires: OffsetDateTime,
}

/// The right to write, until it expires.
#[derive(Debug)]
#[must_use = "a lease that is not released keeps others out until it expires"]
pub struct Lease {
    bucket: Arc<dyn Bucket>,
    claim: Claim,
    generation: Generation,
    ttl: Duration,
}

/// A lease as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Who has it.
    pub holder: Holder,
    /// When it expires unless it is renewed.
    pub expires: OffsetDateTime,
}

/// Why there is no right to write.
#[derive(Debug, Error)]
pub enum LeaseError {
    /// Somebody else has it.
    #[error(
        "another Bowerbird writes to this archive: process {process} on {host}, until {until} unless it goes on. \
         Stop that one, or give this one an archive of its own; after a crash, wait until then"
    )]
    Held {
        /// The machine that writes.
        host: String,
        /// The process that writes.
        process: u32,
        /// When the lease expires unless it is renewed.
        until: String,
    },
    /// We had it, and it is not ours any more.
    #[error("the lease on this archive was lost to another writer")]
    Lost,
    /// `lease.json` is of no version that we know.
    #[error("lease.json cannot be understood: if nothing else writes to this archive, delete it")]
    Unreadable(#[source] serde_json::Error),
    /// The bucket did not let us see or change it.
    #[error("use the lease")]
    Bucket(#[from] BucketError),
}

/// What to do about a lease that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Take,
    LeaveToHolder,
}

impl Lease {
    /// Takes the lease when it is free, expired or left by our own crash.
    pub async fn acquire(
        bucket: Arc<dyn Bucket>,
        holder: Holder,
        now: OffsetDateTime,
        ttl: Duration,
    ) -> Result<Self, LeaseError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::take(&bucket, &holder, now, ttl).await {
                // Somebody was faster, while we read or before we wrote: look again who it was.
                Err(LeaseError::Bucket(BucketError::PreconditionFailed { .. }))
                    if tries < MAX_TRIES => {}
                result => return result,
            }
        }
    }

    /// Who has the lease, or had it last; none when it was given back.
    pub async fn look(bucket: &dyn Bucket) -> Result<Option<Leased>, LeaseError> {
        let there = read(bucket).await?;
        Ok(there.map(|(claim, _)| Leased { holder: claim.holder, expires: claim.expires }))
    }

    async fn take(
        bucket: &Arc<dyn Bucket>,
        holder: &Holder,
        now: OffsetDateTime,
        ttl: Duration,
    ) -> Result<Self, LeaseError> {
        let there = read(bucket.as_ref()).await?;
        let when = match there {
            None => Precondition::Absent,
            Some((claim, _)) if decide(Some(&claim), holder, now) == Decision::LeaveToHolder => {
                return Err(claim.held());
            }
            Some((_, generation)) => Precondition::Generation(generation),
        };
        let claim = Claim { holder: holder.clone(), acquired: now, expires: now + ttl };
        let generation = write(bucket.as_ref(), &claim, when).await?;
        Ok(Self { bucket: Arc::clone(bucket), claim, generation, ttl })
    }

    /// Extends the lease; [`LeaseError::Lost`] means that writing must stop now.
    pub async fn renew(&mut self, now: OffsetDateTime) -> Result<(), LeaseError> {
        match self.extend(now).await {
            Err(LeaseError::Bucket(BucketError::PreconditionFailed { .. })) => {
                // A renewal whose answer was lost left another generation of what is still ours.
                match read(self.bucket.as_ref()).await? {
                    Some((claim, generation)) if self.is_ours(&claim) => {
                        self.generation = generation;
                        self.extend(now).await.map_err(|error| match error {
                            LeaseError::Bucket(BucketError::PreconditionFailed { .. }) => {
                                LeaseError::Lost
                            }
                            other => other,
                        })
                    }
                    _ => Err(LeaseError::Lost),
                }
            }
            result => result,
        }
    }

    async fn extend(&mut self, now: OffsetDateTime) -> Result<(), LeaseError> {
        let claim = Claim { expires: now + self.ttl, ..self.claim.clone() };
        let when = Precondition::Generation(self.generation);
        self.generation = write(self.bucket.as_ref(), &claim, when).await?;
        self.claim = claim;
        Ok(())
    }

    /// Whether a claim is one that we made, in this very life.
    fn is_ours(&self, claim: &Claim) -> bool {
        claim.holder == self.claim.holder && claim.acquired == self.claim.acquired
    }

    /// Whether nobody else can have it yet.
    pub fn is_valid(&self, now: OffsetDateTime) -> bool {
        now < self.claim.expires
    }

    /// Gives it back, so that the next writer need not wait.
    pub async fn release(self) -> Result<(), LeaseError> {
        match self.bucket.delete(&key(), Precondition::Generation(self.generation)).await {
            // It expired and is another's: nothing to give back.
            Ok(()) | Err(BucketError::PreconditionFailed { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Claim {
    fn held(&self) -> LeaseError {
        let until = self.expires.format(&Rfc3339).unwrap_or_else(|_| self.expires.to_string());
        let Holder { host, process, .. } = &self.holder;
        LeaseError::Held { host: host.clone(), process: *process, until }
    }
}

/// Who may write now. Clocks that differ make a lease longer or shorter, not double:
/// each change of `lease.json` and of the manifest names the generation it replaces.
fn decide(there: Option<&Claim>, holder: &Holder, now: OffsetDateTime) -> Decision {
    match there {
        None => Decision::Take,
        Some(claim) if claim.holder.id == holder.id => Decision::Take,
        Some(claim) if claim.expires <= now => Decision::Take,
        Some(_) => Decision::LeaveToHolder,
    }
}

async fn read(bucket: &dyn Bucket) -> Result<Option<(Claim, Generation)>, LeaseError> {
    let object = match bucket.get(&key(), None).await {
        Ok(object) => object,
        Err(BucketError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let generation = object.info.generation;
    let bytes = object.bytes(MAX_LEASE_LEN).await?;
    let claim = serde_json::from_slice(&bytes).map_err(LeaseError::Unreadable)?;
    Ok(Some((claim, generation)))
}

async fn write(
    bucket: &dyn Bucket,
    claim: &Claim,
    when: Precondition,
) -> Result<Generation, BucketError> {
    let bytes = serde_json::to_vec_pretty(claim).map_err(|error| BucketError::Broken {
        action: "write the lease as JSON",
        source: error.into(),
    })?;
    Ok(bucket.put(&key(), bytes.into(), when).await?.generation)
}

fn key() -> ObjectKey {
    ObjectKey::new(LEASE_KEY).expect("the lease has a valid key")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::bucket::{Faults, FlakyBucket, MemoryBucket};

    const NOON: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
    const TTL: Duration = Duration::from_mins(1);

    fn holder(id: &str) -> Holder {
        Holder { id: id.to_owned(), host: format!("{id}.example"), process: 7 }
    }

    #[track_caller]
    fn check(there: Option<(&str, Duration)>, us: &str, expected: Decision) {
        let claim = there.map(|(id, age)| Claim {
            holder: holder(id),
            acquired: NOON - age,
            expires: NOON - age + TTL,
        });
        assert_eq!(decide(claim.as_ref(), &holder(us), NOON), expected);
    }

    #[test]
    fn who_may_write() {
        let seconds = Duration::from_secs;
        check(None, "us", Decision::Take);
        check(Some(("them", seconds(0))), "us", Decision::LeaveToHolder);
        check(Some(("them", seconds(59))), "us", Decision::LeaveToHolder);
        check(Some(("them", seconds(60))), "us", Decision::Take);
        check(Some(("us", seconds(0))), "us", Decision::Take);
        check(Some(("us", seconds(600))), "us", Decision::Take);
    }

    #[tokio::test]
    async fn what_the_file_says_stays_readable() {
        let bucket = MemoryBucket::new();
        let lease =
            Lease::acquire(Arc::new(bucket.clone()), holder("us"), NOON, TTL).await.unwrap();
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&bucket.objects()[&key()]).unwrap(),
            serde_json::json!({
                "id": "us",
                "host": "us.example",
                "process": 7,
                "acquired": "2026-03-01T12:00:00Z",
                "expires": "2026-03-01T12:01:00Z",
            })
        );
        lease.release().await.unwrap();
        assert!(bucket.objects().is_empty());
    }

    #[tokio::test]
    async fn a_renewal_whose_answer_was_lost_loses_no_lease() {
        let memory = MemoryBucket::new();
        let flaky = FlakyBucket::new(Arc::new(memory), Faults::default(), 1);
        let bucket: Arc<dyn Bucket> = Arc::new(flaky.clone());
        let mut lease = Lease::acquire(bucket.clone(), holder("us"), NOON, TTL).await.unwrap();
        flaky.set_faults(Faults { answer_lost: 1.0, ..Faults::default() });
        let later = |seconds| NOON + Duration::from_secs(seconds);
        assert!(matches!(lease.renew(later(20)).await, Err(LeaseError::Bucket(_))));
        flaky.set_faults(Faults::default());
        lease.renew(later(40)).await.unwrap();
        assert!(lease.is_valid(later(99)));
        // Another's is not ours, however alike.
        let next = Lease::acquire(bucket, holder("them"), later(101), TTL).await.unwrap();
        assert!(matches!(lease.renew(later(102)).await, Err(LeaseError::Lost)));
        drop(next);
    }

    #[tokio::test]
    async fn what_is_no_lease_is_left_alone() {
        let bucket = MemoryBucket::new();
        bucket.put(&key(), b"{}".to_vec().into(), Precondition::Always).await.unwrap();
        let lease = Lease::acquire(Arc::new(bucket), holder("us"), NOON, TTL).await;
        assert!(matches!(lease, Err(LeaseError::Unreadable(_))), "{lease:?}");
    }
}
