//! The names of all settings, with what each should look like and what it is when nobody sets it.
//!
//! README.md and `.env.sample` repeat this table; a test compares the three.

/// A setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Variable {
    /// The name of the environment variable.
    pub name: &'static str,
    /// The option of the command line that wins over it.
    pub flag: Option<&'static str>,
    /// What it is when nobody sets it; none where that is nothing, or is found out.
    pub default: Option<&'static str>,
    /// What it should look like, to end the sentence "it should be …".
    pub shape: &'static str,
    /// Whether its value may be shown.
    pub sensitivity: Sensitivity,
}

/// Whether the value of a setting may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensitivity {
    /// It may appear in messages.
    Open,
    /// It never leaves the process.
    Secret,
}

impl Variable {
    const fn new(name: &'static str, shape: &'static str) -> Self {
        Self { name, flag: None, default: None, shape, sensitivity: Sensitivity::Open }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    const fn secret(self) -> Self {
        Self { sensitivity: Sensitivity::Secret, ..self }
    }
}

pub(super) const TOKEN: Variable = Variable::new(
    "TOKEN",
    "a bot token: copy it from https://discord.com/developers/applications (your application, Bot, Reset Token)",
)
.secret();

pub(super) const CHANNEL_IDS: Variable = Variable::new("CHANNEL_IDS", IDS).flag("--channel-id");
pub(super) const SERVER_IDS: Variable = Variable::new("SERVER_IDS", IDS).flag("--server-id");
pub(super) const EXCLUDE_IDS: Variable = Variable::new("EXCLUDE_IDS", IDS);

/// Ids of 17 digits begin on 28 January 2015, months before Discord opened; 20 digits hold every 64-bit number.
const IDS: &str = "ids of 17 to 20 digits, separated by commas: in Discord switch on Developer Mode (Settings, \
                   Advanced), right-click, Copy ID";

pub(super) const INCLUDE_PRIVATE: Variable =
    Variable::new("INCLUDE_PRIVATE", BOOLEAN).default("false");
pub(super) const INCLUDE_NSFW: Variable = Variable::new("INCLUDE_NSFW", BOOLEAN).default("false");

const BOOLEAN: &str = "true or false";

pub(super) const BUCKET_NAME: Variable = Variable::new(
    "BUCKET_NAME",
    "the name of a Google Cloud Storage bucket alone: 3 to 222 lower-case letters, digits, dots, dashes and underscores",
);
pub(super) const GOOGLE_APPLICATION_CREDENTIALS: Variable = Variable::new(
    "GOOGLE_APPLICATION_CREDENTIALS",
    "the path of the JSON file with the service account's key",
)
.secret();

pub(super) const ARCHIVE_DIR: Variable = Variable::new("ARCHIVE_DIR", FOLDER).default("./archive");
pub(super) const STATE_DIR: Variable = Variable::new("STATE_DIR", FOLDER).default("./state");

pub(super) const STATE_BUCKET_NAME: Variable = Variable::new(
    "STATE_BUCKET_NAME",
    "the name of a second Google Cloud Storage bucket that nobody else may read",
);
pub(super) const STATE_BUCKET_DIR: Variable = Variable::new("STATE_BUCKET_DIR", FOLDER);

const FOLDER: &str = "the path of a folder, which is made when it is missing";

pub(super) const TITLE: Variable =
    Variable::new("TITLE", "a line of text of at most 100 characters");

pub(super) const MEDIA: Variable = Variable::new(
    "MEDIA",
    "copy (files are copied into the bucket) or link (files stay with Discord and links are kept alive)",
)
.default("copy");

pub(super) const MEDIA_KINDS: Variable =
    Variable::new("MEDIA_KINDS", "one or more of video, image, audio, file, separated by commas")
        .default("video")
        .flag("--kinds");

pub(super) const MAX_FILE_SIZE: Variable = Variable::new("MAX_FILE_SIZE", SIZE).flag("--max-size");
pub(super) const SPOOL_SIZE: Variable = Variable::new("SPOOL_SIZE", SIZE).default("10GB");

const SIZE: &str = "a whole number with its unit: 500KB, 100MB or 2GB in steps of 1000, 512MiB or 2GiB in steps of 1024";

pub(super) const ON_DELETE: Variable =
    Variable::new("ON_DELETE", "hide, erase or keep").default("hide");
pub(super) const ERASE_DELETED_AFTER: Variable =
    Variable::new("ERASE_DELETED_AFTER", PERIOD).default("30d");
pub(super) const MASS_DELETION: Variable =
    Variable::new("MASS_DELETION", "a share of the archive from 0% to 100%, such as 5%")
        .default("5%");
pub(super) const OPT_OUT_ROLE_ID: Variable = Variable::new("OPT_OUT_ROLE_ID", IDS);

pub(super) const RECONCILE_EVERY: Variable =
    Variable::new("RECONCILE_EVERY", PERIOD).default("30d");
pub(super) const VERIFY_EVERY: Variable = Variable::new("VERIFY_EVERY", PERIOD).default("7d");

const PERIOD: &str = "never, or a whole number with its unit, at most ten years: 30d, 12h or 90s";

pub(super) const DOWNLOADS: Variable = Variable::new("DOWNLOADS", WORKERS);
pub(super) const THUMBNAILS: Variable = Variable::new("THUMBNAILS", WORKERS);

const WORKERS: &str = "a whole number from 1 to 64";

pub(super) const PUBLISH_EVERY: Variable = Variable::new("PUBLISH_EVERY", DURATION).default("60s");
pub(super) const CONFIRM_AFTER: Variable = Variable::new("CONFIRM_AFTER", DURATION).default("5m");

/// `docker stop` kills after ten seconds unless told otherwise; 25 of the 30 that README tells it leave room to flush.
pub(super) const SHUTDOWN_AFTER: Variable =
    Variable::new("SHUTDOWN_AFTER", DURATION).default("25s");

const DURATION: &str =
    "a whole number with its unit, more than nothing and at most a day: 500ms, 30s, 5m or 1h";

pub(super) const STATUS_ADDR: Variable = Variable::new(
    "STATUS_ADDR",
    "off, or an address with a port: 127.0.0.1:9090 for this machine alone, 0.0.0.0:9090 for everybody who reaches it",
)
.default("off");

pub(super) const ALERT_WEBHOOK_URL: Variable = Variable::new(
    "ALERT_WEBHOOK_URL",
    "an address that begins with https://, such as that of a webhook of a channel on Discord",
)
.secret();

pub(super) const LOG_FORMAT: Variable =
    Variable::new("LOG_FORMAT", "auto, text or json").default("auto");

pub(super) const DISCORD_API_URL: Variable =
    Variable::new("DISCORD_API_URL", "scheme://host or scheme://host:port, without a path")
        .default("https://discord.com");

pub(super) const CDN_HOSTS: Variable = Variable::new(
    "CDN_HOSTS",
    "hosts, or scheme://host:port, separated by commas; a host alone is asked over https",
)
.default("cdn.discordapp.com,media.discordapp.net");

pub(super) const STORAGE_EMULATOR_HOST: Variable = Variable::new(
    "STORAGE_EMULATOR_HOST",
    "scheme://host:port, or host:port for one that is asked over http",
);

/// Every setting there is, in the order in which they are documented.
pub(super) const ALL: &[&Variable] = &[
    &TOKEN,
    &SERVER_IDS,
    &CHANNEL_IDS,
    &EXCLUDE_IDS,
    &INCLUDE_PRIVATE,
    &INCLUDE_NSFW,
    &MEDIA,
    &MEDIA_KINDS,
    &MAX_FILE_SIZE,
    &ON_DELETE,
    &ERASE_DELETED_AFTER,
    &MASS_DELETION,
    &OPT_OUT_ROLE_ID,
    &BUCKET_NAME,
    &GOOGLE_APPLICATION_CREDENTIALS,
    &ARCHIVE_DIR,
    &STATE_DIR,
    &STATE_BUCKET_NAME,
    &STATE_BUCKET_DIR,
    &TITLE,
    &PUBLISH_EVERY,
    &CONFIRM_AFTER,
    &RECONCILE_EVERY,
    &VERIFY_EVERY,
    &SHUTDOWN_AFTER,
    &DOWNLOADS,
    &THUMBNAILS,
    &SPOOL_SIZE,
    &STATUS_ADDR,
    &ALERT_WEBHOOK_URL,
    &LOG_FORMAT,
    &DISCORD_API_URL,
    &CDN_HOSTS,
    &STORAGE_EMULATOR_HOST,
];
