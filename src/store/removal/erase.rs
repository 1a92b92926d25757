//! Erasing: an entry with everything that hangs on it, and what is kept of a message. Tombstones stay.

use super::home::{leave_still, settle};
use crate::{
    domain::{
        entry::{EntryKey, EntryState},
        id::MessageId,
        job::{Queue, Subject},
    },
    store::{
        Context, StoreError, Tally,
        links::set_renewal,
        publication::mark_changed,
        record::forget_parked,
        table::Txn,
        tables::{CONTENTS, ENTRIES, POSTS, RAW, REMOVED, USES},
        tally::count,
        work::{count_still, end_job},
    },
};

/// Erases a message with its entries.
pub(super) fn erase_message(
    txn: &mut Txn<'_>,
    context: &Context,
    message: MessageId,
    entries: &[EntryKey],
) -> Result<(), StoreError> {
    for key in entries {
        erase_entry(txn, context, *key)?;
    }
    POSTS.delete(txn, &message);
    RAW.delete(txn, &message);
    forget_parked(txn, message)
}

/// Erases one entry. Its bytes go when nothing else has them.
pub(super) fn erase_entry(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
) -> Result<(), StoreError> {
    let Some(mut entry) = ENTRIES.get(txn, &key)? else { return Ok(()) };
    let subject = Subject::Entry(key);
    end_job(txn, Queue::Download, subject)?;
    end_job(txn, Queue::Thumbnail, subject)?;
    set_renewal(txn, key, &mut entry, None)?;
    ENTRIES.delete(txn, &key);
    count(txn, Tally::Entries, -1)?;
    if REMOVED.contains(txn, &key)? {
        REMOVED.delete(txn, &key);
        count(txn, Tally::Removed, -1)?;
    }
    if entry.is_shown(&context.policy) {
        mark_changed(txn, key.root, key.message, context.publish_by())?;
    }
    match entry.state {
        EntryState::Stored(sha256) => {
            let size = CONTENTS.get(txn, &sha256)?.map_or(0, |content| content.size);
            count(txn, Tally::Stored, -1)?;
            count(txn, Tally::StoredBytes, -i64::try_from(size).unwrap_or(i64::MAX))?;
            USES.delete(txn, &(sha256, key));
            settle(txn, context, Subject::Content(sha256), None)?;
        }
        EntryState::Gone { .. } => count(txn, Tally::Gone, -1)?,
        EntryState::Remote | EntryState::Parked { .. } => {}
    }
    count_still(txn, entry.look.as_ref(), None)?;
    leave_still(txn, context, subject, entry.look.as_ref())
}
