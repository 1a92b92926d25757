//! Which places are read and which files are copied and shown.

use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    id::{ChannelId, GuildId},
    message::split_name,
    place::{Place, PlaceKind},
    removal::RemovalPolicy,
};

/// What sort of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Moving pictures.
    Video,
    /// Pictures, moving or not, that a browser shows as such.
    Image,
    /// Sound, voice messages included.
    Audio,
    /// Anything else.
    File,
}

impl MediaKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Video, Self::Image, Self::Audio, Self::File];

    /// Tells from what the poster's program claimed and from the name; where they disagree the name wins only when
    /// the claim says nothing (`application/octet-stream`, or nothing at all).
    pub fn of(content_type: Option<&str>, name: &str) -> Self {
        let claimed = content_type.and_then(Self::of_type);
        let named = Self::of_extension(split_name(name).1);
        claimed.or(named).unwrap_or(Self::File)
    }

    fn of_type(content_type: &str) -> Option<Self> {
        let essence =
            content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            // Containers that programs file under "application".
            "application/ogg" | "application/x-ogg" => Some(Self::Audio),
            "application/mp4" | "application/x-matroska" | "application/vnd.apple.mpegurl" => {
                Some(Self::Video)
            }
            // A vector picture is a program in a browser's eyes.
            "image/svg+xml" => Some(Self::File),
            _ => match essence.split_once('/')?.0 {
                "video" => Some(Self::Video),
                "image" => Some(Self::Image),
                "audio" => Some(Self::Audio),
                _ => None,
            },
        }
    }

    fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "mp4" | "m4v" | "mov" | "qt" | "webm" | "mkv" | "avi" | "wmv" | "flv" | "f4v"
            | "mpg" | "mpeg" | "mpe" | "m2v" | "ts" | "mts" | "m2ts" | "3gp" | "3g2" | "ogv"
            | "vob" | "asf" | "mxf" => Some(Self::Video),
            "png" | "apng" | "jpg" | "jpeg" | "jpe" | "jfif" | "gif" | "webp" | "avif" | "heic"
            | "heif" | "bmp" | "tif" | "tiff" | "jxl" => Some(Self::Image),
            "mp3" | "m4a" | "aac" | "ogg" | "oga" | "opus" | "flac" | "wav" | "wma" | "aif"
            | "aiff" | "weba" | "mka" | "amr" => Some(Self::Audio),
            _ => None,
        }
    }

    /// Its name in settings and in the page's data.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Image => "image",
            Self::Audio => "audio",
            Self::File => "file",
        }
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for MediaKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("{text:?} is not one of video, image, audio, file"))
    }
}

/// Which files are copied and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSelection {
    /// The sorts that are wanted.
    pub kinds: BTreeSet<MediaKind>,
    /// The largest that is wanted, in bytes.
    pub max_size: Option<u64>,
}

impl MediaSelection {
    /// Whether a file is wanted.
    pub fn wants(&self, kind: MediaKind, size: u64) -> bool {
        self.kinds.contains(&kind) && self.max_size.is_none_or(|max| size <= max)
    }
}

impl Default for MediaSelection {
    fn default() -> Self {
        Self { kinds: BTreeSet::from([MediaKind::Video]), max_size: None }
    }
}

/// What becomes of a file that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaMode {
    /// It is copied into the bucket.
    Copy,
    /// It stays with Discord, and its link is kept alive.
    Link,
}

/// What is done about files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which files are wanted.
    pub selection: MediaSelection,
    /// What becomes of them.
    pub mode: MediaMode,
    /// What changes within this time is one publication.
    pub publish_every: Duration,
    /// What becomes of what was deleted on Discord.
    pub removal: RemovalPolicy,
}

impl Policy {
    /// What it asks for, in words, so that a change of it can be seen.
    pub fn describe(&self) -> String {
        let kinds: Vec<_> = self.selection.kinds.iter().map(|kind| kind.name()).collect();
        let size = self
            .selection
            .max_size
            .map_or("any size".to_owned(), |max| format!("at most {max} bytes"));
        let deleted = self.removal.on_delete;
        format!("{:?} {} of {size}, deleted ones: {deleted}", self.mode, kinds.join(","))
    }
}

/// Which places are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaceSelection {
    /// The servers whose places are considered.
    pub guilds: BTreeSet<GuildId>,
    /// Only these channels and their threads, where any is named.
    pub channels: BTreeSet<ChannelId>,
    /// Channels, threads and categories that are left out.
    pub excluded: BTreeSet<ChannelId>,
    /// Whether places that not everybody can see are read though nobody named them.
    pub include_private: bool,
    /// Whether places restricted by age are read though nobody named them.
    pub include_nsfw: bool,
}

impl PlaceSelection {
    /// Why a place is not read; nothing when it is. `ancestors` are the channel above a thread and the category above
    /// that, in any order.
    pub fn omits(&self, place: &Place, ancestors: &[&Place]) -> Option<Omission> {
        let line = || std::iter::once(place).chain(ancestors.iter().copied());
        let listed = line().any(|above| self.channels.contains(&above.id));
        if !self.guilds.contains(&place.guild) {
            return Some(Omission::OtherServer);
        }
        if line().any(|above| self.excluded.contains(&above.id)) {
            return Some(Omission::Excluded);
        }
        if !self.channels.is_empty() && !listed {
            return Some(Omission::NotListed);
        }
        if !place.public && !listed && !self.include_private {
            return Some(Omission::Private);
        }
        let nsfw = line().any(|above| above.nsfw && above.kind != PlaceKind::Category);
        if nsfw && !listed && !self.include_nsfw {
            return Some(Omission::AgeRestricted);
        }
        None
    }
}

