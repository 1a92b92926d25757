//! The other end of the control socket: how commands speak to the service that runs on the same state folder.
//!
//! Nobody behind the socket means that no service runs; then the store may be opened instead.

use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{
    attend::SOCKET,
    forget::{Listing, Request},
    overview::Overview,
};
use crate::{
    actors::verifier::{Board, Verify},
    domain::forget::{Erased, Forgotten},
    store::Change,
};

const UNKNOWN_WORDS: &str = "the running service answers in words that this version does not know: use the same version for both";

/// How things stand, by the word of the running service; none when none runs.
pub async fn overview(state: &Path) -> anyhow::Result<Option<Overview>> {
    let Some(answer) = ask(state, "GET /status", "").await? else { return Ok(None) };
    serde_json::from_str(&answer).map(Some).context(UNKNOWN_WORDS)
}

/// What a person may ask of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// What was put aside is to be tried again.
    RetryParked,
    /// What was deleted on Discord all at once may be erased.
    AllowErasing,
    /// What was deleted on Discord all at once is to stay, marked.
    KeepDeleted,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RetryParked, Self::AllowErasing, Self::KeepDeleted];

    /// Where the running service takes it.
    pub const fn path(self) -> &'static str {
        match self {
            Self::RetryParked => "/retry-parked",
            Self::AllowErasing => "/allow-erasing",
            Self::KeepDeleted => "/keep-deleted",
        }
    }

    /// What it means for the store.
    pub const fn change(self) -> Change {
        match self {
            Self::RetryParked => Change::RetryParked,
            Self::AllowErasing => Change::AllowErasing,
            Self::KeepDeleted => Change::KeepDeleted,
        }
    }
}

/// Has the running service do something; false when none runs.
pub async fn order(state: &Path, order: Order) -> anyhow::Result<bool> {
    Ok(ask(state, &format!("POST {}", order.path()), "").await?.is_some())
}

/// The do-not-archive list, by the word of the running service; none when none runs.
pub async fn forgotten(state: &Path) -> anyhow::Result<Option<Listing>> {
    let Some(answer) = ask(state, "GET /forgotten", "").await? else { return Ok(None) };
    serde_json::from_str(&answer).map(Some).context(UNKNOWN_WORDS)
}

/// Has the running service forget, or archive again; false when none runs.
pub async fn forget(state: &Path, request: &Request) -> anyhow::Result<bool> {
    let body = serde_json::to_string(request)?;
    Ok(ask(state, "POST /forget", &body).await?.is_some())
}

/// What would be erased for each of some, by the word of the running service; none when none runs.
pub async fn foretell(state: &Path, what: &[Forgotten]) -> anyhow::Result<Option<Vec<Erased>>> {
    let body = serde_json::to_string(what)?;
    let Some(answer) = ask(state, "POST /foretell", &body).await? else { return Ok(None) };
    serde_json::from_str(&answer).map(Some).context(UNKNOWN_WORDS)
}

/// Has the running service verify the archive; tells the number of the verification, none when no service runs.
pub async fn verify(state: &Path, verify: Verify) -> anyhow::Result<Option<u64>> {
    let query = in_query(verify)?;
    let Some(answer) = ask(state, &format!("POST /verify?{query}"), "").await? else {
        return Ok(None);
    };
    answer.trim().parse().map(Some).context(UNKNOWN_WORDS)
}

/// How far a verification of the running service is; none when none runs.
pub async fn board(state: &Path, number: u64) -> anyhow::Result<Option<Board>> {
    let request = format!("GET /verify?number={number}");
    let Some(answer) = ask(state, &request, "").await? else { return Ok(None) };
    serde_json::from_str(&answer).map(Some).context(UNKNOWN_WORDS)
}

/// Each field is a plain word.
fn in_query(verify: Verify) -> anyhow::Result<String> {
    let serde_json::Value::Object(fields) = serde_json::to_value(verify)? else {
        bail!("a request has fields");
    };
    let pairs =
        fields.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
    Ok(pairs.collect::<Vec<_>>().join("&"))
}

async fn ask(state: &Path, request: &str, body: &str) -> anyhow::Result<Option<String>> {
    let Ok(mut stream) = UnixStream::connect(state.join(SOCKET)).await else { return Ok(None) };
    let length = body.len();
    let asked = format!(
        "{request} HTTP/1.0\r\nHost: bowerbird\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(asked.as_bytes()).await.context("ask the running service")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.context("read the running service's answer")?;
    let (head, body) =
        answer.split_once("\r\n\r\n").context("the running service's answer has no body")?;
    if head.split_whitespace().nth(1) != Some("200") {
        bail!("the running service answered: {}", body.trim());
    }
    Ok(Some(body.to_owned()))
}
