//! Who has which bytes in hand: whoever puts them into a bucket or takes them out, one at a time.
//!
//! Held by the workers from before they look at what is there until what they did is durable. So nobody finds bytes that
//! another is about to delete. A crash loses nothing: what is deleted is named by its generation, so that a request
//! which arrives late deletes nothing newer.

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::Notify;

use crate::domain::job::Subject;

/// The bytes that are in somebody's hands.
#[derive(Clone, Debug, Default)]
pub struct Hands {
    held: Arc<Mutex<BTreeSet<Subject>>>,
    freed: Arc<Notify>,
}

/// Bytes in hand; let go of when dropped.
#[derive(Debug)]
#[must_use = "dropping it lets go of the bytes"]
pub struct Hold {
    hands: Hands,
    subject: Subject,
}

impl Hands {
    /// Takes bytes in hand, after whoever has them.
    pub async fn take(&self, subject: Subject) -> Hold {
        loop {
            let mut freed = pin!(self.freed.notified());
            // Whoever lets go from here on is heard.
            freed.as_mut().enable();
            if self.held().insert(subject) {
                return Hold { hands: self.clone(), subject };
            }
            freed.await;
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeSet<Subject>> {
        self.held.lock().expect("no holder of this lock panics")
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.hands.held().remove(&self.subject);
        self.hands.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;
    use crate::domain::entry::Sha256;

    #[tokio::test]
    async fn bytes_are_in_one_pair_of_hands_at_a_time() {
        let hands = Hands::default();
        let still = Subject::Still(Sha256([1; 32]));
        let first = hands.take(still).await;
        let mut second = pin!(hands.take(still));
        assert!(poll!(&mut second).is_pending());
        drop(hands.take(Subject::Content(Sha256([1; 32]))).await);
        assert!(poll!(&mut second).is_pending());
        drop(first);
        drop(second.await);
    }
}
