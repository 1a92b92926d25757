//! Keeps a copy of the catalogue in the private bucket, some seconds behind, so that a lost disk costs nothing.
//!
//! Woken by commits. It ships what was committed in numbered segments, and copies the whole anew, chunk by chunk, when
//! the segments have grown long, when it finds a gap, and when something was erased. It reads the store and never
//! writes it but through Persistence, which never waits for it: while the bucket is away, commits are kept up to a
//! bound, and beyond it the whole is copied again.
//!
//! A crash here loses nothing that the store has; the next life finds out by the numbers of commits whether the copy
//! is complete.

mod copyist;
pub mod layout;

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::{sync::watch, time::sleep};
use tracing::{debug, error, warn};

use self::copyist::Copyist;
pub use self::copyist::ERASURES_EVERY;
use super::{Drain, alarm::Alarm, persistence::Ledger, publisher::Keeper};
use crate::{bucket::Bucket, clock::Clock, store::Store};

/// It is told to end, and nothing else.
pub const MAILBOX: usize = 1;

/// How long commits are gathered for one segment. A lost disk costs so much work, and each segment is a request: at
/// this pace a month of work without a pause costs about as much as a month of a gigabyte.
const EVERY: Duration = Duration::from_secs(5);

/// How long to wait after the bucket failed.
const AWAY: Duration = Duration::from_secs(30);

/// Copies the catalogue.
pub struct Mirror {
    parts: Parts,
    stage: watch::Sender<Stage>,
}

/// What [`Mirror`] needs to live, and to live again.
#[derive(Clone)]
pub struct Parts {
    /// Where the copy goes.
    pub bucket: Arc<dyn Bucket>,
    /// What is copied.
    pub store: Store,
    /// Where it is written down that what was erased is gone from the copy too.
    pub ledger: Ledger,
    /// Counts commits.
    pub commits: watch::Receiver<u64>,
    /// Tells when.
    pub clock: Clock,
    /// The right to write.
    pub lease: Keeper,
    /// Hears of what only a person can mend.
    pub alarm: Alarm,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Closing,
    Closed,
}

impl Mirror {
    /// A mirror over these parts. What is committed from now on is kept for it.
    pub fn new(parts: Parts) -> Self {
        parts.store.watch();
        Self { parts, stage: watch::Sender::new(Stage::Open) }
    }
}

impl Actor for Mirror {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(run(self.parts.clone(), self.stage.clone()).into_actor(self));
    }
}

impl Supervised for Mirror {}

impl Handler<Drain> for Mirror {
    type Result = ResponseFuture<()>;

    /// Ships what there is.
    fn handle(&mut self, Drain: Drain, _: &mut Self::Context) -> Self::Result {
        self.stage.send_if_modified(|stage| {
            let open = *stage == Stage::Open;
            if open {
                *stage = Stage::Closing;
            }
            open
        });
        let mut stage = self.stage.subscribe();
        Box::pin(async move {
            // Fails only when nobody is left to close.
            stage.wait_for(|stage| *stage == Stage::Closed).await.ok();
        })
    }
}

async fn run(parts: Parts, stage: watch::Sender<Stage>) {
    let mut commits = parts.commits.clone();
    let alarm = parts.alarm.clone();
    let mut copyist = Copyist::new(parts, stage.subscribe());
    let mut ending = stage.subscribe();
    loop {
        let closing = *stage.borrow() != Stage::Open;
        commits.mark_unchanged();
        let round = copyist.round().await;
        if closing {
            match round {
                Ok(()) => debug!("the copy of the state is complete"),
                Err(error) => {
                    warn!(%error, "the copy of the state is not complete; the next start completes it");
                }
            }
            stage.send_replace(Stage::Closed);
            return;
        }
        let pause = match round {
            Ok(()) => {
                tokio::select! {
                    _ = commits.changed() => {}
                    _ = ending.wait_for(|stage| *stage != Stage::Open) => continue,
                    // Time alone makes it necessary to copy anew after an erasure that came too soon after another.
                    () = sleep(ERASURES_EVERY) => {}
                }
                EVERY
            }
            Err(error) if error.needs_person() => {
                error!(%error, "the state is not copied any more");
                return alarm.ring("mirror", error.to_string());
            }
            Err(error) => {
                warn!(%error, "the state can't be copied now; it goes on by itself");
                AWAY
            }
        };
        tokio::select! {
            _ = ending.wait_for(|stage| *stage != Stage::Open) => {}
            () = sleep(pause) => {}
        }
    }
}
