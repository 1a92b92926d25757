//! What came of schedules: how many there were, where processes died, which faults they met, what was checked.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::points;
use crate::world::{World, point::Point, record::sum};

/// What came of some schedules.
#[derive(Debug, Default)]
pub(super) struct Summary {
    schedules: u64,
    /// The seeds of those that failed.
    pub(super) failed: Vec<u64>,
    lives: u64,
    /// How long those were, on their own clocks.
    lived: Duration,
    /// How many entries were compared with what Discord held, in the end.
    entries: u64,
    passed: BTreeMap<Point, u64>,
    deaths: BTreeMap<Point, u64>,
    faults: BTreeMap<String, u64>,
    /// Tells one course of events from another.
    pub(super) history: u64,
}

impl Summary {
    /// What came of a schedule that ended well.
    pub(super) fn of(world: &World) -> Self {
        let record = &world.record;
        let mut faults = record.faults.clone();
        sum(&mut faults, world.weather.met().into_iter().map(|(fault, n)| (fault.to_owned(), n)));
        Self {
            schedules: 1,
            failed: Vec::new(),
            lives: record.lives,
            lived: record.lived,
            entries: world.archive().entries.len() as u64,
            passed: record.passed.clone(),
            deaths: record.deaths.clone(),
            faults,
            history: record.history,
        }
    }

    /// One more schedule.
    pub(super) fn add(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.lives += other.lives;
        self.lived += other.lived;
        self.entries += other.entries;
        sum(&mut self.passed, other.passed);
        sum(&mut self.deaths, other.deaths);
        sum(&mut self.faults, other.faults);
    }

    /// Where a process was to die, and none did.
    pub(super) fn unmet(&self) -> Vec<String> {
        let unmet = points::all().into_iter().filter(|point| !points::is_rare(point));
        let unmet = unmet.filter(|point| !self.deaths.contains_key(point));
        unmet.map(|point| point.to_string()).collect()
    }

    /// Moments that nobody listed.
    pub(super) fn unnamed(&self) -> Vec<String> {
        let known = points::known();
        let unnamed = self.passed.keys().filter(|point| !known.contains(point));
        unnamed.map(|point| format!("{point} ({:?})", point.step)).collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schedules, failed, lives, lived, .. } = self;
        let Self { entries, passed, deaths, faults, .. } = self;
        writeln!(f, "deaths, of how often somebody came there:")?;
        for (point, times) in passed {
            let deaths = deaths.get(point).copied().unwrap_or_default();
            writeln!(f, "  {deaths:>8} of {times:>10}  {point}")?;
        }
        writeln!(f, "faults:")?;
        for (fault, count) in faults {
            writeln!(f, "  {count:>8}  {fault}")?;
        }
        let deaths: u64 = deaths.values().sum();
        let faults: u64 = faults.values().sum();
        let days = lived.as_secs() / (24 * 60 * 60);
        write!(
            f,
            "{schedules} schedules of {lives} lives in {days} simulated days, {deaths} deaths at a named moment, \
             {faults} faults, {entries} entries compared, {} schedules failed ",
            failed.len()
        )
    }
}
