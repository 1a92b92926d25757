//! A small world for the tests of the catalogue: some places, short ways to say what happened, and a store that can
//! be made to panic or to die. After each change every invariant is checked.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    Change, Claim, Claimed, Commit, Context, Hint, Kv, KvError, MemoryKv, Month, PlaceSeen,
    PublicationRow, Published, PublishedMonth, Rows, ShardRef, ShardsRow, Store, StoreError,
    SweepDone, Writes, invariants, tables::Dirty,
};
use crate::domain::{
    entry::{Content, Entry, EntryKey, Sha256},
    id::{AttachmentId, ChannelId, GuildId, MessageId, UserId},
    job::{Queue, Subject},
    link::Link,
    message::{Attachment, Author, Message},
    place::{Access, Place, PlaceKind},
    removal::RemovalPolicy,
    selection::{MediaKind, MediaMode, MediaSelection, Policy},
    time::Timestamp,
};

pub(super) const CHANNEL: ChannelId = ChannelId(10);
pub(super) const THREAD: ChannelId = ChannelId(11);
pub(super) const FORUM: ChannelId = ChannelId(20);
pub(super) const POST: ChannelId = ChannelId(21);

/// When the tests take place.
const START: i64 = 1_700_000_000;

/// A moment so many seconds into the test.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(START + second)
}

/// The id of the message posted so many seconds into the test.
pub(super) fn id(second: u32) -> MessageId {
    MessageId::at(at(second.into()))
}

/// A message with these files, each a thousand bytes longer than the one with the number before.
pub(super) fn message(second: u32, files: &[u64]) -> Message {
    Message {
        id: id(second),
        channel: CHANNEL,
        guild: Some(GuildId(1)),
        author: Author { id: UserId(7), name: "Wren".into(), avatar: None, bot: false },
        text: "hello".into(),
        edited: None,
        attachments: files.iter().map(|file| attachment(*file)).collect(),
        carries_media: !files.is_empty(),
        raw: format!("{{\"id\":\"{}\",\"files\":{}}}", id(second), files.len()).into(),
    }
}

pub(super) fn attachment(file: u64) -> Attachment {
    Attachment {
        id: AttachmentId(file),
        filename: format!("clip{file}.mp4"),
        title: None,
        content_type: None,
        size: 1_000 * file,
        link: link(file, 86_400, "a"),
        width: None,
        height: None,
        runtime: None,
        placeholder: None,
        spoiler: false,
    }
}

/// A link to a file that dies at a second of the test.
pub(super) fn link(file: u64, dies: i64, signature: &str) -> Link {
    Link::new(format!("https://cdn/{file}?ex={:x}&hm={signature}", at(dies).as_secs()))
}

pub(super) fn edited(second: i64, message: Message) -> Message {
    Message { edited: Some(at(second)), text: format!("edited at {second}"), ..message }
}

pub(super) fn key(second: u32, file: u64) -> EntryKey {
    EntryKey { root: CHANNEL, message: id(second), item: AttachmentId(file) }
}

pub(super) fn sha(number: u8) -> Sha256 {
    Sha256([number; 32])
}

pub(super) fn content(number: u8) -> Content {
    Content {
        object: format!("media/{number}.mp4"),
        size: 100 * u64::from(number),
        crc32c: number.into(),
        content_type: "video/mp4".into(),
        look: None,
    }
}

pub(super) fn place(id: ChannelId, kind: PlaceKind, parent: Option<ChannelId>) -> Place {
    Place {
        id,
        guild: GuildId(1),
        parent,
        name: format!("place {id}"),
        kind,
        position: 0,
        access: Access::Readable,
        public: true,
        nsfw: false,
        manages_threads: false,
        last_message: None,
        archived_at: None,
    }
}

pub(super) fn policy(mode: MediaMode, kinds: &[MediaKind]) -> Policy {
    let kinds = kinds.iter().copied().collect();
    Policy {
        selection: MediaSelection { kinds, max_size: None },
        mode,
        publish_every: Duration::from_mins(1),
        removal: RemovalPolicy::default(),
    }
}

