//! What of the catalogue is published, and what has changed since.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{
    ChangedPerson, Context, Hint, Store, StoreError,
    people::person_published,
    table::{Part, Txn},
    tables::{
        CONTENTS, COVERAGE, DIRTY, ENTRIES, GARBAGE, HOMES, INDEXES, POSTS, PUBLICATION, REACHED,
        RECALLED, REMOVED, SHARDS,
    },
    tables::{CoverageRow, Dirty, IndexRow, PublicationRow, Reached, ShardsRow},
    tally::{last_change, number_change},
};
use crate::domain::{
    entry::{Content, Entry, EntryKey, EntryState, Look, Post},
    id::{AttachmentId, ChannelId, MessageId},
    job::Subject,
    removal::Home,
    selection::MediaMode,
    time::{self, Timestamp},
};

/// Links that were made new during a publication are published this much later: their old ones live longer than that,
/// or they would have been made new before.
const SOON: std::time::Duration = std::time::Duration::from_secs(1);

/// How many months one look at what has changed returns; the rest comes with the next.
const MONTHS_AT_ONCE: usize = 256;

/// A month of a channel: the unit in which the page's data is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    /// The channel, with its threads.
    pub root: ChannelId,
    /// The month.
    pub month: time::Month,
}

/// All that is to be known of an entry to show it.
#[derive(Clone, Debug)]
pub struct MonthEntry {
    /// Which it is.
    pub key: EntryKey,
    /// What it has in common with others of its message.
    pub post: Post,
    /// The file.
    pub entry: Entry,
    /// Its bytes, where they are in the bucket.
    pub content: Option<Content>,
    /// Where they are. The page shows what is at home in public.
    pub home: Home,
    /// Since when it is no longer to be seen on Discord.
    pub removed: Option<Timestamp>,
}

/// A month as it was published.
#[derive(Clone, Debug)]
pub struct PublishedMonth {
    /// Which.
    pub month: Month,
    /// Its state when it was read, so that later changes are not forgotten.
    pub seen: Dirty,
    /// What is in the bucket now.
    pub shards: ShardsRow,
}

/// A publication is in the bucket.
#[derive(Clone, Debug)]
pub struct Published {
    /// The root of it.
    pub publication: PublicationRow,
    /// The list of what was read, when it was written.
    pub coverage: Option<CoverageRow>,
    /// The months that were written.
    pub months: Vec<PublishedMonth>,
    /// The indexes that were written.
    pub indexes: Vec<(ChannelId, IndexRow)>,
    /// The people whose changes are in it.
    pub people: Vec<ChangedPerson>,
    /// Objects that nothing names any more, and when they may go.
    pub garbage: Vec<(Timestamp, String)>,
    /// Objects that are gone.
    pub swept: Vec<(Timestamp, String)>,
}

/// Every change up to this number is published: nothing of what it took away is named any more.
#[derive(Clone, Copy, Debug)]
pub struct PublishedTo(pub u64);

impl PublishedTo {
    pub(super) fn apply(self, txn: &mut Txn<'_>) -> Result<(), StoreError> {
        if REACHED.get(txn, &Part)?.is_none_or(|reached| reached.changes < self.0) {
            REACHED.put(txn, &Part, &Reached { changes: self.0 });
            txn.hint(Hint::Move);
        }
        Ok(())
    }
}

/// Objects are about to be put, which nothing names before the publication that they are for is written down. Should
/// that never happen, they are garbage.
#[derive(Clone, Debug)]
pub struct Announced {
    /// Their names.
    pub objects: Vec<String>,
    /// When they may go, unless they are named by then.
    pub until: Timestamp,
}

impl Announced {
    pub(super) fn apply(&self, txn: &mut Txn<'_>) {
        for object in &self.objects {
            GARBAGE.put(txn, &(self.until, object.clone()), &());
        }
    }
}

