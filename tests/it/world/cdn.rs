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
use sha2::Digest;

use super::{
    dice::Dice,
    discord::Weather,
    fate::{Fate, Step},
    file::File,
    truth::Truth,
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

#[async_trait]
impl Cdn for FakeCdn {
    fn allows(&self, _: &Link) -> Result<(), CdnError> {
        Ok(())
    }

    async fn open(&self, link: &Link) -> Result<Download, CdnError> {
        self.fate.reach(Step::Fetch).await;
        let address = link.unsigned();
        let latency = 0.05 + self.dice.throw(("fetch", address));
        tokio::time::sleep(Duration::from_secs_f64(latency)).await;
        if address.contains("/avatars/") {
            return Ok(whole(&picture_of(address)));
        }
        let Some(bytes) = self.truth.state().open(link) else {
            return Err(CdnError::Refused { status: 404 });
        };
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let (thrown, times) = self.dice.nth(("file", address));
        let fails = self.weather.now().cdn_fails;
        if times >= SPOILT_AT_MOST || thrown >= fails {
            return Ok(whole(&bytes));
        }
        match thrown / fails {
            part if part < 0.25 => {
                Err(CdnError::Unavailable { reason: "503".to_owned(), retry_after: None })
            }
            // Refused twice, a file counts as gone.
            part if part < 0.5 && times == 0 => Err(CdnError::Refused { status: 403 }),
            part if part < 0.75 => {
                Ok(Download { crc32c: Some(crc32c::crc32c(&bytes) ^ 1), ..whole(&bytes) })
            }
            _ => Ok(Download {
                length: None,
                crc32c: None,
                ..whole(&[&bytes[..], b"x"].concat().into())
            }),
        }
    }
}

/// What the picture of a person at an address is.
pub(super) fn picture_of(address: &str) -> Bytes {
    [b"\x89PNG\r\n\x1a\n", address.as_bytes()].concat().into()
}

fn whole(bytes: &Bytes) -> Download {
    let half = bytes.len() / 2;
    let chunks = [Ok(bytes.slice(..half)), Ok(bytes.slice(half..))];
    Download {
        length: Some(bytes.len() as u64),
        crc32c: Some(crc32c::crc32c(bytes)),
        content_type: None,
        body: Box::pin(futures_util::stream::iter(chunks)),
    }
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
        if times < SPOILT_AT_MOST && thrown < self.weather.now().ffmpeg_fails {
            return Err(ThumbnailError::Crashed { program: "ffmpeg", signal: 11 });
        }
        self.fate.reach(Step::Looked).await;
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

/// Where the still of a file lies.
pub(super) fn still_path(file: &File) -> Option<String> {
    let still = hex::encode(sha2::Sha256::digest(still_of(&file.bytes)));
    let seen = file.sort.kind() != "file" && !file.bytes.is_empty();
    seen.then(|| format!("thumb/{still}.webp"))
}
