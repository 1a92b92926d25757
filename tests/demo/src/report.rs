//! What the demo did, as a small table.

use std::{fmt, time::Duration};

use discord_sim::Stats;

use crate::truth::Truth;

/// The numbers of one run.
pub(crate) struct Report {
    rows: Vec<(&'static str, String)>,
}

impl Report {
    /// Adds up what is true, what was counted and how long it took.
    pub(crate) fn new(truth: &Truth, stats: &Stats, publications: u64, took: Duration) -> Self {
        let limited = match stats.limited {
            0 => "none".to_owned(),
            limited => format!("{limited}, {} of them avoidable", stats.avoidable),
        };
        let rows = vec![
            (
                "messages",
                format!("{} in {} channels and threads", truth.messages, truth.places.len()),
            ),
            ("attachments", truth.files.len().to_string()),
            ("bytes", size(truth.bytes())),
            ("downloads", format!("{}, {}", stats.total_downloads(), size(stats.total_bytes()))),
            ("requests", stats.total_requests().to_string()),
            ("429s", limited),
            ("publications", publications.to_string()),
            ("seconds", took.as_secs().to_string()),
        ];
        Self { rows }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.rows {
            writeln!(f, "  {name:<14}{value}")?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a size for people")]
fn size(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_was_counted() {
        let mut stats = Stats { limited: 3, avoidable: 1, ..Stats::default() };
        stats.requests.insert("GET /x".to_owned(), 41);
        let report = Report::new(&Truth::default(), &stats, 7, Duration::from_millis(61_900));
        let text = report.to_string();
        for line in [
            "  requests      41\n",
            "  429s          3, 1 of them avoidable\n",
            "  seconds       61\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
