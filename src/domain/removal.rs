//! What becomes of what was deleted on Discord, where bytes belong that not everybody may see, and when so much is
//! deleted that a person should look before anything is erased.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// How long deletions are counted together.
pub const WAVE: Duration = Duration::from_mins(10);

/// So few files are no wave, whatever their share: somebody who tidies up takes off a dozen, and in an archive of a
/// hundred files that is more than any share worth setting.
pub const SMALLEST_WAVE: u64 = 20;

/// A list of channels without one that was there may be wrong. What was in it is hidden at once, and erased no sooner
/// than this: until then the server is listed again, which happens hourly.
pub const LISTED_AGAIN: Duration = Duration::from_mins(65);

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

impl RemovalPolicy {
    /// Whether the page goes without what was deleted.
    pub fn hides(&self) -> bool {
        self.on_delete != OnDelete::Keep
    }

    /// When what was deleted at some time is to be erased; none when it stays.
    pub fn erase_at(&self, deleted: Timestamp) -> Option<Timestamp> {
        match self.on_delete {
            OnDelete::Hide => self.erase_after.map(|after| deleted.after(after)),
            OnDelete::Erase => Some(deleted),
            OnDelete::Keep => None,
        }
    }

    /// What was deleted before this may be erased now; none when nothing may.
    pub fn erases_before(&self, now: Timestamp) -> Option<Timestamp> {
        match self.on_delete {
            OnDelete::Hide => self.erase_after.map(|after| now.before(after)),
            OnDelete::Erase => Some(now),
            OnDelete::Keep => None,
        }
    }
}

/// How many files were deleted lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// How many at which times, oldest first.
    pub deleted: Vec<(Timestamp, u64)>,
}

impl Wave {
    /// Counts some more, and tells since when deletions are to be held back: that is when more were deleted lately than
    /// the policy takes for a wish. `whole` is the number of files that were there before these.
    pub fn add(
        &mut self,
        now: Timestamp,
        count: u64,
        whole: u64,
        policy: &RemovalPolicy,
    ) -> Option<Timestamp> {
        let begin = now.before(WAVE);
        self.deleted.retain(|(at, _)| *at > begin);
        let before: u64 = self.deleted.iter().map(|(_, count)| count).sum();
        match self.deleted.last_mut() {
            Some((at, counted)) if *at == now => *counted += count,
            _ => self.deleted.push((now, count)),
        }
        let part = before + count;
        let mass = part >= SMALLEST_WAVE && policy.mass.is_exceeded(part, whole + before);
        self.deleted.first().filter(|_| mass).map(|(at, _)| *at)
    }
}

/// Where bytes are, or belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Home {
    /// In the bucket that everybody may read.
    Public,
    /// In the one for what must not be public.
    Private,
    /// Nowhere: they are being erased.
    Nowhere,
}

/// What is to be done so that bytes are where they belong, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Chore {
    /// Copy them to where they belong.
    Copy(Home),
    /// Delete them where they do not belong.
    Clear(Home),
    /// Delete them wherever they are.
    Erase,
}

impl Chore {
    /// The next thing to do for bytes that are at `home` and belong to `wanted`. `stale` tells that there may be copies
    /// elsewhere.
    pub const fn next(home: Home, wanted: Home, stale: bool) -> Option<Self> {
        match (home, wanted) {
            (_, Home::Nowhere) | (Home::Nowhere, _) => Some(Self::Erase),
            (Home::Public, Home::Private) => Some(Self::Copy(Home::Private)),
            (Home::Private, Home::Public) => Some(Self::Copy(Home::Public)),
            (Home::Public, Home::Public) if stale => Some(Self::Clear(Home::Private)),
            (Home::Private, Home::Private) if stale => Some(Self::Clear(Home::Public)),
            (Home::Public, Home::Public) | (Home::Private, Home::Private) => None,
        }
    }

    /// Whether it takes away what a manifest may still name, and so waits for a publication.
    pub const fn waits_for_publication(self) -> bool {
        matches!(self, Self::Clear(Home::Public) | Self::Erase)
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

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_secs(minute * 60)
    }

