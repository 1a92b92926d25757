//! What must be true of the catalogue after every change, checked by walking all of it, and random histories that
//! try to make it false.

use std::{collections::BTreeSet, fmt::Write};

use proptest::prelude::*;

use super::{
    Allow, Change, Failed, Forget, LinksRefreshed, Looked, Month, Observed, Stored, Tally, Word,
    erase::{Trace, erase_message},
    sample::{
        CHANNEL, Edition, World, attachment, content, edited, id, key, link, message, policy, sha,
    },
    tables::{AFTERMATH, ERASURES, FORGOTTEN, PEOPLE, POSTS},
    tables::{
        CONTENTS, DELAYED, DIRTY, ENTRIES, GARBAGE, JOBS, KEPT, PARKED, PARKED_MESSAGES, RAW,
        READY, RENEWALS, SHARDS, TOMBSTONES, USES,
    },
};
use super::{
    removal::is_left_out,
    table::Part,
    tables::{HOMES, REMOVED, WALKS},
};
use crate::domain::{
    entry::{Entry, EntryKey, EntryState, Look},
    forget::Forgotten,
    id::MessageId,
    job::{Failure, Job, JobState, Queue, Subject},
    link::Link,
    removal::{Chore, Home},
    selection::{MediaKind, MediaMode},
};

/// Panics where the catalogue contradicts itself.
#[track_caller]
pub(super) fn check(world: &World) {
    lines_hold_the_jobs(world);
    // Places that are left out are gone through in steps, and what hangs on their entries is right after the last.
    if WALKS.below(&world.store.source(), &Part::<3>, 1).unwrap().is_empty() {
        jobs_have_reasons(world);
        reasons_have_jobs(world);
        what_is_out_of_place_has_a_job(world);
    }
    tallies_are_counts(world);
    links_and_uses_match(world);
    the_page_is_not_forgotten(world);
    what_is_kept_is_indexed(world);
    people_have_posted(world);
    the_forgotten_are_gone(world);
}

/// What the page shows of a month, in words.
pub(super) fn shown(world: &World, month: Month) -> String {
    let context = world.context();
    let mut words = String::new();
    for entry in world.store.month_entries(month).unwrap() {
        if !entry.entry.is_shown(&context.policy) {
            continue;
        }
        let Entry { attachment, kind, nsfw, state, look, .. } = &entry.entry;
        let link = match context.policy.mode {
            MediaMode::Link => attachment.link.reveal(),
            MediaMode::Copy => "",
        };
        let (post, content) = (&entry.post, &entry.content);
        let words_of = (&post.poster, &post.text, post.edited, post.channel, post.author);
        write!(words, "{}{words_of:?}{}", entry.key, attachment.name()).unwrap();
        writeln!(words, "{link}{kind:?}{nsfw}{state:?}{look:?}{content:?}").unwrap();
    }
    words
}

fn lines_hold_the_jobs(world: &World) {
    let source = &world.store.source();
    let jobs = JOBS.all(source).unwrap();
    let of = |pick: fn(&Job) -> bool| -> BTreeSet<_> {
        jobs.iter()
            .filter(|(_, job)| pick(job))
            .map(|((queue, subject), job)| {
                let until =
                    if let JobState::Delayed(until) = job.state { Some(until) } else { None };
                (*queue, until, (job.state == JobState::Ready).then_some(job.rank), *subject)
            })
            .collect()
    };
    let ready = READY.all(source).unwrap();
    let ready: BTreeSet<_> = ready
        .into_iter()
        .map(|((queue, rank, subject), ())| (queue, None, Some(rank), subject))
        .collect();
    assert_eq!(ready, of(|job| job.state == JobState::Ready), "ready jobs");
    let delayed = DELAYED.all(source).unwrap();
    let delayed: BTreeSet<_> = delayed
        .into_iter()
        .map(|((queue, until, subject), ())| (queue, Some(until), None, subject))
        .collect();
    assert_eq!(delayed, of(|job| matches!(job.state, JobState::Delayed(_))), "delayed jobs");
    let parked = PARKED.all(source).unwrap();
    let parked: BTreeSet<_> =
        parked.into_iter().map(|((queue, subject), ())| (queue, None, None, subject)).collect();
    assert_eq!(parked, of(|job| matches!(job.state, JobState::Parked { .. })), "parked jobs");
}

