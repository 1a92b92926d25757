//! Makes two threads one: the actors' thread runs, or the one for blocking work does, and never both. Which of two
//! things comes first is then no matter of luck, and a schedule comes out the same each time it is run.
//!
//! The actors' thread hands the baton over when it has nothing left to do, and takes it back when all the work that it
//! gave away is done. The runtime must have one blocking thread at most, which ends as soon as it has nothing to do.
//!
//! A thread for each call of the store would cost more than all the rest. So those calls are done by the actors' thread
//! itself at the same moment, when it has nothing left to do: see [`Errands`].

use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use bowerbird::store::Work;
use tokio::runtime::{Builder, Runtime};

/// A thread that was told to end takes a while to do so. On a busy machine they would become more and more, if nobody
/// waited for them.
const LEAVING_AT_MOST: u32 = 4;

thread_local! {
    static PRESENCE: RefCell<Option<Presence>> = const { RefCell::new(None) };
}

/// Dropped with its thread.
struct Presence(Baton);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.set(|hands| hands.leaving -= 1);
    }
}

/// Calls of the store, in line until the actors have nothing left to do.
#[derive(Clone, Default)]
pub(super) struct Errands(Arc<Mutex<VecDeque<Work>>>);

impl std::fmt::Debug for Errands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Errands")
    }
}

impl Errands {
    pub(super) fn add(&self, work: Work) {
        self.line().push_back(work);
    }

    /// Tells whether there was anything to do.
    fn run(&self) -> bool {
        let mut any = false;
        while let Some(work) = self.next() {
            any = true;
            work();
        }
        any
    }

    fn next(&self) -> Option<Work> {
        self.line().pop_front()
    }

    fn line(&self) -> MutexGuard<'_, VecDeque<Work>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

/// Who may run.
#[derive(Clone, Debug, Default)]
pub(super) struct Baton(Arc<(Mutex<Hands>, Condvar)>);

#[derive(Debug, Default)]
struct Hands {
    /// The actors' thread has nothing to do.
    offered: bool,
    /// The blocking thread has it.
    taken: bool,
    /// Blocking threads that are there, nearly all of them about to end.
    leaving: u32,
    /// The runtime ends: there is nobody to wait for any more.
    dropped: bool,
}

impl Baton {
    /// A runtime on paused time whose two threads hand this over to each other.
    pub(super) fn runtime(&self, errands: Errands) -> Runtime {
        let (offer, take_back) = (self.clone(), self.clone());
        let (take, give_back) = (self.clone(), self.clone());
        Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .max_blocking_threads(1)
            .thread_keep_alive(Duration::ZERO)
            .on_thread_park(move || {
                if errands.run() {
                    // Whoever waited for one has something to do now. If nobody did, there is this.
                    tokio::spawn(std::future::ready(()));
                } else {
                    offer.set(|hands| hands.offered = true);
                }
            })
            .on_thread_unpark(move || {
                let is_busy = |hands: &Hands| hands.taken || hands.leaving > LEAVING_AT_MOST;
                let mut hands = take_back.wait_while(is_busy);
                hands.offered = false;
            })
            .on_thread_start(move || {
                let mut hands = take.wait_while(|hands| !hands.offered && !hands.dropped);
                hands.taken = true;
                hands.leaving += 1;
                PRESENCE.set(Some(Presence(take.clone())));
            })
            .on_thread_stop(move || give_back.set(|hands| hands.taken = false))
            .build()
            .expect("the system gives us a thread")
    }

    fn set(&self, change: impl FnOnce(&mut Hands)) {
        change(&mut self.0.0.lock().expect("no holder of this lock panics"));
        self.0.1.notify_all();
    }

    fn wait_while(&self, is_so: impl Fn(&Hands) -> bool) -> MutexGuard<'_, Hands> {
        let hands = self.0.0.lock().expect("no holder of this lock panics");
        self.0.1.wait_while(hands, |hands| is_so(hands)).expect("no holder of this lock panics")
    }
}

/// Drops the baton, for whoever still waits for it, before the runtime is dropped, and what nobody will do any more.
#[derive(Debug)]
pub(super) struct DropBaton(pub(super) Baton, pub(super) Errands);

impl Drop for DropBaton {
    fn drop(&mut self) {
        self.0.set(|hands| hands.dropped = true);
        let left = std::mem::take(&mut *self.1.line());
        drop(left);
    }
}
