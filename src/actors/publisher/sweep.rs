//! Deletes from the bucket what nothing leads to any more: replaced files of the page an hour later, and what was erased
//! at once, with every file of the page that named it. The bytes of files and stills are the Mover's to delete.
//!
//! What is to be deleted is read from the store before the publication that precedes the deleting. An erasure writes its
//! waste down together with the months that it changed, so by then no manifest leads there. A crash deletes the rest at
//! the next start: waste stays written down until it is gone.

use std::{collections::HashSet, sync::Arc};

use futures_util::{StreamExt, TryStreamExt};
use tracing::info;

use super::publication::{Editor, PublishError};
use crate::{
    bucket::{ObjectKey, Precondition},
    domain::time::Timestamp,
    store::{Change, Published, Purge, Purged, Store, StoreError},
};

/// How many objects are deleted before that is written down.
const AT_ONCE: usize = 1_000;

/// How many objects of an erasure one round deletes; the rest has its turn with the next. It bounds the memory that
/// their names take.
const PURGED_AT_ONCE: usize = 50_000;

/// Deletions in flight together. They cost the bucket little, and an erased channel has many files.
const IN_FLIGHT: usize = 16;

/// The files of the page's data. They are named by what the publisher itself wrote down, and by nothing else.
const OF_THE_PAGE: [&str; 2] = ["messages/", "userData/users-"];

/// Where people's pictures are. They are named by people in the catalogue.
const AVATARS: &str = "userData/avatars/";

/// Objects by the time at which they may go, as they stand in the store.
type Objects = Vec<(Timestamp, String)>;

/// What is to be deleted after the next publication.
pub(super) struct Waste {
    objects: Objects,
    /// What was erased, when that is why.
    purge: Option<Purge>,
    limit: usize,
}

/// What is left to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swept {
    /// Nothing that could go.
    Clean,
    /// More than one round deletes.
    Partly,
}

impl Editor {
    /// Brings to its end what is being erased from the catalogue.
    pub(super) async fn erase(&self) {
        let erasing = || {
            let asked = self.parts.store.read(Store::is_erasing);
            // A store that can't be read is for Persistence to report.
            async move { asked.await.unwrap_or(false) }
        };
        while erasing().await {
            self.parts.ledger.record([Change::EraseSome]).await;
        }
    }

    /// What may go, as far as is known before a publication. After an erasure nothing waits for its time: a file of the
    /// page that was replaced before may name what was erased.
    pub(super) async fn waste(&self) -> Result<Waste, StoreError> {
        let now = self.parts.clock.now();
        let look = move |store: &Store| {
            let purge = store.purge()?;
            let (until, limit) = match purge {
                Some(_) => (Timestamp::LAST, PURGED_AT_ONCE),
                None => (now, AT_ONCE),
            };
            Ok(Waste { objects: store.garbage(until, limit)?, purge, limit })
        };
        self.parts.store.read(look).await
    }

    /// Deletes what was waste before everything that had changed was published, and what that replaced if it may not
    /// stay for readers.
    pub(super) async fn sweep(&self, waste: Waste) -> Result<Swept, PublishError> {
        let Waste { objects, purge, limit } = waste;
        let all = objects.len() < limit;
        self.delete(objects).await?;
        let until = if purge.is_some() { Timestamp::LAST } else { self.parts.clock.now() };
        let replaced = self.parts.store.read(move |store| {
            let mut replaced = store.garbage(until, usize::MAX)?;
            replaced.retain(|(_, path)| is_of_the_page(path));
            Ok(replaced)
        });
        self.delete(replaced.await?).await?;
        if !all {
            return Ok(Swept::Partly);
        }
        if let Some(purge) = purge {
            self.swept_for(purge);
            // Until the last byte is gone, the Mover wakes us again.
            if !self.parts.store.read(Store::is_leaving_any).await? {
                self.parts.ledger.record([Purged(purge).into()]).await;
                info!("what was erased has left the bucket");
            }
        }
        Ok(Swept::Clean)
    }

    /// Deletes objects, unless something leads to them after all.
    async fn delete(&self, objects: Objects) -> Result<(), PublishError> {
        for some in objects.chunks(AT_ONCE) {
            self.delete_some(some.to_vec()).await?;
        }
        Ok(())
    }

    async fn delete_some(&self, swept: Objects) -> Result<(), PublishError> {
        let paths: Arc<[String]> = swept.iter().map(|(_, path)| path.clone()).collect();
        let named = self.parts.store.read({
            let paths = Arc::clone(&paths);
            move |store| named(store, &paths)
        });
        let named = named.await?;
        let (bucket, lease) = (&self.parts.bucket, &self.parts.lease);
        futures_util::stream::iter(paths.iter().filter(|path| !named.contains(*path)))
            .map(|path| async move {
                // Nothing has a name that is none.
                let Ok(key) = ObjectKey::new(path.clone()) else { return Ok(()) };
                // Each time: a thousand of them may take longer than the lease.
                lease.assure().await?;
                Ok::<_, PublishError>(bucket.delete(&key, Precondition::Always).await?)
            })
            .buffer_unordered(IN_FLIGHT)
            .try_collect::<()>()
            .await?;
        self.parts.ledger.record([Published::swept(self.last().await?, swept).into()]).await;
        Ok(())
    }

    async fn last(&self) -> Result<crate::store::PublicationRow, StoreError> {
        Ok(self.parts.store.read(Store::publication).await?.unwrap_or_default())
    }
}

/// Those of some objects that something leads to: the same content has the same name, so it may have come back.
fn named(store: &Store, paths: &[String]) -> Result<HashSet<String>, StoreError> {
    let mut named = HashSet::new();
    if paths.iter().any(|path| path.starts_with(AVATARS)) {
        named.extend(store.shown_avatars()?);
    }
    if paths.iter().any(|path| is_of_the_page(path)) {
        named.extend(store.publication()?.and_then(|publication| publication.users));
        named.extend(store.published_coverage()?.map(|coverage| coverage.path));
        for (root, index) in store.indexes()? {
            named.extend(index.path);
            for (_, shards) in store.channel_shards(root)? {
                named.extend(shards.shards.into_iter().map(|shard| shard.path));
            }
        }
    }
    Ok(named)
}

fn is_of_the_page(path: &str) -> bool {
    OF_THE_PAGE.iter().any(|folder| path.starts_with(folder))
}
