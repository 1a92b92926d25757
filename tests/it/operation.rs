//! What the running service tells those who watch it, whom it calls, and what it keeps to itself.

mod secrets;

use std::{
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use bowerbird::app::metric;
use discord_sim::{Content, NewAttachment, NewChannel, NewMessage, World};
use serde_json::Value;

use crate::rig::{Rig, until};

/// The part of an address that makes it a secret.
const WEBHOOK_SECRET: &str = "n0b0dy-else-may-know";

/// A server whose one channel has a message with a file.
fn world() -> World {
    let world = World::new(5);
    let guild = world.create_guild("Night Owls");
    let wren = world.create_user("Wren");
    world.join(guild, wren);
    let channel = world.create_channel(guild, NewChannel::text("clips"));
    let file = NewAttachment::new("owl.mp4", Content::bytes(vec![7; 1_000]));
    world.post(channel, NewMessage::text("look").by(wren).attach(file));
    world
}

/// Takes what is posted to a webhook, and answers as told.
#[derive(Clone)]
struct Hook {
    told: Arc<Mutex<Vec<Value>>>,
    answer: StatusCode,
    address: String,
}

impl Hook {
    async fn answering(answer: StatusCode) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/{WEBHOOK_SECRET}", listener.local_addr().unwrap());
        let hook = Self { told: Arc::default(), answer, address };
        let app =
            Router::new().route(&format!("/{WEBHOOK_SECRET}"), post(take)).with_state(hook.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        hook
    }

    fn told(&self) -> Vec<String> {
        let told = self.told.lock().unwrap();
        told.iter().map(|body| body["content"].as_str().unwrap().to_owned()).collect()
    }
}

async fn take(State(hook): State<Hook>, Json(body): Json<Value>) -> StatusCode {
    hook.told.lock().unwrap().push(body);
    hook.answer
}

/// Where the running service tells how it is.
async fn status_address(rig: &Rig) -> String {
    until("the service tells where it can be asked", async || {
        let said = rig.said();
        let line = said.lines().find(|line| line.contains("telling how the service is"))?;
        let (_, address) = line.split_once("127.0.0.1:")?;
        let port: String = address.chars().take_while(char::is_ascii_digit).collect();
        Some(format!("http://127.0.0.1:{port}"))
    })
    .await
}

async fn get(address: &str) -> (u16, String) {
    // Fails only when another test was first.
    rustls::crypto::ring::default_provider().install_default().ok();
    let answer = reqwest::get(address).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_works_is_ready_and_measured() {
    let rig = Rig::over(&world()).set("STATUS_ADDR", "127.0.0.1:0").start().await;
    let service = rig.spawn(&["run", "--fetch-history"]);
    rig.until_published("the file is there", |archive| archive.entries.len() == 1).await;
    let address = status_address(&rig).await;
    until("the service is ready", async || {
        (get(&format!("{address}/readyz")).await.0 == 200).then_some(())
    })
    .await;
    assert_eq!(get(&format!("{address}/healthz")).await, (200, "ok\n".to_owned()));
    let metrics = get(&format!("{address}/metrics")).await.1;
    let value = |series: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in\n{metrics}")).parse::<f64>().unwrap()
    };
    let is = |series: &str, expected: f64| {
        assert!((value(series) - expected).abs() < 1e-9, "{series}: {}", value(series));
    };
    is("bowerbird_files_stored", 1.0);
    is("bowerbird_files_stored_bytes", 1_000.0);
    is("bowerbird_shards_listening", 1.0);
    is("bowerbird_lease_held", 1.0);
    is("bowerbird_coverage_holes", 0.0);
    is("bowerbird_places{state=\"complete\"}", 1.0);
    is("bowerbird_queue_waiting{queue=\"download\"}", 0.0);
    is("bowerbird_actor_restarts_total{actor=\"publisher\"}", 0.0);
    assert!(value("bowerbird_discord_answers_total{status=\"200\"}") > 3.0);
    assert!(value("bowerbird_gateway_last_event_seconds") >= 0.0);
    for metric in metric::ALL {
        // One has a series for each reason, and there is none; others are there when there is something to tell.
        if metric.name != "bowerbird_parked" && !metric.help.contains("absent before") {
            assert!(metrics.contains(&format!("# TYPE {}", metric.name)), "{}", metric.name);
            assert!(metrics.contains(&format!("# HELP {} {}", metric.name, metric.help)));
        }
    }
    // Over TCP nothing can be changed and nothing is told of people or channels.
    for path in ["status", "retry-parked", "metrics/..%2fstatus"] {
        assert_eq!(get(&format!("{address}/{path}")).await.0, 404, "{path}");
    }
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(rig.state()), 0o700);
    assert_eq!(mode(rig.state().join("control.sock")), 0o600);
    let leftovers = std::fs::read_dir(rig.state()).unwrap().filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".control-")
    });
    assert_eq!(leftovers.count(), 0);

    // A server that is lost is not listened to any more, and that is no reason to start the process anew.
    rig.discord.gateway().refuse(1_000);
    rig.discord.gateway().cut();
    let why = until("it is told that nobody listens", async || {
        let (status, why) = get(&format!("{address}/readyz")).await;
        (status == 503).then_some(why)
    })
    .await;
    assert_eq!(why, "not listening to Discord\n");
    assert_eq!(get(&format!("{address}/healthz")).await.0, 200);
    rig.discord.gateway().refuse(0);
    until("the service is ready again", async || {
        (get(&format!("{address}/readyz")).await.0 == 200).then_some(())
    })
    .await;
    assert_eq!(service.drained().await.code, Some(0));
}

