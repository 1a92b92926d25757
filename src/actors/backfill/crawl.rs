//! Decides which place is read next, and keeps many of them in flight at once, each in order.
//!
//! What is known of places is a copy of the store's rows, so a crash loses nothing but hints: after it everything is
//! looked at anew.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tracing::{debug, warn};

use super::{
    progress::Progress,
    reader::{Outcome, Reader},
    scout::Scout,
};
use crate::{
    actors::alarm::Alarm,
    discord::DiscordError,
    domain::{
        coverage::Span,
        crawl::{Signs, Step, next_step},
        id::{ChannelId, GuildId, MessageId},
        place::Access,
        selection::PlaceSelection,
    },
    store::{GuildRow, PlaceRow, Store},
};

/// Places read at once. A channel gives a page a second, and all of them together fifty: this many are just enough to
/// use what Discord allows.
const AT_ONCE: usize = 48;

/// A page's worth of live messages is confirmed by one request, however soon it is full.
const PAGEFUL: u32 = 100;

/// How long a place or a server rests after Discord was away.
const REST: Duration = Duration::from_secs(20);

/// How soon a server is looked at again when a place that it promised refused us: permissions that are being changed
/// have been changed by then.
const SECOND_LOOK: Duration = Duration::from_secs(5);

/// How often servers are looked at though nothing told of a change: a lost event costs no more than this.
const LOOK_AROUND_EVERY: Duration = Duration::from_hours(1);

/// What is wanted of a server's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// What was asked for before, as the store remembers it, and everything to come.
    AsRemembered,
    /// The same, and from now on also what was posted from a message on.
    From(MessageId),
    /// What lies in a span.
    Only(Span),
}

impl Wanted {
    /// From where history is asked for anew.
    pub(super) const fn history_from(self) -> Option<MessageId> {
        match self {
            Self::From(first) => Some(first),
            Self::AsRemembered | Self::Only(_) => None,
        }
    }
}

/// What others told between two looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    told: Arc<Mutex<Told>>,
    bell: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Told {
    touched: BTreeMap<ChannelId, (MessageId, u32)>,
    guilds: BTreeSet<GuildId>,
    unknown_places: bool,
}

impl Inbox {
    /// A message was posted in a place.
    pub(super) fn touched(&self, place: ChannelId, message: MessageId) {
        let mut told = self.told();
        let (newest, count) = told.touched.entry(place).or_insert((message, 0));
        *newest = message.max(*newest);
        *count += 1;
        drop(told);
        self.bell.notify_one();
    }

    /// A server is to be looked at.
    pub(super) fn look_at(&self, guild: GuildId) {
        self.told().guilds.insert(guild);
        self.bell.notify_one();
    }

    /// A message came from a place that nobody knows.
    pub(super) fn look_everywhere(&self) {
        self.told().unknown_places = true;
        self.bell.notify_one();
    }

    fn take(&self) -> Told {
        std::mem::take(&mut *self.told())
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("no holder of this lock panics")
    }
}

/// Reads everything that is wanted, and goes on for as long as it lives.
pub(super) struct Crawl {
    pub(super) reader: Reader,
    pub(super) scout: Scout,
    pub(super) store: Store,
    pub(super) selection: Arc<PlaceSelection>,
    pub(super) wanted: Wanted,
    pub(super) confirm_after: Duration,
    pub(super) alarm: Alarm,
    pub(super) inbox: Inbox,
    pub(super) progress: watch::Sender<Progress>,
}

/// What is known of places, and what is to be done about them.
#[derive(Default)]
struct Atlas {
    guilds: BTreeMap<GuildId, GuildRow>,
    places: BTreeMap<ChannelId, PlaceRow>,
    unconfirmed: BTreeMap<ChannelId, Unconfirmed>,
    tails: VecDeque<ChannelId>,
    holes: VecDeque<ChannelId>,
    queued: BTreeSet<ChannelId>,
    /// With what the step is to confirm, so that it is not forgotten when the step fails.
    in_flight: BTreeMap<ChannelId, Option<Unconfirmed>>,
    resting: BTreeSet<(Instant, ChannelId)>,
    /// Those of them that hold nothing that is wanted, for all that can be told so far.
    settling: BTreeSet<ChannelId>,
    to_visit: BTreeMap<GuildId, Instant>,
    visiting: BTreeSet<GuildId>,
    visited: BTreeSet<GuildId>,
    /// Places that refused us though we should be able to read them. Each is worth one more look at its server.
    doubted: BTreeSet<ChannelId>,
    /// Servers that wait for such a look.
    doubtful: BTreeSet<GuildId>,
}

