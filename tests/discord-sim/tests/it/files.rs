//! The CDN: signed links that end, ranges, checksums, and what is no file any more.

use std::time::Duration;

use discord_sim::{
    Content, NewAttachment, NewChannel, NewMessage, Options, RateLimits, Refresh, World,
};
use serde_json::Value;

use crate::client::Bot;

/// A world of one message with one file of ten bytes.
async fn one_file() -> (Bot, discord_sim::ChannelId, discord_sim::MessageId, String) {
    let world = World::new(1);
    let guild = world.create_guild("g");
    let channel = world.create_channel(guild, NewChannel::text("c"));
    let file = NewAttachment::new("clip.mp4", Content::from(&b"0123456789"[..]));
    let message = world.post(channel, NewMessage::text("").attach(file));
    let options = Options {
        rate_limits: RateLimits::off(),
        link_lifetime: Duration::from_secs(100),
        ..Options::default()
    };
    let bot = Bot::with(&world, options).await;
    let page = bot.ok(&format!("/channels/{channel}/messages/{message}")).await;
    let link = page["attachments"][0]["url"].as_str().unwrap().to_owned();
    (bot, channel, message, link)
}

#[tokio::test]
async fn a_link_opens_until_it_expires_and_again_when_refreshed() {
    let (bot, channel, message, link) = one_file().await;
    assert!(link.ends_with('&'));
    assert_eq!(bot.fetch(&link).await, (reqwest::StatusCode::OK, b"0123456789".to_vec()));
    bot.sim.world().clock().advance(Duration::from_secs(101));
    let gone = (reqwest::StatusCode::NOT_FOUND, b"This content is no longer available.".to_vec());
    assert_eq!(bot.fetch(&link).await, gone);
    let (status, pairs) = bot.refresh(&[&link]).await;
    assert_eq!(status, 200);
    assert_eq!(pairs["refreshed_urls"][0]["original"], link);
    let fresh = pairs["refreshed_urls"][0]["refreshed"].as_str().unwrap();
    assert_eq!(bot.fetch(fresh).await.0, 200);
    // Unsigned and tampered links open nothing, and neither does a good link to a deleted file.
    assert_eq!(bot.fetch(link.split('?').next().unwrap()).await, gone);
    assert_eq!(bot.fetch(&fresh.replace("clip", "clap")).await, gone);
    bot.sim.world().delete(channel, message);
    assert_eq!(bot.fetch(fresh).await, gone);
    let file = *bot.sim.stats().downloads.keys().next().unwrap();
    assert_eq!(bot.sim.stats().downloads[&file], 2);
    assert_eq!(bot.sim.stats().bytes[&file], 20);
    bot.assert_polite();
}

#[tokio::test]
async fn ranges_and_checksums_are_served() {
    let (bot, _, _, link) = one_file().await;
    let whole = bot.http.get(&link).send().await.unwrap();
    // The CRC32C and MD5 of 0123456789, from other tools.
    assert_eq!(whole.headers()["x-goog-hash"], "crc32c=KAwGng==,md5=eB5eJF1ptWaXm4bijSPyxw==");
    assert_eq!(whole.headers()["content-length"], "10");
    assert_eq!(whole.headers()["content-type"], "video/mp4");
    let part = bot.http.get(&link).header("range", "bytes=3-5").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 3-5/10");
    assert_eq!(part.bytes().await.unwrap(), "345");
    let beyond = bot.http.get(&link).header("range", "bytes=10-").send().await.unwrap();
    assert_eq!(beyond.status(), 416);
    let head = bot.http.head(&link).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "10");
}

#[tokio::test]
async fn refresh_behaves_in_all_the_ways_nobody_promised() {
    let (bot, _, _, link) = one_file().await;
    let links = [link.as_str(), link.as_str()];
    for (behaviour, status, pairs) in [
        (Refresh::Works, 200, Some(2)),
        (Refresh::Gaps, 200, Some(1)),
        (Refresh::Nulls, 200, Some(2)),
        (Refresh::RefusesBatches, 400, None),
        (Refresh::Gone(404), 404, None),
    ] {
        bot.sim.set_refresh(behaviour);
        let (got, value) = bot.refresh(&links).await;
        let got_pairs = value["refreshed_urls"].as_array().map(Vec::len);
        assert_eq!((got, got_pairs), (status, pairs), "{behaviour:?}");
        if behaviour == Refresh::Nulls {
            assert_eq!(value["refreshed_urls"][1]["refreshed"], Value::Null);
        }
    }
    bot.assert_polite();
    bot.sim.set_refresh(Refresh::Works);
    let many = vec![link.as_str(); 51];
    assert_eq!(bot.refresh(&many).await.0, 400);
    assert_eq!(bot.sim.violations().len(), 1);
}

#[tokio::test]
async fn a_gigabyte_takes_no_memory_of_its_size() {
    let size = 1 << 30;
    let world = World::new(1);
    let guild = world.create_guild("g");
    let channel = world.create_channel(guild, NewChannel::text("c"));
    let file = NewAttachment::new("long.mp4", Content::seeded(1, size));
    world.post(channel, NewMessage::text("").attach(file));
    let bot = Bot::new(&world).await;
    let page = bot.ok(&format!("/channels/{channel}/messages")).await;
    let link = page[0]["attachments"][0]["url"].as_str().unwrap();
    let mut response = bot.http.get(link).send().await.unwrap();
    let (mut length, mut crc) = (0, 0);
    while let Some(chunk) = response.chunk().await.unwrap() {
        length += chunk.len() as u64;
        crc = crc32c::crc32c_append(crc, &chunk);
    }
    assert_eq!(length, size);
    assert_eq!(crc, Content::seeded(1, size).crc32c().unwrap());
    assert!(peak_memory() < 256 << 20, "{} bytes at the peak", peak_memory());
}

/// The most this process ever held, as Linux counts it.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn a_token_sent_to_the_cdn_is_reported() {
    let (bot, _, _, link) = one_file().await;
    bot.http.get(&link).header("authorization", "Bot x").send().await.unwrap();
    assert_eq!(bot.sim.violations().len(), 1);
}

#[tokio::test]
async fn the_proxy_serves_other_bytes_and_no_zip() {
    let world = World::new(1);
    let guild = world.create_guild("g");
    let channel = world.create_channel(guild, NewChannel::text("c"));
    let image = NewAttachment::new("a.png", Content::seeded(1, 99)).dimensions(8, 8);
    let zip = NewAttachment::new("a.zip", Content::seeded(2, 99));
    world.post(channel, NewMessage::text("").attach(image).attach(zip));
    let bot = Bot::new(&world).await;
    let page = bot.ok(&format!("/channels/{channel}/messages")).await;
    let proxied = |n: usize| page[0]["attachments"][n]["proxy_url"].as_str().unwrap().to_owned();
    let (status, bytes) = bot.fetch(&proxied(0)).await;
    assert_eq!(status, 200);
    assert_ne!(bytes, Content::seeded(1, 99).to_bytes().unwrap());
    assert_eq!(bot.fetch(&proxied(1)).await.0, 415);
}
