//! The state folder: writable, with room, and nobody else's.

use std::path::Path;

use indicatif::HumanBytes;
use tokio::net::TcpListener;

use super::{Finding, deadline::within};
use crate::{
    actors::mirror::layout::Root,
    app::{control, open},
    config::{BucketChoice, LocalConfig, PrivateChoice},
    store::SCHEMA,
};

/// Less than this, and the store itself soon can't grow; sled wants room to rewrite its segments.
const TOO_LITTLE: u64 = 500_000_000;

/// Less than this, and a few large files at once fill the disk on their way to the bucket.
const LITTLE: u64 = 5_000_000_000;

pub(super) async fn check(local: &LocalConfig) -> Vec<Finding> {
    let state = &local.state_dir;
    let mut findings = Vec::new();
    match room(state, "STATE_DIR") {
        Ok(found) => findings.push(found.in_words("state", state)),
        Err(unusable) => return vec![unusable],
    }
    let service = match within("service", control::overview(state)).await {
        Ok(Ok(Some(overview))) => {
            let running = overview.service;
            let version = running.map_or_else(|| "unknown".to_owned(), |running| running.version);
            findings.push(Finding::note(
                "service",
                format!("runs on this STATE_DIR (version {version}); `bowerbird status` asks it how it is"),
            ));
            return findings;
        }
        Ok(Ok(None)) => Finding::good("service", "does not run on this STATE_DIR at the moment"),
        Ok(Err(error)) => Finding::note("service", format!("runs, but: {error:#}")),
        Err(late) => late,
    };
    findings.push(service);
    findings.push(store(state));
    findings.push(copies(local).await);
    findings.extend(address(local).await);
    findings
}

/// Room on a disk.
pub(super) struct Room {
    free: Option<u64>,
    is_new: bool,
}

impl Room {
    pub(super) fn in_words(&self, about: &'static str, path: &Path) -> Finding {
        let new = if self.is_new { " (does not exist yet, and will be made)" } else { "" };
        let path = path.display();
        let Some(free) = self.free else {
            return Finding::good(about, format!("{path} can be written{new}"));
        };
        let words = format!("{path} can be written{new}, {} free", HumanBytes(free));
        match free {
            ..TOO_LITTLE => Finding::bad(about, words).mend("make room on that disk"),
            TOO_LITTLE..LITTLE => {
                Finding::note(about, format!("{words}: that is little for an archive"))
            }
            _ => Finding::good(about, words),
        }
    }
}

/// Whether a folder can be written, and how much fits; one that is not there yet is judged by the one above it.
pub(super) fn room(folder: &Path, variable: &'static str) -> Result<Room, Finding> {
    let about = if variable == "STATE_DIR" { "state" } else { "archive" };
    let refused = |path: &Path, error: &dyn std::fmt::Display| {
        Finding::bad(about, format!("{variable}: {} can't be written: {error}", path.display()))
            .mend(format!(
                "let the user who runs Bowerbird write there, or set {variable} to another folder"
            ))
    };
    let absolute = std::path::absolute(folder).map_err(|error| refused(folder, &error))?;
    let mut there = absolute.as_path();
    while !there.try_exists().unwrap_or(true) {
        let Some(above) = there.parent() else { break };
        there = above;
    }
    if !there.is_dir() {
        return Err(refused(there, &"a file is in the way"));
    }
    // Made, written and removed again.
    let tried = tempfile::NamedTempFile::new_in(there)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"bowerbird"));
    tried.map_err(|error| refused(there, &error))?;
    let free = rustix::fs::statvfs(there).ok().map(|disk| disk.f_bavail * disk.f_frsize);
    Ok(Room { free, is_new: there != absolute })
}

fn store(state: &Path) -> Finding {
    if !open::is_there(state) {
        return Finding::good("store", "nothing was archived with this STATE_DIR yet");
    }
    match open::store(state).and_then(|store| Ok(store.size_on_disk()?)) {
        Ok(size) => Finding::good("store", format!("can be read ({})", HumanBytes(size))),
        Err(error) => {
            if open::is_taken(&error) {
                Finding::note("store", "another bowerbird works on this STATE_DIR (a fetch?)")
            } else {
                Finding::bad("store", format!("{error:#}")).mend(
                    "start the service, or run `bowerbird restore --replace`: it sets the store aside and restores \
                     another from the bucket",
                )
            }
        }
    }
}

/// What a lost disk would cost.
async fn copies(local: &LocalConfig) -> Finding {
    if let PrivateChoice::WithState(_) = &local.private {
        return Finding::note(
            "copies",
            "the state is not copied elsewhere: from a lost STATE_DIR entries, files and what was read come back, but \
             not raw messages, what was deleted and hidden, and what must not be archived",
        )
        .mend("set STATE_BUCKET_NAME, or STATE_BUCKET_DIR on another disk");
    }
    let bucket = local.private.bucket();
    if let BucketChoice::Folder { path } = &bucket
        && !path.exists()
    {
        // A folder that is not there yet is not made to be looked at.
        return Finding::note("copies", format!("nothing is in {} yet", path.display()));
    }
    let looked = within("copies", async {
        let private = open::private(&local.private).await?;
        Ok::<_, anyhow::Error>(Root::read(private.as_ref(), SCHEMA).await?)
    });
    match looked.await {
        Ok(Ok(Some(root))) => Finding::good(
            "copies",
            format!("the state is copied to {bucket}; the whole last at {}", root.at),
        ),
        Ok(Ok(None)) => {
            Finding::note("copies", format!("the state was not copied to {bucket} yet"))
        }
        Ok(Err(error)) => Finding::bad("copies", format!("{error:#}"))
            .mend("let the service read and write the bucket for its state"),
        Err(late) => late,
    }
}

async fn address(local: &LocalConfig) -> Option<Finding> {
    let address = local.status_addr?;
    Some(match TcpListener::bind(address).await {
        Ok(_) => Finding::good("health", format!("STATUS_ADDR {address} can be listened on")),
        Err(error) => Finding::bad("health", format!("STATUS_ADDR {address}: {error}"))
            .mend("stop what listens there, or set STATUS_ADDR to another port"),
    })
}
