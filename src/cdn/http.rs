//! Files over HTTP, from the hosts on the list.
//!
//! Whoever posts a message writes the addresses in it, so an address is followed only where the list says, redirects
//! step by step. Nothing is sent along: no token, no cookie, no referrer. The bytes are asked for as they are, since
//! length and checksum speak of the original.
//!
//! Download talks to it. It keeps nothing; a crash loses the transfers under way.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::{StreamExt, TryStreamExt};
use reqwest::{
    Client, Response, Url,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER},
    redirect::Policy,
};

use super::{Cdn, CdnError, Download};
use crate::domain::link::Link;

/// A connection stands within this time, or the network is down.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest silence within a file. The whole may take as long as it needs.
const SILENCE: Duration = Duration::from_secs(30);

/// The CDN does not redirect today; a chain longer than this is a loop.
const REDIRECTS: usize = 3;

/// A host that files may come from, with its port where that is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    name: String,
    security: Security,
}

/// How a host is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    Encrypted,
    /// For peers on the same machine.
    Plain,
}

impl Host {
    /// Where Discord keeps files.
    pub fn discords() -> Vec<Self> {
        ["cdn.discordapp.com", "media.discordapp.net"]
            .map(|name| Self { name: name.to_owned(), security: Security::Encrypted })
            .to_vec()
    }
}

impl FromStr for Host {
    type Err = String;

    /// Reads `host`, `host:port` or, for a host without encryption, `http://host:port`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (security, name) = match text.split_once("://") {
            None | Some(("https", _)) => (Security::Encrypted, text.trim_start_matches("https://")),
            Some(("http", name)) => (Security::Plain, name),
            Some((scheme, _)) => return Err(format!("{scheme} is neither http nor https")),
        };
        let scheme = if security == Security::Plain { "http" } else { "https" };
        let problem =
            || format!("{text:?} is no host, such as cdn.discordapp.com or http://127.0.0.1:8080");
        let url = Url::parse(&format!("{scheme}://{name}")).map_err(|_| problem())?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        match place_of(&url) {
            Some(name) if bare && url.username().is_empty() => Ok(Self { name, security }),
            _ => Err(problem()),
        }
    }
}

/// Fetches files over HTTP.
pub struct HttpCdn {
    client: Client,
    hosts: BTreeMap<String, Security>,
}

impl HttpCdn {
    /// Fetches from these hosts and from nowhere else.
    pub fn new(hosts: impl IntoIterator<Item = Host>) -> Self {
        let client = Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .http2_keep_alive_interval(SILENCE)
            .http2_keep_alive_timeout(CONNECT)
            // Files are large, and several come over one connection.
            .http2_adaptive_window(true)
            .redirect(Policy::none())
            .referer(false)
            .build()
            .expect("the TLS provider is installed at start");
        let hosts = hosts.into_iter().map(|host| (host.name, host.security)).collect();
        Self { client, hosts }
    }

    fn allow(&self, url: &Url) -> Result<(), CdnError> {
        let place = place_of(url).unwrap_or_default();
        let allowed = match self.hosts.get(&place) {
            Some(Security::Encrypted) => url.scheme() == "https",
            Some(Security::Plain) => matches!(url.scheme(), "http" | "https"),
            None => false,
        };
        if allowed { Ok(()) } else { Err(CdnError::ForbiddenHost { host: place }) }
    }

    async fn get(&self, url: &Url) -> Result<Response, CdnError> {
        let request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        request.send().await.map_err(unavailable)
    }
}

#[async_trait]
impl Cdn for HttpCdn {
    fn allows(&self, link: &Link) -> Result<(), CdnError> {
        self.allow(&address(link)?)
    }

    async fn open(&self, link: &Link) -> Result<Download, CdnError> {
        let mut url = address(link)?;
        for _ in 0..=REDIRECTS {
            self.allow(&url)?;
            let response = self.get(&url).await?;
            if !response.status().is_redirection() {
                return download(response);
            }
            let target = response.headers().get(LOCATION).and_then(|target| target.to_str().ok());
            url = target.and_then(|target| url.join(target).ok()).ok_or_else(|| {
                CdnError::Damaged { reason: "a redirect leads nowhere".to_owned() }
            })?;
        }
        Err(CdnError::Damaged { reason: "redirects lead in a circle".to_owned() })
    }
}

impl fmt::Debug for HttpCdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCdn").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

fn address(link: &Link) -> Result<Url, CdnError> {
    Url::parse(link.reveal())
        .map_err(|_| CdnError::ForbiddenHost { host: "no address at all".to_owned() })
}

