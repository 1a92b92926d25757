//! Verifies the archive: on request, and by itself every so often.
//!
//! The app asks it; it reads the store and the bucket, and speaks to Persistence alone. What is wrong is told, and
//! mended only when that was asked for. A crash loses the examination in progress, which is begun anew when it is due
//! or asked for again.

mod books;
mod page;
mod examiner;
mod fetcher;
mod rewrite;
mod mender;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use actix::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::sleep,
};
use tracing::{error, info, warn};

pub use self::{
    examiner::{Examination, Examiner, in_full},
    fetcher::Fetcher,
    mender::{Mender, RepairError},
};
use super::Drain;
use crate::{
    audit::report::{Depth, Progress, Repaired, Report, Stage},
    domain::time::Timestamp,
    store::Store,
};

/// Few ask at a time: people, and each of them once.
pub const MAILBOX: usize = 8;

/// A verification that nobody waits for reads one object at a time, so that what is posted goes before.
const UNHURRIED: usize = 1;

/// An archive that was never verified is looked at so long after the start: by then it has something in it.
const FIRST_AFTER: Duration = Duration::from_hours(1);

/// How long to wait when nothing could be said.
const AWAY: Duration = Duration::from_hours(1);

/// So many outcomes are kept for those who asked.
const KEPT: usize = 8;

/// A repair that mends something may bring to light something else, such as an object that nothing names any more.
/// Three rounds are enough for all of that; what then is left is told.
const ROUNDS: usize = 4;

/// What is to be done about what is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Nothing: it is told.
    #[default]
    Tell,
    /// It is mended.
    Repair,
}

/// Verify the archive; answered at once with the number under which the outcome will be on the [`Board`].
#[derive(Clone, Copy, Debug, Default, Message, Serialize, Deserialize)]
#[rtype(result = "u64")]
pub struct Verify {
    /// How closely.
    pub depth: Depth,
    /// What for.
    pub purpose: Purpose,
}

/// What came of a verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What is so.
    Told(Box<Report>),
    /// Why nothing could be said.
    Failed(String),
}

/// How far verifications are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    /// How far the one in progress is.
    pub progress: Option<Progress>,
    /// The last outcomes, by their number.
    pub outcomes: VecDeque<(u64, Outcome)>,
}

impl Board {
    /// What came of the verification with this number.
    pub fn outcome(&self, number: u64) -> Option<&Outcome> {
        self.outcomes.iter().find(|(of, _)| *of == number).map(|(_, outcome)| outcome)
    }

    /// The same with no other outcome than that of one verification.
    #[must_use]
    pub fn only(&self, number: u64) -> Self {
        let outcomes = self.outcomes.iter().filter(|(of, _)| *of == number).cloned().collect();
        Self { progress: self.progress.clone(), outcomes }
    }

    fn end(&mut self, number: Option<u64>, outcome: Outcome) {
        self.progress = None;
        self.outcomes.extend(number.map(|number| (number, outcome)));
        if self.outcomes.len() > KEPT {
            self.outcomes.pop_front();
        }
    }
}

/// Verifies.
pub struct Verifier {
    parts: Parts,
    requests: Requests,
    work: Option<SpawnHandle>,
}

/// What [`Verifier`] needs to live, and to live again.
#[derive(Clone)]
pub struct Parts {
    /// What it takes to mend, and so to look.
    pub mender: Mender,
    /// How many objects are read at a time when somebody waits.
    pub width: usize,
    /// How often it verifies by itself.
    pub every: Option<Duration>,
    /// Where it is told how far it is.
    pub board: watch::Sender<Board>,
}

/// What was asked for.
#[derive(Clone, Default)]
struct Requests {
    asked: Arc<Mutex<Asked>>,
    bell: Arc<Notify>,
}

#[derive(Default)]
struct Asked {
    last: u64,
    waiting: VecDeque<(u64, Verify)>,
}

impl Requests {
    fn ask(&self, verify: Verify) -> u64 {
        let number = {
            let mut asked = self.asked();
            asked.last += 1;
            let number = asked.last;
            asked.waiting.push_back((number, verify));
            number
        };
        self.bell.notify_one();
        number
    }

    fn first(&self) -> Option<(u64, Verify)> {
        self.asked().waiting.front().copied()
    }

    fn done(&self, number: u64) {
        self.asked().waiting.retain(|(of, _)| *of != number);
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().expect("no holder of this lock panics")
    }
}

impl Verifier {
    /// A verifier over these parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts, requests: Requests::default(), work: None }
    }
}

impl Actor for Verifier {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let work = run(self.parts.clone(), self.requests.clone());
        self.work = Some(ctx.spawn(work.into_actor(self)));
    }
}

impl Supervised for Verifier {}

impl Handler<Verify> for Verifier {
    type Result = MessageResult<Verify>;

    fn handle(&mut self, verify: Verify, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.requests.ask(verify))
    }
}

impl Handler<Drain> for Verifier {
    type Result = ();

    /// What was looked at is looked at again another time; nothing waits for it.
    fn handle(&mut self, Drain: Drain, ctx: &mut Self::Context) {
        if let Some(work) = self.work.take() {
            ctx.cancel_future(work);
        }
    }
}

