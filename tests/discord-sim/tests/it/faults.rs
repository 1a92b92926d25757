//! Each fault reaches the client as the failure it imitates.

use std::time::Duration;

use discord_sim::{
    AttachmentId, Content, Fault, NewAttachment, NewChannel, NewMessage, Rule, Spec, Target,
    TruthMessage, VIEW_CHANNEL, World,
};
use serde_json::Value;

use crate::client::Bot;

async fn with_file() -> (Bot, String, String) {
    let world = World::new(1);
    let guild = world.create_guild("g");
    let channel = world.create_channel(guild, NewChannel::text("c"));
    let file = NewAttachment::new("clip.mp4", Content::seeded(1, 1000));
    world.post(channel, NewMessage::text("").attach(file));
    let bot = Bot::new(&world).await;
    let path = format!("/channels/{channel}/messages");
    let page = bot.ok(&path).await;
    let link = page[0]["attachments"][0]["url"].as_str().unwrap().to_owned();
    (bot, path, link)
}

#[tokio::test]
async fn statuses_come_as_json_as_html_and_empty() {
    let (bot, path, _) = with_file().await;
    for (fault, status, kind) in [
        (Fault::Status(503), 503, Some("application/json")),
        (Fault::HtmlStatus(502), 502, Some("text/html")),
        (Fault::EmptyStatus(500), 500, None),
        (Fault::HtmlOk, 200, Some("text/html")),
    ] {
        bot.sim.heal();
        bot.sim.inject(Rule::nth(Target::Route("list_messages"), 1, fault));
        let response = bot.send(&path).await.unwrap();
        assert_eq!(response.status(), status);
        let got = response.headers().get("content-type").map(|value| value.to_str().unwrap());
        assert_eq!(got, kind);
        // The rule fired once.
        assert_eq!(bot.ok(&path).await.as_array().unwrap().len(), 1);
    }
    bot.assert_polite();
}

#[tokio::test]
async fn bodies_are_cut_shortened_and_swapped() {
    let (bot, path, link) = with_file().await;
    let whole = Content::seeded(1, 1000).to_bytes().unwrap();
    bot.sim.inject(Rule::nth(Target::Cdn, 1, Fault::Truncate(300)));
    bot.sim.inject(Rule::nth(Target::Cdn, 2, Fault::WrongLength(100)));
    bot.sim.inject(Rule::nth(Target::Cdn, 3, Fault::WrongBytes));
    bot.sim.inject(Rule::nth(Target::Cdn, 4, Fault::Drip(400, Duration::from_millis(1))));
    bot.sim.inject(Rule::nth(Target::Cdn, 5, Fault::Reset));
    bot.sim.inject(Rule::nth(Target::Rest, 1, Fault::Reset));

    let cut = bot.http.get(&link).send().await.unwrap();
    assert_eq!(cut.content_length(), Some(1000));
    assert!(cut.bytes().await.is_err());
    assert_eq!(bot.fetch(&link).await.1, whole[..900]);
    let (_, swapped) = bot.fetch(&link).await;
    assert_eq!(swapped.len(), 1000);
    assert_ne!(swapped, whole);
    assert_eq!(bot.fetch(&link).await.1, whole);
    assert!(bot.http.get(&link).send().await.is_err());
    assert!(bot.send(&path).await.is_err());
    assert_eq!(bot.fetch(&link).await.1, whole);
}

#[tokio::test]
async fn the_world_may_change_between_two_pages() {
    let (bot, path, _) = with_file().await;
    let channel: discord_sim::ChannelId = path.split('/').nth(2).unwrap().parse().unwrap();
    bot.sim.inject(Rule::act_at(Target::Route("list_messages"), 2, move |world| {
        world.withdraw(channel, VIEW_CHANNEL);
    }));
    assert_eq!(bot.get(&path).await.0, 200);
    assert_eq!(bot.get(&path).await.0, 403);
}

#[tokio::test]
async fn the_stubborn_get_everything_through_chance() {
    let (world, _) = World::generate(41, &Spec::default());
    let bot = Bot::new(&world).await;
    let links = async |message: &TruthMessage| {
        let path = format!("/channels/{}/messages/{}", message.channel, message.id);
        loop {
            let Ok(response) = bot.send(&path).await else { continue };
            let well = response.status() == 200;
            if let Ok(value) = response.json::<Value>().await
                && well
                && value["id"].is_string()
            {
                return value["attachments"].as_array().unwrap().clone();
            }
        }
    };
    for fault in [
        Fault::Status(503),
        Fault::HtmlStatus(502),
        Fault::HtmlOk,
        Fault::Reset,
        Fault::Truncate(10),
        Fault::Stall(Duration::from_millis(1)),
    ] {
        bot.sim.inject(Rule::chance(Target::Everything, 0.1, fault));
    }
    bot.sim.inject(Rule::chance(Target::Cdn, 0.1, Fault::WrongBytes));
    for message in world.expected() {
        for link in links(&message).await {
            let id = link["id"].as_str().unwrap().parse().unwrap();
            let truth =
                message.attachments.iter().find(|file| file.id == AttachmentId(id)).unwrap();
            let wanted = truth.content.to_bytes().unwrap();
            loop {
                let got = bot.http.get(link["url"].as_str().unwrap()).send().await;
                if let Ok(response) = got
                    && let Ok(bytes) = response.bytes().await
                    && bytes == wanted
                {
                    break;
                }
            }
        }
    }
    let answers = bot.sim.stats().answers;
    for status in [0, 502, 503] {
        assert!(answers.contains_key(&("get_message".to_owned(), status)), "{status} never came");
        assert!(answers.contains_key(&("cdn".to_owned(), status)), "{status} never came");
    }
    bot.assert_polite();
}