/// The host, with its port where that is not the scheme's own.
fn place_of(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

fn download(response: Response) -> Result<Download, CdnError> {
    let status = response.status().as_u16();
    let headers = response.headers();
    match status {
        200 => {}
        408 | 425 | 429 | 500..=599 => {
            return Err(CdnError::Unavailable {
                reason: format!("status {status}"),
                retry_after: text(headers, RETRY_AFTER.as_str())
                    .and_then(|seconds| seconds.trim().parse().ok())
                    .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            });
        }
        // A part, or nothing, was not what we asked for.
        201..=399 => {
            return Err(CdnError::Damaged { reason: format!("status {status}") });
        }
        _ => return Err(CdnError::Refused { status }),
    }
    if text(headers, CONTENT_ENCODING.as_str()).is_some_and(|encoding| encoding != "identity") {
        return Err(CdnError::Damaged { reason: "it came packed".to_owned() });
    }
    Ok(Download {
        length: response.content_length(),
        crc32c: crc32c(headers),
        content_type: text(headers, CONTENT_TYPE.as_str()).map(str::to_owned),
        body: response.bytes_stream().map_err(unavailable).boxed(),
    })
}

/// The checksum that Google's storage sends along: `crc32c=<base64, big endian>,md5=…`, also as several headers.
/// Source: Google's documentation of the XML API, "x-goog-hash".
fn crc32c(headers: &HeaderMap) -> Option<u32> {
    let values = headers.get_all("x-goog-hash").into_iter();
    let mut parts = values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    let encoded = parts.find_map(|part| part.trim().strip_prefix("crc32c="))?;
    let bytes = BASE64_STANDARD.decode(encoded).ok()?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The chain of causes, without the address, which is a key to the file.
fn unavailable(error: reqwest::Error) -> CdnError {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        reason = format!("{reason}: {inner}");
        cause = inner.source();
    }
    CdnError::Unavailable { reason, retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_and_nonsense_is_not() {
        let host = |text: &str| text.parse::<Host>().ok().map(|host| (host.name, host.security));
        let encrypted = |name: &str| Some((name.to_owned(), Security::Encrypted));
        assert_eq!(host("cdn.discordapp.com"), encrypted("cdn.discordapp.com"));
        assert_eq!(host("https://CDN.discordapp.com/"), encrypted("cdn.discordapp.com"));
        assert_eq!(host("cdn.example:8443"), encrypted("cdn.example:8443"));
        let plain = Some(("127.0.0.1:8080".to_owned(), Security::Plain));
        assert_eq!(host("http://127.0.0.1:8080"), plain);
        for text in ["", "a b", "ftp://a", "a/b", "https://a/?b", "user@a", "http://"] {
            assert_eq!(host(text), None, "{text}");
        }
    }

    #[track_caller]
    fn check_allowed(address: &str, allowed: bool) {
        // Another test may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let plain: Host = "http://127.0.0.1:8080".parse().unwrap();
        let cdn = HttpCdn::new(Host::discords().into_iter().chain([plain]));
        assert_eq!(cdn.allow(&Url::parse(address).unwrap()).is_ok(), allowed, "{address}");
    }

    #[test]
    fn only_listed_hosts_are_asked_and_only_as_listed() {
        check_allowed("https://cdn.discordapp.com/attachments/1/2/a.mp4?ex=1", true);
        check_allowed("https://media.discordapp.net/a", true);
        check_allowed("https://CDN.DISCORDAPP.COM:443/a", true);
        check_allowed("http://127.0.0.1:8080/a", true);
        check_allowed("http://cdn.discordapp.com/a", false);
        check_allowed("https://cdn.discordapp.com:8443/a", false);
        check_allowed("https://cdn.discordapp.com.example/a", false);
        check_allowed("https://evil.example/cdn.discordapp.com", false);
        check_allowed("https://cdn.discordapp.com@evil.example/a", false);
        check_allowed("http://127.0.0.1:8081/a", false);
        check_allowed("http://169.254.169.254/computeMetadata/v1/", false);
        check_allowed("file:///etc/passwd", false);
        check_allowed("data:text/plain,a", false);
    }

    #[test]
    fn checksums_are_read_wherever_they_stand() {
        let headers = |values: &[&str]| {
            let values = values.iter();
            values.map(|value| ("x-goog-hash".parse().unwrap(), value.parse().unwrap())).collect()
        };
        let both: HeaderMap = headers(&["md5=1B2M2Y8AsgTpgAmY7PhCfg==, crc32c=n03x6A=="]);
        assert_eq!(crc32c(&both), Some(0x9f4d_f1e8));
        let mut apart = HeaderMap::new();
        apart.append("x-goog-hash", "md5=x".parse().unwrap());
        apart.append("x-goog-hash", "crc32c=AAAAAA==".parse().unwrap());
        assert_eq!(crc32c(&apart), Some(0));
        assert_eq!(crc32c(&headers(&["crc32c=n03x"])), None);
        assert_eq!(crc32c(&headers(&["crc32c=?"])), None);
        assert_eq!(crc32c(&HeaderMap::new()), None);
    }
}
