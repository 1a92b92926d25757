//! Every table of the catalogue: what identifies a row, and what is in it.
//!
//! A table's number is on disk for ever; a new table takes a new one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    journal::Tip,
    migrate::ArchiveRow,
    raw::RawRow,
    table::{Part, Row, Table, tables},
    verify::{Seal, VerificationRow},
};
use crate::domain::{
    coverage::Coverage,
    entry::{Content, Entry, EntryKey, Person, Post, Sha256},
    forget::{Erased, Forgotten},
    id::{ChannelId, GuildId, MessageId, UserId},
    job::{Job, Queue, Rank, Subject},
    place::Place,
    reconcile::Unheard,
    removal::{Home, Wave},
    time::Timestamp,
};

/// The month of a channel: the unit that is published.
pub(super) type MonthKey = (ChannelId, u32);

tables! {
    GUILDS: Table<GuildId, GuildRow> = (1, "guilds");
    PLACES: Table<ChannelId, PlaceRow> = (2, "places");
    POSTS: Table<MessageId, Post> = (3, "posts");
    /// Raw messages, compressed. Apart from the posts, because nothing but a wiser extractor reads them.
    RAW: Table<MessageId, RawRow> = (4, "raw messages");
    ENTRIES: Table<EntryKey, Entry> = (5, "entries");
    TOMBSTONES: Table<MessageId, Tombstone> = (6, "tombstones");
    PEOPLE: Table<UserId, Person> = (7, "people");
    CONTENTS: Table<Sha256, Content> = (8, "contents");
    /// Who shares which bytes.
    USES: Table<(Sha256, EntryKey), ()> = (9, "uses");
    JOBS: Table<(Queue, Subject), Job> = (10, "jobs");
    READY: Table<(Queue, Rank, Subject), ()> = (11, "ready jobs");
    DELAYED: Table<(Queue, Timestamp, Subject), ()> = (12, "delayed jobs");
    PARKED: Table<(Queue, Subject), ()> = (13, "parked jobs");
    /// Links by the time at which they are to be made new.
    RENEWALS: Table<(Timestamp, EntryKey), ()> = (14, "renewals");
    DIRTY: Table<MonthKey, Dirty> = (15, "changed months");
    SHARDS: Table<MonthKey, ShardsRow> = (16, "published shards");
    INDEXES: Table<ChannelId, IndexRow> = (17, "published indexes");
    PUBLICATION: Table<(), PublicationRow> = (18, "publication");
    /// Objects that nothing names any more, by the time at which they may go.
    GARBAGE: Table<(Timestamp, String), ()> = (19, "garbage");
    SESSIONS: Table<u32, ListeningRow> = (20, "gateway sessions");
    STARTS: Table<(), StartsRow> = (21, "starts");
    TALLIES: Table<u8, i64> = (22, "tallies");
    POLICY: Table<(), PolicyRow> = (23, "policy");
    /// People whose picture or name the page does not show yet, with the number of their last change.
    PEOPLE_CHANGED: Table<UserId, PersonDirty> = (24, "changed people");
    /// Messages that could not be recorded, as they came, with what went wrong.
    PARKED_MESSAGES: Table<MessageId, ParkedMessage> = (25, "parked messages");
    /// How many commits there were, written with each.
    TIP: Table<(), Tip> = (38, "tip");
    /// Something was erased, and copies of the catalogue made before still hold it.
    ERASED: Table<(), ErasedRow> = (39, "erased");
    /// What was last published of what was read.
    COVERAGE: Table<(), CoverageRow> = (40, "published coverage");
    /// The catalogue as a whole.
    ARCHIVE: Table<(), ArchiveRow> = (41, "archive");
    /// The messages of which something is kept, by the place that holds them: what a second reading compares with.
    KEPT: Table<(ChannelId, MessageId), ()> = (34, "kept messages");
    /// How far the second reading of each place is; none stands for what is not of one place.
    REREAD: Table<Option<ChannelId>, RereadRow> = (35, "second readings");
    /// What objects were when their bytes were known to be right.
    SEALS: Table<String, Seal> = (36, "seals");
    /// The last verification.
    VERIFICATION: Table<(), VerificationRow> = (37, "last verification");
    /// Files that are no longer to be seen on Discord, and what becomes of them.
    REMOVED: Table<EntryKey, RemovedRow> = (26, "removed files");
    /// Messages of which something was removed, by the time at which we heard of it, until that is erased.
    REMOVED_AT: Table<(Timestamp, MessageId), ()> = (27, "removals");
    /// Where bytes are that are not simply in the public bucket.
    HOMES: Table<Subject, HomeRow> = (28, "homes");
    /// Places that the page goes without, below the channel under which it would show them.
    LEFT_OUT: Table<(Part<0>, ChannelId, ChannelId), ()> = (29, "places left out");
    /// Months of which no published file may outlive the next publication, with the number of the change that says so.
    RECALLED: Table<(Part<1>, MonthKey), Reached> = (29, "recalled months");
    /// Who shares which still.
    STILL_USES: Table<(Part<2>, Sha256, Subject), ()> = (29, "uses of stills");
    /// Channels whose entries are to be gone through.
    WALKS: Table<(Part<3>, ChannelId), WalkRow> = (29, "walks");
    /// How much was deleted lately, and what is held back for it.
    MASS: Table<Part<4>, MassRow> = (29, "mass deletions");
    /// Places that were deleted on Discord, and since when.
    LOST: Table<(Part<5>, ChannelId), Timestamp> = (29, "lost places");
    /// Up to which change everything is published.
    REACHED: Table<Part<6>, Reached> = (29, "published changes");
    /// Lost places whose kept messages are to be gone through.
    KEPT_WALKS: Table<(Part<7>, ChannelId), KeptWalkRow> = (29, "walks of kept messages");
    /// Files whose links could not be made new when it was tried last.
    UNRENEWED: Table<(Part<8>, EntryKey), ()> = (29, "links not renewed");
    /// What is being erased, and how far that has come.
    ERASURES: Table<Forgotten, ErasureRow> = (30, "erasures");
    /// What is not archived.
    FORGOTTEN: Table<Forgotten, ForgottenRow> = (31, "forgotten");
    /// Whether members of servers have said that they do not want to be archived.
    MEMBERS: Table<(GuildId, UserId), MemberRow> = (32, "members");
    /// What is left to do for all that was erased.
    AFTERMATH: Table<(), AftermathRow> = (33, "aftermath");
    /// Written to see whether anything can be.
    PROBE: Table<(), i64> = (42, "probe");
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuildRow {
    /// Its name.
    pub name: String,
    /// The hash in the address of its icon.
    pub icon: Option<String>,
    /// The first message we watch for, when nobody asks for history: what was posted after the first start.
    pub watch_from: MessageId,
    /// From where history was asked for; it stays asked for until it is read.
    pub history_from: Option<MessageId>,
    /// When its channels were listed last.
    pub surveyed_at: Timestamp,
}

impl GuildRow {
    /// The first message that is wanted.
    pub fn wanted_from(&self) -> MessageId {
        self.history_from.map_or(self.watch_from, |from| from.min(self.watch_from))
    }
}

/// A channel or thread, and what was read of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceRow {
    /// As last seen.
    pub place: Place,
    /// What was read from history.
    pub coverage: Coverage,
    /// A message that was there when last read: a page without it is not believed to be the end.
    pub anchor: Option<MessageId>,
    /// Up to which archive time its public archived threads were listed completely.
    pub public_threads_until: Option<Timestamp>,
    /// The same for the private ones.
    pub private_threads_until: Option<Timestamp>,
    /// Since when Discord no longer lists it.
    pub missing_since: Option<Timestamp>,
    /// How many messages were read.
    pub messages_read: u64,
}

