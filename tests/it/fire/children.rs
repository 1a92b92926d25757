//! ffmpeg hangs, forks, floods, crashes or is not there: files are archived all the same, and no child stays behind.

use std::path::Path;

use super::*;

/// What the fake does over a file of this size.
const HANGS_WITH_CHILDREN: u64 = 5_001;
const CRASHES: u64 = 5_002;
const FLOODS: u64 = 5_003;
const COMPLAINS: u64 = 5_004;
const HANGS_WITHOUT_A_WORD: u64 = 5_005;

/// A search path with the fakes first, and a name by which their processes are known to be this test's.
fn path(mark: &str) -> String {
    let fakes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fire/fakes");
    format!("{}:{}:/{mark}", fakes.display(), std::env::var("PATH").unwrap())
}

/// The processes with this mark in their environment, the service itself excepted.
fn marked(mark: &str, service: u32) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let entry = entry.unwrap();
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        // Whoever ends meanwhile is not there any more.
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else { continue };
        let words = String::from_utf8_lossy(&environment);
        if pid != service && words.contains(mark) {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(format!("{pid} {}", String::from_utf8_lossy(&command).replace('\0', " ")));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_child_does_the_file_is_archived_and_no_child_stays() {
    if !Path::new("/proc/self/environ").exists() {
        println!("skipped: there is no /proc to look for children in");
        return;
    }
    let server = Server::new(91, 2, 5_000);
    let sizes = [HANGS_WITH_CHILDREN, CRASHES, FLOODS, COMPLAINS, HANGS_WITHOUT_A_WORD];
    let mut messages = Vec::new();
    for (number, size) in (0..).zip(sizes) {
        let content = Content::seeded(500 + number, size);
        let clip = NewAttachment::new(format!("clip-{size}.mp4"), content);
        messages.push(server.world.post(server.clips, NewMessage::text("a clip").attach(clip)));
    }
    let mark = format!("marked-{:x}", rand::random::<u64>());
    let rig =
        server.rig().set("PATH", path(&mark)).set("THUMBNAILS", "3").set("SHUTDOWN_AFTER", "2s");
    let rig = rig.start().await;
    let process = service(&rig).await;
    let id = process.id();
    until_whole(&rig).await;
    until("those that hang are all that is left to look at", async || {
        let waiting = &rig.status().await["waiting"];
        // The one that crashed is tried again, later.
        (waiting["thumbnails"].as_u64() <= Some(3)).then_some(())
    })
    .await;
    until("a child hangs with children of its own", async || {
        (marked(&mark, id).iter().filter(|child| child.contains("sleep")).count() >= 3)
            .then_some(())
    })
    .await;
    let ended = process.drained().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    until("no child is left", async || marked(&mark, id).is_empty().then_some(())).await;
    rig.assert_archived().await;
    assert_told(&rig, "ffprobe died of signal 11", 3);
    assert_told(&rig, "wrote more than", 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for a minute: `make soak` runs it"]
async fn soak_stills_are_made_up_for_when_ffmpeg_is_there_again() {
    let server = Server::new(92, 2, 5_000);
    let mut rig = server.rig().start().await;
    for number in 0..5 {
        let clip =
            NewAttachment::new(format!("{number}.mp4"), Content::seeded(700 + number, 3_000));
        server.world.post(server.clips, NewMessage::text("a clip").attach(clip));
    }
    let path = std::env::var("PATH").unwrap();
    rig.set("PATH", "/nonexistent");
    let process = service(&rig).await;
    until_whole(&rig).await;
    until("it is told", async || (!rig.told("is not installed").is_empty()).then_some(())).await;
    let ended = process.drained().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(rig.status().await["waiting"]["thumbnails"], 5);
    rig.set("PATH", path);
    rig.succeed(&["fetch"]).await;
    assert_eq!(rig.status().await["waiting"]["thumbnails"], 0);
    rig.assert_archived().await;
}
