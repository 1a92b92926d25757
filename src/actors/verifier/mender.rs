//! Mends what an examination found: fetches again, makes again, publishes again, and removes what nothing names.
//!
//! A damaged object is replaced by a whole one in one step, so that no reader finds nothing in between. Nothing is
//! marked lost unless Discord said so. A crash loses nothing: whatever is still wrong is found by the next look.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::{
    Examiner,
    books::stills,
    examiner::in_full,
    fetcher::{Fetched, Fetcher},
    rewrite,
};
use crate::{
    actors::publisher::Keeper,
    audit::{
        finding::{Fault, Finding, Part},
        name::Name,
        pass::AuditError,
        report::{Lost, Repaired},
    },
    bucket::{LeaseError, ObjectKey, Precondition},
    domain::job::Subject,
    store::{Change, Contradiction, Mended, Store},
};

/// How long work that was asked for may stand still before it is left to the next run: looks wait for ffmpeg,
/// downloads for Discord.
const PATIENCE: Duration = Duration::from_mins(5);

/// How often is looked whether it is done.
const GLANCE: Duration = Duration::from_millis(250);

/// What it takes to mend.
#[derive(Clone)]
pub struct Mender {
    /// What it takes to look.
    pub examiner: Examiner,
    /// Where files come from.
    pub fetcher: Arc<Fetcher>,
    /// The right to write.
    pub lease: Keeper,
}

/// Why nothing could be mended.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// Nothing can be said.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// We may not write.
    #[error(transparent)]
    Lease(#[from] LeaseError),
}

/// What came of one finding.
enum Outcome {
    Mended,
    Removed,
    Lost(Lost),
    Left(Lost),
}

impl Mender {
    /// Mends what was found, as far as it can be.
    pub async fn mend(
        &self,
        findings: &[Finding],
        contradictions: &[Contradiction],
        width: usize,
    ) -> Result<Repaired, RepairError> {
        self.lease.assure().await?;
        let mut repaired = Repaired::default();
        let mut awaited = Vec::new();
        for contradiction in contradictions {
            self.record(Mended::Reconsider(contradiction.subject)).await;
            awaited.push(contradiction.subject);
            repaired.mended += 1;
        }
        for finding in [of(findings, Part::Data), of(findings, Part::Page)].concat() {
            let outcome = match rewrite::rewrite(self, &finding).await {
                Ok(()) => Outcome::Mended,
                Err(error) => left(&finding, &error),
            };
            repaired.take(outcome);
        }
        let media = of(findings, Part::Media);
        let media = stream::iter(media).map(|finding| self.fetch(finding));
        let mut media = media.buffer_unordered(width.max(1));
        while let Some(outcome) = media.next().await {
            repaired.take(outcome);
        }
        awaited.extend(self.look_again(&of(findings, Part::Still), &mut repaired).await?);
        self.copy_again(&of(findings, Part::Picture), &mut repaired).await?;
        for finding in findings.iter().filter(|finding| is_surplus(finding)) {
            self.lease.assure().await?;
            let outcome = match self.remove(finding).await {
                Ok(outcome) => outcome,
                Err(error) => left(finding, &error),
            };
            repaired.take(outcome);
        }
        self.wait_for(awaited).await?;
        Ok(repaired)
    }

    pub(super) async fn record(&self, change: impl Into<Change>) {
        self.examiner.ledger.record([change.into()]).await;
    }

    async fn fetch(&self, finding: Finding) -> Outcome {
        let Some(sha256) = Name::of(&finding.object).sha256() else {
            return Outcome::Left(lost(&finding, "its name tells of no bytes".to_owned()));
        };
        match self.fetcher.fetch(&self.examiner, sha256).await {
            Ok(Fetched::Whole) => Outcome::Mended,
            Ok(Fetched::Changed) => {
                // The entries are copied anew, under the name of the bytes that Discord has now.
                self.record(Mended::Refetch(sha256)).await;
                Outcome::Mended
            }
            Ok(Fetched::Gone { why }) => {
                warn!(object = finding.object, why, "a file is lost");
                self.record(Mended::Lost { sha256, why: why.clone() }).await;
                Outcome::Lost(lost(&finding, why))
            }
            Ok(Fetched::NotNow { why }) => Outcome::Left(lost(&finding, why)),
            Err(error) => left(&finding, &error),
        }
    }

