//! Who does not want to be archived, and says so by a role.
//!
//! Live messages carry the roles of their author; messages from history do not, so Backfill looks their authors up
//! before it writes anything of theirs down, and Census asks for everybody once a day. What was found is kept in the
//! store, where the do-not-archive list follows from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::persistence::Ledger;
use crate::{
    clock::Clock,
    discord::{Discord, DiscordError, roles_of_author},
    domain::{
        id::{GuildId, RoleId, UserId},
        message::Message,
    },
    store::{Change, MemberSeen, Store, StoreError},
};

/// How long it is believed what somebody's roles were. Longer would let those wait who opted out and post nothing;
/// shorter would spend requests that reading history needs.
pub(super) const BELIEVED_FOR: Duration = Duration::from_hours(24);

/// Knows who has one of the roles.
#[derive(Clone)]
pub struct Members {
    /// Where roles come from.
    pub discord: Arc<dyn Discord>,
    /// Where what was found is written down.
    pub ledger: Ledger,
    /// What was found before.
    pub store: Store,
    /// Tells how old that is.
    pub clock: Clock,
    /// The roles that say so. Without any nobody is asked about.
    pub roles: Arc<BTreeSet<RoleId>>,
}

impl Members {
    /// Whether there is anything to ask.
    pub fn is_asked(&self) -> bool {
        !self.roles.is_empty()
    }

    /// What a live message tells of its author. It stands before the message in what is written down.
    pub(super) fn told_by(&self, message: &Message) -> Option<MemberSeen> {
        if !self.is_asked() {
            return None;
        }
        let roles = roles_of_author(&message.raw)?;
        Some(self.seen(message.guild?, message.author.id, Some(&roles)))
    }

    /// Looks up the authors of some messages of a server of whom nothing is known, or nothing new.
    pub(super) async fn look_up(
        &self,
        guild: GuildId,
        messages: &[Message],
    ) -> Result<Vec<Change>, DiscordError> {
        if !self.is_asked() {
            return Ok(Vec::new());
        }
        let authors: BTreeSet<_> = messages
            .iter()
            .filter(|message| message.carries_media)
            .map(|message| message.author.id)
            .collect();
        let mut changes = Vec::new();
        for author in self.unknown(guild, authors.into_iter().collect()).await {
            changes.push(self.ask(guild, author).await?.into());
        }
        Ok(changes)
    }

    /// Asks Discord for the roles of somebody.
    pub(super) async fn ask(
        &self,
        guild: GuildId,
        user: UserId,
    ) -> Result<MemberSeen, DiscordError> {
        let roles = self.discord.member_roles(guild, user).await?;
        Ok(self.seen(guild, user, roles.as_ref()))
    }

    /// Those of whom nothing is known, or nothing that is believed any more.
    pub(super) async fn unknown(&self, guild: GuildId, users: Vec<UserId>) -> Vec<UserId> {
        let since = self.clock.now().before(BELIEVED_FOR);
        let known = self.store.read(move |store| {
            let known = users.iter().map(|user| Ok((*user, store.member(guild, *user)?)));
            let known: BTreeMap<_, _> = known.collect::<Result<_, StoreError>>()?;
            let is_old = |(user, row): (UserId, Option<crate::store::MemberRow>)| {
                row.is_none_or(|row| row.looked_at <= since).then_some(user)
            };
            Ok(known.into_iter().filter_map(is_old).collect())
        });
        // A store that can't be read is for Persistence to report.
        known.await.unwrap_or_default()
    }

    /// Whoever is no member has no role, and nobody to take theirs for.
    fn seen(&self, guild: GuildId, user: UserId, roles: Option<&BTreeSet<RoleId>>) -> MemberSeen {
        let opted_out = roles.is_some_and(|roles| !roles.is_disjoint(&self.roles));
        MemberSeen { guild, user, opted_out }
    }
}
