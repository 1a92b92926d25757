//! The copying itself: where the copy stands, the commits since, and the whole when that is not enough.

use std::{collections::HashSet, time::Duration};

use tokio::{sync::watch, time::Instant};
use tracing::{debug, info};

use super::{
    Parts, Stage,
    layout::{self, FOLDER, FORMAT, LayoutError, Listed, Root},
};
use crate::{
    bucket::{Body, BucketError, LeaseError, ObjectKey, Precondition},
    store::{
        Batch, CopiesRenewed, CopyError, ErasedRow, SCHEMA, Scan, Segment, Store, StoreError, Tip,
    },
};

/// The most that one segment holds, so that a long absence of the bucket makes several and none that is too large.
const SEGMENT: usize = 1 << 20;

/// So many segments are read in some seconds when a store is restored.
const MOST_SEGMENTS: u64 = 2_000;

/// A log that is shorter is not worth copying the whole for, however small that is.
const SHORT_LOG: u64 = 4 << 20;

/// How often the whole is copied on account of erasures. Who erases one message after the other would else have it
/// copied for each.
pub const ERASURES_EVERY: Duration = Duration::from_mins(10);

/// How much longer the end of a process may take for the sake of a whole copy that was begun: less than most allow it
/// in all.
const LAST_MOMENT: Duration = Duration::from_secs(8);

/// A commit is flushed within moments. One that is not, is on a disk that has other troubles.
const FLUSHED_WITHIN: Duration = Duration::from_secs(30);

/// How often to look whether it is.
const GLANCE: Duration = Duration::from_millis(50);

/// Why the catalogue was not copied.
#[derive(Debug, thiserror::Error)]
pub(super) enum MirrorError {
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error("too much was committed to keep up with")]
    Outrun,
    #[error("the process ends before the whole is copied")]
    Ending,
    #[error("what was committed is not flushed")]
    NotFlushed,
}

impl MirrorError {
    /// Whether waiting can't help.
    pub(super) fn needs_person(&self) -> bool {
        match self {
            Self::Layout(error) => error.needs_person(),
            Self::Bucket(_)
            | Self::Lease(_)
            | Self::Store(_)
            | Self::Copy(_)
            | Self::Outrun
            | Self::Ending
            | Self::NotFlushed => false,
        }
    }
}

/// Where the copy stands.
#[derive(Clone, Debug)]
struct Place {
    log: String,
    /// The last commit that was shipped.
    tip: Tip,
    segments: u64,
    bytes: u64,
    /// How long the whole was, unpacked; packed it is about a third.
    whole: u64,
}

impl Place {
    /// Whether the log has grown so long that a restore would take longer for it than for the whole.
    fn is_worn(&self) -> bool {
        self.segments > MOST_SEGMENTS || self.bytes > SHORT_LOG.max(self.whole / 6)
    }
}

/// Copies, and knows where the copy stands.
pub(super) struct Copyist {
    parts: Parts,
    stage: watch::Receiver<Stage>,
    place: Option<Place>,
    generation: u64,
    renewed: Option<Instant>,
    closing: Option<Instant>,
}

impl Copyist {
    pub(super) fn new(parts: Parts, stage: watch::Receiver<Stage>) -> Self {
        Self { parts, stage, place: None, generation: 0, renewed: None, closing: None }
    }

    fn is_closing(&self) -> bool {
        *self.stage.borrow() != Stage::Open
    }

    /// Brings the copy up to now.
    pub(super) async fn round(&mut self) -> Result<(), MirrorError> {
        if self.place.is_none() {
            self.place = self.find().await?;
        }
        if self.place.is_some() {
            match self.ship().await {
                // Commits are missing, which only the whole makes up for.
                Err(MirrorError::Outrun) => self.place = None,
                shipped => shipped?,
            }
        }
        if self.is_closing() && self.place.is_some() {
            return Ok(());
        }
        let erased = self
            .parts
            .store
            .read(|store| {
                // What is still being erased would be in the new copy, too.
                if store.is_erasing()? { Ok(None) } else { store.erased() }
            })
            .await?;
        let may_renew = self.renewed.is_none_or(|at| at.elapsed() >= ERASURES_EVERY);
        let worn = self.place.as_ref().is_none_or(Place::is_worn);
        if worn || erased.is_some() && may_renew {
            self.copy_whole(erased).await?;
        }
        Ok(())
    }

