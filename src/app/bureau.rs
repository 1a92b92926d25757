//! The store's writer, the publisher, the mover and the mirror, and nobody else: for commands that change an archive
//! without asking Discord.

use std::{collections::BTreeMap, time::Duration};

use actix::prelude::*;
use tokio::sync::watch;
use tracing::warn;

use super::{Copies, Orders, Ports, crew::Common, drained, ledger};
use crate::{
    actors::{
        Drain,
        alarm::Alarm,
        mirror::{self, Mirror},
        mover::{self, Mover},
        persistence::{self, Ledger, Persistence},
        publisher::{self, Keeper, Publisher},
        supervisor::Supervisor,
        worker::{self, Worker},
    },
    store::{Hint, Store},
};

/// They, at work.
pub struct Bureau {
    /// Hears of what only a person can mend.
    pub alarm: Alarm,
    /// Speaks to the store's writer.
    pub ledger: Ledger,
    /// What is known.
    pub store: Store,
    mover: Addr<Worker<Mover>>,
    publisher: Addr<Publisher>,
    mirror: Option<Addr<Mirror>>,
    persistence: Addr<Persistence>,
    lease: Keeper,
}

impl Bureau {
    /// Starts them. Must be called on a thread of actix's.
    pub fn open(ports: &Ports, orders: &Orders) -> Self {
        let alarm = Alarm::default();
        let supervisor = Supervisor::new(alarm.clone());
        let (persistence, persistence_seat) = supervisor.seat("persistence", persistence::MAILBOX);
        let (publisher, publisher_seat) = supervisor.seat("publisher", publisher::MAILBOX);
        let (mirror, mirror_seat) = supervisor.seat("mirror", mirror::MAILBOX);
        let (mover, mover_seat) = supervisor.seat("mover", worker::MAILBOX);
        let common = Common::new(alarm, ledger(&persistence), ports, orders);
        let commits = watch::Sender::new(0);
        let wakes = BTreeMap::from([
            (Hint::Publish, publisher.clone().recipient()),
            (Hint::Move, mover.clone().recipient()),
        ]);
        persistence_seat.start(Persistence::new(common.persistence(wakes, commits.clone())));
        publisher_seat.start(Publisher::new(common.publisher(ports, orders)));
        mover_seat.start(Worker::new(common.worker(common.mover(ports), mover::AT_ONCE)));
        let copies = orders.copies == Copies::Kept;
        if copies {
            mirror_seat.start(Mirror::new(common.mirror(ports, commits.subscribe())));
        }
        let mirror = copies.then_some(mirror);
        let Common { alarm, ledger, store, .. } = common;
        let lease = ports.lease.clone();
        Self { alarm, ledger, store, mover, publisher, mirror, persistence, lease }
    }

    /// Publishes what there is, gives the lease back, and flushes the store, all within the deadline.
    pub async fn close(self, deadline: Duration) {
        let ended = tokio::time::timeout(deadline, async {
            drained("mover", self.mover.send(Drain).await);
            drained("publisher", self.publisher.send(Drain).await);
            if let Some(mirror) = &self.mirror {
                drained("mirror", mirror.send(Drain).await);
            }
            self.lease.release().await;
            drained("persistence", self.persistence.send(Drain).await);
        });
        if ended.await.is_err() {
            warn!("the deadline came first; what was not ended is done again at the next start");
        }
    }
}
