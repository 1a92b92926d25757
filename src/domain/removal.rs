//! What becomes of what was deleted on Discord.

use std::{fmt, time::Duration};

/// What becomes of a file whose message was deleted on Discord.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDelete {
    /// It leaves the page with the next publication and the public bucket soon after, and is erased later.
    #[default]
    Hide,
    /// Bytes, still, text and raw message go at once.
    Erase,
    /// It stays on the page, marked.
    Keep,
}

impl OnDelete {
    /// Its name in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hide => "hide",
            Self::Erase => "erase",
            Self::Keep => "keep",
        }
    }
}

impl fmt::Display for OnDelete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is done about deletions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemovalPolicy {
    /// What becomes of what was deleted.
    pub on_delete: OnDelete,
    /// How long what is hidden is kept; for ever when none.
    pub erase_after: Option<Duration>,
    /// When so much of an archive is deleted within ten minutes, an attack is more likely than a wish: nothing is
    /// erased then until a person says so.
    pub mass: Percent,
}

impl Default for RemovalPolicy {
    /// As the settings are when nobody sets them.
    fn default() -> Self {
        Self {
            on_delete: OnDelete::Hide,
            erase_after: Some(Duration::from_hours(24 * 30)),
            mass: Percent(5),
        }
    }
}

/// So many in a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u8);

impl Percent {
    /// Whether a part is more than this share of a whole.
    pub fn is_exceeded(self, part: u64, whole: u64) -> bool {
        u128::from(part) * 100 > u128::from(whole) * u128::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(percent: u8, part: u64, whole: u64, exceeded: bool) {
        assert_eq!(Percent(percent).is_exceeded(part, whole), exceeded);
    }

    #[test]
    fn a_share_is_exceeded_by_more_than_itself() {
        check(5, 5, 100, false);
        check(5, 6, 100, true);
        check(5, 1, 19, true);
        check(100, 19, 19, false);
        check(0, 0, 0, false);
        check(0, 1, 100, true);
        check(50, u64::MAX, u64::MAX, true);
    }
}
