//! An entry: one piece of media in one message. And a content: the bytes that one or more entries share.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    id::{AttachmentId, ChannelId, GuildId, MessageId, UserId},
    link::{DYING, Link},
    message::Attachment,
    selection::{MediaKind, MediaMode, Policy},
    time::Timestamp,
};

/// Where an entry stands: below which channel of the page, in which message, and which of its files.
/// In this order, so that a month of a channel is one range of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryKey {
    /// The channel, or the channel above the thread.
    pub root: ChannelId,
    /// The message.
    pub message: MessageId,
    /// The file.
    pub item: AttachmentId,
}

/// The name of an entry in the page's data, `<message>-<item>`. Never shortened, so never ambiguous.
impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.message, self.item)
    }
}

/// The SHA-256 of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl FromStr for Sha256 {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// What the entries of one message have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// The channel under which the page shows it.
    pub root: ChannelId,
    /// The channel or thread that holds it.
    pub channel: ChannelId,
    /// The server.
    pub guild: GuildId,
    /// Who posted it.
    pub author: UserId,
    /// The author's name at that time.
    pub poster: String,
    /// Its words.
    pub text: String,
    /// When its words were last changed.
    pub edited: Option<Timestamp>,
    /// Its files.
    pub items: Vec<AttachmentId>,
}

/// One file of a message, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// As Discord described it, with the last link known.
    pub attachment: Attachment,
    /// What sort of file it is.
    pub kind: MediaKind,
    /// Whether its place is restricted by age.
    pub nsfw: bool,
    /// Where its bytes are.
    pub state: EntryState,
    /// Its still and measures, where they were taken from the link instead of from a copy.
    pub look: Option<Look>,
    /// When its link is to be made new, where something needs the link.
    pub refresh_at: Option<Timestamp>,
    /// Since when it is hidden from the page, because it is no longer to be seen on Discord.
    pub hidden_at: Option<Timestamp>,
}

/// Where the bytes of an entry are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryState {
    /// With Discord: not wanted here, or not yet here.
    Remote,
    /// In the bucket.
    Stored(Sha256),
    /// Nowhere: Discord no longer has them.
    Gone {
        /// When that was found out.
        at: Timestamp,
        /// What was tried, and what was answered.
        why: String,
    },
    /// Not to be had for now: tried again and again without success, and put aside.
    Parked {
        /// When it was put aside.
        at: Timestamp,
        /// What went wrong last.
        why: String,
    },
}

/// Bytes in the bucket, named by what they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// The name in the bucket.
    pub object: String,
    /// In bytes.
    pub size: u64,
    /// The checksum that object stores use.
    pub crc32c: u32,
    /// Told from the bytes.
    pub content_type: String,
    /// Its still and measures, once taken.
    pub look: Option<Look>,
}

/// What a look at the picture and sound of a file told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// In pixels.
    pub width: Option<u32>,
    /// In pixels.
    pub height: Option<u32>,
    /// In seconds.
    pub runtime: Option<f64>,
    /// The name of the still in the bucket; none for sound and for what can't be read.
    pub still: Option<String>,
    /// Why there is no still where one was to be expected.
    pub failure: Option<String>,
}

impl Look {
    /// The bytes that the still's name tells.
    pub fn still_sha256(&self) -> Option<Sha256> {
        self.still.as_deref()?.strip_prefix("thumb/")?.strip_suffix(".webp")?.parse().ok()
    }
}

/// Somebody who posted an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name last seen.
    pub name: String,
    /// The hash of the picture last seen.
    pub avatar: Option<String>,
    /// Whether it is a program.
    pub bot: bool,
    /// The copy of a picture in the bucket, and the hash that Discord gives it.
    pub copied: Option<CopiedAvatar>,
    /// The newest message that told this: an older one changes nothing.
    pub seen_in: MessageId,
}

/// A copy of somebody's picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedAvatar {
    /// Discord's hash of it.
    pub hash: String,
    /// The name in the bucket.
    pub object: String,
}

impl Person {
    /// The hash of their picture, when it is not the one that was copied.
    pub fn missing_picture(&self) -> Option<&str> {
        let has = self.copied.as_ref().map(|copied| copied.hash.as_str());
        self.avatar.as_deref().filter(|hash| has != Some(*hash))
    }
}

impl Entry {
    /// A file seen for the first time.
    pub fn new(attachment: Attachment, nsfw: bool) -> Self {
        let kind = MediaKind::of(attachment.content_type.as_deref(), &attachment.filename);
        Self {
            attachment,
            kind,
            nsfw,
            state: EntryState::Remote,
            look: None,
            refresh_at: None,
            hidden_at: None,
        }
    }

    /// Whether it is to be copied or kept alive.
    pub fn is_wanted(&self, policy: &Policy) -> bool {
        self.hidden_at.is_none() && policy.selection.wants(self.kind, self.attachment.size)
    }

    /// Whether the page shows it: wanted, still to be seen on Discord, and not merely on its way into the bucket.
    pub fn is_shown(&self, policy: &Policy) -> bool {
        let arrived = policy.mode == MediaMode::Link || self.state != EntryState::Remote;
        arrived && self.is_wanted(policy)
    }

    /// Whether a publication of this moment lists it: the page shows it, and in link mode it can be opened.
    pub fn is_published(&self, policy: &Policy, now: Timestamp) -> bool {
        let gone = matches!(self.state, EntryState::Gone { .. });
        let opens = !gone && !self.attachment.link.is_stale(now, DYING);
        self.is_shown(policy) && (policy.mode == MediaMode::Copy || opens)
    }

    /// Takes over what a newer sight of the same file tells. A link is only replaced by one that lives longer.
    pub fn see_again(&mut self, seen: Attachment) {
        let longer = lives_longer(&seen.link, &self.attachment.link);
        let link = if longer { seen.link.clone() } else { self.attachment.link.clone() };
        self.attachment = Attachment { link, ..seen };
    }
}

fn lives_longer(new: &Link, old: &Link) -> bool {
    match (new.expires_at(), old.expires_at()) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(new), Some(old)) => new >= old,
    }
}