impl Published {
    /// No publication, but objects of former ones that are gone.
    pub fn swept(last: PublicationRow, swept: Vec<(Timestamp, String)>) -> Self {
        Self {
            publication: last,
            coverage: None,
            months: Vec::new(),
            indexes: Vec::new(),
            people: Vec::new(),
            garbage: Vec::new(),
            swept,
        }
    }

    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        for PublishedMonth { month, seen, shards } in &self.months {
            let key = (month.root, month.month.number());
            if shards.shards.is_empty() {
                SHARDS.delete(txn, &key);
            } else {
                SHARDS.put(txn, &key, shards);
            }
            match DIRTY.get(txn, &key)? {
                Some(left) if left.changes != seen.changes => {
                    DIRTY.put(txn, &key, &Dirty { by: again(left.by, context), ..left });
                }
                Some(_) => DIRTY.delete(txn, &key),
                None => {}
            }
        }
        for (channel, index) in &self.indexes {
            INDEXES.put(txn, channel, index);
        }
        for person in &self.people {
            person_published(txn, *person)?;
        }
        for (at, path) in &self.garbage {
            GARBAGE.put(txn, &(*at, path.clone()), &());
        }
        for (at, path) in &self.swept {
            GARBAGE.delete(txn, &(*at, path.clone()));
        }
        PUBLICATION.put(txn, &(), &self.publication);
        if let Some(coverage) = &self.coverage {
            COVERAGE.put(txn, &(), coverage);
        }
        self.spare_named(txn)?;
        self.hasten(txn, context.now)
    }

    /// What names something that must not be seen any more goes now: what the page showed of these months, and the
    /// indexes of their channels.
    fn hasten(&self, txn: &mut Txn<'_>, now: Timestamp) -> Result<(), StoreError> {
        let mut stems = BTreeSet::new();
        for PublishedMonth { month, seen, .. } in &self.months {
            let key = (Part, (month.root, month.month.number()));
            let Some(recalled) = RECALLED.get(txn, &key)? else { continue };
            stems.insert(format!("messages/{}/{}-", month.root, month.month));
            stems.insert(format!("messages/{}/index-", month.root));
            // The list of what was read names places, too.
            stems.insert("messages/coverage-".to_owned());
            if recalled.changes <= seen.changes {
                RECALLED.delete(txn, &key);
            }
        }
        if stems.is_empty() {
            return Ok(());
        }
        for ((at, path), ()) in GARBAGE.all(txn)? {
            if at > now && stems.iter().any(|stem| path.starts_with(stem.as_str())) {
                GARBAGE.delete(txn, &(at, path.clone()));
                GARBAGE.put(txn, &(now, path), &());
            }
        }
        Ok(())
    }

    /// What was garbage and is named again stays: a month that changes back has its old name.
    fn spare_named(&self, txn: &mut Txn<'_>) -> Result<(), StoreError> {
        let shards = self.months.iter().flat_map(|month| &month.shards.shards);
        let indexes = self.indexes.iter().filter_map(|(_, index)| index.path.as_ref());
        let coverage = COVERAGE.get(txn, &())?.map(|row| row.path);
        let named: BTreeSet<&String> = shards
            .map(|shard| &shard.path)
            .chain(indexes)
            .chain(&self.publication.users)
            .chain(&coverage)
            .collect();
        for (key, ()) in GARBAGE.all(txn)? {
            if named.contains(&key.1) {
                GARBAGE.delete(txn, &key);
            }
        }
        Ok(())
    }
}

/// Says that the month of a message is to be published again.
pub(super) fn mark_changed(
    txn: &mut Txn<'_>,
    root: ChannelId,
    message: MessageId,
    by: Timestamp,
) -> Result<(), StoreError> {
    let key = (root, message.created_at().month().number());
    let changes = number_change(txn)?;
    let dirty = match DIRTY.get(txn, &key)? {
        Some(old) => Dirty { by: old.by.min(by), changes },
        None => Dirty { by, changes },
    };
    DIRTY.put(txn, &key, &dirty);
    txn.hint(Hint::Publish);
    Ok(())
}

/// When what changed during a publication is to be published. What was due before is in the bucket, so there is no hurry
/// but for links, which may be close to their end.
fn again(by: Timestamp, context: &Context) -> Timestamp {
    if by > context.now {
        return by;
    }
    match context.policy.mode {
        MediaMode::Copy => context.publish_by(),
        MediaMode::Link => context.publish_by().min(context.now.after(SOON)),
    }
}

impl Store {
    /// The months that changed, each with its state.
    pub fn changed_months(&self) -> Result<Vec<(Month, Dirty)>, StoreError> {
        let rows = DIRTY.after(&self.source(), None, MONTHS_AT_ONCE)?;
        let month = |number| time::Month::from_number(number);
        Ok(rows
            .into_iter()
            .filter_map(|((root, number), dirty)| {
                Some((Month { root, month: month(number)? }, dirty))
            })
            .collect())
    }

