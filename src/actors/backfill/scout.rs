//! Finds every place that holds messages: channels, active threads, archived threads.
//!
//! Active threads are listed before the archived ones and again afterwards: one that is archived in between was seen
//! before, one that is opened in between is seen after. A listing ends where the one before began; a crash before its
//! end lists the same again.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tracing::{debug, info, warn};

use crate::{
    actors::persistence::Ledger,
    discord::{Discord, DiscordError},
    domain::{
        id::{ChannelId, GuildId, MessageId},
        place::{Access, Archived, Place},
        selection::PlaceSelection,
        time::Timestamp,
    },
    store::{Change, HistoryWanted, PlaceSeen, PlacesFound, Store, Surveyed, ThreadsListed},
};

/// Archive times are not unique, and change when a thread is opened again: listings overlap by this much.
const OVERLAP: Duration = Duration::from_mins(5);

/// Finds places.
#[derive(Clone)]
pub(super) struct Scout {
    pub(super) discord: Arc<dyn Discord>,
    pub(super) ledger: Ledger,
    pub(super) store: Store,
    pub(super) selection: Arc<PlaceSelection>,
    /// From where history was asked for in this life.
    pub(super) history_from: Option<MessageId>,
}

impl Scout {
    /// Lists a server's channels and threads.
    pub(super) async fn look_around(&self, guild: GuildId) -> Result<(), DiscordError> {
        let lost = self.lost().await;
        let survey = self.discord.survey(guild).await?;
        let name = survey.guild.name.clone();
        let channels = survey.channels.clone();
        let wanted = self.history_from.map(|from| HistoryWanted { guild, from }.into());
        let changes = found(&lost, &channels).into_iter().chain([Surveyed { survey }.into()]);
        self.ledger.record(changes.chain(wanted)).await;
        self.see(&lost, self.discord.active_threads(guild, &channels).await?).await;
        let mut archived = 0;
        for channel in &channels {
            archived += self.archived_threads(&lost, channel, &channels).await?;
        }
        let active = self.discord.active_threads(guild, &channels).await?;
        let count = active.len();
        self.see(&lost, active).await;
        info!(
            server = name,
            channels = channels.len(),
            active_threads = count,
            archived_threads = archived,
            "looked around"
        );
        Ok(())
    }

    async fn archived_threads(
        &self,
        lost: &BTreeSet<ChannelId>,
        channel: &Place,
        channels: &[Place],
    ) -> Result<usize, DiscordError> {
        let category: Vec<&Place> =
            channels.iter().filter(|place| Some(place.id) == channel.parent).collect();
        let wanted = self.selection.omits(channel, &category).is_none();
        // A thread may be named though its channel is not.
        let is_channel = |id: &ChannelId| channels.iter().any(|place| place.id == *id);
        let names_threads = !self.selection.channels.iter().all(is_channel);
        let can_list = channel.kind.holds_threads() && channel.access == Access::Readable;
        if !can_list || !(wanted || names_threads) {
            return Ok(0);
        }
        let mut seen = self.list(lost, channel, Archived::Public).await?;
        let private_too = channel.manages_threads
            && (self.selection.include_private || !self.selection.channels.is_empty());
        if private_too {
            seen += self.list(lost, channel, Archived::Private).await?;
        }
        Ok(seen)
    }

    async fn list(
        &self,
        lost: &BTreeSet<ChannelId>,
        channel: &Place,
        which: Archived,
    ) -> Result<usize, DiscordError> {
        let known = self.listed_until(channel.id, which).await;
        let (mut before, mut newest, mut seen) = (None, None, 0);
        loop {
            let page = match self.discord.archived_threads(channel, which, before).await {
                Ok(page) => page,
                Err(error @ (DiscordError::Forbidden { .. } | DiscordError::NotFound { .. })) => {
                    warn!(channel = %channel.id, name = channel.name, %error, "its archived threads can't be listed");
                    return Ok(seen);
                }
                Err(error) => return Err(error),
            };
            let oldest = page.threads.iter().filter_map(|thread| thread.archived_at).min();
            newest = newest.max(page.threads.iter().filter_map(|thread| thread.archived_at).max());
            seen += page.threads.len();
            self.see(lost, page.threads).await;
            let joined =
                known.zip(oldest).is_some_and(|(known, oldest)| oldest < known.before(OVERLAP));
            let Some(next) = oldest.and_then(|oldest| next_page(before, oldest)) else { break };
            if !page.has_more || joined {
                break;
            }
            before = Some(next);
        }
        debug!(channel = %channel.id, ?which, threads = seen, "archived threads listed");
        if let Some(until) = newest {
            self.ledger.record([ThreadsListed { channel: channel.id, which, until }.into()]).await;
        }
        Ok(seen)
    }

    async fn listed_until(&self, channel: ChannelId, which: Archived) -> Option<Timestamp> {
        let row = self.store.read(move |store| store.place(channel)).await.ok()??;
        match which {
            Archived::Public => row.public_threads_until,
            Archived::Private => row.private_threads_until,
        }
    }

    /// What is believed to be deleted before Discord is asked for any of it. Where the store can't tell, nothing is found this time.
    async fn lost(&self) -> BTreeSet<ChannelId> {
        let lost = self.store.read(Store::lost_places).await.unwrap_or_default();
        lost.into_iter().collect()
    }

    async fn see(&self, lost: &BTreeSet<ChannelId>, places: Vec<Place>) {
        if !places.is_empty() {
            let found = found(lost, &places);
            let seen = places.into_iter().map(|place| Change::from(PlaceSeen { place }));
            self.ledger.record(found.into_iter().chain(seen)).await;
        }
    }
}

/// Those of some places that were believed to be deleted, if any.
fn found(lost: &BTreeSet<ChannelId>, places: &[Place]) -> Option<Change> {
    let places: Vec<_> =
        places.iter().map(|place| place.id).filter(|id| lost.contains(id)).collect();
    (!places.is_empty()).then(|| PlacesFound { places }.into())
}

/// Where the next page begins: with the last time of this one again, since several threads may share it. When that
/// leads nowhere, just below it; when that does not either, the listing ends.
fn next_page(before: Option<Timestamp>, oldest: Timestamp) -> Option<Timestamp> {
    let overlapping = oldest.after(Duration::from_millis(1));
    [overlapping, oldest].into_iter().find(|next| before.is_none_or(|before| *next < before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_threads_overlap_and_still_end() {
        let at = Timestamp::from_millis;
        assert_eq!(next_page(None, at(100)), Some(at(101)));
        assert_eq!(next_page(Some(at(200)), at(100)), Some(at(101)));
        assert_eq!(next_page(Some(at(101)), at(100)), Some(at(100)));
        assert_eq!(next_page(Some(at(100)), at(100)), None);
    }
}
