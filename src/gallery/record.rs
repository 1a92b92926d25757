//! One piece of media as the page's data shows it. Keys are those that other programs already read.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        entry::{Content, Entry, EntryKey, EntryState, Look, Post, Sha256},
        id::{AttachmentId, ChannelId, GuildId, MessageId, UserId},
        link::Link,
        message::{Attachment, split_name},
        selection::MediaKind,
        text::{Mention, readable},
        time::Timestamp,
    },
    store::{MonthEntry, RebuiltEntry},
};

/// An entry of a shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "Attachment_id")]
    attachment_id: AttachmentId,
    #[serde(rename = "Discord_id")]
    message: MessageId,
    #[serde(rename = "channelId")]
    channel: ChannelId,
    #[serde(rename = "guildId")]
    guild: GuildId,
    #[serde(rename = "posterId")]
    poster_id: UserId,
    #[serde(rename = "Poster")]
    poster: String,
    #[serde(rename = "Description")]
    text: String,
    #[serde(rename = "Date")]
    date: Timestamp,
    #[serde(rename = "Link_to_message")]
    link_to_message: String,
    #[serde(rename = "Attachment_URL")]
    link: String,
    #[serde(rename = "Expire_Timestamp")]
    expires: Option<i64>,
    #[serde(rename = "Filename")]
    filename: String,
    #[serde(rename = "Extension")]
    extension: String,
    #[serde(rename = "Kind")]
    kind: MediaKind,
    #[serde(rename = "Content_type")]
    content_type: Option<String>,
    #[serde(rename = "Size")]
    size: u64,
    #[serde(rename = "Width")]
    width: Option<u32>,
    #[serde(rename = "Height")]
    height: Option<u32>,
    #[serde(rename = "Runtime")]
    runtime: Option<f64>,
    #[serde(rename = "Placeholder")]
    placeholder: Option<String>,
    #[serde(rename = "Media")]
    media: Option<String>,
    #[serde(rename = "Thumbnail")]
    thumbnail: Option<String>,
    #[serde(rename = "Sha256")]
    sha256: Option<String>,
    #[serde(rename = "Crc32c")]
    crc32c: Option<String>,
    #[serde(rename = "Spoiler")]
    spoiler: bool,
    #[serde(rename = "Nsfw")]
    nsfw: bool,
    #[serde(rename = "Edited_at")]
    edited: Option<Timestamp>,
    #[serde(rename = "Deleted_at", skip_serializing_if = "Option::is_none")]
    deleted: Option<Timestamp>,
    #[serde(rename = "Gone")]
    gone: Option<String>,
}

impl Record {
    /// The record of an entry. `name` names channels and roles that its text mentions.
    pub fn new(source: &MonthEntry, name: impl Fn(Mention) -> Option<String>) -> Self {
        let MonthEntry { key, post, entry, content, removed, .. } = source;
        let Entry { attachment, .. } = entry;
        let look = look_of(entry, content.as_ref());
        let full_name = attachment.name();
        let (filename, extension) = split_name(&full_name);
        let (sha256, gone) = match &entry.state {
            EntryState::Stored(sha256) => (Some(sha256.to_string()), None),
            EntryState::Gone { why, .. } | EntryState::Parked { why, .. } => {
                (None, Some(why.clone()))
            }
            EntryState::Remote => (None, None),
        };
        let sniffed = content.as_ref().map(|content| content.content_type.clone());
        Self {
            id: key.to_string(),
            attachment_id: key.item,
            message: key.message,
            channel: post.channel,
            guild: post.guild,
            poster_id: post.author,
            poster: post.poster.clone(),
            text: readable(&post.text, name),
            date: key.message.created_at(),
            link_to_message: format!(
                "https://discord.com/channels/{}/{}/{}",
                post.guild, post.channel, key.message
            ),
            link: attachment.link.reveal().to_owned(),
            expires: attachment.link.expires_at().map(Timestamp::as_secs),
            filename: filename.to_owned(),
            extension: extension.to_lowercase(),
            kind: entry.kind,
            content_type: sniffed.or_else(|| attachment.content_type.clone()),
            size: attachment.size,
            width: attachment.width.or(look.and_then(|look| look.width)),
            height: attachment.height.or(look.and_then(|look| look.height)),
            runtime: attachment.runtime.or(look.and_then(|look| look.runtime)),
            placeholder: attachment.placeholder.clone(),
            media: content.as_ref().map(|content| content.object.clone()),
            thumbnail: look.and_then(|look| look.still.clone()),
            sha256,
            crc32c: content.as_ref().map(|content| format!("{:08x}", content.crc32c)),
            spoiler: attachment.spoiler,
            nsfw: entry.nsfw,
            edited: post.edited,
            deleted: *removed,
            gone,
        }
    }
}

