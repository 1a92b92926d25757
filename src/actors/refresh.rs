//! Keeps links alive that something needs: all of them in link mode, those of waiting downloads in copy mode.
//!
//! Fifty links a call; when Discord does not offer that call, pages of messages around the wanted ones, which hold
//! fresh links too, and the single message last. What such a message tells of an edit that nobody heard of is written
//! down with its links. A crash loses one batch, which is due again at the next start.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use actix::prelude::*;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};
use tracing::{debug, info, warn};

use super::{Drain, Wake, alarm::Alarm, persistence::Ledger};
use crate::{
    clock::Clock,
    discord::{Cursor, Discord, DiscordError, PAGE, REFRESH_BATCH},
    domain::{
        id::{AttachmentId, ChannelId, MessageId},
        link::Link,
        message::Message,
        time::Timestamp,
    },
    store::{Change, LinkDue, LinksRefreshed, PageRead, Store, StoreError},
};

/// One wake-up says as much as ten: what is due is in the store.
pub const MAILBOX: usize = 1;

/// How many due links are looked at together: pages of messages serve best when neighbours are due together.
const ROUND: usize = 1_000;

/// How long links wait when Discord did not answer.
const AWAY: Duration = Duration::from_secs(15);

/// How long a link waits that got no answer though others did, before its message is asked for.
const UNANSWERED: Duration = Duration::from_secs(1);

/// How long nothing is asked for in a channel that refused us: each refusal brings us nearer to being shut out
/// altogether, and who gives the permission back should not wait long.
const FORBIDDEN: Duration = Duration::from_secs(30);

/// Links that live a day are due four hours before their end; nobody gains much by looking further than half of that.
const SOON: Duration = Duration::from_hours(2);

/// Discord's code for a channel that is no more.
const UNKNOWN_CHANNEL: u64 = 10_003;

/// How often the store is looked at though nobody rang and nothing is due.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// Keeps links alive.
pub struct Refresh {
    parts: Parts,
    bell: Arc<Notify>,
    closing: watch::Sender<bool>,
    closed: watch::Sender<bool>,
}

/// What [`Refresh`] needs to live, and to live again.
#[derive(Clone)]
pub struct Parts {
    /// Who makes links new.
    pub discord: Arc<dyn Discord>,
    /// Where they are written down.
    pub ledger: Ledger,
    /// Which are due.
    pub store: Store,
    /// Tells what that means.
    pub clock: Clock,
    /// Hears of what only a person can mend.
    pub alarm: Alarm,
}

impl Refresh {
    /// A keeper over these parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            bell: Arc::default(),
            closing: watch::Sender::new(false),
            closed: watch::Sender::new(false),
        }
    }
}

impl Actor for Refresh {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let rounds =
            Rounds { parts: self.parts.clone(), batches_offered: true, closed: HashMap::new() };
        let (bell, closing, closed) =
            (Arc::clone(&self.bell), self.closing.clone(), self.closed.clone());
        ctx.spawn(
            async move {
                rounds.run(&bell, &closing).await;
                closed.send_replace(true);
            }
            .into_actor(self),
        );
    }
}

impl Supervised for Refresh {}

impl Handler<Wake> for Refresh {
    type Result = ();

    fn handle(&mut self, Wake: Wake, _: &mut Self::Context) {
        self.bell.notify_one();
    }
}

impl Handler<Drain> for Refresh {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Drain: Drain, _: &mut Self::Context) -> Self::Result {
        self.closing.send_replace(true);
        self.bell.notify_one();
        let mut closed = self.closed.subscribe();
        Box::pin(async move {
            // Fails only when nobody is left to close.
            closed.wait_for(|closed| *closed).await.ok();
        })
    }
}

/// What messages told that were read for the sake of their links.
#[derive(Default)]
struct Found {
    refreshed: LinksRefreshed,
    /// Those that were edited since they were seen last.
    edited: BTreeMap<MessageId, Message>,
}

/// The work itself, free of actors so that tests call it directly.
struct Rounds {
    parts: Parts,
    /// Whether Discord makes many links new in one call. Once it said no, it is not asked again in this life.
    batches_offered: bool,
    /// Channels that we may not read, and until when they are not asked for again: each answer counts as a refusal,
    /// and too many of those have Discord block the address.
    closed: HashMap<ChannelId, Timestamp>,
}

