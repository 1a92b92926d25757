//! Refusals of everything are waited out with a handful of requests.

use std::time::Duration;

use discord_sim::{Fault, Rule, Scope, Spec, Target, When, World};

use crate::rig::{Bower, Rig, until};

/// So many refusals are a wait of some length.
const REFUSALS: u64 = 3;

/// Places with pages to read: so many calls may be on their way when everything is refused.
const CHANNELS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_global_limit_is_waited_out() {
    waited_out(Fault::Limited(Scope::Global, Duration::from_secs(1)), 429).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_by_cloudflare_is_waited_out() {
    waited_out(Fault::Cloudflare(429, Some(Duration::from_secs(1))), 429).await;
}

async fn waited_out(refusal: Fault, status: u16) {
    let spec = Spec {
        channels: CHANNELS,
        messages: 3_000,
        attachments: 10,
        forums: 0,
        active_threads: 0,
        archived_threads: 0,
        private_threads: 0,
        unreadable: 0,
        ..Spec::default()
    };
    let (world, _) = World::generate(8, &spec);
    let rig = Rig::over(&world).options(Bower::calm()).start().await;
    let refused = || -> u64 {
        let answers = rig.stats().answers;
        answers.iter().filter(|((_, s), _)| *s == status).map(|(_, count)| count).sum()
    };
    let fetch = rig.spawn(&["fetch"]);
    until("history is read", async || {
        (rig.stats().requests_to("list_messages") > 10).then_some(())
    })
    .await;
    rig.discord.inject(Rule::new(Target::Rest, When::Always, refusal));
    until("everything was refused some times", async || (refused() >= REFUSALS).then_some(()))
        .await;
    rig.discord.heal();
    let ended = fetch.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    println!("waited out with {} refused requests", refused());
    assert!(refused() < REFUSALS + CHANNELS as u64 + 3, "{} refused requests", refused());
    rig.assert_archived().await;
}
