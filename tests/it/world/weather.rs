//! How reliable the ports are, and how often they were not.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

/// The weather over all ports but the bucket, which has its own. The world changes it while a process lives.
#[derive(Clone, Debug)]
pub(super) struct Weather(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    climate: Climate,
    met: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Debug)]
pub(super) struct Climate {
    /// How often Discord fails though its caller was patient.
    pub(super) discord_away: f64,
    /// How often a file comes damaged or not at all.
    pub(super) cdn_fails: f64,
    /// How often a gateway connection is lost.
    pub(super) gateway_drops: f64,
    /// How often a lost session can't be resumed.
    pub(super) session_ends: f64,
    /// How often ffmpeg hangs or crashes on a file.
    pub(super) ffmpeg_fails: f64,
    /// How often the disk refuses a commit or a flush.
    pub(super) disk_fails: f64,
    /// Whether Discord makes links new by the batch.
    pub(super) batches: Batches,
    /// How often a link gets no answer in a batch.
    pub(super) pairs_lost: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batches {
    Offered,
    Missing,
}

impl Climate {
    pub(super) fn calm() -> Self {
        Self {
            discord_away: 0.0,
            cdn_fails: 0.0,
            gateway_drops: 0.0,
            session_ends: 0.0,
            ffmpeg_fails: 0.0,
            disk_fails: 0.0,
            batches: Batches::Offered,
            pairs_lost: 0.0,
        }
    }

    pub(super) fn foul() -> Self {
        Self {
            discord_away: 0.08,
            cdn_fails: 0.3,
            gateway_drops: 0.1,
            session_ends: 0.3,
            ffmpeg_fails: 0.2,
            disk_fails: 0.01,
            batches: Batches::Offered,
            pairs_lost: 0.2,
        }
    }
}

impl Weather {
    pub(super) fn new(climate: Climate) -> Self {
        Self(Arc::new(Mutex::new(State { climate, met: BTreeMap::new() })))
    }

    pub(super) fn now(&self) -> Climate {
        self.state().climate.clone()
    }

    pub(super) fn turn(&self, climate: Climate) {
        self.state().climate = climate;
    }

    /// A fault happens.
    pub(super) fn meets(&self, fault: &'static str) {
        tracing::debug!(fault, "weather");
        *self.state().met.entry(fault).or_default() += 1;
    }

    /// How often each fault happened.
    pub(super) fn met(&self) -> BTreeMap<&'static str, u64> {
        self.state().met.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
