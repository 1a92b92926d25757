//! Messages as they are seen, edited and deleted.
//!
//! The same sight may come twice, late, or after its own end: an older one never replaces a newer, and a tombstone
//! stands for ever.

use std::{panic::resume_unwind, time::Duration};

use super::{
    Context, Hint, StoreError, Tally,
    cleanse::cleanse_message,
    erase::note_stay,
    forget::{leaves_out, leaves_out_unread},
    people::remember,
    publication::mark_changed,
    raw::RawRow,
    removal::{bring_back, lose_late, plan_erasure, remove},
    table::Txn,
    tables::{ENTRIES, KEPT, PARKED_MESSAGES, PLACES, POSTS, RAW, TOMBSTONES},
    tables::{ParkedMessage, Tombstone},
    tally::count,
    work::{Sight, rank_of, schedule},
};
use crate::domain::{
    entry::{Entry, EntryKey, Post},
    id::{ChannelId, MessageId},
    job::Lane,
    message::{Attachment, Message, Unreadable},
    place::Place,
    selection::MediaMode,
};

/// Older sights than the last may still come for this long: a gateway session that is resumed sends again what it
/// sent, and can't be resumed for longer.
const LATE_SIGHTS: Duration = Duration::from_hours(24);

/// Messages were seen live.
#[derive(Clone, Debug)]
pub struct Observed {
    /// As Discord sent them.
    pub messages: Vec<Message>,
}

/// Messages were deleted on Discord.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// Where they stood.
    pub channel: ChannelId,
    /// Which.
    pub messages: Vec<MessageId>,
}

impl Observed {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        for message in &self.messages {
            observe(txn, context, message, Lane::Live)?;
        }
        count(txn, Tally::MessagesLive, i64::try_from(self.messages.len()).unwrap_or(i64::MAX))
    }
}

impl Deleted {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        let mut gone = Vec::new();
        for id in &self.messages {
            if TOMBSTONES.contains(txn, id)? {
                continue;
            }
            TOMBSTONES.put(txn, id, &Tombstone { at: context.now, channel: self.channel });
            count(txn, Tally::Deleted, 1)?;
            forget_parked(txn, *id)?;
            KEPT.delete(txn, &(self.channel, *id));
            let post = POSTS.get(txn, id)?;
            if post.is_some() || RAW.contains(txn, id)? {
                plan_erasure(txn, context, *id);
            }
            let items =
                post.iter().flat_map(|post| post.items.iter().map(|item| (post.root, *item)));
            gone.extend(items.map(|(root, item)| EntryKey { root, message: *id, item }));
        }
        remove(txn, context, &gone)?;
        // A message that is no longer there proves nothing about an empty page.
        if let Some(mut row) = PLACES.get(txn, &self.channel)?
            && row.anchor.is_some_and(|anchor| self.messages.contains(&anchor))
        {
            row.anchor = None;
            PLACES.put(txn, &self.channel, &row);
        }
        Ok(())
    }
}

/// Records a message. One that can't be recorded is kept as it came, and blocks nothing behind it.
pub(super) fn observe(
    txn: &mut Txn<'_>,
    context: &Context,
    message: &Message,
    lane: Lane,
) -> Result<(), StoreError> {
    match txn.attempt(|txn| record(txn, context, message, lane)) {
        Ok(recorded) => recorded,
        Err(panic) => {
            let why = panic_message(&*panic);
            // Where even this fails, it was not for the message.
            txn.attempt(|txn| park(txn, message, why)).unwrap_or_else(|panic| resume_unwind(panic))
        }
    }
}

/// Keeps a message that makes no sense, so that a wiser version can read it from the store.
pub(super) fn set_aside(
    txn: &mut Txn<'_>,
    channel: ChannelId,
    message: &Unreadable,
) -> Result<(), StoreError> {
    let Some(id) = message.id else { return Ok(()) };
    if leaves_out_unread(txn, id, channel, &message.raw)? {
        return Ok(());
    }
    put_aside(txn, id, channel, message.reason.clone(), RawRow::new(&message.raw, None))
}

fn record(
    txn: &mut Txn<'_>,
    context: &Context,
    message: &Message,
    lane: Lane,
) -> Result<(), StoreError> {
    if TOMBSTONES.contains(txn, &message.id)? {
        return Ok(());
    }
    let Some(row) = PLACES.get(txn, &message.channel)? else {
        // Nothing is lost: the place is looked up, and its messages are read from history.
        txn.hint(Hint::Survey);
        return Ok(());
    };
    if leaves_out(txn, message.id, message.author.id, &row.place)? {
        return Ok(());
    }
    let cleansed = cleanse_message(txn, message, row.place.guild)?;
    let message = cleansed.as_ref().unwrap_or(message);
    let old = POSTS.get(txn, &message.id)?;
    if old.as_ref().is_some_and(|old| message.edited < old.edited) {
        return Ok(());
    }
    forget_parked(txn, message.id)?;
    note(txn, context, message, &row.place, old, lane)?;
    lose_late(txn, context, message, &row.place)
}

