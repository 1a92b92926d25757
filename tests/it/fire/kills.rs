//! `kill -9` at random moments: while history is read, while people post, edit and delete, while links are made new,
//! and while the archive is published.
//!
//! `BOWERBIRD_SEED` in the environment repeats a run: the same server, the same people, the same moments.

use std::time::{Duration, Instant};

use discord_sim::{Edit, MessageId, Options, RateLimits, Spec};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

/// What every run of the tests can afford, and what the long run does.
const FEW: u32 = 8;
const MANY: u32 = 200;

/// Links live so long where nothing is copied, so that some are due in every life.
const LIFETIME: Duration = Duration::from_secs(20);

/// A life lasts between these: from the middle of the start to the quiet after all work.
const LIFE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(2_500));

/// How often somebody posts, edits or deletes.
const BEAT: Duration = Duration::from_millis(60);

/// Where the archive goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Folder,
    Cloud,
    Links,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_lose_nothing_on_the_way_into_a_folder() {
    killed(Kind::Folder, FEW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_lose_nothing_on_the_way_into_the_cloud() {
    killed(Kind::Cloud, FEW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_leave_no_link_to_die() {
    killed(Kind::Links, FEW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes some ten minutes: `make soak` runs it"]
async fn soak_two_hundred_kills_on_the_way_into_a_folder() {
    killed(Kind::Folder, MANY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes some ten minutes: `make soak` runs it"]
async fn soak_two_hundred_kills_on_the_way_into_the_cloud() {
    killed(Kind::Cloud, MANY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes some ten minutes: `make soak` runs it"]
async fn soak_two_hundred_kills_of_links() {
    killed(Kind::Links, MANY).await;
}

async fn killed(kind: Kind, kills: u32) {
    let seed: u64 = match std::env::var("BOWERBIRD_SEED") {
        Ok(seed) => seed.parse().expect("BOWERBIRD_SEED is a number"),
        Err(_) => rand::random(),
    };
    println!("{kind:?}: BOWERBIRD_SEED={seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    // The more lives, the more history, so that the last of them have some to read as well.
    let share = usize::try_from(kills).unwrap();
    let spec = Spec {
        channels: 4,
        messages: 150 * share,
        attachments: 8 * share,
        unreadable: 0,
        users: 5,
        largest: 64 * 1024,
        ..Spec::default()
    };
    let (world, guild) = World::generate(seed, &spec);
    let clips = world.create_channel(guild, NewChannel::text("clips"));
    let server = Server { world, clips };
    // The more links, the longer it takes to make them all new.
    let lifetime = LIFETIME * (kills / FEW).clamp(1, 6);
    let options = Options {
        rate_limits: RateLimits::faster(5.0),
        link_lifetime: if kind == Kind::Links {
            lifetime
        } else {
            Options::default().link_lifetime
        },
        ..Options::default()
    };
    let builder = server.rig().options(options).set("DOWNLOADS", "4");
    let rig = match kind {
        Kind::Folder => builder.start().await,
        Kind::Cloud => builder.in_the_cloud().start().await,
        Kind::Links => builder.set("MEDIA", "link").start().await,
    };
    // Whoever is killed takes along what it knew of limits, so each next one may run into one.
    rig.pardon(kills.into());
    let began = Instant::now();
    let mut live =
        Live { server: &server, dice: StdRng::seed_from_u64(seed ^ 1), posted: Vec::new() };
    for _ in 0..kills {
        let process = rig.spawn(&["--fetch-history"]);
        let life = dice.random_range(LIFE.0..LIFE.1);
        live.go_on(life).await;
        process.killed().await;
        // Now and then it stays down for a while, and misses what happens.
        if dice.random_bool(0.3) {
            live.go_on(BEAT * 5).await;
        }
    }
    let process = rig.spawn(&["--fetch-history"]);
    live.go_on(BEAT * 5).await;
    rig.until_listening().await;
    until_copied(&rig).await;
    if kind == Kind::Links {
        until_alive(&rig, lifetime).await;
        let ended = process.drained().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        rig.assert_polite();
    } else {
        until_whole(&rig).await;
        end(&rig, process).await;
    }
    let status = rig.status().await;
    assert_eq!(status["parked"], serde_json::json!([]), "{status}");
    assert_eq!(status["waiting"]["downloads"], 0, "{status}");
    rig.report(&format!("{kind:?}, {kills} kills"), began);
    let again: u64 = rig.stats().downloads.values().map(|count| count - 1).sum();
    println!("{} posted meanwhile, {again} files were fetched again", live.posted.len());
    // Four at a time, and in link mode looks at what is not copied.
    assert!(kind == Kind::Links || again <= u64::from(kills) * 4, "{again} files fetched again");
}

/// Waits until no file waits any more, however many there are, as long as they become fewer.
async fn until_copied(rig: &Rig) {
    let waiting = async || rig.status().await["waiting"]["downloads"].as_u64().unwrap();
    let mut left = waiting().await;
    while left > 0 {
        left = until("some of the files that wait are copied", async || {
            Some(waiting().await).filter(|now| *now < left)
        })
        .await;
    }
}

/// Waits until everything that should be there is published with a link that opens its file.
async fn until_alive(rig: &Rig, lifetime: Duration) {
    let shown = |archive: &Archive| {
        let wanted = expected(rig.world(), &Selected::default());
        let dead = |entry| expires_in(entry).is_zero();
        wanted.keys().eq(archive.entries.keys()) && !archive.entries.values().any(dead)
    };
    let mut archive = rig.until_published("every link is on the page", shown).await;
    archive.assert_consistent();
    // Err says that another test was first.
    rustls::crypto::ring::default_provider().install_default().ok();
    for (id, (_, file)) in expected(rig.world(), &Selected::default()) {
        if expires_in(&archive.entries[&id]) < lifetime / 4 {
            // Opening them all takes longer than they live, so what is looked at is what a visitor would see now.
            archive = rig.published().await.unwrap();
        }
        let entry = &archive.entries[&id];
        assert!(!expires_in(entry).is_zero(), "dead: {entry}");
        let link = entry["Attachment_URL"].as_str().unwrap();
        let answer = reqwest::get(link).await.unwrap().error_for_status().unwrap();
        let bytes = answer.bytes().await.unwrap();
        assert_eq!(bytes, file.content.to_bytes().unwrap(), "{entry}");
    }
}

fn expires_in(entry: &serde_json::Value) -> Duration {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let expires = Duration::from_secs(entry["Expire_Timestamp"].as_u64().unwrap());
    expires.saturating_sub(now)
}

/// People who post, edit and delete.
struct Live<'a> {
    server: &'a Server,
    dice: StdRng,
    posted: Vec<MessageId>,
}

impl Live<'_> {
    async fn go_on(&mut self, lasting: Duration) {
        let began = Instant::now();
        while began.elapsed() < lasting {
            self.act();
            tokio::time::sleep(BEAT.min(lasting.saturating_sub(began.elapsed()))).await;
        }
    }

    fn act(&mut self) {
        let Server { world, clips, .. } = self.server;
        let deed = self.dice.random_range(0..10);
        let picked =
            (!self.posted.is_empty()).then(|| self.dice.random_range(0..self.posted.len()));
        match (deed, picked) {
            // What was deleted before it was read is gone, so only what is not new is deleted.
            (0, Some(picked)) if picked + 20 < self.posted.len() => {
                world.delete(*clips, self.posted.remove(picked));
            }
            (1, Some(picked)) => {
                let text = format!("edited {}", self.posted.len());
                world.edit(*clips, self.posted[picked], Edit::text(text));
            }
            _ => {
                let name = format!("live-{}-{}", self.posted.len(), self.dice.random::<u32>());
                self.posted.push(self.server.post(&name));
            }
        }
    }
}