/// Back from the page: what a lost catalogue is rebuilt from.
impl Record {
    /// The entry that this shows, below a channel of the page. What was found `at` a publication is as old as that.
    pub fn rebuild(self, root: ChannelId, at: Timestamp) -> RebuiltEntry {
        let key = EntryKey { root, message: self.message, item: self.attachment_id };
        let post = Post {
            root,
            channel: self.channel,
            guild: self.guild,
            author: self.poster_id,
            poster: self.poster.clone(),
            text: self.text.clone(),
            edited: self.edited,
            items: vec![self.attachment_id],
        };
        let content = self.content();
        let look = if content.is_none() { self.look() } else { None };
        let filename = match self.extension.as_str() {
            "" => self.filename,
            extension => format!("{}.{extension}", self.filename),
        };
        let attachment = Attachment {
            id: self.attachment_id,
            filename,
            title: None,
            content_type: self.content_type,
            size: self.size,
            link: Link::new(self.link),
            width: self.width,
            height: self.height,
            runtime: self.runtime,
            placeholder: self.placeholder,
            spoiler: self.spoiler,
        };
        let mut entry = Entry { look, kind: self.kind, ..Entry::new(attachment, self.nsfw) };
        if let Some(why) = self.gone {
            entry.state = EntryState::Gone { at, why };
        }
        RebuiltEntry { key, post, entry, content, removed: self.deleted }
    }

    fn content(&self) -> Option<(Sha256, Content)> {
        let (sha256, crc32c) = (self.sha256.as_ref()?, self.crc32c.as_ref()?);
        let content = Content {
            object: self.media.clone()?,
            size: self.size,
            crc32c: u32::from_str_radix(crc32c, 16).ok()?,
            content_type: self.content_type.clone()?,
            look: self.look(),
        };
        Some((sha256.parse().ok()?, content))
    }

    /// What a look told. Where nothing of it shows, it is taken again: nobody knows whether it was.
    fn look(&self) -> Option<Look> {
        let heard = self.kind == MediaKind::Audio && self.runtime.is_some();
        (self.thumbnail.is_some() || heard).then(|| Look {
            width: self.width,
            height: self.height,
            runtime: self.runtime,
            still: self.thumbnail.clone(),
            failure: None,
        })
    }
}

