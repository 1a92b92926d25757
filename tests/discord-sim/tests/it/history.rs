//! Reading everything through the front door finds exactly what the world says it holds.

use std::{collections::BTreeMap, time::Duration};

use discord_sim::{
    Kind, NewChannel, NewMessage, NewThread, Options, Overwrite, READ_MESSAGE_HISTORY, Sim, Spec,
    Subject, VIEW_CHANNEL, World,
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use crate::client::Bot;

fn id(value: &Value) -> u64 {
    value["id"].as_str().unwrap().parse().unwrap()
}

async fn read_forwards(bot: &Bot, channel: u64) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let path = format!("/channels/{channel}/messages?limit=100&after={after}");
        let page = bot.ok(&path).await;
        let page = page.as_array().unwrap();
        let Some(newest) = page.first() else { return all };
        after = id(newest);
        all.extend(page.iter().rev().cloned());
    }
}

#[tokio::test]
async fn a_crawl_finds_what_the_world_expects() {
    let (world, guild) = World::generate(11, &Spec::default());
    let bot = Bot::new(&world).await;
    let mut places: Vec<u64> = Vec::new();
    let mut parents = Vec::new();
    for channel in bot.ok(&format!("/guilds/{guild}/channels")).await.as_array().unwrap() {
        match channel["type"].as_u64().unwrap() {
            4 => {}
            15 | 16 => parents.push(id(channel)),
            0 | 5 => {
                parents.push(id(channel));
                places.push(id(channel));
            }
            _ => places.push(id(channel)),
        }
    }
    for thread in
        bot.ok(&format!("/guilds/{guild}/threads/active")).await["threads"].as_array().unwrap()
    {
        places.push(id(thread));
    }
    for parent in parents {
        let (status, listed) =
            bot.get(&format!("/channels/{parent}/threads/archived/public")).await;
        if status == 200 {
            places.extend(listed["threads"].as_array().unwrap().iter().map(id));
            let joined = format!("/channels/{parent}/users/@me/threads/archived/private");
            places.extend(bot.ok(&joined).await["threads"].as_array().unwrap().iter().map(id));
        }
    }
    let mut found = BTreeMap::new();
    for place in places {
        if bot.get(&format!("/channels/{place}")).await.0 == 200 {
            for message in read_forwards(&bot, place).await {
                found.insert(id(&message), message);
            }
        }
    }
    let expected = world.expected();
    assert!(expected.len() > 150, "the generator made {} readable messages", expected.len());
    let ids: Vec<u64> = found.keys().copied().collect();
    let mut wanted: Vec<u64> = expected.iter().map(|message| message.id.0).collect();
    wanted.sort_unstable();
    assert_eq!(ids, wanted);
    for message in &expected {
        assert_eq!(found[&message.id.0]["content"], message.content.as_str());
    }
    for file in world.expected_attachments() {
        let listed = found[&file.message.0]["attachments"].as_array().unwrap();
        let shown = listed.iter().find(|shown| id(shown) == file.id.0).unwrap();
        let (status, bytes) = bot.fetch(shown["url"].as_str().unwrap()).await;
        assert_eq!(status, 200);
        assert_eq!(bytes, file.content.to_bytes().unwrap());
    }
    bot.assert_polite();
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let tell = |seed| {
        let (world, _) = World::generate(seed, &Spec::default());
        let sums =
            |file: &discord_sim::TruthAttachment| file.content.sums().unwrap().sha256.clone();
        let lines: Vec<String> = world
            .expected()
            .iter()
            .map(|m| {
                format!(
                    "{} {} {:?}",
                    m.id,
                    m.content,
                    m.attachments.iter().map(sums).collect::<Vec<_>>()
                )
            })
            .collect();
        (world.token(), lines)
    };
    assert_eq!(tell(3), tell(3));
    assert_ne!(tell(3), tell(4));
}

#[tokio::test]
async fn permissions_decide_between_403_and_an_empty_page() {
    let world = World::new(1);
    let guild = world.create_guild("g");
    let channel = world.create_channel(guild, NewChannel::text("c"));
    let message = world.post(channel, NewMessage::text("hello"));
    let bot = Bot::new(&world).await;
    let path = format!("/channels/{channel}/messages");
    assert_eq!(bot.ok(&path).await.as_array().unwrap().len(), 1);

    world.withdraw(channel, READ_MESSAGE_HISTORY);
    assert_eq!(bot.ok(&path).await.as_array().unwrap().len(), 0);
    assert_eq!(bot.get(&format!("{path}/{message}")).await.1["code"], 50_013);

    world.withdraw(channel, VIEW_CHANNEL);
    let (status, refusal) = bot.get(&path).await;
    assert_eq!((status, &refusal["code"]), (403, &50_001.into()));

    // A grant to the member overrules a denial to its role.
    let role = Subject::Role(world.bot_role(guild));
    world.set_permissions(channel, Overwrite { subject: role, allow: 0, deny: VIEW_CHANNEL });
    let own = Subject::Member(world.bot());
    world.set_permissions(channel, Overwrite { subject: own, allow: VIEW_CHANNEL, deny: 0 });
    assert_eq!(bot.ok(&path).await.as_array().unwrap().len(), 1);

    world.delete_channel(channel);
    assert_eq!(bot.get(&path).await.1["code"], 10_003);
    bot.assert_polite();
}

