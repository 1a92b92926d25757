//! Places, what was read of them, and the sessions in which we listen.

use std::collections::HashMap;

use super::{
    Context, Hint, Store, StoreError, Tally,
    forget::{PlacesLeftOut, guild_is_left_out, leaves_out_place},
    record::{observe, set_aside},
    removal::{find, is_lost, lose_place},
    table::Txn,
    tables::{GUILDS, PLACES, SESSIONS, STARTS},
    tables::{GuildRow, ListeningRow, PlaceRow, SessionRow, StartsRow},
    tally::count,
};
use crate::domain::{
    coverage::{EXTRACTOR, Span},
    id::{ChannelId, GuildId, MessageId},
    job::Lane,
    message::{Message, Unreadable},
    place::{Archived, Place, PlaceKind, Survey},
    reconcile::Unheard,
    time::Timestamp,
};

/// A message found in history this soon after it was posted is as urgent as one that was seen live.
const STILL_LIVE: std::time::Duration = std::time::Duration::from_mins(15);

/// How many starts are remembered: more than the start-up backoff looks at.
const STARTS_KEPT: usize = 20;

/// The channels of a server were listed.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// What was found.
    pub survey: Survey,
}

/// A channel or thread was seen. That alone brings no deleted one back: it may have been seen before it was deleted.
#[derive(Clone, Debug)]
pub struct PlaceSeen {
    /// As it is now.
    pub place: Place,
}

/// Channels or threads are there that were believed to be deleted already when Discord was asked. What else an answer
/// tells of may be older than what was heard of a deletion meanwhile, and an archived thread is not looked for again.
#[derive(Clone, Debug)]
pub struct PlacesFound {
    /// Which.
    pub places: Vec<ChannelId>,
}

/// Channels or threads are gone.
#[derive(Clone, Debug)]
pub struct PlacesLost {
    /// Which.
    pub places: Vec<ChannelId>,
    /// How we know.
    pub loss: Loss,
}

/// How a place is known to be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Discord told that it was deleted.
    Told,
    /// It was asked for in vain, which who is no longer in the server is told too. So nothing more is asked there, and
    /// what was archived stays until the server, when listed, goes without it.
    Inferred,
}

/// The archived threads of a channel were listed completely, down to the listing before.
#[derive(Clone, Debug)]
pub struct ThreadsListed {
    /// Of which channel.
    pub channel: ChannelId,
    /// Which of them.
    pub which: Archived,
    /// The latest archive time that was seen.
    pub until: Timestamp,
}

/// A page of history was read.
#[derive(Clone, Debug)]
pub struct PageRead {
    /// Of which place.
    pub place: ChannelId,
    /// What is now known to be read completely; none when the page proves nothing.
    pub span: Option<Span>,
    /// What was found.
    pub messages: Vec<Message>,
    /// What was found and made no sense; it is kept as it came.
    pub unreadable: Vec<Unreadable>,
    /// A message that was there.
    pub anchor: Option<MessageId>,
    /// When Discord answered.
    pub answered_at: Timestamp,
}

/// Somebody asked for the history of a server. It stays asked for until it is read. A server that was not
/// surveyed yet is not known, so it has to be asked for after that.
#[derive(Clone, Debug)]
pub struct HistoryWanted {
    /// Of which server.
    pub guild: GuildId,
    /// From which message on.
    pub from: MessageId,
}

/// Everything that a gateway session sent up to some event is durable.
#[derive(Clone, Debug)]
pub struct SessionMoved {
    /// Of which shard.
    pub shard: u32,
    /// Where it stands; none when it can't be resumed.
    pub session: Option<SessionRow>,
}

/// A new session with the gateway was begun, so whatever happened since the last one was heard is unknown.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    /// On which shard.
    pub shard: u32,
}

