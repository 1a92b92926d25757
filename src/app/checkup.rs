//! Examines what the service needs, one thing after the other.

use std::fmt;

use serde::Serialize;

use super::settings::Settings;

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    findings: Vec<Finding>,
}

/// One thing that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    what: String,
    state: State,
    /// What was seen, and how to mend it.
    words: String,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// To be mended.
    Bad,
}

/// Examines everything.
pub async fn examine(_settings: &Settings) -> Report {
    Report::default()
}

impl Report {
    /// How many things are to be mended.
    pub fn faults(&self) -> usize {
        self.findings.iter().filter(|finding| finding.state == State::Bad).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { what, state, words } in &self.findings {
            let mark = match state {
                State::Good => "ok  ",
                State::Note => "note",
                State::Bad => "BAD ",
            };
            writeln!(f, "{mark} {what}: {words}")?;
        }
        Ok(())
    }
}
