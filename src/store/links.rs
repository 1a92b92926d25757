//! Links that something needs, by the time at which they are to be made new.

use std::time::Duration;

use super::{
    Context, Hint, Store, StoreError, Tally,
    publication::mark_changed,
    table::{Part, Txn},
    tables::{ENTRIES, POSTS, RENEWALS, UNRENEWED},
    tally::count,
    work::{Sight, lose, rank_of, schedule},
};
use crate::domain::{
    entry::{Entry, EntryKey},
    id::ChannelId,
    job::Lane,
    link::{DYING, Link},
    selection::MediaMode,
    time::Timestamp,
};

/// Discord may give a new link that is dead by our clock, which may be wrong. Asking again at once would be a loop.
const PAUSE: Duration = Duration::from_mins(1);

/// A link that is to be made new.
#[derive(Clone, Debug)]
pub struct LinkDue {
    /// Whose.
    pub key: EntryKey,
    /// The channel that holds the message.
    pub channel: ChannelId,
    /// The link so far.
    pub link: Link,
    /// When the message was edited last, as far as is known.
    pub edited: Option<Timestamp>,
    /// When it is due.
    pub due: Timestamp,
}

/// What came of making links new.
#[derive(Clone, Debug, Default)]
pub struct LinksRefreshed {
    /// New links.
    pub renewed: Vec<(EntryKey, Link)>,
    /// Files that are no longer there, and how that was told.
    pub vanished: Vec<(EntryKey, String)>,
    /// Links that got no answer, and when to try again.
    pub postponed: Vec<(EntryKey, Timestamp)>,
}

impl LinksRefreshed {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        for (key, link) in &self.renewed {
            renew(txn, context, *key, link)?;
        }
        for (key, why) in &self.vanished {
            lose(txn, context, *key, why.clone())?;
        }
        for (key, until) in &self.postponed {
            if let Some(mut entry) = ENTRIES.get(txn, key)?
                && entry.refresh_at.is_some()
            {
                set_renewal(txn, *key, &mut entry, Some(*until))?;
                UNRENEWED.put(txn, &(Part, *key), &());
                ENTRIES.put(txn, key, &entry);
                withdraw_in_time(txn, context, *key, &entry)?;
            }
        }
        Ok(())
    }
}

fn renew(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
    link: &Link,
) -> Result<(), StoreError> {
    let Some(mut entry) = ENTRIES.get(txn, &key)? else { return Ok(()) };
    if entry.refresh_at.is_none() {
        return Ok(());
    }
    let old = std::mem::replace(&mut entry.attachment.link, link.clone());
    let rank = rank_of(key, &entry, Lane::History);
    schedule(txn, context, key, &mut entry, rank, Sight::New)?;
    if entry.refresh_at.is_some_and(|at| at <= context.now) {
        set_renewal(txn, key, &mut entry, Some(context.now.after(PAUSE)))?;
    }
    ENTRIES.put(txn, &key, &entry);
    if context.policy.mode == MediaMode::Link && old != *link && entry.is_shown(&context.policy) {
        // The page must have the new link while the old one lives.
        let half_left = old.expires_at().map(|expiry| expiry.since(context.now) / 2);
        let by = half_left
            .map_or(context.publish_by(), |half| context.publish_by().min(context.now.after(half)));
        mark_changed(txn, key.root, key.message, by)?;
    }
    Ok(())
}

/// A link that can't be made new must leave the page while it lives.
pub(super) fn withdraw_in_time(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
    entry: &Entry,
) -> Result<(), StoreError> {
    match entry.attachment.link.expires_at() {
        Some(expiry)
            if context.policy.mode == MediaMode::Link && entry.is_shown(&context.policy) =>
        {
            mark_changed(txn, key.root, key.message, expiry.before(DYING).max(context.now))
        }
        _ => Ok(()),
    }
}

/// Writes down when a link is to be made new, or that nothing needs it.
pub(super) fn set_renewal(
    txn: &mut Txn<'_>,
    key: EntryKey,
    entry: &mut Entry,
    at: Option<Timestamp>,
) -> Result<(), StoreError> {
    if entry.refresh_at == at {
        return Ok(());
    }
    if let Some(old) = entry.refresh_at {
        RENEWALS.delete(txn, &(old, key));
        // Few were put off: a row that is not there need not be deleted for each of a day's links.
        if UNRENEWED.contains(txn, &(Part, key))? {
            UNRENEWED.delete(txn, &(Part, key));
        }
    }
    if let Some(at) = at {
        RENEWALS.put(txn, &(at, key), &());
        txn.hint(Hint::Refresh);
    }
    count(txn, Tally::Links, i64::from(at.is_some()) - i64::from(entry.refresh_at.is_some()))?;
    entry.refresh_at = at;
    Ok(())
}

impl Store {
    /// The links that are due, most urgent first.
    pub fn links_due(&self, now: Timestamp, limit: usize) -> Result<Vec<LinkDue>, StoreError> {
        let source = self.source();
        let end = now.after(Duration::from_millis(1));
        let rows = RENEWALS.between(&source, &Timestamp::from_millis(0), &end, limit)?;
        let mut due = Vec::with_capacity(rows.len());
        for ((at, key), ()) in rows {
            let (Some(entry), Some(post)) =
                (ENTRIES.get(&source, &key)?, POSTS.get(&source, &key.message)?)
            else {
                continue;
            };
            let (channel, edited) = (post.channel, post.edited);
            due.push(LinkDue { key, channel, link: entry.attachment.link, edited, due: at });
        }
        Ok(due)
    }

    /// When the next link is due.
    pub fn next_link_due(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(RENEWALS.after(&self.source(), None, 1)?.first().map(|((at, _), ())| *at))
    }
}
