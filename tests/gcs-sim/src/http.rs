//! The socket: routes, counts what passes, and makes go wrong what a test asked for.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower_service::Service;

use crate::fault::{Fault, Op};
use crate::resource::Params;
use crate::world::World;
use crate::{download, listing, metadata, upload};

/// What a lie about a checksum says: that of no bytes at all.
const WRONG_CRC32C: &str = "AAAAAA==";

/// Answers requests until it is dropped, and its connections with it.
pub(crate) async fn serve(listener: TcpListener, world: Arc<World>) {
    let router = router(&world);
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let (router, world) = (router.clone(), Arc::clone(&world));
        connections.spawn(async move {
            let service =
                service_fn(move |request| answer(router.clone(), Arc::clone(&world), request));
            // An error is a connection that a fault or the client has ended.
            drop(http1::Builder::new().serve_connection(TokioIo::new(socket), service).await);
        });
    }
}

fn router(world: &Arc<World>) -> Router {
    let object = get(metadata::get).patch(metadata::patch).delete(metadata::delete);
    let uploads = post(upload::begin).put(upload::chunk).delete(upload::cancel);
    Router::new()
        .route("/storage/v1/b", get(metadata::buckets).post(metadata::create_bucket))
        .route("/storage/v1/b/{bucket}", get(metadata::bucket).patch(metadata::patch_bucket))
        .route("/storage/v1/b/{bucket}/iam/testPermissions", get(metadata::test_permissions))
        .route("/storage/v1/b/{bucket}/o", get(listing::json))
        .route("/storage/v1/b/{bucket}/o/{object}", object)
        .route("/upload/storage/v1/b/{bucket}/o", uploads)
        .route("/download/storage/v1/b/{bucket}/o/{object}", get(download::json))
        .route("/{bucket}", get(listing::xml))
        .route("/{bucket}/", get(listing::xml))
        .route("/{bucket}/{*object}", get(download::xml).options(download::preflight))
        .with_state(Arc::clone(world))
}

async fn answer(
    mut router: Router,
    world: Arc<World>,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    let op = op_of(&request);
    let authorized = u64::from(request.headers().contains_key(header::AUTHORIZATION));
    let fault = {
        let mut state = world.state();
        state.count(op, |counts| {
            counts.requests += 1;
            counts.authorized += authorized;
        });
        state.faults.strike(op)
    };
    let counted = Arc::clone(&world);
    let request = request.map(|body| {
        let pieces = body.into_data_stream().map(move |piece| {
            let piece = piece.map_err(io::Error::other)?;
            counted.state().count(op, |counts| counts.bytes_in += piece.len() as u64);
            Ok(piece)
        });
        match fault {
            Some(Fault::CutRequest(len)) => Body::from_stream(cut(pieces, len)),
            _ => Body::from_stream(pieces),
        }
    });

    match fault {
        Some(Fault::Reset) => return Err(broken()),
        Some(Fault::UploadLost(status)) => {
            let id = Params::of(request.uri()).get("upload_id").unwrap_or_default().to_owned();
            world.state().uploads.remove(&id);
            drop(request.into_body().collect().await);
            return Ok(refuse(status, None));
        }
        Some(Fault::Status(status, retry_after)) => {
            // Read to its end, or the client would see a reset and not the answer.
            drop(request.into_body().collect().await);
            return Ok(refuse(status, retry_after));
        }
        Some(Fault::Slow(pause)) => tokio::time::sleep(pause).await,
        _ => {}
    }
    let Ok(response) = router.call(request).await;
    let response = match fault {
        Some(Fault::LostAnswer | Fault::CutRequest(_)) => return Err(broken()),
        Some(Fault::WrongChecksum) => lie(response).await?,
        _ => response,
    };
    Ok(count_answer(response, world, op, fault))
}

fn count_answer(
    response: Response<Body>,
    world: Arc<World>,
    op: Op,
    fault: Option<Fault>,
) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if let Some(len) = body.size_hint().exact() {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(len));
    }
    let pieces = body.into_data_stream().map(move |piece| {
        let piece = piece.map_err(io::Error::other)?;
        world.state().count(op, |counts| counts.bytes_out += piece.len() as u64);
        Ok(piece)
    });
    let body = match fault {
        Some(Fault::CutAnswer(len)) => Body::from_stream(cut(pieces, len)),
        _ => Body::from_stream(pieces),
    };
    Response::from_parts(parts, body)
}

/// The first so many bytes, then a broken connection.
fn cut(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    len: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let start = (Box::pin(pieces), len);
    stream::try_unfold(start, |(mut pieces, left)| async move {
        if left == 0 {
            return Err(broken());
        }
        let Some(piece) = pieces.next().await else { return Ok(None) };
        let mut piece = piece?;
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - piece.len() as u64;
        Ok(Some((piece, (pieces, left))))
    })
}

fn refuse(status: u16, retry_after: Option<u32>) -> Response<Body> {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = "We encountered an internal error. Please try again.";
    let error = json!({ "error": { "code": status, "message": message } });
    let mut response = (code, axum::Json(error)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

async fn lie(response: Response<Body>) -> io::Result<Response<Body>> {
    let (mut parts, body) = response.into_parts();
    if parts.headers.contains_key("x-goog-hash") {
        let lie = HeaderValue::from_static("crc32c=AAAAAA==,md5=1B2M2Y8AsgTpgAmY7PhCfg==");
        parts.headers.insert("x-goog-hash", lie);
        return Ok(Response::from_parts(parts, body));
    }
    let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let Ok(mut object) = serde_json::from_slice::<Value>(&bytes) else {
        return Ok(Response::from_parts(parts, Body::from(bytes)));
    };
    object["crc32c"] = json!(WRONG_CRC32C);
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(object.to_string())))
}

fn op_of(request: &Request<Incoming>) -> Op {
    let path = request.uri().path();
    let params = Params::of(request.uri());
    let is_object = path.starts_with("/storage/v1/b/") && path.contains("/o/");
    match *request.method() {
        Method::POST if path.starts_with("/upload/") => match params.get("uploadType") {
            Some("resumable") => Op::StartUpload,
            _ => Op::Upload,
        },
        Method::PUT if path.starts_with("/upload/") => {
            if is_query(request.headers()) {
                Op::QueryUpload
            } else {
                Op::Chunk
            }
        }
        Method::GET if path.starts_with("/download/") => Op::Download,
        Method::GET if is_object => match params.get("alt") {
            Some("media") => Op::Download,
            _ => Op::Stat,
        },
        Method::GET if path.ends_with("/o") => Op::List,
        Method::GET if !path.starts_with("/storage/v1/") => Op::Download,
        Method::DELETE if is_object => Op::Delete,
        Method::PATCH if is_object => Op::Patch,
        _ => Op::Bucket,
    }
}

/// `bytes */…` carries no bytes unless the object has none.
fn is_query(headers: &HeaderMap) -> bool {
    let range = headers.get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range == "bytes */*")
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "this connection was to be lost")
}