fn wanted(world: &World, key: EntryKey, entry: &Entry) -> bool {
    let policy = world.policy.borrow();
    !withheld(world, key, entry) && policy.selection.wants(entry.kind, entry.attachment.size)
}

fn withheld(world: &World, key: EntryKey, entry: &Entry) -> bool {
    entry.hidden_at.is_some() || is_left_out(&world.store.source(), key).unwrap()
}

fn jobs_have_reasons(world: &World) {
    let source = &world.store.source();
    let mode = world.policy.borrow().mode;
    for ((queue, subject), job) in JOBS.all(source).unwrap() {
        let Subject::Entry(key) = subject else { continue };
        let entry = world.entry(key);
        assert!(wanted(world, key, &entry), "{queue} of {entry:?}, which nobody wants");
        let parked = matches!(job.state, JobState::Parked { .. });
        match queue {
            Queue::Download => {
                assert_eq!(mode, MediaMode::Copy, "{entry:?}");
                assert_eq!(parked, matches!(entry.state, EntryState::Parked { .. }), "{entry:?}");
            }
            Queue::Move => panic!("bytes are moved, and {entry:?} is none"),
            Queue::Thumbnail => {
                assert_eq!((mode, &entry.look), (MediaMode::Link, &None), "{entry:?}");
                assert_eq!(entry.state, EntryState::Remote);
            }
        }
        if job.state == JobState::AwaitingLink {
            assert!(entry.refresh_at.is_some(), "{entry:?} waits for a link that nobody makes");
        }
    }
}

fn reasons_have_jobs(world: &World) {
    let source = &world.store.source();
    let mode = world.policy.borrow().mode;
    for (key, entry) in ENTRIES.all(source).unwrap() {
        let download = JOBS.get(source, &(Queue::Download, Subject::Entry(key))).unwrap();
        let undecided = matches!(entry.state, EntryState::Remote | EntryState::Parked { .. });
        let copies = wanted(world, key, &entry) && mode == MediaMode::Copy && undecided;
        assert_eq!(download.is_some(), copies, "{entry:?}");
        let parked =
            download.as_ref().is_some_and(|job| matches!(job.state, JobState::Parked { .. }));
        assert_eq!(parked, matches!(entry.state, EntryState::Parked { .. }), "{entry:?}");
        if TOMBSTONES.contains(source, &key.message).unwrap() {
            let removed = REMOVED.get(source, &key).unwrap().expect("it was deleted");
            let hides = world.policy.borrow().removal.hides() && !removed.kept;
            assert_eq!(entry.hidden_at.is_some(), hides, "{entry:?} was deleted");
        }
        if entry.refresh_at.is_some() {
            assert!(wanted(world, key, &entry), "{entry:?}");
            let waits = download.is_some_and(|job| !matches!(job.state, JobState::Parked { .. }));
            assert!(mode == MediaMode::Link || waits, "{entry:?} needs no link");
        }
    }
    for (sha256, content) in CONTENTS.all(source).unwrap() {
        let uses = USES.below(source, &sha256, usize::MAX).unwrap();
        let deserves = uses.into_iter().any(|((_, key), ())| {
            let entry = world.entry(key);
            wanted(world, key, &entry) && entry.kind != MediaKind::File
        });
        let job = JOBS.contains(source, &(Queue::Thumbnail, Subject::Content(sha256))).unwrap();
        assert_eq!(job, deserves && content.look.is_none(), "{sha256}: {content:?}");
    }
}

