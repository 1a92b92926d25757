//! Who posted what is kept: their names, and copies of their pictures, since Discord's links to those die too.

use std::time::Duration;

use super::{
    Context, Hint, Store, StoreError,
    erase::{discard, note},
    table::Txn,
    tables::{GARBAGE, PEOPLE, PEOPLE_CHANGED, PersonDirty},
    tally::number_change,
};
use crate::domain::{
    entry::{CopiedAvatar, Person},
    id::{MessageId, UserId},
    message::Author,
};

/// A reader who loaded the names before may show an old picture for this long.
const SHOWN_ELSEWHERE: Duration = Duration::from_hours(1);

/// The picture of a person is in the bucket, or can't be had.
#[derive(Clone, Debug)]
pub struct AvatarCopied {
    /// Whose.
    pub user: UserId,
    /// The copy; none when Discord has none.
    pub copied: Option<CopiedAvatar>,
}

/// A person whose name or picture changed since it was last published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedPerson {
    /// Who.
    pub id: UserId,
    /// The number of the last change, so that one made while publishing is not forgotten.
    pub changes: u64,
}

impl AvatarCopied {
    pub(super) fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        let Some(mut person) = PEOPLE.get(txn, &self.user)? else {
            // They were erased while their picture was on its way.
            if let Some(copied) = &self.copied {
                discard(txn, context, copied.object.clone());
                note(txn, context, None)?;
            }
            return Ok(());
        };
        if person.copied != self.copied {
            if let Some(old) = std::mem::replace(&mut person.copied, self.copied.clone()) {
                // Nobody shows the old one from the next publication on.
                GARBAGE.put(txn, &(context.now.after(SHOWN_ELSEWHERE), old.object), &());
            }
            PEOPLE.put(txn, &self.user, &person);
            mark_person(txn, self.user)?;
        }
        Ok(())
    }
}

/// Takes over what a message tells of its author, unless a newer one told already.
pub(super) fn remember(
    txn: &mut Txn<'_>,
    author: &Author,
    seen_in: MessageId,
) -> Result<(), StoreError> {
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
        mark_person(txn, author.id)?;
    }
    if known.as_ref() != Some(&person) {
        PEOPLE.put(txn, &author.id, &person);
    }
    Ok(())
}

/// Says that a person is published, unless something changed since that was read.
pub(super) fn person_published(txn: &mut Txn<'_>, person: ChangedPerson) -> Result<(), StoreError> {
    if PEOPLE_CHANGED.get(txn, &person.id)?.is_some_and(|now| now.changes == person.changes) {
        PEOPLE_CHANGED.delete(txn, &person.id);
    }
    Ok(())
}

pub(super) fn mark_person(txn: &mut Txn<'_>, id: UserId) -> Result<(), StoreError> {
    let changes = number_change(txn)?;
    PEOPLE_CHANGED.put(txn, &id, &PersonDirty { changes });
    txn.hint(Hint::Publish);
    Ok(())
}

impl Store {
    /// People whose name or picture changed.
    pub fn changed_people(&self, limit: usize) -> Result<Vec<ChangedPerson>, StoreError> {
        let rows = PEOPLE_CHANGED.after(&self.source(), None, limit)?;
        Ok(rows
            .into_iter()
            .map(|(id, PersonDirty { changes })| ChangedPerson { id, changes })
            .collect())
    }

    /// Everybody who posted something.
    pub fn people(&self) -> Result<Vec<(UserId, Person)>, StoreError> {
        PEOPLE.all(&self.source())
    }

    /// Somebody who posted something.
    pub fn person(&self, id: UserId) -> Result<Option<Person>, StoreError> {
        PEOPLE.get(&self.source(), &id)
    }
}
