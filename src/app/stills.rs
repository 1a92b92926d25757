//! Whether stills can be made on this machine: work that is to end must not wait for what can't be done.

use std::time::Duration;

use super::{Service, open};
use crate::{actors::alarm::Fatal, store::Tally};

/// Whether stills can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stills {
    /// The programs are there.
    Possible,
    /// They are not.
    Impossible {
        /// What is missing, and how to get it.
        why: String,
    },
}

impl Stills {
    /// Looks for the programs.
    pub async fn find_out() -> Self {
        match open::ffmpeg().versions().await {
            Ok(_) => Self::Possible,
            Err(error) => Self::Impossible { why: error.to_string() },
        }
    }
}

/// Returns when everything is done; where no stills can be made, when everything else is. They stay noted.
pub async fn until_done(service: &Service, stills: &Stills) -> Result<(), Fatal> {
    if *stills == Stills::Possible {
        return service.done().await;
    }
    let mut commits = service.commits.clone();
    loop {
        let read = service.has_read();
        let left = service.store.tallies().map(|tallies| tallies.get(Tally::DownloadsWaiting));
        if read && left.is_ok_and(|left| left == 0) {
            return Ok(());
        }
        tokio::select! {
            fatal = service.alarm.rung() => return Err(fatal),
            _ = commits.changed() => {}
            // Reading may end without a commit.
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}
