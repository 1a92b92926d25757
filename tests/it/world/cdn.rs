//! The CDN and ffmpeg over the truth: links that die, files that come damaged, and pictures of people.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bowerbird::{
    cdn::{Cdn, CdnError, Download},
    domain::link::Link,
    ffmpeg::{
        Look, MediaHint, MediaKind, PictureSize, Probe, Source, Still, ThumbnailError, Thumbnailer,
    },
};
use bytes::Bytes;
use futures_util::StreamExt;
use sha2::Digest;

use super::{
    dice::Dice,
    fate::{Fate, Step},
    truth::Truth,
    weather::Weather,
};

/// How often the weather may spoil one file: less often than a file is tried.
const SPOILT_AT_MOST: u32 = 2;

#[derive(Clone, Debug)]
pub(super) struct FakeCdn {
    /// How many files were served, in part or whole.
    pub(super) fetches: Arc<AtomicU64>,
    pub(super) truth: Truth,
    pub(super) fate: Fate,
    pub(super) dice: Dice,
    pub(super) weather: Weather,
}

/// How long ffmpeg may take for a look, as in the service itself.
const DEADLINE: Duration = Duration::from_mins(2);

/// How long a slow CDN takes for its first byte.
const SLOW: Duration = Duration::from_secs(100);

/// What a CDN says with 200 when it means something else.
const SORRY: &[u8] = b"<!doctype html><title>502 Bad Gateway</title>";

#[async_trait]
impl Cdn for FakeCdn {
    fn allows(&self, _: &Link) -> Result<(), CdnError> {
        Ok(())
    }

    async fn open(&self, link: &Link) -> Result<Download, CdnError> {
        let address = link.unsigned();
        let is_picture = address.contains("/avatars/");
        let about = if is_picture { "picture" } else { "file" };
        self.fate.reach(Step::Fetch, about).await;
        let latency = 0.05 + self.dice.throw(("fetch", address));
        tokio::time::sleep(Duration::from_secs_f64(latency)).await;
        let bytes = if is_picture {
            picture_of(address)
        } else {
            let opened = self.truth.state().open(link);
            let Some(bytes) = opened else { return Err(CdnError::Refused { status: 404 }) };
            self.fetches.fetch_add(1, Ordering::Relaxed);
            bytes
        };
        let (thrown, times) = self.dice.nth(("file", address));
        let fails = self.weather.now().cdn_fails;
        if times >= SPOILT_AT_MOST || thrown >= fails {
            return Ok(self.whole(about, &bytes));
        }
        // What is refused twice counts as gone, and people's pictures are refused once.
        let may_refuse = times == 0 && !is_picture;
        self.spoil(thrown / fails, may_refuse, about, &bytes).await
    }
}

