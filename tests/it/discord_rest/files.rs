//! Links and files against the simulator.

use std::time::Duration;

use axum::{Router, response::Redirect, routing::get};
use bowerbird::{
    cdn::{Cdn, CdnError, Host, HttpCdn},
    discord::{Discord, DiscordError, REFRESH_BATCH},
    domain::link::Link,
};
use discord_sim::{
    Content, Fault, NewAttachment, NewMessage, Options, RateLimits, Refresh, Rule, Target,
};
use futures_util::{StreamExt, TryStreamExt};

use super::{Bot, channel_with};

/// A channel with files, and the links to them as first read.
async fn links(count: usize, options: Options) -> (Bot, Vec<Link>) {
    let (world, _, channel) = channel_with(0);
    for seed in 0..count {
        let file = NewAttachment::new("clip.mp4", Content::seeded(seed as u64, 1_000));
        world.post(discord_sim::ChannelId(channel.0), NewMessage::text("").attach(file));
    }
    let bot = Bot::new(&world, Options { rate_limits: RateLimits::off(), ..options }).await;
    let history = bot.history(channel).await.unwrap();
    let links = history.into_iter().flat_map(|message| message.attachments).map(|file| file.link);
    let links: Vec<_> = links.collect();
    assert_eq!(links.len(), count);
    (bot, links)
}

#[tokio::test]
async fn links_are_made_new_in_batches() {
    let (bot, links) = links(REFRESH_BATCH + 7, Options::default()).await;
    bot.sim.world().clock().advance(Duration::from_hours(30));
    let refreshed = bot.discord.refresh_links(&links).await.unwrap();
    assert_eq!(refreshed.len(), links.len());
    for (link, renewed) in links.iter().zip(&refreshed) {
        assert_eq!(&renewed.original, link);
        let new = renewed.refreshed.as_ref().unwrap();
        assert_eq!(new.unsigned(), link.unsigned());
        assert!(new.expires_at() > link.expires_at());
        assert!(bot.cdn.open(new).await.is_ok());
        assert_eq!(bot.cdn.open(link).await.unwrap_err(), CdnError::Refused { status: 404 });
    }
    assert_eq!(bot.sim.stats().requests_to("refresh_urls"), 2);
    bot.assert_polite();
}

#[tokio::test]
async fn a_call_that_renews_links_may_be_missing_or_moody() {
    let (bot, links) = links(5, Options::default()).await;
    for status in [404, 405] {
        bot.sim.set_refresh(Refresh::Gone(status));
        let error = bot.discord.refresh_links(&links).await.unwrap_err();
        assert!(matches!(error, DiscordError::NotOffered), "{error:?}");
    }
    for (mood, renewed) in [
        (Refresh::Nulls, [true, false, false, false, false]),
        (Refresh::Gaps, [true, false, true, false, true]),
        (Refresh::RefusesBatches, [true; 5]),
        (Refresh::Works, [true; 5]),
    ] {
        bot.sim.set_refresh(mood);
        let refreshed = bot.discord.refresh_links(&links).await.unwrap();
        let got: Vec<_> = refreshed.iter().map(|pair| pair.refreshed.is_some()).collect();
        assert_eq!(got, renewed, "{mood:?}");
        assert!(refreshed.iter().zip(&links).all(|(pair, link)| &pair.original == link));
    }
    bot.assert_polite();
}

#[tokio::test]
async fn files_arrive_as_they_were_posted() {
    let (bot, links) = links(1, Options::default()).await;
    let download = bot.cdn.open(&links[0]).await.unwrap();
    let content = Content::seeded(0, 1_000).to_bytes().unwrap();
    assert_eq!(download.length, Some(1_000));
    assert_eq!(download.crc32c, Some(crc32c::crc32c(&content)));
    assert_eq!(download.content_type.as_deref(), Some("video/mp4"));
    let parts: Vec<_> = download.body.try_collect().await.unwrap();
    assert_eq!(parts.concat(), content);
}

#[tokio::test]
async fn what_goes_wrong_with_a_file_is_told_apart() {
    let (bot, links) = links(1, Options::default()).await;
    let link = &links[0];
    let cases = [
        (Fault::EmptyStatus(403), Some(true)),
        (Fault::EmptyStatus(404), Some(true)),
        (Fault::EmptyStatus(415), Some(false)),
    ];
    for (fault, may_be_expired) in cases {
        bot.sim.heal();
        bot.sim.inject(Rule::nth(Target::Cdn, 1, fault.clone()));
        let error = bot.cdn.open(link).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        assert_eq!(Some(error.may_be_expired()), may_be_expired, "{fault:?}");
    }
    for fault in [Fault::EmptyStatus(429), Fault::HtmlStatus(503), Fault::Reset] {
        bot.sim.heal();
        bot.sim.inject(Rule::nth(Target::Cdn, 1, fault));
        let error = bot.cdn.open(link).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(!error.to_string().contains("hm="), "{error}");
    }
    bot.sim.heal();
    bot.sim.inject(Rule::nth(Target::Cdn, 1, Fault::Truncate(300)));
    let mut body = bot.cdn.open(link).await.unwrap().body;
    let mut read = 0;
    let error = loop {
        match body.next().await.expect("an end without an error would pass for the whole") {
            Ok(bytes) => read += bytes.len(),
            Err(error) => break error,
        }
    };
    assert!(read <= 300 && error.is_transient(), "{read} {error}");
    // A page in place of the file is told by its type; length and checksum tell it as well.
    bot.sim.inject(Rule::nth(Target::Cdn, 1, Fault::HtmlOk));
    let page = bot.cdn.open(link).await.unwrap();
    assert_ne!(page.length, Some(1_000));
    assert_eq!(page.content_type.as_deref(), Some("text/html"));
}

#[tokio::test]
async fn a_redirect_is_followed_only_to_a_listed_host() {
    let (bot, links) = links(1, Options::default()).await;
    let target: &'static str = links[0].reveal().to_owned().leak();
    let app = Router::new()
        .route("/good", get(move || async move { Redirect::temporary(target) }))
        .route("/loop", get(|| async { Redirect::temporary("/loop") }))
        .route(
            "/bad",
            get(|| async { Redirect::temporary("http://169.254.169.254/computeMetadata/v1/") }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let hosts = [bot.sim.cdn_host(), address.to_string()];
    let cdn = HttpCdn::new(hosts.map(|host| format!("http://{host}").parse::<Host>().unwrap()));

    let download = cdn.open(&Link::new(format!("http://{address}/good"))).await.unwrap();
    assert_eq!(download.length, Some(1_000));
    let circle = cdn.open(&Link::new(format!("http://{address}/loop"))).await.unwrap_err();
    assert!(matches!(circle, CdnError::Damaged { .. }), "{circle:?}");
    let away = cdn.open(&Link::new(format!("http://{address}/bad"))).await.unwrap_err();
    assert_eq!(away, CdnError::ForbiddenHost { host: "169.254.169.254".to_owned() });
    let unlisted = bot.cdn.open(&Link::new(format!("http://{address}/good"))).await.unwrap_err();
    assert!(matches!(unlisted, CdnError::ForbiddenHost { .. }));
    server.abort();
}
