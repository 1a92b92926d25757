//! Shows a bucket to browsers: each object at its key, the page at the root.
//!
//! The `serve` command runs it over whatever bucket is configured; it only reads, so a crash here loses nothing.
//! Video seeks by range requests, and bodies are streamed, so memory does not grow with a file.
//! What strangers posted is served so that no browser runs it.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, RANGE, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use headers::{HeaderMapExt, IfNoneMatch, IfRange};
use http_range_header::{StartPosition, parse_range_header};
use tokio::net::TcpListener;
use tracing::{error, warn};

use crate::bucket::{Bucket, BucketError, ByteRange, ObjectInfo, ObjectKey};

/// A paused video keeps its connection open for as long as it likes; an end that was asked for waits this long for it.
const GRACE: Duration = Duration::from_secs(3);

/// Scripts, forms and the origin are taken from a file that a browser opens by itself.
const STRANGER: &str = "sandbox";

/// The page brings its own policy but for this rule, which browsers only take from a header.
const OWN: &str = "frame-ancestors 'none'";

/// What is sent with every answer, refusals included. No other site may show what lies here or reach the window that
/// does, no link tells where it was followed, and the page needs none of the machine's senses.
const ALWAYS: [(HeaderName, &str); 6] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// What a browser is asked to wait, in seconds, when the bucket is away.
const AWAY: &str = "5";

/// Serves every object of the bucket at its key, and `index.html` at the root.
pub fn router(bucket: Arc<dyn Bucket>) -> Router {
    Router::new().fallback(answer).layer(map_response(guarded)).with_state(bucket)
}

async fn guarded(mut response: Response) -> Response {
    for (name, value) in ALWAYS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Answers on `listener` until `shutdown`, then ends as soon as open answers are done, or a few seconds later.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let shutdown = shutdown.boxed().shared();
    let late = shutdown.clone().then(|()| tokio::time::sleep(GRACE));
    tokio::select! {
        ended = axum::serve(listener, router).with_graceful_shutdown(shutdown).into_future() => ended,
        () = late => Ok(()),
    }
}

async fn answer(
    State(bucket): State<Arc<dyn Bucket>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")]).into_response();
    }
    let Some(key) = key_of(&uri) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match read(bucket.as_ref(), &key, &method, &headers).await {
        Ok(response) => response,
        Err(e) => refusal(&key, &e),
    }
}

/// Keys are made of characters that no address escapes, so an escaped path is somebody else's.
fn key_of(uri: &Uri) -> Option<ObjectKey> {
    match uri.path() {
        "/" => ObjectKey::new("index.html").ok(),
        path => ObjectKey::new(path.strip_prefix('/')?).ok(),
    }
}

async fn read(
    bucket: &dyn Bucket,
    key: &ObjectKey,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, BucketError> {
    let conditions = headers.typed_get::<IfNoneMatch>();
    let mut range = None;
    if method == Method::HEAD || conditions.is_some() || headers.contains_key(RANGE) {
        let Some(info) = bucket.stat(key).await? else {
            return Err(BucketError::NotFound { key: key.clone() });
        };
        if conditions.is_some_and(|known| !known.precondition_passes(&tag(&info))) {
            return Ok((StatusCode::NOT_MODIFIED, described(&info)).into_response());
        }
        if method == Method::HEAD {
            let length = (CONTENT_LENGTH, HeaderValue::from(info.size));
            return Ok((described(&info), [length]).into_response());
        }
        match wanted(headers, &info) {
            Wanted::Whole => {}
            Wanted::Part(part) => {
                range = Some(ByteRange { start: *part.start(), end: part.end().checked_add(1) });
            }
            Wanted::Nowhere => {
                return Err(BucketError::NoSuchRange { key: key.clone(), size: info.size });
            }
        }
    }
    let object = bucket.get(key, range).await?;
    let part = object.range.clone();
    let mut response = (described(&object.info), Body::from_stream(object.body)).into_response();
    let sent = response.headers_mut();
    sent.insert(CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    if range.is_some() {
        let last = part.end.saturating_sub(1);
        insert(sent, CONTENT_RANGE, &format!("bytes {}-{last}/{}", part.start, object.info.size));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// Which part of an object a request asks for.
enum Wanted {
    Whole,
    Part(RangeInclusive<u64>),
    Nowhere,
}

/// Several ranges at once are answered with the whole, as the standard allows: no browser asks so for media.
fn wanted(headers: &HeaderMap, info: &ObjectInfo) -> Wanted {
    let Some(text) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return Wanted::Whole;
    };
    // Units that are not known are to be ignored, as is a range of another version of the object.
    let stale = headers
        .typed_get::<IfRange>()
        .is_some_and(|known| known.is_modified(Some(&tag(info)), None));
    if stale || !text.starts_with("bytes=") {
        return Wanted::Whole;
    }
    let ranges = parse_range_header(text).and_then(|mut parsed| {
        for part in &mut parsed.ranges {
            // More than there is from the end means all there is; the parser alone would refuse it.
            if let StartPosition::FromLast(length) = &mut part.start {
                *length = (*length).min(info.size);
            }
        }
        parsed.validate(info.size)
    });
    match ranges.as_deref() {
        Ok([part]) => Wanted::Part(part.clone()),
        Ok(_) => Wanted::Whole,
        Err(_) => Wanted::Nowhere,
    }
}

/// What is said of an object whatever part of it is sent.
fn described(info: &ObjectInfo) -> HeaderMap {
    let mut headers = HeaderMap::new();
    insert(&mut headers, CONTENT_TYPE, &info.meta.content_type);
    insert(&mut headers, CACHE_CONTROL, &info.meta.cache_control);
    if let Some(disposition) = &info.meta.content_disposition {
        insert(&mut headers, CONTENT_DISPOSITION, disposition);
    }
    let ours = info.key.as_str() == "index.html" || info.key.as_str().starts_with("gallery/");
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(if ours { OWN } else { STRANGER }),
    );
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.typed_insert(tag(info));
    headers
}

/// Each put makes another generation, so it tells two versions of a key apart.
fn tag(info: &ObjectInfo) -> headers::ETag {
    format!("\"{:x}\"", info.generation.0).parse().expect("hexadecimal digits make a tag")
}

/// Headers that a bucket keeps are set by ourselves; one that is none after all is left out.
fn insert(headers: &mut HeaderMap, name: axum::http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    } else {
        warn!(%name, value, "header left out");
    }
}

fn refusal(key: &ObjectKey, error: &BucketError) -> Response {
    match error {
        BucketError::NotFound { .. } => StatusCode::NOT_FOUND.into_response(),
        BucketError::NoSuchRange { size, .. } => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            insert(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{size}"));
            response
        }
        error if error.is_transient() => {
            warn!(%key, %error, "object not served");
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, AWAY)]).into_response()
        }
        error => {
            error!(%key, %error, "object not served");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
