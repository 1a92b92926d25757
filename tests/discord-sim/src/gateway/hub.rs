//! Where changes of the world become events of sessions.
//!
//! Lock order: the world, then the hub. Nothing here takes the world's lock while it holds the hub's,
//! but for what is handed in already locked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde_json::json;
use tokio::{
    runtime::Handle,
    sync::{mpsc::UnboundedSender, watch},
};

use super::{
    control::Acknowledge,
    events::{Event, EventFault, EventRules, GUILDS, describe},
    session::{Order, Session, Wants},
};
use crate::{
    core::Core,
    model::State,
    render,
    world::{Change, Listener},
};

pub(crate) struct Hub {
    pub(super) core: Arc<Core>,
    /// Late events are sent from here; changes may come from threads without a runtime.
    runtime: Handle,
    inside: Mutex<Inside>,
    /// Counts connected sessions, for those who wait for one.
    pub(super) connected: watch::Sender<usize>,
    /// Gone when the simulator is: connections watch it.
    pub(super) closing: watch::Receiver<()>,
}

pub(super) struct Inside {
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) rules: EventRules,
    pub(super) acknowledge: Acknowledge,
    /// Connections to refuse before one is accepted again.
    pub(super) refuse: u64,
    /// Connections to accept without a word.
    pub(super) mute: u64,
    born: u64,
    /// Held back until the next event has been sent.
    swapped: Option<Event>,
}

impl Hub {
    /// Must be called within the runtime that serves the connections.
    pub(crate) fn new(core: &Arc<Core>, closing: watch::Receiver<()>) -> Arc<Self> {
        let options = &core.options;
        let inside = Inside {
            sessions: BTreeMap::new(),
            rules: EventRules::new(options.gateway.faults.clone(), options.fault_seed ^ 1),
            acknowledge: Acknowledge::Heartbeats,
            refuse: 0,
            mute: 0,
            born: 0,
            swapped: None,
        };
        let hub = Arc::new(Self {
            core: Arc::clone(core),
            runtime: Handle::current(),
            inside: Mutex::new(inside),
            connected: watch::Sender::new(0),
            closing,
        });
        core.world.listen(&hub);
        hub
    }

    pub(super) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session: READY, then every server of its shard. The world stays locked meanwhile,
    /// so nothing happens between what these tell and the first event.
    pub(super) fn begin(
        &self,
        state: &State,
        wants: Wants,
        outlet: UnboundedSender<Order>,
    ) -> String {
        let mut inside = self.inside();
        inside.born += 1;
        let id = format!("{:032x}", u128::from(state.seed) << 64 | u128::from(inside.born));
        let mut session = Session::new(wants, outlet);
        let mine: Vec<_> = state
            .guilds
            .values()
            .filter(|guild| guild.members.contains_key(&state.bot) && wants.covers(guild.id))
            .collect();
        let guilds: Vec<_> =
            mine.iter().map(|guild| json!({ "id": guild.id, "unavailable": true })).collect();
        let application = render::application(state);
        session.dispatch(
            "READY",
            &json!({
                "v": 10,
                "user": render::own_account(state),
                "guilds": guilds,
                "session_id": id,
                "resume_gateway_url": self.core.gateway,
                "shard": [wants.shard, wants.shards],
                "application": { "id": application["id"], "flags": application["flags"] },
                "session_type": "normal",
                "private_channels": [],
                "relationships": [],
                "presences": [],
                "user_settings": {},
                "_trace": [],
            }),
        );
        self.count("READY");
        for guild in mine.iter().filter(|guild| guild.available && wants.intents & GUILDS != 0) {
            session.dispatch("GUILD_CREATE", &render::guild_create(state, guild.id));
            self.count("GUILD_CREATE");
        }
        inside.sessions.insert(id.clone(), session);
        self.recount(&inside);
        id
    }

    /// Publishes how many sessions are connected.
    pub(super) fn recount(&self, inside: &Inside) {
        let connected = inside.sessions.values().filter(|session| session.is_connected()).count();
        self.connected.send_replace(connected);
    }

    pub(super) fn forget_old(&self, inside: &mut Inside, now: Instant) {
        let window = self.core.options.gateway.resume_window;
        inside.sessions.retain(|_, session| session.left.is_none_or(|left| now < left + window));
    }

    fn publish(self: &Arc<Self>, event: &Event) {
        let mut inside = self.inside();
        let faults = inside.rules.strike(event.name);
        let mut copies = 1;
        for fault in &faults {
            match fault {
                EventFault::Lose => copies = 0,
                EventFault::Duplicate => copies *= 2,
                EventFault::Late(by) => {
                    copies = 0;
                    let (hub, event, by) = (Arc::clone(self), event.clone(), *by);
                    self.runtime.spawn(async move {
                        tokio::time::sleep(by).await;
                        hub.offer(&mut hub.inside(), &event);
                    });
                }
                EventFault::SwapWithNext => {
                    copies = 0;
                    inside.swapped = Some(event.clone());
                }
                _ => {}
            }
        }
        for _ in 0..copies {
            self.offer(&mut inside, event);
        }
        if copies > 0
            && let Some(held) = inside.swapped.take()
        {
            self.offer(&mut inside, &held);
        }
        for fault in faults {
            match fault {
                EventFault::Cut => inside.order_all(|| Order::Cut),
                EventFault::Reconnect => inside.reconnect(),
                EventFault::InvalidButResumable => inside.invalidate_resumable(),
                EventFault::Invalid => inside.invalidate(),
                _ => {}
            }
        }
        self.recount(&inside);
    }

    fn offer(&self, inside: &mut Inside, event: &Event) {
        for session in inside.sessions.values_mut() {
            if session.offer(event) {
                self.count(event.name);
            }
        }
    }

    fn count(&self, event: &str) {
        *self.core.ledger().stats.events.entry(event.to_owned()).or_default() += 1;
    }
}

/// The world must be able to outlive its simulators, so it holds them weakly; this is what it calls.
impl Listener for Hub {
    fn changed(self: Arc<Self>, state: &State, change: &Change) {
        if let Some(event) = describe(state, &self.core.signer, change) {
            self.publish(&event);
        }
    }
}

impl Inside {
    pub(super) fn order_all(&self, order: impl Fn() -> Order) {
        for session in self.sessions.values() {
            session.order(order());
        }
    }

    pub(super) fn reconnect(&self) {
        self.order_all(|| Order::Send(json!({ "op": 7, "d": null }).to_string()));
    }

    pub(super) fn invalidate_resumable(&self) {
        self.order_all(|| Order::Send(json!({ "op": 9, "d": true }).to_string()));
    }

    /// Connections stay open: the client may identify on them again.
    pub(super) fn invalidate(&mut self) {
        self.order_all(|| Order::Send(json!({ "op": 9, "d": false }).to_string()));
        self.sessions.clear();
    }
}
