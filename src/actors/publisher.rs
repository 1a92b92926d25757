//! Publishes: shards, indexes, people, the page, and the manifest last.
//!
//! Woken by Persistence. What changes within a minute is one publication, or sooner where a link would die. Names say
//! what is in a file, so a reader sees the old archive or the new one. A crash loses one publication: whatever it
//! wrote is found there by the next, and what nothing names goes an hour later.

mod avatars;
mod lease;
mod places;
mod publication;
mod sweep;

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};
use tracing::{debug, info, warn};

use self::{
    avatars::Avatars,
    publication::{Editor, Occasion},
};
pub use self::{
    lease::{Keeper, LEASE_LASTS},
    places::shown_places,
    publication::{Page, PublishError},
};
use super::{Drain, Wake, alarm::Alarm, persistence::Ledger};
use crate::{
    bucket::{Bucket, LeaseError},
    cdn::Cdn,
    clock::Clock,
    domain::{
        selection::{PlaceSelection, Policy},
        time::Timestamp,
    },
    store::Store,
};

/// One wake-up says as much as ten: what changed is in the store.
pub const MAILBOX: usize = 1;

/// How long to wait for entries to be gone through after another selection was made.
const UNREADY: Duration = Duration::from_millis(100);

/// How long to wait after a publication failed.
const AWAY: Duration = Duration::from_secs(10);

/// Publishes what changed.
pub struct Publisher {
    parts: Parts,
    bell: Arc<Notify>,
    stage: watch::Sender<Stage>,
}

/// What [`Publisher`] needs to live, and to live again.
#[derive(Clone)]
pub struct Parts {
    /// Where it publishes.
    pub bucket: Arc<dyn Bucket>,
    /// Where people's pictures come from.
    pub cdn: Arc<dyn Cdn>,
    /// The address under which Discord serves them.
    pub pictures: String,
    /// Where what was published is written down.
    pub ledger: Ledger,
    /// What is to be published.
    pub store: Store,
    /// Tells when.
    pub clock: Clock,
    /// What is wanted.
    pub policy: Arc<Policy>,
    /// Which places are shown.
    pub selection: Arc<PlaceSelection>,
    /// The page around the data.
    pub page: Page,
    /// The right to write.
    pub lease: Keeper,
    /// Hears of what only a person can mend.
    pub alarm: Alarm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Closing,
    Closed,
}

impl Publisher {
    /// A publisher over these parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts, bell: Arc::default(), stage: watch::Sender::new(Stage::Open) }
    }
}

impl Actor for Publisher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let parts = self.parts.clone();
        let keep = parts.lease.clone().keep(parts.alarm.clone());
        ctx.spawn(keep.into_actor(self));
        ctx.spawn(run(parts, Arc::clone(&self.bell), self.stage.clone()).into_actor(self));
    }
}

impl Supervised for Publisher {}

impl Handler<Wake> for Publisher {
    type Result = ();

    fn handle(&mut self, Wake: Wake, _: &mut Self::Context) {
        self.bell.notify_one();
    }
}

impl Handler<Drain> for Publisher {
    type Result = ResponseFuture<()>;

    /// Publishes what there is. The lease is given back by whoever knows that nobody else writes.
    fn handle(&mut self, Drain: Drain, _: &mut Self::Context) -> Self::Result {
        self.stage.send_if_modified(|stage| {
            let open = *stage == Stage::Open;
            if open {
                *stage = Stage::Closing;
            }
            open
        });
        self.bell.notify_one();
        let mut stage = self.stage.subscribe();
        Box::pin(async move {
            // Fails only when nobody is left to close.
            stage.wait_for(|stage| *stage == Stage::Closed).await.ok();
        })
    }
}

async fn run(parts: Parts, bell: Arc<Notify>, stage: watch::Sender<Stage>) {
    let avatars = Avatars::new(&parts);
    let editor = Editor::new(parts.clone());
    // When something is looked at though nothing rang: coverage is published too, and rings for nobody. Not by the wall
    // clock: when that is set back, what was due by it would be due in hours or years.
    let mut next_round = Instant::now();
    // Whether the last publication failed. It is said once, and once that it works again.
    let mut failing = false;
    loop {
        let closing = *stage.borrow() != Stage::Open;
        if !closing {
            editor.erase().await;
        }
        let now = parts.clock.now();
        let due = editor.due().await.is_some_and(|by| by <= now);
        if due || closing || next_round <= Instant::now() {
            if !editor.is_ready().await {
                if closing {
                    stage.send_replace(Stage::Closed);
                    return;
                }
                sleep(UNREADY).await;
                continue;
            }
            let hopeless = Arc::new(avatars.copy_new().await);
            let occasion = if closing { Occasion::End } else { Occasion::Round };
            match editor.publish(&hopeless, occasion).await {
                Ok(()) if closing => {
                    stage.send_replace(Stage::Closed);
                    return;
                }
                Ok(()) => {
                    if std::mem::take(&mut failing) {
                        info!("published again");
                    }
                    next_round = Instant::now() + parts.policy.publish_every;
                }
                // Somebody else writes now, and finds the archive as it is.
                Err(PublishError::Lease(error @ (LeaseError::Lost | LeaseError::Held { .. }))) => {
                    parts.alarm.ring("publisher", error.to_string());
                    stage.send_replace(Stage::Closed);
                    return;
                }
                Err(error) if closing => {
                    warn!(%error, "not published before the end; the next start does it");
                    stage.send_replace(Stage::Closed);
                    return;
                }
                Err(error) => {
                    if std::mem::replace(&mut failing, true) {
                        debug!(%error, "not published yet");
                    } else {
                        warn!(%error, "not published; it goes on by itself");
                    }
                    let mut stage = stage.subscribe();
                    tokio::select! {
                        () = sleep(AWAY) => {}
                        _ = stage.wait_for(|stage| *stage != Stage::Open) => {}
                    }
                    continue;
                }
            }
        }
        let by = editor.due().await;
        wait(&parts, &bell, by, next_round).await;
    }
}

async fn wait(parts: &Parts, bell: &Notify, by: Option<Timestamp>, next_round: Instant) {
    let round = next_round.saturating_duration_since(Instant::now());
    let pause = by.map_or(round, |by| by.since(parts.clock.now()).min(round));
    tokio::select! {
        biased;
        () = bell.notified() => {}
        () = sleep(pause.max(Duration::from_millis(10))) => {}
    }
}
