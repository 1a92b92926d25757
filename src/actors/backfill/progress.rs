//! How far reading has come, for people who wait for it.

use std::time::Duration;

use tokio::time::Instant;

/// Adding up thousands of places costs more than reading a page, so it is done this often only.
const ADD_UP_EVERY: Duration = Duration::from_millis(500);

/// How far reading has come.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Whether everything that is wanted was read, and nothing is in flight.
    pub idle: bool,
    /// Whether something is being read or looked at, or in line for it. What can't be read now and waits for its time
    /// does not count, or a place that never can would hold up whoever lets others go first.
    pub busy: bool,
    /// Messages read in this life.
    pub messages: u64,
    /// Places being read right now.
    pub in_flight: usize,
    /// Places that are read at all.
    pub places: usize,
    /// Places of which nothing is left to read.
    pub complete: usize,
    /// How much of the wanted time was read, between 0 and 1.
    pub share: f64,
    /// When reading began.
    pub began: Instant,
    added_up: Option<Instant>,
    share_at_start: Option<f64>,
}

impl Progress {
    /// Nothing was read yet.
    pub fn new() -> Self {
        Self {
            idle: false,
            busy: true,
            messages: 0,
            in_flight: 0,
            places: 0,
            complete: 0,
            share: 0.0,
            began: Instant::now(),
            added_up: None,
            share_at_start: None,
        }
    }

    /// Messages a second, so far.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.began.elapsed().as_secs_f64().max(0.001)
    }

    /// How long the rest will take if it goes on like this; none while nothing can be told.
    pub fn time_left(&self) -> Option<Duration> {
        let done = self.share - self.share_at_start?;
        let left = 1.0 - self.share;
        (done > 0.001 && left > 0.0).then(|| self.began.elapsed().mul_f64((left / done).min(1e6)))
    }

    pub(super) fn count(&mut self, messages: usize) {
        self.messages += u64::try_from(messages).unwrap_or(u64::MAX);
    }

    pub(super) fn update(
        &mut self,
        (idle, busy): (bool, bool),
        in_flight: usize,
        shares: impl FnOnce() -> Vec<(Duration, Duration)>,
    ) {
        let due = self.added_up.is_none_or(|at| at.elapsed() >= ADD_UP_EVERY);
        if due || idle != self.idle {
            self.add_up(&shares());
        }
        self.idle = idle;
        self.busy = busy;
        self.in_flight = in_flight;
    }

    fn add_up(&mut self, shares: &[(Duration, Duration)]) {
        let read: Duration = shares.iter().map(|(read, _)| *read).sum();
        let all: Duration = shares.iter().map(|(_, all)| *all).sum();
        self.places = shares.len();
        self.complete = shares.iter().filter(|(read, all)| read >= all).count();
        self.share = if all.is_zero() { 0.0 } else { read.as_secs_f64() / all.as_secs_f64() };
        self.share_at_start.get_or_insert(self.share);
        self.added_up = Some(Instant::now());
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