/// A store that panics or dies where it is told to.
#[derive(Debug, Default)]
pub(super) struct FaultyKv {
    inner: MemoryKv,
    panics_at: Mutex<Option<Vec<u8>>>,
    dies_before_flush: AtomicBool,
}

impl FaultyKv {
    /// Reading a key that ends like this panics.
    pub(super) fn panic_at(&self, end: &[u8]) {
        *self.panics_at.lock().unwrap() = Some(end.to_vec());
    }

    pub(super) fn heal(&self) {
        *self.panics_at.lock().unwrap() = None;
    }
}

impl Kv for FaultyKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        let panics = self.panics_at.lock().unwrap().as_ref().is_some_and(|end| key.ends_with(end));
        assert!(!panics, "told to panic");
        self.inner.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Rows, KvError> {
        self.inner.scan(from, to, limit)
    }

    fn commit(&self, writes: &Writes) -> Result<(), KvError> {
        self.inner.commit(writes)
    }

    fn flush(&self) -> Result<(), KvError> {
        if self.dies_before_flush.swap(false, Ordering::Relaxed) {
            self.inner.crash();
            return Err(KvError::Io { reason: "died".into() });
        }
        self.inner.flush()
    }

    fn size_on_disk(&self) -> Result<u64, KvError> {
        self.inner.size_on_disk()
    }
}

/// What a publication would write of some months, as it was when it began.
pub(super) type Edition = Vec<(Month, Dirty, String)>;

