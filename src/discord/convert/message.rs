//! Messages.

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{each, lenient};
use crate::{
    discord::{DiscordError, Unreadable},
    domain::{
        id::{AttachmentId, ChannelId, GuildId, MessageId, UserId},
        link::Link,
        message::{Attachment, Author, Message},
        text::{Mention, readable},
        time::Timestamp,
    },
};

/// The attachment flag `IS_SPOILER`. Source: Discord's documentation, resources/message.
const SPOILER: u64 = 1 << 3;

/// How clients marked spoilers before there was a flag.
const SPOILER_PREFIX: &str = "SPOILER_";

/// The component that holds text. Source: Discord's documentation, components/reference.
const TEXT_DISPLAY: u64 = 10;

/// Where a message was found, for what it does not say itself.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::discord) struct Setting {
    /// The channel that was asked for.
    pub(in crate::discord) channel: Option<ChannelId>,
    /// The server that the channel is in.
    pub(in crate::discord) guild: Option<GuildId>,
}

/// Reads a page. One message that makes no sense does not take the others with it.
pub(in crate::discord) fn messages(
    body: &[u8],
    setting: Setting,
) -> Result<(Vec<Message>, Vec<Unreadable>), DiscordError> {
    let page: Vec<&RawValue> = serde_json::from_slice(body)
        .map_err(|error| DiscordError::malformed("a page of messages", &error))?;
    let mut read = Vec::with_capacity(page.len());
    let mut unreadable = Vec::new();
    for raw in page {
        match message(raw.get(), setting) {
            Ok(message) => read.push(message),
            Err(error) => unreadable.push(error),
        }
    }
    // Discord promises this order, and the callers' cursors rest on it.
    read.sort_unstable_by_key(|message| std::cmp::Reverse(message.id));
    Ok((read, unreadable))
}

/// Reads one message, which insists on nothing but its id and that its channel is known.
pub(in crate::discord) fn message(raw: &str, setting: Setting) -> Result<Message, Unreadable> {
    let value: Value = serde_json::from_str(raw).map_err(|e| unreadable(raw, &e.to_string()))?;
    let Value::Object(fields) = &value else { return Err(unreadable(raw, "it is no object")) };
    let carries_media = carries_media(fields);
    let parts = Parts::deserialize(&value).map_err(|e| unreadable(raw, &e.to_string()))?;
    let id = parts.id.ok_or_else(|| unreadable(raw, "it has no id"))?;
    let channel =
        parts.channel_id.or(setting.channel).ok_or_else(|| unreadable(raw, "it has no channel"))?;
    Ok(Message {
        id,
        channel,
        guild: parts.guild_id.or(setting.guild),
        text: parts.text(),
        author: parts.author.into_author(parts.webhook_id),
        edited: parts.edited_timestamp,
        attachments: parts.attachments.into_iter().filter_map(File::into_attachment).collect(),
        carries_media,
        raw: raw.into(),
    })
}

fn unreadable(raw: &str, reason: &str) -> Unreadable {
    /// The id alone, which may be legible where the rest is not.
    #[derive(Deserialize)]
    struct Named {
        id: MessageId,
    }
    let id = serde_json::from_str::<Named>(raw).ok().map(|named| named.id);
    Unreadable { id, reason: reason.to_owned(), raw: raw.into() }
}

/// What is read of a message.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Parts {
    #[serde(deserialize_with = "lenient")]
    id: Option<MessageId>,
    #[serde(deserialize_with = "lenient")]
    channel_id: Option<ChannelId>,
    #[serde(deserialize_with = "lenient")]
    guild_id: Option<GuildId>,
    #[serde(deserialize_with = "lenient")]
    author: Account,
    #[serde(deserialize_with = "lenient")]
    webhook_id: Option<UserId>,
    #[serde(deserialize_with = "lenient")]
    content: String,
    #[serde(deserialize_with = "lenient")]
    edited_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "each")]
    attachments: Vec<File>,
    #[serde(deserialize_with = "each")]
    components: Vec<Value>,
    #[serde(deserialize_with = "each")]
    mentions: Vec<Account>,
    #[serde(deserialize_with = "each")]
    mention_channels: Vec<Named>,
}

impl Parts {
    fn text(&self) -> String {
        let written = if self.content.is_empty() {
            // A message made of components keeps its words in them.
            let mut lines = Vec::new();
            for component in &self.components {
                collect_text(component, &mut lines);
            }
            lines.join("\n")
        } else {
            self.content.clone()
        };
        readable(&written, |mention| match mention {
            Mention::User(id) => {
                self.mentions.iter().find(|account| account.id == Some(id)).map(Account::shown)
            }
            Mention::Channel(id) => self
                .mention_channels
                .iter()
                .find(|channel| channel.id == Some(id))
                .map(|channel| channel.name.clone()),
            Mention::Role(_) => None,
        })
    }
}