impl FakeCdn {
    /// How a file comes that does not come as it is, by a throw of the dice.
    async fn spoil(
        &self,
        thrown: f64,
        may_refuse: bool,
        about: &'static str,
        bytes: &Bytes,
    ) -> Result<Download, CdnError> {
        let unavailable = |reason: &str, retry_after| {
            Err(CdnError::Unavailable { reason: reason.to_owned(), retry_after })
        };
        let whole = |bytes: &Bytes| self.whole(about, bytes);
        let unannounced = |bytes: &Bytes| Download { length: None, crc32c: None, ..whole(bytes) };
        // People's pictures come without a length to compare with, but never damaged in a way that TLS would let pass.
        let damages = if about == "file" { 11.0 } else { 4.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below twelve")]
        let (fault, answer) = match (thrown * damages) as u32 {
            0 => ("cdn: 503", unavailable("503", None)),
            1 => ("cdn: 429", unavailable("429", Some(Duration::from_secs(3)))),
            2 => {
                tokio::time::sleep(SLOW).await;
                ("cdn: slow", Ok(whole(bytes)))
            }
            3 => {
                let reset = CdnError::Unavailable { reason: "reset".to_owned(), retry_after: None };
                let chunks = [Ok(bytes.slice(..bytes.len() / 2)), Err(reset)];
                let body = Box::pin(futures_util::stream::iter(chunks));
                ("cdn: cut", Ok(Download { body, ..whole(bytes) }))
            }
            4 if may_refuse => ("cdn: 403", Err(CdnError::Refused { status: 403 })),
            5 if may_refuse => ("cdn: 404", Err(CdnError::Refused { status: 404 })),
            6 => {
                let half = bytes.slice(..bytes.len() / 2);
                ("cdn: ends early", Ok(Download { length: None, ..whole(&half) }))
            }
            7 => {
                let length = Some(bytes.len() as u64 + 1);
                ("cdn: length is a lie", Ok(Download { length, ..whole(bytes) }))
            }
            8 => ("cdn: HTML with 200", Ok(unannounced(&Bytes::from_static(SORRY)))),
            9 => ("cdn: too much", Ok(unannounced(&[&bytes[..], b"x"].concat().into()))),
            _ => {
                let crc32c = Some(crc32c::crc32c(bytes) ^ 1);
                ("cdn: other bytes", Ok(Download { crc32c, ..whole(bytes) }))
            }
        };
        self.weather.meets(fault);
        answer
    }

    /// A file as it is, which a process may not live to see the end of.
    fn whole(&self, about: &'static str, bytes: &Bytes) -> Download {
        let (first, last) = (bytes.slice(..bytes.len() / 2), bytes.slice(bytes.len() / 2..));
        let fate = self.fate.clone();
        let body = arriving(fate, about, [first, last]);
        Download {
            length: Some(bytes.len() as u64),
            crc32c: Some(crc32c::crc32c(bytes)),
            content_type: None,
            body: Box::pin(body),
        }
    }
}

/// Chunks, after each of which a process may die.
fn arriving(
    fate: Fate,
    about: &'static str,
    chunks: [Bytes; 2],
) -> impl futures_util::Stream<Item = Result<Bytes, CdnError>> + Send {
    let steps = [None, Some(Step::Arriving), Some(Step::Arrived)];
    let chunks = chunks.into_iter().map(Some).chain([None]);
    let parts = futures_util::stream::iter(steps.into_iter().zip(chunks));
    let arriving = parts.then(move |(step, chunk)| {
        let fate = fate.clone();
        async move {
            if let Some(step) = step {
                fate.reach(step, about).await;
            }
            chunk.map(Ok)
        }
    });
    arriving.filter_map(std::future::ready)
}

/// What the picture of a person at an address is.
pub(super) fn picture_of(address: &str) -> Bytes {
    [b"\x89PNG\r\n\x1a\n", address.as_bytes()].concat().into()
}

#[derive(Clone, Debug)]
pub(super) struct FakeThumbnailer {
    pub(super) truth: Truth,
    pub(super) fate: Fate,
    pub(super) dice: Dice,
    pub(super) weather: Weather,
}

#[async_trait]
impl Thumbnailer for FakeThumbnailer {
    async fn look(&self, source: &Source, _: MediaHint) -> Result<Look, ThumbnailError> {
        let bytes = match source {
            Source::File(path) => {
                let read = tokio::fs::read(path).await.map_err(ThumbnailError::File)?;
                let files = &self.truth.state().files;
                assert!(files.values().any(|file| file.bytes == read), "nobody posted these bytes");
                Bytes::from(read)
            }
            Source::Link(link) => {
                let link = Link::new(link.clone());
                let open = self.truth.state().open(&link);
                open.ok_or(ThumbnailError::LinkRefused { status: 404 })?
            }
        };
        let (thrown, times) = self.dice.nth(("look", &bytes));
        tokio::time::sleep(Duration::from_secs_f64(0.1 + thrown)).await;
        let fails = self.weather.now().ffmpeg_fails;
        if times < SPOILT_AT_MOST && thrown < fails {
            if thrown < fails / 2.0 {
                self.weather.meets("ffmpeg: crashed");
                return Err(ThumbnailError::Crashed { program: "ffmpeg", signal: 11 });
            }
            self.weather.meets("ffmpeg: hung");
            tokio::time::sleep(DEADLINE).await;
            return Err(ThumbnailError::Timeout(DEADLINE));
        }
        let about = match source {
            Source::File(_) => "file",
            Source::Link(_) => "link",
        };
        self.fate.reach(Step::Looked, about).await;
        if bytes.is_empty() {
            return Err(ThumbnailError::Unreadable { reason: "no byte in it".to_owned() });
        }
        let size = PictureSize { width: 640, height: 360 };
        let kind = MediaKind::Video;
        let probe = Probe { kind, size: Some(size), runtime: Some(Duration::from_secs(3)) };
        Ok(Look { probe, still: Some(Still { webp: still_of(&bytes), size }) })
    }
}

/// The still of some bytes.
pub(super) fn still_of(bytes: &[u8]) -> Bytes {
    [b"RIFF\0\0\0\0WEBP", &sha2::Sha256::digest(bytes)[..]].concat().into()
}
