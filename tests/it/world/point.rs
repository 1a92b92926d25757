//! What the named moments are called: a step, and what it is about. Names are derived, from the rows that a commit
//! writes and from the name of the object that is put, so that new effects have names that nobody has to think of.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{LazyLock, Mutex},
};

use bowerbird::{bucket::ObjectKey, store::Writes};

use super::fate::Step;

/// Where the tables of the store are named, with their numbers.
const TABLES: &str = include_str!("../../../src/store/tables.rs");

/// A moment that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Point {
    pub(super) step: Step,
    /// What is written, put, asked or heard.
    pub(super) about: &'static str,
}

impl Point {
    pub(super) fn new(step: Step, about: &'static str) -> Self {
        Self { step, about }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, about } = self;
        match step {
            Step::Commit => write!(f, "before a commit: {about}"),
            Step::Flush => write!(f, "after a commit: {about}"),
            Step::Flushed => write!(f, "after a flush: {about}"),
            Step::Put | Step::Manifest => write!(f, "before put: {about}"),
            Step::PutDone | Step::ManifestDone => write!(f, "after put: {about}"),
            Step::Delete => write!(f, "before delete: {about}"),
            Step::DeleteDone => write!(f, "after delete: {about}"),
            Step::Got => write!(f, "after get: {about}"),
            Step::Answered => write!(f, "after an answer: {about}"),
            Step::Fetch => write!(f, "before a fetch: {about}"),
            Step::Arriving => write!(f, "half arrived: {about}"),
            Step::Arrived => write!(f, "all arrived: {about}"),
            Step::Looked => write!(f, "after a look: {about}"),
            Step::Heard => write!(f, "before an event: {about}"),
        }
    }
}

/// The tables that a commit writes, and those from which it removes rows.
pub(super) fn rows(writes: &Writes) -> BTreeSet<&'static str> {
    static NAMES: LazyLock<BTreeMap<Number, &str>> = LazyLock::new(tables);
    let rows = writes.iter().map(|(key, value)| {
        let alone = NAMES.get(&(key[0], None));
        let table = alone.or_else(|| NAMES.get(&(key[0], key.get(1).copied())));
        // No list of moments has this one, so the run fails.
        let table = table.copied().unwrap_or("a table without a name");
        if value.is_some() { table } else { name(format!("{table} removed")) }
    });
    rows.collect()
}

/// With what the keys of a table begin: its number, and its part where several share one.
type Number = (u8, Option<u8>);

fn tables() -> BTreeMap<Number, &'static str> {
    let tables = TABLES.lines().filter_map(|line| {
        let (head, named) = line.strip_suffix(");")?.split_once("> = (")?;
        let (number, table) = named.split_once(',').expect("a number and a name");
        let part =
            head.split_once("Part<").map(|(_, part)| part.split_once('>').expect("it ends").0);
        let part = part.map(|part| part.parse().expect("a part's number"));
        Some(((number.parse().expect("a table's number"), part), table.trim().trim_matches('"')))
    });
    let all: Vec<_> = tables.collect();
    let names = all.iter().copied().collect::<BTreeMap<_, _>>();
    assert_eq!(names.len(), all.len(), "two tables share a number: {all:?}");
    names
}

/// What an object is, by its name.
pub(super) fn object(key: &ObjectKey) -> &'static str {
    let mut parts = key.as_str().split('/');
    match (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next()) {
        ("lease.json", ..) => "lease",
        ("messages", "manifest.json", None) => "manifest",
        ("messages", _, Some(file)) if file.starts_with("index-") => "index",
        ("messages", _, Some(_)) => "shard",
        ("userData", "avatars", Some(_)) => "avatar",
        ("userData", _, None) => "users",
        ("thumb", ..) => "still",
        ("index.html" | "gallery", ..) => "page",
        (folder, ..) => name(folder.to_owned()),
    }
}

/// A name that lives as long as the tests; there are few.
pub(super) fn name(name: String) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().expect("no holder of this lock panics");
    names.get(&*name).copied().unwrap_or_else(|| {
        let name = name.leak();
        names.insert(name);
        name
    })
}
