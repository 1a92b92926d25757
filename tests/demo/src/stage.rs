//! Where the demo takes place: a fresh folder, settings that name nothing outside it, and the programs run there.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Mutex,
};

use anyhow::{Context, ensure};
use discord_sim::Sim;
use tempfile::TempDir;

use crate::{
    child::Child,
    objects::{Address, Folder},
    server,
    truth::KINDS,
};

/// Where `serve` shows the page unless told otherwise.
const USUAL_PORT: u16 = 8080;

/// What the service says beside its bar: how far it is, where there is no terminal, and what worries it. That it
/// publishes every two seconds is told by the page.
const TOLD: &str = "warn,bowerbird::app::progress=info,bowerbird::cli=info";

/// The folder and the settings of one run.
pub(crate) struct Stage {
    folder: PathBuf,
    /// Removes the folder in the end.
    sweeper: Mutex<Option<TempDir>>,
    settings: Vec<(&'static str, String)>,
    door: SocketAddr,
    /// Locked by the one demo that may use the usual port.
    _usual: File,
}

/// The programs that run.
pub(crate) struct Company {
    service: Child,
    window: Child,
}

impl Stage {
    /// Makes a fresh folder for this run.
    pub(crate) fn build(demos: &Path, sim: &Sim) -> anyhow::Result<Self> {
        let sweeper = tempfile::Builder::new().prefix("run-").tempdir_in(demos);
        let sweeper = sweeper.with_context(|| format!("make a folder in {}", demos.display()))?;
        let folder = sweeper.path().to_owned();
        // An empty file of settings, or one that lies in a folder above would be found.
        fs::write(folder.join(".env"), "").context("write an empty .env")?;
        let path = |name: &str| folder.join(name).display().to_string();
        let settings = vec![
            ("TOKEN", sim.world().token()),
            ("DISCORD_API_URL", sim.api_url()),
            ("CDN_HOSTS", format!("{},http://{}", sim.cdn_url(), sim.media_host())),
            ("ARCHIVE_DIR", path("archive")),
            ("STATE_DIR", path("state")),
            ("MEDIA_KINDS", KINDS.join(",")),
            // Short enough to watch.
            ("PUBLISH_EVERY", "2s".to_owned()),
            ("CONFIRM_AFTER", "5s".to_owned()),
            ("TITLE", server::NAME.to_owned()),
            ("LOG_FORMAT", "text".to_owned()),
            ("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| TOLD.to_owned())),
        ];
        let usual = File::create(demos.join("usual-port.lock")).context("make a lock")?;
        let door = free_door(&usual).context("find a port for the page")?;
        Ok(Self { folder, sweeper: Mutex::new(Some(sweeper)), settings, door, _usual: usual })
    }

    /// Starts the service and, beside it, the page.
    pub(crate) fn enter(&self, program: &Path) -> anyhow::Result<Company> {
        let start =
            |arguments: &[&str]| Child::start(program, arguments, &self.folder, &self.settings);
        let service = start(&["--fetch-history"])?;
        let window = start(&["serve", "--addr", &self.door.to_string()])?;
        Ok(Company { service, window })
    }

    /// Where the page is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.door)
    }

    /// A reader at that address.
    pub(crate) fn address(&self) -> Address {
        Address::new(self.url())
    }

    /// A reader of the bucket itself.
    pub(crate) fn bucket(&self) -> Folder {
        Folder(self.folder.join("archive"))
    }

    /// Lets the folder stay for somebody to look into.
    pub(crate) fn keep(&self) -> &Path {
        let sweeper = self.sweeper.lock().expect("nothing panics with it in hand").take();
        sweeper.map(TempDir::keep);
        &self.folder
    }
}

impl Company {
    /// Waits until one of them ends, which none should by itself.
    pub(crate) async fn unexpected_end(&mut self) -> anyhow::Error {
        tokio::select! {
            end = self.service.unexpected_end() => end,
            end = self.window.unexpected_end() => end,
        }
    }

    /// Asks both to end; tells of the first that did so badly.
    pub(crate) async fn leave(self) -> anyhow::Result<()> {
        let (service, window) = tokio::join!(self.service.end(), self.window.end());
        service.and(window)
    }
}

/// Where demos are: beside what cargo builds, so that `cargo clean` takes them along.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find the demo itself")?;
    let target = own.ancestors().nth(2).context("the demo lies two folders deep in target")?;
    let folder = target.join("demo");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

/// Where `bowerbird` is: beside the demo, or where `BOWERBIRD_BIN` says.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find the demo itself")?;
    let chosen = std::env::var_os("BOWERBIRD_BIN").map(PathBuf::from);
    let program = chosen.unwrap_or_else(|| own.with_file_name("bowerbird"));
    ensure!(program.is_file(), "{} is not there: `cargo build` makes it", program.display());
    program.canonicalize().context("find bowerbird")
}

/// The usual port when no other demo asked for it and nobody has it, or any other. Another program may still be faster;
/// then `serve` says so.
fn free_door(usual: &File) -> std::io::Result<SocketAddr> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = match usual.try_lock() {
        Ok(()) => bind(USUAL_PORT).or_else(|_| bind(0)),
        Err(_) => bind(0),
    };
    listener?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_demos_do_not_ask_for_one_port() {
        let folder = tempfile::tempdir().unwrap();
        let lock = || File::create(folder.path().join("lock")).unwrap();
        let (one, two) = (lock(), lock());
        let (first, second) = (free_door(&one).unwrap(), free_door(&two).unwrap());
        assert_ne!(first, second);
        assert_ne!(second.port(), USUAL_PORT);
    }
}
