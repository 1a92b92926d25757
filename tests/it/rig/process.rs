//! A process of the binary: what it says, how it ends, and ways to end it.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

use super::until;

/// The log of all processes of a rig.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(super) fn tail(&self, lines: usize) -> String {
        let all = self.0.lock().unwrap();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    pub(super) fn lines_with(&self, words: &str) -> Vec<String> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|line| line.contains(words)).cloned().collect()
    }

    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

/// A running command; dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    plug: Plug,
    said: Log,
    patience: Duration,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it logged.
    pub stderr: String,
}

/// Ends a process without a word, from wherever it is pulled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plug(Arc<Mutex<Option<Pid>>>);

impl Plug {
    /// `kill -9`; says whether there was something to kill.
    pub(crate) fn pull(&self) -> bool {
        let pid = self.0.lock().unwrap().take();
        pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
    }

    /// From now on this plug is that of another process.
    pub(crate) fn follow(&self, process: &Process) {
        *self.0.lock().unwrap() = *process.plug.0.lock().unwrap();
    }
}

impl Process {
    #[track_caller]
    pub(super) fn spawn<A: AsRef<OsStr>>(
        settings: &BTreeMap<&'static str, String>,
        folder: &Path,
        arguments: &[A],
        log: &Log,
        patience: Duration,
    ) -> Self {
        Self::launch(&[], settings, folder, arguments, log, patience)
    }

    /// The same through another program, which becomes ours.
    #[track_caller]
    pub(super) fn launch<A: AsRef<OsStr>>(
        launcher: &[&str],
        settings: &BTreeMap<&'static str, String>,
        folder: &Path,
        arguments: &[A],
        log: &Log,
        patience: Duration,
    ) -> Self {
        let ours = env!("CARGO_BIN_EXE_bowerbird");
        let mut words = launcher.iter().copied().chain([ours]);
        let mut child = Command::new(words.next().expect("ours is there"))
            .args(words)
            .args(arguments)
            .env_clear()
            .envs(settings.iter().filter(|(_, value)| !value.is_empty()))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let plug = Plug(Arc::new(Mutex::new(pid)));
        let said = Log::default();
        let stdout = tokio::spawn(collect(child.stdout.take().unwrap(), said.clone()));
        let stderr = tokio::spawn(collect(child.stderr.take().unwrap(), log.clone()));
        Self { child, plug, said, patience, stdout, stderr }
    }

    /// The number by which the system knows it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("nobody waited for it yet")
    }

    /// The first line that it prints.
    pub(crate) async fn first_line(&self) -> String {
        until("it says something", async || self.said.0.lock().unwrap().first().cloned()).await
    }

    /// Asks it to end (SIGTERM).
    pub(crate) fn terminate(&self) {
        self.send(Signal::TERM);
    }

    /// Asks it to end, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        self.send(Signal::INT);
    }

    /// Stops it where it is (SIGSTOP).
    pub(crate) fn stop(&self) {
        self.send(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn go_on(&self) {
        self.send(Signal::CONT);
    }

    fn send(&self, signal: Signal) {
        if let Some(pid) = *self.plug.0.lock().unwrap() {
            kill_process(pid, signal).unwrap();
        }
    }

    /// Waits for the end.
    pub(crate) async fn ended(mut self) -> Ended {
        let waited = timeout(self.patience, self.child.wait()).await;
        let status = waited.expect("the command ends in time").unwrap();
        // Its number may be another's from now on.
        *self.plug.0.lock().unwrap() = None;
        Ended {
            code: status.code(),
            stdout: self.stdout.await.unwrap(),
            stderr: self.stderr.await.unwrap(),
        }
    }

    /// Asks it to end, and waits until it did.
    pub(crate) async fn drained(self) -> Ended {
        self.terminate();
        self.ended().await
    }

    /// `kill -9`.
    pub(crate) async fn killed(self) {
        self.plug.pull();
        let ended = self.ended().await;
        assert_eq!(ended.code, None, "{}", ended.stderr);
    }
}

async fn collect(stream: impl AsyncRead + Unpin, log: Log) -> String {
    let mut all = String::new();
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        all.push_str(&line);
        all.push('\n');
        log.add(line);
    }
    all
}