/// Discord takes another bot's token only, and the hook is to hear of it.
async fn with_a_dead_token(hook: &Hook) -> Rig {
    let dead = World::new(99).token();
    Rig::over(&world()).set("TOKEN", dead).set("ALERT_WEBHOOK_URL", &hook.address).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_died_is_told_once() {
    let hook = Hook::answering(StatusCode::NO_CONTENT).await;
    let rig = with_a_dead_token(&hook).await;
    for _ in 0..2 {
        let ended = rig.run(&["run"]).await;
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let told = hook.told();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("TOKEN") || told[0].contains("token"), "{told:?}");
    }
    assert_eq!(hook.told.lock().unwrap()[0]["allowed_mentions"]["parse"], Value::Array(Vec::new()));
    assert!(!rig.said().contains(WEBHOOK_SECRET), "{}", rig.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_that_nobody_takes_ends_no_service_and_shows_no_address() {
    let hook = Hook::answering(StatusCode::NOT_FOUND).await;
    let mut rig = with_a_dead_token(&hook).await;
    let ended = rig.run(&["run"]).await;
    assert!(ended.stderr.contains("answered 404"), "{}", ended.stderr);
    rig.set("ALERT_WEBHOOK_URL", format!("http://127.0.0.1:1/{WEBHOOK_SECRET}"));
    let ended = rig.run(&["run"]).await;
    assert!(ended.stderr.contains("can't be reached"), "{}", ended.stderr);
    assert!(!rig.said().contains(WEBHOOK_SECRET), "{}", rig.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_others_may_read_is_warned_about() {
    let mut rig = Rig::over(&world()).start().await;
    let file = rig.folder().join(".env");
    std::fs::write(&file, format!("TOKEN={}\n", rig.world().token())).unwrap();
    rig.set("TOKEN", "");
    let mode = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    mode(0o644);
    let warned = rig.succeed(&["fetch"]).await.stderr;
    assert!(warned.contains("others on this machine may read TOKEN"), "{warned}");
    assert!(warned.contains("chmod 600"), "{warned}");
    mode(0o600);
    let quiet = rig.succeed(&["fetch"]).await.stderr;
    assert!(!quiet.contains("others on this machine"), "{quiet}");
}
