//! What a file shows: its size, its length and a still, found out by `FFmpeg`.
//!
//! The thumbnail worker asks through [`Thumbnailer`]; nothing here writes anything but its answer.
//! A crash loses the look in progress, and the children die with it: taking the look again costs
//! some CPU time.
//!
//! The bytes come from strangers, so the children are kept on a short lead: they see one open file
//! or one loopback address, never a name, a link or our environment, and have a deadline and limits.

mod child;
mod limits;
mod feed;
mod probe;
mod still;
mod fitness;

use std::{
    fmt::{self, Debug, Formatter},
    io,
    path::PathBuf,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::timeout;

use self::{
    child::{Input, Program},
    feed::Feed,
};

/// Looks at media.
#[async_trait]
pub trait Thumbnailer: Send + Sync + Debug {
    /// Looks at the media once: what it is, and a still where it has a picture.
    async fn look(&self, source: &Source, hint: MediaHint) -> Result<Look, ThumbnailError>;
}

/// Where the bytes are.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A file on our disk. Its name means nothing and is shown to nobody.
    File(PathBuf),
    /// A signed `http` or `https` link to a host that the caller trusts; redirects are not followed.
    ///
    /// Whoever holds it can read the file, so it appears in no error and no log.
    Link(String),
}

impl Debug for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Link(_) => f.write_str("Link(***)"),
        }
    }
}

/// What name and declared type promise.
///
/// A promise only narrows the list of parsers that strangers' bytes may reach;
/// what the media really is, [`Probe::kind`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaHint {
    /// Moving pictures.
    Video,
    /// A picture, animated or not.
    Image,
    /// Sound.
    Audio,
    /// No promise.
    Unknown,
}

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// What the media is.
    pub probe: Probe,
    /// A picture of it; sound without cover art has none.
    pub still: Option<Still>,
}

/// What the media is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What the bytes turned out to be.
    pub kind: MediaKind,
    /// Width and height as shown: rotated, with square pixels. Sound has none.
    pub size: Option<PictureSize>,
    /// How long it plays; unknown for recordings that were never finished, nothing for a photo.
    pub runtime: Option<Duration>,
}

/// What the bytes turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// Moving pictures in a container that can also carry sound.
    Video,
    /// A picture, animated or not.
    Image,
    /// Sound, with or without cover art.
    Audio,
}

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureSize {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

/// A picture for the page.
#[derive(Clone, PartialEq, Eq)]
pub struct Still {
    /// The picture as a WebP file.
    pub webp: Bytes,
    /// Its width and height.
    pub size: PictureSize,
}

impl Debug for Still {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Still")
            .field("webp", &format_args!("{} bytes", self.webp.len()))
            .field("size", &self.size)
            .finish()
    }
}

/// Why a look found nothing.
#[derive(Debug, thiserror::Error)]
pub enum ThumbnailError {
    /// There is no such program here.
    #[error(
        "{program} is not installed: `apt-get install ffmpeg` or `brew install ffmpeg` brings it, \
         or put it beside the bowerbird binary"
    )]
    Missing {
        /// What was looked for.
        program: String,
    },
    /// This build of `FFmpeg` was made without something that we need.
    #[error(
        "this ffmpeg has no {what}: install a build that has it, as Debian's and Homebrew's do"
    )]
    Lacking {
        /// What it lacks.
        what: &'static str,
    },
    /// The deadline passed; the children are dead.
    #[error("no answer from ffmpeg within {0:?}")]
    Timeout(Duration),
    /// The media is broken, or nothing that we show.
    #[error("unreadable media: {reason}")]
    Unreadable {
        /// The last words of the program, made safe to print.
        reason: String,
    },
    /// A child died of a signal: it crashed on the file, or the system needed its memory.
    #[error("{program} died of signal {signal}")]
    Crashed {
        /// What died.
        program: &'static str,
        /// Of what.
        signal: i32,
    },
    /// The link's host answered that this link leads nowhere; a fresh one may.
    #[error("the link was refused with status {status}")]
    LinkRefused {
        /// The HTTP status.
        status: u16,
    },
    /// The link's host is overloaded, away or talks nonsense.
    #[error("the link could not be read: {reason}")]
    LinkUnavailable {
        /// What happened, without the link.
        reason: String,
    },
    /// The file cannot be opened.
    #[error("open the media")]
    File(#[source] io::Error),
    /// The system refused a process, a pipe or a socket.
    #[error("run {program}")]
    Run {
        /// What was to run.
        program: &'static str,
        /// Why it did not.
        #[source]
        source: io::Error,
    },
}

impl ThumbnailError {
    /// Whether the same media will fail in the same way for ever.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Unreadable { .. } => true,
            Self::Missing { .. }
            | Self::Lacking { .. }
            | Self::Timeout(_)
            | Self::Crashed { .. }
            | Self::LinkRefused { .. }
            | Self::LinkUnavailable { .. }
            | Self::File(_)
            | Self::Run { .. } => false,
        }
    }

    fn unreadable(reason: impl Into<String>) -> Self {
        Self::Unreadable { reason: reason.into() }
    }
}

/// The real thing: at most one child at a time for each look, each in a process group of its own.
#[derive(Clone, Debug)]
pub struct Ffmpeg {
    stills: Program,
    probes: Program,
    client: reqwest::Client,
    deadline: Duration,
}

impl Ffmpeg {
    /// Uses the programs beside our own binary, else those on the `PATH`; nothing is downloaded.
    ///
    /// `deadline` bounds a whole look, whatever the number of children it takes.
    pub fn find(deadline: Duration) -> Self {
        Self::at(
            ffmpeg_sidecar::paths::ffmpeg_path(),
            ffmpeg_sidecar::ffprobe::ffprobe_path(),
            deadline,
        )
    }

    /// Uses these programs.
    pub fn at(ffmpeg: PathBuf, ffprobe: PathBuf, deadline: Duration) -> Self {
        Self {
            stills: Program { name: "ffmpeg", path: ffmpeg },
            probes: Program { name: "ffprobe", path: ffprobe },
            client: feed::client(),
            deadline,
        }
    }

    async fn look_without_deadline(
        &self,
        source: &Source,
        hint: MediaHint,
    ) -> Result<Look, ThumbnailError> {
        match source {
            Source::File(path) => self.examine(&Input::File(path), hint).await,
            Source::Link(link) => {
                let feed = Feed::open(self.client.clone(), link).await?;
                let look = self.examine(&Input::Feed(feed.address()), hint).await;
                // A link that breaks midway looks like a broken file to the child; the feed knows.
                // A still that was made all the same stands.
                look.map_err(|error| feed.failure().unwrap_or(error))
            }
        }
    }

    async fn examine(&self, input: &Input<'_>, hint: MediaHint) -> Result<Look, ThumbnailError> {
        let found = probe::run(&self.probes, input, hint).await?;
        let still = match &found.picture {
            Some(picture) => Some(still::take(&self.stills, input, hint, &found, picture).await?),
            None => None,
        };
        Ok(Look { probe: found.probe, still })
    }
}

#[async_trait]
impl Thumbnailer for Ffmpeg {
    async fn look(&self, source: &Source, hint: MediaHint) -> Result<Look, ThumbnailError> {
        // Dropping the look at the deadline kills its children.
        timeout(self.deadline, self.look_without_deadline(source, hint))
            .await
            .unwrap_or(Err(ThumbnailError::Timeout(self.deadline)))
    }
}
