//! What is done between other changes, in small steps: going through channels that changed, showing again what a person
//! kept, and erasing what has been hidden for long enough.

use std::time::Duration;

use super::{
    facts::{look_again, lost_with},
    hold::held_since,
    stand,
};
use crate::{
    domain::{
        entry::EntryKey,
        id::MessageId,
        removal::{LISTED_AGAIN, OnDelete},
        time::Timestamp,
    },
    store::{
        Context, StoreError,
        erase::{Trace, erase_entry, erase_message},
        publication::mark_changed,
        table::{Part, Txn},
        tables::{
            ENTRIES, Held, KEPT, KEPT_WALKS, KeptWalkRow, MASS, MassRow, POLICY, POSTS, REMOVED,
            REMOVED_AT, RemovedRow, TOMBSTONES, WALKS, WalkRow,
        },
    },
};

/// How many entries one step goes through, so that others get their turn.
const ENTRIES_AT_ONCE: usize = 500;

/// How many channels one step ends with: most of those that are left out hold nothing.
const WALKS_AT_ONCE: usize = 100;

/// How many messages one step erases or shows again.
const MESSAGES_AT_ONCE: usize = 100;

/// What a step of upkeep found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tended {
    /// Whether there is more to do at once.
    pub more: bool,
    /// What is held back until a person decides.
    pub held: Option<Held>,
}

/// Does the next step.
pub(in crate::store) fn tend(txn: &mut Txn<'_>, context: &Context) -> Result<Tended, StoreError> {
    // Until every entry was gone through it is not known who shares what.
    let unready = POLICY.get(txn, &())?.is_some_and(|row| !row.swept);
    let more = !unready
        && (walk_on(txn, context)?
            || plan_on(txn, context)?
            || keep_on(txn, context)?
            || erase_on(txn, context)?);
    let held = MASS.get(txn, &Part)?.and_then(|row| row.held);
    Ok(Tended { more, held })
}

fn walk_on(txn: &mut Txn<'_>, context: &Context) -> Result<bool, StoreError> {
    let mut left = ENTRIES_AT_ONCE;
    let walks = WALKS.below(txn, &Part::<3>, WALKS_AT_ONCE)?;
    for ((_, root), WalkRow { after }) in &walks {
        let entries = match after {
            None => ENTRIES.below(txn, root, left)?,
            Some(after) => ENTRIES.after(txn, Some(after), left)?,
        };
        let keys: Vec<EntryKey> =
            entries.into_iter().map(|(key, _)| key).filter(|key| key.root == *root).collect();
        look_again(txn, context, &keys)?;
        for key in &keys {
            // Whatever was the reason to go through them, their months may show something else now.
            mark_changed(txn, key.root, key.message, context.publish_by())?;
        }
        if keys.len() < left {
            WALKS.delete(txn, &(Part, *root));
            left -= keys.len();
        } else {
            WALKS.put(txn, &(Part, *root), &WalkRow { after: keys.last().copied() });
            break;
        }
    }
    Ok(!walks.is_empty())
}

/// Plans to erase what was kept of the messages of lost places. It comes after their entries, so that what is held back
/// with those is held back with them.
fn plan_on(txn: &mut Txn<'_>, context: &Context) -> Result<bool, StoreError> {
    let Some(((_, place), KeptWalkRow { after })) = KEPT_WALKS.below(txn, &Part::<7>, 1)?.pop()
    else {
        return Ok(false);
    };
    let kept = match after {
        None => KEPT.below(txn, &place, MESSAGES_AT_ONCE)?,
        Some(after) => KEPT.after(txn, Some(&(place, after)), MESSAGES_AT_ONCE)?,
    };
    let kept: Vec<MessageId> = kept
        .into_iter()
        .map(|((holder, message), ())| (holder, message))
        .filter(|(holder, _)| *holder == place)
        .map(|(_, message)| message)
        .collect();
    for message in &kept {
        let Some(lost) = lost_with(txn, *message)? else { continue };
        // No clock of this machine tells that it was planned before the place was lost.
        if !is_planned(txn, *message, lost)? {
            REMOVED_AT.put(txn, &(context.now.max(lost), *message), &());
        }
    }
    if kept.len() < MESSAGES_AT_ONCE {
        KEPT_WALKS.delete(txn, &(Part, place));
    } else {
        let after = kept.last().copied();
        KEPT_WALKS.put(txn, &(Part, place), &KeptWalkRow { after });
    }
    Ok(true)
}

