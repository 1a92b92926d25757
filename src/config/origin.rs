//! Where a server is: scheme, host and port, and nothing behind them.

use std::{cmp::Ordering, fmt};

use url::Url;

use super::problem::Complaint;

/// A server's address: `https://discord.com`, `http://127.0.0.1:8080`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin(Url);

impl Origin {
    /// Whether it is spoken to over TLS.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host, with the port where it is not the scheme's own.
    pub fn authority(&self) -> &str {
        self.0.authority()
    }

    /// The address in the form that an HTTP client takes.
    pub fn url(&self) -> &Url {
        &self.0
    }

    pub(super) fn parse(text: &str) -> Result<Self, Complaint> {
        let url = Url::parse(text).map_err(|error| format!("is not an address ({error})"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("does not begin with http:// or https://".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("holds a user's name".into());
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("has something behind the host".into());
        }
        Ok(Self(url))
    }

    /// A host alone means https, since everything that the CDN serves is.
    pub(super) fn parse_host(text: &str) -> Result<Self, Complaint> {
        if text.contains("://") {
            Self::parse(text)
        } else {
            Self::parse(&format!("https://{text}"))
        }
    }

    /// A host alone means http: so does Google's own convention for this variable.
    pub(super) fn parse_emulator(text: &str) -> Result<Self, Complaint> {
        if text.contains("://") {
            Self::parse(text)
        } else {
            Self::parse(&format!("http://{text}"))
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.authority())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

impl Ord for Origin {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

impl PartialOrd for Origin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