impl Surveyed {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        let Survey { guild, channels, answered_at } = &self.survey;
        let old = GUILDS.get(txn, &guild.id)?;
        let left_out = guild_is_left_out(txn, guild.id)?;
        let row = GuildRow {
            name: if left_out { String::new() } else { guild.name.clone() },
            icon: guild.icon.clone().filter(|_| !left_out),
            watch_from: old
                .as_ref()
                .map_or_else(|| MessageId::at(*answered_at), |old| old.watch_from),
            history_from: old.as_ref().and_then(|old| old.history_from),
            surveyed_at: *answered_at,
        };
        if old.as_ref() != Some(&row) {
            GUILDS.put(txn, &guild.id, &row);
        }
        for place in channels {
            see(txn, place.clone())?;
        }
        if channels.is_empty() {
            // Nobody deletes every channel; somebody may have taken them from our sight.
            return Ok(());
        }
        for (id, row) in PLACES.all(txn)? {
            if row.place.guild == guild.id {
                self.judge(txn, context, id, row)?;
            }
        }
        Ok(())
    }

    /// Only channels are listed here, so only channels can be missing, and threads with them. What may be done in a
    /// thread follows from its channel: archived threads are not listed again when that changes.
    fn judge(
        &self,
        txn: &mut Txn<'_>,
        context: &Context,
        id: ChannelId,
        mut row: PlaceRow,
    ) -> Result<(), StoreError> {
        let thread = row.place.kind.is_thread();
        let Some(listed_id) = (if thread { row.place.parent } else { Some(id) }) else {
            return Ok(());
        };
        let Some(listed) = self.survey.channels.iter().find(|place| place.id == listed_id) else {
            lose_place(txn, context, &row.place)?;
            miss(txn, id, row, context.now);
            return Ok(());
        };
        if !thread {
            return Ok(());
        }
        if row.missing_since.is_some() {
            // It was asked for in vain, and its server is still ours.
            lose_place(txn, context, &row.place)?;
        }
        let access = listed.access;
        let public = listed.public && row.place.kind != PlaceKind::PrivateThread;
        if (access, public) != (row.place.access, row.place.public) {
            row.place.access = access;
            row.place.public = public;
            PLACES.put(txn, &id, &row);
        }
        Ok(())
    }
}

impl PlaceSeen {
    pub(super) fn apply(&self, txn: &mut Txn<'_>) -> Result<(), StoreError> {
        see(txn, self.place.clone())
    }
}

impl PlacesFound {
    pub(super) fn apply(&self, txn: &mut Txn<'_>) -> Result<(), StoreError> {
        for id in &self.places {
            let Some(row) = PLACES.get(txn, id)? else { continue };
            find(txn, &row.place)?;
        }
        Ok(())
    }
}

