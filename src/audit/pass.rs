//! One way through a folder of a bucket: what a book says should be there beside what is, a page of each at a time.
//!
//! The archive goes on being written meanwhile. So nothing is believed at first sight: what seems wrong is looked at
//! again, and the book is asked again whether it still says so.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::watch;

use super::{
    compare::{Expected, Merge, Seen, Step, Verdict, judge},
    finding::{Fault, Finding, Part},
    listing::Walk,
    name::Name,
    reading::{Proof, Unproven, prove},
    report::{Depth, Progress, Stage, Tray},
};
use crate::{
    bucket::{Bucket, BucketError, ObjectKey},
    domain::time::Timestamp,
    store::StoreError,
};

/// An object that nothing names yet may be about to be named: a file is put before its row is written. Nothing takes
/// a day to do that.
const YOUNG: Duration = Duration::from_hours(24);

/// So many suspicions are looked at together: asking a book costs as much for one as for all.
const TOGETHER: usize = 1_000;

/// Why nothing can be said of an archive.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The bucket does not answer.
    #[error("the bucket can't be checked")]
    Bucket(#[from] BucketError),
    /// The catalogue can't be read.
    #[error("the catalogue can't be read")]
    Store(#[from] StoreError),
}

/// Knows what should be there.
#[async_trait]
pub trait Book: Send + Sync {
    /// The next of what should be there, in the order of names; none at the end.
    async fn page(&mut self) -> Result<Vec<Expected>, AuditError>;

    /// Those of these objects that should be there now.
    async fn named(&self, objects: &BTreeSet<String>) -> Result<BTreeSet<String>, AuditError>;

    /// Told of an object that was read and found right, so that it need not be read again.
    async fn proven(&mut self, object: &str, proof: Proof) -> Result<(), AuditError>;
}

/// How folders are gone through.
pub struct Pass<'a> {
    /// What is looked at.
    pub bucket: &'a dyn Bucket,
    /// How closely.
    pub depth: Depth,
    /// How many objects are read at a time.
    pub width: usize,
    /// What time it is.
    pub now: Timestamp,
    /// Where findings go.
    pub tray: &'a mut Tray,
    /// Who wants to know how far it is.
    pub progress: &'a watch::Sender<Progress>,
}

/// Something that seems wrong.
struct Suspicion {
    object: String,
    fault: Fault,
}

/// What came of a look at one object.
struct Looked {
    expected: Expected,
    size: u64,
    result: Result<Option<Proof>, Unproven>,
}

