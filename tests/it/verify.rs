//! `verify`, as people run it: damage of every kind is found and named, and mended where Discord still helps.

use std::{
    fs::{self, File},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bowerbird::bucket::{self, FolderBucket, GcsBucket, GcsOptions, ObjectKey, Precondition};
use discord_sim::{ChannelId, Content, MessageId, NewAttachment, NewChannel, NewMessage, World};
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::rig::{Bucket, Rig, until};

/// A channel with a few files, of which the last is a picture, posted by somebody who has one.
struct Posted {
    world: World,
    channel: ChannelId,
    messages: Vec<MessageId>,
}

impl Posted {
    fn new() -> Self {
        let world = World::new(3);
        let guild = world.create_guild("Night Owls");
        let wren = world.create_user("Wren");
        world.join(guild, wren);
        let channel = world.create_channel(guild, NewChannel::text("clips"));
        let picture = world.avatar(wren).unwrap().1;
        let mut files: Vec<(String, Content)> = (0..5)
            .map(|number| {
                let text = format!("the words of file {number}, which nobody else has");
                (format!("{number}.txt"), Content::bytes(text.into_bytes()))
            })
            .collect();
        files.push(("owl.png".to_owned(), picture));
        let post = |(name, content): (String, Content)| {
            let file = NewAttachment::new(name, content);
            world.post(channel, NewMessage::text("look").by(wren).attach(file))
        };
        let messages = files.into_iter().map(post).collect();
        Self { world, channel, messages }
    }
}

/// An archive that was fetched whole, and ways to damage it behind everybody's back.
struct Damaged {
    rig: Rig,
    posted: Posted,
    bucket: Arc<dyn bucket::Bucket>,
}

impl Damaged {
    async fn fetched(cloud: bool) -> Self {
        let posted = Posted::new();
        let rig = Rig::over(&posted.world);
        let rig = if cloud { rig.in_the_cloud() } else { rig }.start().await;
        rig.succeed(&["fetch"]).await;
        let bucket: Arc<dyn bucket::Bucket> = match &rig.bucket {
            Bucket::Folder(path) => Arc::new(FolderBucket::open(path.clone()).await.unwrap()),
            Bucket::Cloud { sim, name } => {
                let options = GcsOptions::new(*name, None, Some(sim.endpoint()));
                Arc::new(GcsBucket::open(options).await.unwrap())
            }
        };
        Self { rig, posted, bucket }
    }

    /// The file of the message with this number.
    async fn media(&self, number: usize) -> String {
        self.value(number, "Media").await
    }

    async fn value(&self, number: usize, key: &str) -> String {
        let archive = self.rig.published().await.unwrap();
        let entry = archive.of_message(&self.posted.messages[number])[0].clone();
        entry[key].as_str().unwrap_or_else(|| panic!("{key} of {entry}")).to_owned()
    }

    fn named(&self, begins: &str) -> String {
        let names = self.rig.bucket.names();
        names.into_iter().find(|name| name.starts_with(begins)).expect(begins)
    }

    async fn delete(&self, object: &str) {
        let key = ObjectKey::new(object).unwrap();
        self.bucket.delete(&key, Precondition::Always).await.unwrap();
    }

    async fn overwrite(&self, object: &str, bytes: Vec<u8>) {
        let key = ObjectKey::new(object).unwrap();
        self.bucket.put(&key, bytes.into(), Precondition::Always).await.unwrap();
    }

    async fn change(&self, object: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.rig.bucket.read(object).await.unwrap();
        change(&mut bytes);
        self.overwrite(object, bytes).await;
    }

    /// Runs a verification, which has to end with this code, and tells what it found.
    async fn verify(&self, options: &[&str], code: i32) -> Value {
        let arguments = [&["verify", "--json"], options].concat();
        // Each begins anew, and can't know what the one before asked for within the same second.
        self.rig.pardon_one_more();
        let ended = self.rig.run(&arguments).await;
        assert_eq!(ended.code, Some(code), "{}\n{}", ended.stdout, ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr))
    }

    /// Panics unless exactly these things are wrong.
    async fn assert_found(&self, options: &[&str], expected: &[(&str, &str)]) {
        let report = self.verify(options, 1).await;
        let mut found: Vec<_> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| (text(&finding["object"]), text(&finding["fault"])))
            .collect();
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{report:#}");
        let words = self.rig.run(&[&["verify"], options].concat()).await.stdout;
        for (object, _) in expected {
            assert!(words.contains(object), "{object} is not named in:\n{words}");
        }
        assert!(words.contains("NOT WHOLE"), "{words}");
    }

    /// Panics unless a repair makes the archive whole.
    async fn assert_mended(&self, options: &[&str], mended: u64) -> Value {
        let report = self.verify(&[&["--repair"], options].concat(), 0).await;
        assert_eq!(report["repaired"]["mended"], mended, "{report:#}");
        assert_eq!(report["repaired"]["left"], Value::Array(Vec::new()), "{report:#}");
        let again = self.verify(options, 0).await;
        assert_eq!(again["whole"], true, "{again:#}");
        report
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

async fn every_damage_is_found_and_mended(cloud: bool) {
    let archive = Damaged::fetched(cloud).await;
    let whole = archive.verify(&[], 0).await;
    assert_eq!(whole["checked"]["media"], 6, "{whole:#}");
    assert_eq!(whole["checked"]["entries"], 6, "{whole:#}");
    assert_eq!(whole["checked"]["stills"], 1, "{whole:#}");
    assert_eq!(whole["checked"]["pictures"], 1, "{whole:#}");
    let again = archive.verify(&[], 0).await;
    assert_eq!(again["checked"]["read"], 0, "what was proven is not read again: {again:#}");
    assert_eq!(archive.verify(&["--deep"], 0).await["checked"]["read"], 8);

    // Files, stills and pictures.
    let (missing, short, changed) =
        (archive.media(0).await, archive.media(1).await, archive.media(2).await);
    let (still, picture) =
        (archive.value(5, "Thumbnail").await, archive.named("userData/avatars/"));
    archive.delete(&missing).await;
    archive.change(&short, |bytes| bytes.truncate(7)).await;
    archive.change(&changed, |bytes| bytes[0] ^= 1).await;
    archive.delete(&still).await;
    archive.delete(&picture).await;
    let other_bytes = if cloud { "wrong_checksum" } else { "wrong_bytes" };
    let wrong = [
        (missing.as_str(), "missing"),
        (&short, "wrong_size"),
        (&changed, other_bytes),
        (&still, "missing"),
        (&picture, "missing"),
    ];
    archive.assert_found(&[], &wrong).await;
    archive.assert_mended(&[], 5).await;
    archive.rig.assert_archived().await;

    // What the page reads.
    let manifest = archive.rig.published().await.unwrap().manifest;
    let users = text(&manifest["users"]).to_owned();
    let index = archive.index().await;
    let shard = archive.shard(&index).await;
    archive.delete(&users).await;
    archive.delete(&index).await;
    archive.overwrite(&shard, archive.rig.bucket.read("index.html").await.unwrap()).await;
    archive.delete("index.html").await;
    let wrong = [
        (users.as_str(), "missing"),
        (&index, "missing"),
        (&shard, "unreadable"),
        ("index.html", "missing"),
    ];
    archive.assert_found(&[], &wrong).await;
    archive.assert_mended(&[], 4).await;
    archive.rig.assert_archived().await;
    archive.delete("messages/manifest.json").await;
    archive.assert_found(&[], &[("messages/manifest.json", "missing")]).await;
    archive.assert_mended(&[], 1).await;
    archive.rig.assert_archived().await;

    // The list of what was read, without which a lost state would read all of it again.
    let list = archive.list_of_what_was_read().await;
    archive.delete(&list).await;
    archive.assert_found(&[], &[(&list, "missing")]).await;
    archive.assert_mended(&[], 1).await;
    let list = archive.list_of_what_was_read().await;
    archive.overwrite(&list, archive.rig.bucket.read("index.html").await.unwrap()).await;
    archive.assert_found(&[], &[(&list, "unreadable")]).await;
    archive.assert_mended(&[], 1).await;
    archive.rig.assert_archived().await;

    // What only reading finds.
    let flipped = archive.media(3).await;
    archive.flip_unnoticed(&flipped).await;
    archive.verify(&[], 0).await;
    let fault = if cloud { "unreadable" } else { "wrong_bytes" };
    archive.assert_found(&["--deep"], &[(&flipped, fault)]).await;
    archive.assert_mended(&["--deep"], 1).await;
    archive.rig.assert_archived().await;

    // What Discord no longer has.
    let lost = archive.media(4).await;
    archive.posted.world.delete(archive.posted.channel, archive.posted.messages[4]);
    archive.delete(&lost).await;
    let report = archive.assert_mended(&[], 0).await;
    let why = text(&report["repaired"]["lost"][0]["why"]);
    assert!(why.contains("its message is gone from Discord"), "{report:#}");
    let gone = archive.value(4, "Gone").await;
    assert_eq!(gone, why, "the page says so too");
    archive.rig.assert_polite();
}

impl Damaged {
    async fn list_of_what_was_read(&self) -> String {
        let manifest = self.rig.published().await.unwrap().manifest;
        text(&manifest["coverage"]).to_owned()
    }

    async fn index(&self) -> String {
        let manifest = self.rig.published().await.unwrap().manifest;
        text(&manifest["channels"][0]["index"]).to_owned()
    }

    async fn shard(&self, index: &str) -> String {
        let packed = self.rig.bucket.read(index).await.unwrap();
        let index: Value = serde_json::from_reader(GzDecoder::new(&packed[..])).unwrap();
        text(&index["shards"][0]["path"]).to_owned()
    }

    /// Flips a bit so that no listing tells.
    async fn flip_unnoticed(&self, object: &str) {
        match &self.rig.bucket {
            Bucket::Folder(root) => {
                let path = root.join(object);
                let time = fs::metadata(&path).unwrap().modified().unwrap();
                let mut bytes = fs::read(&path).unwrap();
                bytes[0] ^= 1;
                fs::write(&path, bytes).unwrap();
                set_time(&path, time);
            }
            Bucket::Cloud { sim, name } => assert!(sim.damage(name, object).await),
        }
    }
}

fn set_time(path: &PathBuf, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_in_a_folder_is_found_and_mended() {
    every_damage_is_found_and_mended(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_in_the_cloud_is_found_and_mended() {
    rustls_provider();
    every_damage_is_found_and_mended(true).await;
}

fn rustls_provider() {
    // Another test may have chosen it.
    rustls::crypto::ring::default_provider().install_default().ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_our_own_old_objects_that_nothing_names_are_removed() {
    let archive = Damaged::fetched(false).await;
    let Bucket::Folder(root) = &archive.rig.bucket else { panic!("a folder was asked for") };
    let stray = |name: &str, age: Duration| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "stray").unwrap();
        set_time(&path, SystemTime::now() - age);
        name.to_owned()
    };
    let (old, young) = (Duration::from_hours(25), Duration::from_hours(23));
    let hash = "0b".repeat(32);
    let ours = [
        stray(&format!("media/{hash}.mp4"), old),
        stray(&format!("thumb/{hash}.webp"), old),
        stray(&format!("userData/avatars/{hash}.png"), old),
        stray(&format!("messages/12/2024-03-{}.json.gz", "0b".repeat(16)), old),
        stray("doctor/00ff.txt", old),
    ];
    let kept = [
        stray(&format!("media/{}.mp4", "0c".repeat(32)), young),
        stray("media/holiday.mp4", old),
        stray("gallery/notes.txt", old),
        stray("photos/cat.png", old),
    ];
    let found: Vec<_> = ours.iter().map(|object| (object.as_str(), "unnamed")).collect();
    archive.assert_found(&[], &found).await;
    let report = archive.verify(&["--repair"], 0).await;
    assert_eq!(report["repaired"]["removed"], 5, "{report:#}");
    assert_eq!(report["strangers"], 1, "{report:#}");
    let names = archive.rig.bucket.names();
    assert!(ours.iter().all(|object| !names.contains(object)), "{names:?}");
    assert!(kept.iter().all(|object| names.contains(object)), "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_catalogue_the_archive_proves_itself() {
    let mut archive = Damaged::fetched(false).await;
    let elsewhere = archive.rig.folder().join("elsewhere").to_str().unwrap().to_owned();
    archive.rig.set("STATE_DIR", elsewhere);
    archive.rig.set("TOKEN", "");
    for depth in [&[][..], &["--deep"]] {
        let report = archive.verify(depth, 0).await;
        assert_eq!(report["against"], "manifest", "{report:#}");
        assert_eq!(report["checked"]["media"], 6, "{report:#}");
    }
    let (missing, index) = (archive.media(0).await, archive.index().await);
    let shard = archive.shard(&index).await;
    archive.delete(&missing).await;
    archive.assert_found(&["--bucket-only"], &[(&missing, "missing")]).await;
    archive.change(&shard, |bytes| bytes.truncate(40)).await;
    let report = archive.verify(&[], 1).await;
    let named = report["findings"].as_array().unwrap();
    assert!(named.iter().any(|finding| finding["object"] == shard.as_str()), "{report:#}");
    archive.delete("messages/manifest.json").await;
    archive.assert_found(&[], &[("messages/manifest.json", "missing")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_checked_is_neither_good_nor_bad() {
    let mut archive = Damaged::fetched(false).await;
    let file = archive.rig.folder().join("no-folder");
    fs::write(&file, "a file").unwrap();
    archive.rig.set("ARCHIVE_DIR", file.to_str().unwrap());
    for options in [&["verify"][..], &["verify", "--bucket-only"], &["verify", "--repair"]] {
        let ended = archive.rig.run(options).await;
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("ARCHIVE_DIR"), "{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_service_verifies_and_repairs_and_tells_of_it() {
    let archive = Damaged::fetched(false).await;
    let service = archive.rig.spawn(&["run"]);
    until("the service answers", async || {
        let answers = archive.rig.state().join("control.sock").exists()
            && archive.rig.status().await["service"]["caught_up"] == true;
        answers.then_some(())
    })
    .await;
    archive.verify(&[], 0).await;
    let missing = archive.media(0).await;
    archive.delete(&missing).await;
    archive.assert_found(&[], &[(&missing, "missing")]).await;
    let status = archive.rig.status().await;
    assert_eq!(status["verified"]["problems"], 1, "{status:#}");
    assert_eq!(status["verified"]["first"][0], format!("{missing} is missing"));
    let words = archive.rig.succeed(&["status"]).await.stdout;
    assert!(words.contains("1 PROBLEMS among") && words.contains(&missing), "{words}");
    archive.assert_mended(&[], 1).await;
    assert_eq!(archive.rig.status().await["verified"]["problems"], 0);
    assert_eq!(service.drained().await.code, Some(0));
    archive.rig.assert_archived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_verifies_by_itself() {
    let mut archive = Damaged::fetched(false).await;
    archive.rig.set("VERIFY_EVERY", "1s");
    let missing = archive.media(0).await;
    archive.delete(&missing).await;
    let service = archive.rig.spawn(&["run"]);
    until("it was found out", async || {
        let there = archive.rig.state().join("control.sock").exists();
        let found = there && archive.rig.status().await["verified"]["problems"] == 1;
        found.then_some(())
    })
    .await;
    assert_eq!(service.drained().await.code, Some(0));
}
