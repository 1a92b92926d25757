//! The wall clock, as a value that is handed around, so that tests can own time.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::SystemTime,
};

use tokio::time::Instant;

use crate::domain::time::Timestamp;

/// The error of a clock that is right.
static NONE: AtomicI64 = AtomicI64::new(0);

/// Tells the time.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's clock, which may be set and may jump.
    System,
    /// Runs with tokio's clock, so that a test which pauses the one pauses the other.
    Simulated {
        /// When it was started.
        started: Instant,
        /// What it showed then.
        showing: Timestamp,
        /// By how many milliseconds it is wrong: somebody may set it, and set it right.
        error: &'static AtomicI64,
    },
}

impl Clock {
    /// A clock that shows `showing` now and runs with tokio's.
    pub fn simulated(showing: Timestamp) -> Self {
        Self::wrong(showing, &NONE)
    }

    /// The same, but that it is wrong by so many milliseconds, which may change.
    pub fn wrong(showing: Timestamp, error: &'static AtomicI64) -> Self {
        Self::Simulated { started: Instant::now(), showing, error }
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since =
                    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Simulated { started, showing, error } => {
                let right = showing.after(started.elapsed());
                Timestamp::from_millis(right.as_millis() + error.load(Ordering::Relaxed))
            }
        }
    }
}
