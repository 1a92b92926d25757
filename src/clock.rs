//! The wall clock, as a value that is handed around, so that tests can own time.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::domain::time::Timestamp;

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
    },
}

impl Clock {
    /// A clock that shows `showing` now and runs with tokio's.
    pub fn simulated(showing: Timestamp) -> Self {
        Self::Simulated { started: Instant::now(), showing }
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since =
                    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Simulated { started, showing } => showing.after(started.elapsed()),
        }
    }
}
