//! Signed links: made when a message is sent, checked when a file is fetched.

use std::time::Duration;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{clock::Clock, model::Attachment};

/// What all links of one running simulator share.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) key: u64,
    /// `http://127.0.0.1:PORT` of the originals.
    pub(crate) cdn: String,
    /// The same of the resizing proxy.
    pub(crate) media: String,
    pub(crate) lifetime: Duration,
    pub(crate) clock: Clock,
}

/// Why a link opens nothing; one answer for all, as on Discord, but tests may count them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Unsigned,
    WronglySigned,
    Expired,
}

impl Signer {
    /// The original's link, ending in a bare `&` as Discord's do.
    pub(crate) fn link(&self, file: &Attachment) -> String {
        format!("{}{}", self.cdn, self.signed(&path(file)))
    }

    /// The link through the resizing proxy, which wants the same signature.
    pub(crate) fn proxied(&self, file: &Attachment) -> String {
        format!("{}{}", self.media, self.signed(&path(file)))
    }

    /// Signs anew whatever link of ours it is given; other query keys are kept.
    pub(crate) fn refresh(&self, link: &str) -> Option<String> {
        let (base, rest) = [&self.cdn, &self.media]
            .into_iter()
            .find_map(|base| Some((base, link.strip_prefix(base.as_str())?)))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if path.split('/').count() < 5 || !path.starts_with("/attachments/") {
            return None;
        }
        let kept = query.split('&').filter(|pair| {
            let key = pair.split('=').next().unwrap_or_default();
            !matches!(key, "" | "ex" | "is" | "hm")
        });
        let mut fresh = format!("{base}{}", self.signed(path));
        for pair in kept {
            fresh.push_str(pair);
            fresh.push('&');
        }
        Some(fresh)
    }

    /// Whether the link may be followed now.
    pub(crate) fn check(&self, path: &str, query: &str) -> Result<(), Refused> {
        let value = |wanted: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == wanted).map(|(_, value)| value)
        };
        let (Some(ex), Some(is), Some(hm)) = (value("ex"), value("is"), value("hm")) else {
            return Err(Refused::Unsigned);
        };
        if self.seal(path, ex, is) != hm {
            return Err(Refused::WronglySigned);
        }
        let expiry = u64::from_str_radix(ex, 16).map_err(|_| Refused::WronglySigned)?;
        if self.clock.now() >= expiry * 1000 { Err(Refused::Expired) } else { Ok(()) }
    }

    fn signed(&self, path: &str) -> String {
        let now = self.clock.now() / 1000;
        let (ex, is) = (format!("{:x}", now + self.lifetime.as_secs()), format!("{now:x}"));
        let hm = self.seal(path, &ex, &is);
        format!("{path}?ex={ex}&is={is}&hm={hm}&")
    }

    fn seal(&self, path: &str, ex: &str, is: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key.to_be_bytes())
            .expect("an HMAC takes keys of any length");
        for part in [path, "?", ex, "&", is] {
            mac.update(part.as_bytes());
        }
        hex::encode(mac.finalize().into_bytes())
    }
}

/// Where the file lies on the CDN.
fn path(file: &Attachment) -> String {
    let name: String = file
        .filename
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("/attachments/{}/{}/{name}", file.channel, file.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer {
            key: 1,
            cdn: "http://127.0.0.1:1".to_owned(),
            media: "http://127.0.0.1:2".to_owned(),
            lifetime: Duration::from_mins(1),
            clock: Clock::default(),
        }
    }

    #[test]
    fn a_link_opens_until_it_expires_and_only_its_own_path() {
        let signer = signer();
        let link = signer.signed("/attachments/1/2/a.mp4");
        let (path, query) = link.split_once('?').unwrap();
        assert!(query.ends_with('&'));
        assert_eq!(signer.check(path, query), Ok(()));
        assert_eq!(signer.check("/attachments/1/3/a.mp4", query), Err(Refused::WronglySigned));
        assert_eq!(signer.check(path, ""), Err(Refused::Unsigned));
        signer.clock.advance(Duration::from_secs(61));
        assert_eq!(signer.check(path, query), Err(Refused::Expired));
    }

    #[test]
    fn refreshing_keeps_other_keys_and_refuses_foreign_links() {
        let signer = signer();
        let link = "http://127.0.0.1:1/attachments/1/2/a.mp4?ex=1&width=5";
        let fresh = signer.refresh(link).unwrap();
        assert!(fresh.ends_with("&width=5&"));
        let (path, query) = fresh["http://127.0.0.1:1".len()..].split_once('?').unwrap();
        assert_eq!(signer.check(path, query), Ok(()));
        assert_eq!(signer.refresh("https://example.com/attachments/1/2/a.mp4"), None);
        assert_eq!(signer.refresh("http://127.0.0.1:1/avatars/1/2.png"), None);
    }
}
