//! Members of a server, of whom nothing but their roles matters.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::{discord::DiscordError, domain::id::RoleId};

/// Insists on the roles: somebody who has none has an empty list, and a missing one may hide that they opted out.
#[derive(Deserialize)]
struct Member {
    roles: BTreeSet<RoleId>,
}

#[derive(Deserialize)]
struct Message {
    member: Option<Member>,
}

/// The roles of a member.
pub(in crate::discord) fn member_roles(json: &[u8]) -> Result<BTreeSet<RoleId>, DiscordError> {
    let member: Member = serde_json::from_slice(json)
        .map_err(|error| DiscordError::malformed("a member", &error))?;
    Ok(member.roles)
}

/// The roles of whoever posted a message, as the gateway tells them; none where it does not, as for webhooks.
pub fn roles_of_author(message: &str) -> Option<BTreeSet<RoleId>> {
    let message: Message = serde_json::from_str(message).ok()?;
    message.member.map(|member| member.roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_told_by_members_and_by_live_messages() {
        assert_eq!(member_roles(br#"{"roles":["5","6"]}"#).unwrap(), [RoleId(5), RoleId(6)].into());
        assert!(member_roles(br#"{"nick":"Wren"}"#).is_err());
        let live = r#"{"id":"1","member":{"nick":null,"roles":["5"]}}"#;
        assert_eq!(roles_of_author(live), Some([RoleId(5)].into()));
        assert_eq!(roles_of_author(r#"{"id":"1"}"#), None);
        assert_eq!(roles_of_author("nonsense"), None);
    }
}
