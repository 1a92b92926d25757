//! The writing half of a shard: what was heard becomes changes, in order, together with how far the session has come.

use std::collections::{BTreeSet, HashMap};

use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use super::{Line, Parts, next_batch};
use crate::{
    actors::{
        backfill::{LookAt, Touched},
        members::Members,
    },
    discord::{
        ThreadFacts,
        gateway::{Event, Session, ShardNumber},
    },
    domain::{
        id::{ChannelId, GuildId, MessageId},
        message::Message,
        place::Place,
        selection::PlaceSelection,
    },
    store::{
        Change, Deleted, Loss, Observed, PlaceSeen, PlacesLost, SessionMoved, SessionRow, Started,
        Store, StoreError,
    },
};

/// So many events are written down at once.
const BATCH: usize = 256;

/// Writes down what one shard heard.
pub(super) struct Scribe {
    pub(super) parts: Parts,
    pub(super) shard: ShardNumber,
    pub(super) shards: u32,
    /// The session, at the last event that is durable.
    pub(super) durable: watch::Sender<Option<Session>>,
}

/// What a batch of events comes to.
#[derive(Default)]
struct Notes {
    changes: Vec<Change>,
    touched: Vec<Touched>,
    look_at: BTreeSet<GuildId>,
}

impl Scribe {
    /// Writes until nobody listens any more.
    pub(super) async fn write(self, mut heard: mpsc::Receiver<Line>) {
        loop {
            let batch = next_batch(&mut heard, BATCH).await;
            let waiting = u32::try_from(heard.len()).unwrap_or(u32::MAX);
            metrics::gauge!("bowerbird_gateway_events_waiting").set(waiting);
            if batch.is_empty() {
                return;
            }
            let mut session = self.durable.borrow().clone();
            let mut events = Vec::with_capacity(batch.len());
            let mut begun = false;
            for line in batch {
                match line {
                    Line::Ready(fresh) => {
                        session = Some(fresh);
                        begun = true;
                    }
                    Line::Event { sequence, event } => {
                        session = session.map(|session| session.at(sequence));
                        events.push(event);
                    }
                }
            }
            let mut notes = self.note(events).await;
            notes.changes.extend(begun.then(|| Started { shard: self.shard.0 }.into()));
            notes.changes.push(self.moved(session.as_ref()));
            self.parts.ledger.record(notes.changes).await;
            self.durable.send_replace(session);
            self.tell(notes.touched, notes.look_at);
        }
    }

    fn moved(&self, session: Option<&Session>) -> Change {
        let row = session.map(|session| SessionRow {
            session: serde_json::to_string(session).expect("a session is plain data"),
            shards: self.shards,
        });
        SessionMoved { shard: self.shard.0, session: row }.into()
    }

    /// Hints: the mailbox of the one who gets them may be full, and then a timer does their work.
    fn tell(&self, touched: Vec<Touched>, look_at: BTreeSet<GuildId>) {
        for touched in touched {
            self.parts.touched.try_send(touched).ok();
        }
        for guild in look_at {
            self.parts.look_at.try_send(LookAt(guild)).ok();
        }
    }

    async fn note(&self, events: Vec<Event>) -> Notes {
        let (selection, members) = (self.parts.selection.clone(), self.parts.members.clone());
        let note = move |store: &Store| {
            let (store, known, notes) = (store.clone(), HashMap::new(), Notes::default());
            let mut desk = Desk { store, selection, members, known, notes };
            for event in events {
                desk.note(event);
            }
            desk.notes
        };
        self.parts.store.aside(note).await
    }
}

/// Turns events into changes, knowing which places are wanted.
struct Desk {
    store: Store,
    selection: std::sync::Arc<PlaceSelection>,
    members: Members,
    known: HashMap<ChannelId, Option<Place>>,
    notes: Notes,
}

