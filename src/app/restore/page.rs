//! The way back from the published archive: the manifest, what it leads to, and rows made of it.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::{StreamExt, TryStreamExt};
use tracing::info;

use super::RestoreError;
use crate::{
    bucket::{Bucket, BucketError, Generation, ObjectKey},
    domain::{
        coverage::Coverage,
        id::{ChannelId, GuildId, MessageId},
        place::{Access, Place},
        removal::Home,
        selection::{MediaKind, MediaSelection},
        time::{Month, Timestamp},
    },
    gallery::{
        coverage::Known,
        manifest::MANIFEST,
        published::{self, Channel, Index, Listed, Manifest, Shard, Unreadable},
        shard,
    },
    store::{
        Context, CoverageRow, GuildRow, IndexRow, MonthEntry, PlaceRow, PublicationRow, Rebuilding,
        Rebuilt, RebuiltEntry, ShardRef, ShardsRow, Store, StoreError,
    },
};

/// How many files are fetched at a time.
const IN_FLIGHT: usize = 8;

/// No file of ours is longer, packed.
const LONGEST: usize = 256 << 20;

/// A published archive.
pub(super) struct Page {
    bucket: Arc<dyn Bucket>,
    manifest: Manifest,
    generation: Generation,
}

/// What a page told of a catalogue that was lost.
pub(super) struct Told {
    pub(super) entries: u64,
    pub(super) rebuilt: Rebuilding,
    /// What this archive, published by an older version, does not tell.
    pub(super) missing: Vec<String>,
}

