//! Messages as they are seen, edited and deleted.
//!
//! The same sight may come twice, late, or after its own end: an older one never replaces a newer, and a tombstone
//! stands for ever.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    Context, Hint, StoreError, Tally,
    links::set_renewal,
    publication::mark_changed,
    table::Txn,
    tables::{ENTRIES, PARKED_MESSAGES, PEOPLE, PEOPLE_CHANGED, PLACES, POSTS, RAW, TOMBSTONES},
    tables::{ParkedMessage, RawRow, Tombstone},
    tally::count,
    work::{drop_jobs, is_shown, schedule},
};
use crate::domain::{
    entry::{Entry, EntryKey, Person, Post},
    id::{ChannelId, MessageId, UserId},
    job::Lane,
    message::{Author, Message, Unreadable},
    place::Place,
};

/// Level 3 is zstd's own default: higher ones gain a few per cent on rows of this size and cost several times more.
const COMPRESSION: i32 = 3;

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
        for id in &self.messages {
            if TOMBSTONES.contains(txn, id)? {
                continue;
            }
            TOMBSTONES.put(txn, id, &Tombstone { at: context.now, channel: self.channel });
            count(txn, Tally::Deleted, 1)?;
            let Some(post) = POSTS.get(txn, id)? else { continue };
            for item in &post.items {
                let key = EntryKey { root: post.root, message: *id, item: *item };
                hide(txn, context, key)?;
            }
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
    txn.settle();
    match catch_unwind(AssertUnwindSafe(|| record(txn, context, message, lane))) {
        Ok(Ok(())) => txn.settle(),
        Ok(Err(error)) => {
            txn.undo();
            return Err(error);
        }
        Err(panic) => {
            txn.undo();
            let why = panic_message(&*panic);
            let compressed = compress(&message.raw);
            PARKED_MESSAGES.put(
                txn,
                &message.id,
                &ParkedMessage { channel: message.channel, why, compressed },
            );
            txn.settle();
        }
    }
    Ok(())
}

/// Keeps a message that makes no sense, so that a wiser version can read it from the store.
pub(super) fn set_aside(txn: &mut Txn<'_>, channel: ChannelId, message: &Unreadable) {
    let Unreadable { id: Some(id), reason, raw } = message else { return };
    let compressed = compress(raw);
    PARKED_MESSAGES.put(txn, id, &ParkedMessage { channel, why: reason.clone(), compressed });
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
    let old = POSTS.get(txn, &message.id)?;
    if message.attachments.is_empty() && old.is_none() {
        keep_raw(txn, message);
        return Ok(());
    }
    if old.as_ref().is_some_and(|old| message.edited < old.edited) {
        return Ok(());
    }
    let post = post_of(message, &row.place);
    let words_changed =
        old.as_ref().is_some_and(|old| (&old.text, old.edited) != (&post.text, post.edited));
    let nsfw = is_nsfw(txn, &row.place)?;
    for attachment in &message.attachments {
        let key = EntryKey { root: post.root, message: message.id, item: attachment.id };
        let known = ENTRIES.get(txn, &key)?;
        let mut entry = known.clone().unwrap_or_else(|| Entry::new(attachment.clone(), nsfw));
        entry.see_again(attachment.clone());
        entry.hidden_at = None;
        count(txn, Tally::Entries, i64::from(known.is_none()))?;
        schedule(txn, context, key, &mut entry, lane)?;
        let changed = words_changed || known.as_ref().is_none_or(|known| differs(known, &entry));
        if changed && is_shown(&entry, context) {
            mark_changed(txn, key.root, key.message, context.publish_by())?;
        }
        if known.as_ref() != Some(&entry) {
            ENTRIES.put(txn, &key, &entry);
        }
    }
    for item in old.iter().flat_map(|old| &old.items).filter(|item| !post.items.contains(item)) {
        hide(txn, context, EntryKey { root: post.root, message: message.id, item: *item })?;
    }
    keep_raw(txn, message);
    remember(txn, &message.author, message.id)?;
    if old.as_ref() != Some(&post) {
        POSTS.put(txn, &message.id, &post);
    }
    Ok(())
}

/// Whether the page would show something else. A link that was made new counts where the page uses it.
fn differs(known: &Entry, entry: &Entry) -> bool {
    known.hidden_at != entry.hidden_at
        || known.attachment != entry.attachment
        || known.state != entry.state
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

/// Takes an entry off the page, and stops all work on it: its bytes are no longer to be had.
fn hide(txn: &mut Txn<'_>, context: &Context, key: EntryKey) -> Result<(), StoreError> {
    let Some(mut entry) = ENTRIES.get(txn, &key)? else { return Ok(()) };
    if entry.hidden_at.is_some() {
        return Ok(());
    }
    let shown = is_shown(&entry, context);
    entry.hidden_at = Some(context.now);
    drop_jobs(txn, key)?;
    set_renewal(txn, key, &mut entry, None)?;
    ENTRIES.put(txn, &key, &entry);
    if shown {
        mark_changed(txn, key.root, key.message, context.publish_by())?;
    }
    Ok(())
}

fn remember(txn: &mut Txn<'_>, author: &Author, seen_in: MessageId) -> Result<(), StoreError> {
    let known = PEOPLE.get(txn, &author.id)?;
    if known.as_ref().is_some_and(|known| known.seen_in > seen_in) {
        return Ok(());
    }
    let copied = known.as_ref().and_then(|known| known.copied.clone());
    let person = Person {
        name: author.name.clone(),
        avatar: author.avatar.clone(),
        bot: author.bot,
        copied,
        seen_in,
    };
    let looks = |person: &Person| (person.name.clone(), person.avatar.clone(), person.bot);
    if known.as_ref().map(looks) != Some(looks(&person)) {
        changed_person(txn, author.id);
    }
    if known.as_ref() != Some(&person) {
        PEOPLE.put(txn, &author.id, &person);
    }
    Ok(())
}

fn changed_person(txn: &mut Txn<'_>, id: UserId) {
    PEOPLE_CHANGED.put(txn, &id, &());
    txn.hint(Hint::Publish);
}

fn keep_raw(txn: &mut Txn<'_>, message: &Message) {
    if message.carries_media {
        RAW.put(txn, &message.id, &RawRow { compressed: compress(&message.raw) });
    }
}

fn compress(raw: &str) -> Vec<u8> {
    zstd::bulk::compress(raw.as_bytes(), COMPRESSION)
        .expect("memory is the only thing that compressing needs")
}

pub(super) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}
