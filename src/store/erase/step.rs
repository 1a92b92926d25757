//! Erasing what may be large, such as all of a channel: in steps, each a commit of its own.
//!
//! What is to be erased is written down with how far that has come, so a crash loses the step in hand and no more. All
//! that is pending is looked for in one walk: what joins later is walked alone until it has caught up.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;

use super::{TakenOut, erase_person, note, take_out};
use crate::{
    domain::{
        entry::{EntryState, Post, Sha256},
        forget::{Erased, Forgotten},
        id::{ChannelId, GuildId, MessageId, UserId},
    },
    store::{
        Context, Store, StoreError,
        cleanse::{carried_along, cleanse},
        publication::mark_changed,
        raw::RawRow,
        table::{Row, Source, Table, Txn},
        tables::{
            AFTERMATH, CONTENTS, ENTRIES, ERASURES, FORGOTTEN, PARKED_MESSAGES, PEOPLE, PLACES,
            POSTS, RAW, USES,
        },
        tables::{AftermathRow, ErasureRow, PlaceRow, Progress},
    },
};

/// How many messages one step looks at, so that others get their turn.
const STEP: usize = 500;

/// How many uses of shared bytes are looked at to tell whether anybody else has them. Nobody posts one file so often
/// without being somebody else.
const USES_LOOKED_AT: usize = 64;

/// Begins to erase: what is small at once, the rest with [`step`].
pub(in crate::store) fn begin(
    txn: &mut Txn<'_>,
    context: &Context,
    what: Forgotten,
) -> Result<(), StoreError> {
    let progress = if let Forgotten::Message(id) = what {
        let scope = Scope::new(txn, BTreeSet::from([what]))?;
        erase(txn, context, &scope, what, id)?;
        // It is gone; others may quote it.
        Progress::Raw(MessageId::FIRST)
    } else {
        Progress::Posts(MessageId::FIRST)
    };
    ERASURES.put(txn, &what, &ErasureRow { progress });
    let leaver = match what {
        Forgotten::User(user) | Forgotten::Member(_, user) => Some((user, Some(what))),
        Forgotten::Message(_) | Forgotten::Channel(_) | Forgotten::Guild(_) => None,
    };
    note(txn, context, leaver)
}

/// Erases some more.
pub(in crate::store) fn step(txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
    let pending = ERASURES.all(txn)?;
    let Some(at) = pending.iter().map(|(_, row)| row.progress).min() else {
        return see_off(txn, context);
    };
    let (group, ahead): (Vec<_>, Vec<_>) =
        pending.into_iter().partition(|(_, row)| row.progress == at);
    let group: BTreeSet<_> = group.into_iter().map(|(what, _)| what).collect();
    let stop = ahead.into_iter().map(|(_, row)| row.progress).min();
    let scope = Scope::new(txn, group)?;
    let next = scope.walk(txn, context, at, stop)?;
    for what in scope.what.keys() {
        match next {
            Some(progress) => ERASURES.put(txn, what, &ErasureRow { progress }),
            None => ERASURES.delete(txn, what),
        }
    }
    Ok(())
}

/// What is looked for in one walk.
struct Scope {
    /// Each with the first message that is not meant any more, where there is one.
    what: BTreeMap<Forgotten, Option<MessageId>>,
    /// All places, where it takes them to tell what is meant.
    places: HashMap<ChannelId, PlaceRow>,
}

/// Where a message stands, and whose it is.
#[derive(Clone, Copy)]
struct Origin {
    message: MessageId,
    author: Option<UserId>,
    channel: Option<ChannelId>,
    root: Option<ChannelId>,
    guild: Option<GuildId>,
}

impl Origin {
    fn of_post(message: MessageId, post: &Post) -> Self {
        Self {
            message,
            author: Some(post.author),
            channel: Some(post.channel),
            root: Some(post.root),
            guild: Some(post.guild),
        }
    }
}

/// What is read of a raw message. Whatever is not there is not looked for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    channel_id: Option<ChannelId>,
    guild_id: Option<GuildId>,
    author: Named,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    id: Option<UserId>,
}

