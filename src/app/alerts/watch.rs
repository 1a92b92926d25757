//! What is worth telling. Pure: one look at the vitals after the other, words for people out.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    app::{overview::Standing, vitals::Vitals},
    domain::{id::ChannelId, job::Queue, time::Timestamp},
    store::Tally,
};

/// Connections come and go, and are resumed within seconds.
const NOT_LISTENING: Duration = Duration::from_mins(5);

/// The bucket is renewed a lease three times a minute; outages of minutes cost nothing.
const NO_LEASE: Duration = Duration::from_mins(5);

/// A change that could not be published for so long does not wait for the next minute.
const UNPUBLISHED: Duration = Duration::from_mins(15);

/// Holes open whenever something was missed, and are read within minutes unless something is in the way.
const HOLE: Duration = Duration::from_mins(30);

/// A link is made new well before it dies; a dead one is late already.
const DEAD_LINK: Duration = Duration::from_mins(1);

/// What is put aside one by one is told at most this often.
const PARKED_AGAIN: Duration = Duration::from_hours(1);

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    NotListening,
    NoLease,
    Unpublished,
    DeadLink,
    Hole(ChannelId),
}

/// Since when something is wrong, and whether it was told.
#[derive(Clone, Copy, Debug)]
struct Since {
    at: Timestamp,
    told: bool,
}

/// Remembers what is wrong and what was told.
#[derive(Debug, Default)]
pub(super) struct Watch {
    wrong: BTreeMap<Trouble, Since>,
    parked: Option<Told>,
    denied: Option<u64>,
}

/// A count, as it was told last.
#[derive(Clone, Copy, Debug)]
struct Told {
    count: u64,
    at: Timestamp,
}

impl Watch {
    /// Looks at the service and returns what people are to be told.
    pub(super) fn look(&mut self, vitals: &Vitals) -> Vec<String> {
        let now = vitals.at;
        let troubles = troubles(vitals);
        let mut words = Vec::new();
        self.wrong.retain(|trouble, since| {
            let over = !troubles.contains_key(trouble);
            if over && since.told {
                words.push(format!("Over: {}.", trouble.name()));
            }
            !over
        });
        for (trouble, told) in troubles {
            let since = self.wrong.entry(trouble).or_insert(Since { at: now, told: false });
            if !since.told && now.since(since.at) >= trouble.grace() {
                since.told = true;
                words.push(told);
            }
        }
        words.extend(self.parked(vitals));
        words.extend(self.denied(vitals));
        words
    }

    /// Work that was put aside, when there is more of it than was told.
    fn parked(&mut self, vitals: &Vitals) -> Option<String> {
        let count = Queue::ALL
            .iter()
            .map(|queue| vitals.tallies.get(Tally::parked_in(*queue)))
            .sum::<u64>()
            + vitals.tallies.get(Tally::MessagesParked);
        let told = self.parked.unwrap_or(Told { count: 0, at: Timestamp::from_millis(0) });
        if count <= told.count {
            // What was taken up again may be put aside again, and is news then.
            self.parked = Some(Told { count, at: told.at });
            return None;
        }
        if vitals.at.since(told.at) < PARKED_AGAIN {
            return None;
        }
        self.parked = Some(Told { count, at: vitals.at });
        let reasons = vitals.queues.values().flat_map(|backlog| &backlog.parked);
        let most = reasons.max_by_key(|(_, count)| **count).map(|(reason, _)| reason.as_str());
        Some(format!(
            "{} more jobs were put aside, {count} in all{}. `bowerbird status` names them, `bowerbird status \
             --retry-parked` has them tried again.",
            count - told.count,
            most.map_or_else(String::new, |reason| format!(", most of them for: {reason}")),
        ))
    }

    /// Places that may not be read any more. Those that never could be were known when this began.
    fn denied(&mut self, vitals: &Vitals) -> Option<String> {
        let count = vitals.places.get(&Standing::Denied).copied().unwrap_or(0);
        let before = self.denied.replace(count).unwrap_or(count);
        (count > before).then(|| {
            format!(
                "{} more channels or threads may not be read any more ({count} in all): give the bot View Channel and \
                 Read Message History there, or leave them out with EXCLUDE_IDS. `bowerbird status` names them.",
                count - before
            )
        })
    }
}

impl Trouble {
    const fn grace(self) -> Duration {
        match self {
            Self::NotListening => NOT_LISTENING,
            Self::NoLease => NO_LEASE,
            Self::Unpublished => UNPUBLISHED,
            Self::DeadLink => DEAD_LINK,
            Self::Hole(_) => HOLE,
        }
    }

    fn name(self) -> String {
        match self {
            Self::NotListening => "Discord is listened to again".to_owned(),
            Self::NoLease => "the bucket takes what is written again".to_owned(),
            Self::Unpublished => "the page is up to date again".to_owned(),
            Self::DeadLink => "no link is dead any more".to_owned(),
            Self::Hole(channel) => format!("the hole in channel {channel} was read"),
        }
    }
}

/// Everything that is wrong now, in words.
fn troubles(vitals: &Vitals) -> BTreeMap<Trouble, String> {
    let mut troubles = BTreeMap::new();
    if !vitals.health.is_whole() {
        let heard = vitals.health.heard_at.map_or_else(
            || "nothing was heard since the start".to_owned(),
            |at| format!("the last event came at {at}"),
        );
        troubles.insert(
            Trouble::NotListening,
            format!(
                "Capture stopped: not listening to Discord ({heard}). What is posted meanwhile is read from history \
                 afterwards, but what is deleted meanwhile is lost. `bowerbird doctor` finds out why."
            ),
        );
    }
    if !vitals.lease_held {
        troubles.insert(
            Trouble::NoLease,
            "The bucket takes nothing: the lease could not be renewed. Files wait in STATE_DIR; `bowerbird doctor` \
             finds out why."
                .to_owned(),
        );
    }
    if let Some(due) = vitals.publication_due.filter(|due| *due < vitals.at) {
        troubles.insert(
            Trouble::Unpublished,
            format!("The page is not up to date: changes wait to be published since {due}."),
        );
    }
    if let Some(expiry) = vitals.soonest_expiry.filter(|expiry| *expiry < vitals.at) {
        troubles.insert(
            Trouble::DeadLink,
            format!("Links die: the first did at {expiry}, and Discord has given no new one."),
        );
    }
    for (channel, (name, holes)) in &vitals.holes {
        let holes = if *holes == 1 { "a hole".to_owned() } else { format!("{holes} holes") };
        troubles.insert(
            Trouble::Hole(*channel),
            format!(
                "There is {holes} in what was read of {name:?} ({channel}), and it is not being filled. `bowerbird \
                 status` tells more."
            ),
        );
    }
    troubles
}

#[cfg(test)]
mod tests;
