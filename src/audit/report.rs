//! What a verification came to, and how far it is while it runs.
//!
//! Written by whoever verifies, told by `verify`, by `status` and by the control socket. Pure: nothing here can be
//! lost.

use std::fmt;

use indicatif::{HumanBytes, HumanCount};
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Part};
use crate::domain::time::Timestamp;

/// So many findings are kept word by word, the rest is counted: a bucket that lost everything must not fill memory.
/// A repair that meets more takes several rounds.
const KEPT: usize = 10_000;

/// A screen holds some fifty lines; half of them leaves the summary in sight.
const SHOWN: usize = 25;

/// How closely objects are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// Names, lengths, checksums and times, as listings tell; small data is read.
    #[default]
    Light,
    /// Every byte.
    Deep,
}

/// What the bucket is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The catalogue in `STATE_DIR`.
    Catalogue,
    /// Itself: everything that its manifest leads to.
    Manifest,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Entries of the catalogue, or of the page.
    pub entries: u64,
    /// Files that were posted.
    pub media: u64,
    /// Stills.
    pub stills: u64,
    /// Pictures of people.
    pub pictures: u64,
    /// Shards, indexes, the file of people, the manifest, and the page's own files.
    pub data: u64,
    /// The bytes of all these, as they are listed.
    pub bytes: u64,
    /// Objects that were read to their end, because listing them proves too little.
    pub read: u64,
    /// Their bytes.
    pub bytes_read: u64,
}

/// A file that could not be brought back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Its object.
    pub object: String,
    /// Why.
    pub why: String,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repaired {
    /// Objects that are whole again.
    pub mended: u64,
    /// Objects that nothing named and that are gone now.
    pub removed: u64,
    /// Files that Discord no longer has; the page says so.
    pub lost: Vec<Lost>,
    /// What could not be repaired now, and why.
    pub left: Vec<Lost>,
}

/// What a verification came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
    pub seconds: u64,
    /// How closely was looked.
    pub depth: Depth,
    /// What the bucket was compared with.
    pub against: Against,
    /// Whether nothing is wrong.
    pub whole: bool,
    /// How much was looked at.
    pub checked: Checked,
    /// How many things are wrong; after a repair, still.
    pub problems: u64,
    /// The first of them.
    pub findings: Vec<Finding>,
    /// Objects in our folders whose names are none of ours. They are left alone.
    pub strangers: u64,
    /// What was repaired; none unless it was asked for.
    pub repaired: Option<Repaired>,
}

/// How far a verification is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being looked at.
    pub stage: Stage,
    /// How much was looked at so far.
    pub checked: Checked,
    /// What was found so far.
    pub problems: u64,
}

/// What is being done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading the catalogue, or the archive's own data.
    #[default]
    Entries,
    /// Comparing files.
    Media,
    /// Comparing stills.
    Stills,
    /// Reading what the page reads.
    Data,
    /// Repairing.
    Repair,
}

/// Gathers what is found.
#[derive(Clone, Debug, Default)]
pub struct Tray {
    /// How much was looked at.
    pub checked: Checked,
    /// Objects that are none of ours.
    pub strangers: u64,
    problems: u64,
    kept: Vec<Finding>,
}

impl Tray {
    /// Takes in a finding.
    pub fn add(&mut self, finding: Finding) {
        self.problems += 1;
        if self.kept.len() < KEPT {
            self.kept.push(finding);
        }
    }

    /// How many were taken in.
    pub const fn problems(&self) -> u64 {
        self.problems
    }

    /// The first of them.
    pub fn findings(&self) -> &[Finding] {
        &self.kept
    }

    /// Counts an object that was looked at.
    pub fn count(&mut self, part: Part, bytes: u64) {
        let checked = &mut self.checked;
        let of_part = match part {
            Part::Media => &mut checked.media,
            Part::Still => &mut checked.stills,
            Part::Picture => &mut checked.pictures,
            Part::Data | Part::Page | Part::Probe => &mut checked.data,
            Part::Catalogue => &mut checked.entries,
        };
        *of_part += 1;
        checked.bytes += bytes;
    }

    /// Counts an object that was read.
    pub fn count_read(&mut self, bytes: u64) {
        self.checked.read += 1;
        self.checked.bytes_read += bytes;
    }

    /// What it came to.
    pub fn into_report(
        self,
        against: Against,
        depth: Depth,
        began: Timestamp,
        at: Timestamp,
    ) -> Report {
        Report {
            at,
            seconds: at.since(began).as_secs(),
            depth,
            against,
            whole: self.problems == 0,
            checked: self.checked,
            problems: self.problems,
            findings: self.kept,
            strangers: self.strangers,
            repaired: None,
        }
    }
}

