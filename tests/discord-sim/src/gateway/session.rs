//! One session: its events with their numbers, kept for a client that may come back.

use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::events::{Event, MESSAGE_CONTENT};
use crate::ids::GuildId;

/// What a connection is told to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Send this payload.
    Send(String),
    /// Send a close frame with this code and end.
    Close(u16),
    /// End without a word.
    Cut,
    /// The same, with a reset instead of an end.
    Reset,
}

/// What a client asked for when it identified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wants {
    pub(super) intents: u64,
    pub(super) shard: u64,
    pub(super) shards: u64,
}

impl Wants {
    /// Whether a server belongs to this shard.
    pub(super) fn covers(&self, guild: GuildId) -> bool {
        (guild.0 >> 22) % self.shards.max(1) == self.shard
    }
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) wants: Wants,
    sequence: u64,
    /// Every event sent, by its number less one.
    sent: Vec<String>,
    outlet: Option<UnboundedSender<Order>>,
    /// Since when no connection carries it.
    pub(super) left: Option<Instant>,
}

impl Session {
    pub(super) fn new(wants: Wants, outlet: UnboundedSender<Order>) -> Self {
        Self { wants, sequence: 0, sent: Vec::new(), outlet: Some(outlet), left: None }
    }

    /// Numbers an event, keeps it, and sends it if somebody listens. Says whether it was wanted.
    pub(super) fn offer(&mut self, event: &Event) -> bool {
        if self.wants.intents & event.intent == 0 || !self.wants.covers(event.guild) {
            return false;
        }
        let reads = self.wants.intents & MESSAGE_CONTENT != 0;
        let data = if reads { &event.full } else { &event.emptied };
        self.dispatch(event.name, data);
        true
    }

    pub(super) fn dispatch(&mut self, name: &str, data: &Value) {
        self.sequence += 1;
        let payload = json!({ "op": 0, "s": self.sequence, "t": name, "d": data }).to_string();
        self.order(Order::Send(payload.clone()));
        self.sent.push(payload);
    }

    /// Tells the connection, if there is one, to do something.
    pub(super) fn order(&self, order: Order) {
        if let Some(outlet) = &self.outlet {
            // A connection that has just ended is noticed by its own task.
            drop(outlet.send(order));
        }
    }

    /// A client came back and has everything up to this number. Fails when it claims more than was sent.
    pub(super) fn resume(&mut self, seen: u64, outlet: UnboundedSender<Order>) -> Result<(), ()> {
        let from = usize::try_from(seen).unwrap_or(usize::MAX);
        let missed = self.sent.get(from..).ok_or(())?;
        for payload in missed {
            drop(outlet.send(Order::Send(payload.clone())));
        }
        self.order(Order::Cut);
        self.outlet = Some(outlet);
        self.left = None;
        self.dispatch("RESUMED", &json!({ "_trace": [] }));
        Ok(())
    }

    /// The connection with this outlet ended; another may have taken over before.
    pub(super) fn detach(&mut self, outlet: &UnboundedSender<Order>, now: Instant) {
        if self.outlet.as_ref().is_some_and(|held| held.same_channel(outlet)) {
            self.outlet = None;
            self.left = Some(now);
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.outlet.is_some()
    }
}
