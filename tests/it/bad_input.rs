//! Settings and surroundings that can't work: each ends with a message that names the variable and the remedy, never
//! with a backtrace, and what was archived before is still there afterwards.

use discord_sim::{
    Content, Kind, NewAttachment, NewChannel, NewMessage, Options, RateLimits, World,
};
use gcs_sim::Permission;

use crate::rig::{Bucket, Ended, Rig};

/// A server with a category, a channel in it, and a file there.
fn world() -> (World, discord_sim::ChannelId) {
    let world = World::new(3);
    let guild = world.create_guild("Night Owls");
    let wren = world.create_user("Wren");
    world.join(guild, wren);
    let category = world.create_channel(guild, NewChannel::new(Kind::Category, "Media"));
    let clips = world.create_channel(guild, NewChannel::text("clips").under(category));
    let file = NewAttachment::new("owl.mp4", Content::bytes(vec![7; 1_000]));
    world.post(clips, NewMessage::text("look").by(wren).attach(file));
    (world, category)
}

#[track_caller]
fn check(ended: &Ended, words: &[&str]) {
    let said = &ended.stderr;
    assert_eq!(ended.code, Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing: {said}");
    }
    for noise in ["panicked", "backtrace", "RUST_BACKTRACE", "os error 2)"] {
        assert!(!said.contains(noise), "{noise:?} is of no use to a person: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_can_not_work_are_refused_and_never_shown() {
    let (world, _) = world();
    let mut rig = Rig::over(&world).start().await;
    let token = world.token();
    // What a person's account has: the same form, and Discord refuses it when it comes as a bot's.
    let stranger = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GaBcDe.abcdefghijklmnopqrstuvwxyz0123456789AB";
    for (set, words) in [
        (String::new(), ["TOKEN is missing", "developers/applications"]),
        ("1234567890".to_owned(), ["TOKEN (***)", "developers/applications"]),
        ("mfa.abcdefghijklmnopqrstuvwxyz".to_owned(), ["TOKEN (***)", "forbids to automate"]),
        (format!("\"{token}\""), ["TOKEN (***)", "quotes"]),
        (format!("Bot {token}"), ["TOKEN (***)", "leave it out"]),
        (stranger.to_owned(), ["refused the token", "Reset Token"]),
    ] {
        rig.set("TOKEN", set.clone());
        for command in ["run", "fetch"] {
            let ended = rig.run(&[command]).await;
            check(&ended, &words);
            assert!(set.is_empty() || !ended.stderr.contains(&set), "{}", ended.stderr);
        }
    }
    assert!(!rig.folder().join("archive").exists(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_that_are_not_there_are_named_with_those_that_are() {
    let (world, category) = world();
    // Commands that follow each other at once don't know of each other's pace.
    let options = Options { rate_limits: RateLimits::off(), ..Options::default() };
    let mut rig = Rig::over(&world).options(options).start().await;
    rig.set("CHANNEL_IDS", "1103370250417328202");
    check(&rig.run(&["fetch"]).await, &["CHANNEL_IDS: 1103370250417328202", "Copy Channel ID"]);
    rig.set("CHANNEL_IDS", category.to_string());
    check(&rig.run(&["fetch"]).await, &["CHANNEL_IDS", "category \"Media\"", "clips"]);
    check(&rig.run(&["run"]).await, &["CHANNEL_IDS", "category \"Media\"", "clips"]);
    rig.set("CHANNEL_IDS", "");
    rig.set("SERVER_IDS", "1103370250417328202");
    check(&rig.run(&["fetch"]).await, &["SERVER_IDS", "Night Owls"]);
    rig.set("SERVER_IDS", "");
    let other = world.create_guild("Early Birds");
    check(
        &rig.run(&["run"]).await,
        &["SERVER_IDS", "several servers", "Night Owls", "Early Birds"],
    );
    world.kick_bot(other);
    rig.succeed(&["fetch"]).await;
    rig.assert_archived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_can_not_be_used_is_named() {
    // Commands that follow each other at once don't know of each other's pace.
    let options = Options { rate_limits: RateLimits::off(), ..Options::default() };
    let mut rig = Rig::over(&world().0).options(options).in_the_cloud().start().await;
    let Bucket::Cloud { sim, name } = &rig.bucket else { panic!("it was asked for") };
    let name = *name;
    sim.deny(name, Permission::Create);
    check(&rig.run(&["fetch"]).await, &["BUCKET_NAME", "roles/storage.objectUser"]);
    sim.allow_all(name);
    rig.set("BUCKET_NAME", "not-there");
    check(&rig.run(&["run"]).await, &["BUCKET_NAME", "does not exist", "create it"]);
    rig.set("BUCKET_NAME", "gs://archive");
    check(&rig.run(&["fetch"]).await, &["BUCKET_NAME", "address"]);
    rig.set("BUCKET_NAME", name);
    rig.succeed(&["fetch"]).await;
    rig.assert_archived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_that_can_not_be_written_are_named() {
    let mut rig = Rig::over(&world().0).start().await;
    let file = rig.folder().join("file");
    std::fs::write(&file, "mine").unwrap();
    let path = file.to_str().unwrap().to_owned();
    let (state, Bucket::Folder(archive)) = (rig.state(), &rig.bucket) else { panic!("a folder") };
    let archive = archive.to_str().unwrap().to_owned();
    rig.set("STATE_DIR", path.clone());
    check(&rig.run(&["fetch"]).await, &["STATE_DIR", &path]);
    rig.set("STATE_DIR", state.to_str().unwrap().to_owned());
    rig.set("ARCHIVE_DIR", path.clone());
    check(&rig.run(&["run"]).await, &["ARCHIVE_DIR", &path]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    rig.set("ARCHIVE_DIR", archive);
    rig.succeed(&["fetch"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_ffmpeg_files_are_kept_and_their_stills_come_later() {
    let mut rig = Rig::over(&world().0).start().await;
    rig.set("PATH", rig.folder().to_str().unwrap().to_owned());
    let ended = rig.run(&["fetch"]).await;
    check(&ended, &["1 stills could not be made", "apt-get install ffmpeg"]);
    let status = rig.status().await;
    assert_eq!(status["files"]["stored"], 1);
    assert_eq!(status["waiting"]["thumbnails"], 1, "it is made when there is an ffmpeg");
    let archive = rig.published().await.unwrap();
    assert!(archive.entries.values().all(|entry| entry["Media"].is_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_instance_is_turned_away() {
    // Commands that follow each other at once don't know of each other's pace.
    let options = Options { rate_limits: RateLimits::off(), ..Options::default() };
    let mut rig = Rig::over(&world().0).options(options).start().await;
    let service = rig.spawn(&["run", "--fetch-history"]);
    rig.until_published("the file is there", |archive| archive.entries.len() == 1).await;
    check(&rig.run(&["run"]).await, &["another process uses this STATE_DIR"]);
    check(&rig.run(&["fetch"]).await, &["another process uses this STATE_DIR"]);
    let first = rig.state();
    rig.set("STATE_DIR", rig.folder().join("other").to_str().unwrap().to_owned());
    check(&rig.run(&["run"]).await, &["ARCHIVE_DIR", "another Bowerbird writes to this archive"]);
    rig.set("STATE_DIR", first.to_str().unwrap().to_owned());
    assert_eq!(service.drained().await.code, Some(0));
    rig.assert_archived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_line_of_the_file_is_found_and_not_shown() {
    let rig = Rig::over(&world().0).start().await;
    let file = rig.folder().join(".env");
    std::fs::write(&file, "TITLE=Owls\nTOKEN=\"hush-hush\nMEDIA=copy\n").unwrap();
    let ended = rig.run(&["fetch"]).await;
    check(&ended, &[".env", "the line that sets TOKEN", "NAME=value"]);
    assert!(!ended.stderr.contains("hush"), "{}", ended.stderr);
    std::fs::write(&file, "TITLE=Owls\nhush hush\n").unwrap();
    let ended = rig.run(&["fetch"]).await;
    check(&ended, &["below the one that sets TITLE"]);
    assert!(!ended.stderr.contains("hush"), "{}", ended.stderr);
    std::fs::write(&file, "TITLE=Owls\n").unwrap();
    rig.succeed(&["fetch"]).await;
    assert_eq!(rig.published().await.unwrap().manifest["title"], "Owls");
}
