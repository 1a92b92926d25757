//! Who may see what, after Discord's own rules, written from its documentation and not shared with the product.
//!
//! An independent calculation is worth more here than a shared one: two that agree are a test.

use crate::{
    ids::{ChannelId, GuildId, RoleId, UserId},
    model::{Channel, Kind, Overwrite, State, Subject},
};

/// Everything, whatever the overwrites say.
pub const ADMINISTRATOR: u64 = 1 << 3;
/// See a channel, its messages included.
pub const VIEW_CHANNEL: u64 = 1 << 10;
/// Write messages.
pub const SEND_MESSAGES: u64 = 1 << 11;
/// Read what was written before: without it Discord answers 200 with an empty page.
pub const READ_MESSAGE_HISTORY: u64 = 1 << 16;
/// Join a voice channel; reading its chat needs it too.
pub const CONNECT: u64 = 1 << 20;
/// See private threads that one is not a member of.
pub const MANAGE_THREADS: u64 = 1 << 34;

/// All bits that exist, for administrators and owners.
pub(crate) const ALL: u64 = (1 << 53) - 1;

/// What @everyone gets in a new server here.
pub(crate) const DEFAULT_EVERYONE: u64 = VIEW_CHANNEL
    | SEND_MESSAGES
    | READ_MESSAGE_HISTORY
    | CONNECT
    | (1 << 6)
    | (1 << 14)
    | (1 << 15);

/// What a member may do in the server at large.
pub(crate) fn in_guild(state: &State, guild: GuildId, user: UserId) -> u64 {
    let Some(guild) = state.guilds.get(&guild) else { return 0 };
    if guild.owner == user {
        return ALL;
    }
    let Some(member) = guild.members.get(&user) else { return 0 };
    let of_role = |role: RoleId| guild.roles.get(&role).map_or(0, |role| role.permissions);
    let bits =
        member.roles.iter().fold(of_role(RoleId(guild.id.0)), |bits, role| bits | of_role(*role));
    if bits & ADMINISTRATOR == 0 { bits } else { ALL }
}

/// What a member may do in a channel; threads inherit from their parent.
pub(crate) fn in_channel(state: &State, channel: &Channel, user: UserId) -> u64 {
    let base = in_guild(state, channel.guild, user);
    if base & ADMINISTRATOR != 0 {
        return ALL;
    }
    let governing = match &channel.thread {
        Some(_) => channel.parent.and_then(|parent| state.channels.get(&parent)),
        None => Some(channel),
    };
    let (Some(governing), Some(guild)) = (governing, state.guilds.get(&channel.guild)) else {
        return 0;
    };
    let Some(member) = guild.members.get(&user) else { return 0 };

    let everyone = Subject::Role(RoleId(guild.id.0));
    let bits = apply(base, governing.overwrites.iter().filter(|o| o.subject == everyone));
    let bits = apply(
        bits,
        governing
            .overwrites
            .iter()
            .filter(|o| matches!(o.subject, Subject::Role(role) if member.roles.contains(&role))),
    );
    let bits =
        apply(bits, governing.overwrites.iter().filter(|o| o.subject == Subject::Member(user)));
    // Without sight of a channel nothing else in it counts; voice hides behind CONNECT likewise.
    let voice = matches!(governing.kind, Kind::Voice | Kind::Stage);
    if bits & VIEW_CHANNEL == 0 || (voice && bits & CONNECT == 0) {
        return bits & !(VIEW_CHANNEL | READ_MESSAGE_HISTORY | SEND_MESSAGES | MANAGE_THREADS);
    }
    bits
}

/// Whether the member gets a channel's or a thread's messages at all.
pub(crate) fn may_view(state: &State, channel: &Channel, user: UserId) -> bool {
    let bits = in_channel(state, channel, user);
    if bits & VIEW_CHANNEL == 0 {
        return false;
    }
    match (&channel.thread, channel.kind) {
        (Some(thread), Kind::PrivateThread) => {
            bits & MANAGE_THREADS != 0 || thread.members.contains(&user)
        }
        _ => true,
    }
}

/// Whether the member gets what was written before; `may_view` is a part of it.
pub(crate) fn may_read_history(state: &State, channel: &Channel, user: UserId) -> bool {
    may_view(state, channel, user) && in_channel(state, channel, user) & READ_MESSAGE_HISTORY != 0
}

/// Whether @everyone can read a channel, which decides what an archive may make public.
pub(crate) fn everyone_may_view(state: &State, channel: ChannelId) -> bool {
    let Some(channel) = state.channels.get(&channel) else { return false };
    let Some(guild) = state.guilds.get(&channel.guild) else { return false };
    if channel.kind == Kind::PrivateThread {
        return false;
    }
    let governing = match &channel.thread {
        Some(_) => channel.parent.and_then(|parent| state.channels.get(&parent)),
        None => Some(channel),
    };
    let everyone = RoleId(guild.id.0);
    let base = guild.roles.get(&everyone).map_or(0, |role| role.permissions);
    governing.is_some_and(|governing| {
        let own = governing.overwrites.iter().filter(|o| o.subject == Subject::Role(everyone));
        apply(base, own) & (VIEW_CHANNEL | ADMINISTRATOR) != 0
    })
}

/// All denials of one step, then all grants of it.
fn apply<'a>(bits: u64, overwrites: impl Iterator<Item = &'a Overwrite>) -> u64 {
    let (allow, deny) =
        overwrites.fold((0, 0), |(allow, deny), o| (allow | o.allow, deny | o.deny));
    (bits & !deny) | allow
}