    /// Deletions at minutes, of so many files that were there first; returns since when they are held back, and at
    /// which of them that was noticed.
    #[track_caller]
    fn wave(percent: u8, whole: u64, deletions: &[(i64, u64)], held: Option<(usize, i64)>) {
        let policy = RemovalPolicy { mass: Percent(percent), ..RemovalPolicy::default() };
        let (mut wave, mut left) = (Wave::default(), whole);
        let mut noticed = None;
        for (number, &(at, count)) in deletions.iter().enumerate() {
            let since = wave.add(minute(at), count, left, &policy);
            noticed = noticed.or(since.map(|since| (number, since.as_secs() / 60)));
            left -= count;
        }
        assert_eq!(noticed, held);
    }

    #[test]
    fn more_than_the_share_within_ten_minutes_is_held_back() {
        wave(5, 1_000, &[(0, 50)], None);
        wave(5, 1_000, &[(0, 51)], Some((0, 0)));
        wave(5, 1_000, &[(0, 30), (5, 20), (9, 1)], Some((2, 0)));
        // What is older than ten minutes no longer counts, and what is left is less.
        wave(5, 1_000, &[(0, 30), (5, 20), (10, 20)], None);
        wave(5, 1_000, &[(0, 30), (5, 20), (10, 29)], Some((2, 5)));
        // A tiny archive is not held by its third deletion.
        wave(5, 40, &[(0, 3), (1, 16)], None);
        wave(5, 40, &[(0, 3), (1, 17)], Some((1, 0)));
        wave(100, 40, &[(0, 40)], None);
        wave(0, 1_000, &[(0, 19)], None);
        wave(0, 1_000, &[(0, 19), (1, 1)], Some((1, 0)));
    }

    #[test]
    fn bytes_are_copied_home_before_they_are_cleared_elsewhere() {
        use Home::{Nowhere, Private, Public};
        let table = [
            (Public, Public, false, None),
            (Public, Public, true, Some(Chore::Clear(Private))),
            (Public, Private, false, Some(Chore::Copy(Private))),
            (Public, Private, true, Some(Chore::Copy(Private))),
            (Private, Private, false, None),
            (Private, Private, true, Some(Chore::Clear(Public))),
            (Private, Public, true, Some(Chore::Copy(Public))),
            (Public, Nowhere, false, Some(Chore::Erase)),
            (Private, Nowhere, true, Some(Chore::Erase)),
            (Nowhere, Nowhere, true, Some(Chore::Erase)),
            // Whoever has the bytes again says so before anybody asks.
            (Nowhere, Public, true, Some(Chore::Erase)),
        ];
        for (home, wanted, stale, chore) in table {
            assert_eq!(Chore::next(home, wanted, stale), chore, "{home:?} {wanted:?} {stale}");
        }
        let waits = [Chore::Clear(Public), Chore::Erase];
        for chore in [Chore::Copy(Public), Chore::Copy(Private), Chore::Clear(Private)] {
            assert!(!chore.waits_for_publication());
        }
        assert!(waits.into_iter().all(Chore::waits_for_publication));
    }

    #[test]
    fn what_was_deleted_is_erased_when_its_time_has_come() {
        let policy = |on_delete, erase_after| RemovalPolicy {
            on_delete,
            erase_after,
            ..RemovalPolicy::default()
        };
        let hour = Some(Duration::from_hours(1));
        for (policy, at) in [
            (policy(OnDelete::Hide, hour), Some(minute(70))),
            (policy(OnDelete::Hide, None), None),
            (policy(OnDelete::Erase, hour), Some(minute(10))),
            (policy(OnDelete::Keep, hour), None),
        ] {
            assert_eq!(policy.erase_at(minute(10)), at);
            let before = |now| policy.erases_before(minute(now)).is_some_and(|b| minute(10) <= b);
            let due = at.map(|at| at.as_secs() / 60);
            assert!(due.is_none_or(|due| before(due) && !before(due - 1)), "{policy:?}");
            assert_eq!(due.is_none(), !before(1_000_000), "{policy:?}");
        }
    }
}
