//! Who the bot is, where it is, and what places there are.

use serde_json::{Value, json};

use super::{Call, either};
use crate::{ids::GuildId, permissions, render, reply::Reply};

pub(super) fn gateway(call: &Call<'_>) -> Reply {
    Reply::ok(&json!({ "url": call.core.gateway }))
}

pub(super) fn bot_gateway(call: &Call<'_>) -> Reply {
    let options = &call.core.options.gateway;
    let starts = call.core.starts();
    Reply::ok(&json!({
        "url": call.core.gateway,
        "shards": options.shards,
        "session_start_limit": {
            "total": options.session_starts,
            "remaining": starts.remaining,
            "reset_after": u64::try_from(starts.reset_after.as_millis()).unwrap_or(u64::MAX),
            "max_concurrency": options.max_concurrency,
        },
    }))
}

pub(super) fn me(call: &Call<'_>) -> Reply {
    Reply::ok(&render::own_account(&call.state))
}

pub(super) fn application(call: &Call<'_>) -> Reply {
    Reply::ok(&render::application(&call.state))
}

pub(super) fn my_guilds(call: &Call<'_>) -> Reply {
    either((|| {
        let limit = call.number("limit", 200, (1, 200))?;
        let before = call.snowflake("before")?.map_or(u64::MAX, |id| id);
        let after = call.snowflake("after")?.unwrap_or(0);
        let with_counts = call.value("with_counts") == Some("true");
        let bot = call.state.bot;
        let guilds: Vec<Value> = call
            .state
            .guilds
            .values()
            .filter(|guild| guild.members.contains_key(&bot))
            .filter(|guild| guild.id > GuildId(after) && guild.id < GuildId(before))
            .take(limit)
            .map(|guild| {
                let mut value = render::my_guild(&call.state, guild);
                if with_counts {
                    value["approximate_member_count"] = json!(guild.members.len());
                    value["approximate_presence_count"] = json!(1);
                }
                value
            })
            .collect();
        Ok(Reply::ok(&json!(guilds)))
    })())
}

pub(super) fn guild(call: &Call<'_>) -> Reply {
    either(call.guild().map(|guild| {
        let mut value = render::guild(guild);
        if call.value("with_counts") == Some("true") {
            value["approximate_member_count"] = json!(guild.members.len());
            value["approximate_presence_count"] = json!(1);
        }
        Reply::ok(&value)
    }))
}

/// All channels, those the bot cannot read among them; no threads.
pub(super) fn channels(call: &Call<'_>) -> Reply {
    either(call.guild().map(|guild| {
        let channels = call.state.channels_of(guild.id).map(render::channel);
        Reply::ok(&channels.collect())
    }))
}

pub(super) fn roles(call: &Call<'_>) -> Reply {
    either(call.guild().map(|guild| Reply::ok(&guild.roles.values().map(render::role).collect())))
}

pub(super) fn member(call: &Call<'_>) -> Reply {
    either(call.guild().and_then(|guild| {
        let known = call.state.users.contains_key(&call.user_id());
        let unknown = if known {
            Reply::error(404, 10_007, "Unknown Member")
        } else {
            Reply::error(404, 10_013, "Unknown User")
        };
        let member = render::member(&call.state, guild, call.user_id()).ok_or(unknown)?;
        Ok(Reply::ok(&member))
    }))
}

pub(super) fn channel(call: &Call<'_>) -> Reply {
    either(call.channel().map(|channel| {
        let mut value = match &channel.thread {
            Some(thread) => render::thread(&call.state, channel, thread),
            None => render::channel(channel),
        };
        let bits = permissions::in_channel(&call.state, channel, call.state.bot);
        if channel.thread.is_some() {
            value["permissions"] = json!(bits.to_string());
        }
        Reply::ok(&value)
    }))
}
