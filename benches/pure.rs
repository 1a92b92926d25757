//! The hot functions that do no I/O: what a page of history costs before it is written down, and what a publication
//! costs before it is sent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bowerbird::{
    domain::{
        coverage::{Coverage, EXTRACTOR, Span},
        entry::{Entry, EntryKey, Post},
        id::{AttachmentId, ChannelId, GuildId, MessageId, UserId},
        link::Link,
        message::{Attachment, Author, Message},
        place::{Access, Place, PlaceKind},
        removal::{Home, RemovalPolicy},
        selection::{MediaMode, MediaSelection, Policy},
        text::readable,
        time::Timestamp,
    },
    gallery::shard,
    store::{Change, Context, MemoryKv, Month, MonthEntry, Observed, PlaceSeen, Store},
};
use divan::{Bencher, black_box, counter::ItemsCount};

fn main() {
    divan::main();
}

#[divan::bench]
fn expiry_of_a_link() -> Option<Timestamp> {
    black_box(&link(7)).expires_at()
}

#[divan::bench]
fn words_of_a_message() -> String {
    readable(
        black_box("look <@7>, <:wave:11> in <#9> at <t:0:R>: a < b, and nothing more to say"),
        |_| Some("Wren".to_owned()),
    )
}

/// A history of so many pages, read from the newest down, as Backfill does.
#[divan::bench(args = [10, 100, 1_000])]
fn coverage_of_pages(bencher: Bencher, pages: u64) {
    bencher.counter(ItemsCount::new(pages)).bench(|| {
        let mut coverage = Coverage::default();
        for page in (0..pages).rev() {
            let span = Span::new(MessageId(page * 100), MessageId(page * 100 + 99));
            coverage.add(span.expect("the right way round"), EXTRACTOR);
        }
        coverage.holes(Span::ALL, EXTRACTOR)
    });
}

/// A full shard: records, JSON, hash, gzip.
#[divan::bench]
fn shard_of_a_thousand_entries(bencher: Bencher) {
    let entries: Vec<_> = (0..1_000).map(entry).collect();
    let month = Month { root: ROOT, month: MessageId(START).created_at().month() };
    bencher
        .counter(ItemsCount::new(entries.len()))
        .bench(|| shard::shards(month, black_box(&entries), |_| None));
}

/// A page of a hundred messages with a file each, through the catalogue into memory.
#[divan::bench]
fn page_through_the_catalogue(bencher: Bencher) {
    let store = Store::new(Arc::new(MemoryKv::default()));
    let context = Context { now: Timestamp::from_secs(1_700_000_000), policy: policy().into() };
    let next = AtomicU64::new(0);
    bencher
        .counter(ItemsCount::new(100_u32))
        .with_inputs(|| {
            let first = next.fetch_add(100, Ordering::Relaxed);
            Change::from(Observed { messages: (first..first + 100).map(message).collect() })
        })
        .bench_values(|page| {
            let mut commit = store.begin(context.clone());
            commit.add(&PlaceSeen { place: place() }.into()).expect("memory does not fail");
            commit.add(&page).expect("memory does not fail");
            commit.finish().expect("memory does not fail")
        });
}

/// A message of March 2026.
const START: u64 = 1_477_500_000_000_000_000;

const ROOT: ChannelId = ChannelId(1_100_000_000_000_000_000);

fn policy() -> Policy {
    Policy {
        selection: MediaSelection::default(),
        mode: MediaMode::Copy,
        publish_every: Duration::from_mins(1),
        removal: RemovalPolicy::default(),
    }
}

fn place() -> Place {
    Place {
        id: ROOT,
        guild: GuildId(1_000_000_000_000_000_000),
        parent: None,
        name: "clips".into(),
        kind: PlaceKind::Text,
        position: 0,
        access: Access::Readable,
        public: true,
        nsfw: false,
        manages_threads: false,
        last_message: None,
        archived_at: None,
    }
}

/// Messages come every two minutes.
fn id(number: u64) -> u64 {
    START + number * (120_000 << 22)
}

fn link(number: u64) -> Link {
    Link::new(format!(
        "https://cdn.discordapp.com/attachments/{ROOT}/{}/clip.mp4?ex=69a903de&is=69a7b25e&hm={:064x}&",
        id(number),
        number
    ))
}

fn attachment(number: u64) -> Attachment {
    Attachment {
        id: AttachmentId(id(number) + 1),
        filename: format!("clip_{number}.mp4"),
        title: None,
        content_type: Some("video/mp4".into()),
        size: 3_000_000 + number,
        link: link(number),
        width: Some(1_920),
        height: Some(1_080),
        runtime: Some(17.5),
        placeholder: Some("3OcRJYB4d3h/iIeHeEh3eIhw+j3A".into()),
        spoiler: false,
    }
}

fn message(number: u64) -> Message {
    let text = "what a finish, <@7>, watch until the end";
    Message {
        id: MessageId(id(number)),
        channel: ROOT,
        guild: None,
        author: Author { id: UserId(number % 50), name: "Wren".into(), avatar: None, bot: false },
        text: text.into(),
        edited: None,
        attachments: vec![attachment(number)],
        carries_media: true,
        raw: format!(
            "{{\"id\":\"{}\",\"content\":\"{text}\",\"padding\":\"{:01500}\"}}",
            id(number),
            number
        )
        .into(),
    }
}

fn entry(number: u64) -> MonthEntry {
    let message = MessageId(id(number));
    let attachment = attachment(number);
    MonthEntry {
        key: EntryKey { root: ROOT, message, item: attachment.id },
        post: Post {
            root: ROOT,
            channel: ROOT,
            guild: GuildId(1_000_000_000_000_000_000),
            author: UserId(number % 50),
            poster: "Wren".into(),
            text: "what a finish, watch until the end".into(),
            edited: None,
            items: vec![attachment.id],
        },
        entry: Entry::new(attachment, false),
        content: None,
        home: Home::Public,
        removed: None,
    }
}
