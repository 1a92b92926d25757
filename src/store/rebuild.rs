//! Rows made from what was published, for a catalogue that was lost with its disk, or is older than the archive.
//!
//! Only `app` applies these, before anybody else writes. What the catalogue knows already is never replaced by what
//! the page tells, but for what the page alone can know: that bytes are in the bucket.

use super::{
    ArchiveRow, Context, GuildRow, IndexRow, PlaceRow, PublicationRow, ShardsRow, StoreError,
    Stored, Tally, erase,
    forget::forget_names,
    people::mark_person,
    publication::mark_changed,
    removal::stay_marked,
    table::Txn,
    tables::{
        ARCHIVE, CONTENTS, COVERAGE, CoverageRow, ENTRIES, FORGOTTEN, GUILDS, INDEXES, KEPT,
        PEOPLE, PLACES, POSTS, PUBLICATION, SHARDS, TOMBSTONES, USES,
    },
    tally::count,
    work::{Sight, count_still, rank_of, schedule},
};
use crate::domain::{
    coverage::Coverage,
    entry::{Content, Entry, EntryKey, EntryState, Person, Post, Sha256},
    id::{ChannelId, GuildId, MessageId, UserId},
    job::Lane,
    time::{Month, Timestamp},
};

/// What the published archive tells.
#[derive(Clone, Debug)]
pub enum Rebuilt {
    /// Servers and places with what was read of them.
    Places {
        /// Servers.
        guilds: Vec<(GuildId, GuildRow)>,
        /// Places.
        places: Vec<PlaceRow>,
    },
    /// People.
    People(Vec<(UserId, Person)>),
    /// Entries of a channel.
    Entries(Vec<RebuiltEntry>),
    /// A channel as it is published.
    Channel {
        /// Which.
        root: ChannelId,
        /// What leads to its months.
        index: IndexRow,
        /// Its months.
        months: Vec<(Month, ShardsRow)>,
    },
    /// The whole as it is published.
    Publication {
        /// The root of it.
        publication: PublicationRow,
        /// The list of what was read.
        coverage: Option<CoverageRow>,
    },
}

/// An entry of the page.
#[derive(Clone, Debug)]
pub struct RebuiltEntry {
    /// Which.
    pub key: EntryKey,
    /// Its message, with this file alone.
    pub post: Post,
    /// The file. Its state is settled here.
    pub entry: Entry,
    /// Its bytes, where they are in the bucket.
    pub content: Option<(Sha256, Content)>,
    /// Since when it is no longer to be seen on Discord, where it stays on the page all the same.
    pub removed: Option<Timestamp>,
}

impl Rebuilt {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        match self {
            Self::Places { guilds, places } => {
                for (id, row) in guilds {
                    if !GUILDS.contains(txn, id)? {
                        GUILDS.put(txn, id, row);
                    }
                }
                for row in places {
                    if !PLACES.contains(txn, &row.place.id)? {
                        let read = i64::try_from(row.messages_read).unwrap_or(i64::MAX);
                        count(txn, Tally::MessagesRead, read)?;
                        PLACES.put(txn, &row.place.id, row);
                    }
                }
                Ok(())
            }
            Self::People(people) => {
                for (id, person) in people {
                    if !PEOPLE.contains(txn, id)? {
                        PEOPLE.put(txn, id, person);
                        if person.missing_picture().is_some() {
                            // Only who is looked at gets a picture.
                            mark_person(txn, *id)?;
                        }
                    }
                }
                Ok(())
            }
            Self::Entries(entries) => {
                entries.iter().try_for_each(|entry| rebuild(txn, context, entry))
            }
            Self::Channel { root, index, months } => publish(txn, context, *root, index, months),
            Self::Publication { publication, coverage } => {
                PUBLICATION.put(txn, &(), publication);
                if let Some(coverage) = coverage {
                    COVERAGE.put(txn, &(), coverage);
                }
                erase_again(txn, context)
            }
        }
    }
}

