//! Changes to the catalogue, and how several become one commit.

use std::{collections::BTreeSet, panic::resume_unwind, sync::Arc};

use super::{
    Allow, Announced, AvatarCopied, Claim, Claimed, CopiesRenewed, CoverageDoubted, Deleted,
    Failed, Forget, FoundDeleted, Hint, HistoryWanted, LinksRefreshed, Looked, MemberSeen, Mended,
    Moved, Observed, PageRead, ParkedReread, PlaceSeen, PlacesFound, PlacesLost, PlacesShown,
    Published, PublishedTo, Purged, Rebuilt, Reread, RereadPlanned, Sealed, SessionMoved, Started,
    Store, StoreError, Stored, Surveyed, SweepDone, Tended, ThreadsListed, Txn, UnheardReread,
    Verified, erase,
    removal::{allow_erasing, keep_deleted, tend},
    reread::index_kept,
    tables::PROBE,
    work::{retry_parked, sweep},
};
use crate::domain::{selection::Policy, time::Timestamp};

/// What happened, to be written down.
#[derive(Clone, Debug)]
pub enum Change {
    /// Messages were seen live.
    Observed(Observed),
    /// Messages were deleted on Discord.
    Deleted(Deleted),
    /// The channels of a server were listed.
    Surveyed(Surveyed),
    /// A channel or thread was seen.
    PlaceSeen(PlaceSeen),
    /// Channels or threads are there after all.
    PlacesFound(PlacesFound),
    /// Channels or threads are gone.
    PlacesLost(PlacesLost),
    /// Archived threads were listed.
    ThreadsListed(ThreadsListed),
    /// A page of history was read.
    PageRead(PageRead),
    /// History was asked for.
    HistoryWanted(HistoryWanted),
    /// A gateway session moved on.
    SessionMoved(SessionMoved),
    /// The service was started.
    Started(Started),
    /// A file is in the bucket.
    Stored(Stored),
    /// A file was looked at.
    Looked(Looked),
    /// A job failed.
    Failed(Failed),
    /// Somebody's picture was copied.
    AvatarCopied(AvatarCopied),
    /// Links were made new.
    LinksRefreshed(LinksRefreshed),
    /// Objects of a publication are about to be put.
    Announced(Announced),
    /// A publication is in the bucket.
    Published(Box<Published>),
    /// Objects were read and found right.
    Sealed(Sealed),
    /// Something is to be mended.
    Mended(Mended),
    /// A verification came to its end.
    Verified(Verified),
    /// Jobs and messages that were put aside are to be tried again.
    RetryParked,
    /// Copies of the catalogue made before an erasure are gone.
    CopiesRenewed(CopiesRenewed),
    /// The published archive told what the catalogue lacks.
    Rebuilt(Box<Rebuilt>),
    /// What was read is to be read again.
    CoverageDoubted(CoverageDoubted),
    /// Other places are shown than before.
    PlacesShown(PlacesShown),
    /// Bytes were moved.
    Moved(Moved),
    /// Everything up to some change is published.
    PublishedTo(PublishedTo),
    /// Deletions that were held back may be erased.
    AllowErasing,
    /// What was held back is to stay.
    KeepDeleted,
    /// Something is to be forgotten.
    Forget(Forget),
    /// Something may be archived again.
    Allow(Allow),
    /// A member's roles were told.
    MemberSeen(MemberSeen),
    /// Some more of what is to be forgotten is erased.
    EraseSome,
    /// What was erased has left the bucket.
    Purged(Purged),
    /// Somebody wants to know whether anything can be written.
    Probe,
    /// A page was read again.
    Reread(Reread),
    /// Deletions were found of which nobody told.
    FoundDeleted(FoundDeleted),
    /// Second readings of places were begun, or are due.
    RereadPlanned(RereadPlanned),
    /// What went unheard was read again.
    UnheardReread(UnheardReread),
    /// Messages that had been put aside were asked for again.
    ParkedReread(ParkedReread),
    /// Some more of what is kept is to be indexed.
    IndexKept,
}

/// What a change may need besides itself.
#[derive(Clone, Debug)]
pub struct Context {
    /// When it is written down.
    pub now: Timestamp,
    /// What is wanted.
    pub policy: Arc<Policy>,
}

impl Context {
    /// When a change of now is to be published at the latest.
    pub fn publish_by(&self) -> Timestamp {
        self.now.after(self.policy.publish_every)
    }
}