fn look_of<'a>(entry: &'a Entry, content: Option<&'a Content>) -> Option<&'a Look> {
    content.and_then(|content| content.look.as_ref()).or(entry.look.as_ref())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::removal::Home;
    use crate::{domain::id::RoleId, gallery::published};

    fn nobody(_: Mention) -> Option<String> {
        None
    }

    /// As Discord and ffprobe tell them: in thousandths.
    fn seconds(thousandths: u32) -> f64 {
        f64::from(thousandths) / 1_000.0
    }

    fn state() -> impl Strategy<Value = EntryState> {
        prop_oneof![
            Just(EntryState::Remote),
            Just(EntryState::Stored(Sha256([7; 32]))),
            Just(EntryState::Gone { at: Timestamp::from_secs(1), why: "404".into() }),
            Just(EntryState::Parked { at: Timestamp::from_secs(1), why: "too odd".into() }),
        ]
    }

    fn source() -> impl Strategy<Value = MonthEntry> {
        let name = "[a-zA-Z. ]{1,9}(\\.[a-zA-Z0-9]{1,4})?";
        let measures =
            (any::<Option<u32>>(), any::<Option<u32>>(), prop::option::of(0_u32..9_999_999));
        let look = prop::option::of(measures.clone());
        let kind = prop::sample::select(MediaKind::ALL.to_vec());
        (name, measures, look, state(), kind, "[a-z <&@#]{0,20}", any::<(bool, bool, bool, u64)>())
            .prop_map(|(name, measures, look, state, kind, text, (spoiler, nsfw, kept, size))| {
                let item = AttachmentId(901);
                let message = MessageId(900 << 22);
                let attachment = Attachment {
                    id: item,
                    filename: name,
                    title: None,
                    content_type: Some("video/mp4".into()),
                    size,
                    link: Link::new("https://cdn/1/2/a.mp4?ex=69a903de&hm=a&"),
                    width: measures.0,
                    height: measures.1,
                    runtime: measures.2.map(seconds),
                    placeholder: Some("3QcG".into()),
                    spoiler,
                };
                let look = look.map(|(width, height, runtime)| Look {
                    width,
                    height,
                    runtime: runtime.map(seconds),
                    still: Some("thumb/a.webp".into()),
                    failure: None,
                });
                let content = matches!(state, EntryState::Stored(_)).then(|| Content {
                    object: "media/a.mp4".into(),
                    size,
                    crc32c: 77,
                    content_type: "video/webm".into(),
                    look: look.clone(),
                });
                let look = if content.is_some() { None } else { look };
                let post = Post {
                    root: ChannelId(1),
                    channel: ChannelId(2),
                    guild: GuildId(3),
                    author: UserId(4),
                    poster: "Wren".into(),
                    text,
                    edited: Some(Timestamp::from_secs(5)),
                    items: vec![item],
                };
                let entry = Entry { kind, state, look, ..Entry::new(attachment, nsfw) };
                MonthEntry {
                    key: EntryKey { root: ChannelId(1), message, item },
                    post,
                    entry,
                    content,
                    home: Home::Public,
                    removed: kept.then(|| Timestamp::from_secs(8)),
                }
            })
    }

    proptest! {
        /// A catalogue that is rebuilt from the page publishes the same page: no shard gets another name.
        #[test]
        fn an_entry_shows_as_it_did_after_the_way_back(source in source()) {
            let record = Record::new(&source, nobody);
            let json = serde_json::to_vec(&record).unwrap();
            let read: Record = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(&read, &record);
            let RebuiltEntry { key, post, mut entry, content, removed } =
                read.rebuild(ChannelId(1), Timestamp::from_secs(9));
            prop_assert_eq!(key, source.key);
            if let Some((sha256, _)) = &content {
                entry.state = EntryState::Stored(*sha256);
            }
            let content = content.map(|(_, content)| content);
            let again = Record::new(
                &MonthEntry { key, post, entry, content, home: Home::Public, removed },
                nobody,
            );
            prop_assert_eq!(again, record);
        }
    }

    #[test]
    fn what_is_newer_is_refused() {
        let manifest = |version| {
            format!(
                r#"{{"version":{version},"generation":4,"publishedAt":"2026-03-04T05:06:07Z","users":null,
                "guilds":[],"channels":[],"more":1}}"#
            )
        };
        let read = published::Manifest::read(manifest(1).as_bytes()).unwrap();
        assert_eq!((read.generation, read.coverage), (4, None));
        let refused = published::Manifest::read(manifest(2).as_bytes());
        assert!(matches!(refused, Err(published::Unreadable::Newer(2))));
        assert_eq!(nobody(Mention::Role(RoleId(1))), None);
    }
}
