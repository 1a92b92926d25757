//! Search over messages and over threads, as far as an archiver may want it.
//!
//! Filters that exist on Discord and not here are refused and reported: silence would look like no result.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::{Call, either, messages::shown, missing_permissions};
use crate::{
    model::{Channel, Message, MessageContent, Thread},
    permissions::{self, READ_MESSAGE_HISTORY},
    render,
    reply::Reply,
};

/// Query keys of the search over messages.
pub(super) const KEYS: &[&str] = &[
    "attachment_extension",
    "attachment_filename",
    "author_id",
    "channel_id",
    "content",
    "has",
    "include_nsfw",
    "limit",
    "max_id",
    "mentions",
    "min_id",
    "offset",
    "pinned",
    "sort_by",
    "sort_order",
    "author_type",
    "contents",
    "embed_provider",
    "embed_type",
    "link_hostname",
    "mention_everyone",
    "mentions_role_id",
    "replied_to_message_id",
    "replied_to_user_id",
    "slop",
];

/// Those of them that this simulator does not act on.
const NOT_IMITATED: &[&str] = &[
    "author_type",
    "contents",
    "embed_provider",
    "embed_type",
    "link_hostname",
    "mention_everyone",
    "mentions_role_id",
    "replied_to_message_id",
    "replied_to_user_id",
    "slop",
    "tag",
    "tag_setting",
];

/// Query keys of the search over threads.
pub(super) const THREAD_KEYS: &[&str] = &[
    "archived",
    "limit",
    "max_id",
    "min_id",
    "name",
    "offset",
    "sort_by",
    "sort_order",
    "slop",
    "tag",
    "tag_setting",
];

pub(super) fn messages(call: &Call<'_>) -> Reply {
    either((|| {
        let guild = call.guild()?;
        let (limit, offset) = window(call)?;
        if call.state.message_content == MessageContent::Withheld {
            return Err(Reply::error(403, 50_001, "Missing Access"));
        }
        not_ready(call)?;
        let (least, most) = (call.snowflake("min_id")?, call.snowflake("max_id")?);
        let nsfw = call.value("include_nsfw") == Some("true");
        let bot = call.state.bot;
        let mut hits: Vec<&Message> = call
            .state
            .channels
            .values()
            .filter(|c| c.guild == guild.id && !c.deleted)
            .filter(|channel| permissions::may_read_history(&call.state, channel, bot))
            .filter(|channel| nsfw || !is_nsfw(call, channel))
            .filter(|channel| one_of(call, "channel_id", &channel.id.to_string()))
            .flat_map(Channel::living)
            .filter(|message| least.is_none_or(|id| message.id.0 > id))
            .filter(|message| most.is_none_or(|id| message.id.0 < id))
            .filter(|message| matches(call, message))
            .collect();
        hits.sort_by_key(|message| Reverse(message.id));
        if call.value("sort_order") == Some("asc") {
            hits.reverse();
        }
        let page: Vec<Value> = hits
            .iter()
            .skip(offset)
            .take(limit)
            .map(|message| {
                let mut value = shown(call, message);
                value["hit"] = json!(true);
                json!([value])
            })
            .collect();
        Ok(Reply::ok(&json!({
            "messages": page,
            "total_results": hits.len(),
            "doing_deep_historical_index": false,
            "documents_indexed": null,
        })))
    })())
}

pub(super) fn threads(call: &Call<'_>) -> Reply {
    either((|| {
        let parent = call.channel()?;
        if !call.may(parent, READ_MESSAGE_HISTORY) {
            return Err(missing_permissions());
        }
        let (limit, offset) = window(call)?;
        not_ready(call)?;
        let (least, most) = (call.snowflake("min_id")?, call.snowflake("max_id")?);
        let archived = call.value("archived").map(|value| value == "true");
        let name = call.value("name").map(str::to_lowercase);
        let mut hits: Vec<(&Channel, &Thread)> = call
            .state
            .threads_of(parent.guild)
            .filter(|(channel, _)| channel.parent == Some(parent.id))
            .filter(|(channel, _)| permissions::may_view(&call.state, channel, call.state.bot))
            .filter(|(_, thread)| archived.is_none_or(|wanted| wanted == thread.archived))
            .filter(|(channel, _)| least.is_none_or(|id| channel.id.0 > id))
            .filter(|(channel, _)| most.is_none_or(|id| channel.id.0 < id))
            .filter(|(channel, _)| {
                name.as_ref().is_none_or(|name| channel.name.to_lowercase().contains(name))
            })
            .collect();
        let by = call.value("sort_by").unwrap_or("last_message_time");
        hits.sort_by_key(|(channel, thread)| {
            let key = match by {
                "archive_time" => thread.archive_changed,
                "last_message_time" => channel.last.unwrap_or(channel.id.0),
                _ => channel.id.0,
            };
            Reverse((key, channel.id))
        });
        if call.value("sort_order") == Some("asc") {
            hits.reverse();
        }
        let page: Vec<_> = hits.iter().skip(offset).take(limit).collect();
        let members: Vec<Value> = page
            .iter()
            .filter(|(_, thread)| thread.members.contains(&call.state.bot))
            .map(|(channel, thread)| render::thread_member(channel, thread, call.state.bot))
            .collect();
        let threads: Vec<Value> = page
            .iter()
            .map(|(channel, thread)| render::thread(&call.state, channel, thread))
            .collect();
        Ok(Reply::ok(&json!({
            "threads": threads,
            "members": members,
            "has_more": hits.len() > offset + page.len(),
            "total_results": hits.len(),
        })))
    })())
}

