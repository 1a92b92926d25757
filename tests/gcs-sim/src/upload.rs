//! Uploads: multipart and plain in one request, resumable in as many as it takes.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Map, Value};
use tempfile::TempPath;
use tokio::io::{AsyncSeekExt, AsyncWriteExt, SeekFrom};

use crate::content::{Content, MEMORY_LIMIT};
use crate::refusal::Refusal;
use crate::resource::{Conditions, Headers, Params, Promised};
use crate::world::{Draft, World};

/// What one request may bring; clients send larger files in a resumable way.
const MAX_SINGLE: usize = 64 * 1024 * 1024;

/// Google keeps an unfinished upload in steps of this size and wants every chunk but the last to be a multiple.
const STEP: u64 = 256 * 1024;

/// What browsers and Google call bytes of no known type.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// A resumable upload that is not finished, or just is.
#[derive(Debug)]
pub(crate) struct Upload {
    bucket: String,
    name: String,
    headers: Headers,
    promised: Promised,
    conditions: Conditions,
    path: TempPath,
    persisted: u64,
    finished: Option<Value>,
}

/// What an upload is to become, before its bytes.
struct Intent {
    bucket: String,
    name: String,
    headers: Headers,
    promised: Promised,
    conditions: Conditions,
}

/// `POST /upload/…`: an upload in one request, or the beginning of one in many.
pub(crate) async fn begin(
    State(world): State<Arc<World>>,
    Path(bucket): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let params = Params::of(&uri);
    let bytes = axum::body::to_bytes(body, MAX_SINGLE)
        .await
        .map_err(|error| Refusal::invalid(error.to_string()))?;
    match params.get("uploadType") {
        Some("multipart") => {
            let parts = Parts::parse(&headers, &bytes)?;
            let mut intent = Intent::of(bucket, &params, &headers, &parts.resource)?;
            intent.headers.content_type.get_or_insert(parts.content_type);
            finish_single(&world, intent, parts.media).await
        }
        Some("media") | None => {
            let mut intent = Intent::of(bucket, &params, &headers, &Map::new())?;
            let declared = text(&headers, "content-type").unwrap_or(UNKNOWN_TYPE);
            intent.headers.content_type = Some(declared.to_owned());
            finish_single(&world, intent, bytes).await
        }
        Some("resumable") => {
            let resource = parse_resource(&bytes)?;
            let mut intent = Intent::of(bucket, &params, &headers, &resource)?;
            let declared = text(&headers, "x-upload-content-type").unwrap_or(UNKNOWN_TYPE);
            intent.headers.content_type.get_or_insert_with(|| declared.to_owned());
            start(&world, intent)
        }
        Some(other) => Err(Refusal::invalid(format!("Invalid upload type: {other}."))),
    }
}

/// `PUT /upload/…?upload_id=`: bytes of a resumable upload, or the question how many there are.
pub(crate) async fn chunk(
    State(world): State<Arc<World>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let upload = match find(&world, &uri) {
        Ok(upload) => upload,
        Err(refusal) => {
            drain(body).await;
            return Err(refusal);
        }
    };
    let mut upload = upload.lock().await;
    if let Some(object) = &upload.finished {
        drain(body).await;
        return Ok(Json(object.clone()).into_response());
    }
    if let Some(hash) = text(&headers, "x-goog-hash") {
        upload.promised.apply_header(hash);
    }
    let range = Range::parse(text(&headers, "content-range"))?;
    let before = upload.persisted;
    let received = upload.receive(range.start, body).await;
    // What came before the connection broke stays, in whole steps.
    let is_whole = received.is_ok() && range.end.is_none_or(|end| end == upload.persisted);
    let is_last = range
        .total
        .map_or(range.end.is_none() && range.start.is_some(), |total| total == upload.persisted);
    if is_whole && is_last {
        return upload.finish(&world).await;
    }
    if range.start.is_some() {
        upload.persisted = (upload.persisted / STEP * STEP).max(before);
    }
    received.map_err(|error| Refusal::broken(&error))?;
    Ok(upload.incomplete())
}

