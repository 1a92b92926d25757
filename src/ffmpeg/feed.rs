//! Gives a child the bytes of a signed link through a loopback address.
//!
//! `FFmpeg` could open the link by itself, but then the link would stand in the process list,
//! redirects would be followed anywhere, certificates not be checked, and each child would ask for
//! an open range, of which megabytes are under way when it has read enough.
//! Here the host is asked for small closed ranges, each once for all children of a look.
//! Everything lives in memory and goes with the look.

mod remote;

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Empty, StreamBody, combinators::UnsyncBoxBody};
use hyper::StatusCode;
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, HeaderValue, RANGE},
    http::response,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpSocket},
    task::{AbortHandle, JoinSet},
};

use self::remote::Remote;
use super::ThumbnailError;

pub(super) use self::remote::client;

/// Socket buffers of the usual megabytes would be filled ahead of a child that is about to seek.
const SEND_BUFFER: u32 = 16 * 1024;
/// Hyper's least; it gathers as much before it writes.
const WRITE_BUFFER: usize = 8 * 1024;
/// A child has one connection, or two while it closes one.
const BACKLOG: u32 = 8;
/// A link being served to children; dropped, it closes.
#[derive(Debug)]
pub(super) struct Feed {
    address: String,
    remote: Arc<Remote>,
    server: AbortHandle,
}

impl Feed {
    /// Fetches the first bytes, so that a dead link costs no child, and listens.
    pub(super) async fn open(client: reqwest::Client, link: &str) -> Result<Self, ThumbnailError> {
        let remote = Arc::new(Remote::open(client, link).await?);
        let failed = |source| ThumbnailError::Run { program: "the feed", source };
        let listener = listen().map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        // Other users of this machine can connect, but cannot guess.
        let path = format!("/{:032x}", rand::random::<u128>());
        let address = format!("http://{}:{port}{path}", Ipv4Addr::LOCALHOST);
        let server = tokio::spawn(serve(listener, path, Arc::clone(&remote))).abort_handle();
        Ok(Self { address, remote, server })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Why a range could not be had, if one could not.
    pub(super) fn failure(&self) -> Option<ThumbnailError> {
        self.remote.failure()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn listen() -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    socket.listen(BACKLOG)
}

/// Ends with its task, and its connections with it.
async fn serve(listener: TcpListener, path: String, remote: Arc<Remote>) {
    let mut connections = JoinSet::new();
    let path: Arc<str> = path.into();
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            // Out of file descriptors, say; the child's complaint must not count.
            Err(source) => return remote.fail(ThumbnailError::Run { program: "the feed", source }),
        };
        while connections.try_join_next().is_some() {}
        let (path, remote) = (Arc::clone(&path), Arc::clone(&remote));
        connections.spawn(async move {
            let answer = service_fn(|request: Request<Incoming>| {
                let answer = if request.uri().path() == &*path {
                    answer(&request, Arc::clone(&remote))
                } else {
                    status(StatusCode::NOT_FOUND)
                };
                async { Ok::<_, Infallible>(answer) }
            });
            let served = http1::Builder::new()
                .max_buf_size(WRITE_BUFFER)
                .serve_connection(TokioIo::new(socket), answer)
                .await;
            if let Err(error) = served {
                // A child that seeks hangs up in the middle of an answer.
                tracing::trace!(%error, "connection to a child ended early");
            }
        });
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

fn answer(request: &Request<Incoming>, remote: Arc<Remote>) -> Response<Body> {
    let length = remote.length();
    let range = request.headers().get(RANGE).map_or(Some((0, None)), asked);
    let Some((from, last)) = range.filter(|(from, _)| *from < length) else {
        return status(StatusCode::RANGE_NOT_SATISFIABLE);
    };
    let end = last.map_or(length, |last| length.min(last.saturating_add(1))).max(from);
    let head = response::Builder::new()
        .status(StatusCode::PARTIAL_CONTENT)
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_LENGTH, end - from)
        .header(CONTENT_RANGE, format!("bytes {from}-{}/{length}", end.saturating_sub(1)));
    head.body(pieces(remote, from, end)).expect("headers of digits are valid")
}

fn pieces(remote: Arc<Remote>, from: u64, end: u64) -> Body {
    let pieces = stream::try_unfold(from, move |offset| {
        let remote = Arc::clone(&remote);
        async move {
            if offset >= end {
                return Ok(None);
            }
            let piece = remote.piece(offset..end).await?;
            let next = offset + piece.len() as u64;
            Ok::<_, io::Error>(Some((Frame::data(piece), next)))
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

fn status(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

/// `bytes=5-` or `bytes=5-9`; `FFmpeg` asks for nothing else.
fn asked(range: &HeaderValue) -> Option<(u64, Option<u64>)> {
    let (from, last) = range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let last = if last.is_empty() { None } else { Some(last.parse().ok()?) };
    Some((from.parse().ok()?, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_understood_or_refused() {
        #[track_caller]
        fn check(said: &'static str, expected: Option<(u64, Option<u64>)>) {
            assert_eq!(asked(&HeaderValue::from_static(said)), expected, "{said}");
        }
        check("bytes=0-", Some((0, None)));
        check("bytes=5-9", Some((5, Some(9))));
        check("bytes=-5", None);
        check("bytes=1-2,4-5", None);
        check("lines=1-2", None);
    }
}
