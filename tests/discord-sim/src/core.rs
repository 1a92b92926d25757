//! What REST, CDN and gateway of one running simulator share.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    faults::{Fault, Request, Rules},
    options::{Options, Refresh},
    rate::Limiter,
    sign::Signer,
    starts::{Remaining, Starts, TooMany},
    stats::Ledger,
    world::World,
};

pub(crate) struct Core {
    pub(crate) world: World,
    pub(crate) options: Options,
    pub(crate) signer: Signer,
    /// `ws://127.0.0.1:PORT`, which READY and `GET /gateway` name.
    pub(crate) gateway: String,
    rules: Mutex<Rules>,
    limiter: Mutex<Limiter>,
    ledger: Mutex<Ledger>,
    refresh: Mutex<Refresh>,
    search: Mutex<Search>,
    starts: Mutex<Starts>,
}

/// How the search index is doing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// Searches that are still answered with 202.
    pub(crate) not_ready: u64,
    pub(crate) retry_after: Duration,
}

impl Core {
    pub(crate) fn new(world: World, options: Options, signer: Signer, gateway: String) -> Self {
        Self {
            world,
            rules: Mutex::new(Rules::new(options.faults.clone(), options.fault_seed)),
            limiter: Mutex::new(Limiter::new(options.rate_limits.clone())),
            ledger: Mutex::default(),
            refresh: Mutex::new(options.refresh),
            search: Mutex::new(Search { not_ready: 0, retry_after: Duration::ZERO }),
            starts: Mutex::new(Starts::new(&options.gateway)),
            signer,
            options,
            gateway,
        }
    }

    pub(crate) fn rules(&self) -> MutexGuard<'_, Rules> {
        unpoisoned(&self.rules)
    }

    pub(crate) fn limiter(&self) -> MutexGuard<'_, Limiter> {
        unpoisoned(&self.limiter)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        unpoisoned(&self.ledger)
    }

    pub(crate) fn refresh(&self) -> MutexGuard<'_, Refresh> {
        unpoisoned(&self.refresh)
    }

    pub(crate) fn search(&self) -> MutexGuard<'_, Search> {
        unpoisoned(&self.search)
    }

    /// What is left of the day's session starts.
    pub(crate) fn starts(&self) -> Remaining {
        unpoisoned(&self.starts).remaining(Instant::now())
    }

    /// Counts an IDENTIFY of a shard.
    pub(crate) fn start_session(&self, shard: u32, now: Instant) -> Result<(), TooMany> {
        unpoisoned(&self.starts).take(shard, now)
    }

    pub(crate) fn strike(&self, request: Request<'_>, path: &str) -> Vec<Fault> {
        self.rules().strike(request, path)
    }

    pub(crate) fn violation(&self, text: String) {
        self.ledger().violations.push(text);
    }
}

/// A panic elsewhere must not hide behind a poisoned lock: these values are whole between calls.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
