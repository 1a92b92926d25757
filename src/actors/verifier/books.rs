//! What the catalogue expects in each folder of the bucket.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use crate::{
    actors::persistence::Ledger,
    audit::{
        compare::Expected,
        name::Name,
        pass::{AuditError, Book},
        reading::Proof,
        windows::Windows,
    },
    bucket::Crc32c,
    domain::{
        entry::{Look, Sha256},
        job::Subject,
        removal::Home,
    },
    gallery::manifest::MANIFEST,
    store::{Seal, Sealed, Store, StoreError, Tally},
};

/// So many rows are read at a time.
pub(super) const PAGE: usize = 1_000;

/// So many proofs are written down together.
const SEALED_TOGETHER: usize = 256;

/// Proofs on their way to the store.
pub(super) struct Seals {
    ledger: Ledger,
    waiting: Vec<(String, Seal)>,
}

impl Seals {
    pub(super) const fn new(ledger: Ledger) -> Self {
        Self { ledger, waiting: Vec::new() }
    }

    async fn add(&mut self, object: &str, proof: Proof) {
        let seal = Seal { size: proof.size, crc32c: proof.crc32c.0, stamp: proof.stamp };
        self.waiting.push((object.to_owned(), seal));
        if self.waiting.len() >= SEALED_TOGETHER {
            self.flush().await;
        }
    }

    /// Writes down what was proven.
    pub(super) async fn flush(&mut self) {
        if !self.waiting.is_empty() {
            let objects = std::mem::take(&mut self.waiting);
            self.ledger.record([Sealed { objects }.into()]).await;
        }
    }
}

/// Which folder a [`Catalogue`] tells of.
pub(super) enum Shelf {
    /// Files, in the order of the store.
    Media { last: Option<Sha256> },
    /// Stills, found in another order than theirs, so by windows of hashes.
    Stills { windows: Windows },
    /// What is few enough to be held.
    Small { objects: BTreeSet<String> },
}

/// What the catalogue expects in one folder.
pub(super) struct Catalogue {
    store: Store,
    shelf: Shelf,
    waiting: std::vec::IntoIter<Expected>,
    pub(super) seals: Seals,
}

impl Catalogue {
    /// What it expects in a folder.
    pub(super) async fn open(
        store: &Store,
        ledger: &Ledger,
        folder: &'static str,
    ) -> Result<Self, StoreError> {
        let shelf = match folder {
            "media/" => Shelf::Media { last: None },
            "thumb/" => {
                let stills = store.read(Store::tallies).await?.get(Tally::Stills);
                Shelf::Stills { windows: Windows::for_hashes(stills) }
            }
            _ => {
                let mut objects = store.read(small).await?;
                objects.retain(|object| object.starts_with(folder));
                Shelf::Small { objects }
            }
        };
        let waiting = match &shelf {
            Shelf::Small { objects } => {
                let objects = objects.clone();
                let sealed = move |store: &Store| {
                    objects.into_iter().map(|object| sealed(store, object)).collect()
                };
                store.read(sealed).await?
            }
            Shelf::Media { .. } | Shelf::Stills { .. } => Vec::new(),
        };
        let seals = Seals::new(ledger.clone());
        Ok(Self { store: store.clone(), shelf, waiting: waiting.into_iter(), seals })
    }
}

#[async_trait]
impl Book for Catalogue {
    async fn page(&mut self) -> Result<Vec<Expected>, AuditError> {
        loop {
            let page: Vec<Expected> = self.waiting.by_ref().take(PAGE).collect();
            if !page.is_empty() {
                return Ok(page);
            }
            match &mut self.shelf {
                Shelf::Small { .. } => return Ok(Vec::new()),
                Shelf::Media { last } => {
                    let after = *last;
                    let page = self.store.read(move |store| media_after(store, after)).await?;
                    let Some((sha256, _)) = page.last() else { return Ok(Vec::new()) };
                    *last = Some(*sha256);
                    self.waiting = page
                        .into_iter()
                        .filter_map(|(_, expected)| expected)
                        .collect::<Vec<_>>()
                        .into_iter();
                }
                Shelf::Stills { windows } => {
                    let Some(window) = windows.next() else { return Ok(Vec::new()) };
                    let wanted = move |still: &str| window.holds("thumb/", still);
                    let stills = self.store.read(move |store| stills(store, wanted)).await?;
                    let sealed = move |store: &Store| {
                        let mut page = Vec::new();
                        for still in stills.into_keys() {
                            let sha256 = Name::of(&still).sha256();
                            let home = sha256.map(|sha256| store.home(Subject::Still(sha256)));
                            if home.transpose()?.is_none_or(|home| home == Home::Public) {
                                page.push(sealed(store, still)?);
                            }
                        }
                        Ok(page)
                    };
                    let page: Vec<_> = self.store.read(sealed).await?;
                    self.waiting = page.into_iter();
                }
            }
        }
    }

