//! The gateway's protocol by hand: close codes, limits, intents, and what is reported.

use std::time::Duration;

use discord_sim::{GatewayOptions, MessageContent, NewChannel, NewMessage, Options, Sim, World};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

const GUILDS: u64 = 1;
const GUILD_MESSAGES: u64 = 1 << 9;
const MESSAGE_CONTENT: u64 = 1 << 15;

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(sim: &Sim, query: &str) -> Self {
        let (socket, _) = connect_async(format!("{}/?{query}", sim.gateway_url())).await.unwrap();
        Self(socket)
    }

    /// Connected, and HELLO received.
    async fn greeted(sim: &Sim) -> Self {
        let mut socket = Self::open(sim, "v=10&encoding=json").await;
        assert_eq!(socket.payload().await["op"], 10);
        socket
    }

    async fn say(&mut self, payload: &Value) {
        self.0.send(Message::text(payload.to_string())).await.unwrap();
    }

    async fn payload(&mut self) -> Value {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?} is no payload"),
        }
    }

    async fn close_code(&mut self) -> u16 {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(Message::Text(_))) => {}
                other => panic!("{other:?} is no close frame"),
            }
        }
    }
}

async fn start(gateway: GatewayOptions) -> Sim {
    let world = World::new(1);
    let guild = world.create_guild("g");
    world.create_channel(guild, NewChannel::text("c"));
    let options = Options { gateway, ..Options::default() };
    Sim::start(world, options).await.unwrap()
}

fn identify(token: &str, intents: u64) -> Value {
    let data = json!({ "token": token, "properties": {}, "intents": intents });
    json!({ "op": 2, "d": data })
}

#[tokio::test]
async fn each_mistake_has_its_close_code() {
    let sim = start(GatewayOptions::default()).await;
    let token = sim.world().token();
    let with_shard = |shard: Value| {
        let mut payload = identify(&token, GUILDS);
        payload["d"]["shard"] = shard;
        payload
    };
    let resume = json!({ "op": 6, "d": { "token": "wrong", "session_id": "x", "seq": 1 } });
    for (payload, code) in [
        (json!({ "op": 99, "d": null }), 4001),
        (json!("text"), 4002),
        (json!({ "op": 1, "d": "x".repeat(5_000) }), 4002),
        (json!({ "op": 3, "d": {} }), 4003),
        (identify("wrong", GUILDS), 4004),
        (resume, 4004),
        (with_shard(json!([3, 2])), 4010),
        (identify(&token, 1 << 40), 4013),
    ] {
        let mut socket = Socket::greeted(&sim).await;
        socket.say(&payload).await;
        assert_eq!(socket.close_code().await, code, "{}", &payload.to_string()[..20]);
    }
    let mut old = Socket::open(&sim, "v=6&encoding=json").await;
    assert_eq!(old.close_code().await, 4012);
}

#[tokio::test]
async fn message_content_must_be_switched_on_first() {
    let sim = start(GatewayOptions::default()).await;
    sim.world().set_message_content(MessageContent::Withheld);
    let mut socket = Socket::greeted(&sim).await;
    socket.say(&identify(&sim.world().token(), GUILDS | MESSAGE_CONTENT)).await;
    assert_eq!(socket.close_code().await, 4014);
}

#[tokio::test]
async fn without_the_intent_messages_come_empty() {
    let sim = start(GatewayOptions::default()).await;
    let channel = sim.world().places()[0].id;
    let mut socket = Socket::greeted(&sim).await;
    socket.say(&identify(&sim.world().token(), GUILDS | GUILD_MESSAGES)).await;
    assert_eq!(socket.payload().await["t"], "READY");
    assert_eq!(socket.payload().await["t"], "GUILD_CREATE");
    sim.world().post(channel, NewMessage::text("secret"));
    let event = socket.payload().await;
    assert_eq!(event["t"], "MESSAGE_CREATE");
    assert_eq!(event["d"]["content"], "");
    assert_eq!(event["s"], 3);
}

#[tokio::test]
async fn starting_too_often_is_refused_and_reported() {
    let options = GatewayOptions { session_starts: 2, ..GatewayOptions::default() };
    let sim = start(options).await;
    let hello = identify(&sim.world().token(), GUILDS);
    let mut first = Socket::greeted(&sim).await;
    first.say(&hello).await;
    assert_eq!(first.payload().await["t"], "READY");
    let mut second = Socket::greeted(&sim).await;
    second.say(&hello).await;
    assert_eq!(second.payload().await, json!({ "op": 9, "d": false }));
    let mut third = Socket::greeted(&sim).await;
    third.say(&hello).await;
    assert_eq!(third.close_code().await, 4004);
    assert_eq!(sim.violations().len(), 2, "{:?}", sim.violations());
}

