//! Servers, channels, roles, members and accounts as JSON, with every field that Discord's description requires.

use serde_json::{Value, json};

use crate::{
    clock::iso8601,
    ids::{GuildId, UserId},
    model::{Channel, Guild, Kind, MessageContent, Role, State, Subject, Thread},
    permissions,
};

/// Application flag: may receive message content in many servers.
const GATEWAY_MESSAGE_CONTENT_LIMITED: u64 = 1 << 19;

/// An account as messages and members carry it.
pub(crate) fn account(state: &State, user: UserId) -> Value {
    let user = &state.users[&user];
    let mut account = json!({
        "id": user.id,
        "username": user.name,
        "avatar": user.avatar.as_ref().map(|(hash, _)| hash),
        "discriminator": if user.bot { "0042" } else { "0" },
        "public_flags": 0,
        "flags": 0,
        "banner": null,
        "accent_color": null,
        "global_name": user.global_name,
        "avatar_decoration_data": null,
        "collectibles": null,
        "primary_guild": null,
    });
    if user.bot {
        account["bot"] = json!(true);
    }
    account
}

/// The bot's account as it sees itself.
pub(crate) fn own_account(state: &State) -> Value {
    let mut account = account(state, state.bot);
    account["mfa_enabled"] = json!(true);
    account["locale"] = json!("en-US");
    account["premium_type"] = json!(0);
    account["email"] = json!(null);
    account["verified"] = json!(true);
    account
}

/// The bot's application; its flags tell whether message content is granted.
pub(crate) fn application(state: &State) -> Value {
    let flags = match state.message_content {
        MessageContent::Granted => GATEWAY_MESSAGE_CONTENT_LIMITED,
        MessageContent::Withheld => 0,
    };
    let owner = state.guilds.values().next().map_or(state.bot, |guild| guild.owner);
    json!({
        "id": state.bot,
        "name": "Bowerbird",
        "icon": null,
        "description": "",
        "type": null,
        "bot": account(state, state.bot),
        "bot_public": false,
        "bot_require_code_grant": false,
        "verify_key": "0".repeat(64),
        "flags": flags,
        "flags_new": flags.to_string(),
        "redirect_uris": [],
        "interactions_endpoint_url": null,
        "role_connections_verification_url": null,
        "owner": account(state, owner),
        "approximate_guild_count": state.guilds.len(),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": null,
        "eligible_oauth2_scopes": [],
    })
}

pub(crate) fn role(role: &Role) -> Value {
    let mut value = json!({
        "id": role.id,
        "name": role.name,
        "permissions": role.permissions.to_string(),
        "position": role.position,
        "color": 0,
        "colors": { "primary_color": 0, "secondary_color": null, "tertiary_color": null },
        "hoist": false,
        "managed": role.managed,
        "mentionable": false,
        "icon": null,
        "unicode_emoji": null,
        "flags": 0,
    });
    if role.managed {
        value["tags"] = json!({});
    }
    value
}

pub(crate) fn member(state: &State, guild: &Guild, user: UserId) -> Option<Value> {
    let mut member = bare_member(guild, user)?;
    member["user"] = account(state, user);
    Some(member)
}

/// A member without the account, as gateway messages carry it beside the author.
pub(crate) fn bare_member(guild: &Guild, user: UserId) -> Option<Value> {
    let member = guild.members.get(&user)?;
    Some(json!({
        "avatar": null,
        "banner": null,
        "communication_disabled_until": null,
        "flags": 0,
        "joined_at": iso8601(member.joined),
        "nick": member.nick,
        "pending": false,
        "premium_since": null,
        "roles": member.roles,
        "mute": false,
        "deaf": false,
    }))
}

/// A channel of a server, threads excepted.
pub(crate) fn channel(channel: &Channel) -> Value {
    let overwrites: Vec<Value> = channel
        .overwrites
        .iter()
        .map(|overwrite| {
            let (id, kind) = match overwrite.subject {
                Subject::Role(role) => (role.0, 0),
                Subject::Member(user) => (user.0, 1),
            };
            json!({
                "id": id.to_string(),
                "type": kind,
                "allow": overwrite.allow.to_string(),
                "deny": overwrite.deny.to_string(),
            })
        })
        .collect();
    let mut value = json!({
        "id": channel.id,
        "type": channel.kind as u8,
        "flags": channel.flags,
        "guild_id": channel.guild,
        "name": channel.name,
        "position": channel.position,
        "parent_id": channel.parent,
        "permission_overwrites": overwrites,
    });
    let Value::Object(fields) = &mut value else { unreachable!("it was just made an object") };
    let mut add = |more: Value| {
        let Value::Object(more) = more else { unreachable!("called with objects only") };
        fields.extend(more);
    };
    if channel.kind != Kind::Category {
        add(json!({
            "last_message_id": channel.last.map(|id| id.to_string()),
            "nsfw": channel.nsfw,
            "rate_limit_per_user": 0,
            "topic": channel.topic,
        }));
    }
    match channel.kind {
        Kind::Voice | Kind::Stage => add(json!({
            "bitrate": 64_000,
            "user_limit": 0,
            "rtc_region": null,
        })),
        Kind::Forum | Kind::Media => add(json!({
            "available_tags": [{
                "id": (channel.id.0 + 1).to_string(),
                "name": "finished",
                "moderated": false,
                "emoji_id": null,
                "emoji_name": null,
            }],
            "default_reaction_emoji": null,
            "default_sort_order": null,
            "default_forum_layout": 0,
        })),
        _ => {}
    }
    value
}

