//! Takes what is forgotten out of messages of others that carry it along: the message they reply to, and the accounts
//! they mention.
//!
//! What people wrote themselves stays as they wrote it. A message of somebody who is forgotten, forwarded by somebody
//! else, carries no name; it goes only with the message or the place that it came from.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{StoreError, table::Source, tables::FORGOTTEN};
use crate::domain::{
    forget::Forgotten,
    id::{ChannelId, GuildId, MessageId, UserId},
    message::Message,
};

/// A message without what is forgotten.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cleansed {
    /// What Discord sent, less that.
    pub(super) raw: String,
    /// The names that were in it, as texts mention them, and whose they were.
    pub(super) names: Vec<(String, UserId)>,
}

impl Cleansed {
    /// A text of the message in which nobody of them is named: mentions are as they were typed.
    pub(super) fn text(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, user)| {
            text.replace(&format!("@{name}"), &format!("<@{user}>"))
        })
    }
}

/// Everything and everybody that a message carries along and that might be forgotten. A member is a user here.
pub(super) fn carried_along(raw: &str) -> BTreeSet<Forgotten> {
    let mut found = BTreeSet::new();
    if let Ok(Value::Object(message)) = serde_json::from_str(raw) {
        message.values().for_each(|value| collect(value, &mut found));
    }
    found
}

/// Takes some of it out; none when nothing of it is there.
pub(super) fn cleanse(raw: &str, gone: &BTreeSet<Forgotten>) -> Option<Cleansed> {
    if gone.is_empty() {
        return None;
    }
    let Ok(Value::Object(before)) = serde_json::from_str(raw) else { return None };
    let mut message = before.clone();
    let mut names = Vec::new();
    take_out(&mut message, gone, &mut names);
    // The longest first: one name may begin with another.
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    names.dedup();
    (message != before).then(|| Cleansed { raw: Value::Object(message).to_string(), names })
}

/// The message as it may be recorded, where it carries along what is on the do-not-archive list.
pub(super) fn cleanse_message(
    source: &impl Source,
    message: &Message,
    guild: GuildId,
) -> Result<Option<Message>, StoreError> {
    if FORGOTTEN.after(source, None, 1)?.is_empty() {
        return Ok(None);
    }
    let mut gone = BTreeSet::new();
    for carried in carried_along(&message.raw) {
        let member = match carried {
            Forgotten::User(user) => Some(Forgotten::Member(guild, user)),
            _ => None,
        };
        for what in [Some(carried), member].into_iter().flatten() {
            if FORGOTTEN.get(source, &what)?.is_some_and(|row| row.until.is_none()) {
                gone.insert(carried);
            }
        }
    }
    Ok(cleanse(&message.raw, &gone).map(|cleansed| Message {
        text: cleansed.text(&message.text),
        raw: cleansed.raw.into(),
        ..message.clone()
    }))
}

fn id_of(value: &Value, key: &str) -> Option<u64> {
    value.get(key)?.as_str()?.parse().ok()
}

/// What an object stands for: an account, or a message of somebody somewhere.
fn stands_for(value: &Value) -> Vec<Forgotten> {
    let id = id_of(value, "id");
    if value.get("username").is_some() {
        return id.map(|id| Forgotten::User(UserId(id))).into_iter().collect();
    }
    let is_message = value.get("author").is_some() || value.get("attachments").is_some();
    if is_message {
        let author = value.get("author").and_then(|author| id_of(author, "id"));
        return [
            id.map(|id| Forgotten::Message(MessageId(id))),
            author.map(|id| Forgotten::User(UserId(id))),
            id_of(value, "channel_id").map(|id| Forgotten::Channel(ChannelId(id))),
        ]
        .into_iter()
        .flatten()
        .collect();
    }
    Vec::new()
}

/// Where a forwarded message came from.
fn forwarded_from(message: &Map<String, Value>) -> Vec<Forgotten> {
    let Some(reference) = message.get("message_reference") else { return Vec::new() };
    let ids = [
        id_of(reference, "message_id").map(|id| Forgotten::Message(MessageId(id))),
        id_of(reference, "channel_id").map(|id| Forgotten::Channel(ChannelId(id))),
        id_of(reference, "guild_id").map(|id| Forgotten::Guild(GuildId(id))),
    ];
    ids.into_iter().flatten().collect()
}

