//! Where files are fetched from, as a port: hosts on the allow-list and nowhere else, redirects included.
//!
//! The bot's token never travels here.

use std::{fmt::Debug, pin::Pin, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;

use crate::domain::link::Link;

mod http;

pub use self::http::{Host, HttpCdn};

/// Serves files by link.
#[async_trait]
pub trait Cdn: Send + Sync + Debug {
    /// Whether files may come from where this link leads, asked by those who read it by themselves.
    fn allows(&self, link: &Link) -> Result<(), CdnError>;

    /// Begins to read a file.
    async fn open(&self, link: &Link) -> Result<Download, CdnError>;
}

/// A file that is being read.
pub struct Download {
    /// The length that was announced.
    pub length: Option<u64>,
    /// The checksum that was announced (`X-Goog-Hash`).
    pub crc32c: Option<u32>,
    /// What the CDN says it is. A page where a film should be is an error that came with a good status.
    pub content_type: Option<String>,
    /// The bytes as they arrive.
    pub body: Pin<Box<dyn Stream<Item = Result<Bytes, CdnError>> + Send>>,
}

impl Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Why a file can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CdnError {
    /// A status that asking again does not change. With 403, 404 and 410 the link is dead or the file is gone; which of
    /// them, the status does not tell.
    #[error("the CDN refused the link with {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The address is not on the allow-list.
    #[error("{host} is not among the hosts that files may come from (CDN_HOSTS)")]
    ForbiddenHost {
        /// Where the link, or a redirect, led.
        host: String,
    },
    /// Busy or broken, perhaps not for long.
    #[error("the CDN can't be reached: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// What came is not the file that was announced.
    #[error("not the whole file: {reason}")]
    Damaged {
        /// What does not match.
        reason: String,
    },
}

impl CdnError {
    /// Whether a new link to the same file may work.
    pub fn may_be_expired(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403 | 404 | 410 })
    }

    /// Whether the same link may work later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Damaged { .. } => true,
            Self::Refused { .. } | Self::ForbiddenHost { .. } => false,
        }
    }
}
