//! What a repair changes in the catalogue: what is to be done again, and what is lost for good.
//!
//! Each change may be made twice, and does nothing where what it mends is whole by now.

use super::{
    Context, Month, StoreError, Tally,
    people::mark_person,
    publication::mark_changed,
    removal::settle,
    table::Txn,
    tables::{
        CONTENTS, ENTRIES, INDEXES, JOBS, MonthKey, PEOPLE, POSTS, PUBLICATION, SHARDS, USES,
    },
    tally::count,
    work::{Sight, count_still, drop_job, rank_of, schedule},
};
use crate::domain::{
    entry::{Entry, EntryKey, EntryState, Sha256},
    id::{ChannelId, MessageId, UserId},
    job::{Lane, Queue, Subject},
    time,
};

/// Something is to be mended.
#[derive(Clone, Debug)]
pub enum Mended {
    /// Bytes can't be had any more: every entry that had them says so from now on.
    Lost {
        /// Which.
        sha256: Sha256,
        /// Why.
        why: String,
    },
    /// Discord has other bytes for the same files now: they are copied like new ones.
    Refetch(Sha256),
    /// A file is to be looked at again.
    Relook(Subject),
    /// Rows contradict each other: what an entry needs is decided anew.
    Reconsider(Subject),
    /// A month is to be published again, as if these shards of it had never been.
    Republish {
        /// Which.
        month: Month,
        /// Objects that are not what they should be.
        forget: Vec<String>,
    },
    /// The index of a channel is to be published again.
    Reindex(ChannelId),
    /// The manifest is to be written again though it says nothing new.
    Remanifest,
    /// The page's own files are to be written again.
    Repage,
    /// Somebody's picture is to be copied again.
    Recopy(UserId),
}

impl Mended {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        match self {
            Self::Lost { sha256, why } => {
                let gone = EntryState::Gone { at: context.now, why: why.clone() };
                release(txn, context, *sha256, &gone)
            }
            Self::Refetch(sha256) => release(txn, context, *sha256, &EntryState::Remote),
            Self::Relook(subject) => relook(txn, context, *subject),
            Self::Reconsider(Subject::Entry(key)) => reconsider(txn, context, *key),
            Self::Reconsider(Subject::Content(sha256)) => forget_unused(txn, *sha256),
            // Stills have no work of their own but to be brought home.
            Self::Reconsider(still @ Subject::Still(_)) => settle(txn, context, *still, None),
            Self::Republish { month, forget } => republish(txn, context, *month, forget),
            Self::Reindex(root) => reindex(txn, context, *root),
            Self::Remanifest => republish_root(txn, |row| row.content = None),
            Self::Repage => republish_root(txn, |row| row.page = None),
            Self::Recopy(user) => {
                let Some(mut person) = PEOPLE.get(txn, user)? else { return Ok(()) };
                person.copied = None;
                PEOPLE.put(txn, user, &person);
                mark_person(txn, *user)
            }
        }
    }
}

/// Takes bytes from every entry that has them, and from the catalogue.
fn release(
    txn: &mut Txn<'_>,
    context: &Context,
    sha256: Sha256,
    state: &EntryState,
) -> Result<(), StoreError> {
    let Some(content) = CONTENTS.get(txn, &sha256)? else { return Ok(()) };
    let size = i64::try_from(content.size).unwrap_or(i64::MAX);
    drop_job(txn, Queue::Thumbnail, Subject::Content(sha256))?;
    count_still(txn, content.look.as_ref(), None)?;
    let uses = USES.below(txn, &sha256, usize::MAX)?;
    CONTENTS.delete(txn, &sha256);
    for ((_, key), ()) in uses {
        USES.delete(txn, &(sha256, key));
        let Some(mut entry) = ENTRIES.get(txn, &key)? else { continue };
        if entry.state != EntryState::Stored(sha256) {
            continue;
        }
        let shown = entry.is_shown(&context.policy);
        count(txn, Tally::Stored, -1)?;
        count(txn, Tally::StoredBytes, -size)?;
        entry.state = state.clone();
        count(txn, Tally::Gone, i64::from(matches!(state, EntryState::Gone { .. })))?;
        decide(txn, context, key, &mut entry)?;
        if shown || entry.is_shown(&context.policy) {
            mark_changed(txn, key.root, key.message, context.publish_by())?;
        }
    }
    Ok(())
}

/// Decides what an entry needs, and writes it.
fn decide(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
    entry: &mut Entry,
) -> Result<(), StoreError> {
    let rank = rank_of(key, entry, Lane::History);
    schedule(txn, context, key, entry, rank, Sight::Known)?;
    ENTRIES.put(txn, &key, entry);
    Ok(())
}

