//! Discord's ids, typed by what they identify.
//!
//! JSON carries them as strings, because a snowflake does not fit a JavaScript number; rows carry them as integers.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::time::Timestamp;

/// First millisecond of 2015, from which snowflakes count.
/// Source: Discord's reference, "Snowflakes".
const DISCORD_EPOCH: i64 = 1_420_070_400_000;

/// A snowflake keeps its time above the 22 bits of worker, process and counter.
const TIME_SHIFT: u32 = 22;

/// Declares ids that differ in what they identify only.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The smallest id that Discord could have given at this time.
            pub const fn at(time: Timestamp) -> Self {
                Self(snowflake_at(time))
            }

            /// When Discord gave this id.
            pub const fn created_at(self) -> Timestamp {
                time_of(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                write_id(self.0, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read_id(deserializer).map(Self)
            }
        }
    )+};
}

ids! {
    /// A server.
    GuildId,
    /// A channel or a thread; Discord draws both from one space.
    ChannelId,
    /// A message.
    MessageId,
    /// A file that somebody posted.
    AttachmentId,
    /// Somebody who posts: a person, a bot or a webhook.
    UserId,
    /// A role in a server.
    RoleId,
}

impl ChannelId {
    /// The message that shares this id: a forum post begins with one.
    pub const fn as_message(self) -> MessageId {
        MessageId(self.0)
    }
}

impl MessageId {
    /// Before every message.
    pub const FIRST: Self = Self(0);
    /// After every message.
    pub const LAST: Self = Self(u64::MAX);

    /// The id just above.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The id just below.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

const fn snowflake_at(time: Timestamp) -> u64 {
    let since = time.as_millis() - DISCORD_EPOCH;
    if since <= 0 { 0 } else { since.cast_unsigned() << TIME_SHIFT }
}

const fn time_of(snowflake: u64) -> Timestamp {
    Timestamp::from_millis((snowflake >> TIME_SHIFT).cast_signed() + DISCORD_EPOCH)
}

fn write_id<S: Serializer>(id: u64, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.collect_str(&id)
    } else {
        serializer.serialize_u64(id)
    }
}

fn read_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    if deserializer.is_human_readable() {
        deserializer.deserialize_any(IdVisitor)
    } else {
        deserializer.deserialize_u64(IdVisitor)
    }
}

struct IdVisitor;

impl de::Visitor<'_> for IdVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snowflake, as a string or an integer")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, id: u64) -> Result<u64, E> {
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snowflake_tells_its_time() {
        // The example of Discord's reference, "Snowflakes".
        let id = MessageId(175_928_847_299_117_063);
        assert_eq!(id.created_at().to_string(), "2016-04-30T11:18:25.796Z");
    }

    #[test]
    fn a_time_gives_the_first_id_of_its_millisecond() {
        let id = MessageId(175_928_847_299_117_063);
        let first = MessageId::at(id.created_at());
        assert!(first <= id);
        assert_eq!(first.created_at(), id.created_at());
        assert_eq!(first.previous().created_at().as_millis(), id.created_at().as_millis() - 1);
    }

    #[test]
    fn a_time_before_discord_gives_the_first_id() {
        assert_eq!(MessageId::at(Timestamp::from_millis(0)), MessageId::FIRST);
    }

    #[test]
    fn json_carries_strings_and_rows_carry_integers() {
        let id = ChannelId(1 << 60);
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"1152921504606846976\"");
        assert_eq!(serde_json::from_str::<ChannelId>("1152921504606846976").unwrap(), id);
        let row = postcard::to_stdvec(&id).unwrap();
        assert_eq!(postcard::from_bytes::<ChannelId>(&row).unwrap(), id);
        assert!(serde_json::from_str::<ChannelId>("\"general\"").is_err());
    }
}
