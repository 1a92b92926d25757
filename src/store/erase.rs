//! Erasing: taking a message, a file or a person out of the catalogue as if they had never been there.
//!
//! Persistence calls it inside a change, so a row is gone with everything that led to it or not at all. Bytes that
//! nobody has any more are a job from here on, and other objects are named as garbage: all of them go once no manifest
//! leads to them any more, and nothing is held back for readers ([`Store::purge`]). A crash in between leaves the
//! aftermath in the store, and the publisher's first round attends to it.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    Context, Hint, Store, StoreError, Tally,
    erasure::mark_erased,
    publication::mark_changed,
    record::forget_parked,
    removal::{bring_back, leave_still, recall, settle},
    table::Txn,
    tables::{
        AFTERMATH, CONTENTS, ENTRIES, GARBAGE, KEPT, PARKED_MESSAGES, PEOPLE, PEOPLE_CHANGED,
        POSTS, RAW, SEALS, TOMBSTONES, USES,
    },
    tables::{AftermathRow, Tombstone},
    tally::{count, number_change},
    work::{Sight, count_still, rank_of, schedule},
};
use crate::domain::{
    entry::{Entry, EntryKey, EntryState, Post, Sha256},
    forget::{Erased, Forgotten},
    id::{ChannelId, MessageId, UserId},
    job::{Lane, Subject},
};

mod step;

pub(super) use self::step::{begin, step};

/// What is left of a message that was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    /// A tombstone, so that an older sight does not bring it back.
    Tombstone(ChannelId),
    /// Nothing that was not there.
    Nothing,
}

/// What was taken out with a message.
#[derive(Debug, Default)]
pub(super) struct TakenOut {
    /// How much.
    pub(super) erased: Erased,
    /// Who had posted it, where that was known.
    pub(super) author: Option<UserId>,
    /// Bytes that stay, because other entries have them too.
    pub(super) shared: BTreeSet<Sha256>,
}

/// Erases a message with all its files, removed ones included: entries, links, jobs, raw and parked form, and the bytes
/// that nobody else posted. Its author goes too, a little later, when nothing else of theirs is left.
pub(super) fn erase_message(
    txn: &mut Txn<'_>,
    context: &Context,
    id: MessageId,
    trace: Trace,
) -> Result<Erased, StoreError> {
    let TakenOut { mut erased, author, shared } = take_out(txn, context, id)?;
    erased.shared = u64::try_from(shared.len()).unwrap_or(u64::MAX);
    if let Trace::Tombstone(channel) = trace
        && !TOMBSTONES.contains(txn, &id)?
    {
        TOMBSTONES.put(txn, &id, &Tombstone { at: context.now, channel });
        count(txn, Tally::Deleted, 1)?;
    }
    if erased.messages > 0 {
        note(txn, context, author.map(|author| (author, None)))?;
    }
    Ok(erased)
}

/// Erases one file of a message, and leaves the message.
pub(super) fn erase_entry(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
) -> Result<Erased, StoreError> {
    if !ENTRIES.contains(txn, &key)? {
        return Ok(Erased::default());
    }
    let mut out = TakenOut::default();
    remove(txn, context, key, &mut out)?;
    out.erased.shared = u64::try_from(out.shared.len()).unwrap_or(u64::MAX);
    let author = POSTS.get(txn, &key.message)?.map(|mut post| {
        post.items.retain(|item| *item != key.item);
        POSTS.put(txn, &key.message, &post);
        (post.author, None)
    });
    note(txn, context, author)?;
    Ok(out.erased)
}

/// Takes a message out. The caller sees to its author, and has the aftermath noted.
pub(super) fn take_out(
    txn: &mut Txn<'_>,
    context: &Context,
    id: MessageId,
) -> Result<TakenOut, StoreError> {
    let mut out = TakenOut::default();
    let post = POSTS.get(txn, &id)?;
    let known = post.is_some() || RAW.contains(txn, &id)? || PARKED_MESSAGES.contains(txn, &id)?;
    out.erased.messages = u64::from(known);
    let channel = channel_of(txn, id, post.as_ref())?;
    if let Some(post) = post {
        // Files that were taken off the message are still there, though the post no longer tells of them.
        for (key, _) in ENTRIES.below(txn, &(post.root, id), usize::MAX)? {
            remove(txn, context, key, &mut out)?;
        }
        POSTS.delete(txn, &id);
        out.author = Some(post.author);
    }
    if let Some(channel) = channel {
        KEPT.delete(txn, &(channel, id));
    }
    RAW.delete(txn, &id);
    forget_parked(txn, id)?;
    Ok(out)
}

/// The channel under which a message is indexed.
pub(super) fn channel_of(
    txn: &Txn<'_>,
    id: MessageId,
    post: Option<&Post>,
) -> Result<Option<ChannelId>, StoreError> {
    /// What is read of a raw message.
    #[derive(Deserialize)]
    struct Head {
        channel_id: ChannelId,
    }
    if let Some(post) = post {
        return Ok(Some(post.channel));
    }
    if let Some(parked) = PARKED_MESSAGES.get(txn, &id)? {
        return Ok(Some(parked.channel));
    }
    let Some(raw) = RAW.get(txn, &id)? else { return Ok(None) };
    Ok(serde_json::from_str::<Head>(&raw.text()?).ok().map(|head| head.channel_id))
}