fn tallies_are_counts(world: &World) {
    let source = &world.store.source();
    let tallies = world.store.tallies().unwrap();
    let entries = ENTRIES.all(source).unwrap();
    let contents = CONTENTS.all(source).unwrap();
    let jobs = JOBS.all(source).unwrap();
    let size_of = |entry: &Entry| match entry.state {
        EntryState::Stored(sha256) => CONTENTS.get(source, &sha256).unwrap().unwrap().size,
        _ => 0,
    };
    let states =
        |is: fn(&EntryState) -> bool| entries.iter().filter(|(_, entry)| is(&entry.state)).count();
    let jobs_of = |queue: Queue, parked: bool| {
        let is = move |((of, _), job): &&((Queue, Subject), Job)| {
            *of == queue && matches!(job.state, JobState::Parked { .. }) == parked
        };
        jobs.iter().filter(is)
    };
    let looks = entries.iter().map(|(_, entry)| &entry.look);
    let looks = looks.chain(contents.iter().map(|(_, content)| &content.look));
    let stills = looks.flatten().filter(|look| look.still.is_some()).count();
    let number = |count: usize| u64::try_from(count).unwrap();
    let waiting = jobs_of(Queue::Download, false);
    for (tally, count) in [
        (Tally::Entries, number(entries.len())),
        (Tally::Stored, number(states(|state| matches!(state, EntryState::Stored(_))))),
        (Tally::StoredBytes, entries.iter().map(|(_, entry)| size_of(entry)).sum()),
        (Tally::Gone, number(states(|state| matches!(state, EntryState::Gone { .. })))),
        (Tally::Deleted, number(TOMBSTONES.all(source).unwrap().len())),
        (Tally::DownloadsWaiting, number(waiting.clone().count())),
        (Tally::BytesWaiting, waiting.map(|(_, job)| job.rank.size()).sum()),
        (Tally::DownloadsParked, number(jobs_of(Queue::Download, true).count())),
        (Tally::ThumbnailsWaiting, number(jobs_of(Queue::Thumbnail, false).count())),
        (Tally::ThumbnailsParked, number(jobs_of(Queue::Thumbnail, true).count())),
        (Tally::Stills, number(stills)),
        (Tally::Links, number(RENEWALS.all(source).unwrap().len())),
        (Tally::MessagesParked, number(PARKED_MESSAGES.all(source).unwrap().len())),
    ] {
        assert_eq!(tallies.get(tally), count, "{tally:?}");
    }
}

fn links_and_uses_match(world: &World) {
    let source = &world.store.source();
    let entries = ENTRIES.all(source).unwrap();
    let due: BTreeSet<_> =
        entries.iter().filter_map(|(key, entry)| Some((entry.refresh_at?, *key))).collect();
    let renewals = RENEWALS.all(source).unwrap();
    assert_eq!(renewals.into_iter().map(|(at, ())| at).collect::<BTreeSet<_>>(), due, "renewals");
    let stored: BTreeSet<_> = entries
        .iter()
        .filter_map(|(key, entry)| match entry.state {
            EntryState::Stored(sha256) => Some((sha256, *key)),
            _ => None,
        })
        .collect();
    let uses = USES.all(source).unwrap();
    assert_eq!(uses.into_iter().map(|(row, ())| row).collect::<BTreeSet<_>>(), stored, "uses");
}

fn the_page_is_not_forgotten(world: &World) {
    let source = &world.store.source();
    let month = |message: MessageId| message.created_at().month();
    let entries = ENTRIES.all(source).unwrap();
    let months: BTreeSet<_> = entries
        .iter()
        .map(|(key, _)| Month { root: key.root, month: month(key.message) })
        .collect();
    for month in months {
        let published = world.page.borrow().get(&month).cloned().unwrap_or_default();
        if shown(world, month) != published {
            let dirty = DIRTY.contains(source, &(month.root, month.month.number())).unwrap();
            assert!(dirty, "{month:?} changed and will not be published");
        }
    }
    let shards = SHARDS.all(source).unwrap();
    let named: BTreeSet<_> =
        shards.iter().flat_map(|(_, row)| &row.shards).map(|shard| &shard.path).collect();
    for ((_, path), ()) in GARBAGE.all(source).unwrap() {
        assert!(!named.contains(&path), "{path} is named and will be deleted");
    }
}

/// A second reading finds everything that is kept of a message which was not deleted.
fn what_is_kept_is_indexed(world: &World) {
    let source = &world.store.source();
    let indexed: BTreeSet<_> =
        KEPT.all(source).unwrap().into_iter().map(|((_, message), ())| message).collect();
    let raw = RAW.all(source).unwrap().into_iter().map(|(message, _)| message);
    let parked = PARKED_MESSAGES.all(source).unwrap().into_iter().map(|(message, _)| message);
    for message in raw.chain(parked) {
        let deleted = TOMBSTONES.contains(source, &message).unwrap();
        assert!(deleted || indexed.contains(&message), "{message} is kept, and not indexed");
    }
}

