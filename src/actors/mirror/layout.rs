//! Where a copy of the catalogue lies in the private bucket, and the root that leads to it.
//!
//! The Mirror writes it, a restore reads it; `docs/format.md` describes it. Chunks are named by what is in them, so
//! several roots can share them; the root is replaced last.

use serde::{Deserialize, Serialize};

use crate::{
    bucket::{Bucket, BucketError, ObjectInfo, ObjectKey, PageToken},
    domain::{entry::Sha256, time::Timestamp},
    store::Tip,
};

/// Everything of a copy lies below this.
pub const FOLDER: &str = "state/";

/// What leads to everything else.
const ROOT: &str = "state/root.json";

/// The form of the copy. Raised when readers of the form before would be wrong.
pub const FORMAT: u32 = 1;

/// Each chunk takes about a hundred bytes of a root, and each is a quarter of a megabyte: this is a copy of 160 GB.
const LONGEST_ROOT: usize = 64 << 20;

/// How many objects are listed at a time: what Google gives at most.
const LISTED_AT_ONCE: std::num::NonZeroUsize =
    std::num::NonZeroUsize::new(1_000).expect("not zero");

/// Leads to a copy of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// The form of the copy.
    pub format: u32,
    /// The form of the catalogue in it.
    pub schema: u32,
    /// Counts roots.
    pub generation: u64,
    /// When it was made.
    pub at: Timestamp,
    /// The folder with the commits since.
    pub log: String,
    /// Which commits are in the chunks for certain; all after are needed besides.
    pub from: Tip,
    /// The commit up to which the chunks may hold some of it: without all of them it is no copy of any moment.
    pub whole_at: u64,
    /// How many rows there are.
    pub rows: u64,
    /// How long they are, unpacked.
    pub bytes: u64,
    /// The rows, in order.
    pub chunks: Vec<Listed>,
}

/// A chunk, as the root lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub sha256: String,
    /// How many rows it has.
    pub rows: u64,
    /// How long it is unpacked.
    pub bytes: u64,
}

/// A segment of the log, by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// The commit before it.
    pub from: u64,
    /// Its last commit.
    pub to: u64,
    /// Where it lies.
    pub key: ObjectKey,
    /// How long it is.
    pub size: u64,
}

/// Why there is no reading a copy.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The bucket failed.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The root is no root.
    #[error("{ROOT} can't be understood: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A newer version wrote it.
    #[error(
        "the copy of the state was written by a newer bowerbird (format {format}, schema {schema}): run that version, or newer"
    )]
    Newer {
        /// Its format.
        format: u32,
        /// Its schema.
        schema: u32,
    },
}

impl LayoutError {
    /// Whether waiting can't help: somebody has to look.
    pub fn needs_person(&self) -> bool {
        match self {
            Self::Newer { .. } => true,
            Self::Bucket(_) | Self::Unreadable(_) => false,
        }
    }
}

/// What every root says, whatever form it has.
#[derive(Deserialize)]
struct Forms {
    format: u32,
    schema: u32,
}

impl Root {
    /// The root of a bucket; none where no copy is.
    pub async fn read(bucket: &dyn Bucket, schema: u32) -> Result<Option<Self>, LayoutError> {
        let object = match bucket.get(&root_key(), None).await {
            Ok(object) => object,
            Err(BucketError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let bytes = object.bytes(LONGEST_ROOT).await?;
        let forms: Forms = serde_json::from_slice(&bytes)?;
        if forms.format > FORMAT || forms.schema > schema {
            return Err(LayoutError::Newer { format: forms.format, schema: forms.schema });
        }
        Ok(Some(serde_json::from_slice(&bytes)?))
    }
}

/// Where the root lies.
pub fn root_key() -> ObjectKey {
    ObjectKey::new(ROOT).expect("a plain name")
}

/// Where a chunk lies.
pub fn chunk_key(sha256: Sha256) -> ObjectKey {
    ObjectKey::new(format!("{FOLDER}chunk-{sha256}.zst")).expect("made of a hash")
}

/// Where a segment of a log lies, after one commit and up to another.
pub fn segment_key(log: &str, from: u64, to: Tip) -> ObjectKey {
    // The numbers have as many digits as the largest, so that names sort as they do; a part of the hash keeps
    // segments of two histories apart.
    let (number, hash) = (to.number, hex::encode(&to.chain[..8]));
    ObjectKey::new(format!("{FOLDER}{log}/segment-{from:020}-{number:020}-{hash}.zst"))
        .expect("made of numbers")
}

/// The segments of a log, in the order of commits.
pub async fn segments(bucket: &dyn Bucket, log: &str) -> Result<Vec<Stretch>, BucketError> {
    let objects = list(bucket, &format!("{FOLDER}{log}/segment-")).await?;
    let mut segments: Vec<_> = objects.iter().filter_map(stretch).collect();
    segments.sort();
    Ok(segments)
}

/// Everything below a prefix.
pub async fn list(bucket: &dyn Bucket, prefix: &str) -> Result<Vec<ObjectInfo>, BucketError> {
    let mut found = Vec::new();
    let mut page: Option<PageToken> = None;
    loop {
        let listing = bucket.list(prefix, page, LISTED_AT_ONCE).await?;
        found.extend(listing.objects);
        match listing.next {
            Some(next) => page = Some(next),
            None => return Ok(found),
        }
    }
}

fn stretch(info: &ObjectInfo) -> Option<Stretch> {
    let name = info.key.segments().last()?.strip_prefix("segment-")?.strip_suffix(".zst")?;
    let mut parts = name.split('-');
    let (from, to) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Stretch { from, to, key: info.key.clone(), size: info.size })
}
