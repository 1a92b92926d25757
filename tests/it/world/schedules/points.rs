//! The moments at which processes must die in a run, by name. A name that is missing here fails the run as well as one
//! that nobody died at: whoever adds an effect, adds it here.

use std::collections::BTreeSet;

use crate::world::{
    fate::Step,
    point::{self, Point},
};

/// What commits write: before them, between them and their flush, and after that.
const ROWS: &[&str] = &[
    "archive",
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
    "homes",
    "jobs",
    "jobs removed",
    "kept messages",
    "people",
    "places",
    "policy",
    "posts",
    "publication",
    "published coverage",
    "published indexes",
    "published shards",
    "raw messages",
    "ready jobs",
    "ready jobs removed",
    "removals",
    "removed files",
    "renewals",
    "renewals removed",
    "seals",
    "starts",
    "tallies",
    "tip",
    "tombstones",
    "uses",
    "uses of stills",
];

/// What is put into the bucket: before and after.
const PUT: &[&str] = &[
    "avatar",
    "index",
    "lease",
    "media",
    "messages",
    "page",
    "private hidden",
    "private state",
    "shard",
    "still",
    "users",
];

/// What is deleted there: before and after.
const DELETED: &[&str] =
    &["index", "lease", "media", "messages", "private hidden", "private state", "shard", "users"];

/// What is read there.
const GOT: &[&str] = &["lease", "media", "private state"];

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
    "aftermath",
    "erased",
    "erasures",
    "forgotten",
    "links not renewed",
    "lost places",
    "mass deletions",
    "places left out",
    "published changes",
    "recalled months",
    "second readings",
    "walks",
    "walks of kept messages",
];
const HEARD_TOO: &[&str] = &["channel gone"];
const DELETED_TOO: &[&str] = &["avatar", "still"];
const GOT_TOO: &[&str] =
    &["index", "manifest", "messages", "private hidden", "shard", "still", "users"];

/// What comes about in some schedules only: where something is deleted, a disk is lost, or a copy is kept.
const SELDOM: &[&str] = &[
    "archive",
    "homes",
    "messages",
    "private hidden",
    "private state",
    "published coverage",
    "removals",
    "removed files",
];

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
    let media_goes =
        point.about == "media" && matches!(point.step, Step::Delete | Step::DeleteDone);
    media_goes || SELDOM.contains(&point.about) || RARE.contains(&point.to_string().as_str())
}

/// Every moment that somebody has thought of.
pub(super) fn known() -> BTreeSet<Point> {
    let too: &[(&[Step], &[&'static str])] = &[
        (&[Step::Commit, Step::Flush, Step::Flushed], ROWS_TOO),
        (&[Step::Heard], HEARD_TOO),
        (&[Step::Delete, Step::DeleteDone], DELETED_TOO),
        (&[Step::Got], GOT_TOO),
    ];
    let mut known = all();
    known.extend(points(too));
    // Whoever begins a restore again clears what the last one left in any table.
    for table in ROWS.iter().chain(ROWS_TOO) {
        let removed = point::name(format!("{table} removed"));
        known.extend(
            [Step::Commit, Step::Flush, Step::Flushed].map(|step| Point::new(step, removed)),
        );
    }
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