impl Scope {
    fn new(txn: &impl Source, what: BTreeSet<Forgotten>) -> Result<Self, StoreError> {
        let of_places = what.iter().any(|what| {
            matches!(what, Forgotten::Channel(_) | Forgotten::Guild(_) | Forgotten::Member(..))
        });
        let places = if of_places { PLACES.all(txn)? } else { Vec::new() };
        let mut until = BTreeMap::new();
        for what in what {
            until.insert(what, FORGOTTEN.get(txn, &what)?.and_then(|row| row.until));
        }
        Ok(Self { what: until, places: places.into_iter().collect() })
    }

    /// One step of the walk; tells where the next begins, unless this was the last.
    fn walk(
        &self,
        txn: &mut Txn<'_>,
        context: &Context,
        at: Progress,
        stop: Option<Progress>,
    ) -> Result<Option<Progress>, StoreError> {
        let (last, after) = match at {
            Progress::Posts(from) => {
                let rows = POSTS.between(txn, &from, &end(stop, at), STEP)?;
                for (id, post) in &rows {
                    self.judge(txn, context, Origin::of_post(*id, post))?;
                }
                (full(&rows), Progress::Raw(MessageId::FIRST))
            }
            Progress::Raw(from) => {
                let rows = RAW.between(txn, &from, &end(stop, at), STEP)?;
                for (id, row) in &rows {
                    let raw = row.text()?;
                    let origin = origin_of(*id, None, &raw);
                    match self.cause(origin) {
                        Some(cause) => erase(txn, context, self, cause, *id)?,
                        None => self.cleanse(txn, context, origin, row, &raw)?,
                    }
                }
                (full(&rows), Progress::Parked(MessageId::FIRST))
            }
            Progress::Parked(from) => {
                let rows = PARKED_MESSAGES.between(txn, &from, &end(stop, at), STEP)?;
                for (id, row) in &rows {
                    let raw = row.raw()?;
                    self.judge(txn, context, origin_of(*id, Some(row.channel), &raw))?;
                }
                let Some(last) = full(&rows) else {
                    // Others of this phase are further, so they go on alone from where they are.
                    return Ok(stop);
                };
                return Ok(Some(at.moved_to(last.next())));
            }
        };
        Ok(Some(match last {
            Some(last) => at.moved_to(last.next()),
            None => stop.map_or(after, |stop| stop.min(after)),
        }))
    }

    /// Erases a message if it is meant.
    fn judge(
        &self,
        txn: &mut Txn<'_>,
        context: &Context,
        origin: Origin,
    ) -> Result<(), StoreError> {
        match self.cause(origin) {
            Some(cause) => erase(txn, context, self, cause, origin.message),
            None => Ok(()),
        }
    }

    /// Takes what is meant out of a message of somebody else.
    fn cleanse(
        &self,
        txn: &mut Txn<'_>,
        context: &Context,
        origin: Origin,
        row: &RawRow,
        raw: &str,
    ) -> Result<(), StoreError> {
        let named = |what: &Forgotten| {
            let (_, first, second) = what.parts();
            [first, second].into_iter().any(|id| id != 0 && raw.contains(&id.to_string()))
        };
        if !self.what.keys().any(named) {
            return Ok(());
        }
        let id = origin.message;
        let post = POSTS.get(txn, &id)?;
        let channel = origin.channel.and_then(|channel| self.places.get(&channel));
        let guild = origin.guild.or(post.as_ref().map(|post| post.guild));
        let guild = guild.or_else(|| channel.map(|row| row.place.guild));
        let mut gone = BTreeSet::new();
        let mut causes = BTreeSet::new();
        for carried in carried_along(raw) {
            let member = match carried {
                Forgotten::User(user) => guild.map(|guild| Forgotten::Member(guild, user)),
                _ => None,
            };
            for what in [Some(carried), member].into_iter().flatten() {
                if self.what.get(&what).is_some_and(Option::is_none) {
                    gone.insert(carried);
                    causes.insert(what);
                }
            }
        }
        let Some(cleansed) = cleanse(raw, &gone) else { return Ok(()) };
        RAW.put(txn, &id, &RawRow::new(&cleansed.raw, row.edited));
        if let Some(post) = post {
            let text = cleansed.text(&post.text);
            if text != post.text {
                mark_changed(txn, post.root, id, context.now)?;
                POSTS.put(txn, &id, &Post { text, ..post });
            }
        }
        for cause in causes {
            credit(txn, cause, Erased { cleansed: 1, ..Erased::default() })?;
        }
        note(txn, context, None)
    }

