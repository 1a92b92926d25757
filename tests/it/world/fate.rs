//! How a process dies in the middle of its work, and how a part of it panics.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::watch;

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
    /// Discord answered.
    Answered,
    /// A file is about to be fetched.
    Fetch,
    /// A file was looked at.
    Looked,
    /// An event was heard.
    Heard,
}

impl Step {
    pub(super) const ALL: [Self; 12] = [
        Self::Commit,
        Self::Flush,
        Self::Flushed,
        Self::Put,
        Self::PutDone,
        Self::Manifest,
        Self::ManifestDone,
        Self::Delete,
        Self::Answered,
        Self::Fetch,
        Self::Looked,
        Self::Heard,
    ];
}

/// When one process dies.
#[derive(Clone, Debug)]
pub(super) struct Fate {
    line: Arc<Mutex<BTreeMap<Step, u32>>>,
    dead: watch::Sender<Option<Step>>,
}

impl Fate {
    /// It dies at a step when it comes there for the nth time, or never by itself.
    pub(super) fn new(end: Option<(Step, u32)>) -> Self {
        Self {
            line: Arc::new(Mutex::new(end.into_iter().collect())),
            dead: watch::Sender::new(None),
        }
    }

    /// A step is reached. Whoever is dead stays here for ever.
    pub(super) async fn reach(&self, step: Step) {
        if !self.survives(step) {
            std::future::pending::<()>().await;
        }
    }

    /// The same for calls that can't wait: they have no effect when this says no.
    pub(super) fn survives(&self, step: Step) -> bool {
        if self.dead.borrow().is_some() {
            return false;
        }
        let mut line = self.line();
        let Some(left) = line.get_mut(&step) else { return true };
        *left = left.saturating_sub(1);
        if *left > 0 {
            return true;
        }
        drop(line);
        self.dead.send_replace(Some(step));
        false
    }

    /// Returns when the process died, and where.
    pub(super) async fn died(&self) -> Step {
        let mut dead = self.dead.subscribe();
        let step = *dead.wait_for(Option::is_some).await.expect("we hold the sender");
        step.expect("it was waited for")
    }

    fn line(&self) -> MutexGuard<'_, BTreeMap<Step, u32>> {
        self.line.lock().expect("no holder of this lock panics")
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