impl PlaceRow {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            coverage: Coverage::default(),
            anchor: None,
            public_threads_until: None,
            private_threads_until: None,
            missing_since: None,
            messages_read: 0,
        }
    }
}

/// A message that was deleted on Discord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tombstone {
    /// When we heard of it.
    pub(super) at: Timestamp,
    /// Where it stood.
    pub(super) channel: ChannelId,
}

/// A month whose published shards are no longer true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dirty {
    /// When it is to be published at the latest.
    pub by: Timestamp,
    /// The number of the last change, so that one made while publishing is not forgotten.
    pub changes: u64,
}

/// A person whom the page does not show as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PersonDirty {
    /// The number of the last change.
    pub(super) changes: u64,
}

/// The shards of a month.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardsRow {
    /// Newest first.
    pub shards: Vec<ShardRef>,
}

/// A published shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRef {
    /// Its name in the bucket.
    pub path: String,
    /// How many entries it holds.
    pub count: u64,
    /// The bytes of the files it names.
    pub bytes: u64,
    /// When its newest entry was posted.
    pub newest: Timestamp,
    /// When its oldest entry was posted.
    pub oldest: Timestamp,
    /// How many entries are in each thread, and in the channel itself.
    pub per_channel: Vec<(ChannelId, u64)>,
    /// Who posted in it.
    pub people: Vec<UserId>,
}