/// The catalogue with a clock, a policy, and a page that remembers what was published.
pub(super) struct World {
    pub(super) kv: Arc<FaultyKv>,
    pub(super) store: Store,
    pub(super) policy: RefCell<Policy>,
    pub(super) now: Cell<Timestamp>,
    pub(super) page: RefCell<BTreeMap<Month, String>>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(policy(MediaMode::Copy, &[MediaKind::Video]))
    }

    pub(super) fn with(policy: Policy) -> Self {
        let kv = Arc::new(FaultyKv::default());
        let world = Self {
            store: Store::new(Arc::<FaultyKv>::clone(&kv)),
            kv,
            policy: RefCell::new(policy),
            now: Cell::new(at(0)),
            page: RefCell::default(),
        };
        for place in [
            place(CHANNEL, PlaceKind::Text, None),
            place(THREAD, PlaceKind::PublicThread, Some(CHANNEL)),
            place(FORUM, PlaceKind::Forum, None),
            place(POST, PlaceKind::PublicThread, Some(FORUM)),
        ] {
            world.apply(PlaceSeen { place });
        }
        world.sweep();
        world
    }

    pub(super) fn context(&self) -> Context {
        Context { now: self.now.get(), policy: Arc::new(self.policy.borrow().clone()) }
    }

    /// Commits a change, and checks every invariant.
    pub(super) fn apply(&self, change: impl Into<Change>) -> BTreeSet<Hint> {
        let change = change.into();
        let hints = self.commit(|commit| commit.add(&change)).1;
        invariants::check(self);
        hints
    }

    pub(super) fn see(&self, messages: impl IntoIterator<Item = Message>) -> BTreeSet<Hint> {
        self.apply(super::Observed { messages: messages.into_iter().collect() })
    }

    pub(super) fn delete(&self, second: u32) {
        self.apply(super::Deleted { channel: CHANNEL, messages: vec![id(second)] });
    }

    pub(super) fn claim(&self, queue: Queue, limit: usize, busy: &[Subject]) -> Vec<Claimed> {
        let claim = Claim { queue, limit, busy: busy.to_vec() };
        let claimed = self.commit(|commit| commit.claim(&claim)).0;
        invariants::check(self);
        claimed
    }

    /// The entries whose downloads are handed out next.
    pub(super) fn downloads(&self, limit: usize) -> Vec<EntryKey> {
        let entry = |claimed: Claimed| match claimed.subject {
            Subject::Entry(key) => key,
            Subject::Content(_) | Subject::Still(_) => panic!("content is not downloaded"),
        };
        self.claim(Queue::Download, limit, &[]).into_iter().map(entry).collect()
    }

    pub(super) fn choose(&self, policy: Policy) {
        self.policy.replace(policy);
        self.sweep();
    }

    fn sweep(&self) {
        let step = || {
            let mut commit = self.store.begin(self.context());
            let done = commit.sweep().unwrap();
            commit.finish().unwrap();
            done
        };
        while step() == SweepDone(false) {}
        invariants::check(self);
    }

    pub(super) fn wait(&self, seconds: u64) {
        self.now.set(self.now.get().after(Duration::from_secs(seconds)));
    }

    /// The power goes while a change is on its way to the disk: it must be gone without a trace.
    pub(super) fn die_during(&self, change: &Change) {
        self.kv.dies_before_flush.store(true, Ordering::Relaxed);
        let mut commit = self.store.begin(self.context());
        commit.add(change).unwrap();
        let finished = commit.finish();
        let died = !self.kv.dies_before_flush.swap(false, Ordering::Relaxed);
        assert_eq!(finished.is_err(), died);
        invariants::check(self);
    }

    pub(super) fn entry(&self, key: EntryKey) -> Entry {
        super::tables::ENTRIES.get(&self.store.source(), &key).unwrap().expect("an entry")
    }

    /// What the page would show of a month now.
    pub(super) fn shown(&self, month: Month) -> String {
        invariants::shown(self, month)
    }

    pub(super) fn begin_publication(&self) -> Edition {
        let months = self.store.changed_months().unwrap();
        months.into_iter().map(|(month, seen)| (month, seen, self.shown(month))).collect()
    }

    pub(super) fn end_publication(&self, edition: Edition) {
        let path = |month: Month, shown: &str| format!("{}/{}-{shown}", month.root, month.month);
        let mut published = Published {
            publication: PublicationRow { at: self.now.get(), ..PublicationRow::default() },
            coverage: None,
            months: Vec::new(),
            indexes: Vec::new(),
            people: self.store.changed_people(99).unwrap(),
            garbage: Vec::new(),
            swept: Vec::new(),
        };
        for (month, seen, shown) in edition {
            let before = self.store.published_shards(month).unwrap();
            let shards =
                if shown.is_empty() { Vec::new() } else { vec![shard(path(month, &shown))] };
            let left = before.shards.iter().filter(|old| !shards.contains(old));
            published.garbage.extend(left.map(|old| (self.now.get(), old.path.clone())));
            published.months.push(PublishedMonth { month, seen, shards: ShardsRow { shards } });
            self.page.borrow_mut().insert(month, shown);
        }
        self.apply(published);
    }

    /// Commits what is no change by itself, and checks every invariant.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Commit<'_>) -> Result<T, StoreError>,
    ) -> T {
        let done = self.commit(change).0;
        invariants::check(self);
        done
    }

    /// Commits, and checks nothing: for the many that come before what is tested.
    pub(super) fn kv_only(&self, add: impl FnOnce(&mut Commit<'_>) -> Result<(), StoreError>) {
        self.commit(add);
    }

    fn commit<T>(
        &self,
        add: impl FnOnce(&mut Commit<'_>) -> Result<T, StoreError>,
    ) -> (T, BTreeSet<Hint>) {
        let mut commit = self.store.begin(self.context());
        let answer = add(&mut commit).unwrap();
        (answer, commit.finish().unwrap())
    }
}

fn shard(path: String) -> ShardRef {
    ShardRef {
        path,
        count: 1,
        bytes: 1,
        newest: at(0),
        oldest: at(0),
        per_channel: Vec::new(),
        people: Vec::new(),
    }
}
