//! Publishes: shards, indexes, people, the page, and the manifest last.
//!
//! Woken by Persistence. What changes within a minute is one publication, or sooner where a link would die. Names say
//! what is in a file, so a reader sees the old archive or the new one. A crash loses one publication: whatever it
//! wrote is found there by the next, and what nothing names goes an hour later.

mod avatars;
mod lease;
mod publication;
mod sweep;

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};
use tracing::warn;

use self::{avatars::Avatars, publication::Editor};
pub use self::{
    lease::{Keeper, LEASE_LASTS},
    publication::{Page, PublishError, shown_places},
};
use super::{Drain, Wake, alarm::Alarm, persistence::Ledger};
use crate::{
    bucket::Bucket,
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

    /// Publishes what there is, and gives the lease back.
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
        let lease = self.parts.lease.clone();
        Box::pin(async move {
            // Fails only when nobody is left to close.
            stage.wait_for(|stage| *stage == Stage::Closed).await.ok();
            lease.release().await;
        })
    }
}

async fn run(parts: Parts, bell: Arc<Notify>, stage: watch::Sender<Stage>) {
    let avatars = Avatars::new(&parts);
    let editor = Editor::new(parts.clone());
    // When something is looked at though nothing rang: coverage is published too, and rings for nobody.
    let mut next_round = parts.clock.now();
    loop {
        let closing = *stage.borrow() != Stage::Open;
        if !closing {
            editor.erase().await;
        }
        let now = parts.clock.now();
        let due = editor.due().await.is_some_and(|by| by <= now);
        if due || closing || next_round <= now {
            if !editor.is_ready().await {
                if closing {
                    stage.send_replace(Stage::Closed);
                    return;
                }
                sleep(UNREADY).await;
                continue;
            }
            let hopeless = Arc::new(avatars.copy_new().await);
            match editor.publish(&hopeless).await {
                Ok(()) if closing => {
                    stage.send_replace(Stage::Closed);
                    return;
                }
                Ok(()) => next_round = parts.clock.now().after(parts.policy.publish_every),
                Err(error) => {
                    warn!(%error, "not published; it goes on by itself");
                    sleep(AWAY).await;
                    continue;
                }
            }
        }
        let by = editor.due().await;
        wait(&parts, &bell, by, next_round).await;
    }
}

async fn wait(parts: &Parts, bell: &Notify, by: Option<Timestamp>, next_round: Timestamp) {
    let now = parts.clock.now();
    let until = by.map_or(next_round, |by| by.min(next_round));
    tokio::select! {
        () = bell.notified() => {}
        () = sleep(until.since(now).max(Duration::from_millis(10))) => {}
    }
}