/// Writes a message down as it is now.
fn note(
    txn: &mut Txn<'_>,
    context: &Context,
    message: &Message,
    place: &Place,
    old: Option<Post>,
    lane: Lane,
) -> Result<(), StoreError> {
    keep_raw(txn, message)?;
    if message.attachments.is_empty() && old.is_none() {
        if message.edited.is_some_and(|edited| context.now.since(edited) < LATE_SIGHTS) {
            // Its files may have been taken off: an older sight that still has them comes too late.
            let wordless = Post { text: String::new(), ..post_of(message, place) };
            POSTS.put(txn, &message.id, &wordless);
        }
        return Ok(());
    }
    let mut post = post_of(message, place);
    // A message stays where it was first put, or its entries would be there twice.
    post.root = old.as_ref().map_or(post.root, |old| old.root);
    let retold =
        old.as_ref().is_some_and(|old| Post { items: post.items.clone(), ..old.clone() } != post);
    if old.as_ref() != Some(&post) {
        POSTS.put(txn, &message.id, &post);
    }
    let nsfw = is_nsfw(txn, place)?;
    for attachment in &message.attachments {
        let key = EntryKey { root: post.root, message: message.id, item: attachment.id };
        see(txn, context, key, attachment, Seen { nsfw, retold, lane })?;
    }
    let before = old.iter().flat_map(|old| &old.items);
    let taken_off = before.filter(|item| !post.items.contains(item));
    let taken_off: Vec<_> = taken_off
        .map(|item| EntryKey { root: post.root, message: message.id, item: *item })
        .collect();
    remove(txn, context, &taken_off)?;
    remember(txn, &message.author, message.id)?;
    note_stay(txn, message.author.id)
}

/// What a message tells of each of its files.
#[derive(Clone, Copy)]
struct Seen {
    nsfw: bool,
    /// Whether what its files have in common is other than before.
    retold: bool,
    lane: Lane,
}

fn see(
    txn: &mut Txn<'_>,
    context: &Context,
    key: EntryKey,
    attachment: &Attachment,
    Seen { nsfw, retold, lane }: Seen,
) -> Result<(), StoreError> {
    let known = ENTRIES.get(txn, &key)?;
    let mut entry = known.clone().unwrap_or_else(|| Entry::new(attachment.clone(), nsfw));
    entry.see_again(attachment.clone());
    entry.nsfw = nsfw;
    entry.hidden_at = None;
    bring_back(txn, key)?;
    let same_link =
        known.as_ref().is_some_and(|known| known.attachment.link == entry.attachment.link);
    let sight = if same_link { Sight::Known } else { Sight::New };
    let rank = rank_of(key, &entry, lane);
    schedule(txn, context, key, &mut entry, rank, sight)?;
    count(txn, Tally::Entries, i64::from(known.is_none()))?;
    let shown = entry.is_shown(&context.policy);
    let was_shown = known.as_ref().is_some_and(|known| known.is_shown(&context.policy));
    let other = retold || known.as_ref().is_none_or(|known| differs(known, &entry, context));
    if shown != was_shown || shown && other {
        mark_changed(txn, key.root, key.message, context.publish_by())?;
    }
    if known.as_ref() != Some(&entry) {
        ENTRIES.put(txn, &key, &entry);
    }
    Ok(())
}

/// Whether the page would show something else. Another link counts where the page needs one that lives: Discord signs
/// it anew for each reader, and a copy is not worth a publication each time.
fn differs(known: &Entry, entry: &Entry, context: &Context) -> bool {
    let known_link = match context.policy.mode {
        MediaMode::Link => &known.attachment.link,
        MediaMode::Copy => &entry.attachment.link,
    };
    let known_attachment = Attachment { link: known_link.clone(), ..known.attachment.clone() };
    (known.nsfw, &known.state, &known_attachment) != (entry.nsfw, &entry.state, &entry.attachment)
}

fn post_of(message: &Message, place: &Place) -> Post {
    Post {
        root: place.root(),
        channel: message.channel,
        guild: place.guild,
        author: message.author.id,
        poster: message.author.name.clone(),
        text: message.text.clone(),
        edited: message.edited,
        items: message.attachments.iter().map(|attachment| attachment.id).collect(),
    }
}

fn is_nsfw(txn: &Txn<'_>, place: &Place) -> Result<bool, StoreError> {
    let above = if place.kind.is_thread() { place.parent } else { None };
    let parent = above.map(|id| PLACES.get(txn, &id)).transpose()?.flatten();
    Ok(place.nsfw || parent.is_some_and(|parent| parent.place.nsfw))
}

fn keep_raw(txn: &mut Txn<'_>, message: &Message) -> Result<(), StoreError> {
    if !message.carries_media {
        return Ok(());
    }
    let newer = RAW.get(txn, &message.id)?.is_some_and(|old| old.edited > message.edited);
    if !newer {
        RAW.put(txn, &message.id, &RawRow::new(&message.raw, message.edited));
        KEPT.put(txn, &(message.channel, message.id), &());
    }
    Ok(())
}

fn park(txn: &mut Txn<'_>, message: &Message, why: String) -> Result<(), StoreError> {
    if leaves_out_unread(txn, message.id, message.channel, &message.raw)? {
        return Ok(());
    }
    let raw = RawRow::new(&message.raw, message.edited);
    put_aside(txn, message.id, message.channel, why, raw)
}

fn put_aside(
    txn: &mut Txn<'_>,
    id: MessageId,
    channel: ChannelId,
    why: String,
    raw: RawRow,
) -> Result<(), StoreError> {
    let known = PARKED_MESSAGES.contains(txn, &id)?;
    count(txn, Tally::MessagesParked, i64::from(!known))?;
    KEPT.put(txn, &(channel, id), &());
    PARKED_MESSAGES.put(txn, &id, &ParkedMessage { channel, why, raw });
    Ok(())
}

/// A message that could be recorded after all, or is deleted, is no longer put aside.
pub(super) fn forget_parked(txn: &mut Txn<'_>, id: MessageId) -> Result<(), StoreError> {
    if PARKED_MESSAGES.contains(txn, &id)? {
        PARKED_MESSAGES.delete(txn, &id);
        count(txn, Tally::MessagesParked, -1)?;
    }
    Ok(())
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests;
