//! A host of one file, with ranges, that counts what it sends and misbehaves on demand.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    net::TcpListener,
};
use tokio_util::io::ReaderStream;

/// What a signed link carries; it must never be seen again.
pub(crate) const SIGNATURE: &str = "hm=5a6e1e57";

#[derive(Clone)]
pub(crate) struct Host {
    address: SocketAddr,
    served: Arc<Served>,
}

struct Served {
    file: PathBuf,
    manners: Manners,
    requests: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Clone)]
pub(crate) enum Manners {
    Good,
    /// Sends the whole file whatever it is asked for.
    NoRanges,
    /// Answers with this status from this request on.
    Refuses {
        from: u64,
        status: StatusCode,
    },
    Redirects {
        to: String,
    },
}

impl Host {
    pub(crate) async fn start(file: &Path, manners: Manners) -> Self {
        let served = Arc::new(Served {
            file: file.to_owned(),
            manners,
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&served));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, served }
    }

    pub(crate) fn link(&self) -> String {
        format!("http://{}/attachments/1/2/clip.mp4?ex=1&{SIGNATURE}", self.address)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.served.requests.load(Ordering::SeqCst)
    }

    /// Bytes promised, which is no less than bytes received.
    pub(crate) fn bytes(&self) -> u64 {
        self.served.bytes.load(Ordering::SeqCst)
    }
}

async fn answer(State(host): State<Arc<Served>>, headers: HeaderMap) -> Response {
    let number = host.requests.fetch_add(1, Ordering::SeqCst);
    match &host.manners {
        Manners::Refuses { from, status } if number >= *from => return status.into_response(),
        Manners::Redirects { to } => {
            return (StatusCode::FOUND, [(header::LOCATION, to.as_str())]).into_response();
        }
        Manners::NoRanges => return send(&host, 0, None).await,
        Manners::Good | Manners::Refuses { .. } => {}
    }
    let range = headers.get(header::RANGE).and_then(|range| {
        let (from, to) = range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
        Some((from.parse().ok()?, to.parse().unwrap_or(u64::MAX)))
    });
    match range {
        Some((from, to)) => send(&host, from, Some(to)).await,
        None => send(&host, 0, None).await,
    }
}

async fn send(host: &Served, from: u64, to: Option<u64>) -> Response {
    let mut file = File::open(&host.file).await.unwrap();
    let length = file.metadata().await.unwrap().len();
    if from > 0 && from >= length || length == 0 {
        return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    }
    let end = to.map_or(length, |to| length.min(to + 1));
    host.bytes.fetch_add(end - from, Ordering::SeqCst);
    file.seek(std::io::SeekFrom::Start(from)).await.unwrap();
    let body = Body::from_stream(ReaderStream::new(file.take(end - from)));
    let size = (header::CONTENT_LENGTH, (end - from).to_string());
    if to.is_none() {
        return (StatusCode::OK, [size], body).into_response();
    }
    let range = (header::CONTENT_RANGE, format!("bytes {from}-{}/{length}", end - 1));
    (StatusCode::PARTIAL_CONTENT, [size, range], body).into_response()
}