/// A thread; `member` is there when the bot is one of its members.
pub(crate) fn thread(state: &State, channel: &Channel, thread: &Thread) -> Value {
    let mut value = json!({
        "id": channel.id,
        "type": channel.kind as u8,
        "flags": channel.flags,
        "guild_id": channel.guild,
        "name": channel.name,
        "parent_id": channel.parent,
        "last_message_id": channel.last.map(|id| id.to_string()),
        "rate_limit_per_user": 0,
        "owner_id": thread.owner,
        "thread_metadata": {
            "archived": thread.archived,
            "archive_timestamp": iso8601(thread.archive_changed),
            "auto_archive_duration": 4320,
            "locked": thread.locked,
            "create_timestamp": iso8601(thread.created),
        },
        // The opening of a forum post does not count, which no reader can rely on.
        "message_count": channel.living().count().min(50),
        "member_count": thread.members.len().min(50),
        "total_message_sent": thread.total_sent,
    });
    let in_forum = channel.parent.and_then(|parent| state.channels.get(&parent));
    if in_forum.is_some_and(|parent| parent.kind.is_forum()) {
        value["applied_tags"] = json!([]);
    }
    if channel.kind == Kind::PrivateThread {
        value["thread_metadata"]["invitable"] = json!(true);
    }
    if thread.members.contains(&state.bot) {
        value["member"] = thread_member(channel, thread, state.bot);
    }
    value
}

pub(crate) fn thread_member(channel: &Channel, thread: &Thread, user: UserId) -> Value {
    json!({
        "id": channel.id,
        "user_id": user,
        "join_timestamp": iso8601(thread.created),
        "flags": 1,
    })
}

/// A server as `GET /users/@me/guilds` lists it.
pub(crate) fn my_guild(state: &State, guild: &Guild) -> Value {
    json!({
        "id": guild.id,
        "name": guild.name,
        "icon": guild.icon,
        "banner": null,
        "owner": guild.owner == state.bot,
        "permissions": permissions::in_guild(state, guild.id, state.bot).to_string(),
        "features": [],
    })
}

/// A server as `GET /guilds/{id}` shows it.
pub(crate) fn guild(guild: &Guild) -> Value {
    json!({
        "id": guild.id,
        "name": guild.name,
        "icon": guild.icon,
        "description": null,
        "home_header": null,
        "splash": null,
        "discovery_splash": null,
        "features": [],
        "banner": null,
        "owner_id": guild.owner,
        "application_id": null,
        "region": "deprecated",
        "afk_channel_id": null,
        "afk_timeout": 300,
        "system_channel_id": null,
        "system_channel_flags": 0,
        "widget_enabled": false,
        "widget_channel_id": null,
        "verification_level": 1,
        "roles": guild.roles.values().map(role).collect::<Vec<_>>(),
        "default_message_notifications": 1,
        "mfa_level": 0,
        "explicit_content_filter": 0,
        "max_presences": null,
        "max_members": 25_000_000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "vanity_url_code": null,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "preferred_locale": "en-US",
        "rules_channel_id": null,
        "safety_alerts_channel_id": null,
        "public_updates_channel_id": null,
        "premium_progress_bar_enabled": false,
        "premium_progress_bar_enabled_user_updated_at": null,
        "nsfw": false,
        "nsfw_level": 0,
        "emojis": [],
        "stickers": [],
        "incidents_data": null,
    })
}

/// A server as `GUILD_CREATE` brings it: with its channels, its active threads and the bot as a member.
pub(crate) fn guild_create(state: &State, id: GuildId) -> Value {
    let held = &state.guilds[&id];
    let mut value = guild(held);
    let threads: Vec<Value> = state
        .threads_of(id)
        .filter(|(channel, thread)| {
            !thread.archived && permissions::may_view(state, channel, state.bot)
        })
        .map(|(channel, held)| thread(state, channel, held))
        .collect();
    let joined = held.members.get(&state.bot).map(|member| iso8601(member.joined));
    let more = json!({
        "joined_at": joined,
        "large": false,
        "unavailable": false,
        "member_count": held.members.len(),
        "members": member(state, held, state.bot).into_iter().collect::<Vec<_>>(),
        "channels": state.channels_of(id).map(channel).collect::<Vec<_>>(),
        "threads": threads,
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    });
    let (Value::Object(fields), Value::Object(more)) = (&mut value, more) else {
        unreachable!("both are objects")
    };
    fields.extend(more);
    value
}
