//! The gateway against the simulator: sessions survive what a real one puts them through, and a restart.

use std::time::Duration;

use bowerbird::{
    clock::Clock,
    discord::{
        LiveDiscord,
        gateway::{
            Connection, Event, FatalClose, Gateway, Heard, LiveGateway, Plan, Session, ShardNumber,
        },
    },
    domain::id::{ChannelId, GuildId, MessageId},
};
use discord_sim::{
    Acknowledge, Edit, EventFault, EventRule, GatewayOptions, MessageContent, NewChannel,
    NewMessage, NewThread, Options, Sim, VIEW_CHANNEL, When, World,
};
use tokio::time::timeout;

/// Far beyond what a busy machine needs, and an end for what hangs.
const PATIENCE: Duration = Duration::from_secs(40);

/// A world, and us listening to it.
struct Tail {
    sim: Sim,
    guild: discord_sim::GuildId,
    channel: discord_sim::ChannelId,
    plan: Plan,
    connection: Box<dyn Connection>,
}

impl Tail {
    async fn new() -> Self {
        Self::with(GatewayOptions::default()).await
    }

    async fn with(gateway: GatewayOptions) -> Self {
        // Another test may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let world = World::new(5);
        let guild = world.create_guild("g");
        let channel = world.create_channel(guild, NewChannel::text("c"));
        let sim = Sim::start(world, Options { gateway, ..Options::default() }).await.unwrap();
        let (plan, connection) = connect(&sim, ShardNumber(0), None).await;
        Self { sim, guild, channel, plan, connection }
    }

    /// Forgets everything but what a process would have stored, and begins anew.
    async fn restart(self, session: Option<Session>) -> Self {
        drop(self.connection);
        self.sim.gateway().wait_for(0).await;
        let (plan, connection) = connect(&self.sim, ShardNumber(0), session).await;
        Self { plan, connection, ..self }
    }

    async fn heard(&mut self) -> Heard {
        timeout(PATIENCE, self.connection.next()).await.expect("something is heard in time")
    }

    /// The next event that an archive cares for, in short.
    async fn next(&mut self) -> String {
        let next = async {
            loop {
                match self.connection.next().await {
                    Heard::Event { event: Event::Other, .. } | Heard::Disconnected { .. } => {}
                    heard => return short(&heard),
                }
            }
        };
        timeout(PATIENCE, next).await.expect("something that matters is heard in time")
    }

    async fn ready(&mut self) {
        assert_eq!(self.next().await, "ready");
        assert_eq!(self.next().await, "guild");
    }

    fn post(&self, text: &str) -> discord_sim::MessageId {
        self.sim.world().post(self.channel, NewMessage::text(text))
    }

    #[track_caller]
    fn assert_well_behaved(&self) {
        assert_eq!(self.sim.violations(), Vec::<String>::new());
    }
}

async fn connect(
    sim: &Sim,
    shard: ShardNumber,
    session: Option<Session>,
) -> (Plan, Box<dyn Connection>) {
    let gateway = gateway(sim);
    let plan = gateway.plan().await.unwrap();
    let connection = gateway.open(&plan, shard, session);
    (plan, connection)
}

fn gateway(sim: &Sim) -> LiveGateway {
    let token = sim.world().token();
    let discord = LiveDiscord::new(&token, &sim.api_url(), Clock::System).unwrap();
    LiveGateway::new(&token, discord)
}

fn short(heard: &Heard) -> String {
    match heard {
        Heard::Ready { .. } => "ready".to_owned(),
        Heard::Resumed { .. } => "resumed".to_owned(),
        Heard::Disconnected { reason } => format!("lost: {reason}"),
        Heard::Fatal(fatal) => format!("fatal: {fatal:?}"),
        Heard::Event { event, .. } => match event {
            Event::Posted(message) => message.text.clone(),
            Event::Edited(message) => format!("*{}", message.text),
            Event::Deleted { messages, .. } => format!("-{}", messages.len()),
            Event::GuildAvailable { .. } => "guild".to_owned(),
            Event::ThreadsSeen(threads) => {
                let named = threads.iter().map(|thread| {
                    let archived = if thread.archived_at.is_some() { " archived" } else { "" };
                    format!("{}{archived}", thread.name)
                });
                format!("threads {}", named.collect::<Vec<_>>().join(", "))
            }
            other => format!("{other:?}"),
        },
    }
}

