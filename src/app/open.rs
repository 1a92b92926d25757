//! Opens the real ports, as configured.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;

use super::{Orders, Ports};
use crate::{
    actors::{
        backfill::Wanted,
        publisher::{Keeper, LEASE_LASTS, Page},
    },
    bucket::{
        Bucket, FolderBucket, GcsBucket, GcsOptions, Holder, Lease, RetryBucket, RetryPolicy,
    },
    cdn::{Host, HttpCdn},
    clock::Clock,
    config::{BucketChoice, Config, Origin, PrivateChoice},
    discord::{LiveDiscord, Priority, gateway::LiveGateway},
    domain::selection::MediaMode,
    domain::selection::{PlaceSelection, Policy},
    ffmpeg::Ffmpeg,
    gallery::page::PageMode,
    spool::Spool,
    store::{KvError, SledKv, Store},
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

/// The store in the state folder.
pub fn store(state: &Path) -> anyhow::Result<Store> {
    let kv = SledKv::open(&state.join(STORE)).context("open the store")?;
    Ok(Store::new(Arc::new(kv)))
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
    let bucket = bucket(&config.bucket).await?;
    let lease = Lease::acquire(
        Arc::clone(&bucket),
        holder(&config.state_dir)?,
        Clock::System.now().into(),
        LEASE_LASTS,
    )
    .await
    .with_context(|| format!("{} ({})", setting_of(&config.bucket), config.bucket))?;
    let spool = Spool::open(config.state_dir.join("spool"), config.workers.spool_size)
        .await
        .context("open the spool in STATE_DIR")?;
    sweep(&spool, &store).await.context("sweep the spool in STATE_DIR")?;
    let private = private(&config.private).await?;
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
        lease: Keeper::new(lease, Clock::System),
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
        policy: Policy {
            selection: config.media.selection.clone(),
            mode: config.media.mode,
            publish_every: config.timings.publish_every,
            removal: config.removal,
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