#[tokio::test]
async fn voice_chat_needs_connect() {
    let world = World::new(1);
    let guild = world.create_guild("g");
    let voice = world.create_channel(guild, NewChannel::new(Kind::Voice, "v"));
    world.post(voice, NewMessage::text("hello"));
    let bot = Bot::new(&world).await;
    let path = format!("/channels/{voice}/messages");
    assert_eq!(bot.ok(&path).await.as_array().unwrap().len(), 1);
    world.withdraw(voice, discord_sim::CONNECT);
    assert_eq!(bot.get(&path).await.0, 403);
}

#[tokio::test]
async fn archived_threads_page_by_a_time_that_is_not_unique() {
    let world = World::new(1);
    let guild = world.create_guild("g");
    let channel = world.create_channel(guild, NewChannel::text("c"));
    let now = world.clock().now();
    let mut threads = Vec::new();
    for (n, at) in [now - 3000, now - 2000, now - 2000, now - 1000].into_iter().enumerate() {
        let thread = world.create_thread(channel, NewThread::public(format!("{n}")).at(now - 9000));
        world.archive_thread_at(thread, at);
        threads.push(thread.0);
    }
    let bot = Bot::new(&world).await;
    let path = format!("/channels/{channel}/threads/archived/public?limit=2");
    let first = bot.ok(&path).await;
    assert_eq!(first["has_more"], true);
    let listed: Vec<u64> = first["threads"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(listed, [threads[3], threads[2]]);
    // The cursor skips the other thread of that very moment, unless the client overlaps.
    let last = first["threads"][1]["thread_metadata"]["archive_timestamp"].as_str().unwrap();
    let cursor = last.replace('+', "%2B");
    let next = bot.ok(&format!("{path}&before={cursor}")).await;
    assert_eq!(
        next["threads"].as_array().unwrap().iter().map(id).collect::<Vec<_>>(),
        [threads[0]]
    );
    let overlapping = cursor.replacen("000%2B", "001%2B", 1);
    let next = bot.ok(&format!("{path}&before={overlapping}")).await;
    let listed: Vec<u64> = next["threads"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(listed, [threads[2], threads[1]]);
    bot.assert_polite();
}

#[tokio::test]
async fn withheld_content_comes_empty_but_for_mentions() {
    let world = World::new(1);
    let guild = world.create_guild("g");
    let channel = world.create_channel(guild, NewChannel::text("c"));
    world.post(channel, NewMessage::text("secret"));
    world.post(channel, NewMessage::text("for the bot").mention(world.bot()));
    world.set_message_content(discord_sim::MessageContent::Withheld);
    let bot = Bot::new(&world).await;
    let page = bot.ok(&format!("/channels/{channel}/messages")).await;
    assert_eq!(page[0]["content"], "for the bot");
    assert_eq!(page[1]["content"], "");
    assert_eq!(bot.ok("/applications/@me").await["flags"], 0);
    world.set_message_content(discord_sim::MessageContent::Granted);
    assert_eq!(bot.ok("/applications/@me").await["flags"], 1 << 19);
}

#[tokio::test]
async fn a_restarted_simulator_is_where_it_was() {
    let world = World::new(1);
    let first = Sim::start(world.clone(), Options::default()).await.unwrap();
    let address = first.api_url();
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    first.shutdown().await;
    let second = Sim::start_on(world, Options::default(), port).await.unwrap();
    assert_eq!(second.api_url(), address);
}

#[tokio::test]
async fn answers_carry_the_simulated_time() {
    let world = World::new(1);
    let bot = Bot::new(&world).await;
    for years in [0, 20] {
        world.clock().advance(Duration::from_hours(24 * 365 * years));
        let before = world.clock().now() / 1000;
        let response = bot.send("/gateway").await.unwrap();
        let date = response.headers()["date"].to_str().unwrap();
        let date = OffsetDateTime::parse(date, &Rfc2822).unwrap().unix_timestamp();
        let after = world.clock().now() / 1000;
        assert!((before..=after).contains(&u64::try_from(date).unwrap()));
    }
}

#[tokio::test]
async fn what_discord_does_not_know_is_reported() {
    let world = World::new(1);
    let guild = world.create_guild("g");
    let channel = world.create_channel(guild, NewChannel::text("c"));
    let bot = Bot::new(&world).await;
    for path in [
        format!("/channels/{channel}/messages?limit=101"),
        format!("/channels/{channel}/messages?order=asc"),
        format!("/channels/{channel}/messages?before=1&after=2"),
        format!("/channels/{channel}/threads/active"),
        format!("/channels/{channel}/messages?after=x"),
    ] {
        let before = bot.sim.violations().len();
        bot.send(&path).await.unwrap();
        assert_eq!(bot.sim.violations().len(), before + 1, "{path}");
    }
    let url = format!("{}/api/v10/users/@me", bot.sim.api_url());
    let anonymous = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(anonymous.get(url).send().await.unwrap().status(), 401);
    assert_eq!(bot.sim.violations().len(), 7);
}
