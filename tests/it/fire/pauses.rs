//! SIGSTOP and SIGCONT: a process that stood still for a moment goes on, and one that stood still while another took
//! over its archive finds out before it publishes anything.

use std::time::Duration;

use discord_sim::{GatewayOptions, Options};

use super::*;

/// Long enough to miss events and to be missed by heartbeats, short enough for the session.
const MOMENT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Folder,
    Cloud,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stood_still_makes_up_for_it() {
    let server = Server::new(41, 10, 20_000);
    let rig = server.rig().start().await;
    let process = rig.spawn(&["--fetch-history"]);
    // In the middle of the start, of reading, of publishing, and of nothing.
    for moment in 0..4 {
        process.stop();
        server.post(&format!("while-it-stood-still-{moment}"));
        tokio::time::sleep(MOMENT / 4).await;
        process.go_on();
        server.post(&format!("when-it-went-on-{moment}"));
        tokio::time::sleep(MOMENT / 4).await;
    }
    rig.until_listening().await;
    process.stop();
    server.post("last");
    tokio::time::sleep(MOMENT).await;
    process.go_on();
    until_whole(&rig).await;
    end(&rig, process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_replaced_while_it_stood_still_leaves_the_folder_alone() {
    // A twin need not wait for the lease to end, so the first one's seems valid for a minute more.
    replaced(Place::Folder, Successor::Twin).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_replaced_while_it_stood_still_leaves_the_cloud_alone() {
    replaced(Place::Cloud, Successor::Twin).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for the lease to end: `make soak` runs it"]
async fn soak_a_stranger_takes_over_a_folder_when_the_lease_has_ended() {
    replaced(Place::Folder, Successor::Stranger).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for the lease to end: `make soak` runs it"]
async fn soak_a_stranger_takes_over_a_bucket_when_the_lease_has_ended() {
    replaced(Place::Cloud, Successor::Stranger).await;
}

/// Who takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Successor {
    /// One that calls itself by the same name, as one with a restored state folder does.
    Twin,
    /// One that has to wait until the lease ends.
    Stranger,
}

async fn replaced(place: Place, successor: Successor) {
    let server = Server::new(42, 20, 5_000);
    // Two that do not know of each other begin sessions as they like, which is not what is looked at here.
    let gateway = GatewayOptions { identify_window: Duration::ZERO, ..GatewayOptions::default() };
    let builder = server.rig().options(Options { gateway, ..crate::rig::Bower::calm() });
    let mut rig = match place {
        Place::Folder => builder.start().await,
        Place::Cloud => builder.in_the_cloud().start().await,
    };
    let first = service(&rig).await;
    until_whole(&rig).await;
    // It has something to publish, and stops on the way.
    server.post("before");
    first.stop();
    server.post("while-it-stood-still");

    let state = rig.state();
    let other = rig.folder().join("other-state");
    std::fs::create_dir_all(&other).unwrap();
    if successor == Successor::Twin {
        std::fs::copy(state.join("holder"), other.join("holder")).unwrap();
    }
    rig.set("STATE_DIR", other.to_str().unwrap());
    let second = loop {
        let second = rig.spawn(&["fetch"]);
        let ended = second.ended().await;
        if ended.code == Some(0) {
            break ended;
        }
        assert!(ended.stderr.contains("another Bowerbird writes"), "{}", ended.stderr);
        assert_eq!(successor, Successor::Stranger);
    };
    println!("{place:?}, {successor:?}: taken over, {} lines", second.stderr.lines().count());
    // It stays, and publishes what is to come.
    let second = rig.spawn(&["--fetch-history"]);
    rig.until_published("the second one shows everything", |archive| is_whole(archive, &rig)).await;
    let theirs = rig.published().await.unwrap().manifest["generation"].as_u64().unwrap();

    first.go_on();
    server.post("for-both");
    let ended = first.ended().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("lost to another writer"), "{}", ended.stderr);
    until_whole(&rig).await;
    let ours = rig.published().await.unwrap().manifest["generation"].as_u64().unwrap();
    assert!(ours > theirs, "{ours} follows {theirs}");
    end(&rig, second).await;
}
