//! An answer before it is sent, and how faults spoil it on the way out.

use std::{fmt, io, sync::Arc, time::Duration};

use axum::{body::Body, http::Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use crate::{
    content::{CHUNK, Content},
    faults::Fault,
};

/// What the server in front of Discord shows when something behind it fails.
const ERROR_PAGE: &str = "<html>\r\n<head><title>Error</title></head>\r\n<body>\r\n\
    <center><h1>Error</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n";

pub(crate) type Headers = Vec<(&'static str, String)>;

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) content: Content,
    /// The bytes wanted of the content.
    pub(crate) range: (u64, u64),
    /// Whether a body is sent at all: HEAD tells lengths only.
    pub(crate) bodiless: bool,
}

/// The connection ends without an answer.
#[derive(Debug)]
pub(crate) struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection reset on purpose")
    }
}

impl std::error::Error for Reset {}

impl Reply {
    pub(crate) fn json(status: u16, value: &Value) -> Self {
        // Clients take an answer without `Via` for one of Cloudflare's own: discord.py gives up on its 429s.
        Self::new(status, "application/json", value.to_string())
            .with(vec![("via", "1.1 google".to_owned())])
    }

    pub(crate) fn ok(value: &Value) -> Self {
        Self::json(200, value)
    }

    /// Discord's form of an error.
    pub(crate) fn error(status: u16, code: u64, message: &str) -> Self {
        Self::json(status, &json!({ "message": message, "code": code }))
    }

    /// The complaint about a value, in the tree that Discord makes of it.
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        let complaint = json!({ "code": "BASE_TYPE_BAD_INT", "message": message });
        let value = json!({
            "message": "Invalid Form Body",
            "code": 50_035,
            "errors": { field: { "_errors": [complaint] } },
        });
        Self::json(400, &value)
    }

    pub(crate) fn html(status: u16) -> Self {
        Self::new(status, "text/html", ERROR_PAGE.to_owned())
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { headers: Vec::new(), ..Self::new(status, "", String::new()) }
    }

    pub(crate) fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain", text.to_owned())
    }

    /// A whole file.
    pub(crate) fn file(content_type: &str, content: Content) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", content_type.to_owned())],
            range: (0, content.size()),
            content,
            bodiless: false,
        }
    }

    #[must_use]
    pub(crate) fn with(mut self, headers: Headers) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Lets the faults that concern the whole answer have their way. Those that concern
    /// only the sending are left to [`send`](Self::send).
    #[must_use]
    pub(crate) fn spoiled(self, faults: &[Fault]) -> Self {
        let mut reply = self;
        for fault in faults {
            reply = match fault {
                Fault::Status(status) => Self::error(*status, 0, &format!("{status}: injected")),
                Fault::HtmlStatus(status) => Self::html(*status),
                Fault::EmptyStatus(status) => Self::empty(*status),
                Fault::HtmlOk => Self::html(200),
                Fault::WrongBytes => {
                    Self { content: Content::seeded(0xBAD, reply.content.size()), ..reply }
                }
                Fault::WrongLength(bytes) => {
                    let (start, end) = reply.range;
                    Self { range: (start, end.saturating_sub(*bytes).max(start)), ..reply }
                }
                Fault::Forge(forge) => {
                    let all = reply.content.to_bytes().map(Vec::from).unwrap_or_default();
                    let forged = forge(all);
                    let content = Content::bytes(forged.body);
                    let reply = Self { range: (0, content.size()), content, ..reply };
                    reply.with(forged.headers)
                }
                Fault::Reset
                | Fault::Stall(_)
                | Fault::Drip(..)
                | Fault::Truncate(_)
                | Fault::Limited(..)
                | Fault::Cloudflare(..)
                | Fault::Act(_) => reply,
            };
        }
        reply
    }

    /// Turns the answer into what goes over the wire; `sent` learns of each piece's length.
    pub(crate) fn send(
        self,
        faults: &[Fault],
        sent: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Response<Body> {
        let (start, end) = self.range;
        let mut pace = Pace { piece: CHUNK, pause: Duration::ZERO, cut: end };
        for fault in faults {
            match fault {
                Fault::Drip(bytes, pause) => (pace.piece, pace.pause) = ((*bytes).max(1), *pause),
                Fault::Truncate(bytes) => pace.cut = end.min(start + bytes),
                _ => {}
            }
        }
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        let body = if self.bodiless || start == end {
            Body::empty()
        } else {
            Body::from_stream(pieces(self.content, (start, end), pace, sent))
        };
        let response = response.header("content-length", end - start).body(body);
        response.expect("headers here hold no control characters")
    }

    fn new(status: u16, content_type: &str, body: String) -> Self {
        Self { status, ..Self::file(content_type, Content::bytes(body)) }
    }
}

#[derive(Clone, Copy)]
struct Pace {
    piece: usize,
    pause: Duration,
    /// Where the connection breaks off, if before the end.
    cut: u64,
}

fn pieces(
    content: Content,
    (start, end): (u64, u64),
    pace: Pace,
    sent: Arc<dyn Fn(u64) + Send + Sync>,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(Some(start), move |offset| {
        let (content, sent) = (content.clone(), Arc::clone(&sent));
        async move {
            let Pace { piece, pause, cut } = pace;
            let offset = offset?;
            if offset >= end {
                return None;
            }
            if offset >= cut {
                // While the body waits, what was given so far is flushed and does arrive.
                tokio::task::yield_now().await;
                let broken = io::Error::new(io::ErrorKind::ConnectionAborted, Reset);
                return Some((Err(broken), None));
            }
            if offset > start && !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let wanted = usize::try_from(cut - offset).unwrap_or(usize::MAX).min(piece);
            let read = content.read(offset, wanted);
            if let Ok(bytes) = &read {
                sent(bytes.len() as u64);
            }
            let next = offset + wanted as u64;
            Some((read, Some(next)))
        }
    })
}

/// For answers whose bytes nobody counts.
pub(crate) fn uncounted() -> Arc<dyn Fn(u64) + Send + Sync> {
    Arc::new(|_| {})
}
