//! The page: its files, carried inside the program, and its head, written for one archive.
//!
//! The Publisher puts what [`objects`] returns into the bucket, `serve` hands it to browsers from there.
//! A bucket sends no header of ours, so the content security policy stands in the page's head;
//! it lets in what the mode needs and nothing else.
//! Pure: nothing here can be lost.

use std::fmt;
use std::str::FromStr;

use axum::http::Uri;
use bytes::Bytes;
use rust_embed::RustEmbed;
use thiserror::Error;

use crate::bucket::{ObjectKey, ObjectMeta};

/// The only file that lies at the bucket's root, and the only one that is a template.
const INDEX: &str = "index.html";

/// Where Discord keeps attachments: originals, and pictures in other sizes.
const DISCORD_MEDIA: [&str; 2] = ["https://cdn.discordapp.com", "https://media.discordapp.net"];

/// Stands in the template for the content security policy.
const POLICY_GAP: &str = "{{policy}}";

/// Stands in the template for the title.
const TITLE_GAP: &str = "{{title}}";

#[derive(RustEmbed)]
#[folder = "assets/gallery/"]
struct Assets;

/// Where the page finds the files it plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageMode {
    /// In the bucket: nothing is loaded from anywhere else.
    Copy,
    /// With Discord: its media hosts are let in, and these besides, for a server that imitates Discord.
    Link(Vec<MediaHost>),
}

/// A host that media may come from, `scheme://host` with an optional port.
///
/// It becomes part of a policy, so it holds nothing that would end one rule and begin another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaHost(String);

/// Why a string is no [`MediaHost`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not the address of a media host: it should look like https://cdn.example.org or http://127.0.0.1:8080"
)]
pub struct InvalidMediaHost(String);

/// One file of the page, ready to be put into the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageObject {
    /// Its name in the bucket.
    pub key: ObjectKey,
    /// What browsers are told it is, the same that [`ObjectMeta::of`] says of the key.
    pub content_type: String,
    /// Its content.
    pub bytes: Bytes,
}

/// The page's files for an archive with this title, `index.html` last: what it refers to is there before it.
pub fn objects(mode: &PageMode, title: &str) -> Vec<PageObject> {
    let parts = Assets::iter().filter(|path| path != INDEX);
    let mut page: Vec<PageObject> = parts
        .map(|path| object(&format!("gallery/{path}"), Bytes::from(embedded(&path))))
        .collect();
    page.push(object(INDEX, index(mode, title).into()));
    page
}

/// The head and body of the page; the policy goes in first, so that no title can stand in for it.
fn index(mode: &PageMode, title: &str) -> String {
    let template = String::from_utf8(embedded(INDEX)).expect("the template is kept in UTF-8");
    template.replace(POLICY_GAP, &policy(mode)).replace(TITLE_GAP, &html_escape::encode_safe(title))
}

/// What the page may load and do. Scripts and styles come from its own files alone, and nothing is parsed as HTML.
fn policy(mode: &PageMode) -> String {
    let mut media = "'self'".to_owned();
    if let PageMode::Link(hosts) = mode {
        for host in DISCORD_MEDIA.into_iter().chain(hosts.iter().map(|host| host.0.as_str())) {
            media.push(' ');
            media.push_str(host);
        }
    }
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        &format!("img-src {media}"),
        &format!("media-src {media}"),
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
    .join("; ")
}

fn object(name: &str, bytes: Bytes) -> PageObject {
    let key = ObjectKey::new(name).expect("the page's files have plain names");
    let content_type = ObjectMeta::of(&key).content_type.into_owned();
    PageObject { key, content_type, bytes }
}

fn embedded(path: &str) -> Vec<u8> {
    Assets::get(path).expect("the path was listed or is the template's").data.into_owned()
}

impl FromStr for MediaHost {
    type Err = InvalidMediaHost;

    fn from_str(text: &str) -> Result<Self, InvalidMediaHost> {
        let invalid = || InvalidMediaHost(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(invalid());
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '[' | ']');
        let bare = uri.path_and_query().is_none_or(|rest| rest == "/");
        if matches!(scheme, "http" | "https") && bare && authority.as_str().chars().all(plain) {
            Ok(Self(format!("{scheme}://{authority}")))
        } else {
            Err(invalid())
        }
    }
}

impl fmt::Display for MediaHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn text(object: &PageObject) -> &str {
        std::str::from_utf8(&object.bytes).unwrap()
    }

    fn index_of(mode: &PageMode, title: &str) -> String {
        text(objects(mode, title).last().unwrap()).to_owned()
    }

    #[test]
    fn a_title_stays_text() {
        let page = index_of(&PageMode::Copy, "</title><script>\"'&{{policy}}{{title}}");
        assert!(page.contains(
            "<title>&lt;&#x2F;title&gt;&lt;script&gt;&quot;&#x27;&amp;{{policy}}{{title}}</title>"
        ));
        assert_eq!(page.matches("<script").count(), 1);
    }

    #[test]
    fn only_link_mode_lets_discord_in() {
        let copy = index_of(&PageMode::Copy, "Owls");
        assert!(!copy.contains("discordapp"));
        let host = "http://127.0.0.1:8080".parse().unwrap();
        let link = index_of(&PageMode::Link(vec![host]), "Owls");
        assert!(link.contains(
            "media-src 'self' https://cdn.discordapp.com https://media.discordapp.net http://127.0.0.1:8080;"
        ));
        for page in [copy, link] {
            assert!(!page.contains("unsafe-"));
            assert!(page.contains("default-src 'none'; script-src 'self';"));
        }
    }

    /// The index and the modules name other files; each name must lead to one, whatever folder the page lies in.
    #[test]
    fn every_file_that_is_named_is_there() {
        let page = objects(&PageMode::Copy, "Owls");
        let keys: BTreeSet<_> = page.iter().map(|object| object.key.as_str().to_owned()).collect();
        let mut named = 0;
        for object in &page {
            let folder = object.key.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
            let starts: &[&str] = match object.key.extension() {
                "html" => &["href=\"", "src=\""],
                "js" => &["from \"./"],
                _ => continue,
            };
            for start in starts {
                for rest in text(object).split(start).skip(1) {
                    let name = rest.split('"').next().unwrap();
                    if name.starts_with('#') {
                        continue;
                    }
                    let key = if folder.is_empty() {
                        name.to_owned()
                    } else {
                        format!("{folder}/{name}")
                    };
                    assert!(keys.contains(&key), "{} names {key}, which is not there", object.key);
                    named += 1;
                }
            }
        }
        assert!(named > 20, "only {named} names were found");
    }

    #[test]
    fn nothing_in_the_page_is_inline() {
        for object in objects(&PageMode::Copy, "Owls") {
            for banned in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                " style=\"",
                " onclick=",
            ] {
                assert!(!text(&object).contains(banned), "{} has {banned}", object.key);
            }
        }
    }

    #[test]
    fn a_media_host_is_an_origin() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(
                text.parse().ok().map(|host: MediaHost| host.to_string()).as_deref(),
                expected
            );
        }
        check("https://cdn.example.org", Some("https://cdn.example.org"));
        check("http://127.0.0.1:8080/", Some("http://127.0.0.1:8080"));
        check("http://[::1]:8080", Some("http://[::1]:8080"));
        for text in [
            "",
            "cdn.example.org",
            "ftp://cdn.example.org",
            "https://cdn.example.org/path",
            "https://cdn.example.org?x",
            "https://user@cdn.example.org",
            "https://a;script-src",
            "https://a 'unsafe-inline'",
            "https://a,b",
            "https://*",
        ] {
            check(text, None);
        }
    }
}
