//! Settings: text from flags and environment becomes a checked [`Config`], or every problem with it at once.
//!
//! Nothing here touches the disk or the network, and nothing is adjusted in silence: what can't be used is refused
//! with its name, what was found and what it should look like. Only `main` and `app` read settings; everything else is
//! handed the values it needs.

mod variable;
mod reader;
mod parse;
mod token;
mod origin;
mod problem;
mod hint;
mod webhook;

use std::{
    collections::BTreeSet,
    fmt,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::domain::{
    id::{ChannelId, RoleId},
    removal::RemovalPolicy,
    selection::{MediaMode, MediaSelection, PlaceSelection, Policy},
};

pub use self::hint::{Hint, hints};
pub use self::origin::Origin;
pub use self::problem::{Problem, Problems};
pub use self::token::Token;
pub use self::variable::Variable;
pub use self::webhook::Webhook;

use self::reader::Reader;

/// The name of the folder within the state folder that stands for a private bucket when no other is named.
const PRIVATE: &str = "private";

/// Finds the text of a setting by the name of its variable.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Every setting there is, in the order in which they are documented.
pub fn variables() -> &'static [&'static Variable] {
    variable::ALL
}

/// What the service needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whose archive is made.
    pub discord: Discord,
    /// Which channels are read. No server named means the one that the bot is in.
    pub places: PlaceSelection,
    /// Which files are taken, and how.
    pub media: Media,
    /// Where the archive is kept.
    pub bucket: BucketChoice,
    /// Where the store, the spool and the control socket are.
    pub state_dir: PathBuf,
    /// Where is kept what must not be public.
    pub private: PrivateChoice,
    /// What the page is called; the server's name when nothing was chosen.
    pub title: Option<String>,
    /// What becomes of what was deleted on Discord.
    pub removal: RemovalPolicy,
    /// Members with one of these roles are not archived.
    pub opt_out_roles: BTreeSet<RoleId>,
    /// When things happen.
    pub timings: Timings,
    /// How much happens at a time.
    pub workers: Workers,
    /// Where the service tells how it is; nowhere unless asked to.
    pub status_addr: Option<SocketAddr>,
    /// Who is told when a person has to act; nobody unless asked to.
    pub alerts: Option<Webhook>,
    /// How log lines look.
    pub log: LogFormat,
}

/// How Discord is reached.
#[derive(Clone, Debug)]
pub struct Discord {
    /// What the bot proves itself with.
    pub token: Token,
    /// Where the REST interface is; the gateway's address is asked there.
    pub api: Origin,
    /// Where files may be fetched from, redirects included.
    pub cdn_hosts: BTreeSet<Origin>,
}

/// Which files are taken, and how.
#[derive(Clone, Debug)]
pub struct Media {
    /// Whether files are copied.
    pub mode: MediaMode,
    /// Which of them.
    pub selection: MediaSelection,
}

/// Where the archive is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketChoice {
    /// In Google Cloud Storage.
    Gcs {
        /// The bucket's name.
        name: String,
        /// The file with the service account's key; the machine's own credentials without it.
        credentials: Option<PathBuf>,
        /// A stand-in for Google, asked without credentials.
        emulator: Option<Origin>,
    },
    /// In a folder.
    Folder {
        /// Its path.
        path: PathBuf,
    },
}

impl fmt::Display for BucketChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gcs { name, .. } => write!(f, "gs://{name}"),
            Self::Folder { path } => path.display().fmt(f),
        }
    }
}

/// Where is kept what must not be public: hidden files, raw messages, tombstones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateChoice {
    /// In a bucket or folder of its own, from which an empty state folder can be filled again.
    Elsewhere(BucketChoice),
    /// In a folder within the state folder, with which it is lost.
    WithState(PathBuf),
}

impl PrivateChoice {
    /// What it comes down to.
    pub fn bucket(&self) -> BucketChoice {
        match self {
            Self::Elsewhere(bucket) => bucket.clone(),
            Self::WithState(path) => BucketChoice::Folder { path: path.clone() },
        }
    }
}

/// When things happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// What changes within this time is one publication.
    pub publish_every: Duration,
    /// How long after a live message the tail of its channel is read back from history.
    pub confirm_after: Duration,
    /// How long the queues may drain before the process ends without them.
    pub shutdown_after: Duration,
    /// How often history that was read is read again; never when none.
    pub reconcile_every: Option<Duration>,
    /// How often the bucket is compared with the catalogue; never when none.
    pub verify_every: Option<Duration>,
}

/// How much happens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Transfers at once.
    pub downloads: NonZeroUsize,
    /// Runs of ffmpeg at once.
    pub thumbnails: NonZeroUsize,
    /// How many bytes may lie on disk on their way to the bucket. One file is always let in, however large.
    pub spool_size: u64,
}

