//! Answers that no honest Discord gives: whatever of them makes sense is kept, the rest is put aside as it came, and
//! nothing behind it waits.

use std::{io::Write, sync::Arc};

use discord_sim::{ChannelId, Forged, NewAttachment, NewMessage, Rule, Target, World};
use flate2::{Compression, write::GzEncoder};

use super::{bower, hurried};
use crate::rig::Archive;

/// How deep lists are nested in each other: far beyond what a recursive reader survives.
const DEEP: usize = 100_000;

fn post(world: &World, channel: ChannelId, name: &str) {
    let file = NewAttachment::new(format!("{name}.mp4"), name.as_bytes().to_vec());
    world.post(channel, NewMessage::text(name).attach(file));
}

fn nested(open: &str, close: &str) -> String {
    format!("{}{}", open.repeat(DEEP), close.repeat(DEEP))
}

/// Fields that go into the message of this text, in the place of its empty `embeds`.
fn oddities() -> Vec<(&'static str, Vec<u8>)> {
    let odd = |name: &'static str, fields: &str| (name, fields.as_bytes().to_vec());
    vec![
        odd(
            "unknown",
            r#""embeds":[{"type":"hologram","size":{"w":1}}],"hologram":[[],{}],"type":9999"#,
        ),
        odd(
            "missing",
            r#""embeds":null,"author":null,"timestamp":null,"mentions":null,"flags":null"#,
        ),
        odd(
            "wrong",
            r#""embeds":7,"author":[],"mentions":"x","components":{"type":1},"flags":-1.5,"tts":{}"#,
        ),
        odd(
            "twice",
            r#""embeds":[],"embeds":[{}],"content":"twice","content":"twice","flags":1,"flags":2"#,
        ),
        odd(
            "large",
            r#""embeds":[18446744073709551616,-9223372036854775809,1e300],"flags":99999999999999999999999"#,
        ),
        odd("times", r#""embeds":[],"edited_timestamp":"9999-12-31T23:59:59.999999+00:00""#),
        ("bytes", [&br#""embeds":[],"nonce":""#[..], b"\xff\xfe\xc0\x80", br#"""#].concat()),
        // These make no sense even to a lenient reader.
        odd("deep", &format!(r#""embeds":{}"#, nested("[", "]"))),
        odd("deeper", &format!(r#""embeds":{}"#, nested(r#"{"a":"#, "}").replace(":}", ":0}"))),
        odd("huge", r#""embeds":[1e999,-1e999]"#),
        odd("half", r#""embeds":["\ud800"]"#),
    ]
}

/// What cannot be read as a message, and is put aside raw.
const UNREADABLE: [&str; 4] = ["deep", "deeper", "huge", "half"];

fn replaced(body: &[u8], from: &str, to: &[u8]) -> Vec<u8> {
    let at = body.windows(from.len()).position(|part| part == from.as_bytes());
    match at {
        Some(at) => [&body[..at], to, &body[at + from.len()..]].concat(),
        None => body.to_vec(),
    }
}

fn has(archive: &Archive, name: &str) -> bool {
    archive.entries.values().any(|entry| entry["Filename"] == name && entry["Media"].is_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_message_says_the_others_are_read() {
    let (world, channel) = bower(32);
    post(&world, channel, "oldest");
    let odd: Vec<_> = oddities();
    for (name, _) in &odd {
        post(&world, channel, name);
    }
    post(&world, channel, "newest");
    let rig = hurried(&world).start().await;
    let odd = Arc::new(odd);
    let forged = Arc::clone(&odd);
    rig.discord.inject(Rule::forge(Target::Route("list_messages"), move |body| {
        // Each message apart, so that a change of one leaves the others alone.
        let page: Vec<&serde_json::value::RawValue> = serde_json::from_slice(&body).unwrap();
        let mut messages = page.iter().map(|message| {
            let text = message.get();
            let of =
                |(name, _): &&(&str, Vec<u8>)| text.contains(&format!(r#""content":"{name}""#));
            match forged.iter().find(of) {
                Some((_, fields)) => replaced(text.as_bytes(), r#""embeds":[]"#, fields),
                None => text.as_bytes().to_vec(),
            }
        });
        let first = messages.next().unwrap_or_default();
        let mut body = [&b"["[..], &first].concat();
        for message in messages {
            body.extend([&b","[..], &message].concat());
        }
        body.push(b']');
        Forged { headers: Vec::new(), body }
    }));
    let ended = rig.run(&["fetch"]).await;
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let archive = rig.published().await.unwrap();
    archive.assert_consistent();
    for (name, _) in odd.iter() {
        assert_eq!(has(&archive, name), !UNREADABLE.contains(name), "{name}");
    }
    assert!(has(&archive, "oldest") && has(&archive, "newest"));
    let status = rig.status().await;
    assert_eq!(status["places"][0]["state"], "complete", "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_end_is_no_answer() {
    let (world, channel) = bower(33);
    post(&world, channel, "clip");
    let rig = hurried(&world).start().await;
    // A megabyte that unpacks to a gigabyte: what memory it takes shows in how the process ends.
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..1024 {
        bomb.write_all(&spaces).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    rig.discord.inject(Rule::forge(Target::Route("list_messages"), move |_| Forged {
        headers: vec![("content-encoding", "gzip".to_owned())],
        body: bomb.clone(),
    }));
    let fetching = rig.spawn(&["fetch"]);
    let most = crate::rig::until("it gives up on the page", async || {
        let peak = std::fs::read_to_string(format!("/proc/{}/status", fetching.id())).ok()?;
        let line = peak.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        (rig.stats().requests_to("list_messages") >= 3).then_some(kib)
    })
    .await;
    assert!(most < 400 * 1024, "{most} KiB");
    // Once the liar is gone, what was there all along is fetched.
    rig.discord.heal();
    let ended = fetching.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(has(&rig.published().await.unwrap(), "clip"));
}
