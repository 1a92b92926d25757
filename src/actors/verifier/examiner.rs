//! Looks at an archive beside its catalogue, and changes nothing but what is known to be proven.
//!
//! Used by the actor, and by `verify` where no service runs.

use std::sync::Arc;

use tokio::sync::watch;

use super::{
    books::{Catalogue, PAGE},
    page,
};
use crate::{
    actors::persistence::Ledger,
    audit::{
        finding::{Fault, Finding, Part},
        name::FOLDERS,
        pass::{AuditError, Pass},
        report::{Against, Depth, Progress, Report, Stage, Tray},
    },
    bucket::Bucket,
    clock::Clock,
    domain::selection::{PlaceSelection, Policy},
    store::{Contradiction, Store, VerificationRow, Verified},
};

/// So many contradictions are kept for a repair; more take another round.
const KEPT: usize = 10_000;

/// So many findings are kept in the store for `status`.
const FIRST: usize = 5;

/// What it takes to look.
#[derive(Clone)]
pub struct Examiner {
    /// What is looked at.
    pub bucket: Arc<dyn Bucket>,
    /// What it is compared with.
    pub store: Store,
    /// Where proofs are written down.
    pub ledger: Ledger,
    /// What is wanted.
    pub policy: Arc<Policy>,
    /// Which places are shown.
    pub selection: Arc<PlaceSelection>,
    /// Tells the time.
    pub clock: Clock,
}

/// What an examination came to.
#[derive(Debug)]
pub struct Examination {
    /// In words and numbers.
    pub report: Report,
    /// Rows that contradict each other, for whoever mends them.
    pub contradictions: Vec<Contradiction>,
}

impl Examiner {
    /// Looks at everything.
    pub async fn examine(
        &self,
        depth: Depth,
        width: usize,
        progress: &watch::Sender<Progress>,
    ) -> Result<Examination, AuditError> {
        let began = self.clock.now();
        let mut tray = Tray::default();
        let mut pass =
            Pass { bucket: &*self.bucket, depth, width, now: began, tray: &mut tray, progress };
        pass.begin(Stage::Entries);
        let contradictions = self.examine_catalogue(&mut pass).await?;
        pass.begin(Stage::Data);
        page::check(self, &mut pass).await?;
        for folder in FOLDERS {
            pass.begin(match folder {
                "media/" => Stage::Media,
                "thumb/" => Stage::Stills,
                _ => Stage::Data,
            });
            let mut book = Catalogue::open(&self.store, &self.ledger, folder).await?;
            let done = pass.through(folder, &mut book).await;
            // What was proven so far stays so, though the rest can't be looked at.
            book.seals.flush().await;
            done?;
        }
        let report = tray.into_report(Against::Catalogue, depth, began, self.clock.now());
        Ok(Examination { report, contradictions })
    }

    /// Writes down what it came to, for `status`.
    pub async fn remember(&self, outcome: &Result<Report, String>, depth: Depth) {
        let deep = depth == Depth::Deep;
        let row = match outcome {
            Ok(report) => VerificationRow {
                at: report.at,
                deep,
                seconds: report.seconds,
                objects: report.checked.objects(),
                problems: report.problems,
                first: report.findings.iter().take(FIRST).map(ToString::to_string).collect(),
                failed: None,
            },
            Err(why) => VerificationRow {
                at: self.clock.now(),
                deep,
                failed: Some(why.clone()),
                ..VerificationRow::default()
            },
        };
        self.ledger.record([Verified(row).into()]).await;
    }

    async fn examine_catalogue(
        &self,
        pass: &mut Pass<'_>,
    ) -> Result<Vec<Contradiction>, AuditError> {
        let mut kept = Vec::new();
        let mut last = None;
        loop {
            let policy = Arc::clone(&self.policy);
            let examined = self.store.read(move |store| store.examine(last, PAGE, &policy));
            let examined = examined.await?;
            pass.tray.checked.entries += examined.count as u64;
            take(pass, &mut kept, examined.contradictions);
            last = examined.last;
            if last.is_none() {
                break;
            }
        }
        let mut last = None;
        loop {
            let examined = self.store.read(move |store| store.examine_contents(last, PAGE));
            let (next, contradictions) = examined.await?;
            take(pass, &mut kept, contradictions);
            last = next;
            if last.is_none() {
                break;
            }
        }
        Ok(kept)
    }
}

fn take(pass: &mut Pass<'_>, kept: &mut Vec<Contradiction>, found: Vec<Contradiction>) {
    for contradiction in found {
        pass.tray.add(Finding {
            part: Part::Catalogue,
            object: contradiction.subject.to_string(),
            fault: Fault::Unlike { what: contradiction.what.to_owned() },
        });
        if kept.len() < KEPT {
            kept.push(contradiction);
        }
    }
    pass.tell();
}

/// An error with its causes.
pub fn in_full(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}
