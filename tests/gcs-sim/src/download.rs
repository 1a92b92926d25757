//! The bytes of objects, whole and in parts, as both of Google's APIs send them.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::refusal::Refusal;
use crate::resource::{Conditions, Params, Resource};
use crate::world::{Permission, Public, World};

/// `GET …/o/{object}?alt=media` and `GET /download/…`.
pub(crate) async fn json(
    State(world): State<Arc<World>>,
    Path((bucket, name)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let params = Params::of(&uri);
    let object = world.state().object(&bucket, &name, Permission::Get)?.clone();
    if params.number("generation")?.is_some_and(|generation| generation != object.generation) {
        return Err(Refusal::no_object(&bucket, &name));
    }
    Conditions::of(&params)?.check_read(&object)?;
    send(&object, &headers).await
}

/// `GET /{bucket}/{object}`, what a browser opens.
pub(crate) async fn xml(
    State(world): State<Arc<World>>,
    Path((bucket, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (object, cors) = {
        let mut state = world.state();
        let shown = state.bucket(&bucket, Permission::Get)?;
        if shown.public == Public::Nothing {
            return Err(Refusal::forbidden("storage.objects.get", "object"));
        }
        let cors = allowed_origin(&shown.cors, &headers);
        (state.object(&bucket, &name, Permission::Get)?.clone(), cors)
    };
    let etag = format!("\"{}\"", object.etag());
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == etag.as_str());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        send(&object, &headers).await?
    };
    insert(&mut response, header::ETAG, &etag);
    if let Some(origin) = cors {
        insert(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, &origin);
    }
    Ok(response)
}

/// `OPTIONS /{bucket}/{object}`, what a browser asks before it reads from another origin.
pub(crate) async fn preflight(
    State(world): State<Arc<World>>,
    Path((bucket, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let cors = world.state().bucket(&bucket, Permission::Get)?.cors.clone();
    let mut response = StatusCode::OK.into_response();
    if let Some(origin) = allowed_origin(&cors, &headers) {
        insert(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, &origin);
        insert(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD");
        insert(&mut response, header::ACCESS_CONTROL_ALLOW_HEADERS, "Range");
    }
    Ok(response)
}

async fn send(object: &Resource, request: &HeaderMap) -> Result<Response, Refusal> {
    let is_gzip = object.headers.content_encoding.as_deref() == Some("gzip");
    if is_gzip && !accepts_gzip(request) && !must_not_transform(object) {
        return unpacked(object).await;
    }
    let size = object.content.len();
    let asked = request.get(header::RANGE).and_then(|range| range.to_str().ok());
    let range = match asked.map(|asked| parse_range(asked, size)) {
        None | Some(Asked::Everything) => None,
        Some(Asked::Part(range)) => Some(range),
        Some(Asked::Nothing) => return Ok(not_satisfiable(size)),
    };
    let part = range.clone().unwrap_or(0..size);
    let pieces =
        object.content.stream(part.clone()).await.map_err(|error| Refusal::broken(&error))?;
    let mut response = Response::new(Body::from_stream(pieces));
    describe(&mut response, object);
    insert(&mut response, header::CONTENT_LENGTH, &(part.end - part.start).to_string());
    if is_gzip {
        insert(&mut response, header::CONTENT_ENCODING, "gzip");
    }
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        insert(&mut response, header::CONTENT_RANGE, &range);
    }
    Ok(response)
}

/// What Google does for readers that cannot unpack; the length and ranges are lost on the way.
async fn unpacked(object: &Resource) -> Result<Response, Refusal> {
    let packed = object.content.read().await.map_err(|error| Refusal::broken(&error))?;
    let mut bytes = Vec::new();
    GzDecoder::new(packed.as_ref())
        .read_to_end(&mut bytes)
        .map_err(|error| Refusal::broken(&error))?;
    let mut response = Response::new(Body::from(bytes));
    describe(&mut response, object);
    insert(&mut response, header::WARNING, "214 UploadServer gunzipped");
    Ok(response)
}

fn describe(response: &mut Response, object: &Resource) {
    let headers = &object.headers;
    let content_type = headers.content_type.as_deref().unwrap_or("application/octet-stream");
    insert(response, header::CONTENT_TYPE, content_type);
    // Public objects without a word about caching are kept for an hour.
    let cache = headers.cache_control.as_deref().unwrap_or("public, max-age=3600");
    insert(response, header::CACHE_CONTROL, cache);
    if let Some(disposition) = &headers.content_disposition {
        insert(response, header::CONTENT_DISPOSITION, disposition);
    }
    if let Some(language) = &headers.content_language {
        insert(response, header::CONTENT_LANGUAGE, language);
    }
    insert(response, header::ETAG, &object.etag());
    insert(response, header::ACCEPT_RANGES, "bytes");
    let hashes = &object.hashes;
    let encoding = headers.content_encoding.as_deref().unwrap_or("identity");
    for (name, value) in [
        ("x-goog-generation", object.generation.to_string()),
        ("x-goog-metageneration", object.metageneration.to_string()),
        ("x-goog-hash", format!("crc32c={},md5={}", hashes.crc32c_text(), hashes.md5_text())),
        ("x-goog-stored-content-length", object.content.len().to_string()),
        ("x-goog-stored-content-encoding", encoding.to_owned()),
        ("x-goog-storage-class", "STANDARD".to_owned()),
    ] {
        insert(response, HeaderName::from_static(name), &value);
    }
}

fn not_satisfiable(size: u64) -> Response {
    let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    insert(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
    response
}

/// A value that is no header is one that Google would not send either.
fn insert(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn accepts_gzip(request: &HeaderMap) -> bool {
    let accepted = request.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| {
        accepted.split(',').any(|coding| {
            let coding = coding.trim();
            coding.split(';').next() == Some("gzip") && !coding.ends_with("q=0")
        })
    })
}

fn must_not_transform(object: &Resource) -> bool {
    let cache = object.headers.cache_control.as_deref().unwrap_or_default();
    cache.split(',').any(|directive| directive.trim() == "no-transform")
}

fn allowed_origin(cors: &[Value], request: &HeaderMap) -> Option<String> {
    let origin = request.get(header::ORIGIN)?.to_str().ok()?;
    let rules = cors.iter().filter_map(|rule| rule.get("origin")?.as_array());
    rules
        .flatten()
        .filter_map(Value::as_str)
        .find(|allowed| *allowed == "*" || *allowed == origin)
        .map(str::to_owned)
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// No range that is understood.
    Everything,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that are not there.
    Nothing,
}

fn parse_range(header: &str, size: u64) -> Asked {
    let Some((start, end)) = header.strip_prefix("bytes=").and_then(|span| span.split_once('-'))
    else {
        return Asked::Everything;
    };
    let range = match (start.parse::<u64>(), end.parse::<u64>()) {
        (Ok(start), Ok(end)) if start <= end => start..(end + 1).min(size),
        (Ok(start), Err(_)) if end.is_empty() => start..size,
        (Err(_), Ok(last)) if start.is_empty() => size.saturating_sub(last)..size,
        _ => return Asked::Everything,
    };
    if range.is_empty() { Asked::Nothing } else { Asked::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: &Asked) {
        assert_eq!(parse_range(header, 10), *expected);
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        check("bytes=0-", &Asked::Part(0..10));
        check("bytes=2-4", &Asked::Part(2..5));
        check("bytes=2-400", &Asked::Part(2..10));
        check("bytes=-3", &Asked::Part(7..10));
        check("bytes=-30", &Asked::Part(0..10));
        check("bytes=10-", &Asked::Nothing);
        check("bytes=-0", &Asked::Nothing);
        check("bytes=4-2", &Asked::Everything);
        check("bytes=a-b", &Asked::Everything);
        check("items=0-1", &Asked::Everything);
    }
}