/// A channel of another server that a crosspost mentions.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(deserialize_with = "lenient")]
    id: Option<ChannelId>,
    #[serde(deserialize_with = "lenient")]
    name: String,
}

/// A person, a bot or a webhook.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Account {
    #[serde(deserialize_with = "lenient")]
    id: Option<UserId>,
    #[serde(deserialize_with = "lenient")]
    username: String,
    #[serde(deserialize_with = "lenient")]
    global_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    avatar: Option<String>,
    #[serde(deserialize_with = "lenient")]
    bot: bool,
}

impl Account {
    fn shown(&self) -> String {
        let chosen = self.global_name.as_deref().filter(|name| !name.is_empty());
        chosen.unwrap_or(&self.username).to_owned()
    }

    fn into_author(self, webhook: Option<UserId>) -> Author {
        // A webhook's posts carry the name that was chosen for each of them as the user name.
        let name = if webhook.is_some() { self.username.clone() } else { self.shown() };
        Author {
            // Discord sends an author with every message; 0 is nobody's id.
            id: self.id.or(webhook).unwrap_or(UserId(0)),
            name,
            avatar: self.avatar,
            bot: self.bot || webhook.is_some(),
        }
    }
}

/// A file.
#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    #[serde(deserialize_with = "lenient")]
    id: Option<AttachmentId>,
    #[serde(deserialize_with = "lenient")]
    filename: String,
    #[serde(deserialize_with = "lenient")]
    title: Option<String>,
    #[serde(deserialize_with = "lenient")]
    content_type: Option<String>,
    #[serde(deserialize_with = "lenient")]
    size: u64,
    #[serde(deserialize_with = "lenient")]
    url: Option<Link>,
    #[serde(deserialize_with = "lenient")]
    proxy_url: Option<Link>,
    #[serde(deserialize_with = "lenient")]
    width: Option<u32>,
    #[serde(deserialize_with = "lenient")]
    height: Option<u32>,
    #[serde(deserialize_with = "lenient")]
    duration_secs: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    placeholder: Option<String>,
    #[serde(deserialize_with = "lenient")]
    flags: u64,
}

impl File {
    /// None for what can't be named or fetched; the message's raw text still has it.
    fn into_attachment(self) -> Option<Attachment> {
        Some(Attachment {
            id: self.id?,
            spoiler: self.flags & SPOILER != 0 || self.filename.starts_with(SPOILER_PREFIX),
            filename: self.filename,
            title: self.title.filter(|title| !title.is_empty()),
            content_type: self.content_type,
            size: self.size,
            link: self.url.or(self.proxy_url)?,
            width: self.width,
            height: self.height,
            runtime: self.duration_secs,
            placeholder: self.placeholder,
        })
    }
}

fn collect_text(component: &Value, lines: &mut Vec<String>) {
    if component["type"].as_u64() == Some(TEXT_DISPLAY)
        && let Some(text) = component["content"].as_str()
    {
        lines.push(text.to_owned());
    }
    for child in children(component) {
        collect_text(child, lines);
    }
}

/// What hangs below a component, whatever its type.
fn children(component: &Value) -> impl Iterator<Item = &Value> {
    let list = component["components"].as_array().into_iter().flatten();
    list.chain(component.get("accessory").into_iter().chain(component.get("component")))
}

/// Whether there is media of any sort, in a message or in a message that it forwards.
fn carries_media(message: &Map<String, Value>) -> bool {
    let list = |name: &str| message.get(name).and_then(Value::as_array).into_iter().flatten();
    list("attachments").next().is_some()
        || list("sticker_items").chain(list("stickers")).next().is_some()
        || list("embeds").any(embed_carries_media)
        || list("components").any(component_carries_media)
        || list("message_snapshots")
            .filter_map(|snapshot| snapshot["message"].as_object())
            .any(carries_media)
}

fn embed_carries_media(embed: &Value) -> bool {
    ["image", "thumbnail", "video"].iter().any(|part| embed[part].is_object())
        || ["author", "footer"].iter().any(|part| embed[part]["icon_url"].is_string())
}

fn component_carries_media(component: &Value) -> bool {
    ["media", "file"].iter().any(|part| component[part].is_object())
        || component["items"].as_array().into_iter().flatten().any(component_carries_media)
        || children(component).any(component_carries_media)
}

#[cfg(test)]
mod tests;
