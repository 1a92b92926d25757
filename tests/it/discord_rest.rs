//! Discord over REST against the simulator: everything is read as it is.

use std::{collections::BTreeSet, time::Duration};

use bowerbird::{
    cdn::{Host, HttpCdn},
    clock::Clock,
    discord::{Cursor, Discord, DiscordError, LiveDiscord, PAGE},
    domain::{
        id::{ChannelId, GuildId, MessageId},
        message::Message,
        place::{Access, Archived, Place},
        time::Timestamp,
    },
};
use discord_sim::{
    CONNECT, Kind, MessageContent, NewChannel, NewMessage, NewThread, Options, Overwrite,
    READ_MESSAGE_HISTORY, RateLimits, Sim, Spec, Subject, VIEW_CHANNEL, World,
};

mod files;
mod limits;

/// A world behind its sockets, and us before them.
struct Bot {
    sim: Sim,
    discord: LiveDiscord,
    cdn: HttpCdn,
}

impl Bot {
    async fn new(world: &World, options: Options) -> Self {
        // Another test may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let sim = Sim::start(world.clone(), options).await.unwrap();
        let discord = LiveDiscord::new(&world.token(), &sim.api_url(), Clock::System).unwrap();
        let hosts = [sim.cdn_host(), sim.media_host()];
        let hosts = hosts.map(|host| format!("http://{host}").parse::<Host>().unwrap());
        Self { sim, discord, cdn: HttpCdn::new(hosts) }
    }

    async fn unlimited(world: &World) -> Self {
        let options = Options { rate_limits: RateLimits::off(), ..Options::default() };
        Self::new(world, options).await
    }

    /// Everything in a place, newest first, by whole pages.
    async fn history(&self, place: ChannelId) -> Result<Vec<Message>, DiscordError> {
        let mut all = Vec::new();
        let mut cursor = Cursor::Newest;
        loop {
            let page = self.discord.messages(place, cursor, PAGE).await?;
            let Some(oldest) = page.ids().min() else { return Ok(all) };
            assert_eq!(page.unreadable, []);
            cursor = Cursor::Before(oldest);
            all.extend(page.messages);
        }
    }

    /// Channels and threads, archived ones included.
    async fn places(&self, guild: GuildId) -> Vec<Place> {
        let survey = self.discord.survey(guild).await.unwrap();
        let mut places = survey.channels.clone();
        for channel in &survey.channels {
            if channel.access != Access::Readable || !channel.kind.holds_threads() {
                continue;
            }
            for which in [Archived::Public, Archived::Private] {
                if which == Archived::Private && !channel.manages_threads {
                    continue;
                }
                self.archived(channel, which, &mut places).await;
            }
        }
        let active = self.discord.active_threads(guild, &survey.channels).await.unwrap();
        places.extend(active);
        places
    }

    async fn archived(&self, channel: &Place, which: Archived, places: &mut Vec<Place>) {
        let mut before = None;
        loop {
            let page = self.discord.archived_threads(channel, which, before).await.unwrap();
            let known = places.len();
            before = page.threads.last().and_then(|thread| thread.archived_at);
            for thread in page.threads {
                if places.iter().all(|place| place.id != thread.id) {
                    places.push(thread);
                }
            }
            if !page.has_more || places.len() == known {
                return;
            }
        }
    }

    #[track_caller]
    fn assert_polite(&self) {
        assert_eq!(self.sim.violations(), Vec::<String>::new());
        assert_eq!(self.sim.stats().avoidable, 0);
    }
}

/// A server with a channel that holds so many messages.
fn channel_with(messages: usize) -> (World, GuildId, ChannelId) {
    let world = World::new(1);
    let guild = world.create_guild("g");
    let channel = world.create_channel(guild, NewChannel::text("c"));
    for number in 0..messages {
        world.post(channel, NewMessage::text(format!("number {number}")));
    }
    (world, GuildId(guild.0), ChannelId(channel.0))
}

fn ours(id: discord_sim::ChannelId) -> ChannelId {
    ChannelId(id.0)
}

