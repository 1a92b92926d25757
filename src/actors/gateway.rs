//! Listens to Discord's gateway, one shard a connection, and tells Persistence and Backfill.
//!
//! The listening loop waits for nothing but the gateway, or heartbeats would stop: what it hears goes into a bounded
//! line, from which a second task writes it down. When the line is full the connection is closed, and resumed after
//! the last event that is durable; Discord then sends the rest again. So is it after a crash, of the actor or of the
//! process: events are seen twice rather than never.

mod ear;
mod scribe;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::{sync::watch, task::JoinSet, time::sleep};
use tracing::{info, warn};

use self::{ear::Ear, scribe::Scribe};
use super::{
    Drain,
    alarm::Alarm,
    backfill::{LookAt, Touched},
    members::Members,
    persistence::Ledger,
};
use crate::{
    clock::Clock,
    discord::{
        DiscordError,
        gateway::{self, Plan, Session, ShardNumber, spacing, startup_delay},
    },
    domain::{selection::PlaceSelection, time::Timestamp},
    store::Store,
};

/// Nothing but the end is ever sent to it.
pub const MAILBOX: usize = 1;

/// How long to wait when Discord does not say where the gateway is.
const AWAY: Duration = Duration::from_secs(10);

/// Listens to Discord.
pub struct Gateway {
    parts: Parts,
    closing: watch::Sender<bool>,
    closed: watch::Sender<bool>,
}

/// What [`Gateway`] needs to live, and to live again.
#[derive(Clone)]
pub struct Parts {
    /// Opens connections.
    pub gateway: Arc<dyn gateway::Gateway>,
    /// Where events are written down.
    pub ledger: Ledger,
    /// Hears of new messages.
    pub touched: Recipient<Touched>,
    /// Hears of places that changed.
    pub look_at: Recipient<LookAt>,
    /// Knows places, and the sessions of the life before.
    pub store: Store,
    /// Which places are listened to.
    pub selection: Arc<PlaceSelection>,
    /// Tells the time.
    pub clock: Clock,
    /// Hears of what only a person can mend.
    pub alarm: Alarm,
    /// How the shards are.
    pub health: watch::Sender<Health>,
    /// Knows who is not to be archived.
    pub members: Members,
}

/// How the shards are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// How many there should be; none before Discord told.
    pub shards: Option<u32>,
    /// Which are connected.
    pub connected: std::collections::BTreeSet<u32>,
    /// When the gateway last said anything about a server.
    pub heard_at: Option<Timestamp>,
}

impl Health {
    /// Whether every shard listens.
    pub fn is_whole(&self) -> bool {
        self.shards.is_some_and(|shards| u32::try_from(self.connected.len()) == Ok(shards))
    }
}

impl Gateway {
    /// A listener over these parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts, closing: watch::Sender::new(false), closed: watch::Sender::new(false) }
    }
}

impl Actor for Gateway {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (parts, closing, closed) =
            (self.parts.clone(), self.closing.clone(), self.closed.clone());
        ctx.spawn(
            async move {
                parts.health.send_replace(Health::default());
                listen(parts, closing).await;
                closed.send_replace(true);
            }
            .into_actor(self),
        );
    }
}

impl Supervised for Gateway {}

impl Handler<Drain> for Gateway {
    type Result = ResponseFuture<()>;

    /// Hangs up in a way that lets the next process go on, and writes down what was heard.
    fn handle(&mut self, Drain: Drain, _: &mut Self::Context) -> Self::Result {
        self.closing.send_replace(true);
        let mut closed = self.closed.subscribe();
        Box::pin(async move {
            // Fails only when nobody is left to close.
            closed.wait_for(|closed| *closed).await.ok();
        })
    }
}

/// Listens on every shard until asked to close, or until a person has to act.
async fn listen(parts: Parts, closing: watch::Sender<bool>) {
    let Some(plan) = plan(&parts, &closing).await else { return };
    let shards = plan.shards.get();
    parts.health.send_modify(|health| health.shards = Some(shards));
    hold_back(&parts, shards, &closing).await;
    let mut tasks = JoinSet::new();
    for shard in (0..shards).map(ShardNumber) {
        let resume = stored_session(&parts.store, shard, shards).await;
        info!(
            shard = shard.0,
            of = shards,
            resuming = resume.is_some(),
            "connecting to the gateway"
        );
        let (line, heard) = tokio::sync::mpsc::channel(ear::LINE);
        let durable = watch::Sender::new(resume.clone());
        let scribe = Scribe { parts: parts.clone(), shard, shards, durable: durable.clone() };
        let ear = Ear {
            parts: parts.clone(),
            plan: plan.clone(),
            shard,
            line,
            durable: durable.subscribe(),
            closing: closing.subscribe(),
        };
        tasks.spawn(ear.listen(resume));
        tasks.spawn(scribe.write(heard));
    }
    while let Some(done) = tasks.join_next().await {
        if let Err(died) = done {
            std::panic::resume_unwind(died.into_panic());
        }
    }
}

async fn plan(parts: &Parts, closing: &watch::Sender<bool>) -> Option<Plan> {
    loop {
        if *closing.borrow() {
            return None;
        }
        match parts.gateway.plan().await {
            Ok(plan) => return Some(plan),
            Err(error) if error.is_fatal() => {
                parts.alarm.ring("gateway", error.to_string());
                return None;
            }
            Err(error @ DiscordError::Unavailable { .. }) => warn!(%error, "no gateway yet"),
            Err(error) => warn!(%error, "Discord does not say where its gateway is"),
        }
        let mut closing = closing.subscribe();
        tokio::select! {
            () = sleep(AWAY) => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    }
}

/// A service that is restarted again and again would use up the day's sessions. Going on with a session costs none,
/// so only those who need a new one wait.
async fn hold_back(parts: &Parts, shards: u32, closing: &watch::Sender<bool>) {
    let starts = parts.store.read(Store::starts).await.unwrap_or_default();
    let now = parts.clock.now();
    let mut delay = spacing(&starts.at, now);
    for shard in (0..shards).map(ShardNumber) {
        if stored_session(&parts.store, shard, shards).await.is_none() {
            delay = delay.max(startup_delay(&starts.at, now));
            break;
        }
    }
    if delay.is_zero() {
        return;
    }
    info!(?delay, "a session was begun a short while ago: holding back before the next");
    let mut closing = closing.subscribe();
    tokio::select! {
        () = sleep(delay) => {}
        _ = closing.wait_for(|closing| *closing) => {}
    }
}

/// A session from the life before; one that was made for another number of shards can't be resumed.
async fn stored_session(store: &Store, shard: ShardNumber, shards: u32) -> Option<Session> {
    let row = store.read(move |store| store.session(shard.0)).await.ok()??;
    if row.shards != shards {
        return None;
    }
    serde_json::from_str(&row.session).ok()
}

/// What a connection heard, in line to be written down.
#[derive(Debug)]
enum Line {
    Event { sequence: u64, event: gateway::Event },
    Ready(Session),
}

/// Takes from a line as much as is there.
async fn next_batch(heard: &mut tokio::sync::mpsc::Receiver<Line>, most: usize) -> VecDeque<Line> {
    let mut batch = Vec::new();
    heard.recv_many(&mut batch, most).await;
    batch.into()
}