    async fn named(&self, objects: &BTreeSet<String>) -> Result<BTreeSet<String>, AuditError> {
        let objects = objects.clone();
        let by_hash = matches!(self.shelf, Shelf::Media { .. });
        let by_look = matches!(self.shelf, Shelf::Stills { .. });
        let named = self.store.read(move |store| {
            let mut named = if by_hash {
                media_among(store, &objects)?
            } else if by_look {
                let mut named = BTreeSet::new();
                for object in &objects {
                    let Some(sha256) = Name::of(object).sha256() else { continue };
                    if store.is_leaving(Subject::Still(sha256))? {
                        named.insert(object.clone());
                    }
                }
                named.extend(stills(store, |still| objects.contains(still))?.into_keys());
                named
            } else {
                small(store)?.intersection(&objects).cloned().collect()
            };
            // What was replaced goes an hour later, by itself.
            let garbage = store.all_garbage()?.into_iter();
            named.extend(garbage.filter(|object| objects.contains(object)));
            Ok(named)
        });
        Ok(named.await?)
    }

    async fn proven(&mut self, object: &str, proof: Proof) -> Result<(), AuditError> {
        self.seals.add(object, proof).await;
        Ok(())
    }
}

fn media_among(store: &Store, objects: &BTreeSet<String>) -> Result<BTreeSet<String>, StoreError> {
    let mut named = BTreeSet::new();
    for object in objects {
        let Some(sha256) = Name::of(object).sha256() else { continue };
        let known = store.content(sha256)?.is_some_and(|content| content.object == *object);
        // What is about to be cleared away or erased is no stray.
        if known || store.is_leaving(Subject::Content(sha256))? {
            named.insert(object.clone());
        }
    }
    Ok(named)
}

/// An object of which only a proof tells more than its name.
fn sealed(store: &Store, object: String) -> Result<Expected, StoreError> {
    let seal = store.seal(&object)?;
    Ok(Expected {
        key: object,
        size: seal.map(|seal| seal.size),
        crc32c: seal.map(|seal| Crc32c(seal.crc32c)),
        stamp: seal.map(|seal| seal.stamp),
    })
}

/// The next files, each with what is expected of it in public; none for one that is at home elsewhere.
fn media_after(
    store: &Store,
    last: Option<Sha256>,
) -> Result<Vec<(Sha256, Option<Expected>)>, StoreError> {
    let contents = store.contents_after(last, PAGE)?;
    let expected = contents.into_iter().map(|(sha256, content)| {
        if store.home(Subject::Content(sha256))? != Home::Public {
            return Ok((sha256, None));
        }
        let stamp = store.seal(&content.object)?.map(|seal| seal.stamp);
        let (size, crc32c) = (Some(content.size), Some(Crc32c(content.crc32c)));
        Ok((sha256, Some(Expected { key: content.object, size, crc32c, stamp })))
    });
    expected.collect()
}

/// Who names a still.
pub(super) type Stills = BTreeMap<String, Vec<Subject>>;

/// The stills of some sort, with those that name them.
pub(super) fn stills(store: &Store, wanted: impl Fn(&str) -> bool) -> Result<Stills, StoreError> {
    let mut stills = Stills::new();
    let mut take = |look: Option<Look>, subject| {
        if let Some(still) = look.and_then(|look| look.still).filter(|still| wanted(still)) {
            stills.entry(still).or_default().push(subject);
        }
    };
    let mut last = None;
    loop {
        let contents = store.contents_after(last, PAGE)?;
        let Some((sha256, _)) = contents.last() else { break };
        last = Some(*sha256);
        for (sha256, content) in contents {
            take(content.look, Subject::Content(sha256));
        }
    }
    let mut last = None;
    loop {
        let entries = store.entries_after(last, PAGE)?;
        let Some((key, _)) = entries.last() else { break };
        last = Some(*key);
        for (key, entry) in entries {
            take(entry.look, Subject::Entry(key));
        }
    }
    Ok(stills)
}

/// The page's data and people's pictures.
fn small(store: &Store) -> Result<BTreeSet<String>, StoreError> {
    let mut objects = BTreeSet::from([MANIFEST.to_owned()]);
    for (root, index) in store.indexes()? {
        objects.extend(index.path);
        for (_, shards) in store.channel_shards(root)? {
            objects.extend(shards.shards.into_iter().map(|shard| shard.path));
        }
    }
    objects.extend(store.publication()?.and_then(|last| last.users));
    objects.extend(store.published_coverage()?.map(|coverage| coverage.path));
    let people = store.people()?.into_iter();
    objects.extend(people.filter_map(|(_, person)| person.copied).map(|copied| copied.object));
    Ok(objects)
}
