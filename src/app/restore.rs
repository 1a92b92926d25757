//! Restores a lost catalogue from what is in the buckets: all of it from the copy of the state, where there is one, and
//! from the published archive what that tells.
//!
//! Called with the lease in hand and before anybody else writes. Until the end the store says that it is being
//! restored, so a crash in between begins it again at the next start, and never is it half. What could not come back is
//! said, in the log and by `bowerbird restore`.

mod copy;
mod page;
mod leftovers;
pub mod request;

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::time::Instant;
use tracing::{info, warn};

use self::page::Page;
use crate::{
    actors::mirror::layout::{LayoutError, Root},
    bucket::{Bucket, BucketError, LeaseError},
    clock::Clock,
    domain::selection::Policy,
    gallery::published::Unreadable,
    store::{
        Context, CopyError, CoverageDoubted, Found, Rebuilding, SCHEMA, Store, StoreError, Tally,
    },
};

/// What only the copy of the state can bring back.
const ONLY_IN_THE_COPY: [&str; 5] = [
    "raw messages, so a later version has to ask Discord for what it finds in them",
    "which messages were deleted on Discord, and what is hidden: they are known again when reading comes by them",
    "the list of what must not be archived: forget again what was to be forgotten",
    "files that were seen and not wanted: asking for other files reads history again",
    "how often a file was tried: what was put aside counts as gone",
];

/// Where a catalogue is restored from.
#[derive(Clone)]
pub struct Sources {
    /// The archive that everybody may see.
    pub bucket: Arc<dyn Bucket>,
    /// The bucket with the copy of the state; none where it would have been lost with the state.
    pub copy: Option<Arc<dyn Bucket>>,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The store that is to be filled failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bucket failed.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// We may not write.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The copy of the state can't be found out.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The copy of the state can't be read. Going on without would lose what only it has, so a person decides.
    #[error(
        "the copy of the state can't be used: {0}. Mend the bucket that holds it, or give up what only the copy has: \
         `bowerbird restore --from-page-only`"
    )]
    Copy(#[from] CopyError),
    /// A published file is not what it should be.
    #[error("{path}: {why}")]
    Published {
        /// Which.
        path: String,
        /// What is wrong with it.
        why: Unreadable,
    },
    /// There is nothing to restore from.
    #[error("neither a published archive nor a copy of the state is there to restore from")]
    Nothing,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether a copy of the state was there.
    pub from: Source,
    /// When the copy, or without one the archive, was made.
    pub made_at: Option<String>,
    /// Entries in the catalogue now.
    pub entries: u64,
    /// How many of them have their bytes in the bucket.
    pub stored: u64,
    /// How many entries came from the published archive.
    pub from_page: u64,
    /// How many messages count as read.
    pub messages_read: u64,
    /// Rows that came from the copy.
    pub rows: u64,
    /// What could not come back.
    pub lost: Vec<String>,
    /// How long it took.
    pub milliseconds: u64,
}

/// What a catalogue was restored from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The copy of the state, and the published archive beyond it.
    Copy,
    /// The published archive alone.
    Page,
}