impl Rounds {
    async fn run(mut self, bell: &Notify, closing: &watch::Sender<bool>) {
        while !*closing.borrow() {
            match self.round().await {
                Ok(0) => self.wait(bell).await,
                Ok(_) => {}
                Err(error) if error.is_fatal() => {
                    return self.parts.alarm.ring("refresh", error.to_string());
                }
                Err(error) => {
                    warn!(%error, "links can't be made new now");
                    let mut closing = closing.subscribe();
                    tokio::select! {
                        () = sleep(AWAY) => {}
                        _ = closing.wait_for(|closing| *closing) => {}
                    }
                }
            }
        }
    }

    async fn wait(&self, bell: &Notify) {
        let next = self.parts.store.read(Store::next_link_due).await.ok().flatten();
        let now = self.parts.clock.now();
        let pause = next.map_or(LONGEST_SLEEP, |next| next.since(now).min(LONGEST_SLEEP));
        tokio::select! {
            biased;
            () = bell.notified() => {}
            () = sleep(pause.max(Duration::from_millis(20))) => {}
        }
    }

    /// Makes new what is due, and tells how many links that were.
    async fn round(&mut self) -> Result<usize, DiscordError> {
        let now = self.parts.clock.now();
        let due = self.parts.store.read(move |store| full_batches(store, now)).await;
        let due = due.unwrap_or_else(|error| {
            warn!(%error, "the links that are due can't be read");
            Vec::new()
        });
        let count = due.len();
        let mut rest = due.as_slice();
        while !rest.is_empty() {
            rest = if self.batches_offered {
                self.batch(rest).await?
            } else {
                self.pages(rest).await?;
                &[]
            };
        }
        Ok(count)
    }