fn window(call: &Call<'_>) -> Result<(usize, usize), Reply> {
    for (key, _) in &call.query {
        if NOT_IMITATED.contains(&key.as_str()) {
            call.core.violation(format!("the simulator does not imitate the search filter {key}"));
            return Err(Reply::invalid(key, "not imitated"));
        }
    }
    Ok((call.number("limit", 25, (1, 25))?, call.number("offset", 0, (0, 9_975))?))
}

/// 202 while the index is being built.
fn not_ready(call: &Call<'_>) -> Result<(), Reply> {
    let mut search = call.core.search();
    if search.not_ready == 0 {
        return Ok(());
    }
    search.not_ready -= 1;
    Err(Reply::json(
        202,
        &json!({
            "message": "Index not yet available. Try again later",
            "code": 110_000,
            "documents_indexed": 0,
            "retry_after": search.retry_after.as_secs(),
        }),
    ))
}

fn is_nsfw(call: &Call<'_>, channel: &Channel) -> bool {
    let parent = channel.parent.and_then(|parent| call.state.channels.get(&parent));
    channel.nsfw || channel.thread.is_some() && parent.is_some_and(|parent| parent.nsfw)
}

/// Whether the key is absent or one of its values is this one.
fn one_of(call: &Call<'_>, key: &str, value: &str) -> bool {
    call.value(key).is_none() || call.values(key).any(|wanted| wanted == value)
}

fn matches(call: &Call<'_>, message: &Message) -> bool {
    let files = || message.attachments.iter().map(|id| &call.state.attachments[id]);
    let extension_of =
        |name: &str| name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let text = call.value("content").map(str::to_lowercase);
    text.is_none_or(|text| message.content.to_lowercase().contains(&text))
        && one_of(call, "author_id", &message.author.to_string())
        && (call.value("mentions").is_none()
            || message.mentions.iter().any(|user| one_of(call, "mentions", &user.to_string())))
        && call.value("pinned").is_none_or(|on| (on == "true") == message.pinned.is_some())
        && (call.value("attachment_filename").is_none()
            || files().any(|file| one_of(call, "attachment_filename", &file.filename)))
        && (call.value("attachment_extension").is_none()
            || files().any(|file| {
                extension_of(&file.filename)
                    .is_some_and(|extension| one_of(call, "attachment_extension", &extension))
            }))
        && call.values("has").all(|wanted| match wanted.strip_prefix('-') {
            Some(wanted) => !has(call, message, wanted),
            None => has(call, message, wanted),
        })
}

fn has(call: &Call<'_>, message: &Message, wanted: &str) -> bool {
    let of_type = |prefix: &str| {
        message.attachments.iter().any(|id| {
            let content_type = call.state.attachments[id].content_type.as_deref();
            content_type.is_some_and(|content_type| content_type.starts_with(prefix))
        })
    };
    match wanted {
        "image" => of_type("image/"),
        "video" => of_type("video/"),
        "sound" => of_type("audio/"),
        "file" => !message.attachments.is_empty(),
        "sticker" => !message.stickers.is_empty(),
        "embed" => !message.embeds.is_empty(),
        "link" => message.content.contains("http://") || message.content.contains("https://"),
        "poll" => message.poll.is_some(),
        "snapshot" => message.snapshot.is_some(),
        other => {
            call.core.violation(format!("has={other} is no option of the search"));
            false
        }
    }
}