    /// Where the copy stands, when it is a copy of this catalogue and every commit since is at hand.
    async fn find(&mut self) -> Result<Option<Place>, MirrorError> {
        let bucket = self.parts.bucket.as_ref();
        let root = match Root::read(bucket, SCHEMA).await {
            // A damaged root leads nowhere, and is replaced.
            Err(LayoutError::Unreadable(_)) => None,
            root => root?,
        };
        let Some(root) = root else { return Ok(None) };
        self.generation = root.generation;
        let segments = layout::segments(bucket, &root.log).await?;
        let mut place =
            Place { log: root.log, tip: root.from, segments: 0, bytes: 0, whole: root.bytes };
        let mut last = None;
        let mut reached = root.from.number;
        for segment in segments.iter().filter(|segment| segment.to > root.from.number) {
            if segment.from > reached {
                return Ok(None);
            }
            reached = segment.to;
            last = Some(&segment.key);
            place.segments += 1;
            place.bytes += segment.size;
        }
        if reached < root.whole_at {
            return Ok(None);
        }
        if let Some(key) = last {
            let Ok(segment) = self.read_segment(key).await else { return Ok(None) };
            place.tip = segment.tip();
        }
        let tip = place.tip;
        let follows = self.parts.store.read(move |store| store.follows(tip)).await?;
        debug!(?tip, follows, "the copy of the state was found");
        Ok(follows.then_some(place))
    }

    async fn read_segment(&self, key: &ObjectKey) -> Result<Segment, MirrorError> {
        let bytes = self.parts.bucket.get(key, None).await?.bytes(usize::MAX).await?;
        Ok(Segment::unpack(&bytes)?)
    }

    /// Ships what was committed since.
    async fn ship(&mut self) -> Result<(), MirrorError> {
        while let Some(place) = self.place.clone() {
            let tip = place.tip;
            let batches = self
                .parts
                .store
                .read(move |store| {
                    let follows = store.follows(tip)?;
                    Ok(follows.then(|| store.committed_after(tip.number, SEGMENT)))
                })
                .await?;
            let Some(batches) = batches else { return Err(MirrorError::Outrun) };
            if batches.is_empty() {
                break;
            }
            self.ship_segment(place, batches).await?;
        }
        Ok(())
    }

    async fn ship_segment(&mut self, place: Place, batches: Vec<Batch>) -> Result<(), MirrorError> {
        let segment = Segment { from: place.tip, batches };
        let to = segment.tip();
        let key = layout::segment_key(&place.log, place.tip.number, to);
        let packed = segment.pack();
        let size = packed.len() as u64;
        self.put(&key, packed.into()).await?;
        self.parts.store.forget_committed(to.number);
        let (segments, bytes) = (place.segments + 1, place.bytes + size);
        self.place = Some(Place { tip: to, segments, bytes, ..place });
        Ok(())
    }

    /// Copies everything, while commits go on, and deletes what no longer leads anywhere.
    async fn copy_whole(&mut self, erased: Option<ErasedRow>) -> Result<(), MirrorError> {
        let began = Instant::now();
        let place = match self.place.clone() {
            // The log goes on, so that the old copy stays usable until the new one is there.
            Some(place) => place,
            None => self.begin_log().await?,
        };
        let (from, log) = (place.tip, place.log.clone());
        self.place = Some(place);
        let there = layout::list(self.parts.bucket.as_ref(), FOLDER).await?;
        let there: HashSet<ObjectKey> = there.into_iter().map(|info| info.key).collect();
        let (chunks, new) = self.copy_chunks(&there).await?;
        let tip = self.parts.store.read(Store::tip).await?;
        self.catch_up_with(tip).await?;
        let root = Root {
            format: FORMAT,
            schema: SCHEMA,
            generation: self.generation + 1,
            at: self.parts.clock.now(),
            log,
            from,
            whole_at: tip.number,
            rows: chunks.iter().map(|chunk| chunk.rows).sum(),
            bytes: chunks.iter().map(|chunk| chunk.bytes).sum(),
            chunks,
        };
        let json = serde_json::to_vec(&root).expect("a root is plain data");
        self.parts.lease.assure().await?;
        self.parts.bucket.put(&layout::root_key(), json.into(), Precondition::Always).await?;
        self.generation = root.generation;
        let (segments, bytes) = self.clear(&root).await?;
        if let Some(place) = &mut self.place {
            *place = Place { segments, bytes, whole: root.bytes, ..place.clone() };
        }
        if let Some(erased) = erased {
            self.renewed = Some(Instant::now());
            self.parts.ledger.record([CopiesRenewed { erased }.into()]).await;
        }
        info!(
            generation = root.generation,
            rows = root.rows,
            chunks = root.chunks.len(),
            new,
            seconds = began.elapsed().as_secs(),
            "the whole state is copied"
        );
        Ok(())
    }

