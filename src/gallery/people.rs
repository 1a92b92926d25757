//! The file of people: who posted, under what name, with which picture.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Packed;
use crate::domain::{entry::Person, id::UserId};

#[derive(Serialize)]
struct People<'a> {
    users: BTreeMap<UserId, Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    avatar: Option<&'a str>,
    /// Discord's hash of the picture, so that a catalogue rebuilt from this need not fetch it again.
    picture: Option<&'a str>,
    /// Discord's hash of the picture that was not copied yet, so that such a catalogue knows what to fetch.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'a str>,
    bot: bool,
}

/// Packs everybody.
pub fn people(people: &[(UserId, Person)]) -> Packed {
    let users = people.iter().map(|(id, person)| {
        let copied = person.copied.as_ref();
        let avatar = copied.map(|copied| copied.object.as_str());
        let picture = copied.map(|copied| copied.hash.as_str());
        (
            *id,
            Shown {
                name: &person.name,
                avatar,
                picture,
                missing: person.missing_picture(),
                bot: person.bot,
            },
        )
    });
    Packed::new("userData/users", &People { users: users.collect() })
}
