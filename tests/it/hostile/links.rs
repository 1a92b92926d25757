//! Addresses in a message that lead where no file is: into this machine, its network, or to somebody else.

use bowerbird::{
    cdn::{Cdn, CdnError, Host, HttpCdn},
    domain::link::Link,
};
use discord_sim::{Forged, NewAttachment, NewMessage, Rule, Target};
use serde_json::{Value, json};

use super::{bower, hurried};
use crate::trap::Trap;

/// Ways to say "this machine" without saying it plainly, and hosts that only look like the listed one.
fn addresses(trap: &Trap, listed: &str) -> Vec<String> {
    let port = trap.port();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "１２７.０.０.１",
        "127。0。0。1",
    ];
    let mut addresses: Vec<String> =
        hosts.iter().map(|host| format!("http://{host}:{port}/attachments/1/2/a.mp4")).collect();
    addresses.extend([
        format!("http://{listed}@127.0.0.1:{port}/a.mp4"),
        format!("http://{listed}:x@127.0.0.1:{port}/a.mp4"),
        format!("http://127.0.0.1:{port}\\@{listed}/a.mp4"),
        format!("http://127.0.0.1:{port}#@{listed}/a.mp4"),
        format!("http://127.0.0.1:{port}?@{listed}/a.mp4"),
        format!("  http://127.0.0.1:{port}/a.mp4"),
        format!("HTTP:127.0.0.1:{port}/a.mp4"),
        format!("http:/\\127.0.0.1:{port}/a.mp4"),
        format!("https://127.0.0.1:{port}/a.mp4"),
        format!("ftp://127.0.0.1:{port}/a.mp4"),
        format!("ws://127.0.0.1:{port}/a.mp4"),
    ]);
    addresses
}

/// Where clouds tell a machine its secrets. Nothing listens there in a test, so the error has to say why.
const METADATA: [&str; 9] = [
    "http://169.254.169.254/computeMetadata/v1/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://[::ffff:169.254.169.254]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://metadata.google.internal/",
    "file:///etc/passwd",
    "data:video/mp4;base64,AAAA",
];

#[tokio::test]
async fn no_connection_is_made_to_whom_nobody_listed() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let trap = Trap::set();
    let listed = "cdn.discordapp.com";
    let cdn = HttpCdn::new(Host::discords());
    let metadata = METADATA.map(str::to_owned);
    for address in addresses(&trap, listed).into_iter().chain(metadata).chain([String::new()]) {
        let link = Link::new(address.clone());
        assert!(matches!(cdn.allows(&link), Err(CdnError::ForbiddenHost { .. })), "{address}");
        let error = cdn.open(&link).await.unwrap_err();
        assert!(matches!(error, CdnError::ForbiddenHost { .. }), "{address}: {error}");
        assert!(!error.is_transient());
        assert!(!trap.is_sprung(), "{address} was connected to");
    }
    // The trap does hear those who come.
    let listed = format!("http://127.0.0.1:{}", trap.port()).parse::<Host>().unwrap();
    let heard = HttpCdn::new([listed]);
    let link = Link::new(format!("http://127.0.0.1:{}/a", trap.port()));
    let opening = tokio::spawn(async move { heard.open(&link).await });
    while !trap.is_sprung() {
        tokio::task::yield_now().await;
    }
    opening.abort();
}

/// Puts these addresses into the files of every message, in turn.
fn mislead(addresses: Vec<String>) -> Rule {
    Rule::forge(Target::Route("list_messages"), move |body| {
        let mut page: Vec<Value> = serde_json::from_slice(&body).unwrap();
        for message in &mut page {
            let named = message["content"].as_str().unwrap().parse::<usize>();
            let Ok(named) = named else { continue };
            let file = &mut message["attachments"][0];
            file["url"] = json!(addresses[named]);
            file["proxy_url"] = json!(addresses[named]);
            // A hash that is a path, or that would end the host it is appended to.
            message["author"]["avatar"] = json!(format!("../../@{}", addresses[named]));
        }
        Forged { headers: Vec::new(), body: serde_json::to_vec(&page).unwrap() }
    })
}

async fn nobody_follows(mode: &str) {
    let (world, channel) = bower(31);
    let trap = Trap::set();
    let mut addresses = addresses(&trap, "cdn.discordapp.com");
    addresses.extend(METADATA.map(str::to_owned));
    for number in 0..addresses.len() {
        let file = NewAttachment::new(format!("{number}.mp4"), vec![7; 100]);
        world.post(channel, NewMessage::text(number.to_string()).attach(file));
    }
    let fine = NewAttachment::new("fine.mp4", vec![8; 100]);
    let fine = world.post(channel, NewMessage::text("fine").attach(fine));
    let rig = hurried(&world).set("MEDIA", mode).start().await;
    let count = addresses.len() as u64;
    rig.discord.inject(mislead(addresses));
    let ended = rig.run(&["fetch"]).await;
    assert!(!trap.is_sprung(), "somebody connected: {}", ended.stderr);
    let status = rig.status().await;
    let waiting = &status["waiting"];
    let parked = waiting["downloads_parked"].as_u64().unwrap()
        + waiting["thumbnails_parked"].as_u64().unwrap();
    assert_eq!(parked, count, "{status}");
    for job in status["parked"].as_array().unwrap() {
        assert!(job["why"].as_str().unwrap().contains("CDN_HOSTS"), "{job}");
    }
    let archive = rig.published().await.unwrap();
    assert_eq!(archive.of_message(&fine).len(), 1, "an honest message is not held up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_leads_no_download_astray() {
    nobody_follows("copy").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_leads_no_look_astray() {
    nobody_follows("link").await;
}
