//! A Google Cloud Storage made of a loopback socket, judged by Google's own Python client.
//!
//! It speaks the JSON API (uploads in one piece and resumable, downloads, listing, metadata, buckets)
//! and enough of the XML API to open a public page in a browser.
//! Tests hand it faults and look at what it holds and at what it was asked.

mod content;
mod download;
mod fault;
mod http;
mod listing;
mod metadata;
mod refusal;
mod resource;
mod upload;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use self::fault::{Fault, Op};
pub use self::world::{Counts, Permission, Public};

use self::world::World;

/// A running Cloud Storage; dropped, it is gone with all it holds.
#[derive(Debug)]
pub struct Sim {
    world: Arc<World>,
    address: SocketAddr,
    server: Mutex<Option<JoinHandle<()>>>,
}

/// An object as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The name.
    pub name: String,
    /// Which put made it.
    pub generation: i64,
    /// How many bytes are stored.
    pub size: u64,
    /// Their Castagnoli checksum.
    pub crc32c: u32,
    /// The media type it is served with.
    pub content_type: String,
    /// The caching it is served with.
    pub cache_control: Option<String>,
    /// Whether it is shown or saved.
    pub content_disposition: Option<String>,
    /// How the bytes are packed.
    pub content_encoding: Option<String>,
}

impl Sim {
    /// Starts on a free port of this machine.
    pub async fn start() -> io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts on an address.
    pub async fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let world = Arc::new(World::new(format!("http://{address}"))?);
        let server = tokio::spawn(http::serve(listener, Arc::clone(&world)));
        Ok(Self { world, address, server: Mutex::new(Some(server)) })
    }

    /// The server dies, and its connections with it; what it holds stays.
    pub async fn pull_plug(&self) {
        let server = self.server().take();
        if let Some(server) = server {
            server.abort();
            // An aborted task ends with an error that says so.
            drop(server.await);
        }
    }

    /// The server is started again where it was.
    pub async fn plug_in(&self) -> io::Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        let server = tokio::spawn(http::serve(listener, Arc::clone(&self.world)));
        *self.server() = Some(server);
        Ok(())
    }

    fn server(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.server.lock().expect("nothing panics while it holds the server")
    }

    /// Where it listens, `http://host:port`: what `STORAGE_EMULATOR_HOST` wants.
    pub fn endpoint(&self) -> &str {
        self.world.endpoint()
    }

    /// Makes a bucket; one that is there stays as it is.
    pub fn create_bucket(&self, name: &str) {
        self.world.state().create_bucket(name);
    }

    /// Takes permissions on a bucket from every caller of the JSON API, until [`Self::allow_all`].
    pub fn deny(&self, bucket: &str, permission: Permission) {
        self.world.state().deny(bucket, permission);
    }

    /// Gives every permission back.
    pub fn allow_all(&self, bucket: &str) {
        self.world.state().allow_all(bucket);
    }

    /// What a browser without an account sees of a bucket; objects but no listing at first.
    pub fn set_public(&self, bucket: &str, public: Public) {
        self.world.state().set_public(bucket, public);
    }

    /// Lets the next `times` requests of a kind, after `skip` of them, go wrong.
    pub fn inject(&self, op: Op, fault: Fault, skip: u32, times: u32) {
        self.world.state().faults.add(op, fault, skip, times);
    }

    /// How many of the faults that were asked for have not happened.
    pub fn pending_faults(&self) -> u32 {
        self.world.state().faults.pending()
    }

    /// What was asked so far, of one kind of request.
    pub fn counts(&self, op: Op) -> Counts {
        self.world.state().counts(op)
    }

    /// The names of all buckets.
    pub fn buckets(&self) -> Vec<String> {
        self.world.state().buckets.keys().cloned().collect()
    }

    /// Everything in a bucket, in the order of names; nothing when it does not exist.
    pub fn objects(&self, bucket: &str) -> Vec<Stored> {
        self.world.state().stored(bucket)
    }

    /// The bytes of an object.
    pub async fn read(&self, bucket: &str, name: &str) -> Option<Bytes> {
        let content = self.world.state().content(bucket, name)?;
        content.read().await.ok()
    }

    /// Flips a bit of an object behind everybody's back, keeping its checksum; whether it was there.
    pub async fn damage(&self, bucket: &str, name: &str) -> bool {
        let Some(bytes) = self.read(bucket, name).await else { return false };
        let mut bytes = bytes.to_vec();
        if let Some(byte) = bytes.first_mut() {
            *byte ^= 1;
        }
        self.world.state().replace_content(bucket, name, bytes.into())
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if let Some(server) = self.server().take() {
            server.abort();
        }
    }
}
