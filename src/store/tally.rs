//! Running counts, so that nobody has to walk a table to learn how long it is.

use super::{
    Store, StoreError,
    table::{Source, Txn},
    tables::TALLIES,
};
use crate::domain::job::{JobState, Queue};

/// What is counted. A number is on disk for ever; a new count takes a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Tally {
    /// Messages read from history.
    MessagesRead = 1,
    /// Files seen, wanted or not.
    Entries = 2,
    /// Files whose bytes are in the bucket.
    Stored = 3,
    /// Their bytes; shared content counts each time.
    StoredBytes = 4,
    /// Files that Discord no longer has.
    Gone = 5,
    /// Messages deleted on Discord.
    Deleted = 6,
    /// Downloads that are waiting.
    DownloadsWaiting = 7,
    /// Downloads that were put aside.
    DownloadsParked = 8,
    /// Looks that are waiting.
    ThumbnailsWaiting = 9,
    /// Looks that were put aside.
    ThumbnailsParked = 10,
    /// Stills made.
    Stills = 11,
    /// Links kept alive.
    Links = 12,
    /// Bytes waiting to be downloaded.
    BytesWaiting = 13,
    /// Messages seen live.
    MessagesLive = 14,
    /// Messages that could not be recorded, and were kept as they came.
    MessagesParked = 15,
    /// Changes of what the page shows.
    Changes = 16,
    /// Files that are no longer to be seen on Discord, and not erased yet.
    Removed = 26,
    /// Bytes that wait to be brought where they belong, or out of where they do not.
    MovesWaiting = 27,
    /// The same, put aside.
    MovesParked = 28,
    /// Messages read again.
    MessagesReread = 34,
    /// Edits that only a second reading found.
    EditsFound = 35,
    /// Deletions that only a second reading found.
    DeletionsFound = 36,
}

impl Tally {
    /// How many jobs of a queue wait.
    pub const fn waiting_in(queue: Queue) -> Self {
        Self::of_job(queue, &JobState::Ready)
    }

    /// How many jobs of a queue were put aside.
    pub const fn parked_in(queue: Queue) -> Self {
        match queue {
            Queue::Download => Self::DownloadsParked,
            Queue::Thumbnail => Self::ThumbnailsParked,
            Queue::Move => Self::MovesParked,
        }
    }

    /// The count that a job in this state belongs to.
    pub(super) const fn of_job(queue: Queue, state: &JobState) -> Self {
        match (queue, state) {
            (queue, JobState::Parked { .. }) => Self::parked_in(queue),
            (Queue::Download, _) => Self::DownloadsWaiting,
            (Queue::Thumbnail, _) => Self::ThumbnailsWaiting,
            (Queue::Move, _) => Self::MovesWaiting,
        }
    }
}

/// All counts at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies(Vec<(u8, i64)>);

impl Tallies {
    /// These counts, and nothing else.
    #[cfg(test)]
    pub(crate) fn of(counts: &[(Tally, u64)]) -> Self {
        let row = |(tally, count): &(Tally, u64)| (*tally as u8, count.cast_signed());
        Self(counts.iter().map(row).collect())
    }

    /// One of them.
    pub fn get(&self, tally: Tally) -> u64 {
        let found = self.0.iter().find(|(number, _)| *number == tally as u8);
        found.map_or(0, |(_, count)| u64::try_from(*count).unwrap_or(0))
    }
}

impl Store {
    /// All counts.
    pub fn tallies(&self) -> Result<Tallies, StoreError> {
        TALLIES.all(&self.source()).map(Tallies)
    }
}

pub(super) fn count(txn: &mut Txn<'_>, tally: Tally, change: i64) -> Result<(), StoreError> {
    if change == 0 {
        return Ok(());
    }
    let key = tally as u8;
    let before = read(txn, key)?;
    TALLIES.put(txn, &key, &(before + change));
    Ok(())
}

/// Counts a change of what the page shows, and numbers it: no two changes have one number.
pub(super) fn number_change(txn: &mut Txn<'_>) -> Result<u64, StoreError> {
    count(txn, Tally::Changes, 1)?;
    last_change(txn)
}

/// The number of the last change of what the page shows.
pub(super) fn last_change(source: &impl Source) -> Result<u64, StoreError> {
    let number = read(source, Tally::Changes as u8)?;
    Ok(u64::try_from(number).expect("this count only grows"))
}

/// One of the counts.
pub(super) fn counted(source: &impl Source, tally: Tally) -> Result<u64, StoreError> {
    Ok(u64::try_from(read(source, tally as u8)?).unwrap_or(0))
}

fn read(source: &impl Source, key: u8) -> Result<i64, StoreError> {
    Ok(TALLIES.get(source, &key)?.unwrap_or(0))
}