/// Why a place is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omission {
    /// Its server was not named.
    OtherServer,
    /// It, or what is above it, is in `EXCLUDE_IDS`.
    Excluded,
    /// `CHANNEL_IDS` names others.
    NotListed,
    /// Not everybody can see it, and nobody asked for it.
    Private,
    /// It is restricted by age, and nobody asked for it.
    AgeRestricted,
}

impl fmt::Display for Omission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherServer => "in a server that SERVER_IDS does not name",
            Self::Excluded => "excluded by EXCLUDE_IDS",
            Self::NotListed => "not named by CHANNEL_IDS",
            Self::Private => {
                "not visible to everyone (name it in CHANNEL_IDS or set INCLUDE_PRIVATE=true)"
            }
            Self::AgeRestricted => {
                "age-restricted (name it in CHANNEL_IDS or set INCLUDE_NSFW=true)"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::place::Access;

    #[track_caller]
    fn check(content_type: Option<&str>, name: &str, kind: MediaKind) {
        assert_eq!(MediaKind::of(content_type, name), kind, "{content_type:?} {name:?}");
    }

    #[test]
    fn kinds_are_told_by_type_and_name() {
        check(Some("video/mp4"), "clip.mp4", MediaKind::Video);
        check(None, "CLIP.MKV", MediaKind::Video);
        check(Some("application/octet-stream"), "clip.WebM", MediaKind::Video);
        check(Some("video/quicktime"), "no_extension", MediaKind::Video);
        check(Some("VIDEO/MP4; codecs=\"avc1\""), "x", MediaKind::Video);
        check(Some("image/gif"), "a.gif", MediaKind::Image);
        check(Some("audio/ogg"), "voice-message.ogg", MediaKind::Audio);
        check(Some("application/ogg"), "voice-message.ogg", MediaKind::Audio);
        check(Some("image/svg+xml"), "a.svg", MediaKind::File);
        check(Some("text/plain; charset=utf-8"), "notes.txt", MediaKind::File);
        check(Some("text/plain"), "renamed.mp4", MediaKind::Video);
        check(None, "mp4", MediaKind::File);
        check(None, "", MediaKind::File);
    }

    fn place(id: u64, kind: PlaceKind, parent: Option<u64>) -> Place {
        Place {
            id: ChannelId(id),
            guild: GuildId(1),
            parent: parent.map(ChannelId),
            name: String::new(),
            kind,
            position: 0,
            access: Access::Readable,
            public: true,
            nsfw: false,
            manages_threads: false,
            last_message: None,
            archived_at: None,
        }
    }

    #[test]
    fn a_place_is_read_unless_something_speaks_against_it() {
        let all =
            PlaceSelection { guilds: BTreeSet::from([GuildId(1)]), ..PlaceSelection::default() };
        let category = place(10, PlaceKind::Category, None);
        let channel = place(20, PlaceKind::Text, Some(10));
        let thread = place(30, PlaceKind::PublicThread, Some(20));
        let above = [&channel, &category];
        assert_eq!(all.omits(&thread, &above), None);

        let elsewhere =
            PlaceSelection { guilds: BTreeSet::from([GuildId(2)]), ..PlaceSelection::default() };
        assert_eq!(elsewhere.omits(&channel, &[&category]), Some(Omission::OtherServer));

        for excluded in [10, 20, 30] {
            let selection =
                PlaceSelection { excluded: BTreeSet::from([ChannelId(excluded)]), ..all.clone() };
            assert_eq!(selection.omits(&thread, &above), Some(Omission::Excluded));
        }
        for listed in [10, 20, 30] {
            let selection =
                PlaceSelection { channels: BTreeSet::from([ChannelId(listed)]), ..all.clone() };
            assert_eq!(selection.omits(&thread, &above), None);
        }
        let other = PlaceSelection { channels: BTreeSet::from([ChannelId(99)]), ..all.clone() };
        assert_eq!(other.omits(&thread, &above), Some(Omission::NotListed));
    }

    #[test]
    fn private_and_age_restricted_places_are_left_out_unless_asked_for() {
        let all =
            PlaceSelection { guilds: BTreeSet::from([GuildId(1)]), ..PlaceSelection::default() };
        let private = Place { public: false, ..place(20, PlaceKind::Text, None) };
        assert_eq!(all.omits(&private, &[]), Some(Omission::Private));
        assert_eq!(
            PlaceSelection { include_private: true, ..all.clone() }.omits(&private, &[]),
            None
        );
        let listed = PlaceSelection { channels: BTreeSet::from([ChannelId(20)]), ..all.clone() };
        assert_eq!(listed.omits(&private, &[]), None);

        let nsfw = Place { nsfw: true, ..place(21, PlaceKind::Text, None) };
        let thread = place(31, PlaceKind::PublicThread, Some(21));
        assert_eq!(all.omits(&thread, &[&nsfw]), Some(Omission::AgeRestricted));
        assert_eq!(PlaceSelection { include_nsfw: true, ..all }.omits(&thread, &[&nsfw]), None);
    }
}
