//! Rate limits as Discord tells them, and who is to blame for a 429.

use std::time::Duration;

use discord_sim::{Fault, HeadersSay, NewChannel, Options, RateLimits, Rule, Scope, Target, World};

use crate::client::Bot;

/// A world where a refill takes so long that none happens during a test.
async fn strict(headers: HeadersSay) -> (Bot, String) {
    let world = World::new(1);
    let guild = world.create_guild("g");
    let channel = world.create_channel(guild, NewChannel::text("c"));
    let rate_limits = RateLimits {
        messages_refill: Duration::from_hours(1),
        grace: Duration::ZERO,
        headers,
        ..RateLimits::default()
    };
    let bot = Bot::with(&world, Options { rate_limits, ..Options::default() }).await;
    (bot, format!("/channels/{channel}/messages"))
}

#[tokio::test]
async fn the_sixth_page_in_a_row_is_refused_and_was_foretold() {
    let (bot, path) = strict(HeadersSay::TheTruth).await;
    for left in ["4", "3", "2", "1", "0"] {
        let response = bot.send(&path).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-ratelimit-remaining"], left);
        assert_eq!(response.headers()["x-ratelimit-limit"], "5");
    }
    let refused = bot.send(&path).await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["x-ratelimit-scope"], "user");
    assert!(refused.headers().contains_key("retry-after"));
    assert!(refused.headers().contains_key("via"));
    let body: serde_json::Value = refused.json().await.unwrap();
    assert!(body["retry_after"].as_f64().unwrap() > 3000.0);
    assert_eq!(body["global"], false);
    let stats = bot.sim.stats();
    assert_eq!((stats.limited, stats.avoidable, stats.invalid), (1, 1, 1));
}

#[tokio::test]
async fn a_sudden_429_is_nobodys_fault_until_it_is_ignored() {
    let (bot, path) = strict(HeadersSay::Plenty).await;
    for _ in 0..5 {
        let response = bot.send(&path).await.unwrap();
        assert_eq!(response.headers()["x-ratelimit-remaining"], "999");
    }
    assert_eq!(bot.send(&path).await.unwrap().status(), 429);
    assert_eq!(bot.sim.stats().avoidable, 0);
    let again = bot.send(&path).await.unwrap();
    assert_eq!(again.headers()["x-ratelimit-remaining"], "0");
    assert_eq!(bot.sim.stats().avoidable, 1);
}

#[tokio::test]
async fn scopes_are_told_apart_and_shared_ones_do_not_count() {
    let (bot, path) = strict(HeadersSay::TheTruth).await;
    let wait = Duration::from_millis(1_500);
    for (n, scope, name, invalid) in
        [(1, Scope::Shared, "shared", 0), (1, Scope::Global, "global", 1)]
    {
        bot.sim.heal();
        bot.sim.inject(Rule::nth(Target::Rest, n, Fault::Limited(scope, wait)));
        let refused = bot.send(&path).await.unwrap();
        assert_eq!(refused.headers()["x-ratelimit-scope"], name);
        assert_eq!(refused.headers()["retry-after"], "2");
        assert_eq!(refused.headers().contains_key("x-ratelimit-global"), name == "global");
        assert_eq!(bot.sim.stats().invalid, invalid);
    }
    bot.sim.heal();
    let before = bot.sim.stats().avoidable;
    // Whoever does not wait is refused again, and to blame.
    bot.sim.inject(Rule::nth(Target::Rest, 1, Fault::Limited(Scope::Global, wait)));
    assert_eq!(bot.send(&path).await.unwrap().status(), 429);
    assert_eq!(bot.send("/gateway").await.unwrap().status(), 429);
    assert_eq!(bot.sim.stats().avoidable, before + 2);
    bot.sim.heal();
    let told = Some(Duration::from_secs(3));
    bot.sim.inject(Rule::nth(Target::Rest, 1, Fault::Cloudflare(429, told)));
    let page = bot.send(&path).await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html");
    assert!(!page.headers().contains_key("x-ratelimit-scope"));
    assert!(!page.headers().contains_key("via"));
    assert_eq!(page.headers()["retry-after"], "3");
}

#[tokio::test]
async fn too_many_wrong_tokens_end_at_cloudflare() {
    let world = World::new(1);
    world.create_guild("g");
    let rate_limits = RateLimits { invalid_allowed: 3, ..RateLimits::default() };
    let bot = Bot::with(&world, Options { rate_limits, ..Options::default() }).await;
    let url = format!("{}/api/v10/users/@me", bot.sim.api_url());
    for expected in [401, 401, 401, 429] {
        let request = bot.http.get(&url).header("authorization", "Bot wrong");
        assert_eq!(request.send().await.unwrap().status(), expected);
    }
}
