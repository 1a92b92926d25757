//! Tokens, signatures and addresses that are secrets appear in nothing that the program says, shows or starts, however
//! much goes wrong and however much is asked of the log.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use discord_sim::{
    Content, EventFault, EventRule, Fault, NewAttachment, NewChannel, NewMessage, Options, Refresh,
    Rule, Scope, Target, When, World,
};
use serde_json::Value;

use super::{Hook, WEBHOOK_SECRET, get, status_address};
use crate::rig::{Bower, Rig, until};

/// What nobody is to see.
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn of(rig: &Rig) -> Self {
        let token = rig.world().token();
        let parts: Vec<&str> = token.split('.').collect();
        Self(vec![
            ("the token", token.clone()),
            // Its first part is the bot's id, which is no secret.
            ("the end of the token", parts[2].to_owned()),
            ("the signature of a link", "hm=".to_owned()),
            ("the webhook", WEBHOOK_SECRET.to_owned()),
        ])
    }

    /// Panics when a text holds one.
    #[track_caller]
    fn assert_not_in(&self, whence: &str, text: &str) {
        for (what, secret) in &self.0 {
            if let Some(at) = text.find(secret.as_str()) {
                let line = text[..at].lines().count().saturating_sub(1);
                let line = text.lines().nth(line).unwrap_or_default();
                panic!("{what} stands in {whence}: {line}");
            }
        }
    }
}

fn world() -> World {
    let world = World::new(11);
    let guild = world.create_guild("Night Owls");
    let wren = world.create_user("Wren");
    world.join(guild, wren);
    world.set_avatar(wren, Some(Content::bytes(b"no picture at all".to_vec())));
    let channel = world.create_channel(guild, NewChannel::text("clips"));
    for number in 0..24 {
        let bytes = format!("not really a film {number}").into_bytes();
        let file = NewAttachment::new(format!("clip {number}.mp4"), Content::bytes(bytes));
        world.post(channel, NewMessage::text("look").by(wren).attach(file));
    }
    world
}

/// Everything that can be said about is made to go wrong.
fn eventful() -> Options {
    let pages = Target::Route("list_messages");
    let mut faults = vec![
        Rule::nth(pages, 1, Fault::HtmlStatus(502)),
        Rule::nth(pages, 2, Fault::Limited(Scope::User, Duration::from_millis(100))),
        Rule::nth(Target::Route("refresh_urls"), 1, Fault::Status(500)),
    ];
    let files = [
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(500),
        Fault::Reset,
        Fault::Truncate(4),
        Fault::WrongLength(5),
        Fault::HtmlOk,
        Fault::WrongBytes,
        Fault::Cloudflare(403, None),
        Fault::Limited(Scope::User, Duration::from_millis(100)),
    ];
    faults.extend((2..).step_by(2).zip(files).map(|(n, fault)| Rule::nth(Target::Cdn, n, fault)));
    Options { faults, refresh: Refresh::Gaps, ..Bower::calm() }
}

/// The arguments of a process and of its children, which everybody on the machine may see.
fn arguments(of: u32) -> BTreeSet<String> {
    let read = |pid: &str| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let is_child = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        parent == Some(of.to_string().as_str())
    };
    let Ok(processes) = fs::read_dir("/proc") else { return BTreeSet::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|pid| *pid == of.to_string() || is_child(pid))
        .map(|pid| String::from_utf8_lossy(&read(&pid)).replace('\0', " "))
        .collect()
}

async fn run_eventfully(mode: &'static str) {
    let hook = Hook::answering(StatusCode::INTERNAL_SERVER_ERROR).await;
    let rig = Rig::over(&world())
        .options(eventful())
        .set("MEDIA", mode)
        .set("RUST_LOG", "trace")
        .set("LOG_FORMAT", "json")
        .set("STATUS_ADDR", "127.0.0.1:0")
        .set("ALERT_WEBHOOK_URL", &hook.address)
        .start()
        .await;
    let secrets = Secrets::of(&rig);
    let service = rig.spawn(&["run", "--fetch-history"]);
    let address = status_address(&rig).await;
    let mut seen = BTreeSet::new();
    let deadline = Instant::now() + crate::rig::PATIENCE;
    let mut disturbed = false;
    loop {
        seen.extend(arguments(service.id()));
        let metrics = get(&format!("{address}/metrics")).await.1;
        secrets.assert_not_in("/metrics", &metrics);
        let status = rig.status().await;
        secrets.assert_not_in("status --json", &status.to_string());
        if !disturbed && status["service"]["shards_listening"] == 1 {
            let gateway = rig.discord.gateway();
            gateway.inject(EventRule::any(When::Nth(1), EventFault::Cut));
            gateway.invalidate();
            disturbed = true;
        }
        let waiting = &status["waiting"];
        let is_quiet = waiting["downloads"] == 0 && waiting["thumbnails"] == 0;
        if disturbed && is_quiet && status["service"]["caught_up"] == true {
            break;
        }
        assert!(Instant::now() < deadline, "still at work: {status:#}");
    }
    for arguments in [&["status", "--all"][..], &["doctor"], &["fetch", "--dry-run"]] {
        let ended = rig.run(arguments).await;
        secrets.assert_not_in(&format!("{arguments:?}"), &(ended.stdout + &ended.stderr));
    }
    until("there is something to look for", async || (seen.len() > 1).then_some(())).await;
    for arguments in &seen {
        secrets.assert_not_in("the arguments of a process", arguments);
    }
    // A token that is refused while the service runs ends it with an error, and with an alert.
    rig.discord.gateway().close(4004);
    let ended = service.ended().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(!hook.told().is_empty());
    for told in hook.told() {
        secrets.assert_not_in("an alert", &told);
    }
    let said = rig.said();
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told: BTreeSet<(String, String)> = lines
        .filter_map(|line| {
            let word = |key: &str| Some(line.get(key)?.as_str()?.to_owned());
            Some((word("level")?, word("target")?.split("::").next()?.to_owned()))
        })
        .collect();
    assert!(told.contains(&("DEBUG".to_owned(), "bowerbird".to_owned())), "{told:?}");
    let chatter = |(level, from): &&(String, String)| {
        from != "bowerbird" && !matches!(level.as_str(), "WARN" | "ERROR")
    };
    let chatter: Vec<_> = told.iter().filter(chatter).collect();
    assert!(chatter.is_empty(), "what libraries say holds headers and addresses: {chatter:?}");
    secrets.assert_not_in("the log", &said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_said_shows_a_secret_while_files_are_copied() {
    run_eventfully("copy").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_said_shows_a_secret_while_links_are_kept() {
    run_eventfully("link").await;
}
