//! `MEDIA=link`: nothing is copied, and what is published can be opened at any moment.

mod switch;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use discord_sim::{
    ChannelId, Content, EventFault, EventRule, MessageId, NewAttachment, NewChannel, NewMessage,
    Options, RateLimits, Refresh, Spec, When, World,
};
use sample_media::{Kind, Library};
use serde_json::Value;

use crate::rig::{Archive, Rig, Selected, until};

/// Links live so long.
const LIFETIME: Duration = Duration::from_secs(20);

/// Several looks a second, so that no publication with a dead link goes unseen.
const GLANCE: Duration = Duration::from_millis(100);

/// How often somebody posts.
const POSTS: Duration = Duration::from_millis(1_700);

/// Links that one call takes.
const BATCH: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_published_link_is_dead_at_any_moment_of_a_minute() {
    Linked::new(Refresh::Works).await.live_for(Duration::from_mins(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes five minutes: `make soak` runs it"]
async fn soak_link_mode() {
    Linked::new(Refresh::Works).await.live_for(Duration::from_mins(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_live_on_whatever_the_batch_call_does() {
    let mut linked = Linked::new(Refresh::Gaps).await;
    let service = linked.rig.spawn(&["--fetch-history"]);
    linked.until_all_is_published().await;
    // Links are made new at half their life, so this is long enough for all of them to be in every way.
    for refresh in [Refresh::Gaps, Refresh::Nulls, Refresh::RefusesBatches] {
        linked.rig.discord.set_refresh(refresh);
        linked.watch(LIFETIME * 3 / 4).await;
    }
    let asked = linked.rig.stats().requests_to("refresh_urls");
    linked.rig.discord.set_refresh(Refresh::Gone(404));
    linked.watch(LIFETIME).await;
    let wasted = linked.rig.stats().requests_to("refresh_urls") - asked;
    assert_eq!(wasted, 1, "a call that is not there is tried once");
    linked.end(service).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_live_on_where_the_batch_call_never_was() {
    let mut linked = Linked::new(Refresh::Gone(405)).await;
    let service = linked.rig.spawn(&["--fetch-history"]);
    linked.until_all_is_published().await;
    // Nobody tells that this one is deleted; the pages do.
    linked.rig.discord.gateway().inject(EventRule::new(
        "MESSAGE_DELETE",
        When::Always,
        EventFault::Lose,
    ));
    linked.delete_oldest();
    linked.watch(LIFETIME).await;
    assert_eq!(linked.rig.stats().requests_to("refresh_urls"), 1, "it is tried once");
    linked.end(service).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_read_any_more_leaves_before_its_links_die() {
    let mut linked = Linked::new(Refresh::Gone(404)).await;
    let service = linked.rig.spawn(&["--fetch-history"]);
    linked.until_all_is_published().await;
    let invalid = linked.rig.stats().invalid;
    let before = linked.posted.clone();
    // What is posted from now on is still heard of, as on Discord, and lives for as long as its first link.
    linked.rig.world().withdraw(linked.clips, discord_sim::READ_MESSAGE_HISTORY);
    linked.watch(LIFETIME).await;
    let archive = linked.rig.published().await.unwrap();
    for message in before {
        assert_eq!(archive.of_message(&message), Vec::<&Value>::new(), "it can't be kept alive");
    }
    assert!(!archive.entries.is_empty());
    let refusals = linked.rig.stats().invalid - invalid;
    assert!(refusals <= 5, "{refusals} refusals for one channel");
    assert_eq!(service.drained().await.code, Some(0));
}

/// A server of many files whose links are short-lived.
struct Linked {
    rig: Rig,
    clips: ChannelId,
    samples: BTreeMap<String, sample_media::Sample>,
    /// The messages posted here that still stand, oldest first.
    posted: Vec<MessageId>,
    client: reqwest::Client,
}

impl Linked {
    async fn new(refresh: Refresh) -> Self {
        // Err says that another test was first.
        rustls::crypto::ring::default_provider().install_default().ok();
        let spec = Spec { attachments: 130, messages: 200, unreadable: 0, ..Spec::default() };
        let (world, guild) = World::generate(20, &spec);
        let clips = world.create_channel(guild, NewChannel::text("clips"));
        let cache = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("media");
        let library = Library::generate(&cache, Library::VARIETY, 2).unwrap();
        let (mut samples, mut posted) = (BTreeMap::new(), Vec::new());
        for sample in library.samples {
            let file = NewAttachment::new(&sample.file_name, Content::file(&sample.path).unwrap());
            let message = NewMessage::text("a sample").attach(file);
            let id = world.post(clips, message);
            posted.push(id);
            samples.insert(id.to_string(), sample);
        }
        let options = Options {
            rate_limits: RateLimits::faster(20.0),
            link_lifetime: LIFETIME,
            refresh,
            ..Options::default()
        };
        let rig = Rig::over(&world).options(options).set("MEDIA", "link").start().await;
        Self { rig, clips, samples, posted, client: reqwest::Client::new() }
    }

    async fn live_for(mut self, lasting: Duration) {
        let began = Instant::now();
        let service = self.rig.spawn(&["--fetch-history"]);
        self.until_all_is_published().await;
        let before = self.rig.stats();
        self.watch(lasting).await;
        let stats = self.rig.stats();
        let calls = stats.requests_to("refresh_urls") - before.requests_to("refresh_urls");
        let links = stats.links_refreshed - before.links_refreshed;
        println!("{links} links made new in {calls} calls");
        assert!(links > 0);
        // Links of one page are due together; those of single posts join them.
        assert!(calls <= links.div_ceil(BATCH) * 2, "{links} links took {calls} calls");
        let pages = stats.requests_to("list_messages") - before.requests_to("list_messages");
        let posts = u64::try_from(lasting.as_millis() / POSTS.as_millis()).unwrap();
        assert!(pages <= posts * 3, "{pages} pages were read though nothing called for it");
        self.rig.report("links that live 20 s", began);
        self.end(service).await;
    }

    /// Waits until everything there is can be opened, and every sample was looked at.
    async fn until_all_is_published(&self) {
        let wanted = self.wanted();
        self.rig
            .until_published("everything is published and looked at", |archive| {
                let there: BTreeSet<&String> = archive.entries.keys().collect();
                there == wanted.iter().collect()
                    && self.samples.keys().all(|message| {
                        archive
                            .of_message(message)
                            .iter()
                            .all(|entry| entry["Kind"] == "audio" || entry["Thumbnail"].is_string())
                    })
            })
            .await;
    }

    /// What the archive has to show now.
    fn wanted(&self) -> BTreeSet<String> {
        crate::rig::expected(self.rig.world(), &Selected::default()).into_keys().collect()
    }

    /// Looks at what is published again and again, while people post and delete.
    async fn watch(&mut self, lasting: Duration) {
        let began = Instant::now();
        let (mut next_post, mut looks, mut opened) = (Instant::now(), 0, 0);
        while began.elapsed() < lasting {
            // Taken before the look: what dies during it was alive when it was read.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let archive = self.rig.published().await.unwrap();
            assert_alive(&archive, now);
            looks += 1;
            let picked = archive.entries.values().nth(looks * 7 % archive.entries.len()).unwrap();
            opened += usize::from(self.opens(picked).await);
            if next_post.elapsed() >= POSTS {
                next_post = Instant::now();
                self.post(looks);
                if self.posted.len().is_multiple_of(4) {
                    self.delete_oldest();
                }
            }
            tokio::time::sleep(GLANCE).await;
        }
        println!("{looks} looks, {opened} files opened");
        assert!(opened * 2 > looks, "only {opened} of {looks} links were tried");
    }

    fn post(&mut self, number: usize) {
        let content = Content::seeded(u64::try_from(number).unwrap(), 3_000);
        let file = NewAttachment::new(format!("live-{number}.bin"), content);
        let message = NewMessage::text("live").attach(file);
        self.posted.push(self.rig.world().post(self.clips, message));
    }

    fn delete_oldest(&mut self) {
        let oldest = self.posted.remove(0);
        self.samples.remove(&oldest.to_string());
        self.rig.world().delete(self.clips, oldest);
    }

    /// Whether the file of an entry was opened by its link; a file that was just deleted can't be.
    async fn opens(&self, entry: &Value) -> bool {
        let link = entry["Attachment_URL"].as_str().unwrap();
        let answer = self.client.get(link).send().await.unwrap();
        let status = answer.status().as_u16();
        if status == 200 {
            let bytes = answer.bytes().await.unwrap();
            assert_eq!(entry["Size"], bytes.len(), "{entry}");
            return true;
        }
        // The simulator takes files of deleted messages away at once, and the page hears of it in a moment.
        let deleted = !self.wanted().contains(entry["Id"].as_str().unwrap());
        assert!(deleted, "{status} for {entry}");
        false
    }

    /// Sees everything settle, and ends the service.
    async fn end(self, service: crate::rig::Process) {
        self.until_all_is_published().await;
        let archive = self.rig.published().await.unwrap();
        archive.assert_consistent();
        assert_eq!(archive.manifest["media"], "link");
        for (message, sample) in &self.samples {
            for entry in archive.of_message(&message) {
                assert_looked_at(entry, sample);
            }
        }
        assert!(archive.entries.values().all(|entry| entry["Media"].is_null()));
        let copied: Vec<_> =
            self.rig.bucket.names().into_iter().filter(|name| name.starts_with("media/")).collect();
        assert_eq!(copied, Vec::<String>::new(), "nothing is copied");
        self.rig.assert_polite();
        let ended = service.drained().await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

#[track_caller]
fn assert_alive(archive: &Archive, now: Duration) {
    for entry in archive.entries.values() {
        let expiry = entry["Expire_Timestamp"].as_u64().unwrap();
        assert!(Duration::from_secs(expiry) > now, "dead since {expiry}: {entry}");
    }
}

#[track_caller]
fn assert_looked_at(entry: &Value, sample: &sample_media::Sample) {
    if sample.kind == Kind::Audio {
        assert_eq!(entry["Thumbnail"], Value::Null, "{entry}");
    } else {
        assert!(entry["Thumbnail"].as_str().unwrap().starts_with("thumb/"), "{entry}");
    }
    let size = sample.size;
    assert_eq!(entry["Width"].as_u64(), size.map(|(width, _)| width.into()), "{entry}");
    assert_eq!(entry["Height"].as_u64(), size.map(|(_, height)| height.into()), "{entry}");
    let (found, made) = (entry["Runtime"].as_f64(), sample.duration.map(|d| d.as_secs_f64()));
    assert_eq!(found.is_some(), made.is_some(), "{entry}");
    let off = found.unwrap_or_default() - made.unwrap_or_default();
    assert!(off.abs() < 0.1, "{entry}, made {made:?} s long");
}
