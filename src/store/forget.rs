//! The do-not-archive list: who and what is neither kept nor taken in again.
//!
//! It is asked in the transaction that would write something down, so nothing comes back by another way: live messages,
//! pages of history, places and people all pass here. A crash loses nothing: what is on the list and not erased yet is
//! written down as such.

use std::collections::{HashMap, HashSet};

use super::{
    Context, Hint, Store, StoreError,
    crawl::nameless,
    erase,
    table::{Source, Txn},
    tables::{ERASURES, FORGOTTEN, GUILDS, PLACES},
    tables::{ForgottenRow, GuildRow, PlaceRow, Word},
};
use crate::domain::{
    forget::{Erased, Forgotten},
    id::{ChannelId, GuildId, MessageId, UserId},
    place::Place,
};

/// Something is to be forgotten: erased, and not archived from now on.
#[derive(Clone, Debug)]
pub struct Forget {
    /// What.
    pub what: Vec<Forgotten>,
    /// On whose word.
    pub word: Word,
}

/// Something may be archived again.
#[derive(Clone, Debug)]
pub struct Allow {
    /// What.
    pub what: Vec<Forgotten>,
}

impl Forget {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        for what in &self.what {
            let row = ForgottenRow {
                since: context.now,
                word: self.word,
                until: None,
                erased: Erased::default(),
            };
            FORGOTTEN.put(txn, what, &row);
            erase::begin(txn, context, *what)?;
            if matches!(what, Forgotten::Channel(_) | Forgotten::Guild(_)) {
                forget_names(txn)?;
            }
        }
        Ok(())
    }
}

/// Places that are on the list lose what they were called and what was read of them.
pub(super) fn forget_names(txn: &mut Txn<'_>) -> Result<(), StoreError> {
    let list = PlacesLeftOut::read(txn)?;
    let places: HashMap<_, _> = PLACES.all(txn)?.into_iter().collect();
    for row in places.values().filter(|row| list.holds(&row.place, &places)) {
        PLACES.put(txn, &row.place.id, &nameless(row));
    }
    for (id, row) in GUILDS.all(txn)? {
        if list.holds_guild(id) {
            GUILDS.put(txn, &id, &GuildRow { name: String::new(), icon: None, ..row });
        }
    }
    Ok(())
}

impl Allow {
    pub(super) fn apply(&self, txn: &mut Txn<'_>) {
        for what in &self.what {
            FORGOTTEN.delete(txn, what);
            // What is not erased yet stays.
            ERASURES.delete(txn, what);
        }
        // Places that were left out have lost their names, and are to be read.
        txn.hint(Hint::Survey);
    }
}

/// What a message is left out for, if it is.
pub(super) fn leaves_out(
    source: &impl Source,
    message: MessageId,
    author: UserId,
    place: &Place,
) -> Result<bool, StoreError> {
    if is_empty(source)? {
        return Ok(false);
    }
    let names = [
        Forgotten::Message(message),
        Forgotten::User(author),
        Forgotten::Member(place.guild, author),
    ];
    for what in names {
        if holds(source, what, Some(message))? {
            return Ok(true);
        }
    }
    leaves_out_place(source, place)
}

/// Whether a message that can't be read is left out, or may have to be: it is when the ids of somebody forgotten stand
/// in it anywhere.
pub(super) fn leaves_out_unread(
    source: &impl Source,
    message: MessageId,
    channel: ChannelId,
    raw: &str,
) -> Result<bool, StoreError> {
    if is_empty(source)? {
        return Ok(false);
    }
    if let Some(row) = PLACES.get(source, &channel)?
        && leaves_out_place(source, &row.place)?
    {
        return Ok(true);
    }
    let named = |id: u64| raw.contains(&id.to_string());
    let list = FORGOTTEN.all(source)?;
    Ok(list.into_iter().any(|(what, row)| match what {
        Forgotten::Message(id) => id == message,
        Forgotten::User(user) | Forgotten::Member(_, user) => {
            named(user.0) && row.until.is_none_or(|until| message < until)
        }
        Forgotten::Channel(_) | Forgotten::Guild(_) => false,
    }))
}

/// Whether a place is left out, on its own account or that of what stands above it.
pub(super) fn leaves_out_place(source: &impl Source, place: &Place) -> Result<bool, StoreError> {
    if is_empty(source)? {
        return Ok(false);
    }
    let above = place.parent.map(|id| PLACES.get(source, &id)).transpose()?.flatten();
    let line = [Some(place.id), place.parent, above.and_then(|row| row.place.parent)];
    for channel in line.into_iter().flatten() {
        if holds(source, Forgotten::Channel(channel), None)? {
            return Ok(true);
        }
    }
    holds(source, Forgotten::Guild(place.guild), None)
}

/// Whether a server is left out.
pub(super) fn guild_is_left_out(source: &impl Source, guild: GuildId) -> Result<bool, StoreError> {
    holds(source, Forgotten::Guild(guild), None)
}

/// The places on the list, for those who look at many.
pub(super) struct PlacesLeftOut {
    guilds: HashSet<GuildId>,
    channels: HashSet<ChannelId>,
}

impl PlacesLeftOut {
    pub(super) fn read(source: &impl Source) -> Result<Self, StoreError> {
        let (mut guilds, mut channels) = (HashSet::new(), HashSet::new());
        for (what, _) in FORGOTTEN.all(source)? {
            match what {
                Forgotten::Guild(id) => drop(guilds.insert(id)),
                Forgotten::Channel(id) => drop(channels.insert(id)),
                Forgotten::User(_) | Forgotten::Message(_) | Forgotten::Member(..) => {}
            }
        }
        Ok(Self { guilds, channels })
    }

    pub(super) fn holds_guild(&self, guild: GuildId) -> bool {
        self.guilds.contains(&guild)
    }

    pub(super) fn holds(&self, place: &Place, all: &HashMap<ChannelId, PlaceRow>) -> bool {
        let above = place.parent.and_then(|id| all.get(&id));
        let line = [Some(place.id), place.parent, above.and_then(|row| row.place.parent)];
        self.holds_guild(place.guild)
            || line.into_iter().flatten().any(|id| self.channels.contains(&id))
    }
}

fn is_empty(source: &impl Source) -> Result<bool, StoreError> {
    Ok(FORGOTTEN.after(source, None, 1)?.is_empty())
}

fn holds(
    source: &impl Source,
    what: Forgotten,
    message: Option<MessageId>,
) -> Result<bool, StoreError> {
    let Some(row) = FORGOTTEN.get(source, &what)? else { return Ok(false) };
    Ok(match (row.until, message) {
        (None, _) => true,
        (Some(until), Some(message)) => message < until,
        (Some(_), None) => false,
    })
}

impl Store {
    /// The do-not-archive list.
    pub fn forgotten(&self) -> Result<Vec<(Forgotten, ForgottenRow)>, StoreError> {
        FORGOTTEN.all(&self.source())
    }

    /// Places that are on the list, or below one that is. They have no names.
    pub fn places_left_out(&self) -> Result<Vec<Place>, StoreError> {
        let source = self.source();
        let places: HashMap<_, _> = PLACES.all(&source)?.into_iter().collect();
        let list = PlacesLeftOut::read(&source)?;
        let held = places.values().filter(|row| list.holds(&row.place, &places));
        Ok(held.map(|row| row.place.clone()).collect())
    }
}
