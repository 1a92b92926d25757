//! Keeps the right to write: one process publishes into a bucket, and no other.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::sleep};
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
    lease: Arc<Mutex<Option<Lease>>>,
    clock: Clock,
}

impl Keeper {
    /// Keeps a lease that was taken.
    pub fn new(lease: Lease, clock: Clock) -> Self {
        Self { lease: Arc::new(Mutex::new(Some(lease))), clock }
    }

    /// Renews it until it is given back. Losing it ends the process: somebody else writes now.
    pub(super) async fn keep(self, alarm: Alarm) {
        loop {
            sleep(RENEW_EVERY).await;
            if self.lease.lock().await.is_none() {
                // Given back: the process ends in order.
                return;
            }
            match self.renew().await {
                Ok(()) => debug!("lease renewed"),
                Err(error @ (LeaseError::Lost | LeaseError::Held { .. })) => {
                    return alarm.ring("publisher", error.to_string());
                }
                Err(error) => warn!(%error, "the lease can't be renewed now"),
            }
        }
    }

    /// Whether the bucket took it lately, so that nobody else can write.
    pub async fn is_held(&self) -> bool {
        let lease = self.lease.lock().await;
        lease.as_ref().is_some_and(|lease| lease.is_valid(self.clock.now().into()))
    }

    /// Makes sure that nobody else can write while we do.
    pub(in crate::actors) async fn assure(&self) -> Result<(), LeaseError> {
        if self.is_held().await { Ok(()) } else { self.renew().await }
    }

    async fn renew(&self) -> Result<(), LeaseError> {
        match self.lease.lock().await.as_mut() {
            Some(lease) => lease.renew(self.clock.now().into()).await,
            None => Err(LeaseError::Lost),
        }
    }

    /// Gives it back.
    pub(super) async fn release(&self) {
        if let Some(lease) = self.lease.lock().await.take()
            && let Err(error) = lease.release().await
        {
            warn!(%error, "the lease could not be given back; it ends by itself within a minute");
        }
    }
}
