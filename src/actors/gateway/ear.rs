//! The listening half of a shard. It never waits for anything but the gateway.

use tokio::sync::{
    mpsc::{self, error::TrySendError},
    watch,
};
use tracing::{debug, info, warn};

use super::{Line, Parts};
use crate::discord::gateway::{Connection, Heard, Plan, Session, ShardNumber};

/// So many events may wait to be written down: some seconds of the busiest servers.
pub(super) const LINE: usize = 4_096;

/// Listens on one shard.
pub(super) struct Ear {
    pub(super) parts: Parts,
    pub(super) plan: Plan,
    pub(super) shard: ShardNumber,
    pub(super) line: mpsc::Sender<Line>,
    /// The session, at the last event that is durable.
    pub(super) durable: watch::Receiver<Option<Session>>,
    pub(super) closing: watch::Receiver<bool>,
}

/// Why a connection was left.
enum Left {
    /// The line is full.
    Overrun,
    /// Asked to, or for good.
    Done,
}

impl Ear {
    /// Listens until asked to close.
    pub(super) async fn listen(mut self, mut resume: Option<Session>) {
        loop {
            let mut connection = self.parts.gateway.open(&self.plan, self.shard, resume.take());
            let left = self.hear(&mut *connection).await;
            self.is_connected(false);
            match left {
                Left::Done => return,
                Left::Overrun => {
                    connection.close_for_resume().await;
                    warn!(
                        shard = self.shard.0,
                        "more happens than can be written down: catching up"
                    );
                    // Room for everything means that all of it was taken out of the line.
                    if self.line.reserve_many(LINE).await.is_err() {
                        return;
                    }
                    self.durable.mark_unchanged();
                    resume.clone_from(&self.durable.borrow());
                }
            }
        }
    }

    async fn hear(&mut self, connection: &mut dyn Connection) -> Left {
        loop {
            let heard = tokio::select! {
                heard = connection.next() => Some(heard),
                () = asked(&mut self.closing) => None,
            };
            let Some(heard) = heard else {
                connection.close_for_resume().await;
                return Left::Done;
            };
            let line = match heard {
                Heard::Event { sequence, event } => {
                    self.heard();
                    Line::Event { sequence, event }
                }
                Heard::Ready { session, guilds } => {
                    info!(
                        shard = self.shard.0,
                        servers = guilds.len(),
                        "listening, in a new session"
                    );
                    self.is_connected(true);
                    Line::Ready(session)
                }
                Heard::Resumed { .. } => {
                    info!(shard = self.shard.0, "listening, where the last session stopped");
                    self.is_connected(true);
                    continue;
                }
                Heard::Disconnected { reason } => {
                    debug!(shard = self.shard.0, reason, "the gateway hung up");
                    self.is_connected(false);
                    continue;
                }
                Heard::Fatal(close) => {
                    self.parts.alarm.ring("gateway", close.to_string());
                    return Left::Done;
                }
            };
            match self.line.try_send(line) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => return Left::Overrun,
                Err(TrySendError::Closed(_)) => return Left::Done,
            }
        }
    }

    /// Remembers when something was heard; nobody is woken for it.
    fn heard(&self) {
        let now = self.parts.clock.now();
        self.parts.health.send_if_modified(|health| {
            health.heard_at = Some(now);
            false
        });
    }

    fn is_connected(&self, connected: bool) {
        let shard = self.shard.0;
        self.parts.health.send_if_modified(|health| {
            if connected { health.connected.insert(shard) } else { health.connected.remove(&shard) }
        });
    }
}

/// Returns when it is time to close; also when nobody is left who could ask.
async fn asked(closing: &mut watch::Receiver<bool>) {
    closing.wait_for(|closing| *closing).await.ok();
}