/// Makes sure that a service has its catalogue: restores it into a store that is empty, when there is something to
/// restore from.
pub async fn ensure(
    store: &Store,
    sources: &Sources,
    policy: &Arc<Policy>,
    clock: Clock,
) -> Result<Option<Report>, RestoreError> {
    // Also where nothing is lost: an older build must not go on with what a newer one copied.
    if let Some(copy) = &sources.copy
        && let Err(error @ LayoutError::Newer { .. }) = Root::read(copy.as_ref(), SCHEMA).await
    {
        return Err(error.into());
    }
    let context = Context { now: clock.now(), policy: Arc::clone(policy) };
    if store.open()? == Found::Catalogue {
        doubt_what_was_not_wanted(store, &context)?;
        return Ok(None);
    }
    match restore(store, sources, policy, clock).await {
        Ok(report) => {
            warn!("the state was lost, and restored: {report}");
            Ok(Some(report))
        }
        Err(RestoreError::Nothing) => {
            leftovers::announce(store, &sources.bucket, &context).await?;
            store.found()?;
            info!("nothing was archived here before");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Fills a store, whatever was in it.
pub async fn restore(
    store: &Store,
    sources: &Sources,
    policy: &Arc<Policy>,
    clock: Clock,
) -> Result<Report, RestoreError> {
    let began = Instant::now();
    let context = Context { now: clock.now(), policy: Arc::clone(policy) };
    let page = Page::find(&sources.bucket).await?;
    let copied = match &sources.copy {
        Some(copy) => copy::load(store, copy).await?,
        None => None,
    };
    let Some(copied) = copied else {
        let page = page.ok_or(RestoreError::Nothing)?;
        store.begin_restore()?;
        let made_at = page.published_at().to_string();
        let told = page.rebuild(store, &context).await?;
        leftovers::announce(store, &sources.bucket, &context).await?;
        store.end_restore(Some(told.rebuilt.clone()))?;
        doubt_what_was_not_wanted(store, &context)?;
        let mut lost: Vec<String> = ONLY_IN_THE_COPY.map(str::to_owned).into();
        lost.extend(told.missing);
        return report(store, Source::Page, Some(made_at), told.entries, 0, lost, began);
    };
    let from_page = match page {
        Some(page) => page.merge(store, &context).await?,
        None => 0,
    };
    leftovers::announce(store, &sources.bucket, &context).await?;
    store.end_restore(copied.rebuilt)?;
    let made_at = Some(copied.at.to_string());
    report(store, Source::Copy, made_at, from_page, copied.rows, copied.lost, began)
}

fn report(
    store: &Store,
    from: Source,
    made_at: Option<String>,
    from_page: u64,
    rows: u64,
    lost: Vec<String>,
    began: Instant,
) -> Result<Report, RestoreError> {
    let tallies = store.tallies()?;
    Ok(Report {
        from,
        made_at,
        entries: tallies.get(Tally::Entries),
        stored: tallies.get(Tally::Stored),
        from_page,
        messages_read: tallies.get(Tally::MessagesRead),
        rows,
        lost,
        milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// A catalogue rebuilt from the page knows only files that were wanted then. When others are wanted now, what was read
/// has to be read again, or they would be missing for ever and nobody would know.
fn doubt_what_was_not_wanted(store: &Store, context: &Context) -> Result<(), StoreError> {
    let Some(Rebuilding { kinds, max_size, .. }) =
        store.archive()?.and_then(|archive| archive.rebuilt)
    else {
        return Ok(());
    };
    let wanted = &context.policy.selection;
    let larger = max_size.is_some_and(|known| wanted.max_size.is_none_or(|max| max > known));
    if larger || wanted.kinds.iter().any(|kind| !kinds.contains(kind)) {
        warn!(
            "other files are wanted than when this archive was last published before its state was lost: history is \
             read again"
        );
        let mut commit = store.begin(context.clone());
        commit.add(&CoverageDoubted.into())?;
        commit.finish()?;
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = match self.from {
            Source::Copy => "the copy of the state",
            Source::Page => "the published archive",
        };
        let made = self.made_at.as_deref().unwrap_or("an unknown time");
        let time = Duration::from_millis(self.milliseconds);
        writeln!(f, "restored from {from} of {made} in {time:.1?}")?;
        writeln!(f, "  {} entries, {} of them with their files", self.entries, self.stored)?;
        writeln!(f, "  {} messages count as read", self.messages_read)?;
        if self.from == Source::Copy && self.from_page > 0 {
            writeln!(f, "  {} entries were on the page and not in the copy yet", self.from_page)?;
        }
        for lost in &self.lost {
            writeln!(f, "  did not come back: {lost}")?;
        }
        Ok(())
    }
}
