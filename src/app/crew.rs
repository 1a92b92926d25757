//! What each actor is given to live, out of the ports and the orders.

use std::{collections::BTreeMap, sync::Arc};

use actix::prelude::*;
use tokio::sync::watch;

use super::{Orders, Ports};
use crate::{
    actors::{
        Wake,
        alarm::Alarm,
        backfill::{self, Backfill, Progress},
        download::Copier,
        gateway::{self, Gateway, Health},
        hands::Hands,
        members::Members,
        mirror,
        mover::Mover,
        persistence::{self, Ledger},
        publisher,
        reconcile::{self, Reconcile, Reconciled},
        refresh,
        thumbnail::{Eyes, Looker},
        verifier::{self, Board, Examiner, Fetcher, Mender},
        worker::{self, Work},
    },
    clock::Clock,
    discord,
    domain::selection::{PlaceSelection, Policy},
    store::{Hint, Store},
};

/// What nearly every actor needs.
pub(super) struct Common {
    pub(super) alarm: Alarm,
    pub(super) ledger: Ledger,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) policy: Arc<Policy>,
    pub(super) selection: Arc<PlaceSelection>,
    pub(super) hands: Hands,
}

impl Common {
    pub(super) fn new(alarm: Alarm, ledger: Ledger, ports: &Ports, orders: &Orders) -> Self {
        Self {
            alarm,
            ledger,
            store: ports.store.clone(),
            clock: ports.clock,
            policy: Arc::new(orders.policy.clone()),
            selection: Arc::new(orders.selection.clone()),
            hands: Hands::default(),
        }
    }

    pub(super) fn persistence(
        &self,
        wakes: BTreeMap<Hint, Recipient<Wake>>,
        commits: watch::Sender<u64>,
    ) -> persistence::Parts {
        persistence::Parts {
            store: self.store.clone(),
            policy: Arc::clone(&self.policy),
            clock: self.clock,
            alarm: self.alarm.clone(),
            wakes,
            commits,
        }
    }

    pub(super) fn publisher(&self, ports: &Ports, orders: &Orders) -> publisher::Parts {
        publisher::Parts {
            bucket: Arc::clone(&ports.bucket),
            cdn: Arc::clone(&ports.cdn),
            pictures: orders.pictures.clone(),
            ledger: self.ledger.clone(),
            store: self.store.clone(),
            clock: self.clock,
            policy: Arc::clone(&self.policy),
            selection: Arc::clone(&self.selection),
            page: orders.page.clone(),
            lease: ports.lease.clone(),
            alarm: self.alarm.clone(),
        }
    }

    pub(super) fn mirror(&self, ports: &Ports, commits: watch::Receiver<u64>) -> mirror::Parts {
        mirror::Parts {
            bucket: Arc::clone(&ports.private),
            store: self.store.clone(),
            ledger: self.ledger.clone(),
            commits,
            clock: self.clock,
            lease: ports.lease.clone(),
            alarm: self.alarm.clone(),
        }
    }

    pub(super) fn gateway(
        &self,
        gateway: Arc<dyn discord::gateway::Gateway>,
        backfill: &Addr<Backfill>,
        health: watch::Sender<Health>,
        members: Members,
    ) -> Gateway {
        Gateway::new(gateway::Parts {
            gateway,
            touched: backfill.clone().recipient(),
            look_at: backfill.clone().recipient(),
            ledger: self.ledger.clone(),
            store: self.store.clone(),
            selection: Arc::clone(&self.selection),
            clock: self.clock,
            alarm: self.alarm.clone(),
            health,
            members,
        })
    }

    pub(super) fn looker(&self, ports: &Ports) -> Looker {
        Looker {
            thumbnailer: Arc::clone(&ports.thumbnailer),
            bucket: Arc::clone(&ports.bucket),
            cdn: Arc::clone(&ports.cdn),
            spool: ports.spool.clone(),
            eyes: Eyes::default(),
            store: self.store.clone(),
            hands: self.hands.clone(),
        }
    }

    pub(super) fn copier(&self, ports: &Ports) -> Copier {
        Copier {
            cdn: Arc::clone(&ports.cdn),
            bucket: Arc::clone(&ports.bucket),
            spool: ports.spool.clone(),
            store: self.store.clone(),
            hands: self.hands.clone(),
        }
    }

    pub(super) fn mover(&self, ports: &Ports) -> Mover {
        Mover {
            public: Arc::clone(&ports.bucket),
            private: Arc::clone(&ports.private),
            spool: ports.spool.clone(),
            store: self.store.clone(),
            hands: self.hands.clone(),
        }
    }

    pub(super) fn worker<W: Work>(&self, work: W, limit: usize) -> worker::Parts<W> {
        let (ledger, store, clock) = (self.ledger.clone(), self.store.clone(), self.clock);
        worker::Parts { work: Arc::new(work), limit, ledger, store, clock }
    }

    pub(super) fn refresh(&self, ports: &Ports) -> refresh::Parts {
        refresh::Parts {
            discord: Arc::clone(&ports.discord),
            ledger: self.ledger.clone(),
            store: self.store.clone(),
            clock: self.clock,
            alarm: self.alarm.clone(),
        }
    }

    pub(super) fn verifier(
        &self,
        ports: &Ports,
        orders: &Orders,
        board: watch::Sender<Board>,
    ) -> verifier::Parts {
        let examiner = Examiner {
            bucket: Arc::clone(&ports.bucket),
            store: self.store.clone(),
            ledger: self.ledger.clone(),
            policy: Arc::clone(&self.policy),
            selection: Arc::clone(&self.selection),
            clock: self.clock,
        };
        let fetcher = Fetcher {
            discord: Arc::clone(&ports.discord),
            cdn: Arc::clone(&ports.cdn),
            spool: ports.spool.clone(),
        };
        let mender = Mender { examiner, fetcher: Arc::new(fetcher), lease: ports.lease.clone() };
        verifier::Parts { mender, width: orders.downloads, every: orders.verify_every, board }
    }

    pub(super) fn backfill(
        &self,
        ports: &Ports,
        orders: &Orders,
        progress: watch::Sender<Progress>,
    ) -> backfill::Parts {
        backfill::Parts {
            discord: Arc::clone(&ports.discord),
            ledger: self.ledger.clone(),
            store: self.store.clone(),
            selection: Arc::clone(&self.selection),
            wanted: orders.wanted,
            confirm_after: orders.confirm_after,
            alarm: self.alarm.clone(),
            progress,
            members: self.members(ports, orders),
        }
    }

    pub(super) fn members(&self, ports: &Ports, orders: &Orders) -> Members {
        Members {
            discord: Arc::clone(&ports.discord),
            ledger: self.ledger.clone(),
            store: self.store.clone(),
            clock: self.clock,
            roles: Arc::new(orders.opt_out_roles.clone()),
        }
    }

    pub(super) fn reconcile(
        &self,
        ports: &Ports,
        orders: &Orders,
        reading: watch::Receiver<Progress>,
        progress: watch::Sender<Reconciled>,
    ) -> Reconcile {
        Reconcile::new(reconcile::Parts {
            discord: Arc::clone(&ports.patient),
            ledger: self.ledger.clone(),
            store: self.store.clone(),
            selection: Arc::clone(&self.selection),
            reconciling: orders.reconciling,
            clock: self.clock,
            alarm: self.alarm.clone(),
            reading,
            progress,
        })
    }
}