async fn run(parts: Parts, requests: Requests) {
    let clock = parts.mender.examiner.clock;
    let started = clock.now();
    loop {
        if let Some((number, verify)) = requests.first() {
            aside(&parts, verify, parts.width, Some(number), &requests).await;
            continue;
        }
        let due = due(&parts, started).await;
        if due.is_some_and(|due| due <= clock.now()) {
            aside(&parts, Verify::default(), UNHURRIED, None, &requests).await;
            continue;
        }
        let pause = due.map_or(AWAY, |due| due.since(clock.now()));
        tokio::select! {
            () = requests.bell.notified() => {}
            () = sleep(pause) => {}
        }
    }
}

/// When it verifies by itself next.
async fn due(parts: &Parts, started: Timestamp) -> Option<Timestamp> {
    let every = parts.every?;
    let last = parts.mender.examiner.store.read(Store::verification).await;
    Some(match last {
        Ok(Some(last)) if last.failed.is_some() => last.at.after(every.min(AWAY)),
        Ok(Some(last)) => last.at.after(every),
        Ok(None) => started.after(every.min(FIRST_AFTER)),
        // A store that can't be read is for Persistence to report.
        Err(_) => parts.mender.examiner.clock.now().after(AWAY),
    })
}

/// Works on tokio's threads, since hashing would hold up the actors' one. A panic there is raised again here, after it
/// was told as the outcome: whoever asked must not wait for ever, nor be the death of the next life.
async fn aside(
    parts: &Parts,
    verify: Verify,
    width: usize,
    number: Option<u64>,
    requests: &Requests,
) {
    let mut work = JoinSet::new();
    let of_work = parts.clone();
    work.spawn(async move { verify_once(&of_work, verify, width).await });
    let done = work.join_next().await.expect("it was just put in");
    let (outcome, panic) = match done {
        Ok(outcome) => (outcome, None),
        Err(died) => {
            let why = "the verifier died over it; its log tells more".to_owned();
            parts.mender.examiner.remember(&Err(why.clone()), verify.depth).await;
            (Outcome::Failed(why), Some(died.into_panic()))
        }
    };
    if let Some(number) = number {
        requests.done(number);
    }
    parts.board.send_modify(|board| board.end(number, outcome));
    if let Some(panic) = panic {
        std::panic::resume_unwind(panic);
    }
}

async fn verify_once(parts: &Parts, verify: Verify, width: usize) -> Outcome {
    let (progress, telling) = watch::channel(Progress::default());
    let told = tokio::spawn(tell(telling, parts.board.clone()));
    let examiner = &parts.mender.examiner;
    let report = match verify.purpose {
        Purpose::Tell => {
            let examined = examiner.examine(verify.depth, width, &progress).await;
            examined.map(|examination| examination.report).map_err(RepairError::from)
        }
        Purpose::Repair => repair(&parts.mender, verify.depth, width, &progress).await,
    };
    told.abort();
    let report = report.map_err(|failed| examiner::in_full(&failed));
    examiner.remember(&report, verify.depth).await;
    match report {
        Ok(report) => {
            match report.problems {
                0 => info!(objects = report.checked.objects(), "verified: the archive is whole"),
                problems => {
                    error!(
                        problems,
                        "the archive is not whole: `bowerbird verify --repair` mends it"
                    );
                }
            }
            Outcome::Told(Box::new(report))
        }
        Err(why) => {
            warn!(why, "the archive could not be verified");
            Outcome::Failed(why)
        }
    }
}

async fn tell(mut progress: watch::Receiver<Progress>, board: watch::Sender<Board>) {
    while progress.changed().await.is_ok() {
        let now = progress.borrow_and_update().clone();
        board.send_modify(|board| board.progress = Some(now));
    }
}

/// Mends and looks again, until nothing is wrong or nothing more can be mended.
async fn repair(
    mender: &Mender,
    depth: Depth,
    width: usize,
    progress: &watch::Sender<Progress>,
) -> Result<Report, RepairError> {
    let mut all = Repaired::default();
    let mut looked = mender.examiner.examine(depth, width, progress).await?;
    let mut unmended = Vec::new();
    for _ in 0..ROUNDS {
        if looked.report.whole {
            break;
        }
        progress.send_modify(|progress| progress.stage = Stage::Repair);
        let findings = std::mem::take(&mut looked.report.findings);
        let round = mender.mend(&findings, &looked.contradictions, width).await?;
        let did = round.mended + round.removed + round.lost.len() as u64;
        all.mended += round.mended;
        all.removed += round.removed;
        all.lost.extend(round.lost);
        let is_left = |object: &String| round.left.iter().any(|left| left.object == *object);
        unmended = findings.into_iter().filter(|finding| is_left(&finding.object)).collect();
        all.left = round.left;
        // What was read to its end was either mended, and proven on its way, or is known to be left.
        looked = mender.examiner.examine(Depth::Light, width, progress).await?;
        if did == 0 {
            break;
        }
    }
    let mut report = looked.report;
    report.depth = depth;
    for finding in unmended {
        if !report.findings.iter().any(|found| found.object == finding.object) {
            report.findings.push(finding);
            report.problems += 1;
            report.whole = false;
        }
    }
    report.repaired = Some(all);
    Ok(report)
}