    /// What a message is erased for.
    fn cause(&self, origin: Origin) -> Option<Forgotten> {
        let Origin { message, author, channel, root, guild } = origin;
        let place = channel.and_then(|channel| self.places.get(&channel));
        let parent = place.and_then(|row| row.place.parent);
        let above = parent.or(root).and_then(|id| self.places.get(&id));
        let category = above.and_then(|row| row.place.parent);
        let guild = guild.or_else(|| place.map(|row| row.place.guild));
        let channels = [channel, root, parent, category].into_iter().flatten();
        let mut causes = channels
            .map(Forgotten::Channel)
            .chain(guild.map(Forgotten::Guild))
            .chain(author.map(Forgotten::User))
            .chain(guild.zip(author).map(|(guild, author)| Forgotten::Member(guild, author)))
            .chain([Forgotten::Message(message)]);
        causes.find(|cause| {
            self.what.get(cause).is_some_and(|until| until.is_none_or(|until| message < until))
        })
    }

    /// Whether bytes are somebody else's too, who is not on the way out.
    fn stay(&self, txn: &impl Source, sha256: Sha256) -> Result<bool, StoreError> {
        for ((_, key), ()) in USES.below(txn, &sha256, USES_LOOKED_AT)? {
            let Some(post) = POSTS.get(txn, &key.message)? else { continue };
            if self.cause(Origin::of_post(key.message, &post)).is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Progress {
    fn moved_to(self, message: MessageId) -> Self {
        match self {
            Self::Posts(_) => Self::Posts(message),
            Self::Raw(_) => Self::Raw(message),
            Self::Parked(_) => Self::Parked(message),
        }
    }
}

/// Where a walk ends for now: at the next of those that are ahead, if that is in the same table.
fn end(stop: Option<Progress>, at: Progress) -> MessageId {
    match (at, stop) {
        (Progress::Posts(_), Some(Progress::Posts(message)))
        | (Progress::Raw(_), Some(Progress::Raw(message)))
        | (Progress::Parked(_), Some(Progress::Parked(message))) => message,
        _ => MessageId::LAST,
    }
}

/// The last message of a step, unless nothing was left behind it.
fn full<V>(rows: &[(MessageId, V)]) -> Option<MessageId> {
    if rows.len() < STEP { None } else { rows.last().map(|(id, _)| *id) }
}

fn origin_of(message: MessageId, channel: Option<ChannelId>, raw: &str) -> Origin {
    let Head { channel_id, guild_id, author } = serde_json::from_str(raw).unwrap_or_default();
    let channel = channel.or(channel_id);
    Origin { message, author: author.id, channel, root: None, guild: guild_id }
}

/// Erases a message, and credits it to what it is erased for.
fn erase(
    txn: &mut Txn<'_>,
    context: &Context,
    scope: &Scope,
    cause: Forgotten,
    id: MessageId,
) -> Result<(), StoreError> {
    let TakenOut { mut erased, author, shared } = take_out(txn, context, id)?;
    for sha256 in shared {
        erased.shared += u64::from(scope.stay(txn, sha256)?);
    }
    credit(txn, cause, erased)?;
    note(txn, context, author.map(|author| (author, Some(cause))))
}

/// Adds to what was erased for something.
fn credit(txn: &mut Txn<'_>, cause: Forgotten, erased: Erased) -> Result<(), StoreError> {
    if let Some(mut row) = FORGOTTEN.get(txn, &cause)? {
        row.erased += erased;
        FORGOTTEN.put(txn, &cause, &row);
    }
    Ok(())
}

/// Looks for what is left of people of whom something was erased; when nothing is, their names go too.
fn see_off(txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
    let Some(mut row) = AFTERMATH.get(txn, &())? else { return Ok(()) };
    if row.leavers.is_empty() {
        return Ok(());
    }
    let posts = POSTS.between(txn, &row.leavers_to, &MessageId::LAST, STEP)?;
    for (id, post) in &posts {
        let stays = row.leavers.contains_key(&post.author)
            && (!post.items.is_empty() || !ENTRIES.below(txn, &(post.root, *id), 1)?.is_empty());
        if stays {
            row.leavers.remove(&post.author);
        }
    }
    if let Some(last) = full(&posts) {
        row.leavers_to = last.next();
        AFTERMATH.put(txn, &(), &row);
        return Ok(());
    }
    let mut leaving = BTreeMap::new();
    while leaving.len() < STEP
        && let Some((user, cause)) = row.leavers.pop_first()
    {
        leaving.insert(user, cause);
    }
    // Nothing that is posted later comes before this, so the rest need not be looked for again.
    row.leavers_to = posts.last().map_or(row.leavers_to, |(id, _)| id.next());
    AFTERMATH.put(txn, &(), &AftermathRow { ..row });
    let mut any = false;
    for (user, cause) in leaving {
        any |= PEOPLE.contains(txn, &user)?;
        let erased = erase_person(txn, context, user)?;
        if let Some(cause) = cause {
            credit(txn, cause, erased)?;
        }
    }
    if any { note(txn, context, None) } else { Ok(()) }
}

impl Store {
    /// What would be erased, were this to be forgotten now. Reads all of the archive's messages.
    pub fn foretell(&self, what: Forgotten) -> Result<Erased, StoreError> {
        let source = self.source();
        let scope = Scope::new(&source, BTreeSet::from([what]))?;
        let mut erased = Erased::default();
        let (mut leaving, mut staying) = (BTreeSet::new(), BTreeSet::new());
        let (mut contents, mut shared) = (BTreeSet::new(), BTreeSet::new());
        each(&source, &POSTS, |id, post: Post| {
            if scope.cause(Origin::of_post(id, &post)).is_none() {
                staying.insert(post.author);
                return Ok(());
            }
            leaving.insert(post.author);
            erased.messages += 1;
            for (_, entry) in ENTRIES.below(&source, &(post.root, id), usize::MAX)? {
                erased.entries += 1;
                erased.stills += u64::from(entry.look.is_some_and(|look| look.still.is_some()));
                let EntryState::Stored(sha256) = entry.state else { continue };
                if scope.stay(&source, sha256)? {
                    shared.insert(sha256);
                } else {
                    contents.insert(sha256);
                }
            }
            Ok(())
        })?;
        each(&source, &RAW, |id, row| {
            let meant = scope.cause(origin_of(id, None, &row.text()?)).is_some();
            erased.messages += u64::from(meant && !POSTS.contains(&source, &id)?);
            Ok(())
        })?;
        for sha256 in contents {
            let Some(content) = CONTENTS.get(&source, &sha256)? else { continue };
            erased.files += 1;
            erased.bytes += content.size;
            erased.stills += u64::from(content.look.is_some_and(|look| look.still.is_some()));
        }
        erased.shared = u64::try_from(shared.len()).unwrap_or(u64::MAX);
        for user in leaving.difference(&staying) {
            let Some(person) = PEOPLE.get(&source, user)? else { continue };
            erased.people += 1;
            erased.avatars += u64::from(person.copied.is_some());
        }
        Ok(erased)
    }
}

/// Looks at every row of a table of messages, without holding all of them.
fn each<V: Row>(
    source: &impl Source,
    table: &Table<MessageId, V>,
    mut look: impl FnMut(MessageId, V) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut from = MessageId::FIRST;
    loop {
        let rows = table.between(source, &from, &MessageId::LAST, STEP)?;
        let last = full(&rows);
        for (id, row) in rows {
            look(id, row)?;
        }
        match last {
            Some(last) => from = last.next(),
            None => return Ok(()),
        }
    }
}