/// A published index of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRow {
    /// Its name in the bucket; none while the channel has no entries.
    pub path: Option<String>,
    /// How many entries it leads to.
    pub entries: u64,
    /// The bytes of the files it leads to.
    pub bytes: u64,
    /// When the newest entry was posted.
    pub newest: Option<Timestamp>,
}

/// The last publication.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicationRow {
    /// Counts publications.
    pub generation: u64,
    /// The bucket's own generation of the manifest.
    pub object_generation: Option<u64>,
    /// The name of the file of people.
    pub users: Option<String>,
    /// The hash of the manifest without its time, so that an unchanged one is not written again.
    pub content: Option<[u8; 32]>,
    /// The hash of the page's files.
    pub page: Option<[u8; 32]>,
    /// When it was made.
    pub at: Timestamp,
}

/// A session with Discord's gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// What it takes to go on, after the last event of which everything is durable. Its form is the gateway's.
    pub session: String,
    /// How many shards there were; with another number it can't be resumed.
    pub shards: u32,
}

/// A shard's session, and since when it was not heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListeningRow {
    /// Where the session stands; none when it can't be resumed.
    pub(super) session: Option<SessionRow>,
    /// Up to when everything was heard.
    pub(super) heard_until: Option<Timestamp>,
    /// A time in which events were lost, until what it may have hidden was read again.
    pub(super) unheard: Option<Unheard>,
}

impl Row for ListeningRow {
    const VERSION: u8 = 2;

    fn migrate(version: u8, body: &[u8]) -> Option<Self> {
        let session = (version == 1).then(|| postcard::from_bytes(body).ok())??;
        Some(Self { session: Some(session), ..Self::default() })
    }
}

/// How far a second reading is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RereadRow {
    /// What is not of one place.
    Whole(RereadWhole),
    /// Of one place.
    Place(PlaceReread),
}

/// What second readings need besides places.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RereadWhole {
    /// How far the raw messages of older builds were gone through for the index of what is kept.
    pub(super) indexed_to: Option<MessageId>,
    /// Whether all of them were.
    pub indexed: bool,
    /// After which message those that could not be recorded are to be asked for again; none when nobody wants that.
    pub retry_after: Option<MessageId>,
}

/// How far the second reading of a place is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceReread {
    /// Since when the place is known to be read: its first round is counted from then.
    pub known_since: Timestamp,
    /// When a page of a round was last read.
    pub read_at: Option<Timestamp>,
    /// Its rounds.
    pub round: Reading,
    /// After events were lost.
    pub unheard: Reading,
    /// Because somebody asked for it.
    pub asked: Reading,
}

/// How far one sort of second reading is. Each has a mark by which it is told from the one before: when a round began,
/// when we listened again, when somebody asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The mark of the last one that ended; of a round, when that was.
    pub done: Option<Timestamp>,
    /// The mark of the one that is under way, and below which message it goes on.
    pub under_way: Option<(Timestamp, MessageId)>,
}

/// When this service was started lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartsRow {
    /// Oldest first.
    pub at: Vec<Timestamp>,
}

/// Which files were wanted when jobs were last made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PolicyRow {
    /// The policy in words.
    pub(super) text: String,
    /// How far the entries were gone through for it; none when all were.
    pub(super) swept_to: Option<EntryKey>,
    /// Whether all were.
    pub(super) swept: bool,
}

/// A message that could not be recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedMessage {
    /// Where it stands.
    pub channel: ChannelId,
    /// What went wrong.
    pub why: String,
    /// What Discord sent.
    pub(super) raw: RawRow,
}

/// That something was erased since the catalogue was copied whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedRow {
    /// The number of the last erasure, so that one made while copying is not forgotten.
    pub changes: u64,
}

