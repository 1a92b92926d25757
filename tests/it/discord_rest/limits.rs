//! Limits, refusals and failures of REST against the simulator: what is asked for arrives all the same, politely.

use std::time::Duration;

use bowerbird::{
    clock::Clock,
    discord::{Cursor, Discord, DiscordError, LiveDiscord, PAGE, Priority},
    domain::place::Access,
};
use discord_sim::{
    Fault, HeadersSay, NewChannel, Options, RateLimits, Rule, Scope, Spec, Target, When, World,
};
use futures_util::future::try_join_all;

use super::{Bot, channel_with, ours};

#[tokio::test]
async fn the_limits_are_kept_without_being_told_twice() {
    let spec = Spec { messages: 3_000, channels: 6, ..Spec::default() };
    let (world, _) = World::generate(3, &spec);
    // Ten times as fast, and as much in a second as one of ours holds.
    let rate_limits =
        RateLimits { messages_refill: Duration::from_millis(100), ..RateLimits::default() };
    let bot = Bot::new(&world, Options { rate_limits, ..Options::default() }).await;
    let guild = bot.discord.guilds().await.unwrap().remove(0);
    let places = bot.places(guild.id).await;
    let readable =
        places.iter().filter(|p| p.kind.holds_messages() && p.access == Access::Readable);
    let histories = readable.map(|place| async { bot.history(place.id).await });
    let all = try_join_all(histories).await.unwrap();
    assert!(all.iter().map(Vec::len).sum::<usize>() > 2_000);
    let stats = bot.sim.stats();
    assert_eq!((stats.limited, stats.avoidable, stats.invalid), (0, 0, 0));
    bot.assert_polite();
}

#[tokio::test]
async fn headers_that_promise_plenty_are_believed_once() {
    let (world, _, channel) = channel_with(2_000);
    let rate_limits = RateLimits {
        messages_refill: Duration::from_millis(100),
        headers: HeadersSay::Plenty,
        ..RateLimits::default()
    };
    let bot = Bot::new(&world, Options { rate_limits, ..Options::default() }).await;
    assert_eq!(bot.history(channel).await.unwrap().len(), 2_000);
    let stats = bot.sim.stats();
    assert!(stats.limited <= 2, "{} refusals in {} calls", stats.limited, stats.total_requests());
    bot.assert_polite();
}

#[tokio::test]
async fn refusals_of_every_scope_are_waited_out() {
    let (world, _, channel) = channel_with(300);
    let bot = Bot::unlimited(&world).await;
    let wait = Duration::from_secs(1);
    for fault in [
        Fault::Limited(Scope::User, wait),
        Fault::Limited(Scope::Shared, wait),
        Fault::Limited(Scope::Global, wait),
        Fault::Cloudflare(429, Some(wait)),
        Fault::Cloudflare(403, Some(wait)),
    ] {
        bot.sim.heal();
        let before = bot.sim.stats();
        bot.sim.inject(Rule::nth(Target::Rest, 2, fault.clone()));
        let reading = (0..10).map(|_| bot.history(channel));
        for history in try_join_all(reading).await.unwrap() {
            assert_eq!(history.len(), 300, "{fault:?}");
        }
        let after = bot.sim.stats();
        // Three pages and an empty one for each, and those that were under way when the refusal came.
        let refused = after.total_requests() - before.total_requests() - 40;
        assert!((1..=10).contains(&refused), "{refused} refusals, {fault:?}");
    }
    bot.assert_polite();
}

#[tokio::test]
async fn a_global_refusal_that_lasts_costs_a_handful_of_requests() {
    let (world, guild, _) = channel_with(0);
    let channels: Vec<_> = (0..40)
        .map(|number| {
            let new = NewChannel::text(format!("c{number}"));
            ours(world.create_channel(discord_sim::GuildId(guild.0), new))
        })
        .collect();
    let bot = Bot::unlimited(&world).await;
    bot.discord.guilds().await.unwrap();
    let fault = Fault::Limited(Scope::Global, Duration::from_secs(1));
    bot.sim.inject(Rule::new(Target::Rest, When::First(4), fault));
    let patient = bot.discord.with_priority(Priority::Patient);
    let calls = channels.iter().map(|&channel| patient.messages(channel, Cursor::Newest, PAGE));
    try_join_all(calls).await.unwrap();
    let stats = bot.sim.stats();
    // One for the list of servers and one for each channel. What was under way when the pause began is refused once;
    // then one asks for all, until the fourth refusal is over.
    assert!(stats.limited <= 40 + 3, "{} refusals", stats.limited);
    assert_eq!(stats.total_requests(), 1 + 40 + stats.limited);
    bot.assert_polite();
}

#[tokio::test]
async fn storms_of_errors_are_survived() {
    let (world, _) = World::generate(5, &Spec::default());
    let faults = vec![
        Rule::chance(Target::Rest, 0.05, Fault::HtmlStatus(502)),
        Rule::chance(Target::Rest, 0.05, Fault::Status(500)),
        Rule::chance(Target::Rest, 0.05, Fault::EmptyStatus(503)),
        Rule::chance(Target::Rest, 0.05, Fault::Reset),
        Rule::chance(Target::Rest, 0.03, Fault::Truncate(20)),
        Rule::nth(Target::Route("list_messages"), 3, Fault::HtmlOk),
    ];
    let options =
        Options { rate_limits: RateLimits::off(), faults, fault_seed: 42, ..Options::default() };
    let bot = Bot::new(&world, options).await;
    let guild = bot.discord.guilds().await.unwrap().remove(0);
    let places = bot.places(guild.id).await;
    let readable =
        places.iter().filter(|p| p.kind.holds_messages() && p.access == Access::Readable);
    let all = try_join_all(readable.map(|place| bot.history(place.id))).await.unwrap();
    assert!(all.iter().map(Vec::len).sum::<usize>() > 100);
    let answers = bot.sim.stats().answers;
    assert!(answers.keys().any(|(_, status)| *status == 502), "the storm never came");
    bot.assert_polite();
}

#[tokio::test]
async fn a_wrong_token_stops_us_at_once() {
    let (world, _, channel) = channel_with(1);
    let bot = Bot::unlimited(&world).await;
    let stranger = LiveDiscord::new("wrong", &bot.sim.api_url(), Clock::System).unwrap();
    for _ in 0..3 {
        let error = stranger.messages(channel, Cursor::Newest, PAGE).await.unwrap_err();
        assert!(matches!(error, DiscordError::Unauthorized), "{error:?}");
        assert!(error.is_fatal());
    }
    assert_eq!(bot.sim.stats().total_requests(), 1);
}
