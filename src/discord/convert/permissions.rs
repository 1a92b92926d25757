//! What we, and what everybody, may do in a channel.

use serde::Deserialize;
use twilight_model::{
    channel::{
        ChannelType,
        permission_overwrite::{PermissionOverwrite, PermissionOverwriteType},
    },
    guild::Permissions,
    id::{
        Id,
        marker::{GuildMarker, RoleMarker, UserMarker},
    },
};
use twilight_util::permission_calculator::PermissionCalculator;

use super::{each, lenient};
use crate::{
    discord::DiscordError,
    domain::{
        id::{GuildId, UserId},
        place::{Access, PlaceKind},
    },
};

/// Nobody's id: what is computed for it is what @everyone gets.
const ANYBODY: Id<UserMarker> = Id::new(u64::MAX);

/// The calculator takes away what a kind of channel did not have when it was written, among that the history of the
/// chat in voice channels. From categories it takes nothing.
const WHOLE: ChannelType = ChannelType::GuildCategory;

/// A channel's exceptions, read leniently: one that makes no sense is left out.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Overwrite {
    #[serde(deserialize_with = "lenient")]
    id: Option<Snowflake>,
    #[serde(rename = "type", deserialize_with = "lenient")]
    kind: Option<u8>,
    #[serde(deserialize_with = "lenient")]
    allow: Bits,
    #[serde(deserialize_with = "lenient")]
    deny: Bits,
}

impl Overwrite {
    pub(super) fn for_calculator(&self) -> Option<PermissionOverwrite> {
        Some(PermissionOverwrite {
            allow: self.allow.permissions(),
            deny: self.deny.permissions(),
            id: Id::new_checked(self.id?.0)?,
            kind: match self.kind? {
                0 => PermissionOverwriteType::Role,
                1 => PermissionOverwriteType::Member,
                _ => return None,
            },
        })
    }
}

/// An id of a role or of a person.
type Snowflake = crate::domain::id::RoleId;

/// Permissions travel as a decimal string.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(try_from = "String")]
struct Bits(u64);

impl TryFrom<String> for Bits {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl Bits {
    const fn permissions(self) -> Permissions {
        Permissions::from_bits_truncate(self.0)
    }
}

/// What our bot is in a server.
#[derive(Debug)]
pub(in crate::discord) struct Standing {
    guild: Id<GuildMarker>,
    me: Id<UserMarker>,
    owner: Option<Id<UserMarker>>,
    everyone: Permissions,
    roles: Vec<(Id<RoleMarker>, Permissions)>,
}

/// What a place allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::discord) struct Allowed {
    pub(super) access: Access,
    pub(super) public: bool,
    pub(super) manages_threads: bool,
}

impl Standing {
    /// Reads it from the server and our membership in it, as Discord answers them.
    pub(in crate::discord) fn read(
        id: GuildId,
        me: UserId,
        guild: &[u8],
        member: &[u8],
    ) -> Result<Self, DiscordError> {
        let guild: GuildParts = serde_json::from_slice(guild)
            .map_err(|error| DiscordError::malformed("a server", &error))?;
        let member: MemberParts = serde_json::from_slice(member)
            .map_err(|error| DiscordError::malformed("our membership", &error))?;
        let no_id = || DiscordError::Malformed { reason: "an id is 0".to_owned() };
        let is_everyone = |role: &&Role| role.id.is_some_and(|role| role.0 == id.0);
        let everyone = guild.roles.iter().find(is_everyone).map_or(0, |role| role.permissions.0);
        let ours = |role: &&Role| role.id.is_some_and(|role| member.roles.contains(&role));
        let roles = guild.roles.iter().filter(ours);
        Ok(Self {
            guild: Id::new_checked(id.0).ok_or_else(no_id)?,
            me: Id::new_checked(me.0).ok_or_else(no_id)?,
            owner: guild.owner_id.and_then(|owner| Id::new_checked(owner.0)),
            everyone: Bits(everyone).permissions(),
            roles: roles
                .filter_map(|role| Some((Id::new_checked(role.id?.0)?, role.permissions)))
                .map(|(role, bits)| (role, bits.permissions()))
                .collect(),
        })
    }