impl Workers {
    /// Transfers wait for the network far more than they compute, and one host should not feel an archive.
    const MOST_DOWNLOADS: usize = 16;
    /// ffmpeg takes a core each, and about 100 MB.
    const MOST_THUMBNAILS: usize = 8;

    fn default_downloads(cores: NonZeroUsize) -> NonZeroUsize {
        let wanted = cores.saturating_mul(NonZeroUsize::MIN.saturating_add(1)).get();
        NonZeroUsize::new(wanted.clamp(4, Self::MOST_DOWNLOADS)).unwrap_or(cores)
    }

    fn default_thumbnails(cores: NonZeroUsize) -> NonZeroUsize {
        NonZeroUsize::new(cores.get().min(Self::MOST_THUMBNAILS)).unwrap_or(cores)
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The settings of commands that look at an archive without asking Discord: they work without a token, and with
/// other settings broken.
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// Where the archive is kept.
    pub bucket: BucketChoice,
    /// Where the store and the control socket are.
    pub state_dir: PathBuf,
    /// Where is kept what must not be public.
    pub private: PrivateChoice,
    /// Where the service tells how it is.
    pub status_addr: Option<SocketAddr>,
    /// How log lines look.
    pub log: LogFormat,
}

/// What is wanted of Discord, for commands that look at the store without asking Discord: they work without a token.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// Which channels are read.
    pub places: PlaceSelection,
    /// Which files are taken, and how.
    pub media: Media,
    /// What becomes of what was deleted on Discord.
    pub removal: RemovalPolicy,
    /// When things happen.
    pub timings: Timings,
}

impl Wishes {
    /// Checks the settings that say what is wanted.
    pub fn check(lookup: &Lookup<'_>) -> Result<Self, Problems> {
        let mut reader = Reader::new(lookup);
        let places = read_places(&mut reader);
        let media = read_media(&mut reader);
        let removal = read_removal(&mut reader);
        let timings = read_timings(&mut reader);
        reader.finish(|| {
            Some(Self { places: places?, media: media?, removal: removal?, timings: timings? })
        })
    }

    /// What is done about files.
    pub fn policy(&self) -> Policy {
        policy(&self.media, &self.timings, self.removal)
    }
}

impl Config {
    /// Checks every setting. `cores` is how many the machine has, after which defaults are sized.
    pub fn check(lookup: &Lookup<'_>, cores: NonZeroUsize) -> Result<Self, Problems> {
        let mut reader = Reader::new(lookup);
        let discord = read_discord(&mut reader);
        let places = read_places(&mut reader);
        let media = read_media(&mut reader);
        let local = read_local(&mut reader);
        let title = reader.optional(&variable::TITLE, parse::title);
        let timings = read_timings(&mut reader);
        let workers = read_workers(&mut reader, cores);
        let removal = read_removal(&mut reader);
        let opt_out_roles = reader.optional(&variable::OPT_OUT_ROLE_ID, parse::ids);
        let alerts = reader.optional(&variable::ALERT_WEBHOOK_URL, parse::webhook);
        reader.finish(|| {
            let LocalConfig { bucket, state_dir, private, status_addr, log } = local?;
            Some(Self {
                discord: discord?,
                places: places?,
                media: media?,
                bucket,
                state_dir,
                private,
                title,
                removal: removal?,
                opt_out_roles: opt_out_roles.unwrap_or_default(),
                timings: timings?,
                workers: workers?,
                status_addr,
                alerts,
                log,
            })
        })
    }

    /// What is done about files.
    pub fn policy(&self) -> Policy {
        policy(&self.media, &self.timings, self.removal)
    }
}

impl LocalConfig {
    /// Checks the settings that are needed without Discord.
    pub fn check(lookup: &Lookup<'_>) -> Result<Self, Problems> {
        let mut reader = Reader::new(lookup);
        let local = read_local(&mut reader);
        reader.finish(|| local)
    }
}

fn policy(media: &Media, timings: &Timings, removal: RemovalPolicy) -> Policy {
    Policy {
        selection: media.selection.clone(),
        mode: media.mode,
        publish_every: timings.publish_every,
        removal,
    }
}

fn read_discord(reader: &mut Reader<'_>) -> Option<Discord> {
    let token = reader.required(&variable::TOKEN, Token::parse);
    let api = reader.required(&variable::DISCORD_API_URL, Origin::parse);
    let cdn_hosts = reader.required(&variable::CDN_HOSTS, parse::hosts);
    Some(Discord { token: token?, api: api?, cdn_hosts: cdn_hosts? })
}

