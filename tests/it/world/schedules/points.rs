//! The moments at which processes must die in a run, by name. A name that is missing here fails the run as well as one
//! that nobody died at: whoever adds an effect, adds it here.

use std::collections::BTreeSet;

use crate::world::{fate::Step, point::Point};

/// What commits write: before them, between them and their flush, and after that.
const ROWS: &[&str] = &[
    "changed months",
    "changed months removed",
    "changed people",
    "changed people removed",
    "contents",
    "delayed jobs",
    "delayed jobs removed",
    "entries",
    "garbage",
    "garbage removed",
    "gateway sessions",
    "guilds",
    "jobs",
    "jobs removed",
    "people",
    "places",
    "policy",
    "posts",
    "publication",
    "published indexes",
    "published shards",
    "raw messages",
    "ready jobs",
    "ready jobs removed",
    "renewals",
    "renewals removed",
    "starts",
    "tallies",
    "tombstones",
    "uses",
];

/// What is put into the bucket: before and after.
const PUT: &[&str] = &["avatar", "index", "lease", "media", "page", "shard", "still", "users"];

/// What is deleted there: before and after.
const DELETED: &[&str] = &["index", "lease", "shard", "users"];

/// What is read there.
const GOT: &[&str] = &["lease", "media"];

/// What Discord answers.
const ANSWERED: &[&str] =
    &["active_threads", "archived_threads", "message", "messages", "refresh_links", "survey"];

/// What the CDN is asked for, and what comes from it in parts.
const FETCHED: &[&str] = &["file", "picture"];

/// What is looked at.
const LOOKED: &[&str] = &["file", "link"];

/// What the gateway tells.
const HEARD: &[&str] = &["deleted", "edited", "places changed", "posted", "server there", "thread"];

/// What else is written, put, deleted and read, too seldom for a process to die there every day.
const ROWS_TOO: &[&str] = &[
    "a table without a name",
    "archive",
    "archive removed",
    "homes",
    "homes removed",
    "kept messages",
    "kept messages removed",
    "published changes",
    "published coverage",
    "published coverage removed",
    "published shards removed",
    "removals",
    "removals removed",
    "removed files",
    "removed files removed",
    "tip",
];
const PUT_TOO: &[&str] = &["messages", "private hidden"];
const DELETED_TOO: &[&str] = &["media", "messages", "private hidden", "still"];
const GOT_TOO: &[&str] = &["manifest", "private hidden", "still"];

/// Moments that are met now and then: a run of the length of every day may miss them, a long one meets them.
const RARE: &[&str] = &[
    "after a commit: policy",
    "after a flush: policy",
    "after an answer: message",
    "after an answer: refresh_links",
    "after delete: index",
    "all arrived: picture",
    "before a commit: policy",
    "before an event: places changed",
];

/// Whether a run of every day may miss a moment.
pub(super) fn is_rare(point: &Point) -> bool {
    RARE.contains(&point.to_string().as_str())
}

/// Every moment that somebody has thought of.
pub(super) fn known() -> BTreeSet<Point> {
    let too: &[(&[Step], &[&'static str])] = &[
        (&[Step::Commit, Step::Flush, Step::Flushed], ROWS_TOO),
        (&[Step::Put, Step::PutDone], PUT_TOO),
        (&[Step::Delete, Step::DeleteDone], DELETED_TOO),
        (&[Step::Got], GOT_TOO),
    ];
    let mut known = all();
    known.extend(points(too));
    known
}

/// Every moment at which a process must die.
pub(super) fn all() -> BTreeSet<Point> {
    let all: &[(&[Step], &[&'static str])] = &[
        (&[Step::Commit, Step::Flush, Step::Flushed], ROWS),
        (&[Step::Put, Step::PutDone], PUT),
        (&[Step::Manifest, Step::ManifestDone], &["manifest"]),
        (&[Step::Delete, Step::DeleteDone], DELETED),
        (&[Step::Got], GOT),
        (&[Step::Answered], ANSWERED),
        (&[Step::Fetch, Step::Arriving, Step::Arrived], FETCHED),
        (&[Step::Looked], LOOKED),
        (&[Step::Heard], HEARD),
    ];
    points(all).collect()
}

fn points(of: &[(&[Step], &[&'static str])]) -> impl Iterator<Item = Point> {
    of.iter().flat_map(|(steps, names)| {
        steps.iter().flat_map(|step| names.iter().map(|about| Point::new(*step, about)))
    })
}
