//! How long a restore takes: a catalogue as large as one asks for, lost and brought back, in both ways, into the store
//! that services use.

use std::{sync::Arc, time::Instant};

use bowerbird::{
    app::{
        Copies,
        restore::{Report, Source, Sources, restore},
    },
    bucket::Bucket,
    clock::Clock,
    domain::{
        entry::{Content, EntryKey, Look, Sha256},
        id::{AttachmentId, ChannelId, MessageId, UserId},
        link::Link,
        message::{Attachment, Author, Message},
        removal::RemovalPolicy,
        selection::Policy,
        time::Timestamp,
    },
    store::{Context, Observed, PlaceSeen, SledKv, Store, Stored},
};
use sha2::{Digest, Sha256 as Hasher};

use super::super::{PATIENCE, World};

/// One every half an hour makes a hundred thousand of them in nearly six years.
const BETWEEN: std::time::Duration = std::time::Duration::from_mins(30);

#[test]
fn a_few_thousand_entries_come_back() {
    both_ways(2_500);
}

#[test]
#[ignore = "takes minutes: `make bench` runs it"]
fn bench_a_hundred_thousand_entries_come_back() {
    both_ways(100_000);
}

fn both_ways(count: u64) {
    let mut world = World::new(60);
    world.copies = Copies::Kept;
    let channel = world.truth.add_channel("clips");
    fill(&world, channel, count);
    world.start();
    world.life().run_until(PATIENCE, |service| service.store.changed_months().unwrap().is_empty());
    world.drain();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for from in [Source::Copy, Source::Page] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(Arc::new(SledKv::open(folder.path()).unwrap()));
        let bucket: Arc<dyn Bucket> = Arc::new(world.bucket.clone());
        let private: Arc<dyn Bucket> = Arc::new(world.private.clone());
        let copy = (from == Source::Copy).then_some(private);
        let sources = Sources { bucket, copy };
        let began = Instant::now();
        let policy = Arc::new(policy(&world));
        let restored = restore(&store, &sources, &policy, Clock::System);
        let report: Report = runtime.block_on(restored).unwrap();
        println!(
            "{count} entries from {from:?}: {:.1} s ({} rows, {} bytes in both buckets)",
            began.elapsed().as_secs_f64(),
            report.rows,
            world.bucket.counts().bytes_in + world.private.counts().bytes_in,
        );
        assert_eq!((report.from, report.entries, report.stored), (from, count, count));
    }
}

fn policy(world: &World) -> Policy {
    Policy {
        selection: world.selection.clone(),
        mode: world.mode,
        publish_every: std::time::Duration::from_mins(1),
        removal: RemovalPolicy::default(),
    }
}

/// A catalogue as years of work leave it: every file copied and looked at.
fn fill(world: &World, channel: ChannelId, count: u64) {
    let store = world.store();
    store.open().unwrap();
    store.found().unwrap();
    let now = world.truth.now();
    let context = Context { now, policy: Arc::new(policy(world)) };
    let place = world.truth.state().channels[&channel].place.clone();
    for first in (0..count).step_by(100) {
        let mut commit = store.begin(context.clone());
        commit.add(&PlaceSeen { place: place.clone() }.into()).unwrap();
        let numbers = first..count.min(first + 100);
        let messages = numbers.clone().map(|number| message(now, channel, number)).collect();
        commit.add(&Observed { messages }.into()).unwrap();
        for number in numbers {
            commit.add(&stored(now, channel, number).into()).unwrap();
        }
        commit.finish().unwrap();
    }
}

fn id(now: Timestamp, number: u64) -> MessageId {
    MessageId::at(now.before(BETWEEN * u32::try_from(number + 1).unwrap()))
}

fn message(now: Timestamp, channel: ChannelId, number: u64) -> Message {
    let id = id(now, number);
    let text = "what a finish, watch until the end";
    let attachment = Attachment {
        id: AttachmentId(id.0 + 1),
        filename: format!("clip_{number}.mp4"),
        title: None,
        content_type: Some("video/mp4".into()),
        size: 3_000_000 + number,
        link: Link::new(format!(
            "https://cdn/attachments/{channel}/{id}/clip.mp4?ex=69a903de&hm={number:064x}&"
        )),
        width: Some(1_920),
        height: Some(1_080),
        runtime: Some(17.5),
        placeholder: Some("3OcRJYB4d3h/iIeHeEh3eIhw+j3A".into()),
        spoiler: false,
    };
    Message {
        id,
        channel,
        guild: None,
        author: Author {
            id: UserId(7 + number % 50),
            name: "Wren".into(),
            avatar: None,
            bot: false,
        },
        text: text.into(),
        edited: None,
        attachments: vec![attachment],
        carries_media: true,
        raw: format!(
            "{{\"id\":\"{id}\",\"content\":\"{text}\",\"padding\":\"{}\"}}",
            hash(number).repeat(24)
        )
        .into(),
    }
}

fn stored(now: Timestamp, channel: ChannelId, number: u64) -> Stored {
    let message = id(now, number);
    let key = EntryKey { root: channel, message, item: AttachmentId(message.0 + 1) };
    let sha256: Sha256 = hash(number).parse().unwrap();
    let look = Look {
        width: Some(1_920),
        height: Some(1_080),
        runtime: Some(17.5),
        still: Some(format!("thumb/{}.webp", hash(number + 1))),
        failure: None,
    };
    let content = Content {
        object: format!("media/{sha256}.mp4"),
        size: 3_000_000 + number,
        crc32c: 7,
        content_type: "video/mp4".into(),
        look: Some(look),
    };
    Stored { key, sha256, content, stamp: None }
}

fn hash(number: u64) -> String {
    hex::encode(Hasher::digest(number.to_le_bytes()))
}
