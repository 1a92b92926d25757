//! Discord is away, slow, or talks nonsense: when the service starts, and while it runs.

use std::{net::TcpListener, time::Duration};

use discord_sim::{Fault, Rule, Target, When};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discord_that_is_away_at_the_start_is_waited_for() {
    let server = Server::new(11, 3, 1_000);
    let rig = server.rig().start().await;
    rig.discord.inject(Rule::new(Target::Rest, When::Always, Fault::Reset));
    let process = rig.spawn(&["--fetch-history"]);
    until("it is told", async || (!rig.told("Discord does not answer").is_empty()).then_some(()))
        .await;
    rig.discord.heal();
    rig.until_listening().await;
    until_whole(&rig).await;
    assert_told(&rig, "Discord does not answer", 1);
    assert_told(&rig, "Discord answers again", 1);
    end(&rig, process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_where_nobody_listens_is_told_of_and_can_be_left() {
    let server = Server::new(12, 1, 1_000);
    // Nobody else gets this port while we hold it, and we do not listen to what comes.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    for address in [format!("http://127.0.0.1:{port}"), "http://nowhere.invalid".to_owned()] {
        let mut rig = server.rig().start().await;
        rig.set("DISCORD_API_URL", address);
        let process = rig.spawn::<&str>(&[]);
        until("it is told", async || {
            (!rig.told("Discord does not answer").is_empty()).then_some(())
        })
        .await;
        process.terminate();
        process.ended().await;
        assert_told(&rig, "Discord does not answer", 1);
        assert!(rig.published().await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_instead_of_answers_is_asked_for_again() {
    let server = Server::new(13, 30, 1_000);
    let rig = server.rig().start().await;
    let brief = Duration::from_millis(300);
    let routes = ["get_my_application", "list_my_guilds", "list_guild_channels", "list_messages"];
    let faults = [
        Fault::HtmlStatus(502),
        Fault::Status(500),
        Fault::EmptyStatus(503),
        Fault::HtmlOk,
        Fault::Truncate(20),
        Fault::TooLong(3),
        Fault::Stall(brief),
        Fault::Drip(40, Duration::from_millis(2)),
    ];
    for (n, fault) in (0..).zip(faults) {
        for (route, at) in (0..).zip(routes) {
            rig.discord.inject(Rule::nth(Target::Route(at), (n + route) % 8 + 1, fault.clone()));
        }
    }
    let process = service(&rig).await;
    for number in 0..10 {
        server.post(&format!("clip-{number}"));
    }
    until_whole(&rig).await;
    end(&rig, process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_in_the_middle_is_told_of_briefly_and_made_up_for() {
    let server = Server::new(14, 5, 1_000);
    let rig = server.rig().start().await;
    let process = service(&rig).await;
    until_whole(&rig).await;
    let lines = rig.told("").len();
    rig.discord.inject(Rule::new(Target::Everything, When::Always, Fault::HtmlStatus(502)));
    for number in 0..10 {
        server.post(&format!("outage-{number}"));
    }
    let refused = || -> u64 {
        let answers = rig.stats().answers;
        answers.iter().filter(|((_, status), _)| *status == 502).map(|(_, count)| count).sum()
    };
    until("it was refused again and again", async || (refused() >= 12).then_some(())).await;
    let said = rig.told("").len() - lines;
    println!("{said} lines tell of {} refusals", refused());
    assert!(said <= 60, "{said} lines tell of {} refusals", refused());
    rig.discord.heal();
    until_whole(&rig).await;
    end(&rig, process).await;
}
