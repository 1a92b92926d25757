//! Keeps the right to write: one process publishes into a bucket, and no other.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use tracing::{debug, warn};

use crate::{
    actors::alarm::Alarm,
    bucket::{Lease, LeaseError},
    clock::Clock,
};

/// How long a lease lasts: an outage of the bucket that is shorter costs nothing, and after a crash on another
/// machine the archive waits no longer than this.
pub const LEASE_LASTS: Duration = Duration::from_mins(1);

/// How often it is renewed: it may fail twice.
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// Holds the lease and renews it.
#[derive(Clone, Debug)]
pub struct Keeper {
    lease: Arc<Mutex<Option<Held>>>,
    clock: Clock,
}

#[derive(Debug)]
struct Held {
    lease: Lease,
    /// When it was last ours for certain. The wall clock may be set back, and this one can't.
    proved: Instant,
}

impl Keeper {
    /// Keeps a lease that was taken.
    pub fn new(lease: Lease, clock: Clock) -> Self {
        let held = Held { lease, proved: Instant::now() };
        Self { lease: Arc::new(Mutex::new(Some(held))), clock }
    }

    /// Renews it until it is given back. Losing it ends the process: somebody else writes now.
    pub(super) async fn keep(self, alarm: Alarm) {
        // Whether the last renewal failed, which is said once.
        let mut failing = false;
        loop {
            sleep(RENEW_EVERY).await;
            if self.lease.lock().await.is_none() {
                // Given back: the process ends in order.
                return;
            }
            match self.renew().await {
                Ok(()) => {
                    failing = false;
                    debug!("lease renewed");
                }
                Err(error @ (LeaseError::Lost | LeaseError::Held { .. })) => {
                    return alarm.ring("publisher", error.to_string());
                }
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    warn!(%error, "the lease can't be renewed now; nothing is published before it is");
                }
                Err(error) => debug!(%error, "the lease can't be renewed yet"),
            }
        }
    }

    /// Keeps it alive while some work goes on that takes longer than it lasts. Losing it ends the work.
    pub async fn hold_during<T>(self, work: impl Future<Output = T>) -> Result<T, LeaseError> {
        let renewing = async {
            loop {
                sleep(RENEW_EVERY).await;
                match self.renew().await {
                    Err(error @ (LeaseError::Lost | LeaseError::Held { .. })) => return error,
                    Err(error) => warn!(%error, "the lease can't be renewed now"),
                    Ok(()) => {}
                }
            }
        };
        tokio::select! {
            lost = renewing => Err(lost),
            done = work => Ok(done),
        }
    }

    /// Whether the bucket took it lately, so that nobody else can write.
    pub async fn is_held(&self) -> bool {
        let lease = self.lease.lock().await;
        lease.as_ref().is_some_and(|held| {
            held.lease.is_valid(self.clock.now().into()) && held.proved.elapsed() < LEASE_LASTS
        })
    }

    /// Makes sure that nobody else can write while we do.
    pub async fn assure(&self) -> Result<(), LeaseError> {
        if self.is_held().await { Ok(()) } else { self.renew().await }
    }

    /// Makes sure that nobody took it from us, whatever the clock says.
    pub(super) async fn prove(&self) -> Result<(), LeaseError> {
        self.renew().await
    }

    async fn renew(&self) -> Result<(), LeaseError> {
        match self.lease.lock().await.as_mut() {
            Some(held) => {
                // Before the bucket is asked: what it answers was true at some moment after this one.
                let asked = Instant::now();
                held.lease.renew(self.clock.now().into()).await?;
                held.proved = asked;
                Ok(())
            }
            None => Err(LeaseError::Lost),
        }
    }

    /// Gives it back.
    pub async fn release(&self) {
        if let Some(held) = self.lease.lock().await.take()
            && let Err(error) = held.lease.release().await
        {
            warn!(%error, "the lease could not be given back; it ends by itself within a minute");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bucket::{Bucket, Holder, MemoryBucket},
        domain::time::Timestamp,
    };

    fn holder(id: &str) -> Holder {
        Holder { id: id.to_owned(), host: format!("{id}.example"), process: 7 }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_back_makes_no_lease_longer() {
        let bucket: Arc<dyn Bucket> = Arc::new(MemoryBucket::new());
        let right = Clock::simulated(Timestamp::from_secs(1_000_000));
        let ours =
            Lease::acquire(Arc::clone(&bucket), holder("us"), right.now().into(), LEASE_LASTS);
        // Our clock was set back by an hour just after we took it.
        let wrong = Clock::simulated(Timestamp::from_secs(1_000_000 - 3_600));
        let keeper = Keeper::new(ours.await.unwrap(), wrong);
        keeper.assure().await.unwrap();
        sleep(LEASE_LASTS).await;
        let theirs = Lease::acquire(bucket, holder("them"), right.now().into(), LEASE_LASTS);
        let theirs = theirs.await.unwrap();
        assert!(matches!(keeper.assure().await, Err(LeaseError::Lost)));
        drop(theirs);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_renewed_though_nothing_is_published() {
        let bucket: Arc<dyn Bucket> = Arc::new(MemoryBucket::new());
        let clock = Clock::simulated(Timestamp::from_secs(1_000_000));
        let take =
            |id| Lease::acquire(Arc::clone(&bucket), holder(id), clock.now().into(), LEASE_LASTS);
        let keeper = Keeper::new(take("us").await.unwrap(), clock);
        let keeping = tokio::spawn(keeper.clone().keep(Alarm::default()));
        sleep(LEASE_LASTS * 3).await;
        assert!(matches!(take("them").await, Err(LeaseError::Held { .. })));
        keeper.release().await;
        keeping.await.unwrap();
        drop(take("them").await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_seems_valid_is_proved_where_it_matters() {
        let bucket: Arc<dyn Bucket> = Arc::new(MemoryBucket::new());
        let clock = Clock::simulated(Timestamp::from_secs(1_000_000));
        let take =
            |id| Lease::acquire(Arc::clone(&bucket), holder(id), clock.now().into(), LEASE_LASTS);
        let keeper = Keeper::new(take("us").await.unwrap(), clock);
        sleep(Duration::from_secs(1)).await;
        // The same state folder elsewhere, as after a restored backup.
        let twin = take("us").await.unwrap();
        keeper.assure().await.unwrap();
        assert!(matches!(keeper.prove().await, Err(LeaseError::Lost)));
        drop(twin);
    }
}
