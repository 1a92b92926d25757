//! twilight's shard over the simulated gateway: sessions survive what a real one puts them through.

use std::time::Duration;

use discord_sim::{
    Acknowledge, Edit, EventFault, EventRule, GatewayOptions, NewChannel, NewMessage, NewThread,
    Options, Sim, When, World,
};
use twilight_gateway::{
    Config, ConfigBuilder, EventTypeFlags, Intents, Shard, ShardId, StreamExt, queue::InMemoryQueue,
};
use twilight_model::gateway::event::Event;

/// Far beyond what a busy machine needs, and an end for what hangs.
const PATIENCE: Duration = Duration::from_secs(30);

struct Tail {
    sim: Sim,
    channel: discord_sim::ChannelId,
    shard: Shard<InMemoryQueue>,
}

impl Tail {
    async fn new() -> Self {
        Self::with(GatewayOptions::default()).await
    }

    async fn with(gateway: GatewayOptions) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let world = World::new(5);
        let guild = world.create_guild("g");
        let channel = world.create_channel(guild, NewChannel::text("c"));
        let gateway = GatewayOptions { identify_window: Duration::ZERO, ..gateway };
        let options = Options { gateway, ..Options::default() };
        let sim = Sim::start(world, options).await.unwrap();
        let shard = Shard::with_config(ShardId::ONE, config(&sim));
        Self { sim, channel, shard }
    }

    async fn next(&mut self) -> Event {
        loop {
            let next = self.shard.next_event(EventTypeFlags::all());
            match tokio::time::timeout(PATIENCE, next).await.expect("an event in time") {
                // Heartbeats and reconnecting are the shard's affair.
                Some(Ok(Event::GatewayHeartbeatAck | Event::GatewayHello(_)) | Err(_)) => {}
                Some(Ok(event)) => return event,
                None => panic!("the shard ended"),
            }
        }
    }

    /// The next event that is a message's, as `text`, `*text` for an update or `-id` for a deletion.
    async fn message(&mut self) -> String {
        loop {
            match self.next().await {
                Event::MessageCreate(message) => return message.content.clone(),
                Event::MessageUpdate(message) => return format!("*{}", message.content),
                Event::MessageDelete(message) => return format!("-{}", message.id),
                Event::MessageDeleteBulk(messages) => return format!("-{:?}", messages.ids.len()),
                _ => {}
            }
        }
    }

    fn post(&self, text: &str) -> discord_sim::MessageId {
        self.sim.world().post(self.channel, NewMessage::text(text))
    }

    async fn ready(&mut self) {
        while !matches!(self.next().await, Event::GuildCreate(_)) {}
    }
}

fn config(sim: &Sim) -> Config<InMemoryQueue> {
    let intents = Intents::GUILDS | Intents::GUILD_MESSAGES | Intents::MESSAGE_CONTENT;
    ConfigBuilder::new(sim.world().token(), intents)
        .proxy_url(sim.gateway_url())
        .queue(InMemoryQueue::new(0, 0, Duration::ZERO, 0))
        .build()
}

