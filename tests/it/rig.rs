//! The real binary over sockets: a simulated Discord, a folder or a simulated Cloud Storage, and what was published.
//!
//! Tests build a [`Rig`], let it [run](Rig::run) a command to its end or [spawn](Rig::spawn) the service, and compare
//! the archive with the simulator's own truth. Nothing here knows how Bowerbird works inside: the archive is read as
//! docs/format.md describes it.

mod archive;
mod bower;
mod judge;
mod process;
mod truth;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use discord_sim::{Options, Sim, Stats, World};
use tempfile::TempDir;

use self::process::Log;
pub(crate) use self::{
    archive::{Archive, Bucket},
    bower::{Bower, Size},
    judge::judge,
    process::{Ended, Plug, Process},
    truth::{Selected, expected},
};

/// Long enough for a machine that runs everything else at once; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// How often a state is looked at that is waited for.
const GLANCE: Duration = Duration::from_millis(100);

/// The simulated bucket's name.
const BUCKET: &str = "archive";

/// What is printed of the log when a test fails: its end, where the failure is.
const LINES_SHOWN: usize = 300;

/// A world, a place for its archive, and the settings that lead the binary to both.
pub(crate) struct Rig {
    /// The simulated Discord.
    pub discord: Sim,
    /// Where the archive is.
    pub bucket: Bucket,
    settings: BTreeMap<&'static str, String>,
    folder: TempDir,
    log: Log,
    patience: Duration,
    pardoned: AtomicU64,
}

/// What a rig is made of.
pub(crate) struct Builder {
    world: World,
    options: Options,
    cloud: bool,
    settings: BTreeMap<&'static str, String>,
    patience: Duration,
}

impl Rig {
    /// A rig over this world: rate limits and all, a folder as bucket, every kind of file.
    pub(crate) fn over(world: &World) -> Builder {
        Builder {
            world: world.clone(),
            options: Options::default(),
            cloud: false,
            patience: PATIENCE,
            settings: BTreeMap::from([
                ("TOKEN", world.token()),
                ("MEDIA_KINDS", "video,image,audio,file".to_owned()),
                ("PUBLISH_EVERY", "500ms".to_owned()),
                ("CONFIRM_AFTER", "1s".to_owned()),
                ("LOG_FORMAT", "text".to_owned()),
                ("RUST_LOG", "warn,bowerbird=debug".to_owned()),
                ("RUST_BACKTRACE", "1".to_owned()),
                // Nothing but ffmpeg is looked for, and a proxy would not know the way.
                ("PATH", std::env::var("PATH").unwrap_or_default()),
                ("NO_PROXY", "*".to_owned()),
            ]),
        }
    }