/// `DELETE /upload/…?upload_id=`: the upload is given up.
pub(crate) async fn cancel(
    State(world): State<Arc<World>>,
    uri: Uri,
) -> Result<StatusCode, Refusal> {
    find(&world, &uri)?;
    let id = Params::of(&uri).get("upload_id").unwrap_or_default().to_owned();
    world.state().uploads.remove(&id);
    // Nginx's code for a client that went away is Google's answer to this.
    StatusCode::from_u16(499).map_err(|error| Refusal::invalid(error.to_string()))
}

async fn finish_single(world: &World, intent: Intent, media: Bytes) -> Result<Response, Refusal> {
    let Intent { bucket, name, headers, promised, conditions } = intent;
    world.state().check_put(&bucket, &name, conditions)?;
    let content = if media.len() as u64 > MEMORY_LIMIT {
        let (file, path) = temporary(world)?;
        let mut file = tokio::fs::File::from_std(file);
        file.write_all(&media).await.map_err(|error| Refusal::broken(&error))?;
        file.flush().await.map_err(|error| Refusal::broken(&error))?;
        Content::Disk { path: Arc::new(path), len: media.len() as u64 }
    } else {
        Content::Memory(media)
    };
    let hashes = content.hashes().await.map_err(|error| Refusal::broken(&error))?;
    promised.check(&hashes)?;
    let draft = Draft { name, content, hashes, headers };
    let object = world.state().put(&bucket, draft, conditions)?;
    Ok(Json(object.json(world.endpoint(), &bucket)).into_response())
}

fn start(world: &World, intent: Intent) -> Result<Response, Refusal> {
    let Intent { bucket, name, headers, promised, conditions } = intent;
    world.state().check_put(&bucket, &name, conditions)?;
    let (_, path) = temporary(world)?;
    let id = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .ok_or_else(|| Refusal::invalid("no upload id"))?;
    // From our own address: the Host header of Google's Rust client lacks the port.
    let location = format!(
        "{}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id}",
        world.endpoint()
    );
    let upload =
        Upload { bucket, name, headers, promised, conditions, path, persisted: 0, finished: None };
    world.state().uploads.insert(id.clone(), Arc::new(tokio::sync::Mutex::new(upload)));
    let headers = [(header::LOCATION.as_str(), location), ("x-guploader-uploadid", id)];
    Ok((headers, StatusCode::OK).into_response())
}

fn find(world: &World, uri: &Uri) -> Result<Arc<tokio::sync::Mutex<Upload>>, Refusal> {
    let params = Params::of(uri);
    let id = params.get("upload_id").unwrap_or_default();
    let missing = || Refusal::new(StatusCode::NOT_FOUND, "notFound", "No such upload.");
    world.state().uploads.get(id).cloned().ok_or_else(missing)
}

impl Upload {
    /// Appends what is new of the body; what it repeats is passed over.
    async fn receive(&mut self, start: Option<u64>, body: Body) -> io::Result<()> {
        let Some(start) = start else { return Ok(()) };
        if start > self.persisted {
            // A hole: nothing of this can be kept, the client is told where to go on.
            drain(body).await;
            return Ok(());
        }
        let mut file = tokio::fs::File::options().write(true).open(&self.path).await?;
        file.set_len(self.persisted).await?;
        file.seek(SeekFrom::Start(self.persisted)).await?;
        let mut repeated = self.persisted - start;
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let mut piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    file.flush().await?;
                    return Err(io::Error::other(error));
                }
            };
            let skip = repeated.min(piece.len() as u64);
            repeated -= skip;
            let piece = piece.split_off(usize::try_from(skip).map_err(io::Error::other)?);
            file.write_all(&piece).await?;
            self.persisted += piece.len() as u64;
        }
        file.flush().await
    }

    async fn finish(&mut self, world: &World) -> Result<Response, Refusal> {
        let broken = |error: io::Error| Refusal::broken(&error);
        let content = if self.persisted > MEMORY_LIMIT {
            let path = std::mem::replace(&mut self.path, temporary(world)?.1);
            Content::Disk { path: Arc::new(path), len: self.persisted }
        } else {
            let bytes = tokio::fs::read(&self.path).await.map_err(broken)?;
            Content::Memory(bytes.into())
        };
        let hashes = content.hashes().await.map_err(broken)?;
        self.promised.check(&hashes)?;
        let draft =
            Draft { name: self.name.clone(), content, hashes, headers: self.headers.clone() };
        let object = world.state().put(&self.bucket, draft, self.conditions)?;
        let object = object.json(world.endpoint(), &self.bucket);
        self.finished = Some(object.clone());
        Ok(Json(object).into_response())
    }

    fn incomplete(&self) -> Response {
        let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
        if self.persisted > 0
            && let Ok(range) = HeaderValue::from_str(&format!("bytes=0-{}", self.persisted - 1))
        {
            response.headers_mut().insert(header::RANGE, range);
        }
        response
    }
}

