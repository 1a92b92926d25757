//! Keeps actors alive: one that panics is started again in place, with its address and its queue.
//!
//! Actix's own supervisor revives an actor that stopped, never one that panicked. Here the actor's future is polled
//! inside `catch_unwind`, so a panic costs the message that caused it and the actor's memory, which it rebuilds from
//! the store in [`Supervised::restarting`]. Too many panics in a row are no bad luck: the budget is spent, and the
//! process ends with an error.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{self, Poll},
};

use actix::{
    dev::{ContextFut, channel},
    prelude::*,
};
use tokio::time::{Instant, Sleep, sleep};
use tracing::{error, warn};

use super::alarm::Alarm;
use crate::domain::restart::{Budget, Verdict};

/// Starts actors and counts how often each had to be started again.
#[derive(Clone, Debug)]
pub struct Supervisor {
    board: Arc<Board>,
}

#[derive(Debug)]
struct Board {
    restarts: Mutex<BTreeMap<&'static str, u64>>,
    alarm: Alarm,
}

/// An address whose actor is yet to come, so that actors which know each other can be born one after the other.
pub struct Seat<A: Actor<Context = Context<A>>> {
    supervisor: Supervisor,
    name: &'static str,
    mailbox: channel::AddressReceiver<A>,
}

impl Supervisor {
    /// A supervisor of nobody yet, who rings when a budget is spent.
    pub fn new(alarm: Alarm) -> Self {
        Self { board: Arc::new(Board { restarts: Mutex::default(), alarm }) }
    }

    /// Makes an address with room for so many messages.
    pub fn seat<A>(&self, name: &'static str, mailbox: usize) -> (Addr<A>, Seat<A>)
    where
        A: Actor<Context = Context<A>>,
    {
        // Shown from the start, so that the first restart is seen as one.
        metrics::counter!("bowerbird_actor_restarts_total", "actor" => name).increment(0);
        let (sender, receiver) = channel::channel(mailbox);
        (Addr::new(sender), Seat { supervisor: self.clone(), name, mailbox: receiver })
    }

    /// How often each actor was started again.
    pub fn restarts(&self) -> BTreeMap<&'static str, u64> {
        self.counts().clone()
    }

    fn restarted(&self, name: &'static str) {
        *self.counts().entry(name).or_default() += 1;
        metrics::counter!("bowerbird_actor_restarts_total", "actor" => name).increment(1);
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.board.restarts.lock().expect("no holder of this lock panics")
    }
}

impl<A> Seat<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    /// Starts the actor on this thread.
    pub fn start(self, actor: A) {
        let context = Context::with_receiver(self.mailbox).into_future(actor);
        actix::spawn(Life {
            child: Box::pin(context),
            name: self.name,
            supervisor: self.supervisor,
            born: Instant::now(),
            budget: Budget::default(),
            pause: None,
        });
    }
}

/// An actor's life, deaths included.
struct Life<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    child: Pin<Box<ContextFut<A, Context<A>>>>,
    name: &'static str,
    supervisor: Supervisor,
    born: Instant,
    budget: Budget,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<A> Future for Life<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            if let Some(pause) = &mut this.pause {
                task::ready!(pause.as_mut().poll(cx));
                this.pause = None;
                if !this.child.restart() {
                    return Poll::Ready(());
                }
            }
            match catch_unwind(AssertUnwindSafe(|| this.child.as_mut().poll(cx))) {
                Ok(poll) => return poll,
                Err(panic) => match this.died(&describe(&*panic)) {
                    Verdict::RestartAfter(pause) => this.pause = Some(Box::pin(sleep(pause))),
                    Verdict::GiveUp => return Poll::Ready(()),
                },
            }
        }
    }
}

impl<A> Life<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    fn died(&mut self, panic: &str) -> Verdict {
        let verdict = self.budget.crashed(self.born.elapsed());
        match verdict {
            Verdict::RestartAfter(pause) => {
                warn!(actor = self.name, panic, ?pause, "an actor died and is started again");
                self.supervisor.restarted(self.name);
            }
            Verdict::GiveUp => {
                error!(actor = self.name, panic, "an actor died again and again");
                let reason = format!("{} died again and again, last of: {panic}", self.name);
                self.supervisor.board.alarm.ring(self.name, reason);
            }
        }
        verdict
    }
}

/// The words of a panic.
pub fn describe(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts, and dies of odd numbers.
    #[derive(Default)]
    struct Fragile {
        counted: u32,
        lives: u32,
    }

    #[derive(Message)]
    #[rtype(result = "(u32, u32)")]
    struct Count(u32);

    impl Actor for Fragile {
        type Context = Context<Self>;
    }

    impl Supervised for Fragile {
        fn restarting(&mut self, _: &mut Self::Context) {
            *self = Self { counted: 0, lives: self.lives + 1 };
        }
    }

    impl Handler<Count> for Fragile {
        type Result = MessageResult<Count>;

        fn handle(&mut self, Count(number): Count, _: &mut Self::Context) -> Self::Result {
            assert!(number.is_multiple_of(2), "{number} is odd");
            self.counted += number;
            MessageResult((self.counted, self.lives))
        }
    }

    #[actix::test]
    async fn an_actor_that_panics_keeps_its_address_and_its_queue() {
        tokio::time::pause();
        let supervisor = Supervisor::new(Alarm::default());
        let (address, seat) = supervisor.seat("fragile", 8);
        seat.start(Fragile::default());
        assert_eq!(address.send(Count(2)).await.unwrap(), (2, 0));
        let (dead, queued) = tokio::join!(address.send(Count(1)), address.send(Count(4)));
        assert!(dead.is_err(), "the message that killed it fails");
        assert_eq!(
            queued.unwrap(),
            (4, 1),
            "the one behind it is answered by the next life, with fresh state"
        );
        assert_eq!(supervisor.restarts(), BTreeMap::from([("fragile", 1)]));
    }

    #[actix::test]
    async fn a_spent_budget_is_reported() {
        tokio::time::pause();
        let alarm = Alarm::default();
        let supervisor = Supervisor::new(alarm.clone());
        let (address, seat) = supervisor.seat("fragile", 8);
        seat.start(Fragile::default());
        for _ in 0..6 {
            assert!(address.send(Count(7)).await.is_err());
        }
        let fatal = alarm.rung().await;
        assert_eq!(fatal.part, "fragile");
        assert!(fatal.reason.contains("7 is odd"), "{fatal}");
    }
}