fn remove(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
    out: &mut TakenOut,
) -> Result<(), StoreError> {
    let Some(mut entry) = ENTRIES.get(txn, &key)? else { return Ok(()) };
    // Published or not: the next publication is made without it. Its bytes wait for that one, and not for the one that
    // may be under way with it, so this comes before they are given up.
    recall(txn, key.root, key.message)?;
    mark_changed(txn, key.root, key.message, context.now)?;
    // What is hidden needs nothing, so whatever is to be done for it ends here.
    entry.hidden_at = entry.hidden_at.or(Some(context.now));
    let rank = rank_of(key, &entry, Lane::History);
    schedule(txn, context, key, &mut entry, rank, Sight::Known)?;
    ENTRIES.delete(txn, &key);
    let Entry { look, state, .. } = entry;
    match state {
        EntryState::Stored(sha256) => release(txn, context, key, sha256, out)?,
        EntryState::Gone { .. } => count(txn, Tally::Gone, -1)?,
        EntryState::Remote | EntryState::Parked { .. } => {}
    }
    count(txn, Tally::Entries, -1)?;
    bring_back(txn, key)?;
    if look.as_ref().is_some_and(|look| look.still.is_some()) {
        out.erased.stills += 1;
    }
    count_still(txn, look.as_ref(), None)?;
    leave_still(txn, context, Subject::Entry(key), look.as_ref())?;
    out.erased.entries += 1;
    Ok(())
}

/// Gives up an entry's share in some bytes. With the last share the bytes go.
fn release(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
    sha256: Sha256,
    out: &mut TakenOut,
) -> Result<(), StoreError> {
    USES.delete(txn, &(sha256, key));
    let Some(content) = CONTENTS.get(txn, &sha256)? else { return Ok(()) };
    count(txn, Tally::Stored, -1)?;
    count(txn, Tally::StoredBytes, i64::try_from(content.size).map_or(i64::MIN, |size| -size))?;
    if !USES.below(txn, &sha256, 1)?.is_empty() {
        out.shared.insert(sha256);
        // They may be left with those that are hidden.
        return settle(txn, context, Subject::Content(sha256), None);
    }
    out.shared.remove(&sha256);
    out.erased.files += 1;
    out.erased.bytes += content.size;
    out.erased.stills += u64::from(content.look.is_some_and(|look| look.still.is_some()));
    // With the last who had them gone, the bytes and their still leave every bucket.
    settle(txn, context, Subject::Content(sha256), None)
}

/// Has an object deleted from the bucket as soon as nothing leads to it. Should something else still have the same
/// bytes then, it stays: that is found out when it is to be deleted.
pub(super) fn discard(txn: &mut Txn<'_>, context: &Context, object: String) {
    SEALS.delete(txn, &object);
    GARBAGE.put(txn, &(context.now, object), &());
}

/// Erases what is known of a person.
fn erase_person(txn: &mut Txn<'_>, context: &Context, user: UserId) -> Result<Erased, StoreError> {
    let Some(person) = PEOPLE.get(txn, &user)? else { return Ok(Erased::default()) };
    PEOPLE.delete(txn, &user);
    PEOPLE_CHANGED.delete(txn, &user);
    let avatars = u64::from(person.copied.is_some());
    if let Some(copied) = person.copied {
        discard(txn, context, copied.object);
    }
    Ok(Erased { people: 1, avatars, ..Erased::default() })
}

/// Notes that something was erased, and of whom.
pub(super) fn note(
    txn: &mut Txn<'_>,
    context: &Context,
    authors: impl IntoIterator<Item = (UserId, Option<Forgotten>)>,
) -> Result<(), StoreError> {
    let mut row = AFTERMATH.get(txn, &())?.unwrap_or_default();
    row.erased_at = context.now;
    row.erased = number_change(txn)?;
    mark_erased(txn)?;
    for (author, cause) in authors {
        row.leavers.entry(author).or_insert(cause);
        // Whoever is new among them was not looked for in what was gone through.
        row.leavers_to = MessageId::FIRST;
    }
    AFTERMATH.put(txn, &(), &row);
    txn.hint(Hint::Publish);
    Ok(())
}

/// Somebody has something in the archive again, so their name stays.
pub(super) fn note_stay(txn: &mut Txn<'_>, author: UserId) -> Result<(), StoreError> {
    let Some(mut row) = AFTERMATH.get(txn, &())? else { return Ok(()) };
    if row.leavers.remove(&author).is_some() {
        AFTERMATH.put(txn, &(), &row);
    }
    Ok(())
}

/// What was erased and may still be in the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purge {
    /// The number of the last erasure.
    number: u64,
}

/// Everything that was erased up to some moment has left the bucket, and every file that named it.
#[derive(Clone, Copy, Debug)]
pub struct Purged(pub Purge);

impl Purged {
    pub(super) fn apply(self, txn: &mut Txn<'_>) -> Result<(), StoreError> {
        let Some(row) = AFTERMATH.get(txn, &())? else { return Ok(()) };
        let purged = row.purged.max(self.0.number);
        if purged != row.purged {
            AFTERMATH.put(txn, &(), &AftermathRow { purged, ..row });
        }
        Ok(())
    }
}

impl Store {
    /// Whether something is yet to be erased from the catalogue.
    pub fn is_erasing(&self) -> Result<bool, StoreError> {
        let source = self.source();
        let leavers = || {
            let row = AFTERMATH.get(&source, &())?;
            Ok::<_, StoreError>(row.is_some_and(|row| !row.leavers.is_empty()))
        };
        Ok(!super::tables::ERASURES.after(&source, None, 1)?.is_empty() || leavers()?)
    }

    /// What is no longer in the catalogue and may still be in the bucket, if anything.
    pub fn purge(&self) -> Result<Option<Purge>, StoreError> {
        let row = AFTERMATH.get(&self.source(), &())?;
        Ok(row.filter(|row| row.purged < row.erased).map(|row| Purge { number: row.erased }))
    }
}

#[cfg(test)]
mod tests;
