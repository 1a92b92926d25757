//! One publication: from what changed in the store to a manifest that names it.
//!
//! Every object but the manifest has its hash in its name and is put before the manifest names it. A crash in between
//! leaves objects that the next publication finds there, or that nothing names: they were announced as garbage before
//! they were put, and are spared by the publication that names them.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use sha2::Digest;
use tracing::{debug, info, warn};

use super::{
    Parts,
    places::{places_changed, shown_places, that_stay},
    sweep::Swept,
};
use crate::{
    bucket::{Body, BucketError, Generation, LeaseError, ObjectKey, Precondition},
    domain::{
        id::{ChannelId, UserId},
        removal::Home,
        selection::{PlaceSelection, Policy},
        text::Mention,
        time::Timestamp,
    },
    gallery::{
        Packed, coverage,
        manifest::{self, Draft, MANIFEST},
        page::{self, PageMode},
        people, shard,
    },
    store::{
        Announced, ChangedPerson, CoverageRow, IndexRow, Month, MonthEntry, PlaceRow, PlacesShown,
        PublicationRow, Published, PublishedMonth, PublishedTo, Purge, ShardsRow, Store,
        StoreError,
    },
};

/// A reader who loaded the manifest before has this long to load what it names.
const GRACE: Duration = Duration::from_hours(1);

/// How many months one publication writes; the rest follows at once.
const MONTHS_AT_ONCE: usize = 64;

/// How many people's changes one publication settles.
const PEOPLE_AT_ONCE: usize = 10_000;

/// How often the list of what was read is renewed when nothing else is published: it grows with every message that is
/// posted, and whoever rebuilds a catalogue from it reads what came after again.
const COVERAGE_EVERY: Duration = Duration::from_hours(1);

/// Why something is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// Something changed, or it is time to look.
    Round,
    /// The process ends: what was read is written down to the message.
    End,
}

/// What the page is to look like.
#[derive(Clone, Debug)]
pub struct Page {
    /// What visitors read above it; the server's name where none is given.
    pub title: Option<String>,
    /// What it may load.
    pub mode: PageMode,
}

/// Why there was no publication.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The catalogue can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bucket did not take it.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// We may not write.
    #[error(transparent)]
    Lease(#[from] LeaseError),
}

/// Makes publications.
pub(super) struct Editor {
    pub(super) parts: Parts,
    /// The hash of the page's own files under a title, which only another title or program changes.
    page: Mutex<Option<(String, [u8; 32])>>,
    /// The last erasure for which the files of the page were swept: until its bytes are gone too, publishing again does
    /// nothing for it.
    swept_for: Mutex<Option<Purge>>,
}

/// The catalogue at the moment of a publication.
struct Issue {
    months: Vec<(PublishedMonth, Vec<Packed>)>,
    indexes: Vec<(ChannelId, IndexRow, Option<Packed>)>,
    old_indexes: HashMap<ChannelId, IndexRow>,
    people: Option<Packed>,
    settled: Vec<ChangedPerson>,
    last: PublicationRow,
    garbage: Vec<String>,
    places: Vec<PlaceRow>,
    guilds: Vec<(crate::domain::id::GuildId, crate::store::GuildRow)>,
    people_count: usize,
    coverage: Option<Packed>,
    last_coverage: Option<CoverageRow>,
    /// Whether the list of what was read is worth a publication by itself.
    coverage_presses: bool,
}