impl Intent {
    fn of(
        bucket: String,
        params: &Params,
        request: &HeaderMap,
        resource: &Map<String, Value>,
    ) -> Result<Self, Refusal> {
        // Google's Rust client names the object in the query, its Python client in the resource.
        let name = params.get("name").or_else(|| resource.get("name").and_then(Value::as_str));
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Refusal::invalid("Required parameter: name"))?.to_owned();
        let mut headers = Headers {
            content_encoding: params.get("contentEncoding").map(str::to_owned),
            ..Headers::default()
        };
        headers.apply(resource)?;
        let mut promised = Promised::of(resource);
        if let Some(hash) = text(request, "x-goog-hash") {
            promised.apply_header(hash);
        }
        Ok(Self { bucket, name, headers, promised, conditions: Conditions::of(params)? })
    }
}

/// The parts of a multipart upload.
struct Parts {
    resource: Map<String, Value>,
    content_type: String,
    media: Bytes,
}

impl Parts {
    fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Self, Refusal> {
        let malformed = || Refusal::invalid("Malformed multipart body.");
        let content_type = text(headers, "content-type").unwrap_or_default();
        let boundary = content_type
            .split(';')
            .find_map(|part| part.trim().strip_prefix("boundary="))
            .map(|boundary| boundary.trim_matches(|quote| quote == '"' || quote == '\''))
            .ok_or_else(malformed)?;
        let delimiter = format!("--{boundary}");
        let first = find_bytes(body, delimiter.as_bytes(), 0).ok_or_else(malformed)?;
        let (_, resource, next) =
            part(body, first + delimiter.len(), &delimiter).ok_or_else(malformed)?;
        let mut resource = parse_resource(&resource)?;
        let (declared, media, next) = part(body, next, &delimiter).ok_or_else(malformed)?;
        // Checksums may come behind the bytes, from clients that compute them on the way.
        if let Some((_, trailer, _)) = part(body, next, &delimiter) {
            resource.append(&mut parse_resource(&trailer)?);
        }
        Ok(Self { resource, content_type: declared, media })
    }
}

/// A part's type, its bytes, and where the next one begins.
fn part(body: &Bytes, start: usize, delimiter: &str) -> Option<(String, Bytes, usize)> {
    let head_end = find_bytes(body, b"\r\n\r\n", start)?;
    let head = std::str::from_utf8(&body[start..head_end]).ok()?;
    let declared = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
    });
    let bytes_start = head_end + 4;
    let end_mark = format!("\r\n{delimiter}");
    let end = find_bytes(body, end_mark.as_bytes(), bytes_start)?;
    let bytes = body.slice(bytes_start..end);
    Some((declared.unwrap_or_else(|| UNKNOWN_TYPE.to_owned()), bytes, end + end_mark.len()))
}