/// Whoever posted something has a name; a name without anything posted is on its way out.
fn people_have_posted(world: &World) {
    let source = &world.store.source();
    let posts = POSTS.all(source).unwrap();
    for (_, post) in posts.iter().filter(|(_, post)| !post.items.is_empty()) {
        assert!(PEOPLE.contains(source, &post.author).unwrap(), "{post:?} is nobody's");
    }
    let leavers = AFTERMATH.get(source, &()).unwrap().unwrap_or_default().leavers;
    for (user, person) in PEOPLE.all(source).unwrap() {
        let posted = posts.iter().any(|(_, post)| post.author == user);
        assert!(posted || leavers.contains_key(&user), "{person:?} posted nothing");
    }
}

/// What is on the do-not-archive list is nowhere, unless it is being erased.
fn the_forgotten_are_gone(world: &World) {
    let source = &world.store.source();
    for (what, row) in FORGOTTEN.all(source).unwrap() {
        if row.until.is_some() || ERASURES.contains(source, &what).unwrap() {
            continue;
        }
        for (id, post) in POSTS.all(source).unwrap() {
            let meant = match what {
                Forgotten::User(user) => post.author == user,
                Forgotten::Message(message) => id == message,
                Forgotten::Channel(channel) => post.channel == channel || post.root == channel,
                Forgotten::Guild(guild) => post.guild == guild,
                Forgotten::Member(guild, user) => post.guild == guild && post.author == user,
            };
            assert!(!meant, "{what} is to be forgotten, and {post:?} is still there");
        }
    }
}

/// Removed files are counted, and bytes that are not where they belong are somebody's work.
fn what_is_out_of_place_has_a_job(world: &World) {
    let source = &world.store.source();
    let removed = REMOVED.all(source).unwrap();
    let count = u64::try_from(removed.len()).unwrap();
    assert_eq!(world.store.tallies().unwrap().get(Tally::Removed), count, "removed files");
    for (key, _) in &removed {
        assert!(ENTRIES.contains(source, key).unwrap(), "{key} was removed, and is nowhere");
    }
    let homes = HOMES.all(source).unwrap();
    for (subject, row) in &homes {
        let uses = match subject {
            Subject::Content(sha256) => USES.below(source, sha256, usize::MAX).unwrap(),
            Subject::Entry(_) | Subject::Still(_) => continue,
        };
        let hidden = |key| withheld(world, key, &world.entry(key));
        let wanted = match uses.iter().all(|((_, key), ())| hidden(*key)) {
            _ if uses.is_empty() => Home::Nowhere,
            true => Home::Private,
            false => Home::Public,
        };
        let chore = Chore::next(row.home, wanted, row.stale.is_some());
        let job = JOBS.contains(source, &(Queue::Move, *subject)).unwrap();
        assert_eq!(job, chore.is_some(), "{subject}: {row:?} belongs to {wanted:?}");
    }
    for (sha256, _) in CONTENTS.all(source).unwrap() {
        let uses = USES.below(source, &sha256, usize::MAX).unwrap();
        let shown = uses.iter().any(|((_, key), ())| !withheld(world, *key, &world.entry(*key)));
        let known = homes.iter().any(|(subject, _)| *subject == Subject::Content(sha256));
        assert!(shown || known, "{sha256} is shown by nobody, and stays in public");
    }
}

/// How many messages and files random histories speak of: few, so that they meet often.
const MESSAGES: u32 = 4;
const FILES: u64 = 3;