    /// Up to fifty links in one call; returns the ones that are left.
    async fn batch<'a>(&mut self, due: &'a [LinkDue]) -> Result<&'a [LinkDue], DiscordError> {
        let (batch, rest) = due.split_at(due.len().min(REFRESH_BATCH));
        let links: Vec<Link> = batch.iter().map(|due| due.link.clone()).collect();
        let pairs = match self.parts.discord.refresh_links(&links).await {
            Ok(pairs) => pairs,
            Err(DiscordError::NotOffered) => {
                info!("Discord does not make links new by the batch: reading messages instead");
                self.batches_offered = false;
                return Ok(due);
            }
            Err(error) => return Err(error),
        };
        let mut answers: HashMap<String, Link> = pairs
            .into_iter()
            .filter_map(|pair| Some((pair.original.reveal().to_owned(), pair.refreshed?)))
            .collect();
        let mut refreshed = LinksRefreshed::default();
        let mut unanswered = Vec::new();
        for due in batch {
            match answers.remove(due.link.reveal()) {
                Some(link) if self.is_newer(&link, due) => refreshed.renewed.push((due.key, link)),
                _ => unanswered.push(due),
            }
        }
        debug!(links = refreshed.renewed.len(), unanswered = unanswered.len(), "links made new");
        self.parts.ledger.record([refreshed.into()]).await;
        // No answer, or the same link again: the messages themselves tell whether the files are still there.
        self.pages(unanswered).await?;
        Ok(rest)
    }

    fn is_newer(&self, link: &Link, due: &LinkDue) -> bool {
        let now = self.parts.clock.now();
        match (link.expires_at(), due.link.expires_at()) {
            (None, _) => true,
            (Some(new), Some(old)) => new > now && new >= old && link != &due.link,
            (Some(new), None) => new > now,
        }
    }

    async fn ask_for_message(
        &mut self,
        due: &LinkDue,
        found: &mut Found,
    ) -> Result<(), DiscordError> {
        match self.parts.discord.message(due.channel, due.key.message).await {
            Ok(message) => {
                self.take_from(&message, due, found);
                Ok(())
            }
            Err(DiscordError::NotFound { code }) => {
                let why = format!("its message is gone from Discord ({code})");
                found.refreshed.vanished.push((due.key, why));
                Ok(())
            }
            Err(DiscordError::Forbidden { code }) => {
                let until = self.close(due.channel, code);
                found.refreshed.postponed.push((due.key, until));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn take_from(&self, message: &Message, due: &LinkDue, found: &mut Found) {
        if message.edited > due.edited {
            found.edited.entry(message.id).or_insert_with(|| message.clone());
        }
        let refreshed = &mut found.refreshed;
        match message.attachments.iter().find(|attachment| attachment.id == due.key.item) {
            None => {
                refreshed.vanished.push((due.key, "it was taken out of its message".to_owned()));
            }
            Some(attachment) if self.is_newer(&attachment.link, due) => {
                refreshed.renewed.push((due.key, attachment.link.clone()));
            }
            Some(_) => {
                refreshed.postponed.push((due.key, self.parts.clock.now().after(UNANSWERED)));
            }
        }
    }

    /// Pages of messages, each from the first wanted one on, which may hold others of its channel too.
    async fn pages<'a>(
        &mut self,
        due: impl IntoIterator<Item = &'a LinkDue>,
    ) -> Result<(), DiscordError> {
        let mut by_channel: BTreeMap<ChannelId, Wanted<'a>> = BTreeMap::new();
        for link in due {
            let key = (link.key.message, link.key.item);
            by_channel.entry(link.channel).or_default().insert(key, link);
        }
        for (channel, mut wanted) in by_channel {
            while let Some((&(message, _), _)) = wanted.first_key_value() {
                let Some(until) = self.closed_until(channel) else {
                    self.page(channel, message, &mut wanted).await?;
                    continue;
                };
                let postponed = std::mem::take(&mut wanted).into_values();
                let postponed = postponed.map(|due| (due.key, until)).collect();
                let put_off = LinksRefreshed { postponed, ..LinksRefreshed::default() };
                self.parts.ledger.record([put_off.into()]).await;
            }
        }
        Ok(())
    }

    fn closed_until(&self, channel: ChannelId) -> Option<Timestamp> {
        let now = self.parts.clock.now();
        self.closed.get(&channel).copied().filter(|until| *until > now)
    }

    /// What holds for one message holds for its channel.
    fn close(&mut self, channel: ChannelId, code: u64) -> Timestamp {
        debug!(%channel, code, "links not made new: their channel can't be read");
        let until = self.parts.clock.now().after(FORBIDDEN);
        self.closed.insert(channel, until);
        until
    }

    async fn page(
        &mut self,
        channel: ChannelId,
        first: MessageId,
        wanted: &mut Wanted<'_>,
    ) -> Result<(), DiscordError> {
        // The wanted ones lie at and above the first, so the page begins just below it.
        let page =
            self.parts.discord.messages(channel, Cursor::After(first.previous()), PAGE).await;
        let mut found = Found::default();
        match page {
            Ok(page) => {
                for message in &page.messages {
                    let of_message =
                        (message.id, AttachmentId(0))..=(message.id, AttachmentId(u64::MAX));
                    let keys: Vec<_> = wanted.range(of_message).map(|(key, _)| *key).collect();
                    for key in keys {
                        let due = wanted.remove(&key).expect("the key was just read");
                        self.take_from(message, due, &mut found);
                    }
                }
            }
            Err(DiscordError::Forbidden { code }) => {
                self.close(channel, code);
                return Ok(());
            }
            Err(DiscordError::NotFound { code: code @ UNKNOWN_CHANNEL }) => {
                let why = format!("its channel is gone from Discord ({code})");
                let vanished = std::mem::take(wanted).into_values();
                found.refreshed.vanished.extend(vanished.map(|due| (due.key, why.clone())));
            }
            // The message itself tells better.
            Err(DiscordError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        // The first was asked for; when it did not come, its message tells why.
        let missed: Vec<_> = wanted.extract_if(.., |(message, _), _| *message == first).collect();
        for (_, due) in missed {
            self.ask_for_message(due, &mut found).await?;
        }
        self.parts.ledger.record(self.changes(channel, found)).await;
        Ok(())
    }

    /// Edits first: what they took off is no longer kept alive.
    fn changes(&self, channel: ChannelId, Found { refreshed, edited }: Found) -> Vec<Change> {
        let read = PageRead {
            place: channel,
            // Messages were picked from it, so it tells nothing of the others.
            span: None,
            messages: edited.into_values().collect(),
            unreadable: Vec::new(),
            anchor: None,
            answered_at: self.parts.clock.now(),
        };
        let edits = (!read.messages.is_empty()).then(|| read.into());
        edits.into_iter().chain([refreshed.into()]).collect()
    }
}

/// Links of one channel, in the order of their messages.
type Wanted<'a> = BTreeMap<(MessageId, AttachmentId), &'a LinkDue>;

/// The links that are due, and so many of those that soon will be as have room in the same calls.
///
/// Without them, links of single posts would be due one by one for ever, each at the price of a call and of a
/// publication.
fn full_batches(store: &Store, now: Timestamp) -> Result<Vec<LinkDue>, StoreError> {
    let due = store.links_due(now, ROUND)?;
    let seats = due.len().next_multiple_of(REFRESH_BATCH);
    if due.len() == seats {
        return Ok(due);
    }
    let mut due = store.links_due(now.after(SOON), seats)?;
    due.retain(|due| due.link.may_be_renewed_early(due.due, now));
    Ok(due)
}