#[tokio::test]
async fn messages_arrive_live() {
    let mut tail = Tail::new().await;
    let Event::Ready(ready) = tail.next().await else { panic!("READY comes first") };
    assert_eq!(ready.user.id.get(), tail.sim.world().bot().0);
    let Event::GuildCreate(guild) = tail.next().await else { panic!("then the server") };
    let twilight_model::gateway::payload::incoming::GuildCreate::Available(guild) = *guild else {
        panic!("the server is available");
    };
    assert_eq!(guild.channels.len(), 1);
    assert_eq!(guild.members.len(), 1);

    let first = tail.post("one");
    assert_eq!(tail.message().await, "one");
    tail.sim.world().edit(tail.channel, first, Edit::text("two"));
    assert_eq!(tail.message().await, "*two");
    tail.sim.world().delete(tail.channel, first);
    assert_eq!(tail.message().await, format!("-{first}"));
    let more = [tail.post("a"), tail.post("b")];
    assert_eq!(tail.message().await, "a");
    assert_eq!(tail.message().await, "b");
    tail.sim.world().delete_bulk(tail.channel, &more);
    assert_eq!(tail.message().await, "-2");
    let thread = tail.sim.world().create_thread(tail.channel, NewThread::public("t"));
    let Event::ThreadCreate(created) = tail.next().await else { panic!("a thread") };
    assert_eq!(created.id.get(), thread.0);
    tail.sim.world().archive_thread(thread);
    let Event::ThreadUpdate(updated) = tail.next().await else { panic!("an archived thread") };
    assert!(updated.thread_metadata.as_ref().unwrap().archived);
    assert_eq!(tail.sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn embeds_come_late_and_without_an_edit() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    let message = tail.post("https://example.com/clip");
    let Event::MessageCreate(created) = tail.next().await else { panic!("the message") };
    assert!(created.embeds.is_empty());
    let embed = serde_json::json!({ "type": "link", "url": "https://example.com/clip" });
    tail.sim.world().edit(tail.channel, message, Edit::late_embeds(vec![embed]));
    let Event::MessageUpdate(updated) = tail.next().await else { panic!("its embed") };
    assert_eq!((updated.embeds.len(), updated.edited_timestamp), (1, None));
}

#[tokio::test]
async fn a_cut_connection_is_resumed_and_misses_nothing() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    tail.post("before");
    assert_eq!(tail.message().await, "before");
    for provoke in [
        discord_sim::Gateway::cut,
        discord_sim::Gateway::reconnect,
        |gateway: &discord_sim::Gateway| {
            gateway.close(4000);
        },
        discord_sim::Gateway::invalidate_resumable,
    ] {
        provoke(&tail.sim.gateway());
        tail.post("meanwhile");
        // Whether the message made it before the end of the old connection or comes with the replay.
        let (mut resumed, mut heard) = (0, 0);
        while resumed + heard < 2 {
            match tail.next().await {
                Event::Resumed => resumed += 1,
                Event::MessageCreate(message) if message.content == "meanwhile" => heard += 1,
                _ => {}
            }
        }
        assert_eq!((resumed, heard), (1, 1));
    }
    let stats = tail.sim.stats();
    assert_eq!(stats.identifies, 1);
    assert_eq!(stats.resumes, 4);
    tail.sim.gateway().cut();
    while !matches!(tail.next().await, Event::Resumed) {}
    tail.sim.until(|stats| stats.resumes == 5).await;
    assert_eq!(tail.sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn an_invalid_session_starts_anew_without_what_was_missed() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    tail.sim.gateway().invalidate();
    tail.post("lost");
    tail.ready().await;
    tail.post("heard");
    assert_eq!(tail.message().await, "heard");
    assert_eq!(tail.sim.stats().identifies, 2);
    assert_eq!(tail.sim.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn silence_after_heartbeats_makes_the_client_reconnect() {
    let gateway = GatewayOptions {
        heartbeat_interval: Duration::from_millis(50),
        ..GatewayOptions::default()
    };
    let mut tail = Tail::with(gateway).await;
    tail.ready().await;
    tail.sim.gateway().acknowledge(Acknowledge::Nothing);
    while !matches!(tail.next().await, Event::Resumed) {}
    tail.sim.gateway().acknowledge(Acknowledge::Heartbeats);
    tail.post("alive");
    assert_eq!(tail.message().await, "alive");
}

#[tokio::test]
async fn events_are_lost_doubled_swapped_and_late() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    for (nth, fault) in [
        (1, EventFault::Lose),
        (2, EventFault::Duplicate),
        (3, EventFault::SwapWithNext),
        (5, EventFault::Late(Duration::from_millis(1))),
    ] {
        tail.sim.gateway().inject(EventRule::new("MESSAGE_CREATE", When::Nth(nth), fault));
    }
    for text in ["lost", "twice", "third", "fourth", "late"] {
        tail.post(text);
    }
    for expected in ["twice", "twice", "fourth", "third", "late"] {
        assert_eq!(tail.message().await, expected);
    }
}

#[tokio::test]
async fn an_outage_is_no_removal() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    let guild = tail.sim.world().places()[0].guild;
    tail.sim.world().set_available(guild, false);
    assert!(
        matches!(tail.next().await, Event::GuildDelete(gone) if gone.unavailable == Some(true))
    );
    tail.sim.world().set_available(guild, true);
    assert!(matches!(tail.next().await, Event::GuildCreate(_)));
}

#[tokio::test]
async fn channels_out_of_sight_are_silent() {
    let mut tail = Tail::new().await;
    tail.ready().await;
    tail.sim.world().withdraw(tail.channel, discord_sim::VIEW_CHANNEL);
    tail.post("unseen");
    tail.sim.world().restore(tail.channel);
    assert!(matches!(tail.next().await, Event::ChannelUpdate(_)));
    assert!(matches!(tail.next().await, Event::ChannelUpdate(_)));
    assert!(matches!(tail.next().await, Event::ThreadListSync(_)));
    tail.post("seen");
    assert_eq!(tail.message().await, "seen");
}