    /// A log of its own for a history that may be another than that of the copy so far.
    async fn begin_log(&self) -> Result<Place, MirrorError> {
        let tip = self.parts.store.read(Store::tip).await?;
        self.parts.store.forget_committed(tip.number);
        let log = format!("log-{:016x}", rand::random::<u64>());
        Ok(Place { log, tip, segments: 0, bytes: 0, whole: 0 })
    }

    /// Puts the chunks that are not there, and returns all of them, with the number of the new ones.
    async fn copy_chunks(
        &mut self,
        there: &HashSet<ObjectKey>,
    ) -> Result<(Vec<Listed>, usize), MirrorError> {
        let (mut listed, mut new) = (Vec::new(), 0);
        let mut scan = Scan::default();
        loop {
            let (read, chunk) = self
                .parts
                .store
                .read(move |store| {
                    let chunk = scan.next(store)?;
                    Ok((scan, chunk))
                })
                .await?;
            scan = read;
            let Some(chunk) = chunk else { return Ok((listed, new)) };
            let key = layout::chunk_key(chunk.sha256);
            if !there.contains(&key) {
                self.put(&key, chunk.packed.into()).await?;
                new += 1;
            }
            let sha256 = chunk.sha256.to_string();
            listed.push(Listed { sha256, rows: chunk.rows, bytes: chunk.bytes });
            self.ship().await?;
            if self.is_closing() {
                // A first copy that is nearly there is worth a moment, or short runs would never have one.
                let since = *self.closing.get_or_insert_with(Instant::now);
                if since.elapsed() > LAST_MOMENT {
                    return Err(MirrorError::Ending);
                }
            }
        }
    }

    /// Ships until a commit that was seen is shipped; it may be on its way to the disk yet.
    async fn catch_up_with(&mut self, tip: Tip) -> Result<(), MirrorError> {
        let deadline = Instant::now() + FLUSHED_WITHIN;
        loop {
            self.ship().await?;
            if self.place.as_ref().is_some_and(|place| place.tip.number >= tip.number) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(MirrorError::NotFlushed);
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Deletes what the root does not lead to: older chunks, logs and commits, and with them what was erased. Returns
    /// how many segments are left, and how long they are.
    async fn clear(&self, root: &Root) -> Result<(u64, u64), MirrorError> {
        let bucket = self.parts.bucket.as_ref();
        let mut kept: HashSet<ObjectKey> = HashSet::from([layout::root_key()]);
        let names = root.chunks.iter().filter_map(|chunk| chunk.sha256.parse().ok());
        kept.extend(names.map(layout::chunk_key));
        let (mut segments, mut bytes) = (0, 0);
        for segment in layout::segments(bucket, &root.log).await? {
            if segment.to > root.from.number {
                segments += 1;
                bytes += segment.size;
                kept.insert(segment.key);
            }
        }
        for info in layout::list(bucket, FOLDER).await? {
            if !kept.contains(&info.key) {
                self.parts.lease.assure().await?;
                bucket.delete(&info.key, Precondition::Always).await?;
            }
        }
        Ok((segments, bytes))
    }

    /// What is there under a name with a hash is what we would put.
    async fn put(&self, key: &ObjectKey, body: Body) -> Result<(), MirrorError> {
        self.parts.lease.assure().await?;
        match self.parts.bucket.put(key, body, Precondition::Absent).await {
            Ok(_) | Err(BucketError::PreconditionFailed { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
