//! Opens the real ports, as configured.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tracing::error;

use super::{
    Copies, Orders, Ports,
    restore::{self, Sources},
};
use crate::{
    actors::{
        backfill::Wanted,
        publisher::{Keeper, LEASE_LASTS, Page},
    },
    bucket::{
        Bucket, FolderBucket, GcsBucket, GcsOptions, Holder, Lease, RetryBucket, RetryPolicy,
        ToldBucket,
    },
    cdn::{Host, HttpCdn},
    clock::Clock,
    config::{BucketChoice, Config, Origin, PrivateChoice},
    discord::{LiveDiscord, Priority, gateway::LiveGateway},
    domain::{
        selection::{MediaMode, PlaceSelection},
        time::Timestamp,
    },
    ffmpeg::Ffmpeg,
    gallery::page::PageMode,
    spool::Spool,
    store::{KvError, SledKv, Store, StoreError},
};

/// How long one look at a file may take, reading it over a slow line included.
const LOOK_DEADLINE: Duration = Duration::from_mins(2);

/// Where Discord serves pictures of people, unless it is another one for tests.
const PICTURES: &str = "https://cdn.discordapp.com";

/// The name of the folder of the store, within the state folder.
const STORE: &str = "store";

/// Discord over REST.
pub fn discord(config: &Config) -> anyhow::Result<LiveDiscord> {
    let origin = config.discord.api.to_string();
    Ok(LiveDiscord::new(config.discord.token.reveal(), &origin, Clock::System)?)
}

/// The bucket, with its retries.
pub async fn bucket(choice: &BucketChoice) -> anyhow::Result<Arc<dyn Bucket>> {
    match choice {
        BucketChoice::Folder { path } => {
            let folder = FolderBucket::open(path.clone()).await.context("ARCHIVE_DIR")?;
            Ok(Arc::new(folder))
        }
        BucketChoice::Gcs { name, credentials, emulator } => {
            let bucket = gcs(name, credentials.as_ref(), emulator.as_ref()).await?;
            Ok(Arc::new(RetryBucket::new(Arc::new(bucket), RetryPolicy::default())))
        }
    }
}

/// The bucket for what must not be public.
pub async fn private(choice: &PrivateChoice) -> anyhow::Result<Arc<dyn Bucket>> {
    bucket(&choice.bucket()).await.context(match choice {
        PrivateChoice::Elsewhere(BucketChoice::Gcs { .. }) => "STATE_BUCKET_NAME",
        PrivateChoice::Elsewhere(BucketChoice::Folder { .. }) => "STATE_BUCKET_DIR",
        PrivateChoice::WithState(_) => "STATE_DIR",
    })
}

/// A bucket of Google's, without retries.
pub async fn gcs(
    name: &str,
    credentials: Option<&PathBuf>,
    emulator: Option<&Origin>,
) -> anyhow::Result<GcsBucket> {
    let emulator = emulator.map(ToString::to_string);
    let options = GcsOptions::new(name, credentials.cloned(), emulator.as_deref());
    Ok(GcsBucket::open(options).await?)
}

/// The CDN.
pub fn cdn(config: &Config) -> anyhow::Result<HttpCdn> {
    let hosts = config.discord.cdn_hosts.iter().map(|host| host.to_string().parse::<Host>());
    let hosts: Vec<Host> =
        hosts.collect::<Result<_, _>>().map_err(anyhow::Error::msg).context("CDN_HOSTS")?;
    Ok(HttpCdn::new(hosts))
}

/// Looks at files with the programs that are here.
pub fn ffmpeg() -> Ffmpeg {
    Ffmpeg::find(LOOK_DEADLINE)
}

/// The store in the state folder, in the form of this build.
pub fn store(state: &Path) -> anyhow::Result<Store> {
    sound_store(state).context("open the store")
}

/// The same for whoever is about to work with it: one that is damaged is set aside, never deleted, and an empty one
/// takes its place, to be restored.
pub fn store_or_empty(state: &Path) -> anyhow::Result<Store> {
    match sound_store(state) {
        Err(error) if error.is_damage() => {
            let aside = set_aside(state, Clock::System.now())?;
            error!(
                %error,
                aside = %aside.display(),
                "the store is damaged: it was set aside, and the state is restored from the buckets"
            );
            store(state)
        }
        opened => opened.context("open the store"),
    }
}

/// Moves the store to a name that tells when, and returns it.
pub fn set_aside(state: &Path, now: Timestamp) -> anyhow::Result<PathBuf> {
    let time = now.to_string().replace(':', "-");
    let aside = state.join(format!("{STORE}.damaged-{time}"));
    std::fs::rename(state.join(STORE), &aside).context("set the store in STATE_DIR aside")?;
    Ok(aside)
}

fn sound_store(state: &Path) -> Result<Store, StoreError> {
    let folder = state.join(STORE);
    // sled panics at some of the damages that it finds while it opens.
    let opened = std::panic::catch_unwind(|| {
        let store = Store::new(Arc::new(SledKv::open(&folder)?));
        store.open()?;
        store.look_through()?;
        Ok(store)
    });
    opened.unwrap_or_else(|_| {
        let reason = "it can't even be opened".to_owned();
        Err(KvError::Corrupt { reason }.into())
    })
}