    /// Has stills made again; tells of what is to be waited for.
    async fn look_again(
        &self,
        findings: &[Finding],
        repaired: &mut Repaired,
    ) -> Result<Vec<Subject>, RepairError> {
        if findings.is_empty() {
            return Ok(Vec::new());
        }
        let objects: BTreeSet<String> =
            findings.iter().map(|finding| finding.object.clone()).collect();
        let named =
            self.examiner.store.read(move |store| stills(store, |still| objects.contains(still)));
        let mut named = named.await.map_err(AuditError::from)?;
        let mut awaited = Vec::new();
        for finding in findings {
            // A still that is made again may have the same name, and what has the name is believed.
            if let Err(error) = self.clear(&finding.object).await {
                repaired.take(left(finding, &error));
                continue;
            }
            for subject in named.remove(&finding.object).unwrap_or_default() {
                self.record(Mended::Relook(subject)).await;
                awaited.push(subject);
            }
            repaired.take(Outcome::Mended);
        }
        Ok(awaited)
    }

    /// Has people's pictures copied again, by the next publication.
    async fn copy_again(
        &self,
        findings: &[Finding],
        repaired: &mut Repaired,
    ) -> Result<(), RepairError> {
        for finding in findings {
            let people = self.examiner.store.read(Store::people).await;
            let people = people.map_err(AuditError::from)?;
            if let Err(error) = self.clear(&finding.object).await {
                repaired.take(left(finding, &error));
                continue;
            }
            for (user, person) in people {
                if person.copied.is_some_and(|copied| copied.object == finding.object) {
                    self.record(Mended::Recopy(user)).await;
                }
            }
            repaired.take(Outcome::Mended);
        }
        Ok(())
    }

    /// Takes away what is damaged.
    async fn clear(&self, object: &str) -> Result<(), AuditError> {
        if let Ok(key) = ObjectKey::new(object) {
            self.examiner.bucket.delete(&key, Precondition::Always).await?;
        }
        Ok(())
    }

    /// Removes an object that nothing names: the one that was seen, and none that was put since.
    async fn remove(&self, finding: &Finding) -> Result<Outcome, AuditError> {
        let Fault::Unnamed { since, .. } = finding.fault else { return Ok(Outcome::Removed) };
        let Ok(key) = ObjectKey::new(finding.object.clone()) else { return Ok(Outcome::Removed) };
        let bucket = &self.examiner.bucket;
        let Some(info) = bucket.stat(&key).await? else { return Ok(Outcome::Removed) };
        if since != info.updated.into() {
            return Ok(Outcome::Left(lost(finding, "it was put again meanwhile".to_owned())));
        }
        bucket.delete(&key, Precondition::Generation(info.generation)).await?;
        info!(object = finding.object, "removed, for nothing named it");
        Ok(Outcome::Removed)
    }

    /// Waits until what was asked for is done and published, or stands still.
    async fn wait_for(&self, mut awaited: Vec<Subject>) -> Result<(), RepairError> {
        let mut moved = (usize::MAX, Instant::now());
        loop {
            let waiting = awaited.clone();
            let left = self.examiner.store.read(move |store| {
                let mut left = Vec::new();
                for subject in waiting {
                    if store.awaits(subject)? {
                        left.push(subject);
                    }
                }
                let publication = store.publication()?;
                let written =
                    publication.is_none_or(|row| row.content.is_some() && row.page.is_some());
                let unpublished = store.changed_months()?.len() + store.changed_people(100)?.len();
                Ok((left, unpublished + usize::from(!written)))
            });
            let (left, unpublished) = left.await.map_err(AuditError::from)?;
            let open = left.len() + unpublished;
            if open == 0 {
                return Ok(());
            }
            if open != moved.0 {
                moved = (open, Instant::now());
            } else if moved.1.elapsed() > PATIENCE {
                warn!(open, "what was asked for is not done yet; the service goes on with it");
                return Ok(());
            }
            awaited = left;
            sleep(GLANCE).await;
        }
    }
}

trait Take {
    fn take(&mut self, outcome: Outcome);
}

impl Take for Repaired {
    fn take(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Mended => self.mended += 1,
            Outcome::Removed => self.removed += 1,
            Outcome::Lost(lost) => self.lost.push(lost),
            Outcome::Left(left) => self.left.push(left),
        }
    }
}

/// What is wrong with a part, but for what nothing names.
fn of(findings: &[Finding], part: Part) -> Vec<Finding> {
    let wrong = findings.iter().filter(|finding| finding.part == part && !is_surplus(finding));
    wrong.cloned().collect()
}

fn is_surplus(finding: &Finding) -> bool {
    matches!(finding.fault, Fault::Unnamed { .. })
}

fn lost(finding: &Finding, why: String) -> Lost {
    Lost { object: finding.object.clone(), why }
}

fn left(finding: &Finding, error: &dyn std::error::Error) -> Outcome {
    Outcome::Left(lost(finding, in_full(error)))
}