#[derive(Clone, Debug)]
enum Step {
    See { second: u32, files: Vec<u64>, edit: Option<i64>, link: i64 },
    Delete(u32),
    Claim(Queue, usize),
    Store(usize, u8),
    Look(usize, bool),
    Fail(usize, Failure),
    Renew(u32, u64, i64),
    Vanish(u32, u64),
    Postpone(u32, u64),
    BeginPublication,
    EndPublication,
    RetryParked,
    Choose(MediaMode, bool),
    Wait(u64),
    Die(u32, Vec<u64>),
    Restart,
    Erase(u32),
    Forget(u32),
    EraseSome,
    Allow(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let second = || 0..MESSAGES;
    let file = || 1..=FILES;
    let files = || prop::sample::subsequence(vec![1, 2, 3], 0..=3);
    let queue = prop::sample::select(vec![Queue::Download, Queue::Thumbnail]);
    let failure = prop::sample::select(vec![
        Failure::Postponed { delay: std::time::Duration::from_secs(30), why: "away".into() },
        Failure::Retryable { why: "reset".into() },
        Failure::DeadLink { why: "404".into() },
        Failure::DeadLink { why: "403".into() },
        Failure::Permanent { why: "too odd".into() },
    ]);
    let edit = prop::option::of(1..4_i64);
    let mode = prop::sample::select(vec![MediaMode::Copy, MediaMode::Link]);
    prop_oneof![
        6 => (second(), files(), edit, 0..3_i64)
            .prop_map(|(second, files, edit, link)| Step::See { second, files, edit, link }),
        1 => second().prop_map(Step::Delete),
        5 => (queue, 1..4_usize).prop_map(|(queue, limit)| Step::Claim(queue, limit)),
        4 => (0..4_usize, 1..4_u8).prop_map(|(at, sha)| Step::Store(at, sha)),
        3 => (0..4_usize, any::<bool>()).prop_map(|(at, still)| Step::Look(at, still)),
        4 => (0..4_usize, failure).prop_map(|(at, failure)| Step::Fail(at, failure)),
        3 => (second(), file(), 0..4_i64).prop_map(|(second, file, life)| Step::Renew(second, file, life)),
        1 => (second(), file()).prop_map(|(second, file)| Step::Vanish(second, file)),
        1 => (second(), file()).prop_map(|(second, file)| Step::Postpone(second, file)),
        2 => Just(Step::BeginPublication),
        2 => Just(Step::EndPublication),
        1 => Just(Step::RetryParked),
        1 => (mode, any::<bool>()).prop_map(|(mode, videos)| Step::Choose(mode, videos)),
        3 => (1..900_u64).prop_map(Step::Wait),
        1 => (second(), files()).prop_map(|(second, files)| Step::Die(second, files)),
        1 => Just(Step::Restart),
        1 => second().prop_map(Step::Erase),
        1 => second().prop_map(Step::Forget),
        2 => Just(Step::EraseSome),
        1 => second().prop_map(Step::Allow),
    ]
}

/// A history in progress: what workers hold, and what each message last looked like.
struct History {
    world: World,
    busy: Vec<(Queue, Subject, Option<Link>)>,
    edition: Option<Edition>,
    seen: std::collections::BTreeMap<u32, (Option<i64>, Vec<u64>)>,
    deleted: BTreeSet<u32>,
    forgotten: BTreeSet<u32>,
}

impl History {
    fn take(&mut self, at: usize) -> Option<(Queue, Subject, Option<Link>)> {
        (at < self.busy.len()).then(|| self.busy.remove(at))
    }

