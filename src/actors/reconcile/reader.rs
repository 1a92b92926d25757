//! Reads one page again, asks for what it does not show, and writes down what was found.
//!
//! Deletions are written down before the page is counted as read: a crash between the two finds them done.

use std::{collections::BTreeSet, sync::Arc};

use tracing::{debug, info, warn};

use super::plan::Visit;
use crate::{
    actors::persistence::Ledger,
    discord::{Cursor, Discord, DiscordError, MessagePage, PAGE},
    domain::{
        coverage::Span,
        id::{ChannelId, MessageId},
        message::Message,
        place::{Access, Place},
        reconcile::{Keeps, Sight, next_bound, sample},
    },
    store::{
        Change, Deleted, FoundDeleted, Loss, ParkedReread, PlaceSeen, PlacesLost, Reread, Store,
        StoreError,
    },
};

/// Discord's code for a message that is gone. Without the permission to read it, the answer is another one: 403, or
/// 10003 for its channel. Source: its documentation, opcodes and status codes.
const UNKNOWN_MESSAGE: u64 = 10_008;

/// The most messages of one page that are asked for one by one where its pages can't be trusted: as many as a page
/// holds. The next round asks for others.
const MOST_ASKED: usize = 100;

/// So many messages that a page showed are asked for until one of them is there; each may have been deleted since.
const WITNESSES: usize = 3;

/// Deletions that are written down together, so that others get their turn in between.
const TOGETHER: usize = 500;

/// Messages that were put aside and are asked for between two commits.
const PARKED: usize = 20;

/// Reads pages again.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) discord: Arc<dyn Discord>,
    pub(super) ledger: Ledger,
    pub(super) store: Store,
}

/// What became of those who were asked for.
#[derive(Debug, Default)]
struct Asked {
    gone: BTreeSet<MessageId>,
    /// How many were there, legible or not.
    there: usize,
    messages: Vec<Message>,
}

impl Reader {
    /// Reads the next page of a visit, and tells below which message it goes on; none when it has ended.
    pub(super) async fn page(&self, visit: &Visit) -> Result<Option<MessageId>, DiscordError> {
        let place = visit.place.id;
        let Some(below) = next_bound(&visit.covered, visit.window, visit.below) else {
            self.keep(visit, Vec::new(), None, None).await;
            return Ok(None);
        };
        let (sight, page) = self.look(place, below).await?;
        let Some(region) = sight.speaks_of() else {
            return self.nothing_shown(visit, below).await;
        };
        let absent = sight.absent(&visit.covered, &self.kept(place, region).await);
        let Asked { gone, messages, .. } =
            self.confirm(place, &sight, absent, &visit.covered).await?;
        self.write_off(&visit.place, gone).await;
        let keeps = self.keeps_below(visit, &sight).await;
        let next = sight.next(&visit.covered, visit.window, keeps);
        self.keep(visit, messages, Some(page), next).await;
        Ok(next)
    }

    /// Asks for some messages that could not be recorded, from one on.
    pub(super) async fn parked(&self, after: MessageId) -> Result<(), DiscordError> {
        let parked = self.read(move |store| store.parked_after(after, PARKED)).await;
        let mut messages = Vec::new();
        for (id, channel) in &parked {
            match self.discord.message(*channel, *id).await {
                Ok(message) => messages.push(message),
                Err(DiscordError::NotFound { code: UNKNOWN_MESSAGE }) => {
                    let channel = *channel;
                    let anchor = self.read(move |store| store.place(channel)).await;
                    let anchor = anchor.and_then(|row| row.anchor);
                    // It stays where it is when nothing else shows that we may read there.
                    if self.is_witnessed(channel, anchor).await? {
                        let deleted = Deleted { channel, messages: vec![*id] };
                        self.ledger.record([FoundDeleted(deleted).into()]).await;
                    }
                }
                Err(error) if error.is_fatal() => return Err(error),
                Err(error @ DiscordError::Unavailable { .. }) => return Err(error),
                Err(error) => debug!(message = %id, %error, "it stays put aside"),
            }
        }
        let ended = parked.len() < PARKED;
        let after = parked.last().map(|(id, _)| *id).filter(|_| !ended);
        info!(
            asked = parked.len(),
            came = messages.len(),
            "messages that were put aside were asked for"
        );
        self.ledger.record([ParkedReread { messages, after }.into()]).await;
        Ok(())
    }

    /// A place could not be read. Nothing is believed of it.
    pub(super) async fn refused(&self, visit: &Visit, error: DiscordError) {
        let place = &visit.place;
        match error {
            DiscordError::Forbidden { .. } => {
                warn!(place = %place.id, name = place.name, %error, "can't be read any more");
                let seen =
                    PlaceSeen { place: Place { access: Access::NoHistory, ..place.clone() } };
                self.ledger.record([seen.into()]).await;
            }
            DiscordError::NotFound { .. } => {
                debug!(place = %place.id, name = place.name, "is gone");
                self.ledger
                    .record([PlacesLost { places: vec![place.id], loss: Loss::Inferred }.into()])
                    .await;
            }
            error => warn!(place = %place.id, %error, "to be read again later"),
        }
    }

    async fn look(
        &self,
        place: ChannelId,
        below: MessageId,
    ) -> Result<(Sight, MessagePage), DiscordError> {
        let page = self.discord.messages(place, Cursor::Before(below), PAGE).await?;
        let shown: BTreeSet<_> = page.ids().filter(|id| *id < below).collect();
        let full = shown.len() >= usize::from(PAGE);
        Ok((Sight { below, shown, full }, page))
    }