fn rebuild(txn: &mut Txn<'_>, context: &Context, found: &RebuiltEntry) -> Result<(), StoreError> {
    let RebuiltEntry { key, content, .. } = found;
    // Whatever comes of it, the month is looked at again: what the page should not show leaves it.
    mark_changed(txn, key.root, key.message, context.publish_by())?;
    if TOMBSTONES.contains(txn, &key.message)? {
        return Ok(());
    }
    match ENTRIES.get(txn, key)? {
        Some(known) => {
            let arrived =
                known.hidden_at.is_none() && !matches!(known.state, EntryState::Stored(_));
            if let (true, Some((sha256, content))) = (arrived, content) {
                let (key, sha256, content) = (*key, *sha256, content.clone());
                return Stored { key, sha256, content, stamp: None }.apply(txn, context);
            }
            Ok(())
        }
        None if was_taken_off(txn, found)? => Ok(()),
        None => add(txn, context, found),
    }
}

/// Whether the catalogue knows an edit that the page does not, by which a file was taken off: it was erased since.
fn was_taken_off(txn: &Txn<'_>, found: &RebuiltEntry) -> Result<bool, StoreError> {
    let known = POSTS.get(txn, &found.key.message)?;
    Ok(known.is_some_and(|known| {
        known.edited > found.post.edited && !known.items.contains(&found.key.item)
    }))
}

fn add(
    txn: &mut Txn<'_>,
    context: &Context,
    RebuiltEntry { key, post, entry, content, removed }: &RebuiltEntry,
) -> Result<(), StoreError> {
    let (key, mut entry) = (*key, entry.clone());
    let known = POSTS.get(txn, &key.message)?;
    let mut whole = known.unwrap_or_else(|| Post { items: Vec::new(), ..post.clone() });
    if let Some(at) = removed {
        stay_marked(txn, context, key, *at)?;
    } else if !whole.items.contains(&key.item) {
        whole.items.push(key.item);
        whole.items.sort_unstable();
    }
    POSTS.put(txn, &key.message, &whole);
    // Its raw form is lost, and a second reading has to miss it all the same when Discord no longer has it.
    KEPT.put(txn, &(whole.channel, key.message), &());
    count(txn, Tally::Entries, 1)?;
    if let Some((sha256, content)) = content {
        if !CONTENTS.contains(txn, sha256)? {
            CONTENTS.put(txn, sha256, content);
            count_still(txn, None, content.look.as_ref())?;
        }
        USES.put(txn, &(*sha256, key), &());
        count(txn, Tally::Stored, 1)?;
        count(txn, Tally::StoredBytes, i64::try_from(content.size).unwrap_or(i64::MAX))?;
        entry.state = EntryState::Stored(*sha256);
    }
    if matches!(entry.state, EntryState::Gone { .. }) {
        count(txn, Tally::Gone, 1)?;
    }
    count_still(txn, None, entry.look.as_ref())?;
    let rank = rank_of(key, &entry, Lane::History);
    schedule(txn, context, key, &mut entry, rank, Sight::New)?;
    ENTRIES.put(txn, &key, &entry);
    Ok(())
}

/// The page may be older than the do-not-archive list, or a crash may have left its files: whatever of them came back
/// with it is erased once more, bytes and all, before anything is published.
fn erase_again(txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
    for (what, _) in FORGOTTEN.all(txn)? {
        erase::begin(txn, context, what)?;
    }
    forget_names(txn)
}

/// Takes over what is published of a channel. A month that only the catalogue calls published is not, so it is
/// published again.
fn publish(
    txn: &mut Txn<'_>,
    context: &Context,
    root: ChannelId,
    index: &IndexRow,
    months: &[(Month, ShardsRow)],
) -> Result<(), StoreError> {
    for (key, _) in SHARDS.below(txn, &root, usize::MAX)? {
        if !months.iter().any(|(month, _)| month.number() == key.1) {
            SHARDS.delete(txn, &key);
            if let Some(month) = Month::from_number(key.1) {
                let first = MessageId::at(month.start());
                mark_changed(txn, root, first, context.publish_by())?;
            }
        }
    }
    for (month, shards) in months {
        SHARDS.put(txn, &(root, month.number()), shards);
    }
    INDEXES.put(txn, &root, index);
    Ok(())
}

/// What was read is to be read again, since the catalogue does not hold what was found then.
#[derive(Clone, Copy, Debug)]
pub struct CoverageDoubted;

