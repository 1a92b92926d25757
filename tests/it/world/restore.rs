//! The disk is lost, and the buckets are not: what comes back, what Discord and the CDN are asked again, and what
//! stays deleted.

mod time;

use std::{collections::BTreeMap, time::Duration};

use bowerbird::{
    app::Copies,
    bucket::{Bucket, Faults, MemoryBucket, ObjectKey, Precondition},
    domain::{
        coverage::EXTRACTOR,
        forget::Forgotten,
        id::{MessageId, UserId},
        selection::{MediaKind, MediaMode},
    },
    store::{Forget, Kv, Tally, Word},
};
use serde_json::Value;

use super::{
    World,
    fate::Step,
    file::Sort,
    life::Ran,
    truth::{Telling, name_of},
    weather::Climate,
};

/// What is shipped of a commit, and what lies in between, takes no longer.
const A_WHILE: Duration = Duration::from_mins(2);

impl World {
    fn with_copies(mut self) -> Self {
        self.copies = Copies::Kept;
        self
    }

    /// The process dies, and its disk with it.
    fn lose_the_disk(&mut self) {
        self.crash();
        self.disk_is_lost();
    }

    fn forget(&self, what: Forgotten) {
        self.life().run(async {
            let service = self.life().service.as_ref().unwrap();
            let forget = Forget { what: vec![what], word: Word::Keeper };
            service.ledger.record([forget.into()]).await;
        });
    }

    fn pages(&self) -> u64 {
        self.requests.lock().unwrap().get("messages").copied().unwrap_or(0).into()
    }

    /// Whether the store says that every message was read.
    fn is_covered(&self) -> bool {
        let rows = self.store().places().unwrap();
        let state = self.truth.state();
        rows.iter().all(|row| {
            let Some(channel) = state.channels.get(&row.place.id) else { return true };
            let spans = row.coverage.spans(EXTRACTOR);
            channel.posts.keys().all(|id| spans.iter().any(|span| span.contains(*id)))
        })
    }

    /// The private bucket's faults, from now on.
    fn private_is(&mut self, faults: Faults) {
        self.private_faults = faults;
        if let Some(life) = &self.life {
            life.private.set_faults(faults);
        }
    }

    fn copy_names(&self) -> Vec<String> {
        self.private.objects().keys().map(|key| key.as_str().to_owned()).collect()
    }

    fn copy_root(&self) -> Option<Value> {
        let key = ObjectKey::new("state/root.json").unwrap();
        self.private.objects().get(&key).map(|root| serde_json::from_slice(root).unwrap())
    }
}

/// A server that is archived whole, with a thread.
fn archived(seed: u64, copies: Copies) -> World {
    let mut world = World::new(seed).messages(450);
    world.copies = copies;
    let thread = world.truth.add_thread(world.channel(), "best of");
    world.truth.pass(Duration::from_secs(9));
    world.truth.post(thread, &[Sort::Film, Sort::Notes]);
    world.start();
    world.run_until_idle();
    world.run_for(A_WHILE);
    world.assert_archived();
    world
}

/// The entries, but for their links: Discord signs those anew for each reader.
fn unsigned(world: &World) -> BTreeMap<String, Value> {
    let mut entries = world.archive().entries.clone();
    for entry in entries.values_mut() {
        let entry = entry.as_object_mut().unwrap();
        entry.remove("Attachment_URL");
        entry.remove("Expire_Timestamp");
    }
    entries
}

#[test]
fn with_a_copy_everything_comes_back() {
    let mut world = archived(41, Copies::Kept);
    let channel = world.channel();
    let doomed = world.truth.post(channel, &[Sort::Film]);
    let kept = world.truth.post(channel, &[Sort::Meme]);
    world.run_for(A_WHILE);
    // Deleted, and Discord will never tell again.
    world.truth.delete(channel, doomed);
    world.run_for(A_WHILE);
    let before = (world.fetches(), world.pages());
    let entries = world.archive().entries.len();
    let raw = world.store().raw(kept).unwrap();
    assert!(raw.is_some());
    world.lose_the_disk();
    world.start();
    world.run_until_idle();
    world.assert_archived();
    assert_eq!(world.archive().entries.len(), entries);
    assert_eq!(world.fetches(), before.0, "a file was fetched again");
    assert!(world.pages() <= before.1 + 4, "history was read again");
    assert_eq!(world.store().raw(kept).unwrap(), raw, "raw messages come from the copy");
    assert_eq!(world.store().tallies().unwrap().get(Tally::Deleted), 1);
    // It goes on, and is copied on: the next loss is made up for too.
    let later = world.truth.post(channel, &[Sort::Film]);
    world.run_until_idle();
    world.run_for(A_WHILE);
    world.lose_the_disk();
    world.start();
    world.run_until_idle();
    world.assert_archived();
    assert!(world.store().raw(later).unwrap().is_some());
    assert_eq!(world.fetches(), before.0 + 1);
}