impl Change {
    fn apply(&self, txn: &mut Txn<'_>, context: &Context) -> Result<(), StoreError> {
        match self {
            Self::Observed(change) => change.apply(txn, context),
            Self::Deleted(change) => change.apply(txn, context),
            Self::Surveyed(change) => change.apply(txn, context),
            Self::PlaceSeen(change) => change.apply(txn),
            Self::PlacesFound(change) => change.apply(txn),
            Self::PlacesLost(change) => change.apply(txn, context),
            Self::ThreadsListed(change) => change.apply(txn),
            Self::PageRead(change) => change.apply(txn, context),
            Self::HistoryWanted(change) => change.apply(txn),
            Self::SessionMoved(change) => change.apply(txn, context),
            Self::Started(change) => change.apply(txn, context),
            Self::Stored(change) => change.apply(txn, context),
            Self::Looked(change) => change.apply(txn, context),
            Self::Failed(change) => change.apply(txn, context),
            Self::AvatarCopied(change) => change.apply(txn, context),
            Self::LinksRefreshed(change) => change.apply(txn, context),
            Self::Announced(change) => {
                change.apply(txn);
                Ok(())
            }
            Self::Published(change) => change.apply(txn, context),
            Self::Sealed(change) => {
                change.apply(txn);
                Ok(())
            }
            Self::Mended(change) => change.apply(txn, context),
            Self::Verified(change) => {
                change.apply(txn);
                Ok(())
            }
            Self::RetryParked => retry_parked(txn, context),
            Self::CopiesRenewed(change) => change.apply(txn),
            Self::Rebuilt(change) => change.apply(txn, context),
            Self::CoverageDoubted(CoverageDoubted) => CoverageDoubted::apply(txn),
            Self::PlacesShown(change) => change.apply(txn, context),
            Self::Moved(change) => change.apply(txn, context),
            Self::PublishedTo(change) => change.apply(txn),
            Self::AllowErasing => allow_erasing(txn),
            Self::KeepDeleted => keep_deleted(txn, context),
            Self::Forget(change) => change.apply(txn, context),
            Self::Allow(change) => {
                change.apply(txn);
                Ok(())
            }
            Self::MemberSeen(change) => change.apply(txn, context),
            Self::EraseSome => erase::step(txn, context),
            Self::Purged(change) => change.apply(txn),
            Self::Probe => {
                PROBE.put(txn, &(), &context.now.as_millis());
                Ok(())
            }
            Self::Reread(change) => change.apply(txn, context),
            Self::FoundDeleted(change) => change.apply(txn, context),
            Self::RereadPlanned(change) => change.apply(txn, context),
            Self::UnheardReread(change) => change.apply(txn),
            Self::ParkedReread(change) => change.apply(txn, context),
            Self::IndexKept => index_kept(txn),
        }
    }
}

/// Changes on their way to one commit. Dropping it forgets them.
#[derive(Debug)]
pub struct Commit<'a> {
    store: &'a Store,
    txn: Txn<'a>,
    context: Context,
}

impl Store {
    /// Begins a commit.
    pub fn begin(&self, context: Context) -> Commit<'_> {
        Commit { store: self, txn: Txn::new(self.source()), context }
    }
}

impl Commit<'_> {
    /// Adds a change, whole or not at all.
    pub fn add(&mut self, change: &Change) -> Result<(), StoreError> {
        self.attempt(|txn, context| change.apply(txn, context))
    }

    /// Hands out jobs.
    pub fn claim(&mut self, claim: &Claim) -> Result<Vec<Claimed>, StoreError> {
        self.attempt(|txn, context| claim.apply(txn, context))
    }

    /// Goes through some more entries, when other files are wanted than before.
    pub fn sweep(&mut self) -> Result<SweepDone, StoreError> {
        self.attempt(sweep)
    }

    /// Does a step of what is done between other changes.
    pub fn tend(&mut self) -> Result<Tended, StoreError> {
        self.attempt(tend)
    }

    /// Makes all of it durable, and tells what there may be to do now.
    pub fn finish(self) -> Result<BTreeSet<Hint>, StoreError> {
        let (writes, hints) = self.txn.into_kept();
        self.store.write(writes)?;
        Ok(hints)
    }

    pub(super) fn attempt<T>(
        &mut self,
        apply: impl FnOnce(&mut Txn<'_>, &Context) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Self { txn, context, .. } = self;
        txn.attempt(|txn| apply(txn, context)).unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Each change is a thing of its own.
macro_rules! from_changes {
    ($($change:ident),+ $(,)?) => {$(
        impl From<$change> for Change {
            fn from(change: $change) -> Self {
                Self::$change(change)
            }
        }
    )+};
}

from_changes!(
    Observed,
    Deleted,
    Surveyed,
    PlaceSeen,
    PlacesFound,
    PlacesLost,
    ThreadsListed,
    PageRead,
    HistoryWanted,
    SessionMoved,
    Started,
    Stored,
    Looked,
    Failed,
    AvatarCopied,
    LinksRefreshed,
    Announced,
    CopiesRenewed,
    CoverageDoubted,
    PlacesShown,
    Moved,
    PublishedTo,
    Forget,
    Allow,
    MemberSeen,
    Purged,
    Reread,
    FoundDeleted,
    RereadPlanned,
    UnheardReread,
    ParkedReread,
    Sealed,
    Mended,
    Verified,
);

impl From<Rebuilt> for Change {
    fn from(change: Rebuilt) -> Self {
        Self::Rebuilt(Box::new(change))
    }
}

impl From<Published> for Change {
    fn from(change: Published) -> Self {
        Self::Published(Box::new(change))
    }
}
