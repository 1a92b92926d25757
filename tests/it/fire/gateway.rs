//! The gateway breaks in every way it can, and nothing is missed: what no event told, history tells.

use std::time::Duration;

use discord_sim::{Acknowledge, EventFault, EventRule, GatewayOptions, MessageId, Options, When};

use super::*;

/// So often that a missed one shows within seconds.
const HEARTBEATS: Duration = Duration::from_secs(1);

async fn with_heartbeats(server: &Server) -> Rig {
    let gateway = GatewayOptions { heartbeat_interval: HEARTBEATS, ..GatewayOptions::default() };
    let options = Options { gateway, ..crate::rig::Bower::calm() };
    server.rig().options(options).start().await
}

async fn until_shown(rig: &Rig, message: MessageId) {
    rig.until_published("it is on the page", |archive| {
        let entries = archive.of_message(&message);
        !entries.is_empty() && entries.iter().all(|entry| entry["Media"].is_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_end_in_every_way_miss_nothing() {
    let server = Server::new(51, 3, 1_000);
    let rig = server.rig().start().await;
    let process = service(&rig).await;
    let gateway = rig.discord.gateway();
    let ends: [(&str, &dyn Fn()); 6] = [
        ("reset", &|| gateway.reset()),
        ("cut", &|| gateway.cut()),
        ("reconnect", &|| gateway.reconnect()),
        ("close", &|| gateway.close(4000)),
        ("invalid-but-resumable", &|| gateway.invalidate_resumable()),
        ("invalid", &|| gateway.invalidate()),
    ];
    for (name, end) in ends {
        server.post(&format!("before-{name}"));
        end();
        let after = server.post(&format!("after-{name}"));
        until_shown(&rig, after).await;
        gateway.wait_for(1).await;
    }
    let stats = rig.stats();
    assert_eq!(stats.identifies, 2, "only the session that was gone was begun anew: {stats:?}");
    until_whole(&rig).await;
    end(&rig, process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_only_looks_alive_is_found_out() {
    let server = Server::new(52, 1, 1_000);
    let rig = with_heartbeats(&server).await;
    let process = service(&rig).await;
    let gateway = rig.discord.gateway();
    let connections = rig.stats().connections;
    // Nothing arrives any more, and no heartbeat is answered.
    gateway.acknowledge(Acknowledge::Nothing);
    gateway.inject(EventRule::any(When::Always, EventFault::Lose));
    let unheard = server.post("unheard");
    rig.discord.until(|stats| stats.connections > connections).await;
    gateway.heal();
    let heard = server.post("heard");
    until_shown(&rig, heard).await;
    until_shown(&rig, unheard).await;
    end(&rig, process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_never_says_hello_is_left() {
    let server = Server::new(53, 1, 1_000);
    let rig = server.rig().start().await;
    let process = service(&rig).await;
    let gateway = rig.discord.gateway();
    gateway.stay_silent(1);
    gateway.reset();
    let unheard = server.post("unheard");
    until_shown(&rig, unheard).await;
    assert_told(&rig, "fallen silent", 1);
    let stats = rig.stats();
    assert_eq!(stats.identifies, 1, "the session goes on: {stats:?}");
    end(&rig, process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_in_any_order_and_number_come_to_the_same() {
    let server = Server::new(54, 1, 1_000);
    let rig = server.rig().start().await;
    let process = service(&rig).await;
    let gateway = rig.discord.gateway();
    let every = |event, n, fault| gateway.inject(EventRule::new(event, When::Every(n), fault));
    every("MESSAGE_CREATE", 2, EventFault::SwapWithNext);
    every("MESSAGE_UPDATE", 2, EventFault::Late(Duration::from_millis(700)));
    every("MESSAGE_DELETE", 2, EventFault::Duplicate);
    every("MESSAGE_CREATE", 3, EventFault::Duplicate);
    for number in 0..12 {
        let name = format!("clip-{number}");
        let message = server.post(&name);
        match number % 3 {
            0 => server.world.edit(server.clips, message, discord_sim::Edit::text("edited")),
            // Every other time this comes before its message.
            1 => server.world.delete(server.clips, message),
            _ => {}
        }
    }
    // What is held back until the next one comes with this one.
    gateway.heal();
    let last = server.post("last");
    until_shown(&rig, last).await;
    rig.until_published("all of it shows as it is", |archive| {
        let wanted = expected(rig.world(), &Selected::default());
        let as_it_is = |(id, (message, _)): (&String, &(discord_sim::TruthMessage, _))| {
            archive.entries[id]["Description"] == message.content
        };
        is_whole(archive, &rig) && wanted.iter().all(as_it_is)
    })
    .await;
    end(&rig, process).await;
}
