//! Good manners around every REST call: nothing is sent that Discord has already said it would refuse.
//!
//! The pace is learned from the headers of good answers, a gate for each route and channel or server; all calls
//! together stay under the global limit; a refusal of everything stops everything until one call has found out that it
//! is over. What may pass is tried again for about a minute, then the caller hears that Discord is unavailable and
//! decides for itself. A refused token, or hundreds of refusals, stop all calls for good.
//!
//! [`LiveDiscord`](super::live::LiveDiscord) talks to it, and it to the wire. It keeps nothing: after a crash the pace
//! is learned anew, with one call a route.

use std::{
    collections::HashMap,
    fmt::Debug,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex as Turn, Notify},
    time::{Instant, sleep_until},
};
use tracing::{debug, warn};
use twilight_http::request::Request;

use self::{
    answer::{Limited, Meaning, Scope},
    budget::{Budget, Epoch},
    gate::{Gate, Verdict},
    refusals::Refusals,
};
use super::{DiscordError, wire::Wire};
use crate::domain::retry::jittered;

mod answer;
mod budget;
mod gate;
mod refusals;

pub(super) use self::answer::Answer;

/// A caller hears of trouble after this long. Discord's hiccups are over by then; an outage is not, and whoever called
/// knows better what else can be done.
const PATIENCE: Duration = Duration::from_mins(1);

/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause between two tries of one call.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The pause after a refusal of one route that names none, about one refill of the slowest route that we use.
const UNTOLD_PAUSE: Duration = Duration::from_secs(5);

/// An answer that can't be read is asked for this often: once is a torn connection, always is a change on Discord's
/// side that no patience mends.
const MALFORMED_TRIES: u32 = 3;

/// Idle gates are swept out when so many have gathered; there is one for each thread that was ever read.
const SWEEP_AT: usize = 1_024;

/// How much a call matters while there is more to ask than Discord allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Somebody waits for it.
    Urgent,
    /// It can wait, and leaves a part of the global limit to what can't.
    Patient,
}

/// Sends calls, politely.
#[derive(Debug)]
pub(super) struct Polite {
    wire: Box<dyn Wire>,
    started: Instant,
    state: Mutex<State>,
    /// Rung whenever a call has landed.
    landed: Notify,
    /// Whose turn it is among those whom the global limit holds, for each priority: first come, first served.
    turns: [Turn<()>; 2],
}

#[derive(Debug, Default)]
struct State {
    gates: HashMap<String, Lane>,
    sweep_at: usize,
    budget: Budget,
    refusals: Refusals,
    stopped: Option<Stop>,
}

/// A gate and the queue before it.
#[derive(Debug, Default)]
struct Lane {
    gate: Gate,
    turn: Arc<Turn<()>>,
}

/// Why nothing is sent any more.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Unauthorized,
    TooManyInvalid(usize),
}

impl From<Stop> for DiscordError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Unauthorized => Self::Unauthorized,
            Stop::TooManyInvalid(count) => Self::TooManyInvalid { count },
        }
    }
}

/// What one call went through.
#[derive(Debug, Default)]
struct Ordeal {
    began: Option<Duration>,
    failures: u32,
    malformed: u32,
}

impl Polite {
    pub(super) fn new(wire: Box<dyn Wire>) -> Self {
        Self {
            wire,
            started: Instant::now(),
            state: Mutex::default(),
            landed: Notify::new(),
            turns: [Turn::default(), Turn::default()],
        }
    }