impl Page {
    /// The archive of a bucket; none where nothing was ever published.
    pub(super) async fn find(bucket: &Arc<dyn Bucket>) -> Result<Option<Self>, RestoreError> {
        let key = ObjectKey::new(MANIFEST).expect("a plain name");
        let object = match bucket.get(&key, None).await {
            Ok(object) => object,
            Err(BucketError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let generation = object.info.generation;
        let bytes = object.bytes(LONGEST).await?;
        let manifest = Manifest::read(&bytes).map_err(|why| unreadable(MANIFEST, why))?;
        Ok(Some(Self { bucket: Arc::clone(bucket), manifest, generation }))
    }

    pub(super) fn published_at(&self) -> Timestamp {
        self.manifest.published_at
    }

    /// Fills an empty store with all that the page tells.
    pub(super) async fn rebuild(
        &self,
        store: &Store,
        context: &Context,
    ) -> Result<Told, RestoreError> {
        info!(at = %self.published_at(), "rebuilding the state from the published archive");
        let at = self.published_at();
        let mut missing = Vec::new();
        let selection = if let Some(path) = &self.manifest.coverage {
            let bytes = self.fetch(path).await?;
            let known: Known = published::unpack(&bytes).map_err(|why| unreadable(path, why))?;
            let (guilds, places) = (known.guilds(at), known.places());
            apply(store, context, Rebuilt::Places { guilds, places })?;
            known.selection()
        } else {
            missing.push(
                "what was read: an older version published this archive, so history is read again"
                    .to_owned(),
            );
            apply(store, context, self.bare_places())?;
            MediaSelection { kinds: MediaKind::ALL.into(), max_size: None }
        };
        self.rebuild_people(store, context).await?;
        let mut entries = 0;
        for channel in &self.manifest.channels {
            entries += self.rebuild_channel(store, context, channel).await?;
        }
        self.take_over(store, context)?;
        let rebuilt = Rebuilding {
            at: context.now,
            kinds: selection.kinds.into_iter().collect(),
            max_size: selection.max_size,
        };
        Ok(Told { entries, rebuilt, missing })
    }

    /// Adds what the page knows beyond a restored copy, and returns how many entries were looked at for it. What the
    /// page says of what was read is left out: a copy that lacks entries lacks what else was found with them.
    pub(super) async fn merge(
        &self,
        store: &Store,
        context: &Context,
    ) -> Result<u64, RestoreError> {
        let known = store.publication()?.unwrap_or_default();
        if known.generation >= self.manifest.generation {
            return Ok(0);
        }
        self.rebuild_people(store, context).await?;
        let indexes: BTreeMap<_, _> = store.indexes()?.into_iter().collect();
        let before = store.tallies()?.get(crate::store::Tally::Entries);
        for channel in &self.manifest.channels {
            let same = indexes.get(&channel.id).is_some_and(|row| row.path == channel.index);
            if !same {
                self.rebuild_channel(store, context, channel).await?;
            }
        }
        self.take_over(store, context)?;
        Ok(store.tallies()?.get(crate::store::Tally::Entries).saturating_sub(before))
    }

    /// What an archive without a list of what was read tells of its places.
    fn bare_places(&self) -> Rebuilt {
        let at = self.published_at();
        let of =
            |guild: GuildId| self.manifest.channels.iter().filter(move |c| c.guild_id == guild);
        let guild = |guild: &published::Guild| {
            let since = of(guild.id).filter_map(|channel| channel.coverage.complete_since).min();
            let row = GuildRow {
                name: guild.name.clone(),
                icon: None,
                watch_from: MessageId::at(since.unwrap_or(at)),
                history_from: None,
                surveyed_at: at,
            };
            (guild.id, row)
        };
        let guilds = self.manifest.guilds.iter().map(guild).collect();
        let places = self.manifest.channels.iter().map(bare_place).collect();
        Rebuilt::Places { guilds, places }
    }

    async fn rebuild_people(&self, store: &Store, context: &Context) -> Result<(), RestoreError> {
        let Some(path) = &self.manifest.users else { return Ok(()) };
        let bytes = self.fetch(path).await?;
        let people = published::people(&bytes).map_err(|why| unreadable(path, why))?;
        Ok(apply(store, context, Rebuilt::People(people))?)
    }

    /// Takes over a channel: the entries of the months that the store does not know as they are, and all its shards.
    async fn rebuild_channel(
        &self,
        store: &Store,
        context: &Context,
        channel: &Channel,
    ) -> Result<u64, RestoreError> {
        let mut index = IndexRow { path: channel.index.clone(), ..IndexRow::default() };
        let mut months: BTreeMap<Month, Vec<Listed>> = BTreeMap::new();
        if let Some(path) = &channel.index {
            let bytes = self.fetch(path).await?;
            let read: Index = published::unpack(&bytes).map_err(|why| unreadable(path, why))?;
            for listed in read.shards {
                months.entry(listed.oldest.month()).or_default().push(listed);
            }
        }
        let mut rows = Vec::new();
        let mut count = 0;
        for (month, listed) in months.into_iter().rev() {
            let row = self.rebuild_month(store, context, channel.id, month, &listed).await?;
            for shard in &row.shards {
                index.entries += shard.count;
                index.bytes += shard.bytes;
                index.newest = index.newest.max(Some(shard.newest));
                count += shard.count;
            }
            rows.push((month, row));
        }
        apply(store, context, Rebuilt::Channel { root: channel.id, index, months: rows })?;
        Ok(count)
    }

    async fn rebuild_month(
        &self,
        store: &Store,
        context: &Context,
        root: ChannelId,
        month: Month,
        listed: &[Listed],
    ) -> Result<ShardsRow, RestoreError> {
        let known = store.published_shards(crate::store::Month { root, month })?;
        let known_paths = known.shards.iter().map(|shard| &shard.path);
        if known_paths.eq(listed.iter().map(|shard| &shard.path)) {
            return Ok(known);
        }
        let at = self.published_at();
        let fetched = futures_util::stream::iter(listed.to_vec()).map(async |listed| {
            let bytes = self.fetch(&listed.path).await?;
            let shard: Shard =
                published::unpack(&bytes).map_err(|why| unreadable(&listed.path, why))?;
            Ok::<_, RestoreError>((listed.path, shard))
        });
        let mut fetched = std::pin::pin!(fetched.buffered(IN_FLIGHT));
        let mut shards = Vec::new();
        while let Some((path, shard)) = fetched.try_next().await? {
            let entries = shard.entries.into_iter().rev();
            let entries: Vec<_> = entries.map(|record| record.rebuild(root, at)).collect();
            shards.extend(reference(&entries, &path));
            apply(store, context, Rebuilt::Entries(entries))?;
        }
        Ok(ShardsRow { shards })
    }

    /// What is published is what the manifest says.
    fn take_over(&self, store: &Store, context: &Context) -> Result<(), StoreError> {
        let manifest = &self.manifest;
        let publication = PublicationRow {
            generation: manifest.generation,
            object_generation: Some(self.generation.0.cast_unsigned()),
            users: manifest.users.clone(),
            content: None,
            page: None,
            at: manifest.published_at,
        };
        let at = manifest.published_at;
        let coverage = manifest.coverage.clone().map(|path| CoverageRow { path, at });
        apply(store, context, Rebuilt::Publication { publication, coverage })
    }

    async fn fetch(&self, path: &str) -> Result<bytes::Bytes, RestoreError> {
        let key = ObjectKey::new(path).map_err(|error| BucketError::Invalid {
            what: format!("the manifest leads to {path:?}: {error}"),
        })?;
        Ok(self.bucket.get(&key, None).await?.bytes(LONGEST).await?)
    }
}

fn bare_place(channel: &Channel) -> PlaceRow {
    PlaceRow {
        place: Place {
            id: channel.id,
            guild: channel.guild_id,
            parent: None,
            name: channel.name.clone(),
            kind: channel.place_kind(),
            position: channel.position,
            access: Access::Readable,
            public: true,
            nsfw: false,
            manages_threads: false,
            last_message: None,
            archived_at: None,
        },
        coverage: Coverage::default(),
        anchor: None,
        public_threads_until: None,
        private_threads_until: None,
        missing_since: None,
        messages_read: 0,
    }
}

fn reference(entries: &[RebuiltEntry], path: &str) -> Option<ShardRef> {
    let whole = |entry: &RebuiltEntry| MonthEntry {
        key: entry.key,
        post: entry.post.clone(),
        entry: entry.entry.clone(),
        content: entry.content.as_ref().map(|(_, content)| content.clone()),
        home: Home::Public,
        removed: entry.removed,
    };
    let entries: Vec<_> = entries.iter().map(whole).collect();
    (!entries.is_empty()).then(|| shard::reference(&entries, path))
}

fn apply(store: &Store, context: &Context, rebuilt: Rebuilt) -> Result<(), StoreError> {
    let mut commit = store.begin(context.clone());
    commit.add(&rebuilt.into())?;
    commit.finish()?;
    Ok(())
}

fn unreadable(path: &str, why: Unreadable) -> RestoreError {
    RestoreError::Published { path: path.to_owned(), why }
}
