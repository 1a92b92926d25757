//! What a browser is told about an object: its type, whether to show or save it, how long to keep it.
//!
//! All of it follows from the key: a folder, which has nowhere to keep headers, serves the same ones as Google does,
//! and no caller can give a stranger's file a type that runs.
//! Pure: nothing here can be lost.

use std::borrow::Cow;

use crate::bucket::ObjectKey;

/// For names that are hashes of their content: never asked for twice.
/// `private`, because what is erased here must not live on in a cache that others read from.
const IMMUTABLE: &str = "private, max-age=31536000, immutable";

/// For names whose content changes: asked for each time, answered with 304 when it did not.
/// Google serves public objects for an hour from its own cache unless told so.
const REVALIDATE: &str = "no-cache";

/// Of no use to any reader, and wrong as soon as it is read.
const NEVER_KEPT: &str = "no-store";

/// A type that every browser saves and none runs.
const HARMLESS: &str = "application/octet-stream";

/// Our own lists, which the page unpacks by itself: with a `Content-Encoding` a checksum of the object would not be one
/// of what is downloaded, and servers of plain files would have to be told.
const PACKED: &str = "application/gzip";

/// What is sent along with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The media type that browsers are told.
    pub content_type: Cow<'static, str>,
    /// How long a copy may be used.
    pub cache_control: Cow<'static, str>,
    /// `attachment` for what must be saved and not shown.
    pub content_disposition: Option<Cow<'static, str>>,
}

impl ObjectMeta {
    /// What is sent along with the object of this name.
    pub fn of(key: &ObjectKey) -> Self {
        let content_type = content_type(key);
        Self {
            content_type: content_type.into(),
            cache_control: cache_control(key).into(),
            content_disposition: (content_type == HARMLESS).then_some("attachment".into()),
        }
    }
}

/// Types that a browser executes are given to the page's own files alone:
/// everything else may hold what a stranger posted on Discord.
fn content_type(key: &ObjectKey) -> &'static str {
    if is_packed_list(key) {
        return PACKED;
    }
    let extension = key.extension().to_ascii_lowercase();
    if is_page(key) {
        match extension.as_str() {
            "html" => return "text/html; charset=utf-8",
            "js" | "mjs" => return "text/javascript; charset=utf-8",
            "css" => return "text/css; charset=utf-8",
            "svg" => return "image/svg+xml",
            "webmanifest" => return "application/manifest+json",
            "woff2" => return "font/woff2",
            _ => {}
        }
    }
    match extension.as_str() {
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "avi" => "video/x-msvideo",
        "3gp" => "video/3gpp",
        "3g2" => "video/3gpp2",
        "ogv" => "video/ogg",
        "png" | "apng" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "heic" => "image/heic",
        "bmp" => "image/bmp",
        "ico" => "image/x-icon",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "aac" => "audio/aac",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => HARMLESS,
    }
}

fn cache_control(key: &ObjectKey) -> &'static str {
    match key.segments().collect::<Vec<_>>().as_slice() {
        ["lease.json"] => NEVER_KEPT,
        ["messages", "manifest.json"] => REVALIDATE,
        ["media" | "thumb" | "messages" | "userData", _, ..] => IMMUTABLE,
        _ => REVALIDATE,
    }
}

/// A file from Discord stays the file it is, whatever its name ends with.
fn is_packed_list(key: &ObjectKey) -> bool {
    let key = key.as_str();
    key.ends_with(".json.gz") && (key.starts_with("messages/") || key.starts_with("userData/"))
}

fn is_page(key: &ObjectKey) -> bool {
    key.as_str() == "index.html" || key.as_str().starts_with("gallery/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, content_type: &str, cache_control: &str, disposition: Option<&str>) {
        let meta = ObjectMeta::of(&ObjectKey::new(name).unwrap());
        assert_eq!(meta.content_type, content_type);
        assert_eq!(meta.cache_control, cache_control);
        assert_eq!(meta.content_disposition.as_deref(), disposition);
    }

    #[test]
    fn the_key_implies_the_headers() {
        check("index.html", "text/html; charset=utf-8", REVALIDATE, None);
        check("gallery/app.js", "text/javascript; charset=utf-8", REVALIDATE, None);
        check("lease.json", "application/json", NEVER_KEPT, None);
        check("messages/manifest.json", "application/json", REVALIDATE, None);
        check("messages/1/2024-03-ab.json.gz", PACKED, IMMUTABLE, None);
        check("userData/users-ab.json.gz", PACKED, IMMUTABLE, None);
        check("media/ab.gz", HARMLESS, IMMUTABLE, Some("attachment"));
        check("media/ab.json.gz", HARMLESS, IMMUTABLE, Some("attachment"));
        check("media/ab.mp4", "video/mp4", IMMUTABLE, None);
        check("media/ab.MP4", "video/mp4", IMMUTABLE, None);
        check("thumb/ab.webp", "image/webp", IMMUTABLE, None);
        check("media/ab", HARMLESS, IMMUTABLE, Some("attachment"));
    }

    #[test]
    fn nothing_from_discord_is_executed() {
        for extension in ["html", "htm", "xhtml", "svg", "xml", "xsl", "js", "mjs", "css", "pdf"] {
            for folder in ["media", "thumb", "userData/avatars", "messages/1", "gallery-not"] {
                let key = ObjectKey::new(format!("{folder}/ab.{extension}")).unwrap();
                let meta = ObjectMeta::of(&key);
                assert_eq!(meta.content_type, HARMLESS, "{key}");
                assert_eq!(meta.content_disposition.as_deref(), Some("attachment"), "{key}");
            }
        }
    }
}
