//! Members who have said by a role that they are not to be archived, as far as they were asked about.

use std::time::Duration;

use super::{
    Context, Store, StoreError,
    forget::Forget,
    table::Txn,
    tables::{FORGOTTEN, MEMBERS},
    tables::{ForgottenRow, MemberRow, Word},
};
use crate::domain::{
    forget::Forgotten,
    id::{GuildId, MessageId, UserId},
};

/// What is told again within this time is not written down again: somebody who posts much would cost a row each time.
const FRESH: Duration = Duration::from_hours(1);

/// Somebody's roles were told.
#[derive(Clone, Copy, Debug)]
pub struct MemberSeen {
    /// In which server.
    pub guild: GuildId,
    /// Whose.
    pub user: UserId,
    /// Whether one of them says that they are not to be archived.
    pub opted_out: bool,
}

impl MemberSeen {
    pub(super) fn apply(self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        let Self { guild, user, opted_out } = self;
        let known = MEMBERS.get(txn, &(guild, user))?;
        let is_new = known.is_none_or(|known| {
            known.opted_out != opted_out || context.now.since(known.looked_at) >= FRESH
        });
        if is_new {
            let row = MemberRow { looked_at: context.now, opted_out };
            MEMBERS.put(txn, &(guild, user), &row);
        }
        let what = Forgotten::Member(guild, user);
        match FORGOTTEN.get(txn, &what)? {
            None if opted_out => {
                Forget { what: vec![what], word: Word::Member }.apply(txn, context)
            }
            Some(row) if opted_out && row.until.is_some() => {
                Forget { what: vec![what], word: Word::Member }.apply(txn, context)
            }
            Some(row) if !opted_out && row.until.is_none() && row.word == Word::Member => {
                // What they posted before was not to be archived, and is not.
                let until = Some(MessageId::at(context.now));
                FORGOTTEN.put(txn, &what, &ForgottenRow { until, ..row });
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Store {
    /// What is known of a member.
    pub fn member(&self, guild: GuildId, user: UserId) -> Result<Option<MemberRow>, StoreError> {
        MEMBERS.get(&self.source(), &(guild, user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        Change,
        sample::{World, id, message},
        tables::{ENTRIES, PEOPLE},
    };

    const WREN: UserId = UserId(7);

    fn seen(world: &World, opted_out: bool) {
        world.apply(MemberSeen { guild: GuildId(1), user: WREN, opted_out });
        while world.store.is_erasing().unwrap() {
            world.apply(Change::EraseSome);
        }
    }

    fn entries(world: &World) -> usize {
        ENTRIES.all(&world.store.source()).unwrap().len()
    }

    #[test]
    fn who_takes_the_role_is_erased_and_who_gives_it_back_is_archived_from_then_on() {
        let world = World::new();
        seen(&world, false);
        world.see([message(1, &[1])]);
        assert_eq!(entries(&world), 1);
        world.wait(100);
        seen(&world, true);
        assert_eq!(entries(&world), 0);
        assert!(!PEOPLE.contains(&world.store.source(), &WREN).unwrap());
        world.see([message(1, &[1]), message(50, &[2])]);
        assert_eq!(entries(&world), 0);
        world.wait(100);
        seen(&world, false);
        // What was posted before stays away, and what is posted now is kept.
        world.see([message(1, &[1]), message(150, &[2]), message(250, &[3])]);
        assert_eq!(entries(&world), 1);
        assert!(ENTRIES.all(&world.store.source()).unwrap()[0].0.message == id(250));
        world.wait(200);
        seen(&world, true);
        assert_eq!(entries(&world), 0);
    }

    #[test]
    fn a_role_in_one_server_says_nothing_about_another() {
        let world = World::new();
        world.apply(MemberSeen { guild: GuildId(2), user: WREN, opted_out: true });
        world.see([message(1, &[1])]);
        assert_eq!(entries(&world), 1);
    }

    #[test]
    fn a_keeper_s_word_is_not_taken_back_by_a_role() {
        let world = World::new();
        let what = vec![Forgotten::Member(GuildId(1), WREN)];
        world.apply(Forget { what, word: Word::Keeper });
        seen(&world, false);
        world.see([message(1, &[1])]);
        assert_eq!(entries(&world), 0);
    }
}
