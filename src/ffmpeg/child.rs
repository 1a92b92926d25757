//! One child process: bounded in what it may open, write and leave behind.
//!
//! Used by the probe and the still. A crash of ours loses nothing: the child's pipes break, and
//! it ends at its next write.

use std::{
    ffi::OsStr,
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use bytes::Bytes;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    task::spawn_blocking,
};

use super::{MediaHint, ThumbnailError, limits};

/// A still of 480 px is under 300 KiB even of noise, and a probe some 10 KiB; more is a child gone mad.
const MAX_STDOUT: u64 = 4 * 1024 * 1024;
/// Room for the last three lines, which name the cause; what comes before is consequence.
const STDERR_TAIL: usize = 4 * 1024;
/// As much of a reason as a person reads in a list of parked work.
const MAX_REASON: usize = 300;
/// 64 Mi pixels are twice 8K video and 256 MiB as RGBA; a larger picture is a bomb for our memory.
const MAX_PIXELS: &str = "67108864";
/// One block of memory: such a picture with 16 bits a channel is 512 MiB, and some padding. For all blocks together the
/// system's limit stands, where it has one.
const MAX_BLOCK: &str = "671088640";
/// Microseconds. The feed answers from our own process; it has its own, shorter, upstream bounds.
const FEED_SILENCE: &str = "60000000";
/// Holds the kernel's read-ahead down, for every byte in a socket buffer was fetched from the link.
const FEED_BUFFER: &str = "65536";

/// Demuxers for what people post. None of them opens a second address:
/// playlists (`hls`, `dash`, `concat`, `image2`, `tty`…) stay out.
const VIDEO_AND_IMAGE: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,asf,ogg,\
    gif,apng,png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,jpegxl_pipe";
const AUDIO: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,mp3,wav,flac,aac,aiff,amr,caf,asf";

/// A program and the name to use for it in errors.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
}

/// What the child reads.
#[derive(Debug)]
pub(super) enum Input<'a> {
    File(&'a Path),
    Feed(&'a str),
}

/// How the child ended, and what it said.
#[derive(Debug)]
pub(super) struct Ended {
    program: &'static str,
    status: ExitStatus,
    pub(super) stdout: Bytes,
    stderr: String,
}

impl Ended {
    /// Its output, if it ended well.
    pub(super) fn success(self) -> Result<Bytes, ThumbnailError> {
        if self.status.success() { Ok(self.stdout) } else { Err(self.into_error()) }
    }

    /// What its end means where its output is of no use.
    pub(super) fn into_error(self) -> ThumbnailError {
        if let Some(signal) = self.status.signal() {
            return ThumbnailError::Crashed { program: self.program, signal };
        }
        // FFmpeg's message for `-c:v` with a codec that was not compiled in.
        if self.stderr.contains("Unknown encoder 'libwebp'") {
            return ThumbnailError::Lacking { what: "WebP encoder (libwebp)" };
        }
        ThumbnailError::Unreadable { reason: reason(&self.stderr) }
    }
}

/// Runs the program to its end. Dropping the future kills the child and its descendants.
pub(super) async fn run<'a>(
    program: &Program,
    input: &Input<'_>,
    hint: MediaHint,
    before_input: impl IntoIterator<Item = &'a str>,
    after_input: impl IntoIterator<Item = &'a str>,
) -> Result<Ended, ThumbnailError> {
    let mut command = bare(program);
    command.args(["-hide_banner", "-v", "error", "-threads", "1"]);
    command.args(["-max_pixels", MAX_PIXELS, "-max_alloc", MAX_BLOCK]);
    command.args(["-format_whitelist", formats(hint).as_str()]);
    command.args(before_input);
    match input {
        Input::File(path) => {
            let file = tokio::fs::File::open(path).await.map_err(ThumbnailError::File)?;
            // An open file instead of its name: no name can be taken for an option, a pattern or
            // a protocol, and no error can repeat it. Through `/dev/stdin` it remains seekable.
            command.stdin(Stdio::from(file.into_std().await));
            command.args(["-protocol_whitelist", "file", "-i", "file:/dev/stdin"]);
        }
        Input::Feed(address) => {
            command.stdin(Stdio::null());
            command.args(["-protocol_whitelist", "http,tcp", "-rw_timeout", FEED_SILENCE]);
            command.args(["-recv_buffer_size", FEED_BUFFER, "-i", address]);
        }
    }
    command.args(after_input);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(program, command, Trust::None).await
}

/// Runs the program without any media to read, and returns what it says.
pub(super) async fn ask<'a>(
    program: &Program,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<Bytes, ThumbnailError> {
    let mut command = bare(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(program, command, Trust::OwnWords).await?.success()
}

/// Whose bytes the child reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// A stranger's.
    None,
    /// None but what we say on its command line, and it may write a file of ours.
    OwnWords,
}

/// Our environment holds the token, and a proxy setting would divert the feed.
fn bare(program: &Program) -> Command {
    let mut command = Command::new(&program.path);
    command.env_clear().envs(
        // Enough to find libraries and, for a wrapper script, other programs.
        ["PATH", "LD_LIBRARY_PATH"].iter().filter_map(|k| Some((k, std::env::var_os(k)?))),
    );
    command
}

