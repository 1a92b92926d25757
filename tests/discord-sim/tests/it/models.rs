//! twilight's models, by which the archiver reads, take every answer; its client asks nothing unknown.

use discord_sim::{Spec, World};
use serde::de::DeserializeOwned;
use twilight_http::{
    Client,
    request::{Method, RequestBuilder},
};
use twilight_model::{
    channel::{Channel, ChannelType, Message, thread::ThreadsListing},
    gateway::connection_info::BotConnectionInfo,
    guild::{Guild, Member, Role},
    id::Id,
    oauth::Application,
    user::{CurrentUser, CurrentUserGuild},
};

use crate::client::Bot;

async fn read<T: DeserializeOwned>(bot: &Bot, path: &str) -> T {
    let response = bot.send(path).await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let body = response.bytes().await.unwrap();
    serde_json::from_slice(&body)
        .unwrap_or_else(|error| panic!("{path}: {error}\n{}", String::from_utf8_lossy(&body)))
}

#[tokio::test]
async fn twilight_reads_every_answer() {
    let (world, guild) = World::generate(31, &Spec::default());
    let bot = Bot::new(&world).await;
    let connection: BotConnectionInfo = read(&bot, "/gateway/bot").await;
    assert_eq!(connection.url, bot.sim.gateway_url());
    let user: CurrentUser = read(&bot, "/users/@me").await;
    assert_eq!(user.id.get(), world.bot().0);
    read::<Vec<CurrentUserGuild>>(&bot, "/users/@me/guilds").await;
    read::<Application>(&bot, "/applications/@me").await;
    read::<Guild>(&bot, &format!("/guilds/{guild}?with_counts=true")).await;
    read::<Vec<Role>>(&bot, &format!("/guilds/{guild}/roles")).await;
    read::<Member>(&bot, &format!("/guilds/{guild}/members/{}", world.bot())).await;
    let channels: Vec<Channel> = read(&bot, &format!("/guilds/{guild}/channels")).await;
    let active: ThreadsListing = read(&bot, &format!("/guilds/{guild}/threads/active")).await;
    let (mut messages, mut archived) = (0, 0);
    for place in world.places() {
        let id = place.id;
        if place.readable && place.kind.holds_messages() {
            read::<Channel>(&bot, &format!("/channels/{id}")).await;
            let page: Vec<Message> =
                read(&bot, &format!("/channels/{id}/messages?limit=100")).await;
            messages += page.len();
        }
        if place.readable && matches!(place.kind as u8, 0 | 5 | 15 | 16) {
            let path = format!("/channels/{id}/threads/archived/public");
            let listing: ThreadsListing = read(&bot, &path).await;
            archived += listing.threads.len();
        }
    }
    let places = world.places();
    let is_thread = |kind: u8| (10..=12).contains(&kind);
    assert_eq!(channels.len(), places.iter().filter(|p| !is_thread(p.kind as u8)).count());
    assert!(active.threads.len() >= 2 && archived >= 5 && messages > 150);
}

#[tokio::test]
async fn twilights_client_asks_nothing_unknown() {
    let (world, guild) = World::generate(32, &Spec::default());
    let bot = Bot::new(&world).await;
    let client = Client::builder().token(world.token()).proxy(bot.sim.api_host(), true).build();
    let guild = Id::new(guild.0);
    client.gateway().authed().await.unwrap().model().await.unwrap();
    client.current_user_application().await.unwrap().model().await.unwrap();
    client.guild(guild).with_counts(true).await.unwrap().model().await.unwrap();
    client.active_threads(guild).await.unwrap().model().await.unwrap();
    let channels = client.guild_channels(guild).await.unwrap().models().await.unwrap();
    let channel = channels.iter().find(|channel| channel.kind == ChannelType::GuildText).unwrap();
    let messages = client.channel_messages(channel.id).limit(100);
    assert!(!messages.await.unwrap().models().await.unwrap().is_empty());
    let after = client.channel_messages(channel.id).after(Id::new(1)).limit(10);
    let oldest = after.await.unwrap().models().await.unwrap();
    client.message(channel.id, oldest[0].id).await.unwrap().model().await.unwrap();
    let archived = client.public_archived_threads(channel.id).limit(100);
    archived.await.unwrap().model().await.unwrap();
    let joined = client.joined_private_archived_threads(channel.id).limit(100);
    joined.await.unwrap().model().await.unwrap();

    let link = format!("{}/attachments/1/2/a.mp4", bot.sim.cdn_url());
    let body = serde_json::to_vec(&serde_json::json!({ "attachment_urls": [link] })).unwrap();
    let path = "attachments/refresh-urls".to_owned();
    let request = RequestBuilder::raw(Method::Post, path).body(body).build().unwrap();
    let answer = client.request::<()>(request).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(answer["refreshed_urls"][0]["original"], link.as_str());
    bot.assert_polite();
}
