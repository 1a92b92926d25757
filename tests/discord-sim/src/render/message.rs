//! Messages as JSON: files linked and signed at this moment, and emptied where content is withheld.

use serde_json::{Map, Value, json};

use super::guild;
use crate::{
    clock::iso8601,
    ids::AttachmentId,
    model::{Attachment, Channel, Kind, Message, MessageContent, State},
    sign::Signer,
};

/// Message type of a thread's opening, which shows the message it was started from.
const THREAD_STARTER_MESSAGE: u64 = 21;
/// Message flag: embeds are not sent.
const SUPPRESS_EMBEDS: u64 = 1 << 2;
/// Message flag: a thread was started from it.
const HAS_THREAD: u64 = 1 << 5;

/// What of a message the reader gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Full,
    /// Texts, embeds, attachments, components and polls come empty.
    Emptied,
}

impl Sight {
    /// Own messages and mentions of the bot are always shown in full.
    pub(crate) fn of(state: &State, message: &Message, granted: MessageContent) -> Self {
        let exempt = message.author == state.bot || message.mentions.contains(&state.bot);
        if exempt || granted == MessageContent::Granted { Self::Full } else { Self::Emptied }
    }
}

/// A message as REST answers it.
pub(crate) fn message(state: &State, signer: &Signer, held: &Message, sight: Sight) -> Value {
    let mut value = plain(state, signer, held, sight);
    if let Some(reference) = &held.reference {
        value.insert("message_reference".to_owned(), reference.clone());
        let shows = held.kind == 19 || held.kind == THREAD_STARTER_MESSAGE;
        if shows {
            let source = referenced(state, reference).map(|source| {
                Value::Object(plain(state, signer, source, sight_like(state, source, sight)))
            });
            value.insert("referenced_message".to_owned(), source.unwrap_or(Value::Null));
        }
    }
    if held.flags & HAS_THREAD != 0 {
        let started = state.channel(crate::ids::ChannelId(held.id.0));
        if let Some((channel, thread)) = started.and_then(|c| Some((c, c.thread.as_ref()?))) {
            value.insert("thread".to_owned(), guild::thread(state, channel, thread));
        }
    }
    Value::Object(value)
}

/// A message as `MESSAGE_CREATE` and `MESSAGE_UPDATE` bring it: with the member and the server.
pub(crate) fn gateway_message(
    state: &State,
    signer: &Signer,
    channel: &Channel,
    held: &Message,
    sight: Sight,
) -> Value {
    let mut value = message(state, signer, held, sight);
    value["guild_id"] = json!(channel.guild);
    value["channel_type"] = json!(channel.kind as u8);
    let server = &state.guilds[&channel.guild];
    if !held.webhook
        && let Some(member) = guild::bare_member(server, held.author)
    {
        value["member"] = member;
    }
    if let Some(Value::Array(mentions)) = value.get_mut("mentions") {
        for (mention, user) in mentions.iter_mut().zip(&held.mentions) {
            if let Some(member) = guild::bare_member(server, *user) {
                mention["member"] = member;
            }
        }
    }
    value
}

/// What `MESSAGE_DELETE` brings: no content.
pub(crate) fn deletion(channel: &Channel, message: &Message) -> Value {
    json!({ "id": message.id, "channel_id": channel.id, "guild_id": channel.guild })
}