    /// Sends a call until it is answered for good, and reads the answer.
    pub(super) async fn call<T>(
        &self,
        request: Request,
        priority: Priority,
        read: impl Fn(Answer) -> Result<T, DiscordError>,
    ) -> Result<T, DiscordError> {
        let lane = lane_of(request.method().name(), request.path());
        let mut ordeal = Ordeal::default();
        loop {
            let mut pass = self.admit(&lane, priority).await?;
            let (error, pause) = match self.wire.send(&request).await {
                Ok(answer) => match pass.land(&answer)? {
                    Meaning::Good => match read(answer) {
                        Err(DiscordError::Malformed { reason }) => {
                            ordeal.malformed += 1;
                            let error = DiscordError::Malformed { reason };
                            if ordeal.malformed >= MALFORMED_TRIES {
                                return Err(error);
                            }
                            (error, None)
                        }
                        read => return read,
                    },
                    Meaning::Refused(error) => return Err(error),
                    // The gate, or the budget, makes the next try wait.
                    Meaning::Limited(Limited { wait, .. }) => {
                        let reason = "too many requests".to_owned();
                        let error = DiscordError::Unavailable { reason, retry_after: wait };
                        (error, Some(Duration::ZERO))
                    }
                    Meaning::Trouble { reason, retry_after } => {
                        (DiscordError::Unavailable { reason, retry_after }, retry_after)
                    }
                },
                Err(reason) => (DiscordError::Unavailable { reason, retry_after: None }, None),
            };
            drop(pass);
            let pause = ordeal.endure(self.now(), error, pause)?;
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits until a call may be sent, and reserves its place.
    async fn admit(&self, lane: &str, priority: Priority) -> Result<Pass<'_>, DiscordError> {
        let turn = Arc::clone(&self.state().lane(lane, self.now()).turn);
        let _first_in_lane = turn.lock().await;
        loop {
            self.wait(|state, now| state.lane(lane, now).gate.verdict(now)).await?;
            let _first_of_all = self.turns[priority as usize].lock().await;
            self.wait(|state, now| state.budget.verdict(now, priority)).await?;
            let now = self.now();
            let mut state = self.state();
            if let Some(stop) = state.stopped {
                return Err(stop.into());
            }
            let open = state.lane(lane, now).gate.verdict(now) == Verdict::Go
                && state.budget.verdict(now, priority) == Verdict::Go;
            if open {
                state.lane(lane, now).gate.sent(now);
                let epoch = state.budget.sent();
                return Ok(Pass { polite: self, lane: lane.to_owned(), epoch, landed: false });
            }
        }
    }

    /// Waits until the verdict is to go, but not longer than a caller has patience.
    async fn wait(
        &self,
        verdict: impl Fn(&mut State, Duration) -> Verdict,
    ) -> Result<(), DiscordError> {
        loop {
            let mut landed = pin!(self.landed.notified());
            landed.as_mut().enable();
            let now = self.now();
            let verdict = {
                let mut state = self.state();
                if let Some(stop) = state.stopped {
                    return Err(stop.into());
                }
                verdict(&mut state, now)
            };
            match verdict {
                Verdict::Go => return Ok(()),
                Verdict::Listen => landed.await,
                Verdict::WaitUntil(until) if until.saturating_sub(now) > PATIENCE => {
                    return Err(DiscordError::Unavailable {
                        reason: "it asked to be left alone".to_owned(),
                        retry_after: Some(until.saturating_sub(now)),
                    });
                }
                Verdict::WaitUntil(until) => sleep_until(self.started + until).await,
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in there can be left half changed by a panic: each change is one assignment after another.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lane(&mut self, name: &str, now: Duration) -> &mut Lane {
        if !self.gates.contains_key(name) {
            if self.gates.len() >= self.sweep_at.max(SWEEP_AT) {
                self.gates
                    .retain(|_, lane| !lane.gate.is_idle(now) || Arc::strong_count(&lane.turn) > 1);
                self.sweep_at = self.gates.len() * 2;
            }
            self.gates.insert(name.to_owned(), Lane::default());
        }
        self.gates.get_mut(name).expect("inserted above")
    }
}

/// A call's place among those under way, given back when it has landed or is dropped.
#[must_use = "dropping it gives the place back"]
struct Pass<'a> {
    polite: &'a Polite,
    lane: String,
    epoch: Epoch,
    landed: bool,
}

impl Pass<'_> {
    /// Learns from the answer and tells what it means.
    fn land(&mut self, answer: &Answer) -> Result<Meaning, DiscordError> {
        let meaning = answer.meaning();
        let now = self.polite.now();
        let mut state = self.polite.state();
        self.landed = true;
        metrics::counter!("bowerbird_discord_answers_total", "status" => answer.status.to_string())
            .increment(1);
        match &meaning {
            Meaning::Limited(limited) => self.limited(&mut state, now, *limited),
            Meaning::Trouble { .. } => {
                state.lane(&self.lane, now).gate.landed();
                state.budget.landed(now, self.epoch);
            }
            Meaning::Good | Meaning::Refused(_) => {
                let gate = &mut state.lane(&self.lane, now).gate;
                match (&meaning, answer.allowance()) {
                    // Refusals often come without a word about limits, which means nothing.
                    (Meaning::Refused(_), None) => gate.landed(),
                    (_, allowance) => gate.answered(now, allowance),
                }
                state.budget.answered(now, self.epoch);
            }
        }
        if matches!(meaning, Meaning::Refused(DiscordError::Unauthorized)) {
            state.stopped.get_or_insert(Stop::Unauthorized);
        }
        if answer.counts_as_refusal() {
            metrics::counter!("bowerbird_discord_invalid_answers_total").increment(1);
            if let Some(count) = state.refusals.count(now) {
                let stop = *state.stopped.get_or_insert(Stop::TooManyInvalid(count));
                drop(state);
                self.polite.landed.notify_waiters();
                return Err(stop.into());
            }
        }
        drop(state);
        self.polite.landed.notify_waiters();
        Ok(meaning)
    }

    fn limited(&self, state: &mut State, now: Duration, limited: Limited) {
        match limited.scope {
            Scope::Everything => {
                state.lane(&self.lane, now).gate.landed();
                let until = state.budget.refused(now, self.epoch, limited.wait);
                let seconds = until.saturating_sub(now).as_secs_f64();
                warn!(seconds, route = self.lane, "discord refuses all requests for a while");
            }
            Scope::Route | Scope::Shared => {
                let until = now + limited.wait.unwrap_or(UNTOLD_PAUSE);
                let ours = limited.allowance.filter(|_| limited.scope == Scope::Route);
                state.lane(&self.lane, now).gate.refused(now, until, ours);
                state.budget.answered(now, self.epoch);
                debug!(route = self.lane, scope = ?limited.scope, wait = ?limited.wait, "too many requests");
            }
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.landed {
            let now = self.polite.now();
            let mut state = self.polite.state();
            state.lane(&self.lane, now).gate.landed();
            state.budget.landed(now, self.epoch);
            drop(state);
            self.polite.landed.notify_waiters();
        }
    }
}

impl Ordeal {
    /// How long to wait before the next try; the error when there has been trouble for too long.
    fn endure(
        &mut self,
        now: Duration,
        error: DiscordError,
        told: Option<Duration>,
    ) -> Result<Duration, DiscordError> {
        let began = *self.began.get_or_insert(now);
        let pause = told.unwrap_or_else(|| {
            let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
            let pause = FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
            jittered(pause, rand::random())
        });
        self.failures += 1;
        if now + pause > began + PATIENCE { Err(error) } else { Ok(pause) }
    }
}

/// The gate that a call goes through: its route, with the channel or server that Discord counts by and without other
/// ids. Source: Discord's documentation, topics/rate-limits, "top-level resources".
fn lane_of(method: &str, path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let mut lane = method.to_owned();
    for (index, segment) in path.split('/').enumerate() {
        let is_id = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
        lane.push_str(if index == 0 { " " } else { "/" });
        lane.push_str(if is_id && index != 1 { ":id" } else { segment });
    }
    lane
}

#[cfg(test)]
mod tests;