#[derive(Clone, Copy)]
struct Unconfirmed {
    newest: MessageId,
    count: u32,
    since: Instant,
}

impl Atlas {
    /// Messages of a place are to be read back.
    fn wait_for(&mut self, place: ChannelId, told: Unconfirmed) {
        let waiting = self.unconfirmed.entry(place).or_insert(Unconfirmed { count: 0, ..told });
        waiting.newest = told.newest.max(waiting.newest);
        waiting.count += told.count;
        waiting.since = told.since.min(waiting.since);
    }

    /// Whether a place is read, or in line, or left alone for a while.
    fn is_spoken_for(&self, place: ChannelId) -> bool {
        self.in_flight.contains_key(&place)
            || self.queued.contains(&place)
            || self.resting.iter().any(|(_, resting)| *resting == place)
    }
}

enum Done {
    Page(ChannelId, Outcome),
    Visit(GuildId, Result<(), DiscordError>),
}

impl Crawl {
    /// Reads until it is dropped, or until nothing works any more.
    pub(super) async fn run(self) {
        let mut atlas = Atlas::default();
        let mut tasks = JoinSet::new();
        let now = Instant::now();
        atlas.to_visit = self.selection.guilds.iter().map(|guild| (*guild, now)).collect();
        // What was known at the end of the life before: reading goes on while servers are looked at.
        self.reload(&mut atlas).await;
        loop {
            self.hear(&mut atlas).await;
            self.wake_resting(&mut atlas);
            self.start(&mut atlas, &mut tasks);
            self.report(&atlas);
            let wake_at = self.next_moment(&atlas);
            tokio::select! {
                biased;
                Some(done) = tasks.join_next() => match done {
                    Ok(done) => if self.finished(&mut atlas, done).await.is_break() { return },
                    Err(died) => std::panic::resume_unwind(died.into_panic()),
                },
                () = self.inbox.bell.notified() => {}
                () = sleep_until(wake_at) => {}
            }
        }
    }

    async fn hear(&self, atlas: &mut Atlas) {
        let told = self.inbox.take();
        let now = Instant::now();
        for (place, (newest, count)) in told.touched {
            // A thread may have been opened since the last look at its server, and a place forgotten.
            self.recall(atlas, place).await;
            atlas.wait_for(place, Unconfirmed { newest, count, since: now });
        }
        let everywhere =
            if told.unknown_places { self.selection.guilds.clone() } else { BTreeSet::new() };
        for guild in told.guilds.into_iter().chain(everywhere) {
            if self.selection.guilds.contains(&guild) {
                atlas.to_visit.insert(guild, now);
            }
        }
        let due: Vec<_> = atlas
            .unconfirmed
            .iter()
            .filter(|(_, waiting)| {
                waiting.count >= PAGEFUL || waiting.since + self.confirm_after <= now
            })
            .map(|(place, _)| *place)
            .collect();
        for place in due {
            self.consider(atlas, place);
        }
    }

    fn wake_resting(&self, atlas: &mut Atlas) {
        let now = Instant::now();
        while let Some(&(until, place)) = atlas.resting.first().filter(|(until, _)| *until <= now) {
            atlas.resting.remove(&(until, place));
            atlas.settling.remove(&place);
            self.consider(atlas, place);
        }
    }

    fn start(&self, atlas: &mut Atlas, tasks: &mut JoinSet<Done>) {
        let now = Instant::now();
        let due: Vec<_> =
            atlas.to_visit.iter().filter(|(_, at)| **at <= now).map(|(guild, _)| *guild).collect();
        for guild in due {
            if atlas.visiting.insert(guild) {
                atlas.to_visit.remove(&guild);
                let scout = self.scout.clone();
                tasks.spawn(async move { Done::Visit(guild, scout.look_around(guild).await) });
            }
        }
        while atlas.in_flight.len() < AT_ONCE {
            let Some(place) = atlas.tails.pop_front().or_else(|| atlas.holes.pop_front()) else {
                break;
            };
            atlas.queued.remove(&place);
            let Some((row, step, wanted)) = self.step(atlas, place) else { continue };
            let confirms =
                if step == Step::Newest { atlas.unconfirmed.remove(&place) } else { None };
            atlas.in_flight.insert(place, confirms);
            let reader = self.reader.clone();
            tasks.spawn(async move { Done::Page(place, reader.take(&row, step, wanted).await) });
        }
    }