    /// Sets a variable for the commands to come; an empty text is "not set".
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.settings.insert(name, value.into());
    }

    /// The truth that the archive is compared with.
    pub(crate) fn world(&self) -> &World {
        self.discord.world()
    }

    /// What the simulated Discord counted.
    pub(crate) fn stats(&self) -> Stats {
        self.discord.stats()
    }

    /// `STATE_DIR`.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A place for files of the test itself.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Everything that was logged and printed so far.
    pub(crate) fn said(&self) -> String {
        self.log.tail(usize::MAX)
    }

    /// Starts a command.
    #[track_caller]
    pub(crate) fn spawn<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Process {
        Process::spawn(&self.settings, self.folder.path(), arguments, &self.log, self.patience)
    }

    /// The same for a process that lives on when it meets its limit for the size of files, rather than being killed.
    #[track_caller]
    pub(crate) fn spawn_within_limits<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Process {
        let launcher = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
        let (settings, folder) = (&self.settings, self.folder.path());
        Process::launch(&launcher, settings, folder, arguments, &self.log, self.patience)
    }

    /// Runs a command to its end.
    pub(crate) async fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Ended {
        self.spawn(arguments).ended().await
    }

    /// The same, which has to go well.
    pub(crate) async fn succeed<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Ended {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
    }

    /// What `status --json` says, whether the service runs or not.
    pub(crate) async fn status(&self) -> serde_json::Value {
        let ended = self.succeed(&["status", "--json"]).await;
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Waits until the service listens to Discord and has caught up with it.
    pub(crate) async fn until_listening(&self) {
        until("the service listens and has caught up", async || {
            let listens = self.discord.gateway().connected() == 1
                && self.state().join("control.sock").exists();
            if !listens {
                return None;
            }
            let status = self.status().await;
            (status["service"]["caught_up"] == true && status["service"]["shards_listening"] == 1)
                .then_some(())
        })
        .await;
    }

    /// What is published now; none before the first publication.
    pub(crate) async fn published(&self) -> Option<Archive> {
        Archive::read(&self.bucket).await
    }

    /// Waits until the published archive looks as it should, and returns it.
    pub(crate) async fn until_published(
        &self,
        what: &str,
        wanted: impl Fn(&Archive) -> bool,
    ) -> Archive {
        until(what, async || self.published().await.filter(&wanted)).await
    }

    /// Panics unless the archive holds exactly what the world implies, whole and with nothing beside it, and unless
    /// the simulated Discord has nothing to complain about.
    pub(crate) async fn assert_archived(&self) {
        self.assert_archived_as(&Selected::default()).await;
    }

    /// The same for a part of the world.
    pub(crate) async fn assert_archived_as(&self, selected: &Selected) {
        let archive = self.published().await.expect("something was published");
        archive.assert_consistent();
        truth::assert_holds(&archive, self.world(), selected);
        archive.assert_objects(&self.bucket, selected.leftovers).await;
        self.assert_polite();
    }

    /// So many refusals are nobody's fault.
    pub(crate) fn pardon(&self, refusals: u64) {
        self.pardoned.store(refusals, Ordering::Relaxed);
    }

    /// One more refusal is nobody's fault.
    pub(crate) fn pardon_one_more(&self) {
        self.pardoned.fetch_add(1, Ordering::Relaxed);
    }

    /// Panics when a request was sent that Discord does not know, or a 429 earned that better manners would have
    /// avoided.
    pub(crate) fn assert_polite(&self) {
        assert_eq!(self.discord.violations(), Vec::<String>::new());
        let stats = self.stats();
        let pardoned = self.pardoned.load(Ordering::Relaxed);
        assert!(
            stats.avoidable <= pardoned,
            "429s that better manners would have avoided, {pardoned} of them pardoned: {stats:?}"
        );
    }

    /// The lines that commands logged with these words in them.
    pub(crate) fn told(&self, words: &str) -> Vec<String> {
        self.log.lines_with(words)
    }

    /// Prints what a run cost.
    pub(crate) fn report(&self, what: &str, began: Instant) {
        let stats = self.stats();
        let answers: u64 =
            stats.answers.iter().filter(|((_, s), _)| *s == 429).map(|(_, n)| n).sum();
        println!(
            "{what}: {} requests and {} downloads in {:.1} s; {answers} answers 429, {} by the limits themselves, {} avoidable",
            stats.total_requests(),
            stats.total_downloads(),
            began.elapsed().as_secs_f64(),
            stats.limited,
            stats.avoidable,
        );
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log.tail(LINES_SHOWN));
            let stats = self.discord.stats();
            eprintln!("answers: {:?}", stats.answers);
            eprintln!("events: {:?}", stats.events);
        }
    }
}

impl Builder {
    /// How strict, fast and unreliable the simulated Discord is.
    pub(crate) fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// The archive goes to a simulated Cloud Storage.
    pub(crate) fn in_the_cloud(mut self) -> Self {
        self.cloud = true;
        self
    }

    /// A command may take so long.
    pub(crate) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets a variable.
    pub(crate) fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.insert(name, value.into());
        self
    }

    /// Opens all doors.
    pub(crate) async fn start(self) -> Rig {
        let Self { world, options, cloud, mut settings, patience } = self;
        let discord = Sim::start(world, options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        settings.insert("DISCORD_API_URL", discord.api_url());
        settings.insert("CDN_HOSTS", discord.cdn_url());
        settings.insert("STATE_DIR", text(folder.path().join("state")));
        let bucket = if cloud {
            let sim = gcs_sim::Sim::start().await.unwrap();
            sim.create_bucket(BUCKET);
            settings.insert("BUCKET_NAME", BUCKET.to_owned());
            settings.insert("STORAGE_EMULATOR_HOST", sim.endpoint().to_owned());
            Bucket::Cloud { sim, name: BUCKET }
        } else {
            let path = folder.path().join("archive");
            settings.insert("ARCHIVE_DIR", text(path.clone()));
            Bucket::Folder(path)
        };
        let (log, pardoned) = (Log::default(), AtomicU64::default());
        Rig { discord, bucket, settings, folder, log, patience, pardoned }
    }
}

/// Looks until there is something, and panics when it takes too long.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(GLANCE).await;
    }
}
