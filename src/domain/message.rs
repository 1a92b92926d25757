//! A message as far as an archive cares for it: who posted which files, when, and with what words.

use serde::{Deserialize, Serialize};

use super::{
    id::{AttachmentId, ChannelId, GuildId, MessageId, UserId},
    link::Link,
    time::Timestamp,
};

/// A message as Discord showed it at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id, which also tells when it was posted.
    pub id: MessageId,
    /// The channel or thread that holds it.
    pub channel: ChannelId,
    /// The server; absent from messages read over REST.
    pub guild: Option<GuildId>,
    /// Who posted it.
    pub author: Author,
    /// Its words, with mentions of people made readable.
    pub text: String,
    /// When its words were last changed.
    pub edited: Option<Timestamp>,
    /// The files posted with it.
    pub attachments: Vec<Attachment>,
    /// Whether it carries media of any sort, attachments or not; then its raw form is kept.
    pub carries_media: bool,
    /// What Discord sent, byte for byte.
    pub raw: Box<str>,
}

/// A message that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its id, where that much is legible.
    pub id: Option<MessageId>,
    /// What is wrong with it.
    pub reason: String,
    /// What Discord sent, byte for byte.
    pub raw: Box<str>,
}

/// Who posted a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The account, or the webhook.
    pub id: UserId,
    /// The name that Discord shows.
    pub name: String,
    /// The hash in the address of the picture.
    pub avatar: Option<String>,
    /// Whether a program posted it.
    pub bot: bool,
}

/// A file posted with a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// Stable, unlike the link.
    pub id: AttachmentId,
    /// As Discord normalised it.
    pub filename: String,
    /// The name before it was normalised.
    pub title: Option<String>,
    /// What the poster's program claimed.
    pub content_type: Option<String>,
    /// In bytes.
    pub size: u64,
    /// Where it can be fetched until the link dies.
    pub link: Link,
    /// In pixels.
    pub width: Option<u32>,
    /// In pixels.
    pub height: Option<u32>,
    /// In seconds.
    pub runtime: Option<f64>,
    /// A thumbhash in base64.
    pub placeholder: Option<String>,
    /// Whether it is to be blurred until asked for.
    pub spoiler: bool,
}

impl Attachment {
    /// The name to show: the poster's own where Discord kept it, and with the extension that only the normalised one
    /// is sure to have.
    pub fn name(&self) -> String {
        let (_, extension) = split_name(&self.filename);
        match &self.title {
            Some(title) if extension.is_empty() => title.clone(),
            Some(title) => format!("{title}.{extension}"),
            None => self.filename.clone(),
        }
    }
}

/// A name without its extension, and the extension without its dot. `.profile` and `archive.` have none.
pub fn split_name(name: &str) -> (&str, &str) {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && !extension.is_empty() => (stem, extension),
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_at_the_last_dot() {
        assert_eq!(split_name("a.b.MP4"), ("a.b", "MP4"));
        assert_eq!(split_name(".profile"), (".profile", ""));
        assert_eq!(split_name("archive."), ("archive.", ""));
        assert_eq!(split_name("clip"), ("clip", ""));
    }
}