impl Pass<'_> {
    /// Goes through one folder.
    pub async fn through(
        &mut self,
        folder: &'static str,
        book: &mut dyn Book,
    ) -> Result<(), AuditError> {
        let (mut walk, mut merge) = (Walk::of(folder), Merge::new());
        let mut looks: FuturesUnordered<BoxFuture<'_, Looked>> = FuturesUnordered::new();
        let mut suspicions = Vec::new();
        let bucket = self.bucket;
        loop {
            match merge.step() {
                Step::WantExpected => merge.expect(book.page().await?),
                Step::WantSeen => {
                    merge.see(walk.page(bucket).await?);
                    self.tell();
                }
                Step::Both(expected, seen) => match self.first_sight(&expected, &seen) {
                    Verdict::Whole => self.tray.count(part_of(&seen.key), seen.size),
                    Verdict::Wrong(_) => looks.push(look_again(bucket, expected).boxed()),
                    Verdict::Unproven => looks.push(read(bucket, expected, seen.size).boxed()),
                },
                Step::Absent(expected) => looks.push(look_again(bucket, expected).boxed()),
                Step::Surplus(seen) => suspicions.extend(self.surplus(seen)),
                Step::End => break,
            }
            while looks.len() >= self.width.max(1)
                && let Some(looked) = looks.next().await
            {
                suspicions.extend(self.take(book, looked).await?);
            }
            if suspicions.len() >= TOGETHER {
                self.confirm(book, std::mem::take(&mut suspicions)).await?;
            }
        }
        while let Some(looked) = looks.next().await {
            suspicions.extend(self.take(book, looked).await?);
        }
        self.confirm(book, suspicions).await?;
        self.tell();
        Ok(())
    }

    /// Says what is being done.
    pub fn begin(&self, stage: Stage) {
        self.progress.send_modify(|progress| progress.stage = stage);
    }

    /// Says how far it is.
    pub fn tell(&self) {
        let (checked, problems) = (self.tray.checked, self.tray.problems());
        self.progress.send_modify(|progress| {
            progress.checked = checked;
            progress.problems = problems;
        });
    }

    fn first_sight(&self, expected: &Expected, seen: &Seen) -> Verdict {
        // Data was read, whole, before it was listed.
        if Name::of(&seen.key).sha256().is_none() {
            return Verdict::Whole;
        }
        match (judge(expected, seen), self.depth) {
            (Verdict::Whole, Depth::Deep) => Verdict::Unproven,
            (verdict, _) => verdict,
        }
    }

    fn surplus(&mut self, seen: Seen) -> Option<Suspicion> {
        if Name::of(&seen.key) == Name::Other {
            self.tray.strangers += 1;
            return None;
        }
        let fault = Fault::Unnamed { size: seen.size, since: seen.updated };
        let old = self.now.since(seen.updated) > YOUNG;
        old.then_some(Suspicion { object: seen.key, fault })
    }

    async fn take(
        &mut self,
        book: &mut dyn Book,
        looked: Looked,
    ) -> Result<Option<Suspicion>, AuditError> {
        let Looked { expected, size, result } = looked;
        let object = expected.key;
        self.tray.count(part_of(&object), size);
        match result {
            Ok(None) => Ok(None),
            Ok(Some(proof)) => {
                self.tray.count_read(proof.size);
                self.tell();
                book.proven(&object, proof).await?;
                Ok(None)
            }
            Err(Unproven::Bad(fault)) => Ok(Some(Suspicion { object, fault })),
            Err(Unproven::Away(error)) => Err(error.into()),
        }
    }

    /// What is wrong is wrong only while the book says that it should be otherwise.
    async fn confirm(
        &mut self,
        book: &dyn Book,
        suspicions: Vec<Suspicion>,
    ) -> Result<(), AuditError> {
        if suspicions.is_empty() {
            return Ok(());
        }
        let objects = suspicions.iter().map(|suspicion| suspicion.object.clone()).collect();
        let named = book.named(&objects).await?;
        for Suspicion { object, fault } in suspicions {
            let surplus = matches!(fault, Fault::Unnamed { .. });
            if named.contains(&object) != surplus {
                self.tray.add(Finding { part: part_of(&object), object, fault });
            }
        }
        Ok(())
    }
}

/// What an object belongs to.
pub fn part_of(object: &str) -> Part {
    match Name::of(object) {
        Name::Media(_) => Part::Media,
        Name::Still(_) => Part::Still,
        Name::Picture(_) => Part::Picture,
        Name::Probe => Part::Probe,
        Name::Shard(..) | Name::Index(..) | Name::People(_) | Name::Manifest | Name::Other => {
            Part::Data
        }
    }
}

/// Looks at an object that a listing did not show, or not as it should be: it may have been put since.
async fn look_again(bucket: &dyn Bucket, expected: Expected) -> Looked {
    // Data was read, and what is wrong with it was told, before it was listed.
    if Name::of(&expected.key).sha256().is_none() {
        return Looked { expected, size: 0, result: Ok(None) };
    }
    let stat = match ObjectKey::new(expected.key.clone()) {
        Ok(key) => bucket.stat(&key).await,
        Err(_) => Ok(None),
    };
    let seen = match stat {
        Ok(Some(info)) => Seen::from(info),
        Ok(None) => {
            return Looked { expected, size: 0, result: Err(Unproven::Bad(Fault::Missing)) };
        }
        Err(error) => return Looked { expected, size: 0, result: Err(Unproven::Away(error)) },
    };
    let size = seen.size;
    match judge(&expected, &seen) {
        Verdict::Whole => Looked { expected, size, result: Ok(None) },
        Verdict::Wrong(fault) => Looked { expected, size, result: Err(Unproven::Bad(fault)) },
        Verdict::Unproven => read(bucket, expected, size).await,
    }
}

async fn read(bucket: &dyn Bucket, expected: Expected, size: u64) -> Looked {
    let sha256 = Name::of(&expected.key).sha256().expect("only such names come here");
    let result = prove(bucket, &expected.key, sha256).await.map(Some);
    Looked { expected, size, result }
}
