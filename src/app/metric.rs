//! The names of everything that is measured, in one place: `/metrics` describes them so, and docs/operation.md repeats
//! the table (a test compares).

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Something that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What its series are told apart by.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// How a measure moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Up and down.
    Gauge,
    /// Up, until the process ends.
    Counter,
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels: &[], help }
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels: &[], help }
}

const fn by(labels: &'static [&'static str], metric: Metric) -> Metric {
    Metric { labels, ..metric }
}

/// All of them, in the order in which they are documented.
pub const ALL: &[Metric] = &[
    gauge("bowerbird_files_seen", "Files seen on Discord, wanted or not."),
    gauge("bowerbird_files_stored", "Files whose bytes are in the bucket."),
    gauge("bowerbird_files_stored_bytes", "Their bytes; files with equal bytes count each."),
    gauge("bowerbird_files_gone", "Files that Discord no longer had when they were to be copied."),
    gauge(
        "bowerbird_files_removed",
        "Files that were deleted on Discord and are hidden or marked, and not erased.",
    ),
    gauge(
        "bowerbird_erasing_held",
        "Files that were deleted on Discord all at once and are not erased before a person decides; 0 when none are.",
    ),
    gauge("bowerbird_stills", "Stills made."),
    gauge("bowerbird_links", "Links that are kept alive."),
    gauge(
        "bowerbird_links_soonest_expiry_seconds",
        "Seconds until the link dies that is made new next; +Inf when there is none, negative when one is dead.",
    ),
    gauge("bowerbird_messages_read", "Messages read from history."),
    gauge("bowerbird_messages_live", "Messages heard live."),
    gauge("bowerbird_messages_deleted", "Messages whose deletion on Discord was noticed."),
    gauge(
        "bowerbird_messages_parked",
        "Messages that could not be recorded and are kept as they came.",
    ),
    gauge("bowerbird_reconcile_messages", "Messages of covered history that were read again."),
    gauge("bowerbird_reconcile_edits", "Edits that were found so, of which nobody told."),
    gauge("bowerbird_reconcile_deletions", "Deletions that were found so, of which nobody told."),
    by(&["state"], gauge("bowerbird_places", "Channels and threads by how far they are read.")),
    gauge("bowerbird_coverage_holes", "Stretches of history that are wanted and not read yet."),
    by(&["queue"], gauge("bowerbird_queue_waiting", "Jobs that wait or are under way.")),
    gauge("bowerbird_queue_waiting_bytes", "Bytes that wait to be downloaded."),
    by(
        &["queue"],
        gauge(
            "bowerbird_queue_oldest_seconds",
            "How long ago the file was posted that waits longest of those heard live; 0 when none waits.",
        ),
    ),
    by(
        &["queue", "reason"],
        gauge(
            "bowerbird_parked",
            "Jobs put aside until somebody looks (bowerbird status), by reason.",
        ),
    ),
    gauge(
        "bowerbird_gateway_events_waiting",
        "Events that were heard and wait to be written down.",
    ),
    gauge("bowerbird_shards_wanted", "Connections to the gateway that there should be."),
    gauge("bowerbird_shards_listening", "Connections to the gateway that listen."),
    gauge(
        "bowerbird_gateway_last_event_seconds",
        "Seconds since the gateway said anything about the server; absent before the first time.",
    ),
    by(
        &["status"],
        counter("bowerbird_discord_answers_total", "Discord's answers by HTTP status."),
    ),
    counter(
        "bowerbird_discord_invalid_answers_total",
        "Answers that Discord counts against the address: 401, 403 and 429. It blocks at 10,000 in ten minutes.",
    ),
    by(
        &["actor"],
        counter("bowerbird_actor_restarts_total", "How often an actor died and was started again."),
    ),
    gauge("bowerbird_lease_held", "1 while the bucket took our lease within the last minute."),
    gauge(
        "bowerbird_last_publication_seconds",
        "Seconds since the page's data changed; absent before the first time.",
    ),
    gauge(
        "bowerbird_publication_late_seconds",
        "For how long the oldest change should have been published; 0 when all is in time.",
    ),
    gauge(
        "bowerbird_verify_last_seconds",
        "Seconds since the archive was last verified; absent before the first time.",
    ),
    gauge(
        "bowerbird_verify_failed",
        "1 when the last verification could not find out how the archive is.",
    ),
    gauge("bowerbird_verify_problems", "What the last verification found wrong."),
    gauge("bowerbird_verify_objects", "Objects that the last verification looked at."),
    gauge("bowerbird_store_bytes", "Bytes of the store on disk."),
];

/// Begins to record, before anything is counted. What it returns shows what was recorded.
pub fn record() -> anyhow::Result<PrometheusHandle> {
    let recorder = PrometheusBuilder::new().install_recorder()?;
    for metric in ALL {
        match metric.kind {
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
        }
    }
    metrics::counter!("bowerbird_discord_invalid_answers_total").increment(0);
    Ok(recorder)
}