#[tokio::test]
async fn what_happens_is_heard() {
    let mut tail = Tail::new().await;
    let Heard::Ready { guilds, session } = tail.heard().await else { panic!("READY comes first") };
    assert_eq!(guilds, [GuildId(tail.guild.0)]);
    assert!(session.sequence() >= 1);
    let Heard::Event { event: Event::GuildAvailable { guild, newest, .. }, .. } =
        tail.heard().await
    else {
        panic!("then the server")
    };
    assert_eq!((guild.0, newest[0].0.0), (tail.guild.0, tail.channel.0));

    let world = tail.sim.world().clone();
    let author = world.create_user("wren");
    let first = world.post(tail.channel, NewMessage::text("one").by(author));
    let Heard::Event { event: Event::Posted(message), sequence } = tail.heard().await else {
        panic!("a message")
    };
    assert_eq!((message.id, message.guild), (MessageId(first.0), Some(GuildId(tail.guild.0))));
    assert_eq!((message.text.as_str(), message.author.id.0), ("one", author.0));
    assert!(sequence > session.sequence());
    assert_eq!(tail.connection.session().unwrap().sequence(), sequence);

    world.edit(tail.channel, first, Edit::text("two"));
    assert_eq!(tail.next().await, "*two");
    world.delete(tail.channel, first);
    assert_eq!(tail.next().await, "-1");
    let more = [tail.post("a"), tail.post("b")];
    assert_eq!([tail.next().await, tail.next().await], ["a", "b"]);
    world.delete_bulk(tail.channel, &more);
    assert_eq!(tail.next().await, "-2");
    let thread = world.create_thread(tail.channel, NewThread::public("t"));
    assert_eq!(tail.next().await, "threads t");
    world.archive_thread(thread);
    assert_eq!(tail.next().await, "threads t archived");
    world.withdraw(tail.channel, VIEW_CHANNEL);
    assert!(tail.next().await.starts_with("PlacesChanged"));
    world.restore(tail.channel);
    assert!(tail.next().await.starts_with("PlacesChanged"));
    // What is visible again is listed; the only thread is archived, though.
    assert_eq!(tail.next().await, "threads ");
    world.delete_channel(thread);
    let gone =
        Event::ThreadGone { guild: Some(GuildId(tail.guild.0)), thread: ChannelId(thread.0) };
    assert_eq!(tail.next().await, format!("{gone:?}"));
    tail.assert_well_behaved();
}

#[tokio::test]
async fn a_server_may_be_away_or_lost() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    let world = tail.sim.world().clone();
    world.set_available(tail.guild, false);
    assert!(tail.next().await.starts_with("GuildUnavailable"));
    world.set_available(tail.guild, true);
    assert_eq!(tail.next().await, "guild");
    world.kick_bot(tail.guild);
    assert!(tail.next().await.starts_with("GuildLost"));
    tail.assert_well_behaved();
}

#[tokio::test]
async fn a_lost_connection_is_resumed_and_misses_nothing() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    for provoke in [
        discord_sim::Gateway::cut,
        discord_sim::Gateway::reconnect,
        |gateway: &discord_sim::Gateway| gateway.close(4000),
        discord_sim::Gateway::invalidate_resumable,
    ] {
        provoke(&tail.sim.gateway());
        tail.post("meanwhile");
        // Whether the message made it before the end of the old connection or comes with the replay.
        let mut heard = [tail.next().await, tail.next().await];
        heard.sort();
        assert_eq!(heard, ["meanwhile", "resumed"]);
    }
    let stats = tail.sim.stats();
    assert_eq!((stats.identifies, stats.resumes), (1, 4));
    tail.assert_well_behaved();
}

