//! One piece of media as the page's data shows it. Keys are those that other programs already read.

use serde::Serialize;

use crate::{
    domain::{
        entry::{Content, Entry, EntryState, Look},
        id::{AttachmentId, ChannelId, GuildId, MessageId, UserId},
        message::split_name,
        selection::MediaKind,
        text::{Mention, readable},
        time::Timestamp,
    },
    store::MonthEntry,
};

/// An entry of a shard.
#[derive(Clone, Debug, PartialEq, Serialize)]
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

fn look_of<'a>(entry: &'a Entry, content: Option<&'a Content>) -> Option<&'a Look> {
    content.and_then(|content| content.look.as_ref()).or(entry.look.as_ref())
}
