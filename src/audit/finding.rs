//! One thing that is wrong with an archive, in words for people and in keys for programs.
//!
//! The keys of its JSON are an interface: `verify --json` is read by programs, and by `verify` itself when a service
//! of another version answers. Pure: nothing here can be lost.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;

/// What something that is wrong belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Files that were posted.
    Media,
    /// Stills of them.
    Still,
    /// People's pictures.
    Picture,
    /// What the page reads: shards, indexes, the file of people, the manifest.
    Data,
    /// The page's own files.
    Page,
    /// The catalogue in `STATE_DIR`.
    Catalogue,
    /// What a check of the bucket left behind.
    Probe,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It has another length.
    WrongSize {
        /// In bytes.
        expected: u64,
        /// In bytes.
        found: u64,
    },
    /// It has another checksum.
    WrongChecksum {
        /// CRC32C in base64.
        expected: String,
        /// The same.
        found: String,
    },
    /// It was read, and its bytes are not those that its name promises.
    WrongBytes,
    /// It was read, and makes no sense.
    Unreadable {
        /// What was seen.
        why: String,
    },
    /// Nothing names it, and it has been there for longer than a day.
    Unnamed {
        /// In bytes.
        size: u64,
        /// Since when.
        since: Timestamp,
    },
    /// It says something else than it should.
    Unlike {
        /// What differs.
        what: String,
    },
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it belongs to.
    pub part: Part,
    /// The object, or the entry of the catalogue.
    pub object: String,
    /// What is wrong with it.
    #[serde(flatten)]
    pub fault: Fault,
}

impl Part {
    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Media => "files",
            Self::Still => "stills",
            Self::Picture => "pictures of people",
            Self::Data => "data of the page",
            Self::Page => "the page",
            Self::Catalogue => "the catalogue",
            Self::Probe => "probes",
        }
    }
}

impl Finding {
    /// What `--repair` does about it.
    pub const fn remedy(&self) -> &'static str {
        match (self.part, &self.fault) {
            (_, Fault::Unnamed { .. }) => "--repair removes it",
            (Part::Media, _) => {
                "--repair fetches it again from Discord, and marks it lost if Discord no longer has it"
            }
            (Part::Still, _) => "--repair has it made again",
            (Part::Picture, _) => "--repair fetches it again from Discord",
            (Part::Data | Part::Page | Part::Probe, _) => "--repair publishes it again",
            (Part::Catalogue, _) => "--repair mends it",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::WrongSize { expected, found } => {
                write!(f, "has {found} bytes instead of {expected}")
            }
            Self::WrongChecksum { expected, found } => {
                write!(f, "has the checksum {found} instead of {expected}")
            }
            Self::WrongBytes => f.write_str("has other bytes than its name says"),
            Self::Unreadable { why } => write!(f, "can't be read: {why}"),
            Self::Unnamed { size, since } => {
                write!(f, "is named by nothing ({size} bytes, there since {since})")
            }
            Self::Unlike { what } => f.write_str(what),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.object, self.fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_one_flat_object() {
        let finding = Finding {
            part: Part::Media,
            object: "media/a.mp4".into(),
            fault: Fault::WrongSize { expected: 2, found: 1 },
        };
        let json = serde_json::to_value(&finding).unwrap();
        let expected = serde_json::json!({
            "part": "media", "object": "media/a.mp4", "fault": "wrong_size", "expected": 2, "found": 1
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<Finding>(json).unwrap(), finding);
    }
}