#[tokio::test]
async fn a_session_that_is_gone_is_replaced() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    let before = tail.connection.session().unwrap();
    tail.sim.gateway().invalidate();
    tail.ready().await;
    assert_ne!(tail.connection.session().unwrap().at(0), before.at(0));
    tail.post("after");
    assert_eq!(tail.next().await, "after");
    assert_eq!(tail.sim.stats().identifies, 2);
    tail.assert_well_behaved();
}

#[tokio::test]
async fn a_sequence_that_discord_does_not_know_ends_the_session_and_not_us() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    let session = tail.connection.session().unwrap().at(1_000_000);
    let mut tail = tail.restart(Some(session)).await;
    tail.ready().await;
    tail.post("after");
    assert_eq!(tail.next().await, "after");
}

#[tokio::test]
async fn an_unanswered_heartbeat_is_noticed() {
    let gateway = GatewayOptions {
        heartbeat_interval: Duration::from_millis(300),
        ..GatewayOptions::default()
    };
    let mut tail = Tail::with(gateway).await;
    tail.ready().await;
    tail.sim.gateway().acknowledge(Acknowledge::Nothing);
    let heard = tail.heard().await;
    assert!(matches!(heard, Heard::Disconnected { .. }), "{heard:?}");
    tail.sim.gateway().acknowledge(Acknowledge::Heartbeats);
    assert_eq!(tail.next().await, "resumed");
    tail.post("after");
    assert_eq!(tail.next().await, "after");
    assert!(tail.sim.stats().heartbeats > 0);
}

#[tokio::test]
async fn a_new_process_goes_on_where_the_old_one_had_handled_everything() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    tail.post("handled");
    let Heard::Event { sequence: handled, .. } = tail.heard().await else { panic!("a message") };
    tail.post("received");
    assert_eq!(tail.next().await, "received");
    // A crash: what was received after the last durable one must come again.
    let stored = serde_json::to_string(&tail.connection.session().unwrap().at(handled)).unwrap();
    let stored = serde_json::from_str(&stored).unwrap();
    let mut tail = tail.restart(Some(stored)).await;
    tail.post("meanwhile");
    let mut heard = [tail.next().await, tail.next().await, tail.next().await];
    heard.sort();
    assert_eq!(heard, ["meanwhile", "received", "resumed"]);
    assert_eq!((tail.sim.stats().identifies, tail.sim.stats().resumes), (1, 1));
    tail.assert_well_behaved();
}

#[tokio::test]
async fn a_goodbye_leaves_the_session_to_be_resumed() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    tail.connection.close_for_resume().await;
    let session = tail.connection.session().unwrap();
    tail.sim.gateway().wait_for(0).await;
    // Saying it twice, or to nobody, does no harm, and brings nobody back.
    tail.connection.close_for_resume().await;
    assert_eq!(tail.sim.stats().connections, 1);
    let mut tail = tail.restart(Some(session)).await;
    tail.post("meanwhile");
    let mut heard = [tail.next().await, tail.next().await];
    heard.sort();
    assert_eq!(heard, ["meanwhile", "resumed"]);
    assert_eq!(tail.sim.stats().identifies, 1);
    tail.assert_well_behaved();
}

#[tokio::test]
async fn a_stored_session_that_expired_is_replaced() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    let session = tail.connection.session().unwrap();
    drop(tail.connection);
    tail.sim.gateway().wait_for(0).await;
    tail.sim.gateway().forget_sessions();
    let (plan, connection) = connect(&tail.sim, ShardNumber(0), Some(session)).await;
    let mut tail = Tail { plan, connection, ..tail };
    tail.ready().await;
    assert_eq!(tail.sim.stats().resumes, 0);
}

