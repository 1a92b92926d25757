//! One connection: HELLO, IDENTIFY or RESUME, heartbeats, and the close codes for everything else.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{
        FromRequestParts, Query,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    http::{Response, request::Parts},
};
use serde_json::{Map, Value, json};
use socket2::Socket;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{
    control::Acknowledge,
    events::MESSAGE_CONTENT,
    hub::Hub,
    session::{Order, Wants},
    wire::Wire,
};
use crate::{
    model::MessageContent,
    reply::{Reply, Reset, uncounted},
    starts::TooMany,
};

/// The largest payload a client may send.
const LARGEST_PAYLOAD: usize = 4_096;
/// Payloads a client may send in a minute.
const SENDS: usize = 120;
const MINUTE: Duration = Duration::from_mins(1);
/// Intents that exist, as of 2026.
const KNOWN_INTENTS: u64 = ((1 << 17) - 1) | (0b11 << 20) | (0b11 << 24);
/// Privileged ones that this bot's portal never grants: members and presences.
const NEVER_GRANTED: u64 = 1 << 1 | 1 << 8;

/// Close codes, named as in Discord's documentation.
mod code {
    pub(super) const UNKNOWN_OPCODE: u16 = 4001;
    pub(super) const DECODE_ERROR: u16 = 4002;
    pub(super) const NOT_AUTHENTICATED: u16 = 4003;
    pub(super) const AUTHENTICATION_FAILED: u16 = 4004;
    pub(super) const ALREADY_AUTHENTICATED: u16 = 4005;
    pub(super) const INVALID_SEQ: u16 = 4007;
    pub(super) const RATE_LIMITED: u16 = 4008;
    pub(super) const SESSION_TIMED_OUT: u16 = 4009;
    pub(super) const INVALID_SHARD: u16 = 4010;
    pub(super) const SHARDING_REQUIRED: u16 = 4011;
    pub(super) const INVALID_API_VERSION: u16 = 4012;
    pub(super) const INVALID_INTENTS: u16 = 4013;
    pub(super) const DISALLOWED_INTENTS: u16 = 4014;
}

/// A second handle on the socket of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Plug(pub(crate) Arc<Socket>);

impl Plug {
    /// The connection ends with a reset as soon as it is closed.
    fn pull(&self) {
        // Gone already, so much the better.
        drop(self.0.set_linger(Some(Duration::ZERO)));
    }
}

/// Takes an upgrade request, whatever its path, as Discord's gateway does.
pub(crate) async fn accept(hub: Arc<Hub>, mut parts: Parts) -> Result<Response<Body>, Reset> {
    {
        let mut inside = hub.inside();
        if inside.refuse > 0 {
            inside.refuse -= 1;
            return Ok(Reply::html(503).send(&[], uncounted()));
        }
    }
    let plug = parts.extensions.get::<Plug>().cloned();
    let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        return Ok(Reply::text(400, "not a websocket").send(&[], uncounted()));
    };
    Ok(upgrade.on_upgrade(move |socket| async move {
        let value =
            |key: &str| query.iter().find(|(held, _)| held == key).map(|(_, value)| value.as_str());
        for (key, _) in &query {
            if !matches!(key.as_str(), "v" | "encoding" | "compress") {
                hub.core.violation(format!("gateway: no such query key {key}"));
            }
        }
        let version_known = value("v") == Some("10");
        let wire = Wire::named(value("compress"));
        let (Some(wire), true, Some("json")) = (wire, version_known, value("encoding")) else {
            hub.core.violation(format!("gateway: {query:?} is not v=10, encoding=json"));
            let code = if version_known { code::DECODE_ERROR } else { code::INVALID_API_VERSION };
            close(socket, code).await;
            return;
        };
        hub.core.ledger().stats.connections += 1;
        let (outlet, orders) = unbounded_channel();
        let mut connection = Connection {
            hub,
            wire,
            plug,
            outlet,
            session: None,
            received: VecDeque::new(),
            last_heartbeat: Instant::now(),
        };
        connection.run(socket, orders).await;
        connection.leave(Instant::now());
    }))
}

struct Connection {
    hub: Arc<Hub>,
    wire: Wire,
    plug: Option<Plug>,
    outlet: UnboundedSender<Order>,
    session: Option<String>,
    /// When payloads came within the last minute.
    received: VecDeque<Instant>,
    last_heartbeat: Instant,
}

/// What a payload leads to.
enum Then {
    GoOn,
    Answer(Value),
    Close(u16),
}

