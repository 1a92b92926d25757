//! `status`, as people and programs read it.

use discord_sim::{Content, NewAttachment, NewChannel, NewMessage, World};
use serde_json::Value;

use crate::rig::{Rig, until};

/// A server whose one channel has a few messages and many threads.
fn world(threads: usize) -> World {
    let world = World::new(2);
    let guild = world.create_guild("Night Owls");
    let wren = world.create_user("Wren");
    world.join(guild, wren);
    let channel = world.create_channel(guild, NewChannel::text("clips"));
    let file = NewAttachment::new("owl.mp4", Content::bytes(vec![7; 1_000]));
    world.post(channel, NewMessage::text("look").by(wren).attach(file));
    for number in 0..threads {
        let thread = world
            .create_thread(channel, discord_sim::NewThread::public(format!("thread {number}")));
        world.post(thread, NewMessage::text("hello").by(wren));
    }
    world
}

#[track_caller]
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Programs read these: none may go, and none may change its meaning.
#[track_caller]
fn assert_keys(status: &Value) {
    assert_eq!(
        keys(status),
        [
            "files",
            "held",
            "messages_read",
            "parked",
            "parked_messages",
            "places",
            "published",
            "reconciled",
            "service",
            "verified",
            "waiting"
        ]
    );
    assert_eq!(
        keys(&status["files"]),
        ["gone", "links", "removed", "seen", "stills", "stored", "stored_bytes"]
    );
    assert_eq!(
        keys(&status["waiting"]),
        [
            "download_bytes",
            "downloads",
            "downloads_parked",
            "messages_parked",
            "moves",
            "moves_parked",
            "thumbnails",
            "thumbnails_parked"
        ]
    );
    assert_eq!(
        keys(&status["places"][0]),
        [
            "complete_since",
            "from_start",
            "guild",
            "holes",
            "id",
            "kind",
            "messages",
            "name",
            "not_read",
            "state"
        ]
    );
    assert_eq!(keys(&status["published"]), ["at", "generation"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_fetch_what_was_read_is_complete() {
    let rig = Rig::over(&world(40)).start().await;
    rig.succeed(&["fetch"]).await;
    let status = rig.status().await;
    assert_keys(&status);
    assert_eq!(status["service"], Value::Null);
    for place in status["places"].as_array().unwrap() {
        assert_eq!(place["state"], "complete", "{place}");
        assert_eq!(place["from_start"], true, "{place}");
        assert_eq!(place["holes"], 0, "{place}");
    }
    let manifest = &rig.published().await.unwrap().manifest;
    assert_eq!(manifest["channels"][0]["coverage"]["fromStart"], true, "{manifest}");
    assert_eq!(manifest["channels"][0]["coverage"]["holes"], Value::Array(Vec::new()));

    let text = rig.succeed(&["status"]).await.stdout;
    assert!(text.lines().count() < 40, "no thousand lines: {text}");
    assert!(text.contains("#clips"), "channels come before their threads: {text}");
    assert!(text.contains("16 complete (--all lists them)"), "{text}");
    let all = rig.succeed(&["status", "--all"]).await.stdout;
    assert!(all.contains("#thread 39"), "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_service_is_asked_and_has_parked_work_tried_again() {
    let mut rig = Rig::over(&world(0)).start().await;
    let empty = rig.run(&["status"]).await;
    assert_eq!(empty.code, Some(1));
    assert!(empty.stderr.contains("nothing was archived yet"), "{}", empty.stderr);

    let service = rig.spawn(&["run", "--fetch-history"]);
    let running = until("the service answers", async || {
        if !rig.state().join("control.sock").exists() {
            return None;
        }
        let status = rig.status().await;
        let is_caught_up = status["service"]["caught_up"] == true;
        (is_caught_up && status["published"] != Value::Null).then_some(status)
    })
    .await;
    assert_keys(&running);
    assert_eq!(
        keys(&running["service"]),
        ["caught_up", "restarts", "shards_listening", "shards_wanted", "version"]
    );
    rig.succeed(&["status", "--retry-parked"]).await;
    assert_eq!(service.drained().await.code, Some(0));
    // And without a service, by itself: settings that say what is wanted are needed for that.
    rig.succeed(&["status", "--retry-parked"]).await;
    rig.set("MEDIA_KINDS", "films");
    let refused = rig.run(&["status", "--retry-parked"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("MEDIA_KINDS"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_leaves_is_no_error() {
    let rig = Rig::over(&world(0)).start().await;
    rig.succeed(&["fetch"]).await;
    for arguments in [["status", "--all"], ["status", "--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_bowerbird"))
            .args(arguments)
            .env("STATE_DIR", rig.state())
            .current_dir(rig.folder())
            .stdout(writer)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success(), "{arguments:?}: {said}");
        assert_eq!(said, "");
    }
}
