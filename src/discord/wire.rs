//! One HTTP exchange with Discord, whatever comes of it.
//!
//! twilight-http describes the calls and this module sends them, because twilight's own client keeps what a polite
//! caller must see: it repeats refused calls by itself at once, reads no `Retry-After` of a global refusal, hides the
//! status of an answer that is no JSON, and sets no limit to the time a body takes.

use std::{borrow::Cow, fmt::Debug, io::Read, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use reqwest::{
    Client, Method as HttpMethod, Response,
    header::{
        ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue,
    },
};
use twilight_http::{
    API_VERSION,
    request::{Method, Request},
};

use super::polite::Answer;

/// What Discord demands of a bot, an address included; Cloudflare may block others. The address is that of the library
/// which describes the calls. Source: Discord's reference, "User Agent".
const USER_AGENT: &str = concat!(
    "DiscordBot (https://github.com/twilight-rs/twilight, ",
    env!("CARGO_PKG_VERSION"),
    ") ",
    env!("CARGO_PKG_NAME"),
);

/// A connection stands within this time, or the network is down.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest silence within an answer. Discord's slowest pages begin after a few seconds.
const SILENCE: Duration = Duration::from_secs(15);

/// The longest time for an answer as a whole: a page that drips may not hold a channel up.
const WHOLE: Duration = Duration::from_secs(45);

/// The longest answer, packed or not. The longest that Discord documents are a hundred messages with everything in them
/// that one may hold, some 100 KB each; a hundred times the usual page, and no more than memory can spare.
const LONGEST: usize = 64 * 1024 * 1024;

/// How often a connection that is in use is asked whether it still stands.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Sends one request and reads the whole answer. An error is what the network did, in words.
#[async_trait]
pub(super) trait Wire: Send + Sync + Debug {
    async fn send(&self, request: &Request) -> Result<Answer, String>;
}

/// HTTP, by reqwest.
#[derive(Debug)]
pub(super) struct HttpWire {
    client: Client,
    /// `scheme://host:port`.
    origin: String,
}

impl HttpWire {
    /// A wire to an origin, which speaks in a bot's name. None when the token can't be sent in a header.
    pub(super) fn new(origin: &str, token: &str) -> Option<Self> {
        // Many copy it together with the word that goes before it.
        let token = token.strip_prefix("Bot ").unwrap_or(token);
        let mut authorization = HeaderValue::from_str(&format!("Bot {token}")).ok()?;
        authorization.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, authorization),
            (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        ]);
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .timeout(WHOLE)
            // A dead connection shall not be waited for by one call after another.
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(CONNECT)
            // The token goes where it was sent and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("the TLS provider is installed at start");
        Some(Self { client, origin: origin.trim_end_matches('/').to_owned() })
    }
}

#[async_trait]
impl Wire for HttpWire {
    async fn send(&self, request: &Request) -> Result<Answer, String> {
        let method = match request.method() {
            Method::Delete => HttpMethod::DELETE,
            Method::Patch => HttpMethod::PATCH,
            Method::Post => HttpMethod::POST,
            Method::Put => HttpMethod::PUT,
            _ => HttpMethod::GET,
        };
        let address = format!("{}/api/v{API_VERSION}/{}", self.origin, request.path());
        let mut sending = self.client.request(method, address);
        if let Some(body) = request.body() {
            sending = sending.header(CONTENT_TYPE, "application/json").body(body.to_vec());
        }
        let response = sending.send().await.map_err(in_words)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = body(response, LONGEST).await?;
        let packed = headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
        let body = if packed { unpacked(&body, LONGEST)? } else { body };
        Ok(Answer { status, headers, body: legible(body) })
    }
}

async fn body(mut response: Response, longest: usize) -> Result<Bytes, String> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(in_words)? {
        if body.len() + chunk.len() > longest {
            return Err(too_long(longest));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Unpacks no further than to the longest answer: a few kilobytes can be packed gigabytes.
fn unpacked(body: &[u8], longest: usize) -> Result<Bytes, String> {
    let mut plain = Vec::new();
    GzDecoder::new(body)
        .take(longest as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|error| format!("the packed answer is damaged: {error}"))?;
    if plain.len() > longest { Err(too_long(longest)) } else { Ok(plain.into()) }
}

fn too_long(longest: usize) -> String {
    format!("the answer is longer than {longest} bytes")
}

/// A byte that is no letter spoils this letter, and not the page and all that lies behind it.
fn legible(body: Bytes) -> Bytes {
    match String::from_utf8_lossy(&body) {
        Cow::Borrowed(_) => body,
        Cow::Owned(mended) => mended.into(),
    }
}

/// The chain of causes, without the address, which may hold ids and says nothing new.
fn in_words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn packed(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn packed_answers_are_unpacked_or_refused() {
        let packed = packed(b"[1,2,3]");
        assert_eq!(unpacked(&packed, LONGEST).unwrap(), "[1,2,3]");
        assert!(unpacked(&packed[..packed.len() - 9], LONGEST).is_err());
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = packed(&vec![b' '; LONGEST + 1]);
        assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
        assert!(unpacked(&bomb, LONGEST).unwrap_err().contains("longer"));
        assert_eq!(unpacked(&bomb, LONGEST + 1).unwrap().len(), LONGEST + 1);
    }

    #[test]
    fn an_illegible_letter_spoils_no_page() {
        assert_eq!(legible(Bytes::from_static(b"[\"a\xff\"]")), "[\"a\u{fffd}\"]");
        assert_eq!(legible(Bytes::from_static(b"[\"\xc3\xa9\"]")), "[\"\u{e9}\"]");
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused() {
        assert!(HttpWire::new("http://127.0.0.1:1", "a\nb").is_none());
    }
}
