//! The names of objects, checked once so that no bucket has to doubt them.
//!
//! Parts of a name may come from Discord; whatever passes here is a safe path, address and header as it stands.
//! Pure: nothing here can be lost.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Google Cloud Storage allows 1,024 bytes; a path of half that still fits below a root folder on every common system.
const MAX_KEY_LEN: usize = 512;

/// What ext4, APFS and NTFS allow for one name, less what the folder adds while it writes one.
const MAX_SEGMENT_LEN: usize = 200;

/// Names that Windows gives to devices, whatever follows the dot.
const DEVICE_NAMES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// The name of an object: relative, `/`-separated, of letters, digits, `-`, `_` and `.`.
///
/// Such a name is the same string as a path, in an address and in a header,
/// and no file system normalises it into another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(String);

/// Why a string is no [`ObjectKey`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidKey {
    /// Nothing, or nothing between two slashes.
    #[error("object key {0:?} has an empty segment")]
    EmptySegment(String),
    /// More bytes than a bucket or a file system takes.
    #[error("object key of {0} bytes is too long")]
    TooLong(usize),
    /// `.`, `..` and hidden names; a folder keeps its own bookkeeping behind a dot.
    #[error("object key {0:?} has a segment that starts with a dot")]
    LeadingDot(String),
    /// Windows drops a dot at the end, so two keys would be one file.
    #[error("object key {0:?} has a segment that ends with a dot")]
    TrailingDot(String),
    /// A character that means something else in a path, an address or a header.
    #[error("object key {key:?} has the forbidden character {character:?}")]
    Character {
        /// The string as it was given.
        key: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// A name that Windows opens as a device.
    #[error("object key {0:?} has a segment that is a device on windows")]
    Device(String),
}

impl ObjectKey {
    /// Checks a name.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidKey> {
        let name = name.into();
        if name.len() > MAX_KEY_LEN {
            return Err(InvalidKey::TooLong(name.len()));
        }
        for segment in name.split('/') {
            if let Err(refuse) = check_segment(segment) {
                return Err(refuse(name));
            }
        }
        Ok(Self(name))
    }

    /// The name as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts between the slashes, never none.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// What follows the last dot of the last segment, empty when there is none.
    pub fn extension(&self) -> &str {
        let name = self.0.rsplit('/').next().unwrap_or(&self.0);
        name.rsplit_once('.').map_or("", |(_, extension)| extension)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ObjectKey {
    type Err = InvalidKey;

    fn from_str(name: &str) -> Result<Self, InvalidKey> {
        Self::new(name)
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = InvalidKey;

    fn try_from(name: String) -> Result<Self, InvalidKey> {
        Self::new(name)
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> Self {
        key.0
    }
}

/// Says what is wrong with a segment as the error to be made of the whole key.
fn check_segment(segment: &str) -> Result<(), Box<dyn FnOnce(String) -> InvalidKey>> {
    if segment.is_empty() {
        return Err(Box::new(InvalidKey::EmptySegment));
    }
    if segment.len() > MAX_SEGMENT_LEN {
        return Err(Box::new(|key| InvalidKey::TooLong(key.len())));
    }
    if let Some(character) = segment.chars().find(|c| !is_allowed(*c)) {
        return Err(Box::new(move |key| InvalidKey::Character { key, character }));
    }
    if segment.starts_with('.') {
        return Err(Box::new(InvalidKey::LeadingDot));
    }
    if segment.ends_with('.') {
        return Err(Box::new(InvalidKey::TrailingDot));
    }
    let stem = segment.split('.').next().unwrap_or(segment);
    if DEVICE_NAMES.iter().any(|device| stem.eq_ignore_ascii_case(device)) {
        return Err(Box::new(InvalidKey::Device));
    }
    Ok(())
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn refused(name: &str) {
        assert!(ObjectKey::new(name).is_err(), "{name:?} was accepted");
    }

    #[track_caller]
    fn extension(name: &str, expected: &str) {
        assert_eq!(ObjectKey::new(name).unwrap().extension(), expected);
    }

    #[test]
    fn what_the_archive_uses_is_accepted() {
        for name in [
            "index.html",
            "lease.json",
            "gallery/app.js",
            "messages/manifest.json",
            "messages/1012345678901234567/2024-03-0a1b2c3d.json",
            "media/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.mp4",
            "userData/avatars/80351110224678912-a_1269e74af4df7417b13759eae50c83dc.webp",
        ] {
            assert_eq!(ObjectKey::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_could_leave_the_folder_or_the_header_is_refused() {
        for name in [
            "",
            "/",
            "/etc/passwd",
            "media//a",
            "media/",
            "..",
            "media/../index.html",
            "./a",
            ".tmp/a",
            "media/.lock",
            "media/a.",
            "media\\a",
            "media/a b",
            "media/a\r\nX: y",
            "media/a\0",
            "media/ä",
            "media/a?b",
            "media/a#b",
            "media/a%2e",
            "C:/a",
            "media/con",
            "media/NUL.txt",
            "Com1/a",
        ] {
            refused(name);
        }
        refused(&"a".repeat(MAX_SEGMENT_LEN + 1));
        refused(&"a/".repeat(MAX_KEY_LEN));
    }

    #[test]
    fn the_extension_is_of_the_last_segment() {
        extension("media/abc.mp4", "mp4");
        extension("a.b/c", "");
        extension("a/b.tar.gz", "gz");
        extension("index", "");
    }

    proptest! {
        #[test]
        fn no_accepted_key_escapes_its_folder(name in "[a-zA-Z0-9./\\\\ _-]{0,40}") {
            if let Ok(key) = ObjectKey::new(name) {
                let path = std::path::Path::new(key.as_str());
                prop_assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
                prop_assert_eq!(path.components().count(), key.segments().count());
            }
        }
    }
}
