//! Copies people's pictures, since links to Discord's die with the next picture.

use std::sync::Arc;

use futures_util::StreamExt;
use sha2::Digest;
use tracing::debug;

use super::Parts;
use crate::{
    actors::persistence::Ledger,
    bucket::{Bucket, BucketError, ObjectKey, Precondition},
    cdn::{Cdn, CdnError},
    domain::{
        entry::{CopiedAvatar, Sha256},
        id::UserId,
        link::Link,
    },
    store::{AvatarCopied, ChangedPerson, Store},
};

/// How many people are looked at before a publication; the rest has its turn with the next.
const AT_ONCE: usize = 200;

/// In flight together: they are small, and the CDN is shared with downloads.
const IN_FLIGHT: usize = 8;

/// A picture of 128 pixels has some 10 KB; whatever is larger than this is none.
const LARGEST: usize = 1 << 20;

/// Copies pictures that are new.
pub(super) struct Avatars {
    bucket: Arc<dyn Bucket>,
    cdn: Arc<dyn Cdn>,
    pictures: String,
    ledger: Ledger,
    store: Store,
}

impl Avatars {
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            bucket: Arc::clone(&parts.bucket),
            cdn: Arc::clone(&parts.cdn),
            pictures: parts.pictures.clone(),
            ledger: parts.ledger.clone(),
            store: parts.store.clone(),
        }
    }

    /// Copies the pictures of people that changed. A picture that can't be had now is no reason to wait.
    pub(super) async fn copy_new(&self) {
        let wanted = self.wanted().await;
        let copies = futures_util::stream::iter(wanted).map(|(user, hash)| self.copy(user, hash));
        let copied: Vec<_> = copies.buffer_unordered(IN_FLIGHT).collect().await;
        let changes: Vec<_> = copied.into_iter().flatten().map(Into::into).collect();
        if !changes.is_empty() {
            self.ledger.record(changes).await;
        }
    }

    async fn wanted(&self) -> Vec<(UserId, String)> {
        let store = self.store.clone();
        let changed = tokio::task::spawn_blocking(move || {
            let mut wanted = Vec::new();
            for ChangedPerson { id: user, .. } in store.changed_people(AT_ONCE)? {
                let Some(person) = store.person(user)? else { continue };
                let has = person.copied.map(|copied| copied.hash);
                if let Some(hash) = person.avatar.filter(|hash| has.as_ref() != Some(hash)) {
                    wanted.push((user, hash));
                }
            }
            Ok::<_, crate::store::StoreError>(wanted)
        });
        // A store that can't be read is for Persistence to report.
        changed.await.ok().and_then(Result::ok).unwrap_or_default()
    }

    async fn copy(&self, user: UserId, hash: String) -> Option<AvatarCopied> {
        match self.fetch(user, &hash).await {
            Ok(Some(object)) => {
                Some(AvatarCopied { user, copied: Some(CopiedAvatar { hash, object }) })
            }
            Ok(None) => None,
            Err(error) => {
                debug!(%user, %error, "picture not copied");
                None
            }
        }
    }

    async fn fetch(&self, user: UserId, hash: &str) -> Result<Option<String>, CdnError> {
        // Discord's hashes are hexadecimal; anything else would not be a name but a path.
        if !hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Ok(None);
        }
        let link = Link::new(format!("{}/avatars/{user}/{hash}.png?size=128", self.pictures));
        let mut download = self.cdn.open(&link).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = download.body.next().await {
            bytes.extend_from_slice(&chunk?);
            if bytes.len() > LARGEST {
                return Ok(None);
            }
        }
        let Some(kind) =
            infer::get(&bytes).filter(|kind| kind.matcher_type() == infer::MatcherType::Image)
        else {
            return Ok(None);
        };
        let sha256 = Sha256(sha2::Sha256::digest(&bytes).into());
        let object = format!("userData/avatars/{sha256}.{}", kind.extension());
        let key = ObjectKey::new(object.clone()).expect("made of a hash and a known extension");
        match self.bucket.put(&key, bytes.into(), Precondition::Absent).await {
            Ok(_) | Err(BucketError::PreconditionFailed { .. }) => Ok(Some(object)),
            Err(error) => {
                Err(CdnError::Unavailable { reason: error.to_string(), retry_after: None })
            }
        }
    }
}