impl Connection {
    async fn run(
        &mut self,
        mut socket: WebSocket,
        mut orders: tokio::sync::mpsc::UnboundedReceiver<Order>,
    ) {
        let interval = self.hub.core.options.gateway.heartbeat_interval;
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        if self.is_mute() {
            // Whatever comes is taken, until the client gives up.
            while let Some(Ok(_)) = socket.recv().await {}
            return;
        }
        let hello = json!({ "op": 10, "d": { "heartbeat_interval": millis, "_trace": [] } });
        if self.send(&mut socket, &hello.to_string()).await.is_err() {
            return;
        }
        let mut closing = self.hub.closing.clone();
        let mut pulse = tokio::time::interval(interval);
        loop {
            tokio::select! {
                _ = closing.changed() => return,
                _ = pulse.tick() => {
                    // Twice the interval is a beat missed, whatever the jitter of the first.
                    if self.last_heartbeat.elapsed() > interval * 2 + Duration::from_secs(1) {
                        self.hub.core.violation("gateway: no heartbeat came".to_owned());
                        return close(socket, code::SESSION_TIMED_OUT).await;
                    }
                }
                order = orders.recv() => match order.expect("this connection holds a sender") {
                    Order::Send(payload) => {
                        if self.send(&mut socket, &payload).await.is_err() {
                            return;
                        }
                    }
                    Order::Close(code) => return close(socket, code).await,
                    Order::Cut => return,
                    Order::Reset => {
                        self.plug.iter().for_each(Plug::pull);
                        return;
                    }
                },
                message = socket.recv() => {
                    let text = match message {
                        Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
                        Some(Ok(Message::Binary(bytes))) => {
                            String::from_utf8_lossy(&bytes).into_owned()
                        }
                        Some(Ok(Message::Close(frame))) => {
                            self.closed_by_client(frame.map(|frame| frame.code));
                            return;
                        }
                        Some(Ok(_)) => continue,
                        Some(Err(_)) | None => return,
                    };
                    match self.handle(&text) {
                        Then::GoOn => {}
                        Then::Answer(value) => {
                            if self.send(&mut socket, &value.to_string()).await.is_err() {
                                return;
                            }
                        }
                        Then::Close(code) => return close(socket, code).await,
                    }
                }
            }
        }
    }

    fn is_mute(&self) -> bool {
        let mut inside = self.hub.inside();
        let mute = inside.mute > 0;
        inside.mute = inside.mute.saturating_sub(1);
        mute
    }

    async fn send(&mut self, socket: &mut WebSocket, payload: &str) -> Result<(), axum::Error> {
        let frame = self.wire.frame(payload).map_err(axum::Error::new)?;
        socket.send(frame).await
    }

    fn handle(&mut self, text: &str) -> Then {
        let now = Instant::now();
        if text.len() > LARGEST_PAYLOAD {
            self.complain(&format!("a payload of {} bytes", text.len()));
            return Then::Close(code::DECODE_ERROR);
        }
        while self.received.front().is_some_and(|then| *then + MINUTE <= now) {
            self.received.pop_front();
        }
        self.received.push_back(now);
        if self.received.len() > SENDS {
            self.complain("more than 120 payloads in a minute");
            return Then::Close(code::RATE_LIMITED);
        }
        let Ok(Value::Object(payload)) = serde_json::from_str(text) else {
            self.complain("a payload that is no JSON object");
            return Then::Close(code::DECODE_ERROR);
        };
        // Some libraries send the whole envelope, nulls included.
        self.only(&payload, "payload", &["op", "d", "s", "t"]);
        let data = payload.get("d").cloned().unwrap_or(Value::Null);
        match (payload.get("op").and_then(Value::as_u64), &self.session) {
            (Some(1), _) => self.heartbeat(now),
            (Some(2), None) => self.identify(&data, now),
            (Some(6), None) => self.resume(&data, now),
            (Some(2 | 6), Some(id)) => {
                // After op 9 the session is gone and the connection may identify again.
                if self.hub.inside().sessions.contains_key(id) {
                    self.complain("IDENTIFY or RESUME on a connection that has a session");
                    return Then::Close(code::ALREADY_AUTHENTICATED);
                }
                self.session = None;
                self.received.pop_back();
                self.handle(text)
            }
            // Presence and voice state: taken and without effect here.
            (Some(3 | 4), Some(_)) => Then::GoOn,
            (Some(3 | 4 | 8), None) => {
                self.complain("a payload before IDENTIFY");
                Then::Close(code::NOT_AUTHENTICATED)
            }
            (op, _) => {
                self.complain(&format!("opcode {op:?} is unknown or not imitated"));
                Then::Close(code::UNKNOWN_OPCODE)
            }
        }
    }

    fn heartbeat(&mut self, now: Instant) -> Then {
        self.hub.core.ledger().stats.heartbeats += 1;
        self.last_heartbeat = now;
        match self.hub.inside().acknowledge {
            Acknowledge::Heartbeats => Then::Answer(json!({ "op": 11 })),
            Acknowledge::Nothing => Then::GoOn,
        }
    }

