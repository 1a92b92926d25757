//! Reads history: everything that is wanted and was not read, however it came to be missing.
//!
//! Resuming, catching up after downtime, `--fetch-history` and confirming what was seen live are one operation:
//! coverage is subtracted from what is wanted, and the holes are read. Gateway tells it of new messages and changed
//! places; it awaits Persistence. A crash loses the pages in flight.

mod crawl;
mod progress;
mod reader;
mod scout;

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::sync::watch;

pub use self::{crawl::Wanted, progress::Progress};
use self::{
    crawl::{Crawl, Inbox},
    reader::Reader,
    scout::Scout,
};
use super::{Drain, Wake, alarm::Alarm, members::Members, persistence::Ledger};
use crate::{
    discord::Discord,
    domain::{
        id::{ChannelId, GuildId, MessageId},
        selection::PlaceSelection,
    },
    store::Store,
};

/// What comes are hints, which may be lost: there is a timer behind each.
pub const MAILBOX: usize = 256;

/// A message was seen in a place, so its end is to be read back from history before long.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Touched {
    /// Where.
    pub place: ChannelId,
    /// Which.
    pub message: MessageId,
}

/// A server may have other places than before, or more in them.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct LookAt(pub GuildId);

/// Reads history.
pub struct Backfill {
    parts: Parts,
    inbox: Inbox,
    crawling: Option<SpawnHandle>,
}

/// What [`Backfill`] needs to live, and to live again.
#[derive(Clone)]
pub struct Parts {
    /// Where history comes from.
    pub discord: Arc<dyn Discord>,
    /// Where it goes.
    pub ledger: Ledger,
    /// What is known already.
    pub store: Store,
    /// Which places are read; its servers are named.
    pub selection: Arc<PlaceSelection>,
    /// What of them.
    pub wanted: Wanted,
    /// How long after a live message its place is read back.
    pub confirm_after: Duration,
    /// Hears of what only a person can mend.
    pub alarm: Alarm,
    /// How far it has come.
    pub progress: watch::Sender<Progress>,
    /// Knows who is not to be archived.
    pub members: Members,
}

impl Backfill {
    /// A reader over these parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts, inbox: Inbox::default(), crawling: None }
    }
}

impl Actor for Backfill {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let parts = self.parts.clone();
        let reader = Reader {
            discord: Arc::clone(&parts.discord),
            ledger: parts.ledger.clone(),
            members: parts.members,
        };
        let scout = Scout {
            discord: parts.discord,
            ledger: parts.ledger,
            store: parts.store.clone(),
            selection: Arc::clone(&parts.selection),
            history_from: parts.wanted.history_from(),
        };
        let crawl = Crawl {
            reader,
            scout,
            store: parts.store,
            selection: parts.selection,
            wanted: parts.wanted,
            confirm_after: parts.confirm_after,
            alarm: parts.alarm,
            inbox: self.inbox.clone(),
            progress: parts.progress,
        };
        self.crawling = Some(ctx.spawn(crawl.run().into_actor(self)));
    }
}

impl Supervised for Backfill {}

impl Handler<Touched> for Backfill {
    type Result = ();

    fn handle(&mut self, touched: Touched, _: &mut Self::Context) {
        self.inbox.touched(touched.place, touched.message);
    }
}

impl Handler<LookAt> for Backfill {
    type Result = ();

    fn handle(&mut self, LookAt(guild): LookAt, _: &mut Self::Context) {
        self.inbox.look_at(guild);
    }
}

impl Handler<Wake> for Backfill {
    type Result = ();

    fn handle(&mut self, Wake: Wake, _: &mut Self::Context) {
        self.inbox.look_everywhere();
    }
}

impl Handler<Drain> for Backfill {
    type Result = ();

    /// A page that is dropped half-way is read again; nothing waits for it.
    fn handle(&mut self, Drain: Drain, ctx: &mut Self::Context) {
        if let Some(crawling) = self.crawling.take() {
            ctx.cancel_future(crawling);
        }
    }
}
