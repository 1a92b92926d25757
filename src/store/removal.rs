//! What is no longer to be seen on Discord, or not by everybody: it leaves the page, its bytes leave the public bucket,
//! and in time it is erased, unless so much goes at once that a person should look first.
//!
//! Persistence applies what is here, between other changes and in small steps; a crash loses none of it, since each step
//! is written down with the reason for the next. Nothing is erased in the commit that hears of a deletion: it is hidden
//! first, so that a wave of deletions is seen for what it is before anything of it is gone.

mod facts;
mod home;
mod hold;
mod upkeep;

use super::{
    Context, Hint, StoreError, Tally,
    publication::mark_changed,
    table::{Part, Txn},
    tables::{ENTRIES, LEFT_OUT, MASS, RECALLED, REMOVED, REMOVED_AT, Reached, SHARDS},
    tables::{RemovedRow, WALKS, WalkRow},
    tally::{count, counted},
    work::{Sight, rank_of, schedule},
};
use crate::domain::{
    entry::{Entry, EntryKey},
    id::{ChannelId, MessageId},
    job::Lane,
    removal::OnDelete,
    time::{Month, Timestamp},
};

pub(super) use self::{
    facts::{find, is_left_out, is_lost, look_again, lose_late, lose_place, walk_lost},
    hold::{allow_erasing, keep_deleted},
    home::{
        begin_chore, chore_of, leave_still, settle, share_still, still_put, unused,
        waits_for_publication,
    },
    upkeep::tend,
};
pub use self::{home::Moved, upkeep::Tended};

/// What of the places is shown has changed.
#[derive(Clone, Debug)]
pub struct PlacesShown {
    /// The page goes without these from now on, each with the channel under which it would show them.
    pub withdrawn: Vec<(ChannelId, ChannelId)>,
    /// These are shown again.
    pub returned: Vec<(ChannelId, ChannelId)>,
}

impl PlacesShown {
    /// The months that show anything of a place are published again at once; its entries are gone through after that.
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        for (root, place) in &self.withdrawn {
            LEFT_OUT.put(txn, &(Part, *root, *place), &());
            for ((_, month), _) in SHARDS.below(txn, root, usize::MAX)? {
                if let Some(month) = Month::from_number(month) {
                    let message = MessageId::at(month.start());
                    mark_changed(txn, *root, message, context.now)?;
                    recall(txn, *root, message)?;
                }
            }
            walk(txn, *root);
        }
        for (root, place) in &self.returned {
            LEFT_OUT.delete(txn, &(Part, *root, *place));
            walk(txn, *root);
        }
        Ok(())
    }
}

/// Writes down that files are no longer to be seen on Discord, and takes them off the page unless they are to stay.
/// They are counted together, before anything becomes of any.
pub(super) fn remove(
    txn: &mut Txn<'_>,
    context: &Context,
    keys: &[EntryKey],
) -> Result<(), StoreError> {
    let mut fresh = Vec::new();
    for key in keys {
        let known = REMOVED.get(txn, key)?;
        if ENTRIES.contains(txn, key)? && known.as_ref().is_none_or(|known| known.kept) {
            fresh.push((*key, known.is_none()));
        }
    }
    let new = fresh.iter().filter(|(_, new)| *new).count();
    let held = count_wave(txn, context, u64::try_from(new).unwrap_or(u64::MAX))?;
    for (key, new) in fresh {
        REMOVED.put(txn, &key, &RemovedRow { at: context.now, kept: false });
        count(txn, Tally::Removed, i64::from(new))?;
        plan_erasure(txn, context, key.message);
        if context.policy.removal.on_delete == OnDelete::Erase && !held {
            recall(txn, key.root, key.message)?;
        }
        let Some(entry) = ENTRIES.get(txn, &key)? else { continue };
        stand(txn, context, key, entry)?;
    }
    Ok(())
}

/// Writes down of a file that the page shows with a mark since when it is no longer to be seen on Discord. Where
/// deletions hide, a person said that it is to stay.
pub(super) fn stay_marked(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
    at: Timestamp,
) -> Result<(), StoreError> {
    let kept = context.policy.removal.hides();
    REMOVED.put(txn, &key, &RemovedRow { at, kept });
    if !kept {
        REMOVED_AT.put(txn, &(at, key.message), &());
    }
    count(txn, Tally::Removed, 1)
}

/// Has what is kept of a message looked at when its time to be erased has come.
pub(super) fn plan_erasure(txn: &mut Txn<'_>, context: &Context, message: MessageId) {
    REMOVED_AT.put(txn, &(context.now, message), &());
    txn.hint(Hint::Tend);
}

/// A file is to be seen again. The caller has it shown.
pub(super) fn bring_back(txn: &mut Txn<'_>, key: EntryKey) -> Result<(), StoreError> {
    if REMOVED.contains(txn, &key)? {
        REMOVED.delete(txn, &key);
        count(txn, Tally::Removed, -1)?;
    }
    Ok(())
}

/// Has the entries of a channel gone through, from the first one on.
pub(super) fn walk(txn: &mut Txn<'_>, root: ChannelId) {
    WALKS.put(txn, &(Part, root), &WalkRow::default());
    txn.hint(Hint::Tend);
}

/// Says that what is published of a month must go with the next publication, not an hour later.
pub(super) fn recall(
    txn: &mut Txn<'_>,
    root: ChannelId,
    message: MessageId,
) -> Result<(), StoreError> {
    let month = (root, message.created_at().month().number());
    let changes = super::tally::number_change(txn)?;
    RECALLED.put(txn, &(Part, month), &Reached { changes });
    Ok(())
}

/// Puts an entry where it belongs: on the page or off it, with the work that it needs and its bytes at home.
fn stand(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
    mut entry: Entry,
) -> Result<(), StoreError> {
    let removed = REMOVED.get(txn, &key)?;
    let hides = context.policy.removal.hides();
    let hidden_at = removed.as_ref().filter(|row| hides && !row.kept).map(|row| row.at);
    let (before, was_shown) = (entry.clone(), entry.is_shown(&context.policy));
    entry.hidden_at = hidden_at;
    let rank = rank_of(key, &entry, Lane::History);
    schedule(txn, context, key, &mut entry, rank, Sight::Known)?;
    let shown = entry.is_shown(&context.policy);
    if entry != before {
        ENTRIES.put(txn, &key, &entry);
    }
    // What stays on the page is marked there.
    if shown != was_shown || shown && removed.is_some() {
        mark_changed(txn, key.root, key.message, context.publish_by())?;
    }
    Ok(())
}

/// Counts files that were just deleted, and tells whether deletions are held back.
fn count_wave(txn: &mut Txn<'_>, context: &Context, new: u64) -> Result<bool, StoreError> {
    let mut row = MASS.get(txn, &Part)?.unwrap_or_default();
    if new == 0 {
        return Ok(row.held.is_some());
    }
    let removed = counted(txn, Tally::Removed)?;
    let whole = counted(txn, Tally::Entries)?.saturating_sub(removed);
    let lately =
        |row: &super::tables::MassRow| row.wave.deleted.iter().map(|(_, n)| n).sum::<u64>();
    let since = row.wave.add(context.now, new, whole, &context.policy.removal);
    match (&mut row.held, since) {
        (Some(held), _) => held.files += new,
        (None, Some(since)) => {
            let files = lately(&row);
            row.held = Some(super::tables::Held { since, files });
        }
        (None, None) => {}
    }
    let held = row.held.is_some();
    MASS.put(txn, &Part, &row);
    Ok(held)
}

#[cfg(test)]
mod tests;
