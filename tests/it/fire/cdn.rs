//! What the CDN sends instead of a file: too little, too much, too slowly, something else. None of it is archived.

use std::time::Duration;

use discord_sim::{Fault, Rule, Scope, Target, When};

use super::*;

/// Larger than what a socket takes at once.
const SIZE: u64 = 300_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_comes_instead_of_a_file_is_not_taken_for_it() {
    let brief = Duration::from_millis(300);
    let faults = [
        Fault::Status(500),
        Fault::HtmlStatus(502),
        Fault::EmptyStatus(503),
        Fault::Limited(Scope::User, brief),
        Fault::Cloudflare(429, Some(brief)),
        Fault::Reset,
        Fault::Stall(brief),
        Fault::Drip(30_000, Duration::from_millis(5)),
        Fault::Truncate(0),
        Fault::Truncate(100_000),
        // Its length is as announced by the CDN, and not as announced by Discord.
        Fault::WrongLength(1),
        Fault::TooLong(1),
        Fault::Chunked,
        Fault::HtmlOk,
        Fault::WrongBytes,
        // A dead link, or so it seems: the next one works.
        Fault::Status(403),
        Fault::Status(404),
    ];
    let together = [
        vec![Fault::Chunked, Fault::TooLong(1)],
        vec![Fault::Chunked, Fault::WrongLength(1)],
        vec![Fault::Chunked, Fault::Truncate(100_000)],
        vec![Fault::Chunked, Fault::WrongBytes],
        vec![Fault::Chunked, Fault::HtmlOk],
    ];
    let singly = faults.into_iter().map(|fault| vec![fault]);
    let all: Vec<Vec<Fault>> = singly.chain(together).collect();
    let server = Server::new(61, u64::try_from(all.len()).unwrap(), SIZE);
    let rig = server.rig().start().await;
    let files = expected(rig.world(), &Selected::default());
    for ((_, file), faults) in files.values().zip(all) {
        for fault in faults {
            rig.discord.inject(Rule::nth(Target::Cdn, 1, fault).only(file.id.0));
        }
    }
    rig.succeed(&["fetch"]).await;
    rig.assert_archived().await;
    // Each but the slow ones and the one without a length was asked for again.
    let again: u64 =
        rig.stats().answers.iter().filter(|((route, _), _)| route == "cdn").map(|(_, n)| n).sum();
    let files = u64::try_from(files.len()).unwrap();
    assert!(again >= 2 * files - 3, "{again} answers for {files} files");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_discord_no_longer_has_is_reported_and_holds_nothing_up() {
    let server = Server::new(62, 6, SIZE);
    let rig = server.rig().start().await;
    let files = expected(rig.world(), &Selected::default());
    let mut lost = Vec::new();
    for ((id, (_, file)), status) in files.iter().zip([403, 404]) {
        let rule = Rule::new(Target::Cdn, When::Always, Fault::Status(status));
        rig.discord.inject(rule.only(file.id.0));
        lost.push(id.clone());
    }
    let ended = rig.run(&["fetch"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("2 files are no longer with Discord"), "{}", ended.stderr);
    let archive = rig.published().await.unwrap();
    archive.assert_consistent();
    for (id, entry) in &archive.entries {
        assert_eq!(
            lost.contains(id),
            entry["Gone"].is_string() || entry["Gone"].is_object(),
            "{entry}"
        );
        assert_eq!(entry["Media"].is_string(), !lost.contains(id), "{entry}");
    }
    assert_eq!(archive.entries.len(), files.len());
    rig.assert_polite();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cdn_that_serves_nothing_but_pages_is_waited_out() {
    let server = Server::new(63, 12, 10_000);
    let rig = server.rig().start().await;
    rig.discord.inject(Rule::new(Target::Cdn, When::Always, Fault::HtmlOk));
    let process = service(&rig).await;
    rig.discord
        .until(|stats| stats.answers.get(&("cdn".to_owned(), 200)).is_some_and(|n| *n >= 12))
        .await;
    rig.discord.heal();
    until_whole(&rig).await;
    end(&rig, process).await;
}