    /// An empty page: everything further down was deleted, or we may not see it. Neither is a proof of deletions, since
    /// nothing else is shown beside. Who may not read is told so when asking for a message.
    async fn nothing_shown(
        &self,
        visit: &Visit,
        below: MessageId,
    ) -> Result<Option<MessageId>, DiscordError> {
        let place = visit.place.id;
        let further = Span { first: MessageId::FIRST, last: below.previous() };
        if let Some(kept) = self.kept(place, further).await.last() {
            match self.discord.message(place, *kept).await {
                Ok(_) => return Err(contradiction(*kept)),
                Err(DiscordError::NotFound { code: UNKNOWN_MESSAGE }) => {
                    debug!(%place, "shows nothing more, so nothing is known of what was there");
                }
                Err(error) => return Err(error),
            }
        }
        self.keep(visit, Vec::new(), None, None).await;
        Ok(None)
    }

    /// Which of these are gone for certain, though nobody told. Those that are there after all come with them.
    async fn confirm(
        &self,
        place: ChannelId,
        sight: &Sight,
        absent: Vec<MessageId>,
        covered: &[Span],
    ) -> Result<Asked, DiscordError> {
        let asked_for = sample(&absent);
        let mut asked = self.ask_for(place, &asked_for).await?;
        if asked_for.len() < absent.len() {
            if asked.there == 0 {
                let (again, _) = self.look(place, sight.below).await?;
                if again.shown.is_disjoint(&sight.shown) {
                    return Err(contradiction(sight.below));
                }
                asked.gone.extend(again.absent(covered, &absent));
            } else {
                let others = absent.iter().copied().filter(|id| !asked_for.contains(id));
                let others: Vec<_> = others.take(MOST_ASKED).collect();
                let Asked { gone, messages, there } = self.ask_for(place, &others).await?;
                asked.gone.extend(gone);
                asked.messages.extend(messages);
                asked.there += there;
            }
        }
        if asked.gone.is_empty()
            || self.is_witnessed(place, sight.shown.iter().rev().copied()).await?
        {
            return Ok(asked);
        }
        Err(contradiction(sight.below))
    }

    async fn ask_for(
        &self,
        place: ChannelId,
        messages: &[MessageId],
    ) -> Result<Asked, DiscordError> {
        let mut asked = Asked::default();
        for id in messages {
            match self.discord.message(place, *id).await {
                Ok(message) => {
                    asked.there += 1;
                    asked.messages.push(message);
                }
                // It makes no sense, but it is there.
                Err(DiscordError::Malformed { .. }) => asked.there += 1,
                Err(DiscordError::NotFound { code: UNKNOWN_MESSAGE }) => {
                    asked.gone.insert(*id);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(asked)
    }

    /// Whether one of these messages can be had now, in the same way in which others could not: so we may read here, and
    /// Discord finds what there is.
    async fn is_witnessed(
        &self,
        place: ChannelId,
        witnesses: impl IntoIterator<Item = MessageId>,
    ) -> Result<bool, DiscordError> {
        for witness in witnesses.into_iter().take(WITNESSES) {
            match self.discord.message(place, witness).await {
                Ok(_) => return Ok(true),
                Err(
                    DiscordError::Malformed { .. }
                    | DiscordError::NotFound { code: UNKNOWN_MESSAGE },
                ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    async fn write_off(&self, place: &Place, gone: BTreeSet<MessageId>) {
        if gone.is_empty() {
            return;
        }
        info!(place = %place.id, name = place.name, messages = gone.len(), "deletions were found that nobody told of");
        let gone: Vec<_> = gone.into_iter().collect();
        for messages in gone.chunks(TOGETHER) {
            let deleted = Deleted { channel: place.id, messages: messages.to_vec() };
            self.ledger.record([FoundDeleted(deleted).into()]).await;
        }
    }

    async fn keep(
        &self,
        visit: &Visit,
        mut messages: Vec<Message>,
        page: Option<MessagePage>,
        below: Option<MessageId>,
    ) {
        let covered = |id: MessageId| visit.covered.iter().any(|span| span.contains(id));
        let mut unreadable = Vec::new();
        if let Some(page) = page {
            messages.extend(page.messages.into_iter().filter(|message| covered(message.id)));
            let others = page.unreadable.into_iter();
            unreadable.extend(others.filter(|message| message.id.is_some_and(covered)));
        }
        let Visit { place, errand, mark, .. } = visit;
        debug!(place = %place.id, ?errand, messages = messages.len(), ended = below.is_none(), "page read again");
        let (place, errand, mark) = (place.id, *errand, *mark);
        let reread = Reread { place, errand, mark, below, messages, unreadable };
        self.ledger.record([Change::from(reread)]).await;
    }

    async fn kept(&self, place: ChannelId, span: Span) -> Vec<MessageId> {
        self.read(move |store| store.kept(place, span)).await
    }

    async fn keeps_below(&self, visit: &Visit, sight: &Sight) -> Keeps {
        let (Some(lowest), place) = (sight.shown.first(), visit.place.id) else {
            return Keeps::Nothing;
        };
        let Some(below) = Span::new(visit.window.first, lowest.previous()) else {
            return Keeps::Nothing;
        };
        let any = self.read(move |store| store.keeps_any(place, below)).await;
        if any { Keeps::Something } else { Keeps::Nothing }
    }

    /// Reads the store. What can't be read counts as nothing: so nothing is suspect, and Persistence reports it.
    async fn read<T: Default + Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.store.read(read).await.unwrap_or_else(|error| {
            warn!(%error, "what is kept can't be read");
            T::default()
        })
    }
}

fn contradiction(message: MessageId) -> DiscordError {
    let reason = format!("pages and single messages contradict each other near {message}");
    DiscordError::Malformed { reason }
}
