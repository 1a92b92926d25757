//! `forget`, as people run it: what was forgotten is in no file of the archive and no row of the store, whoever is
//! killed meanwhile, and is not archived again.

use std::{io::Read, path::Path};

use bowerbird::store::{Kv, SledKv, Store};
use discord_sim::{ChannelId, MessageId, NewAttachment, NewChannel, NewMessage, UserId, World};
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::rig::{Bower, Bucket, Process, Rig, until};

/// So many files each of the two people posts.
const CLIPS: usize = 40;

/// What stands in everything that Wren posts, and in nothing else.
const MARKER: &str = "marker-of-wren-47d1";

/// What Wren is called.
const NAME: &str = "Wrenata Quill";

struct Server {
    world: World,
    guild: u64,
    clips: ChannelId,
    wren: UserId,
    rook: UserId,
    theirs: Vec<MessageId>,
}

impl Server {
    fn new(seed: u64) -> Self {
        let world = World::new(seed);
        let guild = world.create_guild("The Bower");
        let clips = world.create_channel(guild, NewChannel::text("clips"));
        let (wren, rook) = (world.create_user(NAME), world.create_user("Rook"));
        for user in [wren, rook] {
            world.join(guild, user);
        }
        let mut server = Self { world, guild: guild.0, clips, wren, rook, theirs: Vec::new() };
        for number in 0..CLIPS {
            let theirs = server.post(server.wren, &format!("{MARKER} {number}"));
            server.theirs.push(theirs);
            server.post(server.rook, &format!("of rook {number}"));
        }
        // Both post this one, so it stays.
        let shared = || NewAttachment::new("same.mp4", b"bytes of both".to_vec());
        server.world.post(clips, NewMessage::text(MARKER).by(wren).attach(shared()));
        server.world.post(clips, NewMessage::text("also").by(rook).attach(shared()));
        server
    }

    fn post(&self, user: UserId, words: &str) -> MessageId {
        let file = NewAttachment::new("clip.mp4", words.as_bytes().repeat(20));
        self.world.post(self.clips, NewMessage::text(words).by(user).attach(file))
    }

    async fn rig(&self) -> Rig {
        Rig::over(&self.world).options(Bower::calm()).start().await
    }

    fn forget(&self) -> [String; 5] {
        let id = self.wren.0.to_string();
        ["forget", "--yes", "--json", "--user", &*id].map(str::to_owned)
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|some| some == text.as_bytes())
}

/// Nothing of what Wren posted is in the bucket, packed or not, and none of its rows is in the store.
#[track_caller]
fn assert_forgotten(rig: &Rig, server: &Server) {
    let Bucket::Folder(archive) = &rig.bucket else { panic!("these tests read a folder") };
    for path in files(archive) {
        let bytes = std::fs::read(&path).unwrap();
        let mut unpacked = Vec::new();
        if path.extension().is_some_and(|extension| extension == "gz") {
            GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
        }
        for text in [MARKER, NAME, &server.wren.0.to_string()] {
            assert!(
                !holds(&bytes, text) && !holds(&unpacked, text),
                "{text} in {}",
                path.display()
            );
        }
    }
    let kv = std::sync::Arc::new(SledKv::open(&rig.state().join("store")).unwrap());
    for (_, row) in kv.scan(&[0], &[255], usize::MAX).unwrap() {
        assert!(!holds(&row, MARKER) && !holds(&row, NAME), "{}", String::from_utf8_lossy(&row));
    }
    let store = Store::new(kv);
    for message in &server.theirs {
        assert_eq!(store.raw(bowerbird::domain::id::MessageId(message.0)).unwrap(), None);
    }
    let rest =
        files(&rig.state()).into_iter().filter(|path| !path.starts_with(rig.state().join("store")));
    for path in rest {
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(!holds(&bytes, MARKER) && !holds(&bytes, NAME), "{}", path.display());
    }
}

fn report(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap()
}