fn find_bytes(body: &[u8], wanted: &[u8], start: usize) -> Option<usize> {
    let first = *wanted.first()?;
    let mut at = start;
    while at + wanted.len() <= body.len() {
        let next = body[at..].iter().position(|byte| *byte == first)?;
        at += next;
        if body[at..].starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
    None
}

fn parse_resource(bytes: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(bytes).map_err(|error| Refusal::invalid(error.to_string()))
}

/// `Content-Range` of a chunk: `bytes 0-9/10`, `bytes 0-9/*`, `bytes 0-*/*`, `bytes */10`, `bytes */*`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Range {
    /// Where the bytes begin, `None` when there are none.
    start: Option<u64>,
    /// The byte after the last, `None` when that is not known.
    end: Option<u64>,
    /// The size of the object, `None` when that is not known.
    total: Option<u64>,
}

impl Range {
    fn parse(header: Option<&str>) -> Result<Self, Refusal> {
        let Some(header) = header else {
            // The whole object in one request.
            return Ok(Self { start: Some(0), end: None, total: None });
        };
        Self::parse_text(header).ok_or_else(|| {
            Refusal::invalid(format!("Failed to parse Content-Range header {header}"))
        })
    }

    fn parse_text(header: &str) -> Option<Self> {
        let (span, total) = header.strip_prefix("bytes ")?.split_once('/')?;
        let total = match total {
            "*" => None,
            total => Some(total.parse().ok()?),
        };
        if span == "*" {
            // The empty object's only request; of a longer one, a question.
            return Some(Self { start: None, end: None, total });
        }
        let (start, end) = span.split_once('-')?;
        let end = match end {
            "*" => None,
            end => Some(end.parse::<u64>().ok()? + 1),
        };
        Some(Self { start: Some(start.parse().ok()?), end, total })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Reads what is not wanted, or the client would see a broken connection and not the answer.
async fn drain(body: Body) {
    let mut pieces = body.into_data_stream();
    while let Some(Ok(_)) = pieces.next().await {}
}

fn temporary(world: &World) -> Result<(std::fs::File, TempPath), Refusal> {
    let file = tempfile::Builder::new()
        .prefix("upload-")
        .tempfile_in(world.folder())
        .map_err(|error| Refusal::broken(&error))?;
    Ok(file.into_parts())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, start: Option<u64>, end: Option<u64>, total: Option<u64>) {
        assert_eq!(Range::parse_text(header), Some(Range { start, end, total }));
    }

    #[test]
    fn content_ranges_of_both_clients_are_read() {
        check("bytes 0-9/10", Some(0), Some(10), Some(10));
        check("bytes 0-9/*", Some(0), Some(10), None);
        check("bytes 5-*/*", Some(5), None, None);
        check("bytes */10", None, None, Some(10));
        check("bytes */*", None, None, None);
        assert_eq!(Range::parse_text("bytes 9"), None);
        assert_eq!(Range::parse_text("items 0-9/10"), None);
    }

    #[test]
    fn multipart_bodies_are_split() {
        let mut headers = HeaderMap::new();
        let declared = "multipart/related; boundary=\"==b==\"";
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(declared));
        let body = "--==b==\r\ncontent-type: application/json\r\n\r\n{\"name\":\"a\"}\r\n\
                    --==b==\r\nContent-Type: text/plain\r\n\r\nline\r\n--==b\r\n\r\n--==b==--";
        let parts = Parts::parse(&headers, &Bytes::from_static(body.as_bytes())).unwrap();
        assert_eq!(parts.resource["name"], "a");
        assert_eq!(parts.content_type, "text/plain");
        assert_eq!(parts.media, "line\r\n--==b\r\n");
    }
    #[test]
    fn checksums_behind_the_bytes_count() {
        let mut headers = HeaderMap::new();
        let declared = "multipart/related; boundary=b";
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(declared));
        let body = "--b\r\n\r\n{\"name\":\"a\"}\r\n--b\r\n\r\nbytes\r\n\
                    --b\r\n\r\n{\"crc32c\":\"AAAAAA==\"}\r\n--b--";
        let parts = Parts::parse(&headers, &Bytes::from_static(body.as_bytes())).unwrap();
        assert_eq!(Promised::of(&parts.resource).crc32c.as_deref(), Some("AAAAAA=="));
    }
}
