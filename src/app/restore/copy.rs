//! The way back from a copy of the state: chunks, then commits, each checked against its name or its number.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use tracing::{info, warn};

use super::RestoreError;
use crate::{
    actors::mirror::layout::{self, LayoutError, Root},
    bucket::{Bucket, BucketError, ObjectKey},
    domain::{entry::Sha256, time::Timestamp},
    store::{CopyError, Loader, MAX_CHUNK, Rebuilding, SCHEMA, Segment, Store},
};

/// How many objects are fetched at a time; each is at most some megabytes.
const IN_FLIGHT: usize = 8;

/// A chunk ends soon after its bound, and a segment has at least one commit, however large: no more than this is read.
const LONGEST: usize = 64 * MAX_CHUNK;

/// What came from a copy.
pub(super) struct Copied {
    /// When the copy of the whole was made.
    pub(super) at: Timestamp,
    /// What was known of an earlier restore.
    pub(super) rebuilt: Option<Rebuilding>,
    pub(super) rows: u64,
    /// What could not be read.
    pub(super) lost: Vec<String>,
}

/// Fills the store from a copy; none where there is no copy.
pub(super) async fn load(
    store: &Store,
    bucket: &Arc<dyn Bucket>,
) -> Result<Option<Copied>, RestoreError> {
    let root = match Root::read(bucket.as_ref(), SCHEMA).await {
        Err(error @ LayoutError::Unreadable(_)) => return Err(damaged(error.to_string())),
        root => root?,
    };
    let Some(root) = root else { return Ok(None) };
    info!(at = %root.at, rows = root.rows, chunks = root.chunks.len(), "restoring from the copy of the state");
    let mut loader = Loader::new(store, root.from)?;
    let mut rows = 0;
    let names = root.chunks.iter().map(|chunk| {
        let name: Result<Sha256, _> = chunk.sha256.parse();
        name.map(|name| (name, chunk.bytes)).map_err(|error| damaged(error.to_string()))
    });
    let names: Vec<_> = names.collect::<Result<_, _>>()?;
    let fetched = futures_util::stream::iter(names).map(async |(name, length)| {
        let bytes = fetch(bucket.as_ref(), &layout::chunk_key(name)).await?;
        Ok::<_, RestoreError>((name, length, bytes))
    });
    let mut fetched = std::pin::pin!(fetched.buffered(IN_FLIGHT));
    while let Some((name, length, bytes)) = fetched.try_next().await? {
        rows += loader.chunk(name, length, &bytes)?;
    }
    let lost = replay(&mut loader, bucket, &root).await?;
    let rebuilt = loader.finish()?;
    Ok(Some(Copied { at: root.at, rebuilt, rows, lost }))
}

/// Takes the commits since. Those that make the chunks one state are needed; behind them, the copy may end anywhere.
async fn replay(
    loader: &mut Loader<'_>,
    bucket: &Arc<dyn Bucket>,
    root: &Root,
) -> Result<Vec<String>, RestoreError> {
    let segments = layout::segments(bucket.as_ref(), &root.log).await?;
    let wanted = segments.into_iter().filter(|segment| segment.to > root.from.number);
    let fetched = futures_util::stream::iter(wanted)
        .map(async |segment| fetch(bucket.as_ref(), &segment.key).await);
    let mut fetched = std::pin::pin!(fetched.buffered(IN_FLIGHT));
    while let Some(bytes) = fetched.next().await {
        let taken = bytes.and_then(|bytes| Ok(loader.segment(&Segment::unpack(&bytes)?)?));
        match taken {
            Ok(()) => {}
            Err(RestoreError::Copy(CopyError::Damaged(why)))
                if loader.tip().number >= root.whole_at =>
            {
                warn!(why, at = loader.tip().number, "the copy of the state ends early");
                return Ok(vec![format!("the last commits of the copy: {why}")]);
            }
            Err(error) => return Err(error),
        }
    }
    if loader.tip().number < root.whole_at {
        let (has, needs) = (loader.tip().number, root.whole_at);
        return Err(damaged(format!("it ends with commit {has}, and needs those up to {needs}")));
    }
    Ok(Vec::new())
}

async fn fetch(bucket: &dyn Bucket, key: &ObjectKey) -> Result<bytes::Bytes, RestoreError> {
    let object = match bucket.get(key, None).await {
        Err(BucketError::NotFound { key }) => return Err(damaged(format!("{key} is missing"))),
        object => object?,
    };
    match object.bytes(LONGEST).await {
        Err(BucketError::Corrupt { key, .. }) => Err(damaged(format!("{key} is not what was put"))),
        bytes => Ok(bytes?),
    }
}

fn damaged(why: String) -> RestoreError {
    RestoreError::Copy(CopyError::Damaged(why))
}
