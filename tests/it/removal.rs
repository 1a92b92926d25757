//! What is deleted on Discord, seen from outside: the real binary, its folders, and what `status` tells.

use std::path::Path;

use discord_sim::{ChannelId, MessageId, NewAttachment, NewChannel, NewMessage, World};
use serde_json::Value;

use crate::rig::{Bower, Process, Rig, until};

/// A server with two clips.
fn server(seed: u64) -> (World, ChannelId, [MessageId; 2]) {
    let world = World::new(seed);
    let guild = world.create_guild("The Bower");
    let clips = world.create_channel(guild, NewChannel::text("clips"));
    let posts = ["stays", "goes"].map(|name| world.post(clips, clip(name)));
    (world, clips, posts)
}

fn clip(name: &str) -> NewMessage {
    let bytes = format!("words of {name}").into_bytes();
    NewMessage::text(name).attach(NewAttachment::new(format!("{name}.mp4"), bytes))
}

/// The service over an archive that holds both, and where the bytes of the second are.
async fn archived(rig: &Rig, posts: [MessageId; 2]) -> (Process, String) {
    let process = rig.spawn(&["run", "--fetch-history"]);
    let archive = rig
        .until_published("both are on the page", |archive| {
            let stored = |post| archive.of_message(post).iter().all(|e| e["Media"].is_string());
            archive.entries.len() == 2 && posts.iter().all(stored)
        })
        .await;
    let media = archive.of_message(&posts[1])[0]["Media"].as_str().unwrap().to_owned();
    until("the service listens", async || {
        (rig.status().await["service"]["shards_listening"] == 1).then_some(())
    })
    .await;
    (process, media)
}

/// Whether any file below a folder holds these bytes.
fn is_anywhere(folder: &Path, bytes: &[u8]) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return is_anywhere(&path, bytes);
        }
        // It may be gone by the time it is opened.
        let found = std::fs::read(&path).unwrap_or_default();
        found.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_leaves_the_page_and_the_public_folder() {
    let (world, clips, posts) = server(1);
    let rig = Rig::over(&world).options(Bower::calm()).start().await;
    let (process, media) = archived(&rig, posts).await;
    world.delete(clips, posts[1]);
    let hidden = rig.state().join("private/hidden").join(&media);
    until("its bytes are in the private folder alone", async || {
        (!rig.bucket.names().contains(&media) && hidden.exists()).then_some(())
    })
    .await;
    assert_eq!(std::fs::read(&hidden).unwrap(), b"words of goes");
    let archive = rig.published().await.unwrap();
    archive.assert_consistent();
    assert!(archive.of_message(&posts[1]).is_empty() && archive.entries.len() == 1);
    let status = rig.status().await;
    assert_eq!((&status["files"]["removed"], &status["held"]), (&Value::from(1), &Value::Null));
    assert_eq!(process.drained().await.code, Some(0));
    let said = rig.succeed(&["status"]).await.stdout;
    assert!(said.contains("1 were deleted on Discord, and are not erased yet"), "{said}");
    // Another wish brings it back, marked, and nothing is asked of Discord for it.
    let downloads = rig.stats().total_downloads();
    let mut rig = rig;
    rig.set("ON_DELETE", "keep");
    let process = rig.spawn(&["run"]);
    let archive = rig
        .until_published("it is back", |archive| {
            archive.of_message(&posts[1]).iter().any(|entry| entry["Media"].is_string())
        })
        .await;
    assert!(archive.of_message(&posts[1])[0]["Deleted_at"].is_string());
    assert!(archive.of_message(&posts[0])[0]["Deleted_at"].is_null());
    assert_eq!(rig.stats().total_downloads(), downloads);
    assert_eq!(process.drained().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_be_erased_is_nowhere_a_moment_later() {
    let (world, clips, posts) = server(2);
    let rig = Rig::over(&world).options(Bower::calm()).set("ON_DELETE", "erase").start().await;
    let (process, media) = archived(&rig, posts).await;
    assert!(is_anywhere(rig.folder(), b"words of goes"));
    world.delete(clips, posts[1]);
    until("its bytes are nowhere", async || {
        let gone = !rig.bucket.names().contains(&media)
            && !is_anywhere(&rig.folder().join("archive"), b"words of goes")
            && !is_anywhere(&rig.state().join("private"), b"words of goes");
        gone.then_some(())
    })
    .await;
    let status = rig.status().await;
    assert_eq!((&status["files"]["removed"], &status["files"]["seen"]), (&0.into(), &1.into()));
    assert_eq!(process.drained().await.code, Some(0));
    let archive = rig.published().await.unwrap();
    archive.assert_consistent();
    assert!(archive.of_message(&posts[1]).is_empty());
    assert!(is_anywhere(&rig.folder().join("archive"), b"words of stays"));
}