    fn identify(&mut self, data: &Value, now: Instant) -> Then {
        let Value::Object(fields) = data else { return Then::Close(code::DECODE_ERROR) };
        let known = &[
            "token",
            "properties",
            "compress",
            "large_threshold",
            "shard",
            "presence",
            "intents",
            "capabilities",
        ];
        self.only(fields, "IDENTIFY", known);
        if !fields.get("properties").is_some_and(Value::is_object) {
            self.complain("IDENTIFY without properties");
            return Then::Close(code::DECODE_ERROR);
        }
        let Some(intents) = fields.get("intents").and_then(Value::as_u64) else {
            self.complain("IDENTIFY without intents");
            return Then::Close(code::DECODE_ERROR);
        };
        let (shard, shards) =
            match fields.get("shard").map(|pair| (pair[0].as_u64(), pair[1].as_u64())) {
                None => (0, 1),
                Some((Some(shard), Some(shards))) if shard < shards => (shard, shards),
                Some(_) => return Then::Close(code::INVALID_SHARD),
            };
        let hub = Arc::clone(&self.hub);
        let state = hub.core.world.lock();
        if fields.get("token").and_then(Value::as_str).map(bare) != Some(state.token.as_str()) {
            return Then::Close(code::AUTHENTICATION_FAILED);
        }
        if shards < u64::from(hub.core.options.gateway.required_shards) {
            return Then::Close(code::SHARDING_REQUIRED);
        }
        match hub.core.start_session(u32::try_from(shard).unwrap_or(u32::MAX), now) {
            Ok(()) => {}
            Err(TooMany::Today) => {
                self.complain("IDENTIFY beyond the session start limit: the token would be reset");
                return Then::Close(code::AUTHENTICATION_FAILED);
            }
            Err(TooMany::AtOnce) => {
                self.complain("IDENTIFY faster than max_concurrency allows");
                return Then::Answer(json!({ "op": 9, "d": false }));
            }
        }
        if intents & !KNOWN_INTENTS != 0 {
            self.complain(&format!("intents {intents:b} hold unknown bits"));
            return Then::Close(code::INVALID_INTENTS);
        }
        let withheld = state.message_content == MessageContent::Withheld;
        if intents & NEVER_GRANTED != 0 || withheld && intents & MESSAGE_CONTENT != 0 {
            return Then::Close(code::DISALLOWED_INTENTS);
        }
        hub.core.ledger().stats.identifies += 1;
        let wants = Wants { intents, shard, shards };
        self.session = Some(hub.begin(&state, wants, self.outlet.clone()));
        Then::GoOn
    }

    fn resume(&mut self, data: &Value, now: Instant) -> Then {
        let Value::Object(fields) = data else { return Then::Close(code::DECODE_ERROR) };
        self.only(fields, "RESUME", &["token", "session_id", "seq"]);
        let (Some(token), Some(id), Some(seen)) = (
            fields.get("token").and_then(Value::as_str),
            fields.get("session_id").and_then(Value::as_str),
            fields.get("seq").and_then(Value::as_u64),
        ) else {
            self.complain("RESUME without token, session_id and seq");
            return Then::Close(code::DECODE_ERROR);
        };
        if bare(token) != self.hub.core.world.token() {
            return Then::Close(code::AUTHENTICATION_FAILED);
        }
        let hub = Arc::clone(&self.hub);
        let mut inside = hub.inside();
        hub.forget_old(&mut inside, now);
        let Some(session) = inside.sessions.get_mut(id) else {
            return Then::Answer(json!({ "op": 9, "d": false }));
        };
        if session.resume(seen, self.outlet.clone()).is_err() {
            return Then::Close(code::INVALID_SEQ);
        }
        hub.core.ledger().stats.resumes += 1;
        self.session = Some(id.to_owned());
        hub.recount(&inside);
        Then::GoOn
    }

    /// Closing with 1000 or 1001 ends the session as well.
    fn closed_by_client(&mut self, code: Option<u16>) {
        if matches!(code, Some(1000 | 1001))
            && let Some(id) = self.session.take()
        {
            let mut inside = self.hub.inside();
            inside.sessions.remove(&id);
            self.hub.recount(&inside);
        }
    }

    fn leave(&self, now: Instant) {
        let mut inside = self.hub.inside();
        if let Some(session) = self.session.as_ref().and_then(|id| inside.sessions.get_mut(id)) {
            session.detach(&self.outlet, now);
        }
        self.hub.recount(&inside);
    }

    fn only(&self, fields: &Map<String, Value>, what: &str, known: &[&str]) {
        for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
            self.complain(&format!("{what} has no field {key}"));
        }
    }

    fn complain(&self, what: &str) {
        self.hub.core.violation(format!("gateway: {what}"));
    }
}

/// Discord takes the token with and without its kind here.
fn bare(token: &str) -> &str {
    token.strip_prefix("Bot ").unwrap_or(token)
}

/// Sends a close frame and waits a moment for the client's own, so that the code arrives.
async fn close(mut socket: WebSocket, code: u16) {
    let frame = CloseFrame { code, reason: "".into() };
    if socket.send(Message::Close(Some(frame))).await.is_ok() {
        let answered = async { while let Some(Ok(_)) = socket.recv().await {} };
        // Whether the client answers or not, the connection ends here.
        drop(tokio::time::timeout(Duration::from_secs(1), answered).await);
    }
}