fn read_places(reader: &mut Reader<'_>) -> Option<PlaceSelection> {
    let channels = reader.optional(&variable::CHANNEL_IDS, parse::ids).unwrap_or_default();
    let guilds = reader.optional(&variable::SERVER_IDS, parse::ids).unwrap_or_default();
    let excluded: BTreeSet<ChannelId> = reader
        .optional(&variable::EXCLUDE_IDS, |text| {
            let excluded = parse::ids(text)?;
            match excluded.intersection(&channels).next() {
                Some(both) => Err(format!("names {both}, which CHANNEL_IDS asks for").into()),
                None => Ok(excluded),
            }
        })
        .unwrap_or_default();
    let include_private = reader.required(&variable::INCLUDE_PRIVATE, parse::boolean);
    let include_nsfw = reader.required(&variable::INCLUDE_NSFW, parse::boolean);
    Some(PlaceSelection {
        guilds,
        channels,
        excluded,
        include_private: include_private?,
        include_nsfw: include_nsfw?,
    })
}

fn read_media(reader: &mut Reader<'_>) -> Option<Media> {
    let mode = reader.required(&variable::MEDIA, parse::media_mode);
    let kinds = reader.required(&variable::MEDIA_KINDS, parse::kinds);
    let max_size = reader.optional(&variable::MAX_FILE_SIZE, parse::size);
    Some(Media { mode: mode?, selection: MediaSelection { kinds: kinds?, max_size } })
}

fn read_local(reader: &mut Reader<'_>) -> Option<LocalConfig> {
    let name = reader.optional(&variable::BUCKET_NAME, parse::bucket_name);
    let credentials = reader.optional(&variable::GOOGLE_APPLICATION_CREDENTIALS, parse::key_file);
    let emulator = reader.optional(&variable::STORAGE_EMULATOR_HOST, Origin::parse_emulator);
    let folder = reader.required(&variable::ARCHIVE_DIR, parse::path);
    let state_dir = reader.required(&variable::STATE_DIR, parse::path);
    let status_addr = reader.required(&variable::STATUS_ADDR, parse::address);
    let log = reader.required(&variable::LOG_FORMAT, parse::log_format);
    let public = name.clone();
    let private_name = reader.optional(&variable::STATE_BUCKET_NAME, |text| {
        if public.as_deref() == Some(text) {
            return Err("is the bucket that everybody may read (BUCKET_NAME)".into());
        }
        parse::bucket_name(text)
    });
    let private_folder = reader.optional(&variable::STATE_BUCKET_DIR, |text| {
        if text == folder.as_deref().and_then(Path::to_str).unwrap_or_default() {
            return Err("is the folder that everybody may read (ARCHIVE_DIR)".into());
        }
        parse::path(text)
    });
    let state_dir = state_dir?;
    let gcs = |name| BucketChoice::Gcs {
        name,
        credentials: credentials.clone(),
        emulator: emulator.clone(),
    };
    let private = match (private_name, private_folder) {
        (Some(name), _) => PrivateChoice::Elsewhere(gcs(name)),
        (None, Some(path)) => PrivateChoice::Elsewhere(BucketChoice::Folder { path }),
        (None, None) => PrivateChoice::WithState(state_dir.join(PRIVATE)),
    };
    let bucket = match name {
        Some(name) => gcs(name),
        None => BucketChoice::Folder { path: folder? },
    };
    let (status_addr, log) = (status_addr?.0, log?);
    Some(LocalConfig { bucket, state_dir, private, status_addr, log })
}

fn read_removal(reader: &mut Reader<'_>) -> Option<RemovalPolicy> {
    let on_delete = reader.required(&variable::ON_DELETE, parse::on_delete);
    let erase_after = reader.required(&variable::ERASE_DELETED_AFTER, parse::period);
    let mass = reader.required(&variable::MASS_DELETION, parse::percent);
    Some(RemovalPolicy { on_delete: on_delete?, erase_after: erase_after?.0, mass: mass? })
}

fn read_timings(reader: &mut Reader<'_>) -> Option<Timings> {
    let publish_every = reader.required(&variable::PUBLISH_EVERY, parse::duration);
    let confirm_after = reader.required(&variable::CONFIRM_AFTER, parse::duration);
    let shutdown_after = reader.required(&variable::SHUTDOWN_AFTER, parse::duration);
    let reconcile_every = reader.required(&variable::RECONCILE_EVERY, parse::period);
    let verify_every = reader.required(&variable::VERIFY_EVERY, parse::period);
    Some(Timings {
        publish_every: publish_every?,
        confirm_after: confirm_after?,
        shutdown_after: shutdown_after?,
        reconcile_every: reconcile_every?.0,
        verify_every: verify_every?.0,
    })
}

fn read_workers(reader: &mut Reader<'_>, cores: NonZeroUsize) -> Option<Workers> {
    let downloads = reader.optional(&variable::DOWNLOADS, parse::workers);
    let thumbnails = reader.optional(&variable::THUMBNAILS, parse::workers);
    let spool_size = reader.required(&variable::SPOOL_SIZE, parse::size);
    Some(Workers {
        downloads: downloads.unwrap_or_else(|| Workers::default_downloads(cores)),
        thumbnails: thumbnails.unwrap_or_else(|| Workers::default_thumbnails(cores)),
        spool_size: spool_size?,
    })
}

#[cfg(test)]
mod tests;
