//! How the running service is, at one moment: what `/metrics` shows, and what alerts are decided from.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::sync::watch;

use super::overview::{Overview, Standing};
use crate::{
    actors::{gateway::Health, publisher::Keeper, supervisor::Supervisor},
    clock::Clock,
    domain::{id::ChannelId, job::Queue, selection::PlaceSelection, time::Timestamp},
    store::{Backlog, Store, StoreError, Tallies, Tally, VerificationRow},
};

/// What is looked at.
#[derive(Clone)]
pub struct Body {
    /// What is known.
    pub store: Store,
    /// Which places are wanted.
    pub selection: Arc<PlaceSelection>,
    /// How the shards are.
    pub health: watch::Receiver<Health>,
    /// The right to write into the bucket.
    pub lease: Keeper,
    /// Counts restarts.
    pub supervisor: Supervisor,
    /// The time.
    pub clock: Clock,
}

/// How the service is.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// When that was.
    pub at: Timestamp,
    /// How the shards are.
    pub health: Health,
    /// Whether the bucket took our lease lately.
    pub lease_held: bool,
    /// What is counted.
    pub tallies: Tallies,
    /// How each line of work gets on.
    pub queues: BTreeMap<Queue, Backlog>,
    /// How far places are read.
    pub places: BTreeMap<Standing, u64>,
    /// Stretches that are not read yet, by place, with its name.
    pub holes: BTreeMap<ChannelId, (String, usize)>,
    /// When the next link dies.
    pub soonest_expiry: Option<Timestamp>,
    /// When the last publication was made.
    pub published_at: Option<Timestamp>,
    /// When the oldest change is to be published at the latest.
    pub publication_due: Option<Timestamp>,
    /// The last verification.
    pub verification: Option<VerificationRow>,
    /// How many files were deleted on Discord and are held back from being erased.
    pub erasing_held: u64,
    /// Bytes on disk.
    pub store_bytes: u64,
}

impl Body {
    /// Looks.
    pub async fn look(&self) -> Result<Vitals, StoreError> {
        let lease_held = self.lease.is_held().await;
        let body = self.clone();
        self.store.read(move |_| body.read(lease_held)).await
    }

    fn read(&self, lease_held: bool) -> Result<Vitals, StoreError> {
        let store = &self.store;
        let overview = Overview::read(store, Some(&self.selection))?;
        let mut places = BTreeMap::from(Standing::ALL.map(|standing| (standing, 0)));
        let mut holes = BTreeMap::new();
        for place in overview.places {
            *places.entry(place.state).or_default() += 1;
            if place.holes > 0 && place.state == Standing::Incomplete {
                holes.insert(place.id, (place.name, place.holes));
            }
        }
        let queues = Queue::ALL.map(|queue| Ok((queue, store.backlog(queue)?)));
        Ok(Vitals {
            at: self.clock.now(),
            health: self.health.borrow().clone(),
            lease_held,
            tallies: store.tallies()?,
            queues: queues.into_iter().collect::<Result<_, StoreError>>()?,
            places,
            holes,
            soonest_expiry: store.soonest_expiry()?,
            published_at: store.published_at()?,
            publication_due: store.publication_due()?,
            verification: store.verification()?,
            erasing_held: store.held()?.map_or(0, |held| held.files),
            store_bytes: store.size_on_disk()?,
        })
    }
}

impl Vitals {
    /// Shows all of it to those who measure. `shown` remembers why work was put aside when it was shown before.
    pub fn measure(&self, shown: &mut BTreeSet<(&'static str, String)>) {
        for (name, tally) in TALLIES {
            set(name, self.tallies.get(*tally));
        }
        for (standing, count) in &self.places {
            metrics::gauge!("bowerbird_places", "state" => standing.name()).set(float(*count));
        }
        let holes = self.holes.values().map(|(_, holes)| *holes);
        set("bowerbird_coverage_holes", count(holes.sum()));
        for (queue, backlog) in &self.queues {
            let waiting = self.tallies.get(Tally::waiting_in(*queue));
            let queue = queue.name();
            metrics::gauge!("bowerbird_queue_waiting", "queue" => queue).set(float(waiting));
            let age = backlog.oldest_live.map_or(0.0, |oldest| seconds(oldest, self.at).max(0.0));
            metrics::gauge!("bowerbird_queue_oldest_seconds", "queue" => queue).set(age);
            let parked = |reason: &str| {
                let reason = reason.to_owned();
                metrics::gauge!("bowerbird_parked", "queue" => queue, "reason" => reason)
            };
            // A series stays once it was shown, so what is no longer put aside is set to nothing.
            for reason in shown.iter().filter(|(of, _)| *of == queue).map(|(_, reason)| reason) {
                parked(reason).set(0.0);
            }
            for (reason, count) in &backlog.parked {
                parked(reason).set(float(*count));
                shown.insert((queue, reason.clone()));
            }
        }
        set("bowerbird_shards_wanted", self.health.shards.unwrap_or(0).into());
        set("bowerbird_shards_listening", count(self.health.connected.len()));
        set("bowerbird_lease_held", self.lease_held.into());
        set("bowerbird_erasing_held", self.erasing_held);
        set("bowerbird_store_bytes", self.store_bytes);
        let since = |name: &'static str, time: Option<Timestamp>| {
            if let Some(time) = time {
                metrics::gauge!(name).set(seconds(time, self.at));
            }
        };
        since("bowerbird_gateway_last_event_seconds", self.health.heard_at);
        since("bowerbird_last_publication_seconds", self.published_at);
        let last = self.verification.as_ref();
        since("bowerbird_verify_last_seconds", last.map(|last| last.at));
        set("bowerbird_verify_failed", last.is_some_and(|last| last.failed.is_some()).into());
        set("bowerbird_verify_problems", last.map_or(0, |last| last.problems));
        set("bowerbird_verify_objects", last.map_or(0, |last| last.objects));
        let left = self.soonest_expiry.map_or(f64::INFINITY, |expiry| seconds(self.at, expiry));
        metrics::gauge!("bowerbird_links_soonest_expiry_seconds").set(left);
        let late = self.publication_due.map_or(0.0, |due| seconds(due, self.at).max(0.0));
        metrics::gauge!("bowerbird_publication_late_seconds").set(late);
    }
}

/// Counts that are shown as they are.
const TALLIES: &[(&str, Tally)] = &[
    ("bowerbird_messages_read", Tally::MessagesRead),
    ("bowerbird_messages_live", Tally::MessagesLive),
    ("bowerbird_messages_deleted", Tally::Deleted),
    ("bowerbird_messages_parked", Tally::MessagesParked),
    ("bowerbird_files_seen", Tally::Entries),
    ("bowerbird_files_stored", Tally::Stored),
    ("bowerbird_files_stored_bytes", Tally::StoredBytes),
    ("bowerbird_files_gone", Tally::Gone),
    ("bowerbird_files_removed", Tally::Removed),
    ("bowerbird_queue_waiting_bytes", Tally::BytesWaiting),
    ("bowerbird_reconcile_messages", Tally::MessagesReread),
    ("bowerbird_reconcile_edits", Tally::EditsFound),
    ("bowerbird_reconcile_deletions", Tally::DeletionsFound),
    ("bowerbird_stills", Tally::Stills),
    ("bowerbird_links", Tally::Links),
];

fn set(name: &'static str, value: u64) {
    metrics::gauge!(name).set(float(value));
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows no integers")]
fn float(value: u64) -> f64 {
    value as f64
}

/// From one moment to another; negative when the other is earlier.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a lifetime fit")]
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_millis() - from.as_millis()) as f64 / 1_000.0
}
