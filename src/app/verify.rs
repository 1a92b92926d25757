//! Verifies where no service runs: with the store and the bucket alone, or, to repair, with all that the service has.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

use super::{Service, ledger};
use crate::{
    actors::{
        alarm::Alarm,
        persistence::{self, Persistence},
        supervisor::Supervisor,
        verifier::{Board, Examiner, in_full},
    },
    audit::report::{Depth, Progress},
    bucket::Bucket,
    clock::Clock,
    domain::selection::{PlaceSelection, Policy},
    store::Store,
};

pub use crate::actors::verifier::{Outcome, Purpose, Verify};

/// What is looked at, and with which wishes.
pub struct Subject {
    /// Where the archive is.
    pub bucket: Arc<dyn Bucket>,
    /// What is known.
    pub store: Store,
    /// Which files are wanted.
    pub policy: Policy,
    /// Which places are shown.
    pub selection: PlaceSelection,
}

/// Looks at an archive beside its catalogue, with nothing of the service but the writer of the store.
pub async fn look(
    subject: Subject,
    depth: Depth,
    width: usize,
    progress: &watch::Sender<Progress>,
) -> Outcome {
    let Subject { bucket, store, policy, selection } = subject;
    let alarm = Alarm::default();
    let (persistence, seat) =
        Supervisor::new(alarm.clone()).seat("persistence", persistence::MAILBOX);
    let policy = Arc::new(policy);
    seat.start(Persistence::new(persistence::Parts {
        store: store.clone(),
        policy: Arc::clone(&policy),
        clock: Clock::System,
        alarm,
        wakes: BTreeMap::new(),
        commits: watch::Sender::new(0),
    }));
    let examiner = Examiner {
        bucket,
        store,
        ledger: ledger(&persistence),
        policy,
        selection: Arc::new(selection),
        clock: Clock::System,
    };
    let examined = examiner.examine(depth, width, progress).await;
    let report = examined.map(|examination| examination.report).map_err(|error| in_full(&error));
    examiner.remember(&report, depth).await;
    match report {
        Ok(report) => Outcome::Told(Box::new(report)),
        Err(why) => Outcome::Failed(why),
    }
}

/// Has a service of our own verify, and waits for what comes of it.
pub async fn with_service(
    service: &Service,
    verify: Verify,
    progress: &watch::Sender<Progress>,
) -> anyhow::Result<Outcome> {
    let number = service.verifier().send(verify).await?;
    let mut board = service.board.clone();
    loop {
        let found = {
            let now = board.borrow_and_update();
            if let Some(far) = &now.progress {
                progress.send_replace(far.clone());
            }
            Board::outcome(&now, number).cloned()
        };
        if let Some(outcome) = found {
            return Ok(outcome);
        }
        tokio::select! {
            fatal = service.alarm.rung() => anyhow::bail!("{fatal}"),
            changed = board.changed() => changed?,
        }
    }
}