/// The published list of what was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageRow {
    /// Its name in the bucket.
    pub path: String,
    /// When it was published.
    pub at: Timestamp,
}

/// A file that is no longer to be seen on Discord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RemovedRow {
    /// Since when, as far as we know.
    pub(super) at: Timestamp,
    /// Whether a person said that it is to stay all the same.
    pub(super) kept: bool,
}

/// Where bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HomeRow {
    /// Their name in the public bucket, there or not.
    pub(super) object: String,
    /// Where they are for certain.
    pub(super) home: Home,
    /// That there may be copies elsewhere, which may go once the changes up to this number are published.
    pub(super) stale: Option<u64>,
}

/// How far the entries of a channel were gone through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WalkRow {
    /// The last one.
    pub(super) after: Option<EntryKey>,
}

/// How far the kept messages of a lost place were gone through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptWalkRow {
    /// The last one.
    pub(super) after: Option<MessageId>,
}

/// How much was deleted lately, and what is held back for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MassRow {
    /// What was deleted lately.
    pub(super) wave: Wave,
    /// What is held back; none when nothing is.
    pub(super) held: Option<Held>,
    /// Until when what is held back was deleted, when a person said that it is to stay.
    pub(super) keep_until: Option<Timestamp>,
}

/// Deletions that a person is to judge: until then nothing of them is erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Since when deletions are held back.
    pub since: Timestamp,
    /// How many files were deleted since then.
    pub files: u64,
}

/// A number among the changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reached {
    /// Which.
    pub(super) changes: u64,
}

/// Something on its way out of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ErasureRow {
    /// How far the archive was gone through for it.
    pub(super) progress: Progress,
}

/// How far the archive was gone through; each step names the next message to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Progress {
    /// In messages that carried files.
    Posts(MessageId),
    /// In messages as Discord sent them.
    Raw(MessageId),
    /// In messages that could not be recorded.
    Parked(MessageId),
}

/// Something that is not archived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgottenRow {
    /// Since when.
    pub since: Timestamp,
    /// On whose word.
    pub word: Word,
    /// Messages from this one on are archived again; none while nothing is.
    pub until: Option<MessageId>,
    /// What was erased for it.
    pub erased: Erased,
}

/// On whose word something is not archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// On that of whoever runs this archive.
    Keeper,
    /// On their own: they took the role for it.
    Member,
}

/// A member of a server, as last looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// When.
    pub looked_at: Timestamp,
    /// Whether they had a role that says that they are not to be archived.
    pub opted_out: bool,
}

/// What is left to do for all that was erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AftermathRow {
    /// When something was erased last: whatever copy of this store is older must be replaced and deleted.
    pub(super) erased_at: Timestamp,
    /// The number of the last erasure among the changes.
    pub(super) erased: u64,
    /// Up to which number everything erased has left the bucket, and every file of the page that named it.
    pub(super) purged: u64,
    /// People of whom something was erased, and for what. Nothing may be left of them, and then their names go too.
    pub(super) leavers: BTreeMap<UserId, Option<Forgotten>>,
    /// The next message to look at for something that is left of them.
    pub(super) leavers_to: MessageId,
}

impl Default for AftermathRow {
    fn default() -> Self {
        Self {
            erased_at: Timestamp::default(),
            erased: 0,
            purged: 0,
            leavers: BTreeMap::new(),
            leavers_to: MessageId::FIRST,
        }
    }
}

/// Rows in their first form.
macro_rules! first_form {
    ($($row:ty),+ $(,)?) => {$( impl Row for $row {} )+};
}

first_form!(
    GuildRow,
    PlaceRow,
    Post,
    RawRow,
    Entry,
    Tombstone,
    Person,
    Content,
    Job,
    Dirty,
    PersonDirty,
    ShardsRow,
    IndexRow,
    PublicationRow,
    StartsRow,
    i64,
    PolicyRow,
    ParkedMessage,
    ErasedRow,
    CoverageRow,
    RereadRow,
    RemovedRow,
    HomeRow,
    WalkRow,
    KeptWalkRow,
    MassRow,
    Reached,
    Timestamp,
    ErasureRow,
    ForgottenRow,
    MemberRow,
    AftermathRow,
);