async fn finish(
    program: &Program,
    mut command: Command,
    trust: Trust,
) -> Result<Ended, ThumbnailError> {
    let failed = |source| ThumbnailError::Run { program: program.name, source };
    let mut child =
        command.kill_on_drop(true).process_group(0).spawn().map_err(|error| {
            match error.kind() {
                io::ErrorKind::NotFound => {
                    ThumbnailError::Missing { program: display(program.path.as_os_str()) }
                }
                _ => failed(error),
            }
        })?;
    let group = Group::led_by(child.id());
    if trust == Trust::None {
        group.limit();
    }
    let stdout = child.stdout.take().expect("stdout was asked for as a pipe");
    let stderr = child.stderr.take().expect("stderr was asked for as a pipe");

    // `try_join`, so that too much output ends the child instead of waiting for its end.
    let (stdout, stderr) = tokio::try_join!(
        async { whole(stdout).await.map_err(failed)?.ok_or_else(|| too_much(program)) },
        async { tail(stderr).await.map_err(failed) },
    )?;
    group.ended().await.map_err(failed)?;
    // Before its end is taken note of, while its number is still its own, whomever it left behind goes too.
    drop(group);
    let status = child.wait().await.map_err(failed)?;
    Ok(Ended { program: program.name, status, stdout, stderr })
}

fn too_much(program: &Program) -> ThumbnailError {
    ThumbnailError::unreadable(format!("{} wrote more than {MAX_STDOUT} bytes", program.name))
}

fn formats(hint: MediaHint) -> String {
    match hint {
        MediaHint::Video | MediaHint::Image => VIDEO_AND_IMAGE.to_owned(),
        MediaHint::Audio => AUDIO.to_owned(),
        MediaHint::Unknown => format!("{VIDEO_AND_IMAGE},{AUDIO}"),
    }
}

/// Everything, or nothing if there is too much.
async fn whole(from: impl AsyncRead + Unpin) -> io::Result<Option<Bytes>> {
    let mut all = Vec::new();
    from.take(MAX_STDOUT + 1).read_to_end(&mut all).await?;
    Ok((all.len() as u64 <= MAX_STDOUT).then(|| all.into()))
}

/// The end of what is said; all of it is read, or the child would wait for a reader.
async fn tail(mut from: impl AsyncRead + Unpin) -> io::Result<String> {
    let mut kept = Vec::new();
    let mut piece = [0; STDERR_TAIL];
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        kept.extend_from_slice(&piece[..read]);
        kept.drain(..kept.len().saturating_sub(STDERR_TAIL));
    }
}

/// The last three lines, safe to print and equal for equal failures.
fn reason(stderr: &str) -> String {
    let lines: Vec<String> = stderr.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(3)..].join("; ");
    if last.is_empty() {
        return "ffmpeg gave no reason".to_owned();
    }
    last.chars().take(MAX_REASON).collect()
}

/// Drops what differs from run to run (` @ 0x55d0…` in a speaker's name, the feed's address), and
/// control characters, with which a file's metadata could write to a terminal.
fn plain(line: &str) -> String {
    let mut words = Vec::new();
    let mut rest = line.split_whitespace();
    while let Some(word) = rest.next() {
        if word == "@" {
            let closing = rest.next().is_some_and(|address| address.ends_with(']'));
            if let Some(speaker) = words.last_mut().filter(|_| closing) {
                *speaker = format!("{speaker}]");
            }
            continue;
        }
        words.push(if word.starts_with("http:") {
            "the link:".to_owned()
        } else {
            word.to_owned()
        });
    }
    words.join(" ").chars().filter(|c| !c.is_control()).collect()
}

fn display(path: &OsStr) -> String {
    path.to_string_lossy().into_owned()
}

/// Kills a child's process group, however the child ends.
///
/// `kill_on_drop` reaches the child alone; a wrapper script's children would live on.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn led_by(id: Option<u32>) -> Self {
        Self(id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    fn limit(&self) {
        if let Some(leader) = self.0 {
            limits::set(leader);
        }
    }

    /// Waits for the child's end without taking note of it, which would give its number to others.
    async fn ended(&self) -> io::Result<()> {
        let Some(leader) = self.0 else { return Ok(()) };
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // Dropping us does not end the wait, but the child, and the wait with it.
        spawn_blocking(move || waitid(WaitId::Pid(leader), look)).await??;
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The leader's end was not taken note of, so its number cannot have gone to a stranger.
        if let Some(group) = self.0
            && let Err(error) = kill_process_group(group, Signal::KILL)
        {
            tracing::debug!(%error, "process group was gone before it was killed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stderr: &str, expected: &str) {
        assert_eq!(reason(stderr), expected);
    }

    #[test]
    fn reasons_are_short_stable_and_printable() {
        check("", "ffmpeg gave no reason");
        check(" \n\n", "ffmpeg gave no reason");
        check(
            "[mov,mp4 @ 0x55d0c0de] moov atom not found\nfile:/dev/stdin: Invalid data",
            "[mov,mp4] moov atom not found; file:/dev/stdin: Invalid data",
        );
        check("a\nb\nc\nd", "b; c; d");
        check("\u{1b}[31mred\u{7}", "[31mred");
        check("http://127.0.0.1:4000/f00: Server returned 404", "the link: Server returned 404");
        check(&"x".repeat(1000), &"x".repeat(MAX_REASON));
    }

    #[tokio::test]
    async fn the_tail_is_what_was_said_last() {
        let said = [vec![b'a'; 3 * STDERR_TAIL], b"the end".to_vec()].concat();
        let kept = tail(said.as_slice()).await.unwrap();
        assert_eq!(kept.len(), STDERR_TAIL);
        assert!(kept.ends_with("athe end"));
    }
}