impl CoverageDoubted {
    pub(super) fn apply(txn: &mut Txn<'_>) -> Result<(), StoreError> {
        for (id, mut row) in PLACES.all(txn)? {
            row.coverage = Coverage::default();
            row.public_threads_until = None;
            PLACES.put(txn, &id, &row);
        }
        if let Some(row) = ARCHIVE.get(txn, &())? {
            ARCHIVE.put(txn, &(), &ArchiveRow { rebuilt: None, ..row });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            forget::Forgotten,
            id::AttachmentId,
            job::{Queue, Subject},
            message::Message,
            place::PlaceKind,
        },
        store::{
            Change, Forget,
            sample::{CHANNEL, World, content, edited, message, place, sha},
            tables::{JOBS, Word},
        },
    };

    const WREN: UserId = UserId(7);

    fn erase_all(world: &World) {
        while world.store.is_erasing().unwrap() {
            world.apply(Change::EraseSome);
        }
    }

    /// An entry of the page, whose bytes are in the bucket.
    fn on_page(seen: Message, file: u64) -> RebuiltEntry {
        let before = World::new();
        let key = EntryKey { root: CHANNEL, message: seen.id, item: AttachmentId(file) };
        before.see([seen]);
        before.apply(Stored { key, sha256: sha(1), content: content(1), stamp: None });
        let post = POSTS.get(&before.store.source(), &key.message).unwrap().unwrap();
        let post = Post { items: vec![key.item], ..post };
        let entry = Entry { state: EntryState::Remote, ..before.entry(key) };
        RebuiltEntry { key, post, entry, content: Some((sha(1), content(1))), removed: None }
    }

    #[test]
    fn a_file_that_was_taken_off_does_not_come_back_with_an_older_page() {
        // What the copy knows of a message whose second file was on the page, and the files after the page was read.
        let cases = [
            (edited(5, message(1, &[1])), message(1, &[1, 2]), vec![1]),
            (edited(5, message(1, &[])), message(1, &[2]), vec![]),
            (edited(5, message(1, &[1])), edited(4, message(1, &[1, 2])), vec![1]),
            // The copy is the older one.
            (message(1, &[1]), edited(5, message(1, &[1, 2])), vec![1, 2]),
            // One version of which an earlier restore knew one file.
            (edited(5, message(1, &[1])), edited(5, message(1, &[1, 2])), vec![1, 2]),
        ];
        for (copied, published, left) in cases {
            let world = World::new();
            world.see([copied]);
            world.apply(Rebuilt::Entries(vec![on_page(published, 2)]));
            let entries = ENTRIES.all(&world.store.source()).unwrap();
            let files: Vec<u64> = entries.iter().map(|(key, _)| key.item.0).collect();
            assert_eq!(files, left);
        }
    }

    #[test]
    fn what_is_on_the_list_does_not_come_back_with_the_page() {
        // An archive as it was before anybody was forgotten.
        let before = World::new();
        before.see([message(1, &[1])]);
        let person = PEOPLE.get(&before.store.source(), &WREN).unwrap().unwrap();
        let entry = on_page(message(1, &[1]), 1);

        for what in [Forgotten::User(WREN), Forgotten::Channel(CHANNEL)] {
            let world = World::new();
            world.apply(Forget { what: vec![what], word: Word::Keeper });
            erase_all(&world);
            let places = vec![PlaceRow::new(place(CHANNEL, PlaceKind::Text, None))];
            // Between one and the next, people and what they posted are not together yet.
            world.kv_only(|commit| {
                let publication = PublicationRow::default();
                for rebuilt in [
                    Rebuilt::Places { guilds: Vec::new(), places },
                    Rebuilt::Entries(vec![entry.clone()]),
                    Rebuilt::People(vec![(WREN, person.clone())]),
                    Rebuilt::Publication { publication, coverage: None },
                ] {
                    commit.add(&rebuilt.into())?;
                }
                Ok(())
            });
            erase_all(&world);
            let source = &world.store.source();
            assert!(
                ENTRIES.all(source).unwrap().is_empty() && POSTS.all(source).unwrap().is_empty()
            );
            assert!(PEOPLE.all(source).unwrap().is_empty(), "{what}");
            let leaves = JOBS.contains(source, &(Queue::Move, Subject::Content(sha(1)))).unwrap();
            assert!(leaves, "the bytes stay in the bucket");
            let row = PLACES.get(source, &CHANNEL).unwrap().unwrap();
            assert_eq!(row.place.name.is_empty(), what == Forgotten::Channel(CHANNEL));
        }
    }
}
