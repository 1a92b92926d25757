//! What the simulated Cloud Storage holds: buckets, objects, unfinished uploads, faults to come, counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::Stored;
use crate::content::{Content, Hashes};
use crate::fault::{Faults, Op};
use crate::refusal::Refusal;
use crate::resource::{Conditions, Headers, Resource};
use crate::upload::Upload;

/// All that there is, and the folder for what is large.
#[derive(Debug)]
pub(crate) struct World {
    endpoint: String,
    folder: TempDir,
    state: Mutex<State>,
}

/// What a caller may do with a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Read objects and what is said about them.
    Get,
    /// Name objects.
    List,
    /// Write an object that is not there.
    Create,
    /// Remove an object; replacing one needs this as well as [`Self::Create`].
    Delete,
    /// Change what is said about an object.
    Update,
    /// See the bucket itself.
    Bucket,
}

/// What a reader without an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Public {
    /// Nothing.
    Nothing,
    /// Read objects whose names they know.
    Objects,
    /// Name objects as well.
    ObjectsAndListing,
}

/// What was asked, of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests, those that went wrong included.
    pub requests: u64,
    /// Those of them that carried credentials.
    pub authorized: u64,
    /// Bytes of their bodies.
    pub bytes_in: u64,
    /// Bytes of the answers' bodies.
    pub bytes_out: u64,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) buckets: BTreeMap<String, BucketState>,
    pub(crate) uploads: HashMap<String, Arc<tokio::sync::Mutex<Upload>>>,
    pub(crate) faults: Faults,
    counts: BTreeMap<Op, Counts>,
    last_generation: i64,
}

#[derive(Debug)]
pub(crate) struct BucketState {
    pub(crate) objects: BTreeMap<String, Resource>,
    pub(crate) created: OffsetDateTime,
    pub(crate) public: Public,
    pub(crate) cors: Vec<Value>,
    denied: BTreeSet<Permission>,
}

/// An object that is about to be put.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) content: Content,
    pub(crate) hashes: Hashes,
    pub(crate) headers: Headers,
}

impl World {
    pub(crate) fn new(endpoint: String) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("gcs-sim-").tempdir()?;
        Ok(Self { endpoint, folder, state: Mutex::default() })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state")
    }
}

impl State {
    pub(crate) fn create_bucket(&mut self, name: &str) {
        self.buckets.entry(name.to_owned()).or_insert_with(BucketState::new);
    }

    pub(crate) fn deny(&mut self, bucket: &str, permission: Permission) {
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.denied.insert(permission);
        }
    }

    pub(crate) fn allow_all(&mut self, bucket: &str) {
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.denied.clear();
        }
    }

    pub(crate) fn set_public(&mut self, bucket: &str, public: Public) {
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.public = public;
        }
    }

    pub(crate) fn bucket(
        &mut self,
        name: &str,
        permission: Permission,
    ) -> Result<&mut BucketState, Refusal> {
        let bucket = self.buckets.get_mut(name).ok_or_else(Refusal::no_bucket)?;
        if bucket.denied.contains(&permission) {
            let resource = if permission == Permission::Bucket { "bucket" } else { "object" };
            return Err(Refusal::forbidden(permission.name(), resource));
        }
        Ok(bucket)
    }

    pub(crate) fn object(
        &mut self,
        bucket: &str,
        name: &str,
        permission: Permission,
    ) -> Result<&mut Resource, Refusal> {
        let missing = || Refusal::no_object(bucket, name);
        self.bucket(bucket, permission)?.objects.get_mut(name).ok_or_else(missing)
    }

    /// Whether a put may happen, asked when it begins and when it ends.
    pub(crate) fn check_put(
        &mut self,
        bucket: &str,
        name: &str,
        conditions: Conditions,
    ) -> Result<(), Refusal> {
        let there = self.bucket(bucket, Permission::Create)?.objects.get(name).cloned();
        conditions.check(there.as_ref())?;
        if there.is_some() {
            self.bucket(bucket, Permission::Delete)?;
        }
        Ok(())
    }

    pub(crate) fn put(
        &mut self,
        bucket: &str,
        draft: Draft,
        conditions: Conditions,
    ) -> Result<Resource, Refusal> {
        self.check_put(bucket, &draft.name, conditions)?;
        let now = OffsetDateTime::now_utc();
        let micros = i64::try_from(now.unix_timestamp_nanos() / 1000).unwrap_or_default();
        self.last_generation = micros.max(self.last_generation + 1);
        let resource = Resource {
            name: draft.name,
            generation: self.last_generation,
            metageneration: 1,
            content: draft.content,
            hashes: draft.hashes,
            created: now,
            updated: now,
            headers: draft.headers,
        };
        let objects = &mut self.bucket(bucket, Permission::Create)?.objects;
        objects.insert(resource.name.clone(), resource.clone());
        Ok(resource)
    }

    pub(crate) fn count(&mut self, op: Op, count: impl Fn(&mut Counts)) {
        count(self.counts.entry(op).or_default());
        count(self.counts.entry(Op::Any).or_default());
    }

    pub(crate) fn counts(&self, op: Op) -> Counts {
        self.counts.get(&op).copied().unwrap_or_default()
    }

    pub(crate) fn content(&self, bucket: &str, name: &str) -> Option<Content> {
        Some(self.buckets.get(bucket)?.objects.get(name)?.content.clone())
    }

    pub(crate) fn replace_content(&mut self, bucket: &str, name: &str, bytes: Bytes) -> bool {
        let bucket = self.buckets.get_mut(bucket);
        let Some(object) = bucket.and_then(|bucket| bucket.objects.get_mut(name)) else {
            return false;
        };
        object.content = Content::Memory(bytes);
        true
    }

    pub(crate) fn stored(&self, bucket: &str) -> Vec<Stored> {
        let Some(bucket) = self.buckets.get(bucket) else { return Vec::new() };
        bucket
            .objects
            .values()
            .map(|object| Stored {
                name: object.name.clone(),
                generation: object.generation,
                size: object.content.len(),
                crc32c: object.hashes.crc32c,
                content_type: object.headers.content_type.clone().unwrap_or_default(),
                cache_control: object.headers.cache_control.clone(),
                content_disposition: object.headers.content_disposition.clone(),
                content_encoding: object.headers.content_encoding.clone(),
            })
            .collect()
    }
}

impl BucketState {
    fn new() -> Self {
        Self {
            objects: BTreeMap::new(),
            created: OffsetDateTime::now_utc(),
            public: Public::Objects,
            cors: Vec::new(),
            denied: BTreeSet::new(),
        }
    }

    pub(crate) fn allows(&self, permission: &str) -> bool {
        ALL_PERMISSIONS
            .iter()
            .any(|known| known.name() == permission && !self.denied.contains(known))
    }
}

const ALL_PERMISSIONS: [Permission; 6] = [
    Permission::Get,
    Permission::List,
    Permission::Create,
    Permission::Delete,
    Permission::Update,
    Permission::Bucket,
];

impl Permission {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "storage.objects.get",
            Self::List => "storage.objects.list",
            Self::Create => "storage.objects.create",
            Self::Delete => "storage.objects.delete",
            Self::Update => "storage.objects.update",
            Self::Bucket => "storage.buckets.get",
        }
    }
}