fn relook(txn: &mut Txn<'_>, context: &Context, subject: Subject) -> Result<(), StoreError> {
    let users = match subject {
        Subject::Content(sha256) => {
            let Some(mut content) = CONTENTS.get(txn, &sha256)? else { return Ok(()) };
            let old = content.look.take();
            count_still(txn, old.as_ref(), None)?;
            CONTENTS.put(txn, &sha256, &content);
            USES.below(txn, &sha256, usize::MAX)?.into_iter().map(|((_, key), ())| key).collect()
        }
        Subject::Entry(key) => vec![key],
        Subject::Still(_) => return Ok(()),
    };
    for key in users {
        let Some(mut entry) = ENTRIES.get(txn, &key)? else { continue };
        if let Subject::Entry(_) = subject {
            let old = entry.look.take();
            count_still(txn, old.as_ref(), None)?;
        }
        decide(txn, context, key, &mut entry)?;
        if entry.is_shown(&context.policy) {
            mark_changed(txn, key.root, key.message, context.publish_by())?;
        }
    }
    Ok(())
}

fn reconsider(txn: &mut Txn<'_>, context: &Context, key: EntryKey) -> Result<(), StoreError> {
    let Some(mut entry) = ENTRIES.get(txn, &key)? else { return Ok(()) };
    if !POSTS.contains(txn, &key.message)? {
        // Only Discord knows what belonged to it; reading the message again brings both back.
        return Ok(());
    }
    if let EntryState::Stored(sha256) = entry.state {
        if CONTENTS.contains(txn, &sha256)? {
            USES.put(txn, &(sha256, key), &());
        } else {
            USES.delete(txn, &(sha256, key));
            entry.state = EntryState::Remote;
            count(txn, Tally::Stored, -1)?;
        }
    }
    decide(txn, context, key, &mut entry)?;
    mark_changed(txn, key.root, key.message, context.publish_by())
}

/// What no entry uses is no longer kept; its object is then one that nothing names.
fn forget_unused(txn: &mut Txn<'_>, sha256: Sha256) -> Result<(), StoreError> {
    let Some(content) = CONTENTS.get(txn, &sha256)? else { return Ok(()) };
    if USES.below(txn, &sha256, 1)?.is_empty() {
        if JOBS.contains(txn, &(Queue::Thumbnail, Subject::Content(sha256)))? {
            drop_job(txn, Queue::Thumbnail, Subject::Content(sha256))?;
        }
        count_still(txn, content.look.as_ref(), None)?;
        CONTENTS.delete(txn, &sha256);
    }
    Ok(())
}

fn republish(
    txn: &mut Txn<'_>,
    context: &Context,
    month: Month,
    forget: &[String],
) -> Result<(), StoreError> {
    let key: MonthKey = (month.root, month.month.number());
    if let Some(mut row) = SHARDS.get(txn, &key)? {
        row.shards.retain(|shard| !forget.contains(&shard.path));
        SHARDS.put(txn, &key, &row);
    }
    mark_changed(txn, month.root, MessageId::at(month.month.start()), context.now)
}

/// An index is written with a month of its channel.
fn reindex(txn: &mut Txn<'_>, context: &Context, root: ChannelId) -> Result<(), StoreError> {
    if let Some(mut row) = INDEXES.get(txn, &root)? {
        row.path = None;
        INDEXES.put(txn, &root, &row);
    }
    let months = SHARDS.below(txn, &root, 1)?;
    let month = months.first().and_then(|((_, number), _)| time::Month::from_number(*number));
    match month {
        Some(month) => mark_changed(txn, root, MessageId::at(month.start()), context.now),
        None => Ok(()),
    }
}

