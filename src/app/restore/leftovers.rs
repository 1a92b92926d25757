//! Published files that nothing names any more: the lost catalogue knew when they may go, so that is decided anew.
//!
//! Files of people's and of posts are left alone: `verify` compares them with the catalogue.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::RestoreError;
use crate::{
    actors::mirror::layout,
    bucket::Bucket,
    domain::time::Timestamp,
    gallery::manifest::MANIFEST,
    store::{Announced, Context, Store, StoreError},
};

/// A reader who loaded the manifest before has this long to load what it names.
const GRACE: Duration = Duration::from_hours(1);

/// Where every file is ours and is named by the manifest, or by what that names.
const FOLDERS: [&str; 2] = ["messages/", "userData/users-"];

/// Has everything deleted, a while later, that the catalogue does not name.
pub(super) async fn announce(
    store: &Store,
    bucket: &Arc<dyn Bucket>,
    context: &Context,
) -> Result<(), RestoreError> {
    let named = named(store)?;
    let mut objects = Vec::new();
    for folder in FOLDERS {
        let there = layout::list(bucket.as_ref(), folder).await?;
        let names = there.into_iter().map(|info| info.key.as_str().to_owned());
        objects.extend(names.filter(|name| !named.contains(name)));
    }
    if objects.is_empty() {
        return Ok(());
    }
    let until: Timestamp = context.now.after(GRACE);
    let mut commit = store.begin(context.clone());
    commit.add(&Announced { objects, until }.into())?;
    commit.finish()?;
    Ok(())
}

fn named(store: &Store) -> Result<HashSet<String>, StoreError> {
    let mut named = HashSet::from([MANIFEST.to_owned()]);
    for (root, index) in store.indexes()? {
        named.extend(index.path);
        for (_, shards) in store.channel_shards(root)? {
            named.extend(shards.shards.into_iter().map(|shard| shard.path));
        }
    }
    named.extend(store.publication()?.and_then(|publication| publication.users));
    named.extend(store.published_coverage()?.map(|coverage| coverage.path));
    Ok(named)
}