    /// The entries of a month, oldest first, hidden and unwanted ones included.
    pub fn month_entries(&self, month: Month) -> Result<Vec<MonthEntry>, StoreError> {
        let source = self.source();
        let first = |time| EntryKey {
            root: month.root,
            message: MessageId::at(time),
            item: AttachmentId(0),
        };
        let rows = ENTRIES.between(
            &source,
            &first(month.month.start()),
            &first(month.month.end()),
            usize::MAX,
        )?;
        let mut entries = Vec::with_capacity(rows.len());
        let mut last_post: Option<(MessageId, Post)> = None;
        // Mostly nothing is away from home, and nothing was removed: then nobody is asked.
        let moved = self.awaits_publication()?;
        let removed = REMOVED.between(
            &source,
            &first(month.month.start()),
            &first(month.month.end()),
            usize::MAX,
        )?;
        let removed: BTreeMap<EntryKey, Timestamp> =
            removed.into_iter().map(|(key, row)| (key, row.at)).collect();
        for (key, mut entry) in rows {
            let post = match &last_post {
                Some((message, post)) if *message == key.message => Some(post.clone()),
                _ => POSTS.get(&source, &key.message)?,
            };
            let Some(post) = post else { continue };
            last_post = Some((key.message, post.clone()));
            let (mut content, mut home) = (None, Home::Public);
            if let EntryState::Stored(sha256) = entry.state {
                content = CONTENTS.get(&source, &sha256)?;
                home = if moved { self.home(Subject::Content(sha256))? } else { home };
            }
            if moved {
                self.withhold_still(&mut entry.look)?;
                if let Some(content) = &mut content {
                    self.withhold_still(&mut content.look)?;
                }
            }
            let removed = removed.get(&key).copied();
            entries.push(MonthEntry { key, post, entry, content, home, removed });
        }
        Ok(entries)
    }

    /// A still that is not in the public bucket is none to the page.
    fn withhold_still(&self, look: &mut Option<Look>) -> Result<(), StoreError> {
        let Some(look) = look else { return Ok(()) };
        if let Some(still) = look.still_sha256()
            && self.home(Subject::Still(still))? != Home::Public
        {
            look.still = None;
        }
        Ok(())
    }

    /// Whether any bytes are not simply in the public bucket: then somebody may wait for a publication.
    pub fn awaits_publication(&self) -> Result<bool, StoreError> {
        Ok(!HOMES.after(&self.source(), None, 1)?.is_empty())
    }

    /// Up to which change everything is published.
    pub fn published_to(&self) -> Result<u64, StoreError> {
        Ok(REACHED.get(&self.source(), &Part)?.map_or(0, |reached| reached.changes))
    }

    /// The number of the last change of what the page shows.
    pub fn last_change(&self) -> Result<u64, StoreError> {
        last_change(&self.source())
    }

    /// The shards that are published of a month.
    pub fn published_shards(&self, month: Month) -> Result<ShardsRow, StoreError> {
        Ok(SHARDS.get(&self.source(), &(month.root, month.month.number()))?.unwrap_or_default())
    }

    /// The shards that are published of a channel, newest month first.
    pub fn channel_shards(&self, root: ChannelId) -> Result<Vec<(Month, ShardsRow)>, StoreError> {
        let rows = SHARDS.below(&self.source(), &root, usize::MAX)?;
        let months = rows.into_iter().rev().filter_map(|((root, number), row)| {
            Some((Month { root, month: time::Month::from_number(number)? }, row))
        });
        Ok(months.collect())
    }

    /// The published indexes.
    pub fn indexes(&self) -> Result<Vec<(ChannelId, IndexRow)>, StoreError> {
        INDEXES.all(&self.source())
    }

    /// The last publication.
    pub fn publication(&self) -> Result<Option<PublicationRow>, StoreError> {
        PUBLICATION.get(&self.source(), &())
    }

    /// The published list of what was read.
    pub fn published_coverage(&self) -> Result<Option<CoverageRow>, StoreError> {
        COVERAGE.get(&self.source(), &())
    }

    /// The pictures of people that are in the bucket and shown.
    pub fn shown_avatars(&self) -> Result<HashSet<String>, StoreError> {
        let copied = self.people()?.into_iter().filter_map(|(_, person)| person.copied);
        Ok(copied.map(|copied| copied.object).collect())
    }

    /// Objects that may go by now.
    pub fn garbage(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, String)>, StoreError> {
        let end = Timestamp::from_millis(now.as_millis().saturating_add(1));
        let rows = GARBAGE.between(&self.source(), &Timestamp::from_millis(0), &end, limit)?;
        Ok(rows.into_iter().map(|(key, ())| key).collect())
    }
}

#[cfg(test)]
mod tests;