#[test]
fn without_a_copy_the_page_is_enough_to_go_on() {
    let mut world = archived(42, Copies::None);
    let (fetches, pages) = (world.fetches(), world.pages());
    let entries = unsigned(&world);
    world.lose_the_disk();
    world.start();
    world.run_until_idle();
    world.assert_archived();
    assert_eq!(world.fetches(), fetches, "a file was fetched again");
    // The newest page of each place is what every start reads.
    assert!(world.pages() <= pages + 3, "{} pages more were read", world.pages() - pages);
    assert!(world.is_covered());
    assert_eq!(unsigned(&world), entries, "entries survive the way back as they were");
    let channel = world.channel();
    world.truth.post(channel, &[Sort::Film]);
    world.run_until_idle();
    world.assert_archived();
    assert_eq!(world.fetches(), fetches + 1);
}

#[test]
fn what_was_on_its_way_when_the_disk_was_lost_is_not_forgotten() {
    // The page never claims more than it shows, wherever the process dies.
    for (step, time) in
        [(Step::Fetch, 4), (Step::Manifest, 2), (Step::PutDone, 9), (Step::Flushed, 12)]
    {
        for copies in [Copies::None, Copies::Kept] {
            let mut world = World::new(43).messages(350);
            world.copies = copies;
            world.crash_at(step, time);
            world.start();
            let ran = world.run_for(super::PATIENCE);
            assert_eq!(ran, Ran::Died(step), "{copies:?}");
            world.lose_the_disk();
            world.start();
            world.run_until_idle();
            world.assert_archived();
        }
    }
}

#[test]
fn a_picture_that_was_not_copied_yet_is_fetched_though_nobody_posts_again() {
    let mut world = World::new(53).messages(60);
    world.weather.turn(Climate { cdn_fails: 1.0, ..Climate::calm() });
    world.start();
    let lacks =
        |world: &World| world.archive().people.values().any(|person| person["avatar"].is_null());
    world.life().run_until(super::PATIENCE, |_| lacks(&world));
    assert!(lacks(&world), "every picture came at once");
    world.weather.turn(Climate::calm());
    world.lose_the_disk();
    world.start();
    world.run_until_idle();
    assert!(!lacks(&world));
    world.assert_archived();
}

#[test]
fn what_waits_for_its_file_is_not_called_read() {
    // More files than are copied within a minute, after which the first of them are published.
    let mut world = World::new(52).messages(2_500);
    world.start();
    world.life().run_until(super::PATIENCE, |_| !world.archive().entries.is_empty());
    let waiting = world.store().tallies().unwrap().get(Tally::DownloadsWaiting);
    assert!(waiting > 0, "no file waits");
    world.lose_the_disk();
    world.start();
    world.run_until_idle();
    world.assert_archived();
}

#[test]
fn a_copy_that_is_behind_is_made_up_for_by_the_page() {
    let mut world = archived(44, Copies::Kept);
    let channel = world.channel();
    // From now on nothing is shipped, and the page goes on.
    let frozen = MemoryBucket::new();
    let copy = world.private.clone();
    for (key, bytes) in copy.objects() {
        world
            .life()
            .run(async { frozen.put(&key, bytes.into(), Precondition::Always).await.unwrap() });
    }
    let late = world.truth.post(channel, &[Sort::Film, Sort::Meme]);
    world.run_until_idle();
    let fetches = world.fetches();
    world.private = frozen;
    world.lose_the_disk();
    world.start();
    let store = world.store();
    let known = store.tallies().unwrap().get(Tally::Stored);
    world.run_until_idle();
    world.assert_archived();
    assert_eq!(world.fetches(), fetches, "what the page shows is not fetched again");
    assert!(
        known > 0 && world.store().raw(late).unwrap().is_some(),
        "it was read again, and cheaply"
    );
}

#[test]
fn other_files_than_before_are_looked_for_again_after_a_loss() {
    let mut world = World::new(45).messages(250);
    world.selection.kinds = [MediaKind::Video].into();
    world.start();
    world.run_until_idle();
    world.lose_the_disk();
    // The page knew of films alone; now pictures are wanted, which the lost store had noted.
    world.selection.kinds = [MediaKind::Video, MediaKind::Image].into();
    world.start();
    world.run_until_idle();
    world.assert_archived();
    world.lose_the_disk();
    world.start();
    world.run_until_idle();
    world.restart();
    // And later as well.
    world.crash();
    world.selection.kinds = MediaKind::ALL.into();
    world.start();
    world.run_until_idle();
    world.assert_archived();
}

#[test]
fn link_mode_is_rebuilt_too() {
    let mut world = World::new(46).messages(150).mode(MediaMode::Link);
    world.start();
    world.run_until_idle();
    let pages = world.pages();
    world.lose_the_disk();
    world.start();
    world.run_until_idle();
    world.assert_archived();
    assert!(world.pages() <= pages + 3);
}