impl PlacesLost {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        for id in &self.places {
            let Some(row) = PLACES.get(txn, id)? else { continue };
            let above_threads = row.place.kind.holds_threads();
            self.lose(txn, context, row)?;
            if above_threads {
                // Discord does not tell of the threads that go with their channel.
                for (_, row) in PLACES.all(txn)? {
                    if row.place.kind.is_thread() && row.place.parent == Some(*id) {
                        self.lose(txn, context, row)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn lose(&self, txn: &mut Txn<'_>, context: &Context, row: PlaceRow) -> Result<(), StoreError> {
        if self.loss == Loss::Told {
            lose_place(txn, context, &row.place)?;
        }
        miss(txn, row.place.id, row, context.now);
        Ok(())
    }
}

impl ThreadsListed {
    pub(super) fn apply(&self, txn: &mut Txn<'_>) -> Result<(), StoreError> {
        let Some(mut row) = PLACES.get(txn, &self.channel)? else { return Ok(()) };
        let until = match self.which {
            Archived::Public => &mut row.public_threads_until,
            Archived::Private => &mut row.private_threads_until,
        };
        if until.is_none_or(|until| until < self.until) {
            *until = Some(self.until);
            PLACES.put(txn, &self.channel, &row);
        }
        Ok(())
    }
}

impl PageRead {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        for message in &self.messages {
            let fresh = self.answered_at.since(message.id.created_at()) < STILL_LIVE;
            let lane = if fresh { Lane::Live } else { Lane::History };
            observe(txn, context, message, lane)?;
        }
        for message in &self.unreadable {
            set_aside(txn, self.place, message)?;
        }
        // In one commit with what was found, and only once all of it is recorded.
        let Some(mut row) = PLACES.get(txn, &self.place)? else { return Ok(()) };
        if leaves_out_place(txn, &row.place)? {
            return Ok(());
        }
        let ids = self.messages.iter().map(|message| message.id);
        let ids = ids.chain(self.unreadable.iter().filter_map(|message| message.id));
        // The newest page overlaps what was read before.
        let read = ids.filter(|id| !row.coverage.contains(*id)).count();
        if let Some(span) = self.span {
            row.coverage.add(span, EXTRACTOR);
        }
        row.anchor = self.anchor.or(row.anchor);
        row.messages_read += u64::try_from(read).unwrap_or(u64::MAX);
        PLACES.put(txn, &self.place, &row);
        count(txn, Tally::MessagesRead, i64::try_from(read).unwrap_or(i64::MAX))
    }
}

impl HistoryWanted {
    pub(super) fn apply(&self, txn: &mut Txn<'_>) -> Result<(), StoreError> {
        let Some(mut row) = GUILDS.get(txn, &self.guild)? else { return Ok(()) };
        let from = row.history_from.map_or(self.from, |from| from.min(self.from));
        if row.history_from != Some(from) {
            row.history_from = Some(from);
            GUILDS.put(txn, &self.guild, &row);
        }
        Ok(())
    }
}

impl SessionMoved {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        let row = SESSIONS.get(txn, &self.shard)?.unwrap_or_default();
        let session = self.session.clone();
        let moved = ListeningRow { session, heard_until: Some(context.now), ..row };
        SESSIONS.put(txn, &self.shard, &moved);
        Ok(())
    }
}

impl Started {
    pub(super) fn apply(self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        if let Some(mut row) = SESSIONS.get(txn, &self.shard)?
            && let Some(from) = row.heard_until
        {
            let lost = Unheard { from, to: context.now };
            row.unheard = Some(row.unheard.map_or(lost, |before| before.with(lost)));
            SESSIONS.put(txn, &self.shard, &row);
            txn.hint(Hint::Reconcile);
        }
        let mut starts = STARTS.get(txn, &())?.unwrap_or_default();
        starts.at.push(context.now);
        let old = starts.at.len().saturating_sub(STARTS_KEPT);
        starts.at.drain(..old);
        STARTS.put(txn, &(), &starts);
        Ok(())
    }
}

/// A place as it is now; what was read of it stays. One that is lost was found before, or this sight is an old one.
fn see(txn: &mut Txn<'_>, place: Place) -> Result<(), StoreError> {
    if is_lost(txn, place.id)? {
        return Ok(());
    }
    let old = PLACES.get(txn, &place.id)?;
    let mut row = old.clone().unwrap_or_else(|| PlaceRow::new(place.clone()));
    let newest = place.last_message.max(row.place.last_message);
    row.place = Place { last_message: newest, ..place };
    row.missing_since = None;
    if leaves_out_place(txn, &row.place)? {
        row = nameless(&row);
    }
    if old.as_ref() != Some(&row) {
        PLACES.put(txn, &row.place.id, &row);
    }
    Ok(())
}

/// What stays of a place that is not archived: what it takes to know it again.
pub(super) fn nameless(row: &PlaceRow) -> PlaceRow {
    PlaceRow::new(Place { name: String::new(), last_message: None, ..row.place.clone() })
}

fn miss(txn: &mut Txn<'_>, id: ChannelId, mut row: PlaceRow, now: Timestamp) {
    if row.missing_since.is_none() {
        row.missing_since = Some(now);
        PLACES.put(txn, &id, &row);
    }
}

impl Store {
    /// All servers but those that are to be forgotten.
    pub fn guilds(&self) -> Result<Vec<(GuildId, GuildRow)>, StoreError> {
        let mut guilds = GUILDS.all(&self.source())?;
        let list = PlacesLeftOut::read(&self.source())?;
        guilds.retain(|(id, _)| !list.holds_guild(*id));
        Ok(guilds)
    }

    /// All places but those that are to be forgotten: they are read into memory, since there are thousands of them and
    /// not millions.
    pub fn places(&self) -> Result<Vec<PlaceRow>, StoreError> {
        let rows: HashMap<_, _> = PLACES.all(&self.source())?.into_iter().collect();
        let list = PlacesLeftOut::read(&self.source())?;
        let mut places: Vec<_> =
            rows.values().filter(|row| !list.holds(&row.place, &rows)).cloned().collect();
        places.sort_unstable_by_key(|row| row.place.id);
        Ok(places)
    }

    /// One place.
    pub fn place(&self, id: ChannelId) -> Result<Option<PlaceRow>, StoreError> {
        PLACES.get(&self.source(), &id)
    }

    /// One place, unless it is not archived.
    pub fn place_to_read(&self, id: ChannelId) -> Result<Option<PlaceRow>, StoreError> {
        let Some(row) = self.place(id)? else { return Ok(None) };
        let left_out = leaves_out_place(&self.source(), &row.place)?;
        Ok((!left_out).then_some(row))
    }

    /// The session of a shard.
    pub fn session(&self, shard: u32) -> Result<Option<SessionRow>, StoreError> {
        Ok(SESSIONS.get(&self.source(), &shard)?.and_then(|row| row.session))
    }

    /// When the service was started lately.
    pub fn starts(&self) -> Result<StartsRow, StoreError> {
        Ok(STARTS.get(&self.source(), &())?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
