//! Reads one page of a place, and writes down what it holds and proves.
//!
//! A crash loses the page in flight: coverage grows only with what was found.

use std::sync::Arc;

use tracing::{debug, warn};

use crate::{
    actors::{members::Members, persistence::Ledger},
    discord::{Cursor, Discord, DiscordError, MessagePage, PAGE},
    domain::{
        coverage::Span,
        crawl::{Step, proven, proven_empty, proven_without_unwanted},
        id::{ChannelId, MessageId},
        place::{Access, Place},
    },
    store::{Loss, PageRead, PlaceRow, PlaceSeen, PlacesLost},
};

/// Reads pages.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) discord: Arc<dyn Discord>,
    pub(super) ledger: Ledger,
    pub(super) members: Members,
}

/// What came of a step.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Coverage grew, or may have.
    Read {
        /// How many messages came that were not read before.
        messages: usize,
    },
    /// All that came was posted before anything is wanted, and too recently to prove that nothing else was.
    TooFresh,
    /// We may not read there now, and nothing is believed of it.
    Refused,
    /// It is gone.
    Gone,
    /// Discord is away, or the answer can't be believed: again later.
    Later(DiscordError),
    /// Nothing works until a person acts.
    Fatal(DiscordError),
}

impl Reader {
    /// Takes a step in a place. What comes beside what is wanted is not kept.
    pub(super) async fn take(&self, row: &PlaceRow, step: Step, wanted: Span) -> Outcome {
        match self.try_take(row, step, wanted).await {
            Ok(outcome) => outcome,
            Err(error) => self.refused(&row.place, error).await,
        }
    }

    async fn try_take(
        &self,
        row: &PlaceRow,
        step: Step,
        wanted: Span,
    ) -> Result<Outcome, DiscordError> {
        let place = row.place.id;
        let page = self.discord.messages(place, cursor(step), PAGE).await?;
        if let Some(span) = span_of(step, &page) {
            return self.keep(row, Some(span), page, wanted).await;
        }
        // Nothing came that lies in what was asked for. Is there nothing, or may we not see it?
        if let Step::Below(hole) = step {
            let anchored = Cursor::Before(hole.last.next().next());
            let page = self.discord.messages(place, anchored, PAGE).await?;
            if page.ids().next().is_some() {
                let span = span_of(step, &page).or_else(|| proven_empty(step, page.answered_at));
                return self.keep(row, span, page, wanted).await;
            }
        }
        self.believe(row, step, wanted).await
    }

    /// An empty answer where nothing known can be shown beside it. Asking for a message tells whether we may read:
    /// without permission the answer is "no", and "not there" otherwise. It is asked for before the page and after it,
    /// since permissions come and go.
    async fn believe(
        &self,
        row: &PlaceRow,
        step: Step,
        wanted: Span,
    ) -> Result<Outcome, DiscordError> {
        let place = row.place.id;
        let asked = row.anchor.unwrap_or_else(|| place.as_message());
        self.is_there(place, asked).await?;
        let page = self.discord.messages(place, cursor(step), PAGE).await?;
        if let Some(span) = span_of(step, &page) {
            return self.keep(row, Some(span), page, wanted).await;
        }
        let contradicts = self.is_there(place, asked).await? && lies_in(asked, step);
        if contradicts {
            let reason =
                format!("message {asked} can be read, and the page that should hold it is empty");
            return Ok(Outcome::Later(DiscordError::Malformed { reason }));
        }
        let span = proven_empty(step, page.answered_at);
        self.keep(row, span, page, wanted).await
    }

    /// Whether a message is there; an error when we may not know.
    async fn is_there(&self, place: ChannelId, message: MessageId) -> Result<bool, DiscordError> {
        match self.discord.message(place, message).await {
            Ok(_) => Ok(true),
            Err(DiscordError::NotFound { code }) if code != UNKNOWN_CHANNEL => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn keep(
        &self,
        row: &PlaceRow,
        span: Option<Span>,
        page: MessagePage,
        wanted: Span,
    ) -> Result<Outcome, DiscordError> {
        let place = row.place.id;
        let anchor = page.ids().max();
        let is_new = |id: &MessageId| wanted.contains(*id) && !row.coverage.contains(*id);
        let count = page.ids().filter(is_new).count();
        let proven = span;
        let span = proven.and_then(|span| proven_without_unwanted(span, wanted, page.ids()));
        let MessagePage { mut messages, mut unreadable, answered_at } = page;
        messages.retain(|message| wanted.contains(message.id));
        unreadable.retain(|message| message.id.is_none_or(|id| wanted.contains(id)));
        debug!(%place, messages = count, ?span, "page read");
        for message in messages.iter().filter(|message| !message.attachments.is_empty()) {
            debug!(message_id = %message.id, files = message.attachments.len(), "read");
        }
        let read = PageRead { place, span, messages, unreadable, anchor, answered_at };
        // Before anything of theirs is written down.
        let told = self.members.look_up(row.place.guild, &read.messages).await?;
        self.ledger.record(told.into_iter().chain([read.into()])).await;
        if proven.is_some() && span.is_none() {
            return Ok(Outcome::TooFresh);
        }
        Ok(Outcome::Read { messages: count })
    }

    async fn refused(&self, place: &Place, error: DiscordError) -> Outcome {
        match error {
            DiscordError::Forbidden { .. } => {
                warn!(place = %place.id, name = place.name, %error, "can't be read any more");
                let seen =
                    PlaceSeen { place: Place { access: Access::NoHistory, ..place.clone() } };
                self.ledger.record([seen.into()]).await;
                Outcome::Refused
            }
            DiscordError::NotFound { .. } => {
                debug!(place = %place.id, name = place.name, "is gone");
                let lost = PlacesLost { places: vec![place.id], loss: Loss::Inferred };
                self.ledger.record([lost.into()]).await;
                Outcome::Gone
            }
            error if error.is_fatal() => Outcome::Fatal(error),
            error => Outcome::Later(error),
        }
    }
}

/// Discord's code for a channel that is gone. Source: its documentation, opcodes and status codes.
const UNKNOWN_CHANNEL: u64 = 10_003;

fn cursor(step: Step) -> Cursor {
    match step {
        Step::Newest => Cursor::Newest,
        Step::Below(hole) => Cursor::Before(hole.last.next()),
    }
}

fn span_of(step: Step, page: &MessagePage) -> Option<Span> {
    let inside = |id: &MessageId| match step {
        Step::Newest => true,
        Step::Below(hole) => *id <= hole.last,
    };
    let ids = || page.ids().filter(inside);
    proven(step, ids().min()?, ids().max()?, page.answered_at)
}

fn lies_in(id: MessageId, step: Step) -> bool {
    match step {
        Step::Newest => true,
        Step::Below(hole) => hole.contains(id),
    }
}