fn collect(value: &Value, found: &mut BTreeSet<Forgotten>) {
    found.extend(stands_for(value));
    match value {
        Value::Object(fields) => {
            found.extend(forwarded_from(fields));
            let reference = ["message_id", "channel_id", "guild_id"];
            if let [Some(message), Some(channel), guild] = reference.map(|key| id_of(value, key)) {
                found.insert(Forgotten::Message(MessageId(message)));
                found.insert(Forgotten::Channel(ChannelId(channel)));
                found.extend(guild.map(|guild| Forgotten::Guild(GuildId(guild))));
            }
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

fn take_out(
    fields: &mut Map<String, Value>,
    gone: &BTreeSet<Forgotten>,
    names: &mut Vec<(String, UserId)>,
) {
    if forwarded_from(fields).iter().any(|from| gone.contains(from)) {
        fields.remove("message_snapshots");
        fields.remove("referenced_message");
    }
    for value in fields.values_mut() {
        take_out_of(value, gone, names);
    }
}

fn take_out_of(value: &mut Value, gone: &BTreeSet<Forgotten>, names: &mut Vec<(String, UserId)>) {
    if stands_for(value).iter().any(|what| gone.contains(what)) {
        *value = match id_of(value, "id").filter(|_| value.get("username").is_some()) {
            Some(id) => {
                let called = [
                    value.get("global_name"),
                    value.get("username"),
                    value.pointer("/member/nick"),
                ];
                let called = called.into_iter().flatten().filter_map(Value::as_str);
                names.extend(called.map(|name| (name.to_owned(), UserId(id))));
                serde_json::json!({ "id": id.to_string() })
            }
            None => Value::Null,
        };
    }
    match value {
        Value::Object(fields) => take_out(fields, gone, names),
        Value::Array(items) => items.iter_mut().for_each(|item| take_out_of(item, gone, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(before: &Value, gone: &[Forgotten], after: &Value) -> Vec<(String, UserId)> {
        let raw = before.to_string();
        for what in gone {
            assert!(carried_along(&raw).contains(what), "{what} is not found");
        }
        let cleansed =
            cleanse(&raw, &gone.iter().copied().collect()).expect("something is taken out");
        assert_eq!(serde_json::from_str::<Value>(&cleansed.raw).unwrap(), *after);
        cleansed.names
    }

    #[test]
    fn a_reply_loses_what_it_answers() {
        let reply = json!({
            "id": "2", "content": "no", "author": { "id": "8", "username": "rook" },
            "message_reference": { "message_id": "1", "channel_id": "10", "guild_id": "5" },
            "referenced_message": {
                "id": "1", "channel_id": "10", "content": "secret", "attachments": [],
                "author": { "id": "7", "username": "wren" },
            },
        });
        let mut after = reply.clone();
        after["referenced_message"] = Value::Null;
        check(&reply, &[Forgotten::User(UserId(7))], &after);
        after.as_object_mut().unwrap().remove("referenced_message");
        check(&reply, &[Forgotten::Message(MessageId(1))], &after);
        check(&reply, &[Forgotten::Channel(ChannelId(10))], &after);
        check(&reply, &[Forgotten::Guild(GuildId(5))], &after);
        assert_eq!(cleanse(&reply.to_string(), &[Forgotten::User(UserId(9))].into()), None);
    }

    #[test]
    fn a_forward_goes_with_where_it_came_from() {
        let forward = json!({
            "id": "2", "message_reference": { "type": 1, "message_id": "1", "channel_id": "10" },
            "message_snapshots": [{ "message": { "content": "secret", "attachments": [] } }],
        });
        let mut after = forward.clone();
        after.as_object_mut().unwrap().remove("message_snapshots");
        check(&forward, &[Forgotten::Channel(ChannelId(10))], &after);
    }

    #[test]
    fn who_is_mentioned_becomes_an_id() {
        let mention = json!({
            "id": "2", "content": "hi <@7>",
            "mentions": [
                { "id": "7", "username": "wren", "global_name": "Wren", "member": { "nick": "W" } },
                { "id": "9", "username": "jay", "global_name": null },
            ],
        });
        let mut after = mention.clone();
        after["mentions"][0] = json!({ "id": "7" });
        let names = check(&mention, &[Forgotten::User(UserId(7))], &after);
        let cleansed = Cleansed { raw: String::new(), names };
        assert_eq!(cleansed.text("hi @Wren, @wren, @W and @jay"), "hi <@7>, <@7>, <@7> and @jay");
    }
}