#[tokio::test]
async fn a_gateway_that_refuses_connections_is_tried_until_it_is_back() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    tail.sim.gateway().refuse(3);
    tail.sim.gateway().cut();
    tail.post("meanwhile");
    let mut heard = [tail.next().await, tail.next().await];
    heard.sort();
    assert_eq!(heard, ["meanwhile", "resumed"]);
    tail.assert_well_behaved();
}

#[tokio::test]
async fn waiting_may_be_broken_off_at_any_time() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    for number in 0..200 {
        tail.post(&number.to_string());
    }
    let mut heard = Vec::new();
    while heard.len() < 200 {
        // Polled once or a little longer, and dropped.
        let patience = Duration::from_micros(heard.len() as u64 % 7 * 50);
        if let Ok(event) = timeout(patience, tail.connection.next()).await {
            heard.push(short(&event));
        }
    }
    let expected: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn duplicates_and_disorder_reach_us_as_they_are() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    let rule = |n, fault| EventRule::new("MESSAGE_CREATE", When::Nth(n), fault);
    tail.sim.gateway().inject(rule(1, EventFault::Duplicate));
    tail.sim.gateway().inject(rule(2, EventFault::Lose));
    for text in ["a", "b", "c"] {
        tail.post(text);
    }
    assert_eq!([tail.next().await, tail.next().await, tail.next().await], ["a", "a", "c"]);
}

#[tokio::test]
async fn closes_that_a_person_must_mend_end_it() {
    for (code, expected) in [
        (4004, FatalClose::Token),
        (4010, FatalClose::Shard),
        (4011, FatalClose::ShardingRequired),
        (4012, FatalClose::Version),
        (4013, FatalClose::Intents),
        (4014, FatalClose::DisallowedIntents),
    ] {
        let mut tail = Tail::new().await;
        tail.ready().await;
        tail.sim.gateway().close(code);
        for _ in 0..3 {
            let Heard::Fatal(fatal) = tail.heard().await else { panic!("{code}") };
            assert_eq!(fatal, expected);
        }
        assert_eq!(tail.sim.stats().connections, 1);
    }
}

#[tokio::test]
async fn a_missing_intent_and_too_few_shards_are_told() {
    let mut tail = Tail::new().await;
    tail.sim.world().set_message_content(MessageContent::Withheld);
    let Heard::Fatal(fatal) = tail.heard().await else { panic!("the intent is off") };
    assert!(fatal.to_string().contains("Message Content Intent"));

    let mut tail =
        Tail::with(GatewayOptions { required_shards: 2, ..GatewayOptions::default() }).await;
    assert!(matches!(tail.heard().await, Heard::Fatal(FatalClose::ShardingRequired)));
}

#[tokio::test]
async fn shards_identify_one_after_the_other() {
    let tail = Tail::with(GatewayOptions { shards: 2, ..GatewayOptions::default() }).await;
    assert_eq!(tail.plan.shards.get(), 2);
    let gateway = gateway(&tail.sim);
    let plan = gateway.plan().await.unwrap();
    let mut first = gateway.open(&plan, ShardNumber(0), None);
    let mut second = gateway.open(&plan, ShardNumber(1), None);
    let (one, two) = tokio::join!(first.next(), second.next());
    assert_eq!([short(&one), short(&two)], ["ready", "ready"]);
    tail.assert_well_behaved();
}

#[tokio::test]
async fn used_up_session_starts_are_seen_beforehand() {
    let mut tail =
        Tail::with(GatewayOptions { session_starts: 2, ..GatewayOptions::default() }).await;
    assert_eq!(tail.plan.starts.wait_for(1), None);
    tail.ready().await;
    let plan = gateway(&tail.sim).plan().await.unwrap();
    assert_eq!((plan.starts.remaining, plan.starts.wait_for(1)), (1, None));
    let wait = plan.starts.wait_for(2).unwrap();
    assert!(wait > Duration::from_hours(23), "{wait:?}");
}