impl Desk {
    fn note(&mut self, event: Event) {
        match event {
            Event::Posted(message) => self.posted(*message),
            Event::Edited(message) => {
                if self.wants(message.channel, message.guild) {
                    self.observe(*message);
                }
            }
            Event::Deleted { channel, messages, .. } => {
                self.notes.changes.push(Deleted { channel, messages }.into());
            }
            Event::GuildAvailable { guild, newest, threads } => {
                self.notes.look_at.insert(guild);
                self.notes.touched.extend(newest.into_iter().filter_map(newest_of));
                self.threads_seen(threads);
            }
            Event::GuildUnavailable(guild) => {
                warn!(%guild, "the server has an outage at Discord; what is missed is read afterwards");
            }
            Event::GuildLost(guild) => {
                warn!(%guild, "the bot is no longer in this server; what was archived stays");
            }
            Event::ThreadsSeen(threads) => self.threads_seen(threads),
            Event::ThreadGone { thread: place, .. } | Event::ChannelGone { channel: place, .. } => {
                let lost = PlacesLost { places: vec![place], loss: Loss::Told };
                self.notes.changes.push(lost.into());
            }
            Event::PlacesChanged(guild) => {
                self.notes.look_at.insert(guild);
            }
            Event::Unreadable { kind, reason, .. } => {
                info!(kind, reason, "an event makes no sense; history will tell");
            }
            Event::Other => {}
        }
    }

    fn posted(&mut self, message: Message) {
        if !self.wants(message.channel, message.guild) {
            return;
        }
        self.notes.touched.push(Touched { place: message.channel, message: message.id });
        if message.carries_media {
            self.observe(message);
        }
    }

    fn observe(&mut self, message: Message) {
        let told = self.members.told_by(&message);
        self.notes.changes.extend(told.map(Change::from));
        if !message.attachments.is_empty() {
            debug!(message_id = %message.id, files = message.attachments.len(), "heard");
        }
        if let Some(Change::Observed(observed)) = self.notes.changes.last_mut() {
            observed.messages.push(message);
        } else {
            self.notes.changes.push(Observed { messages: vec![message] }.into());
        }
    }

    fn threads_seen(&mut self, threads: Vec<ThreadFacts>) {
        for facts in threads {
            let parent = facts.parent.and_then(|parent| self.place(parent));
            if parent.is_none() {
                self.notes.look_at.insert(facts.guild);
                continue;
            }
            let newest = newest_of((facts.id, facts.last_message));
            let place = facts.within(parent.as_ref());
            self.known.insert(place.id, Some(place.clone()));
            self.notes.changes.push(PlaceSeen { place }.into());
            self.notes.touched.extend(newest);
        }
    }

    /// Whether a place is archived. One that nobody knows is looked up, and read from history.
    fn wants(&mut self, channel: ChannelId, guild: Option<GuildId>) -> bool {
        let Some(place) = self.place(channel) else {
            let ours = guild.filter(|guild| self.selection.guilds.contains(guild));
            self.notes.look_at.extend(ours);
            return false;
        };
        let parent = place.parent.and_then(|parent| self.place(parent));
        let category =
            parent.as_ref().and_then(|parent| parent.parent).and_then(|id| self.place(id));
        let above = [parent, category];
        let ancestors = place.ancestors(|id| above.iter().flatten().find(|place| place.id == id));
        self.selection.omits(&place, &ancestors).is_none()
    }

    fn place(&mut self, id: ChannelId) -> Option<Place> {
        if let Some(known) = self.known.get(&id) {
            return known.clone();
        }
        let found: Result<_, StoreError> = self.store.place(id);
        // A store that can't be read is for Persistence to report; history is read once it can.
        let place = found.ok().flatten().map(|row| row.place);
        self.known.insert(id, place.clone());
        place
    }
}

fn newest_of((place, newest): (ChannelId, Option<MessageId>)) -> Option<Touched> {
    newest.map(|message| Touched { place, message })
}
