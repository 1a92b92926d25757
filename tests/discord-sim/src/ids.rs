//! Snowflakes: typed ids, and the times inside them.
//!
//! Everything here speaks of places and people through these. Pure values: a crash loses nothing.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Serialize, Serializer};

/// The first millisecond of 2015, where Discord's snowflakes begin.
pub const DISCORD_EPOCH: u64 = 1_420_070_400_000;

/// Ids within one millisecond: 22 bits below the time.
const SEQUENCE_BITS: u32 = 22;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// When the thing was created, in unix milliseconds.
            pub fn millis(self) -> u64 {
                (self.0 >> SEQUENCE_BITS) + DISCORD_EPOCH
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }
    )*};
}

id! {
    /// Names a server.
    GuildId,
    /// Names a channel or a thread.
    ChannelId,
    /// Names a message.
    MessageId,
    /// Names an account, ours included.
    UserId,
    /// Names a role; the one of @everyone has the server's number.
    RoleId,
    /// Names an uploaded file.
    AttachmentId,
}

/// The smallest snowflake of a millisecond.
pub fn first_at(millis: u64) -> u64 {
    millis.saturating_sub(DISCORD_EPOCH) << SEQUENCE_BITS
}

/// Hands out snowflakes that are unique whatever their times are.
#[derive(Debug, Default)]
pub(crate) struct IdSource {
    used: std::collections::HashMap<u64, u64>,
}

impl IdSource {
    /// The next id of this millisecond.
    pub(crate) fn at(&mut self, millis: u64) -> u64 {
        let sequence = self.used.entry(millis).or_default();
        let id = first_at(millis) | *sequence;
        *sequence += 1;
        id
    }
}
