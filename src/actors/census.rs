//! Asks once a day, for everybody who posted something, whether they have taken the role that says that they are not to
//! be archived.
//!
//! Discord tells of roles that are taken only those bots that have the privilege to see all members, and we ask for
//! none. One question at a time, slowly: reading history goes before. A crash loses the question in flight.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::time::sleep;
use tracing::debug;

use super::{Drain, members::Members};
use crate::{
    domain::{
        id::{GuildId, UserId},
        selection::PlaceSelection,
    },
    store::Store,
};

/// Nobody sends it anything but the end.
pub const MAILBOX: usize = 1;

/// Between two questions: 86,400 people a day can be asked about, and Discord has room for the rest of our requests.
const PAUSE: Duration = Duration::from_secs(1);

/// How often it is looked for people who were not asked about for a day.
const ROUND: Duration = Duration::from_mins(5);

/// Asks about everybody.
pub struct Census {
    members: Members,
    selection: Arc<PlaceSelection>,
    asking: Option<SpawnHandle>,
}

impl Census {
    /// Asks about whoever posted in these servers.
    pub fn new(members: Members, selection: Arc<PlaceSelection>) -> Self {
        Self { members, selection, asking: None }
    }
}

impl Actor for Census {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let asking = run(self.members.clone(), Arc::clone(&self.selection));
        self.asking = Some(ctx.spawn(asking.into_actor(self)));
    }
}

impl Supervised for Census {}

impl Handler<Drain> for Census {
    type Result = ();

    fn handle(&mut self, Drain: Drain, ctx: &mut Self::Context) {
        if let Some(asking) = self.asking.take() {
            ctx.cancel_future(asking);
        }
    }
}

async fn run(members: Members, selection: Arc<PlaceSelection>) {
    loop {
        for guild in &selection.guilds {
            for user in members.unknown(*guild, everybody(&members).await).await {
                ask(&members, *guild, user).await;
                sleep(PAUSE).await;
            }
        }
        sleep(ROUND).await;
    }
}

async fn everybody(members: &Members) -> Vec<UserId> {
    // A store that can't be read is for Persistence to report.
    let people = members.store.read(Store::people).await.unwrap_or_default();
    people.into_iter().map(|(user, _)| user).collect()
}

async fn ask(members: &Members, guild: GuildId, user: UserId) {
    match members.ask(guild, user).await {
        Ok(seen) => members.ledger.record([seen.into()]).await,
        // Whoever reads history hears of it too, and rings where a person must act.
        Err(error) => {
            debug!(%guild, %user, %error, "roles not told; asked again with the next round");
        }
    }
}
