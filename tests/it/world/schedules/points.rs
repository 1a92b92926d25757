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
    let points = all.iter().flat_map(|(steps, names)| {
        steps.iter().flat_map(|step| names.iter().map(|about| Point::new(*step, about)))
    });
    points.collect()
}
