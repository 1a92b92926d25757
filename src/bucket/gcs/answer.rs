//! What Google's answers mean, and what a person can do about the bad ones.

use std::error::Error as _;
use std::time::Duration;

use google_cloud_gax::error::{CredentialsError, Error};
use google_cloud_storage::error::{ChecksumMismatch, WriteError};
use http::{HeaderMap, StatusCode, header};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bucket::{BucketError, Crc32c, ObjectKey, Source};

/// How much of an answer that is no JSON is worth repeating.
const MAX_EXCERPT: usize = 200;

/// What was asked, to be named in an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    pub(super) setting: &'static str,
    pub(super) bucket: &'a str,
    pub(super) key: Option<&'a ObjectKey>,
    pub(super) action: &'static str,
}

impl Asking<'_> {
    /// Sends a request of the JSON API and takes success for an answer.
    pub(super) async fn send(self, request: RequestBuilder) -> Result<Response, BucketError> {
        let response = request.send().await.map_err(|error| self.transport(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let headers = response.headers().clone();
        let body = response.bytes().await.unwrap_or_default();
        Err(self.refusal(status, &headers, message(&body)))
    }

    /// Reads the body of an answer.
    pub(super) async fn json<T: DeserializeOwned>(
        self,
        answer: Response,
    ) -> Result<T, BucketError> {
        let bytes = answer.bytes().await.map_err(|error| self.transport(error))?;
        serde_json::from_slice(&bytes).map_err(|error| self.unavailable(None, error.into()))
    }

    /// What an error of Google's client means.
    pub(super) fn client(self, error: Error) -> BucketError {
        if let Some(status) = error.http_status_code() {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let none = HeaderMap::new();
            let headers = error.http_headers().unwrap_or(&none);
            // The client keeps Google's message when it understood it, the body when it did not.
            let message = match (error.status(), error.http_payload()) {
                (Some(status), _) => status.message.clone(),
                (None, Some(body)) => message(body),
                (None, None) => String::new(),
            };
            return self.refusal(status, headers, message);
        }
        if let (Some(mismatch), Some(key)) = (mismatch(&error), self.key) {
            let (found, expected) = mismatch;
            return BucketError::Corrupt { key: key.clone(), expected, found };
        }
        if error.is_authentication() {
            return self.unauthenticated(error.into());
        }
        if error.is_binding() {
            return BucketError::Broken { action: self.action, source: error.into() };
        }
        // A connection that failed or broke, an answer that was cut: all of it may be better next time.
        self.unavailable(None, error.into())
    }

    /// What an error of the credentials means.
    pub(super) fn credentials(self, error: CredentialsError) -> BucketError {
        if error.is_transient() {
            return self.unavailable(None, error.into());
        }
        self.unauthenticated(error.into())
    }

    fn refusal(self, status: StatusCode, headers: &HeaderMap, message: String) -> BucketError {
        let is_bucket_missing = self.key.is_none() || message.contains("bucket does not exist");
        let is_damaged = is_about_checksum(&message);
        let source = move || Source::from(format!("{status}: {message}"));
        match (status, self.key) {
            (StatusCode::NOT_FOUND, _) if is_bucket_missing => BucketError::NoSuchBucket {
                bucket: self.named(),
                remedy: format!("create it, or correct {}", self.setting),
            },
            (StatusCode::NOT_FOUND, Some(key)) => BucketError::NotFound { key: key.clone() },
            (StatusCode::PRECONDITION_FAILED | StatusCode::NOT_MODIFIED, Some(key)) => {
                BucketError::PreconditionFailed { key: key.clone() }
            }
            (StatusCode::FORBIDDEN, _) => BucketError::Denied {
                bucket: self.named(),
                action: self.action,
                remedy: format!(
                    "grant this account the role Storage Object User \
                     (roles/storage.objectUser) on {}",
                    self.bucket
                ),
                source: Some(source()),
            },
            (StatusCode::UNAUTHORIZED, _) => self.unauthenticated(source()),
            (
                StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::INTERNAL_SERVER_ERROR
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT,
                _,
            ) => self.unavailable(retry_after(headers), source()),
            // Damaged on the way: what we sent was hashed as it left.
            (StatusCode::BAD_REQUEST, _) if is_damaged => self.unavailable(None, source()),
            _ => BucketError::Broken { action: self.action, source: source() },
        }
    }

    fn transport(self, error: reqwest::Error) -> BucketError {
        // The address holds no secret, but says twice what the action says.
        self.unavailable(None, error.without_url().into())
    }

    fn unauthenticated(self, source: Source) -> BucketError {
        BucketError::Denied {
            bucket: self.named(),
            action: self.action,
            remedy: "set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account that \
                     still exists"
                .to_owned(),
            source: Some(source),
        }
    }

    fn unavailable(self, retry_after: Option<Duration>, source: Source) -> BucketError {
        BucketError::Unavailable { action: self.action, retry_after, source }
    }

    fn named(self) -> String {
        format!("the bucket {}", self.bucket)
    }
}

/// What Google stored and what we sent, when its client found that they differ.
fn mismatch(error: &Error) -> Option<(Crc32c, Crc32c)> {
    let error = error.source()?.downcast_ref::<WriteError>()?;
    let WriteError::ChecksumMismatch { mismatch: ChecksumMismatch::Crc32c { got, want }, .. } =
        error
    else {
        return None;
    };
    Some((Crc32c(*got), Crc32c(*want)))
}

/// Google says what is wrong in `error.message`; proxies in between say it in HTML.
fn message(body: &[u8]) -> String {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let message = json.as_ref().and_then(|json| json.pointer("/error/message")?.as_str());
    match message {
        Some(message) => message.to_owned(),
        None => String::from_utf8_lossy(body).chars().take(MAX_EXCERPT).collect(),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn is_about_checksum(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("crc32c") || message.contains("md5")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: Option<&str>, status: u16, body: &str, transient: bool, expected: &str) {
        let key = key.map(|key| ObjectKey::new(key).unwrap());
        let asking = Asking {
            setting: "BUCKET_NAME",
            bucket: "archive",
            key: key.as_ref(),
            action: "put an object",
        };
        let status = StatusCode::from_u16(status).unwrap();
        let error = asking.refusal(status, &HeaderMap::new(), message(body.as_bytes()));
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.is_transient(), transient);
    }

    #[test]
    fn refusals_name_the_remedy() {
        let no_bucket = r#"{"error":{"message":"The specified bucket does not exist."}}"#;
        let remedy = "the bucket archive does not exist: create it, or correct BUCKET_NAME";
        check(Some("a"), 404, no_bucket, false, remedy);
        check(None, 404, "", false, remedy);
        check(Some("a"), 404, "", false, "object a does not exist");
        check(Some("a"), 412, "", false, "object a is not what it was expected to be");
        check(
            Some("a"),
            403,
            "",
            false,
            "the bucket archive does not let us put an object: grant this account the role \
             Storage Object User (roles/storage.objectUser) on archive",
        );
        check(
            Some("a"),
            401,
            "",
            false,
            "the bucket archive does not let us put an object: set GOOGLE_APPLICATION_CREDENTIALS \
             to the key file of a service account that still exists",
        );
        for status in [408, 429, 500, 502, 503, 504] {
            check(Some("a"), status, "<html>", true, "cannot put an object at the moment");
        }
        let damaged = r#"{"error":{"message":"Provided CRC32C \"x\" doesn't match calculated"}}"#;
        check(Some("a"), 400, damaged, true, "cannot put an object at the moment");
        check(Some("a"), 400, "no", false, "cannot put an object");
    }

    #[test]
    fn the_pause_that_is_asked_for_is_heard() {
        let asking =
            Asking { setting: "BUCKET_NAME", bucket: "archive", key: None, action: "list objects" };
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("7"));
        let error = asking.refusal(StatusCode::TOO_MANY_REQUESTS, &headers, String::new());
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
}