impl Checked {
    /// Objects of every sort.
    pub const fn objects(&self) -> u64 {
        self.media + self.stills + self.pictures + self.data
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Entries => "reading the catalogue",
            Self::Media => "comparing files",
            Self::Stills => "comparing stills",
            Self::Data => "reading the page's data",
            Self::Repair => "repairing",
        })
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, checked, problems } = self;
        write!(f, "{stage}: {} objects", HumanCount(checked.objects()))?;
        if checked.read > 0 {
            write!(f, ", {} read", HumanBytes(checked.bytes_read))?;
        }
        match problems {
            0 => Ok(()),
            1 => f.write_str(", 1 problem"),
            problems => write!(f, ", {problems} problems"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked { entries, media, stills, pictures, data, bytes, read, bytes_read } =
            self.checked;
        let against = match self.against {
            Against::Catalogue => "the catalogue",
            Against::Manifest => "its own manifest, without a catalogue",
        };
        writeln!(f, "Compared   with {against}: {entries} entries")?;
        writeln!(
            f,
            "Objects    {media} files, {stills} stills, {pictures} pictures of people, {data} of the page ({})",
            HumanBytes(bytes)
        )?;
        match (self.depth, read) {
            (Depth::Light, 0) => {}
            (Depth::Light, _) => writeln!(
                f,
                "Read       {read} ({}), which listing alone does not prove",
                HumanBytes(bytes_read)
            )?,
            (Depth::Deep, _) => {
                writeln!(f, "Read       all {read}, byte by byte ({})", HumanBytes(bytes_read))?;
            }
        }
        if self.strangers > 0 {
            writeln!(
                f,
                "Not ours   {} objects in our folders; they are left alone",
                self.strangers
            )?;
        }
        if let Some(repaired) = &self.repaired {
            write_repaired(f, repaired)?;
        }
        self.write_findings(f)?;
        self.write_summary(f)
    }
}

impl Report {
    fn write_findings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.whole {
            return Ok(());
        }
        writeln!(f)?;
        let mut shown: Vec<&Finding> = self.findings.iter().collect();
        shown.sort_by_key(|finding| finding.part);
        shown.truncate(SHOWN);
        let mut part = None;
        for finding in &shown {
            if part != Some(finding.part) {
                part = Some(finding.part);
                writeln!(f, "In {}:", finding.part.name())?;
            }
            writeln!(f, "  {finding}")?;
            if self.repaired.is_none() && self.against == Against::Catalogue {
                writeln!(f, "    -> {}", finding.remedy())?;
            }
        }
        let rest = self.problems - u64::try_from(shown.len()).unwrap_or(self.problems);
        if rest > 0 {
            writeln!(f, "  and {rest} more (--json lists them)")?;
        }
        writeln!(f)
    }

    fn write_summary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects = HumanCount(self.checked.objects());
        let seconds = self.seconds;
        match self.problems {
            0 => writeln!(f, "Whole: {objects} objects, nothing is wrong ({seconds} s)"),
            1 => writeln!(f, "NOT WHOLE: 1 problem among {objects} objects ({seconds} s)"),
            problems => {
                writeln!(f, "NOT WHOLE: {problems} problems among {objects} objects ({seconds} s)")
            }
        }
    }
}

fn write_repaired(f: &mut fmt::Formatter<'_>, repaired: &Repaired) -> fmt::Result {
    let Repaired { mended, removed, lost, left } = repaired;
    writeln!(f, "Repaired   {mended} mended, {removed} removed, {} lost", lost.len())?;
    for (what, list) in [("lost", lost), ("left", left)] {
        for Lost { object, why } in list.iter().take(SHOWN) {
            writeln!(f, "  {what}: {object}: {why}")?;
        }
        if list.len() > SHOWN {
            writeln!(f, "  and {} more {what}", list.len() - SHOWN)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::finding::Fault;

    fn missing(number: usize) -> Finding {
        Finding { part: Part::Media, object: format!("media/{number}.mp4"), fault: Fault::Missing }
    }

    fn report(problems: usize) -> Report {
        let mut tray = Tray::default();
        tray.count(Part::Media, 10);
        (0..problems).for_each(|number| tray.add(missing(number)));
        let at = Timestamp::from_secs;
        tray.into_report(Against::Catalogue, Depth::Light, at(5), at(8))
    }

    #[test]
    fn a_whole_archive_is_told_in_a_few_lines() {
        assert_eq!(
            report(0).to_string(),
            "Compared   with the catalogue: 0 entries\n\
             Objects    1 files, 0 stills, 0 pictures of people, 0 of the page (10 B)\n\
             Whole: 1 objects, nothing is wrong (3 s)\n"
        );
    }

    #[test]
    fn each_problem_says_what_to_do_and_many_are_counted() {
        let words = report(KEPT + 5).to_string();
        assert!(
            words.contains("  media/0.mp4 is missing\n    -> --repair fetches it again"),
            "{words}"
        );
        let rest = KEPT + 5 - SHOWN;
        assert!(words.contains(&format!("  and {rest} more (--json lists them)")), "{words}");
        assert!(words.ends_with("NOT WHOLE: 10005 problems among 1 objects (3 s)\n"), "{words}");
        assert!(words.lines().count() < 70, "{words}");
        assert_eq!(report(KEPT + 5).findings.len(), KEPT);
    }
}
