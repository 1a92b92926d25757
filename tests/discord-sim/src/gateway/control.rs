//! What a test does to the gateway while it runs.

use std::sync::Arc;

use super::{events::EventRule, hub::Hub, session::Order};

/// Whether heartbeats are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledge {
    /// As they should be.
    Heartbeats,
    /// Never: the connection looks alive and is not.
    Nothing,
}

/// The hand on the gateway of a running simulator.
#[derive(Clone)]
pub struct Gateway(pub(crate) Arc<Hub>);

impl Gateway {
    /// Adds a fault of events.
    pub fn inject(&self, rule: EventRule) {
        self.0.inside().rules.add(rule);
    }

    /// Ends all faults of events, answers heartbeats, accepts connections and greets them again.
    pub fn heal(&self) {
        let mut inside = self.0.inside();
        inside.mute = 0;
        inside.rules.clear();
        inside.acknowledge = Acknowledge::Heartbeats;
        inside.refuse = 0;
    }

    /// Tells all clients to reconnect and resume (op 7).
    pub fn reconnect(&self) {
        self.0.inside().reconnect();
    }

    /// Tells all clients that their session is invalid but may be resumed (op 9, true).
    pub fn invalidate_resumable(&self) {
        self.0.inside().invalidate_resumable();
    }

    /// Tells all clients that their session is gone (op 9, false).
    pub fn invalidate(&self) {
        let mut inside = self.0.inside();
        inside.invalidate();
        self.0.recount(&inside);
    }

    /// Cuts all connections without a close frame.
    pub fn cut(&self) {
        self.0.inside().order_all(|| Order::Cut);
    }

    /// Resets all connections, as a broken network does.
    pub fn reset(&self) {
        self.0.inside().order_all(|| Order::Reset);
    }

    /// Accepts the next connections and never says HELLO to them, nor anything else.
    pub fn stay_silent(&self, connections: u64) {
        self.0.inside().mute = connections;
    }

    /// Closes all connections with this code.
    pub fn close(&self, code: u16) {
        self.0.inside().order_all(|| Order::Close(code));
    }

    /// Forgets all sessions that have no connection, so that resuming them fails.
    pub fn forget_sessions(&self) {
        self.0.inside().sessions.retain(|_, session| session.is_connected());
    }

    /// Answers heartbeats, or no longer.
    pub fn acknowledge(&self, what: Acknowledge) {
        self.0.inside().acknowledge = what;
    }

    /// Refuses the next connections with 503.
    pub fn refuse(&self, connections: u64) {
        self.0.inside().refuse = connections;
    }

    /// How many sessions are connected now.
    pub fn connected(&self) -> usize {
        *self.0.connected.borrow()
    }

    /// Waits until so many sessions are connected.
    pub async fn wait_for(&self, sessions: usize) {
        let mut connected = self.0.connected.subscribe();
        connected
            .wait_for(|connected| *connected == sessions)
            .await
            .expect("the hub is held by this handle");
    }
}
