//! A folder of a bucket, page by page.

use std::num::NonZeroUsize;

use super::compare::Seen;
use crate::bucket::{Bucket, BucketError, ObjectInfo, PageToken};

/// So many objects a page: what Google gives at once, and little in memory.
const PAGE: NonZeroUsize = NonZeroUsize::new(1_000).expect("a thousand is not zero");

/// Goes through what is in a folder, in the order of names.
#[derive(Debug)]
pub struct Walk {
    prefix: &'static str,
    next: Next,
}

#[derive(Debug)]
enum Next {
    First,
    Page(PageToken),
    Nothing,
}

impl Walk {
    /// Begins at the first object whose name starts with this.
    pub const fn of(prefix: &'static str) -> Self {
        Self { prefix, next: Next::First }
    }

    /// The next objects; none at the end, and only there.
    pub async fn page(&mut self, bucket: &dyn Bucket) -> Result<Vec<Seen>, BucketError> {
        loop {
            let token = match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::First => None,
                Next::Page(token) => Some(token),
                Next::Nothing => return Ok(Vec::new()),
            };
            let listing = bucket.list(self.prefix, token, PAGE).await?;
            self.next = listing.next.map_or(Next::Nothing, Next::Page);
            // A page without objects of ours is not the end.
            if !listing.objects.is_empty() {
                return Ok(listing.objects.into_iter().map(Seen::from).collect());
            }
        }
    }
}

impl From<ObjectInfo> for Seen {
    fn from(info: ObjectInfo) -> Self {
        Self {
            key: info.key.into(),
            size: info.size,
            crc32c: info.crc32c,
            stamp: info.generation.0,
            updated: info.updated.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::{MemoryBucket, ObjectKey, Precondition};

    #[tokio::test]
    async fn every_object_of_a_folder_comes_once_and_in_order() {
        let bucket = MemoryBucket::new();
        for number in 0..2_500 {
            let key = ObjectKey::new(format!("media/{number:05}.bin")).unwrap();
            bucket.put(&key, Vec::new().into(), Precondition::Absent).await.unwrap();
        }
        let other = ObjectKey::new("thumb/1.webp").unwrap();
        bucket.put(&other, Vec::new().into(), Precondition::Absent).await.unwrap();
        let (mut walk, mut names) = (Walk::of("media/"), Vec::new());
        loop {
            let page = walk.page(&bucket).await.unwrap();
            if page.is_empty() {
                break;
            }
            names.extend(page.into_iter().map(|seen| seen.key));
        }
        let expected: Vec<_> = (0..2_500).map(|number| format!("media/{number:05}.bin")).collect();
        assert_eq!(names, expected);
        assert_eq!(walk.page(&bucket).await.unwrap(), [], "the end stays the end");
    }
}