#[test]
fn a_restore_that_is_cut_off_begins_again() {
    for (step, time) in [(Step::Commit, 3), (Step::Flush, 2), (Step::Flushed, 4), (Step::Commit, 6)]
    {
        for copies in [Copies::None, Copies::Kept] {
            let mut world = archived(47, copies);
            let fetches = world.fetches();
            let entries = unsigned(&world);
            world.lose_the_disk();
            world.crash_at(step, time);
            world.start();
            assert_eq!(world.run_for(A_WHILE), Ran::Died(step));
            world.restart();
            world.run_until_idle();
            world.assert_archived();
            assert_eq!(unsigned(&world), entries);
            assert_eq!(world.fetches(), fetches);
        }
    }
}

#[test]
fn an_end_in_order_leaves_a_complete_copy() {
    let mut world = archived(48, Copies::Kept);
    let root = world.copy_root().unwrap();
    world.drain();
    world.start();
    world.run_for(A_WHILE);
    assert_eq!(
        world.copy_root().unwrap()["generation"],
        root["generation"],
        "the whole was copied again"
    );
    // A crash may leave commits behind that were not shipped: then the whole is copied, and complete again.
    world.crash();
    world.start();
    world.run_for(A_WHILE);
    let names = world.copy_names();
    let logs: std::collections::BTreeSet<_> = names
        .iter()
        .filter_map(|name| name.split("/segment-").next().filter(|log| log.contains("log-")))
        .collect();
    assert!(logs.len() <= 1, "old logs are deleted: {names:?}");
}

#[test]
fn while_the_private_bucket_is_away_the_service_goes_on() {
    let mut world = World::new(49).messages(150).with_copies();
    world.start();
    world.private_is(super::life::away());
    world.run_until_idle();
    world.assert_archived();
    let behind = world.copy_root();
    world.private_is(Faults::default());
    world.run_for(A_WHILE);
    assert!(behind.is_none() || world.copy_names().len() > 1);
    assert!(world.copy_root().is_some());
    world.lose_the_disk();
    world.start();
    world.run_until_idle();
    world.assert_archived();
}

#[test]
fn what_is_erased_leaves_the_copies() {
    let mut world = archived(50, Copies::Kept);
    let before: Vec<_> = world.copy_names();
    let generation = world.copy_root().unwrap()["generation"].clone();
    // Nobody posted it, so nothing else changes.
    world.forget(Forgotten::Message(MessageId(1)));
    world.run_for(A_WHILE);
    assert_ne!(world.copy_root().unwrap()["generation"], generation);
    assert_eq!(world.store().erased().unwrap(), None, "the mark is taken away");
    let segments = |names: &[String]| -> Vec<String> {
        names.iter().filter(|name| name.contains("segment-")).cloned().collect()
    };
    let now = world.copy_names();
    assert!(
        segments(&before).iter().all(|old| !now.contains(old)),
        "commits from before are deleted"
    );
    assert!(!segments(&before).is_empty());
    world.lose_the_disk();
    world.start();
    world.run_until_idle();
    world.assert_archived();
}

#[test]
fn what_was_forgotten_stays_so_without_the_disk() {
    let mut world = archived(52, Copies::Kept);
    let channel = world.channel();
    // Nobody else is called so.
    let author = UserId(599);
    world.truth.post_by(Some(author), channel, &[Sort::Film]);
    world.run_until_idle();
    let theirs = |entry: &&Value| entry["posterId"] == author.to_string();
    let (before, gone) = {
        let archive = world.archive();
        let entries = &archive.entries;
        (entries.len(), entries.values().filter(theirs).count())
    };
    assert!(gone > 0 && before > gone);
    world.forget(Forgotten::User(author));
    world.run_for(A_WHILE);
    assert_eq!(world.store().erased().unwrap(), None, "the copies hold it");
    world.lose_the_disk();
    world.start();
    world.truth.post_by(Some(author), channel, &[Sort::Film]);
    world.run_for(Duration::from_mins(30));
    assert_eq!(world.archive().entries.values().filter(theirs).count(), 0);
    assert!(!world.archive().people.contains_key(&author.to_string()));
    let name = name_of(author);
    let rows = world.kv.scan(&[0], &[255], usize::MAX).unwrap();
    let named = |row: &[u8]| row.windows(name.len()).any(|some| some == name.as_bytes());
    assert!(!rows.iter().any(|(_, row)| named(row)), "the restored store knows {name}");
    assert_eq!(world.archive().entries.len(), before - gone, "others stay");
}

#[test]
fn a_tail_that_is_merely_confirmed_is_not_published_each_minute() {
    let world = archived(51, Copies::None);
    let channel = world.channel();
    let generation = || -> u64 {
        let key = ObjectKey::new("messages/manifest.json").unwrap();
        let manifest: Value = serde_json::from_slice(&world.bucket.objects()[&key]).unwrap();
        manifest["generation"].as_u64().unwrap()
    };
    let before = generation();
    for _ in 0..25 {
        // Words alone, read back some minutes later: what was read grows, and what is shown does not.
        world.truth.state().telling = Telling::Once;
        world.truth.post(channel, &[]);
        world.run_for(Duration::from_mins(2));
    }
    let after = generation();
    assert!(after <= before + 1, "{} publications in fifty minutes", after - before);
    world.run_for(Duration::from_hours(1));
    assert!(generation() > before, "the list of what was read is never renewed");
}
