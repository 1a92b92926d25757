//! Copies people's pictures, since links to Discord's die with the next picture.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::StreamExt;
use sha2::Digest;
use tracing::debug;

use super::Parts;
use crate::{
    actors::persistence::Ledger,
    bucket::{Bucket, BucketError, ObjectKey, Precondition},
    cdn::{Cdn, CdnError},
    clock::Clock,
    domain::{
        entry::{CopiedAvatar, Sha256},
        id::UserId,
        link::Link,
    },
    store::{Announced, AvatarCopied, ChangedPerson, Store},
};

/// How many people are looked at before a publication; the rest has its turn with the next.
const AT_ONCE: usize = 200;

/// In flight together: they are small, and the CDN is shared with downloads.
const IN_FLIGHT: usize = 8;

/// A picture of 128 pixels has some 10 KB; whatever is larger than this is none.
const LARGEST: usize = 1 << 20;

/// A picture that nobody has after this long is waste.
const ORPHANED: Duration = Duration::from_hours(1);

/// What came of a picture.
enum Outcome {
    Copied(AvatarCopied),
    Later,
    Hopeless(UserId),
}

/// Copies pictures that are new.
pub(super) struct Avatars {
    bucket: Arc<dyn Bucket>,
    cdn: Arc<dyn Cdn>,
    pictures: String,
    ledger: Ledger,
    store: Store,
    clock: Clock,
}

impl Avatars {
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            bucket: Arc::clone(&parts.bucket),
            cdn: Arc::clone(&parts.cdn),
            pictures: parts.pictures.clone(),
            ledger: parts.ledger.clone(),
            store: parts.store.clone(),
            clock: parts.clock,
        }
    }

    /// Copies the pictures of people that changed, and tells whose can't be had at all. One that can't be had now is no
    /// reason to wait: it has its turn with the next publication.
    pub(super) async fn copy_new(&self) -> HashSet<UserId> {
        let wanted = self.wanted().await;
        let copies = futures_util::stream::iter(wanted).map(|(user, hash)| self.copy(user, hash));
        let outcomes: Vec<_> = copies.buffer_unordered(IN_FLIGHT).collect().await;
        let (mut changes, mut hopeless) = (Vec::new(), HashSet::new());
        for outcome in outcomes {
            match outcome {
                Outcome::Copied(copied) => changes.push(copied.into()),
                Outcome::Hopeless(user) => {
                    hopeless.insert(user);
                }
                Outcome::Later => {}
            }
        }
        if !changes.is_empty() {
            self.ledger.record(changes).await;
        }
        hopeless
    }

    async fn wanted(&self) -> Vec<(UserId, String)> {
        let changed = self.store.read(|store| {
            let mut wanted = Vec::new();
            for ChangedPerson { id: user, .. } in store.changed_people(AT_ONCE)? {
                let Some(person) = store.person(user)? else { continue };
                wanted.extend(person.missing_picture().map(|hash| (user, hash.to_owned())));
            }
            Ok(wanted)
        });
        // A store that can't be read is for Persistence to report.
        changed.await.unwrap_or_default()
    }

    async fn copy(&self, user: UserId, hash: String) -> Outcome {
        match self.fetch(user, &hash).await {
            Ok(Some(object)) => {
                Outcome::Copied(AvatarCopied { user, copied: Some(CopiedAvatar { hash, object }) })
            }
            Ok(None) => Outcome::Hopeless(user),
            Err(error) => {
                debug!(%user, %error, "picture not copied");
                if error.is_transient() { Outcome::Later } else { Outcome::Hopeless(user) }
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
        // Should we die before it is written down whose it is, nobody else would know of it.
        let until = self.clock.now().after(ORPHANED);
        let objects = vec![object.clone()];
        self.ledger.record([Announced { objects, until }.into()]).await;
        match self.bucket.put(&key, bytes.into(), Precondition::Absent).await {
            Ok(_) | Err(BucketError::PreconditionFailed { .. }) => Ok(Some(object)),
            Err(error) => {
                Err(CdnError::Unavailable { reason: error.to_string(), retry_after: None })
            }
        }
    }
}