#[tokio::test]
async fn a_whole_server_is_read_as_it_is() {
    let spec = Spec { messages: 600, archived_threads: 8, ..Spec::default() };
    let (world, _) = World::generate(7, &spec);
    let bot = Bot::unlimited(&world).await;
    let guilds = bot.discord.guilds().await.unwrap();
    let mut seen = Vec::new();
    for guild in &guilds {
        let places = bot.places(guild.id).await;
        for place in places {
            if place.kind.holds_messages() && place.access == Access::Readable {
                seen.extend(bot.history(place.id).await.unwrap());
            }
        }
    }

    let private = |id| {
        let places = world.places();
        places.iter().any(|p| p.id == id && p.kind == Kind::PrivateThread && p.archived)
    };
    // Archived private threads are listed only to those who manage threads.
    let expected: Vec<_> =
        world.expected().into_iter().filter(|message| !private(message.channel)).collect();
    assert!(expected.len() >= 500, "{}", expected.len());
    seen.sort_by_key(|message| message.id);
    seen.dedup_by_key(|message| message.id);
    let mut missing = Vec::new();
    for truth in &expected {
        let Ok(at) = seen.binary_search_by_key(&truth.id.0, |message| message.id.0) else {
            missing.push(truth);
            continue;
        };
        let message = &seen[at];
        assert_eq!(message.channel.0, truth.channel.0);
        // Webhooks have no account with a display name.
        if !message.raw.contains(r#""webhook_id":""#) {
            assert_eq!(message.author.name, truth.author_name);
        }
        assert_eq!(
            message.edited.map(Timestamp::as_millis),
            truth.edited.map(|millis| i64::try_from(millis).unwrap())
        );
        let listed = truth
            .attachments
            .iter()
            .filter(|file| file.placement == discord_sim::Placement::Listed);
        for file in listed {
            let ours = message.attachments.iter().find(|ours| ours.id.0 == file.id.0).unwrap();
            assert_eq!((ours.size, &ours.filename), (file.content.size(), &file.filename));
            assert_eq!((&ours.title, &ours.content_type), (&file.title, &file.content_type));
            assert_eq!(ours.width.zip(ours.height), file.dimensions);
        }
        assert_eq!(message.carries_media, media(message), "{}", message.raw);
    }
    assert!(missing.is_empty(), "{missing:?}");
    bot.assert_polite();
}