    /// Computes what a channel allows, as Discord does: the category's exceptions are copied into a channel when they
    /// are meant to hold there, so only its own count.
    pub(super) fn allowed(&self, kind: PlaceKind, overwrites: &[PermissionOverwrite]) -> Allowed {
        let calculator = PermissionCalculator::new(self.guild, self.me, self.everyone, &self.roles);
        let calculator = match self.owner {
            Some(owner) => calculator.owner_id(owner),
            None => calculator,
        };
        let ours = calculator.in_channel(WHOLE, overwrites);
        let anybodys = PermissionCalculator::new(self.guild, ANYBODY, self.everyone, &[])
            .in_channel(WHOLE, overwrites);
        // The chat of a voice channel is shown to those who may join it.
        let voice = matches!(kind, PlaceKind::Voice | PlaceKind::Stage);
        let access = if !ours.contains(Permissions::VIEW_CHANNEL) {
            Access::Hidden
        } else if voice && !ours.contains(Permissions::CONNECT) {
            Access::NoConnect
        } else if !ours.contains(Permissions::READ_MESSAGE_HISTORY) {
            Access::NoHistory
        } else {
            Access::Readable
        };
        Allowed {
            access,
            public: anybodys.contains(Permissions::VIEW_CHANNEL)
                && (!voice || anybodys.contains(Permissions::CONNECT)),
            manages_threads: ours.contains(Permissions::MANAGE_THREADS),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GuildParts {
    #[serde(deserialize_with = "lenient")]
    owner_id: Option<UserId>,
    #[serde(deserialize_with = "each")]
    roles: Vec<Role>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Role {
    #[serde(deserialize_with = "lenient")]
    id: Option<Snowflake>,
    #[serde(deserialize_with = "lenient")]
    permissions: Bits,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MemberParts {
    #[serde(deserialize_with = "each")]
    roles: Vec<Snowflake>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUILD: GuildId = GuildId(1);
    const ME: UserId = UserId(5);
    const VIEW: u64 = 1 << 10;
    const HISTORY: u64 = 1 << 16;
    const CONNECT: u64 = 1 << 20;
    const ALL: u64 = VIEW | HISTORY | CONNECT;

    fn standing(everyone: u64, role: u64, owner: u64) -> Standing {
        let guild = format!(
            r#"{{"owner_id":"{owner}","roles":[{{"id":"1","permissions":"{everyone}"}},
                {{"id":"7","permissions":"{role}"}},{{"id":"8","permissions":"8"}},null,{{}}]}}"#
        );
        Standing::read(GUILD, ME, guild.as_bytes(), br#"{"roles":["7","77"]}"#).unwrap()
    }

    fn overwrites(json: &str) -> Vec<PermissionOverwrite> {
        let list: Vec<Overwrite> = serde_json::from_str(json).unwrap();
        list.iter().filter_map(Overwrite::for_calculator).collect()
    }

    #[track_caller]
    fn check(standing: &Standing, kind: PlaceKind, json: &str, access: Access, public: bool) {
        let allowed = standing.allowed(kind, &overwrites(json));
        assert_eq!((allowed.access, allowed.public), (access, public), "{json}");
    }

    #[test]
    fn a_channel_without_exceptions_is_as_the_roles_say() {
        let text = PlaceKind::Text;
        check(&standing(ALL, 0, 9), text, "[]", Access::Readable, true);
        check(&standing(0, ALL, 9), text, "[]", Access::Readable, false);
        check(&standing(VIEW, 0, 9), text, "[]", Access::NoHistory, true);
        check(&standing(HISTORY, 0, 9), text, "[]", Access::Hidden, false);
        check(&standing(0, 1 << 3, 9), text, "[]", Access::Readable, false);
        check(&standing(0, 0, ME.0), text, "[]", Access::Readable, false);
    }

    #[test]
    fn exceptions_hold_for_everyone_then_roles_then_the_member() {
        let roles = standing(ALL, 0, 9);
        let closed = r#"{"id":"1","type":0,"allow":"0","deny":"1024"}"#;
        let for_role = r#"{"id":"7","type":0,"allow":"1024","deny":"0"}"#;
        let against_me = r#"{"id":"5","type":1,"allow":"0","deny":"65536"}"#;
        let text = PlaceKind::Text;
        check(&roles, text, &format!("[{closed}]"), Access::Hidden, false);
        check(&roles, text, &format!("[{for_role},{closed}]"), Access::Readable, false);
        check(
            &roles,
            text,
            &format!("[{closed},{for_role},{against_me}]"),
            Access::NoHistory,
            false,
        );
        check(&roles, text, r#"[{"id":"1","type":9,"deny":"1024"},{}]"#, Access::Readable, true);
    }

    #[test]
    fn the_chat_of_a_voice_channel_needs_connect_and_keeps_its_history() {
        for kind in [PlaceKind::Voice, PlaceKind::Stage] {
            check(&standing(ALL, 0, 9), kind, "[]", Access::Readable, true);
            check(&standing(VIEW | HISTORY, 0, 9), kind, "[]", Access::NoConnect, false);
            check(&standing(VIEW | HISTORY, CONNECT, 9), kind, "[]", Access::Readable, false);
        }
    }
}