/// Whether a message is to be looked at for a file that went with its place, as most of them are.
fn is_planned(txn: &Txn<'_>, message: MessageId, lost: Timestamp) -> Result<bool, StoreError> {
    for key in entries_of(txn, message)? {
        if REMOVED.get(txn, &key)?.is_some_and(|row| row.at >= lost) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Shows again what a person kept of what was held back.
fn keep_on(txn: &mut Txn<'_>, context: &Context) -> Result<bool, StoreError> {
    let Some(MassRow { held: Some(held), keep_until: Some(until), .. }) = MASS.get(txn, &Part)?
    else {
        return Ok(false);
    };
    let end = until.after(Duration::from_millis(1));
    let rows = REMOVED_AT.between(txn, &held.since, &end, MESSAGES_AT_ONCE)?;
    if rows.is_empty() {
        MASS.put(txn, &Part, &MassRow::default());
        return Ok(true);
    }
    for (row, ()) in rows {
        REMOVED_AT.delete(txn, &row);
        for key in entries_of(txn, row.1)? {
            let (Some(removed), Some(entry)) = (REMOVED.get(txn, &key)?, ENTRIES.get(txn, &key)?)
            else {
                continue;
            };
            if removed.at >= held.since {
                REMOVED.put(txn, &key, &RemovedRow { kept: true, ..removed });
                stand(txn, context, key, entry)?;
            }
        }
    }
    Ok(true)
}

/// Erases what has been hidden for long enough and is not held back.
fn erase_on(txn: &mut Txn<'_>, context: &Context) -> Result<bool, StoreError> {
    let Some(before) = context.policy.removal.erases_before(context.now) else { return Ok(false) };
    let end = before.after(Duration::from_millis(1));
    let end = held_since(txn)?.map_or(end, |since| since.min(end));
    let start = Timestamp::from_millis(0);
    let rows = REMOVED_AT.between(txn, &start, &end, MESSAGES_AT_ONCE)?;
    for ((at, message), ()) in &rows {
        REMOVED_AT.delete(txn, &(*at, *message));
        if let Some(later) = erase_removed(txn, context, *message, *at, end)? {
            REMOVED_AT.put(txn, &(later, *message), &());
        }
    }
    Ok(!rows.is_empty())
}

/// Erases what of a message was removed before some time, as was planned at another, or tells when to come again for
/// it.
fn erase_removed(
    txn: &mut Txn<'_>,
    context: &Context,
    message: MessageId,
    planned: Timestamp,
    end: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let tombstone = TOMBSTONES.get(txn, &message)?;
    let lost = if tombstone.is_none() { lost_with(txn, message)? } else { None };
    if let Some(lost) = lost {
        let certain = lost.after(LISTED_AGAIN);
        if context.policy.removal.on_delete == OnDelete::Erase && context.now < certain {
            return Ok(Some(certain));
        }
    }
    let mut erased = Vec::new();
    let mut stay = false;
    for key in entries_of(txn, message)? {
        match REMOVED.get(txn, &key)? {
            Some(RemovedRow { kept: false, at }) if at < end => erased.push(key),
            // Kept by a person, or removed at another time than the rest, or not at all.
            Some(_) | None => stay = true,
        }
    }
    // Files may have been taken off before that. Their time is not that of the whole, which may be held back.
    let whole = tombstone.as_ref().map(|row| row.at).or(lost);
    if whole.is_some_and(|since| since <= planned) && !stay {
        let trace = tombstone.map_or(Trace::Nothing, |row| Trace::Tombstone(row.channel));
        erase_message(txn, context, message, trace)?;
        return Ok(None);
    }
    for key in erased {
        erase_entry(txn, context, key)?;
    }
    Ok(None)
}

/// The entries of a message, those that were taken off included.
fn entries_of(txn: &Txn<'_>, message: MessageId) -> Result<Vec<EntryKey>, StoreError> {
    let Some(post) = POSTS.get(txn, &message)? else { return Ok(Vec::new()) };
    let entries = ENTRIES.below(txn, &(post.root, message), usize::MAX)?;
    Ok(entries.into_iter().map(|(key, _)| key).collect())
}
