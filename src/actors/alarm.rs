//! What only a person can mend ends the process, with a reason that says how.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

/// Rings once. Everybody may hold it; the app listens.
#[derive(Clone, Debug, Default)]
pub struct Alarm {
    failure: Arc<watch::Sender<Option<Fatal>>>,
}

/// Why the process must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fatal {
    /// Which part gave up.
    pub part: &'static str,
    /// Why, in words for a person.
    pub reason: String,
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Alarm {
    /// Ends the process with a reason. The first one counts.
    pub fn ring(&self, part: &'static str, reason: String) {
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert(Fatal { part, reason });
            first
        });
    }

    /// Returns when somebody rang.
    pub async fn rung(&self) -> Fatal {
        let mut failure = self.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await;
        let failed = failed.expect("the sender lives as long as we do").clone();
        failed.expect("it was waited for")
    }
}