/// Whether a message has media, told in another way than the program tells it.
fn media(message: &Message) -> bool {
    let mut value: serde_json::Value = serde_json::from_str(&message.raw).unwrap();
    // The message that is answered has its own row.
    value.as_object_mut().unwrap().remove("referenced_message");
    let text = value.to_string();
    let marks = [r#""proxy_url":"#, r#""icon_url":""#, r#""image":{"#, r#""thumbnail":{"#];
    let more = [r#""media":{"#, r#""video":{"#, r#""sticker_items":[{"#, r#""attachments":[{"#];
    marks.iter().chain(&more).any(|mark| text.contains(mark))
}

#[tokio::test]
async fn places_are_told_with_what_may_be_done_in_them() {
    let (world, _) = World::generate(11, &Spec::default());
    let bot = Bot::unlimited(&world).await;
    let mut seen = Vec::new();
    for guild in bot.discord.guilds().await.unwrap() {
        seen.extend(bot.places(guild.id).await);
    }
    for place in &seen {
        let truth = world.places().into_iter().find(|truth| truth.id.0 == place.id.0).unwrap();
        assert_eq!(place.name, truth.name);
        assert_eq!(place.public, truth.public, "{}", place.name);
        assert_eq!(place.archived_at.is_some(), truth.archived, "{}", place.name);
        assert_eq!(place.parent.map(|id| id.0), truth.parent.map(|id| id.0));
        if place.kind.holds_messages() {
            assert_eq!(place.access == Access::Readable, truth.readable, "{}", place.name);
        }
    }
    let seen: BTreeSet<_> = seen.iter().map(|place| place.id.0).collect();
    for truth in world.places() {
        let hidden = truth.kind == Kind::PrivateThread || !truth.readable;
        assert!(hidden || seen.contains(&truth.id.0), "{truth:?}");
    }
    bot.assert_polite();
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let (world, guild, open) = channel_with(1);
    let sim_guild = discord_sim::GuildId(guild.0);
    let everyone = Subject::Role(discord_sim::RoleId(guild.0));
    let closed = |kind, name: &str, deny| {
        let overwrite = Overwrite { subject: everyone, allow: 0, deny };
        ours(world.create_channel(sim_guild, NewChannel::new(kind, name).overwrite(overwrite)))
    };
    let hidden = closed(Kind::Text, "hidden", VIEW_CHANNEL);
    let forgetful = closed(Kind::Text, "forgetful", READ_MESSAGE_HISTORY);
    let locked = closed(Kind::Voice, "locked", CONNECT);
    let bot = Bot::unlimited(&world).await;
    let survey = bot.discord.survey(guild).await.unwrap();
    let access = |id| survey.channels.iter().find(|place| place.id == id).unwrap().access;
    assert_eq!(access(open), Access::Readable);
    assert_eq!(access(hidden), Access::Hidden);
    assert_eq!(access(forgetful), Access::NoHistory);
    assert_eq!(access(locked), Access::NoConnect);

    let error = bot.discord.messages(hidden, Cursor::Newest, PAGE).await.unwrap_err();
    assert!(matches!(error, DiscordError::Forbidden { code: 50_001 }), "{error:?}");
    let page = bot.discord.messages(forgetful, Cursor::Newest, PAGE).await.unwrap();
    assert!(page.messages.is_empty());
    let nowhere = bot.discord.messages(ChannelId(5), Cursor::Newest, PAGE).await.unwrap_err();
    assert!(matches!(nowhere, DiscordError::NotFound { code: 10_003 }), "{nowhere:?}");
    let unknown = bot.discord.message(open, MessageId(5)).await.unwrap_err();
    assert!(matches!(unknown, DiscordError::NotFound { code: 10_008 }), "{unknown:?}");
}

#[tokio::test]
async fn cursors_lead_in_both_directions_and_around() {
    let (world, _, channel) = channel_with(25);
    let bot = Bot::unlimited(&world).await;
    let all: Vec<_> = bot.history(channel).await.unwrap().iter().map(|m| m.id).collect();
    assert_eq!(all.len(), 25);
    assert!(all.is_sorted_by(|newer, older| newer > older));
    let ids = async |cursor, limit| -> Vec<MessageId> {
        let page = bot.discord.messages(channel, cursor, limit).await.unwrap();
        page.messages.iter().map(|message| message.id).collect()
    };
    assert_eq!(ids(Cursor::Before(all[5]), 3).await, all[6..9]);
    assert_eq!(ids(Cursor::After(all[5]), 3).await, all[2..5]);
    assert_eq!(ids(Cursor::After(MessageId::FIRST), 3).await, all[22..]);
    let around = ids(Cursor::Around(all[10]), 5).await;
    assert!(around.contains(&all[9]) && around.contains(&all[10]) && around.contains(&all[11]));
    let one = bot.discord.message(channel, all[3]).await.unwrap();
    assert_eq!(one.text, "number 21");
    bot.assert_polite();
}

#[tokio::test]
async fn answers_carry_discords_time_and_not_ours() {
    let (world, guild, channel) = channel_with(1);
    world.clock().advance(Duration::from_hours(24 * 400));
    let bot = Bot::unlimited(&world).await;
    let page = bot.discord.messages(channel, Cursor::Newest, PAGE).await.unwrap();
    let survey = bot.discord.survey(guild).await.unwrap();
    let by_discord = i64::try_from(world.clock().now()).unwrap();
    for answered_at in [page.answered_at, survey.answered_at] {
        assert!((by_discord - answered_at.as_millis()).abs() < 60_000, "{answered_at}");
    }
}

#[tokio::test]
async fn threads_archived_in_one_moment_are_all_listed() {
    let (world, guild, channel) = channel_with(1);
    let parent = discord_sim::ChannelId(channel.0);
    let at = world.clock().now() - 1_000_000;
    let mut opened = BTreeSet::new();
    // More than a page, in groups of three that share a moment.
    for number in 0..130_u64 {
        let thread = world.create_thread(parent, NewThread::public(format!("t{number}")));
        world.archive_thread_at(thread, at + number / 3);
        opened.insert(thread.0);
    }
    let bot = Bot::unlimited(&world).await;
    let listed: BTreeSet<_> = bot.places(guild).await.iter().map(|place| place.id.0).collect();
    assert!(opened.is_subset(&listed));
    bot.assert_polite();
}

#[tokio::test]
async fn the_account_tells_whether_it_may_read_content() {
    for (to, expected) in [(MessageContent::Granted, true), (MessageContent::Withheld, false)] {
        let (world, _, _) = channel_with(1);
        world.set_message_content(to);
        let bot = Bot::unlimited(&world).await;
        let identity = bot.discord.identity().await.unwrap();
        assert_eq!((identity.id.0, identity.message_content), (world.bot().0, expected));
    }
}
