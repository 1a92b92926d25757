//! Whether Discord keeps from us what people write: without the message content intent messages come, but empty.
//!
//! `doctor` looks at real messages, because the switch in the developer portal decides and not what was asked for.

use serde::Deserialize;

use crate::domain::{id::UserId, message::Message};

/// What a message tells of the intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// There is something that only comes with the intent.
    Shown,
    /// There is nothing where there must be something.
    Withheld,
    /// It would look like this either way.
    Unclear,
}

/// Sorts of messages that people write, and that can't be sent empty: plain ones and replies.
/// Source: Discord's documentation, resources/message, "Message Types".
const WRITTEN: [u8; 2] = [0, 19];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    #[serde(rename = "type")]
    kind: u8,
    content: String,
    embeds: Vec<serde_json::Value>,
    attachments: Vec<serde_json::Value>,
    components: Vec<serde_json::Value>,
    poll: Option<serde_json::Value>,
    sticker_items: Vec<serde_json::Value>,
    message_snapshots: Vec<serde_json::Value>,
    mentions: Vec<Mentioned>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Mentioned {
    id: String,
}

/// What a message tells of the intent, to the bot with this id.
pub fn contents(message: &Message, me: UserId) -> Contents {
    let Ok(raw) = serde_json::from_str::<Raw>(&message.raw) else { return Contents::Unclear };
    let mentioned = raw.mentions.iter().any(|mentioned| mentioned.id == me.to_string());
    // Its own messages, and those that speak to it, a bot may always read.
    if message.author.id == me || mentioned {
        return Contents::Unclear;
    }
    let lists = [&raw.embeds, &raw.attachments, &raw.components];
    if !raw.content.is_empty() || lists.iter().any(|list| !list.is_empty()) || raw.poll.is_some() {
        return Contents::Shown;
    }
    // Stickers and forwarded messages are not withheld, and may stand alone.
    let stands_alone = !raw.sticker_items.is_empty() || !raw.message_snapshots.is_empty();
    if WRITTEN.contains(&raw.kind) && !stands_alone {
        Contents::Withheld
    } else {
        Contents::Unclear
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        id::{ChannelId, MessageId},
        message::Author,
    };

    #[track_caller]
    fn check(author: u64, raw: &str, expected: Contents) {
        let author =
            Author { id: UserId(author), name: "Wren".to_owned(), avatar: None, bot: false };
        let message = Message {
            id: MessageId(1),
            channel: ChannelId(2),
            guild: None,
            author,
            text: String::new(),
            edited: None,
            attachments: Vec::new(),
            carries_media: false,
            raw: raw.into(),
        };
        assert_eq!(contents(&message, UserId(7)), expected, "{raw}");
    }

    #[test]
    fn only_what_must_hold_something_and_does_not_was_withheld() {
        check(1, r#"{"type":0,"content":"","attachments":[]}"#, Contents::Withheld);
        check(1, r#"{"type":19,"content":""}"#, Contents::Withheld);
        check(1, r#"{"type":0,"content":"hello"}"#, Contents::Shown);
        check(1, r#"{"type":0,"content":"","attachments":[{}]}"#, Contents::Shown);
        check(1, r#"{"type":0,"content":"","poll":{}}"#, Contents::Shown);
        // Somebody joined, a sticker, a message of our own, one that speaks to us.
        check(1, r#"{"type":7,"content":""}"#, Contents::Unclear);
        check(1, r#"{"type":0,"content":"","sticker_items":[{}]}"#, Contents::Unclear);
        check(7, r#"{"type":0,"content":"hello"}"#, Contents::Unclear);
        check(1, r#"{"type":0,"content":"hello","mentions":[{"id":"7"}]}"#, Contents::Unclear);
        check(1, "no JSON", Contents::Unclear);
    }
}
