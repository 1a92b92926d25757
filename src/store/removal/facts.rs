//! Whether something is still to be seen on Discord, and by whom: told by tombstones, by messages as they are now, and
//! by places.

use super::{bring_back, remove, stand, walk};
use crate::{
    domain::{
        entry::EntryKey,
        id::{ChannelId, MessageId},
        message::Message,
        place::Place,
        time::Timestamp,
    },
    store::{
        Context, Hint, Store, StoreError, Tally,
        erase::channel_of,
        table::{Part, Source, Txn},
        tables::{
            ENTRIES, KEPT_WALKS, KeptWalkRow, LEFT_OUT, LOST, PLACES, POSTS, REMOVED, REMOVED_AT,
            RemovedRow, TOMBSTONES,
        },
        tally::count,
    },
};

/// Writes down that a place was deleted on Discord. Its entries are gone through for it.
pub(in crate::store) fn lose_place(
    txn: &mut Txn<'_>,
    context: &Context,
    place: &Place,
) -> Result<(), StoreError> {
    if !LOST.contains(txn, &(Part, place.id))? {
        LOST.put(txn, &(Part, place.id), &context.now);
        walk(txn, place.root());
        walk_kept(txn, place.id);
    }
    Ok(())
}

/// A message of a lost place that comes late, on a page that was asked for before or as an event that others overtook,
/// goes the way of those that were there.
pub(in crate::store) fn lose_late(
    txn: &mut Txn<'_>,
    context: &Context,
    message: &Message,
    place: &Place,
) -> Result<(), StoreError> {
    let Some(lost) = place_lost(txn, place.id, place.root())? else { return Ok(()) };
    REMOVED_AT.put(txn, &(context.now.max(lost), message.id), &());
    txn.hint(Hint::Tend);
    let Some(post) = POSTS.get(txn, &message.id)? else { return Ok(()) };
    let items = message.attachments.iter().map(|attachment| attachment.id);
    let keys: Vec<_> =
        items.map(|item| EntryKey { root: post.root, message: message.id, item }).collect();
    remove(txn, context, &keys)
}

/// Whether a place is believed to be deleted.
pub(in crate::store) fn is_lost(
    source: &impl Source,
    place: ChannelId,
) -> Result<bool, StoreError> {
    LOST.contains(source, &(Part, place))
}

/// A place that was believed to be deleted is there.
pub(in crate::store) fn find(txn: &mut Txn<'_>, place: &Place) -> Result<(), StoreError> {
    if LOST.contains(txn, &(Part, place.id))? {
        LOST.delete(txn, &(Part, place.id));
        walk(txn, place.root());
    }
    Ok(())
}

/// Whether the page goes without the place that holds an entry.
pub(in crate::store) fn is_left_out(
    source: &impl Source,
    key: EntryKey,
) -> Result<bool, StoreError> {
    let left_out = LEFT_OUT.below(source, &(Part::<0>, key.root), usize::MAX)?;
    if left_out.is_empty() {
        return Ok(false);
    }
    let place = POSTS.get(source, &key.message)?.map_or(key.root, |post| post.channel);
    Ok(left_out.iter().any(|((_, _, id), ())| *id == place))
}

/// Has what was kept of places that are lost gone through once more.
pub(in crate::store) fn walk_lost(txn: &mut Txn<'_>) -> Result<(), StoreError> {
    for ((_, place), _) in LOST.below(txn, &Part::<5>, usize::MAX)? {
        walk_kept(txn, place);
    }
    Ok(())
}

/// Has the kept messages of a lost place gone through. Of some no file is left that entries tell of: it was taken off,
/// or there never was one.
fn walk_kept(txn: &mut Txn<'_>, place: ChannelId) {
    KEPT_WALKS.put(txn, &(Part, place), &KeptWalkRow::default());
    txn.hint(Hint::Tend);
}

/// Since when the place that holds a message is deleted, whatever is kept of the message.
pub(super) fn lost_with(
    txn: &Txn<'_>,
    message: MessageId,
) -> Result<Option<Timestamp>, StoreError> {
    let post = POSTS.get(txn, &message)?;
    let Some(channel) = channel_of(txn, message, post.as_ref())? else { return Ok(None) };
    let root = match post {
        Some(post) => post.root,
        None => PLACES.get(txn, &channel)?.map_or(channel, |row| row.place.root()),
    };
    place_lost(txn, channel, root)
}

/// Since when a place is deleted.
pub(super) fn place_lost(
    source: &impl Source,
    channel: ChannelId,
    root: ChannelId,
) -> Result<Option<Timestamp>, StoreError> {
    match LOST.get(source, &(Part, channel))? {
        Some(at) => Ok(Some(at)),
        None => LOST.get(source, &(Part, root)),
    }
}

/// Goes through entries once more: what became of them on Discord, what is wanted of them, and where they are shown.
pub(in crate::store) fn look_again(
    txn: &mut Txn<'_>,
    context: &Context,
    keys: &[EntryKey],
) -> Result<(), StoreError> {
    let mut gone = Vec::new();
    for key in keys {
        let Some(entry) = ENTRIES.get(txn, key)? else { continue };
        match (is_gone(txn, *key)?, REMOVED.contains(txn, key)?, entry.hidden_at) {
            // Hidden by an earlier version, which kept no such list.
            (true, false, Some(at)) => {
                REMOVED.put(txn, key, &RemovedRow { at, kept: false });
                REMOVED_AT.put(txn, &(at, key.message), &());
                count(txn, Tally::Removed, 1)?;
            }
            (true, false, None) => gone.push(*key),
            (false, true, _) => bring_back(txn, *key)?,
            (true, true, _) | (false, false, _) => {}
        }
    }
    remove(txn, context, &gone)?;
    for key in keys.iter().filter(|key| !gone.contains(key)) {
        if let Some(entry) = ENTRIES.get(txn, key)? {
            stand(txn, context, *key, entry)?;
        }
    }
    Ok(())
}

fn is_gone(source: &impl Source, key: EntryKey) -> Result<bool, StoreError> {
    if TOMBSTONES.contains(source, &key.message)? {
        return Ok(true);
    }
    let Some(post) = POSTS.get(source, &key.message)? else { return Ok(false) };
    let taken_off = !post.items.contains(&key.item);
    Ok(taken_off || place_lost(source, post.channel, post.root)?.is_some())
}

impl Store {
    /// The places that the page goes without, each with the channel under which it would show them.
    pub fn left_out(&self) -> Result<Vec<(ChannelId, ChannelId)>, StoreError> {
        let rows = LEFT_OUT.below(&self.source(), &Part::<0>, usize::MAX)?;
        Ok(rows.into_iter().map(|((_, root, place), ())| (root, place)).collect())
    }

    /// Places that were deleted on Discord.
    pub fn lost_places(&self) -> Result<Vec<ChannelId>, StoreError> {
        let rows = LOST.below(&self.source(), &Part::<5>, usize::MAX)?;
        Ok(rows.into_iter().map(|((_, place), _)| place).collect())
    }
}
