//! The real program, run as a person would run it, and ended as a service manager would.
//!
//! Dropped, a child is killed, so none outlives a demo that fails.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

/// More than the service allows itself for an orderly end (`SHUTDOWN_AFTER`, 25 seconds).
const PATIENCE: Duration = Duration::from_secs(40);

/// A running `bowerbird`.
pub(crate) struct Child {
    what: String,
    process: tokio::process::Child,
}

impl Child {
    /// Runs the program with these arguments and this environment, and nothing of our own but where programs are.
    pub(crate) fn start(
        program: &Path,
        arguments: &[&str],
        folder: &Path,
        settings: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let what = format!("bowerbird {}", arguments.join(" "));
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).env_clear();
        // What ffmpeg is found by, where time zones and colours come from, and how much is told.
        for name in ["PATH", "HOME", "TERM", "COLUMNS", "NO_COLOR", "RUST_BACKTRACE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        // Ctrl-C reaches a whole process group; the demo alone decides when the others end.
        command.process_group(0).kill_on_drop(true);
        // Progress and warnings come on standard error; what is said beside them, the demo says itself.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().with_context(|| format!("start {}", program.display()))?;
        Ok(Self { what, process })
    }

    /// Waits until it ends, which it should not by itself, and says so.
    pub(crate) async fn unexpected_end(&mut self) -> anyhow::Error {
        match self.process.wait().await {
            Ok(status) => anyhow::anyhow!("`{}` ended by itself: {status}", self.what),
            Err(error) => anyhow::Error::new(error).context(format!("wait for `{}`", self.what)),
        }
    }

    /// Asks it to end, and waits; kills it when it does not.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        let Some(status) = self.ask().await? else {
            self.process.kill().await.with_context(|| format!("kill `{}`", self.what))?;
            bail!("`{}` was killed: it did not end in {} s", self.what, PATIENCE.as_secs());
        };
        ensure!(status.success(), "`{}` ended badly: {status}", self.what);
        Ok(())
    }

    async fn ask(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let wait = |what: &str| format!("wait for `{what}`");
        if let Some(status) = self.process.try_wait().with_context(|| wait(&self.what))? {
            return Ok(Some(status));
        }
        let id = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.context("a process that was not waited for has an id")?;
        kill_process(id, Signal::TERM).with_context(|| format!("end `{}`", self.what))?;
        match tokio::time::timeout(PATIENCE, self.process.wait()).await {
            Ok(status) => Ok(Some(status.with_context(|| wait(&self.what))?)),
            Err(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, folder: &Path) -> Child {
        let settings = [("SAID", "yes".to_owned())];
        Child::start(Path::new("/bin/sh"), &["-c", script], folder, &settings).unwrap()
    }

    /// A shell that waits for its end, and answers it so. It is ready when its trap is set.
    async fn waiting(answer: &str) -> Child {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "trap '{answer}' TERM; test \"$SAID\" = yes && : > ready; while :; do sleep 0.02; done"
        );
        let child = shell(&script, folder.path());
        while !folder.path().join("ready").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child
    }

    #[tokio::test]
    async fn a_child_ends_when_asked_and_its_status_counts() {
        waiting("exit 0").await.end().await.unwrap();
        let told = waiting("exit 4").await.end().await.unwrap_err().to_string();
        assert!(told.contains("ended badly") && told.contains('4'), "{told}");
    }

    #[tokio::test]
    async fn an_end_that_nobody_asked_for_is_told() {
        let told = shell("exit 7", &std::env::temp_dir()).unexpected_end().await.to_string();
        assert!(told.contains("ended by itself") && told.contains('7'), "{told}");
        let mut ended = shell("exit 7", &std::env::temp_dir());
        ended.process.wait().await.unwrap();
        assert!(ended.end().await.unwrap_err().to_string().contains("ended badly"));
    }
}