fn plain(state: &State, signer: &Signer, held: &Message, sight: Sight) -> Map<String, Value> {
    let shown = sight == Sight::Full;
    let list = |values: &[Value]| -> Vec<Value> {
        let values = if shown { values } else { &[] };
        values.iter().map(|value| resolve(state, signer, value)).collect()
    };
    let files = |ids: &[AttachmentId]| -> Vec<Value> {
        let ids = if shown { ids } else { &[] };
        ids.iter().map(|id| attachment(signer, &state.attachments[id])).collect()
    };
    let embeds = if held.flags & SUPPRESS_EMBEDS == 0 { list(&held.embeds) } else { Vec::new() };
    let value = json!({
        "id": held.id,
        "channel_id": held.channel,
        "type": held.kind,
        "content": if shown { held.content.as_str() } else { "" },
        "author": author(state, held),
        "timestamp": iso8601(held.id.millis()),
        "edited_timestamp": held.edited.map(iso8601),
        "tts": false,
        "mention_everyone": false,
        "mentions": held.mentions.iter().map(|user| guild::account(state, *user)).collect::<Vec<_>>(),
        "mention_roles": [],
        "attachments": files(&held.attachments),
        "embeds": embeds,
        "components": list(&held.components),
        "flags": held.flags,
        "pinned": held.pinned.is_some(),
    });
    let Value::Object(mut value) = value else { unreachable!("it was just made an object") };
    if !held.stickers.is_empty() {
        value.insert("sticker_items".to_owned(), json!(held.stickers));
    }
    if held.webhook {
        value.insert("webhook_id".to_owned(), json!(held.author));
    }
    if let Some(poll) = held.poll.as_ref().filter(|_| shown) {
        value.insert("poll".to_owned(), poll.clone());
    }
    if let Some(snapshot) = &held.snapshot {
        let message = json!({
            "type": 0,
            "content": if shown { snapshot.content.as_str() } else { "" },
            "mentions": [],
            "mention_roles": [],
            "attachments": files(&snapshot.attachments),
            "embeds": [],
            "timestamp": iso8601(snapshot.sent),
            "edited_timestamp": null,
            "flags": 0,
            "components": [],
        });
        value.insert("message_snapshots".to_owned(), json!([{ "message": message }]));
    }
    let in_thread = state.channel(held.channel).is_some_and(|channel| {
        matches!(channel.kind, Kind::PublicThread | Kind::PrivateThread | Kind::AnnouncementThread)
    });
    if in_thread {
        value.insert("position".to_owned(), json!(0));
    }
    value
}

/// A webhook's author is no account: a name and no more.
fn author(state: &State, held: &Message) -> Value {
    let mut author = guild::account(state, held.author);
    if held.webhook {
        author["bot"] = json!(true);
        author["discriminator"] = json!("0000");
        author["global_name"] = json!(null);
    }
    author
}

fn attachment(signer: &Signer, file: &Attachment) -> Value {
    let mut value = json!({
        "id": file.id,
        "filename": file.filename,
        "size": file.content.size(),
        "url": signer.link(file),
        "proxy_url": signer.proxied(file),
    });
    let mut add = |key: &str, field: Option<Value>| {
        if let Some(field) = field {
            value[key] = field;
        }
    };
    add("title", file.title.as_ref().map(|title| json!(title)));
    add("description", file.description.as_ref().map(|text| json!(text)));
    add("content_type", file.content_type.as_ref().map(|kind| json!(kind)));
    add("width", file.dimensions.map(|(width, _)| json!(width)));
    add("height", file.dimensions.map(|(_, height)| json!(height)));
    add("duration_secs", file.duration.map(|seconds| json!(seconds)));
    add("waveform", file.waveform.as_ref().map(|drawing| json!(drawing)));
    add("placeholder", file.placeholder.as_ref().map(|hash| json!(hash)));
    add("placeholder_version", file.placeholder.as_ref().map(|_| json!(1)));
    add("flags", (file.flags != 0).then(|| json!(file.flags)));
    value
}

/// Puts signed links where `sim:<attachment id>` stands; `proxy_url` gets the proxy's.
fn resolve(state: &State, signer: &Signer, value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, field)| match (stands_for(state, field), key.as_str()) {
                (Some(file), "proxy_url") => (key.clone(), json!(signer.proxied(file))),
                (Some(file), _) => (key.clone(), json!(signer.link(file))),
                (None, _) => (key.clone(), resolve(state, signer, field)),
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| resolve(state, signer, item)).collect(),
        other => other.clone(),
    }
}

fn stands_for<'a>(state: &'a State, value: &Value) -> Option<&'a Attachment> {
    let id: AttachmentId = value.as_str()?.strip_prefix("sim:")?.parse().ok()?;
    state.attachments.get(&id)
}

fn referenced<'a>(state: &'a State, reference: &Value) -> Option<&'a Message> {
    let id = |key: &str| reference.get(key)?.as_str()?.parse::<u64>().ok();
    let (channel, message) = (id("channel_id")?, id("message_id")?);
    state.message(crate::ids::ChannelId(channel), crate::ids::MessageId(message))
}

/// The referenced message may be the bot's own, and then it shows when the outer one does not.
fn sight_like(state: &State, source: &Message, outer: Sight) -> Sight {
    match outer {
        Sight::Full => Sight::Full,
        Sight::Emptied => Sight::of(state, source, MessageContent::Withheld),
    }
}
