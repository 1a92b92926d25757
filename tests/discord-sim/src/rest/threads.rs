//! Lists of threads: active ones of a server, archived ones of a channel.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::{Call, either, messages::time_cursor, missing_permissions};
use crate::{
    ids::ChannelId,
    model::{Channel, Kind, Thread},
    permissions::{self, MANAGE_THREADS, READ_MESSAGE_HISTORY},
    render,
    reply::Reply,
};

/// All active threads that the bot sees, newest first.
pub(super) fn active(call: &Call<'_>) -> Reply {
    either((|| {
        let guild = call.guild()?;
        let mut threads: Vec<(&Channel, &Thread)> = call
            .state
            .threads_of(guild.id)
            .filter(|(channel, thread)| {
                !thread.archived && permissions::may_view(&call.state, channel, call.state.bot)
            })
            .collect();
        threads.sort_by_key(|(channel, _)| Reverse(channel.id));
        Ok(listed(call, &threads, usize::MAX))
    })())
}

/// Archived public and announcement threads, and posts of forums.
pub(super) fn archived_public(call: &Call<'_>) -> Reply {
    either((|| {
        let channel = history_of(call)?;
        by_archive_time(call, channel, |thread, _| thread.kind != Kind::PrivateThread)
    })())
}

/// All archived private threads, for moderators.
pub(super) fn archived_private(call: &Call<'_>) -> Reply {
    either((|| {
        let channel = history_of(call)?;
        if !call.may(channel, MANAGE_THREADS) {
            return Err(missing_permissions());
        }
        by_archive_time(call, channel, |thread, _| thread.kind == Kind::PrivateThread)
    })())
}

/// Archived private threads that the bot is a member of; here the cursor is an id.
pub(super) fn joined_private(call: &Call<'_>) -> Reply {
    either((|| {
        let channel = history_of(call)?;
        let limit = call.number("limit", 50, (2, 100))?;
        let before = call.snowflake("before")?.unwrap_or(u64::MAX);
        let bot = call.state.bot;
        let mut threads = archived_in(call, channel, |thread, held| {
            thread.kind == Kind::PrivateThread && held.members.contains(&bot)
        });
        threads.retain(|(thread, _)| thread.id < ChannelId(before));
        threads.sort_by_key(|(thread, _)| Reverse(thread.id));
        Ok(listed(call, &threads, limit))
    })())
}

fn history_of<'a>(call: &'a Call<'_>) -> Result<&'a Channel, Reply> {
    let channel = call.channel()?;
    let holds_threads =
        matches!(channel.kind, Kind::Text | Kind::Announcement | Kind::Forum | Kind::Media);
    if !holds_threads {
        return Err(Reply::error(400, 50_024, "Cannot execute action on this channel type"));
    }
    if call.may(channel, READ_MESSAGE_HISTORY) { Ok(channel) } else { Err(missing_permissions()) }
}

fn by_archive_time<'a>(
    call: &'a Call<'_>,
    channel: &Channel,
    wanted: impl Fn(&Channel, &Thread) -> bool,
) -> Result<Reply, Reply> {
    let limit = call.number("limit", 50, (2, 100))?;
    let before = time_cursor(call)?;
    let mut threads: Vec<(&'a Channel, &'a Thread)> = archived_in(call, channel, wanted);
    threads.retain(|(_, thread)| thread.archive_changed * 1000 < before);
    threads.sort_by_key(|(channel, thread)| Reverse((thread.archive_changed, channel.id)));
    Ok(listed(call, &threads, limit))
}

fn archived_in<'a>(
    call: &'a Call<'_>,
    parent: &Channel,
    wanted: impl Fn(&Channel, &Thread) -> bool,
) -> Vec<(&'a Channel, &'a Thread)> {
    call.state
        .threads_of(parent.guild)
        .filter(|(channel, thread)| channel.parent == Some(parent.id) && thread.archived)
        .filter(|(channel, thread)| wanted(channel, thread))
        .collect()
}

/// Discord's form of a list of threads, with the bot's memberships beside.
fn listed(call: &Call<'_>, threads: &[(&Channel, &Thread)], limit: usize) -> Reply {
    let page = &threads[..limit.min(threads.len())];
    let bot = call.state.bot;
    let members: Vec<Value> = page
        .iter()
        .filter(|(_, thread)| thread.members.contains(&bot))
        .map(|(channel, thread)| render::thread_member(channel, thread, bot))
        .collect();
    let rendered: Vec<Value> =
        page.iter().map(|(channel, thread)| render::thread(&call.state, channel, thread)).collect();
    Reply::ok(&json!({
        "threads": rendered,
        "members": members,
        "has_more": threads.len() > page.len(),
    }))
}
