//! Who may not delete an object just now, because somebody has put it and not yet written down what for.
//!
//! Bytes are named by what they are. So while the last of them that the catalogue knows is being deleted from the
//! bucket, the same may be posted again, found there, and be written down as there. Whoever puts an object holds it
//! until that is written down, and nobody deletes what is held. A crash lets go of everything, and nothing is under
//! way any more then.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, Weak},
};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Knows who holds which object.
#[derive(Clone, Debug, Default)]
pub struct Custody(Arc<Mutex<HashMap<String, Weak<RwLock<()>>>>>);

/// Keeps an object from being deleted until it is dropped.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "it works by being there")] OwnedRwLockReadGuard<()>);

/// Keeps others from putting an object until it is dropped.
#[derive(Debug)]
pub struct Bar(#[expect(dead_code, reason = "it works by being there")] OwnedRwLockWriteGuard<()>);

/// What one job holds, until what came of it is written down.
#[derive(Debug, Default)]
pub struct Holds(Mutex<Vec<Hold>>);

impl Custody {
    /// Holds an object. Waits while it is being deleted.
    pub async fn hold(&self, object: &str) -> Hold {
        Hold(self.lock(object).read_owned().await)
    }

    /// The right to delete an object, unless somebody holds it.
    pub fn bar(&self, object: &str) -> Option<Bar> {
        self.lock(object).try_write_owned().ok().map(Bar)
    }

    fn lock(&self, object: &str) -> Arc<RwLock<()>> {
        let mut locks = locked(&self.0);
        if let Some(lock) = locks.get(object).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        locks.insert(object.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

impl Holds {
    /// Keeps something until the end of the job.
    pub fn keep(&self, hold: Hold) {
        locked(&self.0).push(hold);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_ready<T>(future: impl Future<Output = T>) -> bool {
        let mut future = std::pin::pin!(future);
        matches!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
    }

    #[tokio::test]
    async fn what_is_held_is_not_deleted_and_what_is_deleted_is_not_put() {
        let custody = Custody::default();
        let (first, second) = (custody.hold("media/a").await, custody.hold("media/a").await);
        assert!(custody.bar("media/a").is_none() && custody.bar("media/b").is_some());
        drop(first);
        assert!(custody.bar("media/a").is_none());
        let holds = Holds::default();
        holds.keep(second);
        assert!(custody.bar("media/a").is_none());
        drop(holds);
        let bar = custody.bar("media/a").expect("nobody holds it");
        assert!(!is_ready(custody.hold("media/a")));
        drop(bar);
        assert!(is_ready(custody.hold("media/a")));
        drop(custody.hold("media/b").await);
        assert_eq!(locked(&custody.0).len(), 1, "what nobody holds is not remembered");
    }
}
