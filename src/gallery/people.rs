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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{entry::CopiedAvatar, id::MessageId},
        gallery::published,
    };

    #[test]
    fn who_is_read_back_lacks_the_picture_that_was_lacking() {
        let copied = |hash: &str| {
            let object = "userData/avatars/1.png".to_owned();
            Some(CopiedAvatar { hash: hash.to_owned(), object })
        };
        for (avatar, copied, missing) in [
            (None, None, None),
            (Some("new"), None, Some("new")),
            (Some("new"), copied("old"), Some("new")),
            (Some("new"), copied("new"), None),
        ] {
            let person = Person {
                name: "wren".to_owned(),
                avatar: avatar.map(str::to_owned),
                bot: false,
                copied: copied.clone(),
                seen_in: MessageId::FIRST,
            };
            let packed = people(&[(UserId(7), person.clone())]);
            let read = published::people(&packed.bytes).unwrap();
            assert_eq!(read, [(UserId(7), person)]);
            assert_eq!(read[0].1.missing_picture(), missing);
        }
    }
}
