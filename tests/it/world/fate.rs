//! How a process dies in the middle of its work, and how a part of it panics.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::watch;

use super::point::Point;

/// A moment between two things that others can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
    /// A commit is about to be made.
    Commit,
    /// A commit was made, and would not survive a crash.
    Flush,
    /// A commit would survive, and nobody knows of it yet.
    Flushed,
    /// An object is about to be put.
    Put,
    /// An object was put, and nobody knows of it yet.
    PutDone,
    /// The manifest is about to be replaced.
    Manifest,
    /// The manifest was replaced, and nobody knows of it yet.
    ManifestDone,
    /// An object is about to be deleted.
    Delete,
    /// An object was deleted, and nobody knows of it yet.
    DeleteDone,
    /// The bucket answered, and nothing was read yet.
    Got,
    /// Discord answered.
    Answered,
    /// A file is about to be fetched.
    Fetch,
    /// A part of a file arrived.
    Arriving,
    /// All of a file arrived, and has no name yet.
    Arrived,
    /// A file was looked at.
    Looked,
    /// An event was heard.
    Heard,
}

/// How a process is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At the nth moment that has a name.
    Nth(u32),
    /// At a step, when it comes there for the nth time.
    Step(Step, u32),
    /// At a point, when it comes there for the nth time.
    Point(Point, u32),
}

/// When one process dies.
#[derive(Clone, Debug)]
pub(super) struct Fate {
    course: Arc<Mutex<Course>>,
    dead: watch::Sender<Option<Step>>,
}

#[derive(Debug)]
struct Course {
    end: Option<End>,
    passed: BTreeMap<Point, u64>,
    died_at: Vec<Point>,
    history: DefaultHasher,
}

impl Fate {
    /// It dies as told, or never by itself.
    pub(super) fn new(end: Option<End>) -> Self {
        let course = Course {
            end,
            passed: BTreeMap::new(),
            died_at: Vec::new(),
            history: DefaultHasher::new(),
        };
        Self { course: Arc::new(Mutex::new(course)), dead: watch::Sender::new(None) }
    }

    /// A moment is reached. Whoever is dead stays here for ever.
    pub(super) async fn reach(&self, step: Step, about: &'static str) {
        if !self.survives(step, [about]) {
            std::future::pending::<()>().await;
        }
    }

    /// The same for calls that can't wait: they have no effect when this says no. Several names are one moment.
    pub(super) fn survives(
        &self,
        step: Step,
        about: impl IntoIterator<Item = &'static str>,
    ) -> bool {
        if self.dead.borrow().is_some() {
            return false;
        }
        let points: Vec<_> = about.into_iter().map(|about| Point::new(step, about)).collect();
        let mut course = self.course();
        points.hash(&mut course.history);
        for point in &points {
            *course.passed.entry(*point).or_default() += 1;
        }
        let left = match &mut course.end {
            Some(End::Nth(left)) => left,
            Some(End::Step(end, left)) if *end == step => left,
            Some(End::Point(end, left)) if points.contains(end) => left,
            _ => return true,
        };
        *left = left.saturating_sub(1);
        if *left > 0 {
            return true;
        }
        course.died_at = points;
        drop(course);
        self.dead.send_replace(Some(step));
        false
    }

    /// Returns when the process died, and where.
    pub(super) async fn died(&self) -> Step {
        let mut dead = self.dead.subscribe();
        let step = *dead.wait_for(Option::is_some).await.expect("we hold the sender");
        step.expect("it was waited for")
    }

    /// What the moment was called at which it died.
    pub(super) fn died_at(&self) -> Vec<Point> {
        self.course().died_at.clone()
    }

    /// How often it came where.
    pub(super) fn passed(&self) -> BTreeMap<Point, u64> {
        self.course().passed.clone()
    }

    /// What tells one course of a life from another.
    pub(super) fn history(&self) -> u64 {
        self.course().history.finish()
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().expect("no holder of this lock panics")
    }
}

/// Makes calls panic: after some that pass, some that panic, and then it is burnt out.
#[derive(Clone, Debug)]
pub(super) struct Fuse(Arc<Mutex<Burning>>);

#[derive(Debug)]
struct Burning {
    call: &'static str,
    pass: u32,
    panics: u32,
    burnt: u32,
}

impl Fuse {
    /// Panics in calls whose name begins like this.
    pub(super) fn new(call: &'static str, pass: u32, panics: u32) -> Self {
        Self(Arc::new(Mutex::new(Burning { call, pass, panics, burnt: 0 })))
    }

    pub(super) fn burn(&self, call: &str) {
        let mut burning = self.0.lock().expect("it is let go of before the panic");
        if !call.starts_with(burning.call) || burning.burnt == burning.panics {
            return;
        }
        if burning.pass > 0 {
            burning.pass -= 1;
            return;
        }
        burning.burnt += 1;
        drop(burning);
        panic!("{call} is broken");
    }

    /// How many calls panicked.
    pub(super) fn burnt(&self) -> u32 {
        self.0.lock().expect("it is let go of before the panic").burnt
    }
}