    fn take_step(&mut self, step: Step) {
        match step {
            Step::See { second, files, edit, link } => self.see(second, files, edit, link),
            Step::Delete(second) => {
                self.world.delete(second);
                self.deleted.insert(second);
            }
            Step::Claim(queue, limit) => {
                let busy: Vec<_> = self.busy.iter().map(|(_, subject, _)| *subject).collect();
                for claimed in self.world.claim(queue, limit, &busy) {
                    assert!(!busy.contains(&claimed.subject));
                    self.busy.push((queue, claimed.subject, claimed.task.link().cloned()));
                }
            }
            Step::Store(at, number) => {
                if let Some((Queue::Download, Subject::Entry(key), _)) = self.take(at) {
                    self.world.apply(Stored {
                        key,
                        sha256: sha(number),
                        content: content(number),
                        stamp: None,
                    });
                }
            }
            Step::Look(at, still) => {
                if let Some((Queue::Thumbnail, subject, _)) = self.take(at) {
                    let still = still.then(|| "thumb/1.webp".to_owned());
                    self.world.apply(Looked { subject, look: Look { still, ..Look::default() } });
                }
            }
            Step::Fail(at, failure) => {
                if let Some((queue, subject, link)) = self.take(at) {
                    self.world.apply(Failed { queue, subject, link, failure });
                }
            }
            Step::Renew(second, file, life) => {
                let now = self.world.now.get().as_secs() - super::sample::at(0).as_secs();
                // A link may come dead, live for moments, or for long.
                let dies = now + [-5, 8, 600, 86_400][usize::try_from(life).unwrap()];
                let renewed = vec![(key(second, file), link(file, dies, "renewed"))];
                self.world.apply(LinksRefreshed { renewed, ..LinksRefreshed::default() });
            }
            Step::Vanish(second, file) => {
                let vanished = vec![(key(second, file), "404".to_owned())];
                self.world.apply(LinksRefreshed { vanished, ..LinksRefreshed::default() });
            }
            Step::Postpone(second, file) => {
                let until = self.world.now.get().after(std::time::Duration::from_mins(5));
                let postponed = vec![(key(second, file), until)];
                self.world.apply(LinksRefreshed { postponed, ..LinksRefreshed::default() });
            }
            Step::BeginPublication => self.edition = Some(self.world.begin_publication()),
            Step::EndPublication => {
                if let Some(edition) = self.edition.take() {
                    self.world.end_publication(edition);
                }
            }
            Step::RetryParked => {
                self.world.apply(Change::RetryParked);
            }
            Step::Choose(mode, videos) => {
                let kinds: &[_] = if videos { &[MediaKind::Video] } else { &[MediaKind::Audio] };
                // Another policy means another process.
                self.restart();
                self.world.choose(policy(mode, kinds));
            }
            Step::Wait(seconds) => self.world.wait(seconds),
            Step::Die(second, files) => {
                let messages = vec![edited(9, message(second, &files))];
                self.world.die_during(&Observed { messages }.into());
                self.restart();
            }
            Step::Restart => self.restart(),
            Step::Erase(second) => {
                self.world.change(|commit| {
                    commit.attempt(|txn, context| {
                        erase_message(txn, context, id(second), Trace::Tombstone(CHANNEL))
                    })
                });
                self.deleted.insert(second);
            }
            Step::Forget(second) => {
                let what = vec![Forgotten::Message(id(second))];
                self.world.apply(Forget { what, word: Word::Keeper });
                self.forgotten.insert(second);
                self.seen.remove(&second);
            }
            Step::EraseSome => drop(self.world.apply(Change::EraseSome)),
            Step::Allow(second) => {
                self.world.apply(Allow { what: vec![Forgotten::Message(id(second))] });
                self.forgotten.remove(&second);
            }
        }
    }

    fn see(&mut self, second: u32, files: Vec<u64>, edit: Option<i64>, signature: i64) {
        let mut sight = message(second, &files);
        for (file, seen) in files.iter().zip(&mut sight.attachments) {
            *seen = attachment(*file);
            seen.link = link(*file, 3_600 * signature, "seen");
        }
        let sight = edit.map_or_else(|| sight.clone(), |edit| edited(edit, sight.clone()));
        self.world.see([sight]);
        if self.forgotten.contains(&second) {
            return;
        }
        let newer = self.seen.get(&second).is_none_or(|(known, _)| edit >= *known);
        if newer {
            self.seen.insert(second, (edit, files));
        }
    }

    fn restart(&mut self) {
        self.busy.clear();
        self.edition = None;
    }

    /// What is visible is what the newest sight held, and nothing of what was deleted.
    fn check_sights(&self) {
        for second in 0..MESSAGES {
            let newest = self.seen.get(&second).map(|(_, files)| files.clone()).unwrap_or_default();
            let expected = if self.deleted.contains(&second) { Vec::new() } else { newest };
            let entries = ENTRIES.all(&self.world.store.source()).unwrap();
            let visible: Vec<u64> = entries
                .iter()
                .filter(|(key, entry)| key.message == id(second) && entry.hidden_at.is_none())
                .map(|(key, _)| key.item.0)
                .collect();
            assert_eq!(visible, expected, "message {second}");
        }
    }
}

proptest! {
    #[test]
    fn no_history_makes_the_catalogue_contradict_itself(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut history = History {
            world: World::new(),
            busy: Vec::new(),
            edition: None,
            seen: std::collections::BTreeMap::new(),
            deleted: BTreeSet::new(),
            forgotten: BTreeSet::new(),
        };
        for step in steps {
            history.take_step(step);
            history.check_sights();
        }
    }
}