impl Editor {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts, page: Mutex::default(), swept_for: Mutex::default() }
    }

    /// The files of the page that named what was erased are gone.
    pub(super) fn swept_for(&self, purge: Purge) {
        *self.last_purge() = Some(purge);
    }

    fn last_purge(&self) -> MutexGuard<'_, Option<Purge>> {
        self.swept_for.lock().expect("no holder of this lock panics")
    }

    /// When something is to be published, at the latest.
    pub(super) async fn due(&self) -> Option<Timestamp> {
        let swept_for = *self.last_purge();
        let due = self.parts.store.read(move |store| {
            let purge = store.purge()?;
            if purge.is_some() && (purge != swept_for || !store.is_leaving_any()?) {
                return Ok(Some(Timestamp::default()));
            }
            let changed = store.changed_months()?;
            Ok(changed.into_iter().map(|(_, dirty)| dirty.by).min())
        });
        due.await.ok()?
    }

    /// Whether what is wanted was applied to every entry. Until then the months that were not gone through hold what
    /// was wanted before, such as links that nobody kept alive, and the archive as it was is the better one.
    pub(super) async fn is_ready(&self) -> bool {
        let policy = Arc::clone(&self.parts.policy);
        let swept = self.parts.store.read(move |store| store.is_swept(&policy)).await;
        swept.unwrap_or_else(|error| {
            warn!(%error, "the catalogue can't be read");
            false
        })
    }

    /// Publishes until nothing that changed is left. People whose picture is missing are published as they are, and
    /// again when it is there, unless it is hopeless.
    pub(super) async fn publish(
        &self,
        hopeless: &Arc<HashSet<UserId>>,
        occasion: Occasion,
    ) -> Result<(), PublishError> {
        loop {
            // What is waste now is named by nothing any more once everything that has changed by now is published.
            let waste = self.waste().await?;
            let reached = self.note_places().await?;
            while self.publish_some(hopeless, occasion).await? {}
            self.reach(reached).await?;
            if self.sweep(waste).await? == Swept::Clean {
                return Ok(());
            }
        }
    }

    /// Writes down which places the page goes without from now on, and tells the number of the last change before this
    /// publication.
    async fn note_places(&self) -> Result<u64, PublishError> {
        let selection = Arc::clone(&self.parts.selection);
        let changed = self.parts.store.read(move |store| places_changed(store, &selection));
        let changed = changed.await?;
        if let Some(PlacesShown { withdrawn, returned }) = changed {
            debug!(
                withdrawn = withdrawn.len(),
                returned = returned.len(),
                "other places are shown"
            );
            self.parts.ledger.record([PlacesShown { withdrawn, returned }.into()]).await;
        }
        Ok(self.parts.store.read(Store::last_change).await?)
    }

    /// Writes down that everything up to a change is published, so that bytes that are named no more may go.
    async fn reach(&self, changes: u64) -> Result<(), PublishError> {
        let news = self
            .parts
            .store
            .read(move |store| Ok(store.awaits_publication()? && store.published_to()? < changes));
        if news.await? {
            self.parts.ledger.record([PublishedTo(changes).into()]).await;
        }
        Ok(())
    }

    async fn publish_some(
        &self,
        hopeless: &Arc<HashSet<UserId>>,
        occasion: Occasion,
    ) -> Result<bool, PublishError> {
        let hopeless = Arc::clone(hopeless);
        let policy = Arc::clone(&self.parts.policy);
        let selection = Arc::clone(&self.parts.selection);
        let now = self.parts.clock.now();
        let prepared = self
            .parts
            .store
            .read(move |store| prepare(store, &policy, &selection, &hopeless, occasion, now));
        let issue = prepared.await?;
        let more = issue.months.len() == MONTHS_AT_ONCE;
        self.parts.lease.assure().await?;
        self.put_new(&issue).await?;
        self.flip(issue).await?;
        Ok(more)
    }

    /// Puts everything that the manifest is going to name.
    async fn put_new(&self, issue: &Issue) -> Result<(), PublishError> {
        let shards = issue.months.iter().flat_map(|(_, packed)| packed);
        let indexes = issue.indexes.iter().filter_map(|(_, _, packed)| packed.as_ref());
        let new: Vec<&Packed> = shards.chain(indexes).chain(&issue.people).collect();
        self.put_announced(&new).await
    }

    /// Puts what nothing names yet, having written down that it may be garbage.
    async fn put_announced(&self, new: &[&Packed]) -> Result<(), PublishError> {
        if new.is_empty() {
            return Ok(());
        }
        let objects = new.iter().map(|packed| packed.path.clone()).collect();
        let until = self.parts.clock.now().after(GRACE);
        self.parts.ledger.record([Announced { objects, until }.into()]).await;
        for packed in new {
            self.put(&packed.key(), packed.bytes.clone().into()).await?;
        }
        Ok(())
    }

    /// What is there under a name with a hash is what we would put.
    async fn put(&self, key: &ObjectKey, body: Body) -> Result<(), BucketError> {
        match self.parts.bucket.put(key, body, Precondition::Absent).await {
            Ok(_) | Err(BucketError::PreconditionFailed { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the manifest, and writes down what is published now.
    async fn flip(&self, issue: Issue) -> Result<(), PublishError> {
        let Parts { clock, policy, ledger, page, .. } = &self.parts;
        let mut indexes = issue.old_indexes.clone();
        indexes.extend(issue.indexes.iter().map(|(channel, row, _)| (*channel, row.clone())));
        let users = issue
            .people
            .as_ref()
            .map(|packed| packed.path.clone())
            .or_else(|| issue.last.users.clone());
        let first_guild = issue.guilds.first().map(|(_, guild)| guild.name.clone());
        let title = page.title.clone().or(first_guild).unwrap_or_else(|| "Bowerbird".to_owned());
        let draft = Draft::new(&manifest::Parts {
            title: &title,
            mode: policy.mode,
            users: users.as_deref(),
            people: issue.people_count,
            guilds: &issue.guilds,
            places: &issue.places,
            indexes: &indexes,
        });
        let content = draft.hash();
        let page_hash = self.put_page(&issue.last, &title).await?;
        let now = clock.now();
        let mut publication = PublicationRow {
            users: users.clone(),
            content: Some(content),
            page: Some(page_hash),
            ..issue.last.clone()
        };
        let old = issue.last_coverage.as_ref();
        let other = issue.last.content != Some(content);
        let coverage = issue.coverage.as_ref().filter(|_| other || issue.coverage_presses);
        let mut garbage = issue.garbage.clone();
        if other || coverage.is_some() {
            publication.generation += 1;
            publication.at = now;
            if let Some(packed) = coverage {
                self.put_announced(&[packed]).await?;
                garbage.extend(old.map(|old| old.path.clone()));
            }
            let coverage = coverage.map(|packed| &packed.path).or(old.map(|old| &old.path));
            let bytes = draft.finish(publication.generation, now, coverage.map(String::as_str));
            publication.object_generation =
                Some(self.replace_manifest(&issue.last, bytes.into()).await?);
            let Issue { months, indexes, .. } = &issue;
            info!(
                generation = publication.generation,
                months = months.len(),
                indexes = indexes.len(),
                "published"
            );
        }
        let garbage = garbage.into_iter().map(|path| (now.after(GRACE), path)).collect();
        let coverage = coverage.map(|packed| CoverageRow { path: packed.path.clone(), at: now });
        let unchanged =
            publication == issue.last && issue.months.is_empty() && issue.settled.is_empty();
        if !unchanged {
            let published = Published {
                publication,
                coverage,
                months: issue.months.into_iter().map(|(month, _)| month).collect(),
                indexes: issue
                    .indexes
                    .into_iter()
                    .map(|(channel, row, _)| (channel, row))
                    .collect(),
                people: issue.settled,
                garbage,
                swept: Vec::new(),
            };
            ledger.record([published.into()]).await;
        }
        Ok(())
    }

    /// The manifest is replaced by whoever holds the lease; that it is still the one we put is a second lock. After a
    /// crash between the put and its record it is another one, of our own making.
    async fn replace_manifest(
        &self,
        last: &PublicationRow,
        body: Body,
    ) -> Result<u64, PublishError> {
        let bucket = &self.parts.bucket;
        let key = ObjectKey::new(MANIFEST).expect("a plain name");
        let known = last.object_generation.map(|generation| Generation(generation.cast_signed()));
        let when = known.map_or(Precondition::Absent, Precondition::Generation);
        let put = match bucket.put(&key, body.clone(), when).await {
            Err(BucketError::PreconditionFailed { .. }) => {
                // What is there is replaced only when nobody has taken the lease since it was put there. A clock can't
                // tell that: this process may have been stopped for long between any two of these lines.
                let there = bucket.stat(&key).await?.map(|info| info.generation);
                self.parts.lease.prove().await?;
                let when = there.map_or(Precondition::Absent, Precondition::Generation);
                bucket.put(&key, body, when).await?
            }
            other => other?,
        };
        Ok(put.generation.0.cast_unsigned())
    }

    /// Puts the page's own files when they are not the ones that are there.
    async fn put_page(&self, last: &PublicationRow, title: &str) -> Result<[u8; 32], PublishError> {
        let known = |page: &(String, [u8; 32])| (page.0 == title).then_some(page.1);
        let known =
            self.page.lock().expect("no holder of this lock panics").as_ref().and_then(known);
        if let Some(hash) = known.filter(|hash| last.page == Some(*hash)) {
            return Ok(hash);
        }
        let objects = page::objects(&self.parts.page.mode, title);
        let mut hash = sha2::Sha256::new();
        for object in &objects {
            hash.update(object.key.as_str());
            hash.update(&object.bytes);
        }
        let hash: [u8; 32] = hash.finalize().into();
        *self.page.lock().expect("no holder of this lock panics") = Some((title.to_owned(), hash));
        if last.page != Some(hash) {
            for object in objects {
                self.parts
                    .bucket
                    .put(&object.key, object.bytes.into(), Precondition::Always)
                    .await?;
            }
            debug!("page written");
        }
        Ok(hash)
    }
}

/// Reads what changed and writes the files for it, in memory: a month at a time is small.
fn prepare(
    store: &Store,
    policy: &Policy,
    selection: &PlaceSelection,
    hopeless: &HashSet<UserId>,
    occasion: Occasion,
    now: Timestamp,
) -> Result<Issue, StoreError> {
    let all_places = store.places()?;
    let shown = shown_places(&all_places, selection);
    let names: HashMap<ChannelId, String> =
        all_places.iter().map(|row| (row.place.id, row.place.name.clone())).collect();
    let name = |mention| match mention {
        Mention::Channel(id) => names.get(&id).cloned(),
        Mention::User(_) | Mention::Role(_) => None,
    };
    let last = store.publication()?.unwrap_or_default();
    let last_coverage = store.published_coverage()?;
    // After the places and before the entries: so whatever was read of the places is on the page or named here.
    let changed = store.changed_months()?;
    let coverage_presses = occasion == Occasion::End
        || last_coverage.as_ref().is_none_or(|last| now.since(last.at) >= COVERAGE_EVERY);
    let lists = coverage_presses || !changed.is_empty();
    let unpublished = (lists && changed.len() < MONTHS_AT_ONCE)
        .then(|| store.unpublished(policy, now))
        .transpose()?;
    let mut garbage = Vec::new();
    let mut months = Vec::new();
    let mut roots = BTreeSet::new();
    for (month, seen) in store.changed_months()?.into_iter().take(MONTHS_AT_ONCE) {
        let entries: Vec<MonthEntry> = store
            .month_entries(month)?
            .into_iter()
            .filter(|entry| {
                entry.entry.is_published(policy, now)
                    && entry.home == Home::Public
                    && shown.contains(&entry.post.channel)
            })
            .collect();
        let made = shard::shards(month, &entries, name);
        let old = store.published_shards(month)?;
        let new: ShardsRow =
            ShardsRow { shards: made.iter().map(|(shard, _)| shard.clone()).collect() };
        let is_named = |path: &str| new.shards.iter().any(|shard| shard.path == path);
        let was_there = |path: &str| old.shards.iter().any(|shard| shard.path == path);
        garbage.extend(
            old.shards.iter().map(|shard| shard.path.clone()).filter(|path| !is_named(path)),
        );
        let fresh =
            made.into_iter().map(|(_, packed)| packed).filter(|packed| !was_there(&packed.path));
        let fresh = fresh.collect();
        roots.insert(month.root);
        months.push((PublishedMonth { month, seen, shards: new }, fresh));
    }
    let old_indexes: HashMap<_, _> = store.indexes()?.into_iter().collect();
    let mut indexes = Vec::new();
    for root in roots {
        let shards = current_shards(store, root, &months)?;
        let (row, packed) = shard::index(root, &shards, |id| names.get(&id).cloned());
        let old = old_indexes.get(&root).and_then(|old| old.path.clone());
        if old != row.path {
            garbage.extend(old);
            indexes.push((root, row, packed));
        }
    }
    let everybody = store.people()?;
    let incomplete: HashSet<UserId> = everybody
        .iter()
        .filter(|(id, person)| person.missing_picture().is_some() && !hopeless.contains(id))
        .map(|(id, _)| *id)
        .collect();
    let mut settled = store.changed_people(PEOPLE_AT_ONCE)?;
    settled.retain(|person| !incomplete.contains(&person.id));
    let packed = people::people(&everybody);
    let changed = last.users.as_ref() != Some(&packed.path);
    if changed {
        garbage.extend(last.users.clone());
    }
    let lists = |root: ChannelId| {
        let fresh = indexes.iter().find(|(changed, ..)| *changed == root).map(|(_, row, _)| row);
        fresh.or_else(|| old_indexes.get(&root)).is_some_and(|row| row.path.is_some())
    };
    let shown = all_places.into_iter().filter(|row| shown.contains(&row.place.id));
    let places = that_stay(store, shown, lists)?;
    let guilds = shown_guilds(store, selection)?;
    let coverage = unpublished.filter(|_| months.len() < MONTHS_AT_ONCE).map(|unpublished| {
        let (selection, unpublished) = (&policy.selection, &unpublished);
        let (guilds, places) = (&guilds, &places);
        coverage::coverage(&coverage::Parts { selection, guilds, places, unpublished })
    });
    let coverage =
        coverage.filter(|new| last_coverage.as_ref().is_none_or(|last| last.path != new.path));
    Ok(Issue {
        months,
        indexes,
        old_indexes,
        people: changed.then_some(packed),
        settled,
        last,
        garbage,
        places,
        guilds,
        people_count: everybody.len(),
        coverage,
        last_coverage,
        coverage_presses,
    })
}

fn shown_guilds(
    store: &Store,
    selection: &PlaceSelection,
) -> Result<Vec<(crate::domain::id::GuildId, crate::store::GuildRow)>, StoreError> {
    Ok(store.guilds()?.into_iter().filter(|(id, _)| selection.guilds.contains(id)).collect())
}

/// The months of a channel as they are going to be, newest first.
fn current_shards(
    store: &Store,
    root: ChannelId,
    changed: &[(PublishedMonth, Vec<Packed>)],
) -> Result<Vec<ShardsRow>, StoreError> {
    let mut months: HashMap<Month, ShardsRow> = store.channel_shards(root)?.into_iter().collect();
    let new = changed.iter().filter(|(month, _)| month.month.root == root);
    months.extend(new.map(|(month, _)| (month.month, month.shards.clone())));
    let mut months: Vec<_> = months.into_iter().collect();
    months.sort_by_key(|(month, _)| std::cmp::Reverse(*month));
    Ok(months.into_iter().map(|(_, shards)| shards).collect())
}