async fn service(rig: &Rig) -> Process {
    let process = rig.spawn(&["run", "--fetch-history"]);
    until("the service has caught up", async || {
        if !rig.state().join("control.sock").exists() {
            return None;
        }
        let status = rig.status().await;
        (status["service"]["caught_up"] == true).then_some(())
    })
    .await;
    process
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_forgotten_without_a_service_and_not_fetched_again() {
    let server = Server::new(1);
    let rig = server.rig().await;
    rig.succeed(&["fetch"]).await;
    let id = server.wren.0.to_string();

    let foretold = rig.succeed(&["forget", "--dry-run", "--json", "--user", &id]).await;
    let refused = rig.run(&["forget", "--user", &id]).await;
    assert_eq!(refused.code, Some(1), "nobody can be asked: {}", refused.stdout);
    rig.assert_archived().await;

    let done = report(&rig.succeed(&server.forget()).await.stdout);
    assert_eq!(done["done"], true);
    let told = &done["forgotten"][0];
    assert_eq!(*told, report(&foretold.stdout)[0], "it is what was foretold");
    assert_eq!((&told["messages"], &told["files"]), (&(CLIPS + 1).into(), &CLIPS.into()));
    assert_eq!((&told["shared"], &told["people"]), (&1.into(), &1.into()));
    assert!(done["elsewhere"][0].as_str().unwrap().contains("a year"), "{done}");
    assert_forgotten(&rig, &server);

    server.post(server.wren, &format!("{MARKER} once more"));
    rig.succeed(&["fetch"]).await;
    assert_forgotten(&rig, &server);
    let archive = rig.published().await.unwrap();
    archive.assert_consistent();
    assert_eq!(archive.entries.len(), CLIPS + 1, "what is Rook's is there");

    let list = report(&rig.succeed(&["forget", "--list", "--json"]).await.stdout);
    assert_eq!(list["list"][0]["what"]["user"], *id);
    rig.succeed(&["forget", "--allow", &id]).await;
    let words = rig.succeed(&["forget", "--list"]).await.stdout;
    assert!(words.starts_with("Nothing is on"), "{words}");
    let unknown = rig.run(&["forget", "--allow", &id]).await;
    assert!(unknown.stderr.contains("nothing on the list"), "{}", unknown.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_service_forgets_and_archives_nothing_of_theirs_again() {
    let server = Server::new(2);
    let rig = server.rig().await;
    let process = service(&rig).await;
    rig.until_published("all is there", |archive| archive.entries.len() == 2 * CLIPS + 2).await;
    let done = rig.succeed(&server.forget()).await;
    assert_eq!(report(&done.stdout)["done"], true);
    server.post(server.wren, &format!("{MARKER} live"));
    let after = server.post(server.rook, "after");
    rig.until_published("what comes after is there", |archive| {
        !archive.of_message(&after.0).is_empty()
    })
    .await;
    process.drained().await;
    assert_forgotten(&rig, &server);
    let archive = rig.published().await.unwrap();
    archive.assert_consistent();
    assert_eq!(archive.entries.len(), CLIPS + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_is_made_up_for_at_the_next_start() {
    let server = Server::new(3);
    let rig = server.rig().await;
    rig.succeed(&["fetch"]).await;
    let Bucket::Folder(archive) = &rig.bucket else { panic!("a folder") };
    let before = files(&archive.join("media")).len();
    let process = rig.spawn(&server.forget());
    until("the first file is gone", async || {
        (files(&archive.join("media")).len() < before).then_some(())
    })
    .await;
    process.killed().await;
    // Nothing is asked for again.
    rig.succeed(&["fetch"]).await;
    assert_forgotten(&rig, &server);
    rig.published().await.unwrap().assert_consistent();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_with_the_role_are_not_archived() {
    let server = Server::new(4);
    let role = server.world.create_role(discord_sim::GuildId(server.guild), "not me", 0);
    server.world.give_role(discord_sim::GuildId(server.guild), server.wren, role);
    let mut rig = server.rig().await;
    rig.set("OPT_OUT_ROLE_ID", role.0.to_string());
    let process = service(&rig).await;
    rig.until_published("all of Rook's is there", |archive| archive.entries.len() > CLIPS).await;
    server.world.give_role(discord_sim::GuildId(server.guild), server.rook, role);
    server.post(server.rook, "and now neither");
    rig.until_published("Rook has left, too", |archive| archive.entries.is_empty()).await;
    process.drained().await;
    assert_forgotten(&rig, &server);
    rig.assert_polite();
}
