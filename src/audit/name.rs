//! What an object's name says of it. Whatever has another form was put by somebody else, and is not ours to remove.
//!
//! Pure: nothing here can be lost.

use crate::domain::{entry::Sha256, id::ChannelId};

/// The folders in which everything but the page and the lease lies; no others are searched.
pub const FOLDERS: [&str; 5] = ["doctor/", "media/", "messages/", "thumb/", "userData/"];

/// So many hexadecimal digits of a hash stand in the names of data, see `docs/format.md`.
const SHORT_HASH: usize = 32;

/// What an object is, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A file that was posted.
    Media(Sha256),
    /// A still of one.
    Still(Sha256),
    /// Somebody's picture.
    Picture(Sha256),
    /// Entries of a channel's month, with the hash of what is packed in it.
    Shard(ChannelId, String),
    /// The index of a channel, with the same.
    Index(ChannelId, String),
    /// The file of people, with the same.
    People(String),
    /// What a check of the bucket left behind.
    Probe,
    /// The root.
    Manifest,
    /// None of ours.
    Other,
}

impl Name {
    /// Reads a name.
    pub fn of(object: &str) -> Self {
        read(object).unwrap_or(Self::Other)
    }

    /// The hash of the object's own bytes, where the name tells it.
    pub const fn sha256(&self) -> Option<Sha256> {
        match self {
            Self::Media(sha256) | Self::Still(sha256) | Self::Picture(sha256) => Some(*sha256),
            _ => None,
        }
    }

    /// The beginning of the hash of what is packed in the object, where the name tells it.
    pub fn packed(&self) -> Option<&str> {
        match self {
            Self::Shard(_, hash) | Self::Index(_, hash) | Self::People(hash) => Some(hash),
            _ => None,
        }
    }
}

fn read(object: &str) -> Option<Name> {
    let parts: Vec<&str> = object.split('/').collect();
    Some(match parts.as_slice() {
        ["media", file] => Name::Media(hash_of(file)?),
        ["thumb", file]
            if file.split_once('.').is_some_and(|(_, extension)| extension == "webp") =>
        {
            Name::Still(hash_of(file)?)
        }
        ["userData", "avatars", file] => Name::Picture(hash_of(file)?),
        ["userData", file] => Name::People(short_hash(file.strip_prefix("users-")?)?),
        ["messages", "manifest.json"] => Name::Manifest,
        ["messages", channel, file] => {
            let channel = channel.parse().ok()?;
            match file.strip_prefix("index-") {
                Some(rest) => Name::Index(channel, short_hash(rest)?),
                None => Name::Shard(channel, short_hash(after_month(file)?)?),
            }
        }
        ["doctor", file] if file.strip_suffix(".txt").is_some_and(is_hex) => Name::Probe,
        _ => return None,
    })
}

fn hash_of(file: &str) -> Option<Sha256> {
    let (hash, extension) = file.split_once('.')?;
    let plain = !extension.is_empty() && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    (plain && is_hex(hash)).then(|| hash.parse().ok())?
}

fn short_hash(rest: &str) -> Option<String> {
    let hash = rest.strip_suffix(".json.gz")?;
    (hash.len() == SHORT_HASH && is_hex(hash)).then(|| hash.to_owned())
}

/// What follows `YYYY-MM-`.
fn after_month(file: &str) -> Option<&str> {
    let (month, rest) = file.split_at_checked(8)?;
    let is_right = |(place, byte): (usize, u8)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    month.bytes().enumerate().all(is_right).then_some(rest)
}

/// Upper case is another name.
fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(object: &str, expected: &Name) {
        assert_eq!(Name::of(object), *expected, "{object}");
    }

    #[test]
    fn names_of_ours_are_told_from_others() {
        let long = "0a".repeat(32);
        let short = "0b".repeat(16);
        let sha256 = Sha256([0x0a; 32]);
        check(&format!("media/{long}.mp4"), &Name::Media(sha256));
        check(&format!("thumb/{long}.webp"), &Name::Still(sha256));
        check(&format!("userData/avatars/{long}.png"), &Name::Picture(sha256));
        check(&format!("userData/users-{short}.json.gz"), &Name::People(short.clone()));
        let channel = ChannelId(12);
        check(&format!("messages/12/index-{short}.json.gz"), &Name::Index(channel, short.clone()));
        check(
            &format!("messages/12/2024-03-{short}.json.gz"),
            &Name::Shard(channel, short.clone()),
        );
        check("messages/manifest.json", &Name::Manifest);
        check("doctor/00ff.txt", &Name::Probe);
        for other in [
            "media/holiday.mp4".to_owned(),
            format!("media/{}.mp4", long.to_uppercase()),
            format!("media/{long}"),
            format!("media/{long}.mp4/more"),
            format!("media/{long}.tar.gz"),
            format!("thumb/{long}.png"),
            format!("messages/12/{short}.json.gz"),
            format!("messages/twelve/index-{short}.json.gz"),
            format!("messages/12/2024-3-{short}.json.gz"),
            format!("messages/12/index-{short}.json"),
            format!("userData/users-{long}.json.gz"),
            "doctor/notes.txt".to_owned(),
            "gallery/app.js".to_owned(),
            String::new(),
        ] {
            check(&other, &Name::Other);
        }
    }
}
