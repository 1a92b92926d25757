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

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    use twilight_model::{
        channel::{
            ChannelType,
            permission_overwrite::{PermissionOverwrite, PermissionOverwriteType},
        },
        guild::Permissions,
        id::Id,
    };
    use twilight_util::permission_calculator::PermissionCalculator;

    use super::*;
    use crate::{NewChannel, NewThread, World};

    /// What the bot may do in a channel with these overwrites: everyone's, its role's, its own.
    #[track_caller]
    fn check(overwrites: [(u64, u64); 3], expected: u64) {
        let world = World::new(1);
        let guild = world.create_guild("g");
        let subjects = [
            Subject::Role(RoleId(guild.0)),
            Subject::Role(world.bot_role(guild)),
            Subject::Member(world.bot()),
        ];
        let mut new = NewChannel::text("c");
        for (subject, (allow, deny)) in subjects.into_iter().zip(overwrites) {
            new = new.overwrite(Overwrite { subject, allow, deny });
        }
        let channel = world.create_channel(guild, new);
        let state = world.lock();
        let bits = in_channel(&state, &state.channels[&channel], state.bot);
        assert_eq!(bits & (VIEW_CHANNEL | READ_MESSAGE_HISTORY), expected);
    }

    #[test]
    fn the_more_personal_overwrite_wins_and_a_grant_beats_a_denial_beside_it() {
        let both = VIEW_CHANNEL | READ_MESSAGE_HISTORY;
        check([(0, 0), (0, 0), (0, 0)], both);
        check([(0, READ_MESSAGE_HISTORY), (0, 0), (0, 0)], VIEW_CHANNEL);
        check([(0, both), (both, 0), (0, 0)], both);
        check([(0, 0), (both, both), (0, 0)], both);
        check([(0, 0), (both, 0), (0, READ_MESSAGE_HISTORY)], VIEW_CHANNEL);
        // History without sight is nothing.
        check([(0, VIEW_CHANNEL), (READ_MESSAGE_HISTORY, 0), (0, 0)], 0);
    }

    #[test]
    fn owners_and_administrators_may_everything() {
        let world = World::new(1);
        let guild = world.create_guild("g");
        let everyone = Subject::Role(RoleId(guild.0));
        let deny = Overwrite { subject: everyone, allow: 0, deny: VIEW_CHANNEL };
        let channel = world.create_channel(guild, NewChannel::text("c").overwrite(deny));
        let may = || {
            let state = world.lock();
            let (channel, owner) = (&state.channels[&channel], state.guilds[&guild].owner);
            (may_view(&state, channel, state.bot), may_view(&state, channel, owner))
        };
        assert_eq!(may(), (false, true));
        world.set_role_permissions(guild, world.bot_role(guild), ADMINISTRATOR);
        assert_eq!(may(), (true, true));
    }

    #[test]
    fn private_threads_are_for_members_and_moderators() {
        let world = World::new(1);
        let guild = world.create_guild("g");
        let channel = world.create_channel(guild, NewChannel::text("c"));
        let closed = world.create_thread(channel, NewThread::private("closed"));
        let joined = world.create_thread(channel, NewThread::private("j").member(world.bot()));
        assert_eq!([closed, joined].map(|thread| world.may_read(thread)), [false, true]);
        let own = Subject::Member(world.bot());
        let allow = Overwrite { subject: own, allow: MANAGE_THREADS, deny: 0 };
        world.set_permissions(channel, allow);
        assert_eq!([closed, joined].map(|thread| world.may_read(thread)), [true, true]);
        world.withdraw(channel, READ_MESSAGE_HISTORY);
        assert_eq!([closed, joined].map(|thread| world.may_read(thread)), [false, false]);
    }

    /// Two calculations by different hands agree on whatever dice come up with.
    #[test]
    fn twilight_comes_to_the_same() {
        let seed = 20_260_806;
        let mut dice = StdRng::seed_from_u64(seed);
        let interesting = [VIEW_CHANNEL, READ_MESSAGE_HISTORY, CONNECT, MANAGE_THREADS];
        let mut some = |chance: f64| {
            let chosen = interesting.iter().filter(|_| dice.random_bool(chance));
            chosen.fold(0, |bits, bit| bits | bit)
        };
        let world = World::new(1);
        let guild = world.create_guild("g");
        let (everyone, role) = (RoleId(guild.0), world.bot_role(guild));
        for round in 0..500 {
            let (base, own) = (some(0.6), some(0.2));
            world.set_role_permissions(guild, everyone, base);
            world.set_role_permissions(guild, role, own);
            let subjects =
                [Subject::Role(everyone), Subject::Role(role), Subject::Member(world.bot())];
            let overwrites =
                subjects.map(|subject| Overwrite { subject, allow: some(0.3), deny: some(0.3) });
            let mut new = NewChannel::text("c");
            for overwrite in overwrites {
                new = new.overwrite(overwrite);
            }
            let channel = world.create_channel(guild, new);
            let ours = {
                let state = world.lock();
                in_channel(&state, &state.channels[&channel], state.bot)
            };
            let theirs = PermissionCalculator::new(
                Id::new(guild.0),
                Id::new(world.bot().0),
                Permissions::from_bits_truncate(base),
                &[(Id::new(role.0), Permissions::from_bits_truncate(own))],
            )
            .in_channel(ChannelType::GuildText, &overwrites.map(theirs));
            let readable = VIEW_CHANNEL | READ_MESSAGE_HISTORY;
            let visible = |bits: u64| if bits & VIEW_CHANNEL == 0 { 0 } else { bits & readable };
            assert_eq!(visible(ours), visible(theirs.bits()), "round {round} of seed {seed}");
        }
    }

    fn theirs(overwrite: Overwrite) -> PermissionOverwrite {
        let (id, kind) = match overwrite.subject {
            Subject::Role(role) => (role.0, PermissionOverwriteType::Role),
            Subject::Member(user) => (user.0, PermissionOverwriteType::Member),
        };
        PermissionOverwrite {
            allow: Permissions::from_bits_truncate(overwrite.allow),
            deny: Permissions::from_bits_truncate(overwrite.deny),
            id: Id::new(id),
            kind,
        }
    }
}