#[tokio::test]
async fn a_hundred_and_twenty_payloads_a_minute_and_no_more() {
    let sim = start(GatewayOptions::default()).await;
    let mut socket = Socket::greeted(&sim).await;
    for _ in 0..121 {
        socket.say(&json!({ "op": 1, "d": null })).await;
    }
    assert_eq!(socket.close_code().await, 4008);
    assert_eq!(sim.stats().heartbeats, 120);
}

#[tokio::test]
async fn a_client_without_a_pulse_is_closed() {
    let interval = Duration::from_millis(20);
    let sim =
        start(GatewayOptions { heartbeat_interval: interval, ..GatewayOptions::default() }).await;
    let mut socket = Socket::greeted(&sim).await;
    assert_eq!(socket.close_code().await, 4009);
}

#[tokio::test]
async fn sessions_end_with_a_proper_close_and_with_the_window() {
    let options = GatewayOptions { identify_window: Duration::ZERO, ..GatewayOptions::default() };
    let sim = start(options).await;
    let token = sim.world().token();
    let resume = |id: &Value, seq: u64| json!({ "op": 6, "d": { "token": token, "session_id": id, "seq": seq } });
    let mut socket = Socket::greeted(&sim).await;
    socket.say(&identify(&token, GUILDS)).await;
    let id = socket.payload().await["d"]["session_id"].clone();
    drop(socket);
    let mut socket = Socket::greeted(&sim).await;
    socket.say(&resume(&id, 1)).await;
    // GUILD_CREATE is replayed with its number, then the resumption has its own.
    let replayed = socket.payload().await;
    assert_eq!((&replayed["t"], &replayed["s"]), (&json!("GUILD_CREATE"), &json!(2)));
    let resumed = socket.payload().await;
    assert_eq!((&resumed["t"], &resumed["s"]), (&json!("RESUMED"), &json!(3)));
    socket.0.close(None).await.unwrap();
    while socket.0.next().await.is_some() {}
    let mut socket = Socket::greeted(&sim).await;
    socket.say(&resume(&id, 99)).await;
    assert_eq!(socket.close_code().await, 4007);
    sim.gateway().wait_for(0).await;
    sim.gateway().forget_sessions();
    let mut socket = Socket::greeted(&sim).await;
    socket.say(&resume(&id, 3)).await;
    assert_eq!(socket.payload().await, json!({ "op": 9, "d": false }));
}

#[tokio::test]
async fn each_shard_hears_of_its_own_servers() {
    let world = World::new(1);
    let guilds = ["a", "b", "c"].map(|name| world.create_guild(name).0);
    let gateway = GatewayOptions {
        max_concurrency: 2,
        shards: 2,
        required_shards: 2,
        ..GatewayOptions::default()
    };
    let options = Options { gateway, ..Options::default() };
    let sim = Sim::start(world, options).await.unwrap();
    let sharded = |shard: u64, shards: u64| {
        let mut payload = identify(&sim.world().token(), GUILDS);
        payload["d"]["shard"] = json!([shard, shards]);
        payload
    };
    for shard in 0..2 {
        let mut socket = Socket::greeted(&sim).await;
        socket.say(&sharded(shard, 2)).await;
        let mut expected: Vec<u64> =
            guilds.iter().copied().filter(|guild| (guild >> 22) % 2 == shard).collect();
        expected.sort_unstable();
        let ready = socket.payload().await;
        let listed = ready["d"]["guilds"].as_array().unwrap().iter();
        let listed: Vec<&str> = listed.map(|guild| guild["id"].as_str().unwrap()).collect();
        assert_eq!(listed, expected.iter().map(u64::to_string).collect::<Vec<_>>());
        for guild in expected {
            assert_eq!(socket.payload().await["d"]["id"], guild.to_string());
        }
    }
    let mut alone = Socket::greeted(&sim).await;
    alone.say(&sharded(0, 1)).await;
    assert_eq!(alone.close_code().await, 4011);
    assert_eq!(sim.violations(), Vec::<String>::new());
}