fn republish_root(
    txn: &mut Txn<'_>,
    change: impl FnOnce(&mut super::PublicationRow),
) -> Result<(), StoreError> {
    let Some(mut row) = PUBLICATION.get(txn, &())? else { return Ok(()) };
    change(&mut row);
    PUBLICATION.put(txn, &(), &row);
    txn.hint(super::Hint::Publish);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{entry::Look, job::JobState},
        store::{
            Looked, Stored, Tally,
            sample::{CHANNEL, World, content, key, message, sha},
        },
    };

    /// Two messages with the same file, copied and looked at.
    fn world() -> World {
        let world = World::new();
        world.see([message(1, &[1]), message(2, &[1])]);
        for second in [1, 2] {
            let stored =
                Stored { key: key(second, 1), sha256: sha(9), content: content(9), stamp: Some(5) };
            world.apply(stored);
        }
        look(&world);
        world
    }

    fn look(world: &World) {
        let still = Some("thumb/9.webp".to_owned());
        let subject = Subject::Content(sha(9));
        world.apply(Looked { subject, look: Look { still, ..Look::default() } });
    }

    fn tally(world: &World, tally: Tally) -> u64 {
        world.store.tallies().unwrap().get(tally)
    }

    #[test]
    fn what_is_lost_is_lost_for_all_who_shared_it() {
        let world = world();
        world.end_publication(world.begin_publication());
        let why = "its message is gone".to_owned();
        world.apply(Mended::Lost { sha256: sha(9), why: why.clone() });
        for second in [1, 2] {
            let EntryState::Gone { why: told, .. } = world.entry(key(second, 1)).state else {
                panic!("entry {second} is not gone");
            };
            assert_eq!(told, why);
        }
        assert_eq!(world.store.content(sha(9)).unwrap(), None);
        assert_eq!((tally(&world, Tally::Gone), tally(&world, Tally::StoredBytes)), (2, 0));
        assert!(!world.store.changed_months().unwrap().is_empty(), "the page is to say so");
        // Twice is once.
        world.apply(Mended::Lost { sha256: sha(9), why });
        assert_eq!(tally(&world, Tally::Gone), 2);
    }

    #[test]
    fn what_discord_changed_is_copied_anew() {
        let world = world();
        world.apply(Mended::Refetch(sha(9)));
        assert_eq!(world.downloads(9), [key(2, 1), key(1, 1)]);
        assert_eq!(tally(&world, Tally::Stills), 0);
    }

    #[test]
    fn a_still_is_made_again() {
        let world = world();
        world.apply(Mended::Relook(Subject::Content(sha(9))));
        assert!(world.store.awaits(Subject::Content(sha(9))).unwrap());
        assert_eq!(tally(&world, Tally::Stills), 0);
        look(&world);
        assert!(!world.store.awaits(Subject::Content(sha(9))).unwrap());
        assert_eq!(tally(&world, Tally::Stills), 1);
    }

    type Damage = fn(&mut Txn<'_>);

    #[test]
    fn contradictions_are_found_and_mended() {
        let policy = World::new().policy.borrow().clone();
        let found = |world: &World| -> Vec<&'static str> {
            let examined = world.store.examine(None, 9, &policy).unwrap().contradictions;
            let contents = world.store.examine_contents(None, 9).unwrap().1.into_iter();
            // The names of these tests' objects are no hashes.
            let contents = contents.filter(|found| !found.what.contains("name"));
            examined.into_iter().chain(contents).map(|found| found.what).collect()
        };
        let damages: [(Damage, &str); 4] = [
            (|txn| CONTENTS.delete(txn, &sha(9)), "is said to be in the bucket, but not where"),
            (
                |txn| USES.delete(txn, &(sha(9), key(1, 1))),
                "is in the bucket, but not counted among those who use its bytes",
            ),
            (
                |txn| drop_job(txn, Queue::Download, Subject::Entry(key(3, 1))).unwrap(),
                "is wanted, and nobody would ever fetch it",
            ),
            (|txn| POSTS.delete(txn, &key(1, 1).message), "belongs to no message"),
        ];
        for (damage, what) in damages {
            let world = world();
            world.see([message(3, &[1])]);
            assert_eq!(found(&world), Vec::<&str>::new());
            let mut txn = Txn::new(world.store.source());
            damage(&mut txn);
            world.store.source().commit(&txn.into_kept().0).unwrap();
            assert!(found(&world).contains(&what), "{what}: {:?}", found(&world));
        }
    }

    #[test]
    fn an_entry_that_nobody_would_fetch_is_fetched() {
        let world = world();
        world.see([message(3, &[1])]);
        let subject = Subject::Entry(key(3, 1));
        let mut txn = Txn::new(world.store.source());
        drop_job(&mut txn, Queue::Download, subject).unwrap();
        world.store.source().commit(&txn.into_kept().0).unwrap();
        world.apply(Mended::Reconsider(subject));
        let job = JOBS.get(&world.store.source(), &(Queue::Download, subject)).unwrap();
        assert_eq!(job.map(|job| job.state), Some(JobState::Ready));
    }

    #[test]
    fn a_month_is_published_again_without_what_is_damaged() {
        let world = world();
        world.end_publication(world.begin_publication());
        let month = Month { root: CHANNEL, month: key(1, 1).message.created_at().month() };
        let path = world.store.published_shards(month).unwrap().shards[0].path.clone();
        world.apply(Mended::Republish { month, forget: vec![path] });
        assert!(world.store.published_shards(month).unwrap().shards.is_empty());
        assert!(world.store.is_changed(month).unwrap());
        world.apply(Mended::Remanifest);
        assert_eq!(world.store.publication().unwrap().unwrap().content, None);
    }

    #[test]
    fn what_was_put_is_known_by_its_stamp() {
        let seal = world().store.seal("media/9.mp4").unwrap().expect("it was put");
        assert_eq!((seal.size, seal.stamp), (900, 5));
    }
}