    async fn finished(&self, atlas: &mut Atlas, done: Done) -> std::ops::ControlFlow<()> {
        match done {
            Done::Page(place, outcome) => {
                let confirms = atlas.in_flight.remove(&place).flatten();
                self.recall(atlas, place).await;
                match outcome {
                    Outcome::Read { messages } => {
                        atlas.doubted.remove(&place);
                        self.progress.send_modify(|progress| progress.count(messages));
                        self.consider(atlas, place);
                    }
                    Outcome::TooFresh => {
                        atlas.settling.insert(place);
                        atlas.resting.insert((Instant::now() + REST, place));
                    }
                    Outcome::Refused => look_again(atlas, place),
                    Outcome::Gone => {}
                    Outcome::Later(error) => {
                        warn!(%place, %error, "to be read later");
                        atlas.resting.insert((Instant::now() + REST, place));
                        if let Some(confirms) = confirms {
                            atlas.wait_for(place, confirms);
                        }
                    }
                    Outcome::Fatal(error) => return self.give_up(&error),
                }
            }
            Done::Visit(guild, result) => {
                atlas.visiting.remove(&guild);
                match result {
                    Ok(()) => {
                        atlas.visited.insert(guild);
                        atlas.doubtful.remove(&guild);
                        atlas.to_visit.entry(guild).or_insert(Instant::now() + LOOK_AROUND_EVERY);
                    }
                    Err(error) if error.is_fatal() => return self.give_up(&error),
                    Err(error) => {
                        warn!(%guild, %error, "the server can't be looked at now");
                        atlas.to_visit.insert(guild, Instant::now() + REST);
                    }
                }
                self.reload(atlas).await;
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn give_up(&self, error: &DiscordError) -> std::ops::ControlFlow<()> {
        self.alarm.ring("backfill", error.to_string());
        std::ops::ControlFlow::Break(())
    }

    /// Reads what the store knows of a place by now.
    async fn recall(&self, atlas: &mut Atlas, place: ChannelId) {
        match self.store.read(move |store| store.place_to_read(place)).await {
            Ok(Some(row)) => drop(atlas.places.insert(place, row)),
            // It was forgotten since it was put in line.
            Ok(None) => drop(atlas.places.remove(&place)),
            // A store that can't be read is for Persistence to report.
            Err(_) => {}
        }
    }

    async fn reload(&self, atlas: &mut Atlas) {
        match self.store.read(|store| Ok((store.guilds()?, store.places()?))).await {
            Ok((guilds, places)) => {
                atlas.guilds = guilds.into_iter().collect();
                atlas.places = places.into_iter().map(|row| (row.place.id, row)).collect();
            }
            Err(error) => return self.alarm.ring("backfill", error.to_string()),
        }
        for place in atlas.places.keys().copied().collect::<Vec<_>>() {
            self.consider(atlas, place);
        }
    }

    /// Puts a place in line when there is something to read in it.
    fn consider(&self, atlas: &mut Atlas, place: ChannelId) {
        if atlas.is_spoken_for(place) {
            return;
        }
        let Some((_, step, _)) = self.step(atlas, place) else {
            atlas.unconfirmed.remove(&place);
            return;
        };
        atlas.queued.insert(place);
        match step {
            Step::Newest => atlas.tails.push_back(place),
            Step::Below(_) => atlas.holes.push_back(place),
        }
    }

    fn step(&self, atlas: &Atlas, place: ChannelId) -> Option<(PlaceRow, Step, Span)> {
        let row = atlas.places.get(&place)?;
        let find = |id| atlas.places.get(&id).map(|row| &row.place);
        let readable = row.place.kind.holds_messages()
            && row.place.access == Access::Readable
            && row.missing_since.is_none()
            && self.selection.omits(&row.place, &row.place.ancestors(find)).is_none();
        let wanted = self.wanted_of(atlas, row)?;
        let waiting = atlas.unconfirmed.get(&place);
        let due = waiting.is_some_and(|waiting| {
            waiting.count >= PAGEFUL || waiting.since + self.confirm_after <= Instant::now()
        });
        let confirmed = |newest: MessageId| row.coverage.contains(newest);
        let signs = Signs {
            newest: row.place.last_message,
            unconfirmed: due && waiting.is_some_and(|waiting| !confirmed(waiting.newest)),
        };
        let step = next_step(&row.coverage, wanted, signs)?;
        readable.then(|| (row.clone(), step, wanted))
    }

    fn wanted_of(&self, atlas: &Atlas, row: &PlaceRow) -> Option<Span> {
        match self.wanted {
            Wanted::Only(span) => Some(span),
            Wanted::AsRemembered | Wanted::From(_) => {
                Some(Span::from(atlas.guilds.get(&row.place.guild)?.wanted_from()))
            }
        }
    }

    fn next_moment(&self, atlas: &Atlas) -> Instant {
        // What is under way is gone on with when it ends. Its moment may be past: waiting for that would be no wait.
        let unconfirmed =
            atlas.unconfirmed.iter().filter(|(place, _)| !atlas.is_spoken_for(**place));
        let confirm = unconfirmed.map(|(_, waiting)| waiting.since + self.confirm_after).min();
        let rested = atlas.resting.first().map(|(until, _)| *until);
        let to_visit = atlas.to_visit.iter().filter(|(guild, _)| !atlas.visiting.contains(guild));
        let visit = to_visit.map(|(_, at)| *at).min();
        let soonest = [confirm, rested, visit].into_iter().flatten().min();
        soonest.unwrap_or_else(|| Instant::now() + LOOK_AROUND_EVERY)
    }

    fn report(&self, atlas: &Atlas) {
        let looked = self.selection.guilds.iter().all(|guild| atlas.visited.contains(guild));
        let busy = !looked
            || !atlas.in_flight.is_empty()
            || !atlas.queued.is_empty()
            || !atlas.visiting.is_empty();
        let idle = !busy
            && atlas.resting.iter().all(|(_, place)| atlas.settling.contains(place))
            && atlas.doubtful.is_empty();
        let of = |row: &PlaceRow| self.share_read(atlas, row);
        self.progress.send_if_modified(|progress| {
            let was_idle = progress.idle;
            progress.update((idle, busy), atlas.in_flight.len(), || {
                atlas.places.values().filter_map(of).collect()
            });
            if idle && !was_idle {
                debug!(messages = progress.messages, "everything that is wanted has been read");
            }
            true
        });
    }

    /// How much of a place was read, in time, and how much there is.
    fn share_read(&self, atlas: &Atlas, row: &PlaceRow) -> Option<(Duration, Duration)> {
        let readable = row.place.kind.holds_messages() && row.place.access == Access::Readable;
        let find = |id| atlas.places.get(&id).map(|row| &row.place);
        let selected = self.selection.omits(&row.place, &row.place.ancestors(find)).is_none();
        let wanted = self.wanted_of(atlas, row)?;
        let newest = row.coverage.top().or(row.place.last_message)?;
        // Nothing in a place is older than itself, but for the message that began a thread.
        let oldest = wanted.first.max(row.place.id.as_message());
        let wanted = Span::new(oldest, newest.min(wanted.last))?;
        (readable && selected).then(|| {
            let length = |span: Span| span.last.created_at().since(span.first.created_at());
            let left = row
                .coverage
                .holes(wanted, crate::domain::coverage::EXTRACTOR)
                .into_iter()
                .map(length)
                .sum();
            let all = length(wanted);
            (all.saturating_sub(left), all)
        })
    }
}

/// Looks at a server once more when a place refuses us: its permissions changed, or change back.
fn look_again(atlas: &mut Atlas, place: ChannelId) {
    let Some(guild) = atlas.places.get(&place).map(|row| row.place.guild) else { return };
    if atlas.doubted.insert(place) {
        let soon = Instant::now() + SECOND_LOOK;
        let at = atlas.to_visit.entry(guild).or_insert(soon);
        *at = soon.min(*at);
        atlas.doubtful.insert(guild);
    }
}