/// The right to write into a bucket.
pub async fn lease(
    config: &BucketChoice,
    state: &Path,
) -> anyhow::Result<(Arc<dyn Bucket>, Lease)> {
    let bucket: Arc<dyn Bucket> = Arc::new(ToldBucket::new(bucket(config).await?));
    let now = Clock::System.now().into();
    let lease = Lease::acquire(Arc::clone(&bucket), holder(state)?, now, LEASE_LASTS)
        .await
        .with_context(|| format!("{} ({config})", setting_of(config)))?;
    Ok((bucket, lease))
}

/// Where a lost state is restored from.
pub fn sources(
    bucket: &Arc<dyn Bucket>,
    choice: &PrivateChoice,
    private: &Arc<dyn Bucket>,
) -> Sources {
    let copy = match choice {
        PrivateChoice::Elsewhere(_) => Some(Arc::clone(private)),
        PrivateChoice::WithState(_) => None,
    };
    Sources { bucket: Arc::clone(bucket), copy }
}

/// Whether a store was ever made in this state folder.
pub fn is_there(state: &Path) -> bool {
    state.join(STORE).exists()
}

/// Whether the store could not be opened because another process has it.
pub fn is_taken(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(KvError::Locked)))
}

/// All ports but the gateway.
pub async fn ports(config: &Config, discord: LiveDiscord, store: Store) -> anyhow::Result<Ports> {
    let (bucket, lease) = lease(&config.bucket, &config.state_dir).await?;
    let lease = Keeper::new(lease, Clock::System);
    let private = private(&config.private).await?;
    let sources = sources(&bucket, &config.private, &private);
    let policy = Arc::new(config.policy());
    if let Err(error) =
        lease.clone().hold_during(restore::ensure(&store, &sources, &policy, Clock::System)).await?
    {
        lease.release().await;
        return Err(error).context("restore the state");
    }
    let spool = Spool::open(config.state_dir.join("spool"), config.workers.spool_size)
        .await
        .context("open the spool in STATE_DIR")?;
    sweep(&spool, &store).await.context("sweep the spool in STATE_DIR")?;
    Ok(Ports {
        patient: Arc::new(discord.with_priority(Priority::Patient)),
        discord: Arc::new(discord),
        gateway: None,
        cdn: Arc::new(cdn(config)?),
        bucket,
        private,
        store,
        spool,
        thumbnailer: Arc::new(ffmpeg()),
        lease,
        clock: Clock::System,
    })
}

/// The variable that names the bucket.
pub fn setting_of(choice: &BucketChoice) -> &'static str {
    match choice {
        BucketChoice::Folder { .. } => "ARCHIVE_DIR",
        BucketChoice::Gcs { .. } => "BUCKET_NAME",
    }
}

/// The gateway. To be called in the runtime in which it is listened to.
pub fn gateway(config: &Config, discord: LiveDiscord) -> Arc<LiveGateway> {
    Arc::new(LiveGateway::new(config.discord.token.reveal(), discord))
}

/// What is to be done, as configured.
pub fn orders(
    config: &Config,
    selection: PlaceSelection,
    wanted: Wanted,
) -> anyhow::Result<Orders> {
    let plain = config.discord.cdn_hosts.iter().map(ToString::to_string);
    let mode = match config.media.mode {
        MediaMode::Copy => PageMode::Copy,
        MediaMode::Link => {
            let hosts = plain.map(|host| host.parse()).collect::<Result<_, _>>();
            PageMode::Link(hosts.context("CDN_HOSTS")?)
        }
    };
    Ok(Orders {
        policy: config.policy(),
        copies: match config.private {
            PrivateChoice::Elsewhere(_) => Copies::Kept,
            PrivateChoice::WithState(_) => Copies::None,
        },
        selection,
        wanted,
        reconciling: super::reconciling(config.timings.reconcile_every),
        confirm_after: config.timings.confirm_after,
        downloads: config.workers.downloads.get(),
        thumbnails: config.workers.thumbnails.get(),
        verify_every: config.timings.verify_every,
        page: Page { title: config.title.clone(), mode },
        pictures: pictures(config),
        opt_out_roles: config.opt_out_roles.clone(),
    })
}

/// A simulated Discord serves everything from one host, which then is the first that is not encrypted.
fn pictures(config: &Config) -> String {
    let own = config.discord.cdn_hosts.iter().find(|host| !host.is_encrypted());
    own.map_or_else(|| PICTURES.to_owned(), ToString::to_string)
}

/// Files that nobody waits for, left by a crash between a look and its end.
pub async fn sweep(spool: &Spool, store: &Store) -> anyhow::Result<()> {
    for sha256 in spool.files().await? {
        if !store.awaits_look(sha256)? {
            spool.remove(sha256).await?;
        }
    }
    Ok(())
}

/// Who we are to others who want the lease: the same after a crash, as long as the state folder is the same.
fn holder(state: &Path) -> anyhow::Result<Holder> {
    let file = state.join("holder");
    let id = match std::fs::read_to_string(&file) {
        Ok(id) if !id.trim().is_empty() => id.trim().to_owned(),
        _ => {
            let id = format!("{:032x}", rand::random::<u128>());
            std::fs::write(&file, &id).context("write to STATE_DIR")?;
            id
        }
    };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("HOSTNAME").ok());
    let host = host.map_or_else(|| "this machine".to_owned(), |host| host.trim().to_owned());
    Ok(Holder { id, host, process: std::process::id() })
}
