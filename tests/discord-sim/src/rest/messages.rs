//! Messages: pages of history, single ones, pins.

use serde_json::{Value, json};

use super::{Call, either, missing_permissions};
use crate::{
    clock::{iso8601, parse_iso8601},
    ids::MessageId,
    model::{Channel, Message},
    permissions::READ_MESSAGE_HISTORY,
    render::{self, Sight},
    reply::Reply,
};

/// A page of history: newest first whatever the cursor.
pub(super) fn list(call: &Call<'_>) -> Reply {
    either((|| {
        let channel = call.channel()?;
        if !channel.kind.holds_messages() {
            let message = "Cannot execute action on this channel type";
            return Err(Reply::error(400, 50_024, message));
        }
        let limit = call.number("limit", 50, (1, 100))?;
        let (before, after, around) =
            (call.snowflake("before")?, call.snowflake("after")?, call.snowflake("around")?);
        // Without the permission there is no history, which is no error.
        if !call.may(channel, READ_MESSAGE_HISTORY) {
            return Ok(Reply::ok(&json!([])));
        }
        let page = match (around, before, after) {
            (Some(id), _, _) => around_page(channel, MessageId(id), limit),
            (None, Some(id), _) => newest_below(channel, MessageId(id), limit),
            (None, None, Some(id)) => oldest_above(channel, MessageId(id), limit),
            (None, None, None) => newest_below(channel, MessageId(u64::MAX), limit),
        };
        Ok(Reply::ok(&page.into_iter().map(|message| shown(call, message)).collect()))
    })())
}

pub(super) fn single(call: &Call<'_>) -> Reply {
    either((|| {
        let channel = call.channel()?;
        if !call.may(channel, READ_MESSAGE_HISTORY) {
            return Err(missing_permissions());
        }
        let message = call.state.message(channel.id, call.message_id());
        let message = message.ok_or_else(|| Reply::error(404, 10_008, "Unknown Message"))?;
        Ok(Reply::ok(&shown(call, message)))
    })())
}

/// Pinned messages, last pinned first; the cursor is the time of pinning.
pub(super) fn pins(call: &Call<'_>) -> Reply {
    either((|| {
        let channel = call.channel()?;
        let limit = call.number("limit", 50, (1, 50))?;
        let before = time_cursor(call)?;
        if !call.may(channel, READ_MESSAGE_HISTORY) {
            return Ok(Reply::ok(&json!({ "items": [], "has_more": false })));
        }
        let mut pinned: Vec<(u64, &Message)> = channel
            .living()
            .filter_map(|message| Some((message.pinned?, message)))
            .filter(|(at, _)| at * 1000 < before)
            .collect();
        pinned.sort_by_key(|(at, message)| std::cmp::Reverse((*at, message.id)));
        let items: Vec<Value> = pinned
            .iter()
            .take(limit)
            .map(|(at, message)| {
                json!({ "pinned_at": iso8601(*at), "message": shown(call, message) })
            })
            .collect();
        Ok(Reply::ok(&json!({ "items": items, "has_more": pinned.len() > limit })))
    })())
}

/// A message as this bot gets it over REST, which depends on the portal's switch and on nothing else.
pub(super) fn shown(call: &Call<'_>, message: &Message) -> Value {
    let sight = Sight::of(&call.state, message, call.state.message_content);
    render::message(&call.state, &call.core.signer, message, sight)
}

/// The `before` of lists that are paged by time, in microseconds.
pub(super) fn time_cursor(call: &Call<'_>) -> Result<u64, Reply> {
    let Some(text) = call.value("before") else { return Ok(u64::MAX) };
    parse_iso8601(text).ok_or_else(|| {
        call.core.violation(format!("before={text} is not a time"));
        Reply::invalid("before", "Value is not a valid timestamp.")
    })
}

fn newest_below(channel: &Channel, id: MessageId, limit: usize) -> Vec<&Message> {
    let below = channel.messages.range(..id).map(|(_, message)| message).rev();
    below.filter(|message| message.deleted.is_none()).take(limit).collect()
}

fn oldest_above(channel: &Channel, id: MessageId, limit: usize) -> Vec<&Message> {
    let above = channel.messages.range(MessageId(id.0.saturating_add(1))..);
    let living = above.map(|(_, message)| message).filter(|message| message.deleted.is_none());
    let mut page: Vec<&Message> = living.take(limit).collect();
    page.reverse();
    page
}

/// The message itself and as many on each side as there is room for.
fn around_page(channel: &Channel, id: MessageId, limit: usize) -> Vec<&Message> {
    let mut page = oldest_above(channel, id, limit / 2);
    page.extend(newest_below(channel, MessageId(id.0.saturating_add(1)), limit - page.len()));
    page.truncate(limit);
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NewChannel, NewMessage, World};

    /// Ten messages, the fifth of them deleted; pages are told as their numbers.
    #[track_caller]
    fn check(
        page: fn(&Channel, MessageId, usize) -> Vec<&Message>,
        at: usize,
        limit: usize,
        expected: &[usize],
    ) {
        let world = World::new(1);
        let guild = world.create_guild("g");
        let channel = world.create_channel(guild, NewChannel::text("c"));
        let ids: Vec<MessageId> =
            (0..10).map(|n| world.post(channel, NewMessage::text(n.to_string()))).collect();
        world.delete(channel, ids[5]);
        let state = world.lock();
        let got: Vec<usize> = page(state.channel(channel).unwrap(), ids[at], limit)
            .iter()
            .map(|message| message.content.parse().unwrap())
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn pages_are_newest_first_and_skip_what_was_deleted() {
        check(newest_below, 7, 3, &[6, 4, 3]);
        check(newest_below, 1, 3, &[0]);
        check(newest_below, 0, 3, &[]);
        check(oldest_above, 3, 3, &[7, 6, 4]);
        check(oldest_above, 8, 3, &[9]);
        check(oldest_above, 9, 3, &[]);
        check(around_page, 4, 4, &[7, 6, 4, 3]);
        check(around_page, 5, 4, &[7, 6, 4, 3]);
        check(around_page, 9, 4, &[9, 8, 7, 6]);
        check(around_page, 0, 1, &[0]);
    }
}
