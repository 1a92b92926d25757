//! The host's side of a feed: small closed ranges, each asked for once and kept for the look.
//!
//! The feed's answers read from it. What it holds goes with the look.

use std::{
    collections::HashMap,
    error::Error,
    io,
    ops::Range,
    sync::{Mutex as StdMutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_RANGE, RANGE},
};
use tokio::sync::Mutex;

use crate::ffmpeg::ThumbnailError;

/// One range asked of the host. Half a chunk is wasted at each seek, of which a look has three to
/// five; halving it doubles the round trips of the megabyte or two that a still takes.
const CHUNK_SIZE: usize = 256 * 1024;
const CHUNK: u64 = CHUNK_SIZE as u64;
/// What one look may fetch, and so may hold: the largest photo that a plain upload allows, thrice.
/// A video's still takes a tenth; what takes more has its index scattered all over the file.
const MAX_FETCHED: u64 = 32 * 1024 * 1024;
/// Handed on at once, for the same reason.
const PIECE: u64 = 16 * 1024;
/// A host on the allow-list answers within a second; ten allow for a lost packet or three.
const SILENCE: Duration = Duration::from_secs(10);

/// The client for links: follows no redirect, for the host was checked and the next one was not.
pub(in crate::ffmpeg) fn client() -> Client {
    // Refused when the process chose a provider already, which is what we want.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(SILENCE)
        .read_timeout(SILENCE)
        .build()
        .expect("a client of constants and an installed provider builds")
}

/// A file behind a link.
#[derive(Debug)]
pub(super) struct Remote {
    client: Client,
    link: Link,
    length: u64,
    cache: Mutex<Cache>,
    failure: StdMutex<Option<ThumbnailError>>,
}

struct Link(String);

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[derive(Debug, Default)]
struct Cache {
    chunks: HashMap<u64, Bytes>,
    fetched: u64,
}

impl Remote {
    /// Fetches the first chunk, with which comes the length.
    pub(super) async fn open(client: Client, link: &str) -> Result<Self, ThumbnailError> {
        let link = Link(link.to_owned());
        let part = fetch(&client, &link, 0..CHUNK).await?;
        let mut cache = Cache { fetched: part.bytes.len() as u64, ..Cache::default() };
        // More than one if the host knows no ranges and sent everything.
        for (index, start) in (0..part.bytes.len()).step_by(CHUNK_SIZE).enumerate() {
            let end = part.bytes.len().min(start + CHUNK_SIZE);
            cache.chunks.insert(index as u64, part.bytes.slice(start..end));
        }
        let (cache, failure) = (Mutex::new(cache), StdMutex::default());
        Ok(Self { client, link, length: part.length, cache, failure })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn failure(&self) -> Option<ThumbnailError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Notes what went wrong, to be told instead of what the child makes of it.
    pub(super) fn fail(&self, error: ThumbnailError) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Some bytes from the start of the range, which lies in the file and is not empty.
    pub(super) async fn piece(&self, wanted: Range<u64>) -> io::Result<Bytes> {
        let index = wanted.start / CHUNK;
        let chunk = self.chunk(index).await.map_err(|error| {
            let told = io::Error::other(error.to_string());
            self.fail(error);
            told
        })?;
        let start = wanted.start - index * CHUNK;
        let end = (start + PIECE).min(wanted.end - index * CHUNK).min(chunk.len() as u64);
        let within = |offset| usize::try_from(offset).expect("a chunk fits into memory");
        Ok(chunk.slice(within(start)..within(end)))
    }

    async fn chunk(&self, index: u64) -> Result<Bytes, ThumbnailError> {
        // Held while fetching: a second connection that wants the same chunk waits for it.
        let mut cache = self.cache.lock().await;
        if let Some(chunk) = cache.chunks.get(&index) {
            return Ok(chunk.clone());
        }
        let start = index * CHUNK;
        let range = start..self.length.min(start + CHUNK);
        let asked = range.end - range.start;
        if cache.fetched + asked > MAX_FETCHED {
            let reason = format!("a still takes more than {MAX_FETCHED} bytes of the link");
            return Err(ThumbnailError::unreadable(reason));
        }
        // Counted before: an answer that a hang-up cuts short was sent all the same.
        cache.fetched += asked;
        let part = fetch(&self.client, &self.link, range).await?;
        if part.length != self.length || part.bytes.len() as u64 != asked {
            return Err(unavailable("the file changed while it was read"));
        }
        cache.chunks.insert(index, part.bytes.clone());
        Ok(part.bytes)
    }
}

struct Part {
    bytes: Bytes,
    /// Of the whole file.
    length: u64,
}

async fn fetch(client: &Client, link: &Link, range: Range<u64>) -> Result<Part, ThumbnailError> {
    let asked = format!("bytes={}-{}", range.start, range.end - 1);
    let answer = client.get(&link.0).header(RANGE, asked).send().await.map_err(broken)?;
    match answer.status() {
        StatusCode::PARTIAL_CONTENT => {
            let length = length_of(&answer, range.start)
                .ok_or_else(|| unavailable("its answer is not the range that was asked for"))?;
            let end = range.end.min(length);
            let bytes = body(answer, end - range.start).await?;
            if bytes.len() as u64 != end - range.start {
                return Err(unavailable("its answer is shorter than it says"));
            }
            Ok(Part { bytes, length })
        }
        // The whole file, from a host that knows no ranges.
        StatusCode::OK if range.start == 0 => {
            let bytes = body(answer, MAX_FETCHED).await?;
            if bytes.is_empty() {
                return Err(empty());
            }
            Ok(Part { length: bytes.len() as u64, bytes })
        }
        StatusCode::RANGE_NOT_SATISFIABLE if range.start == 0 => Err(empty()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Err(unavailable(format!("status {}", answer.status())))
        }
        // A redirect is refused too: it leads to a host that nobody checked.
        status if status.is_client_error() || status.is_redirection() => {
            Err(ThumbnailError::LinkRefused { status: status.as_u16() })
        }
        status => Err(unavailable(format!("status {status}"))),
    }
}

/// The file's length from `bytes 0-99/1000`, if the range begins where it should.
fn length_of(answer: &Response, start: u64) -> Option<u64> {
    let said = answer.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, length) = said.strip_prefix("bytes ")?.split_once('/')?;
    let (from, _) = range.split_once('-')?;
    let length = length.parse().ok()?;
    (from.parse() == Ok(start) && start < length).then_some(length)
}

async fn body(mut answer: Response, most: u64) -> Result<Bytes, ThumbnailError> {
    let mut all = BytesMut::new();
    while let Some(piece) = answer.chunk().await.map_err(broken)? {
        if (all.len() + piece.len()) as u64 > most {
            return Err(unavailable(format!("it sends more than {most} bytes")));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

fn empty() -> ThumbnailError {
    ThumbnailError::unreadable("the file is empty")
}

fn unavailable(reason: impl Into<String>) -> ThumbnailError {
    ThumbnailError::LinkUnavailable { reason: reason.into() }
}

/// Without the address, which reqwest would repeat.
fn broken(error: reqwest::Error) -> ThumbnailError {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    unavailable(reason)
}
