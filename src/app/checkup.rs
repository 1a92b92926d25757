//! Examines what the service needs, one thing after the other, and says how to mend what is wrong.
//!
//! `doctor` asks for it. Each check has a deadline, and none keeps another from being made. Nothing is written to
//! Discord, and what is written to the bucket or to the disk to see whether it can be is removed again.

mod deadline;
mod setup;
mod machine;
mod state;
mod archive;
mod bot;
mod places;
mod probe;

use std::fmt;

use serde::Serialize;

use self::setup::Setup;
use super::settings::Settings;

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    findings: Vec<Finding>,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was tried.
    about: &'static str,
    state: State,
    /// What was seen.
    words: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
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
pub async fn examine(settings: &Settings) -> Report {
    let (setup, mut findings) = setup::check(settings);
    let Setup { config, local } = setup;
    // Boxed: a check weighs as much as all the calls it makes.
    let (machine, state, archive, bot) = tokio::join!(
        Box::pin(machine::check()),
        Box::pin(async {
            match &local {
                Some(local) => state::check(local).await,
                None => vec![untried("state")],
            }
        }),
        Box::pin(async {
            match &local {
                Some(local) => archive::check(local).await,
                None => vec![untried("archive")],
            }
        }),
        Box::pin(async {
            match &config {
                Some(config) => bot::check(config).await,
                None => vec![untried("token")],
            }
        }),
    );
    findings.extend([bot, machine, state, archive].into_iter().flatten());
    Report { findings }
}

fn untried(about: &'static str) -> Finding {
    Finding::note(about, "not tried: the settings have to be mended first")
}

impl Finding {
    fn good(about: &'static str, words: impl Into<String>) -> Self {
        Self { about, state: State::Good, words: words.into(), remedy: None }
    }

    fn note(about: &'static str, words: impl Into<String>) -> Self {
        Self { about, state: State::Note, words: words.into(), remedy: None }
    }

    fn bad(about: &'static str, words: impl Into<String>) -> Self {
        Self { about, state: State::Bad, words: words.into(), remedy: None }
    }

    fn mend(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

impl Report {
    /// How many things are to be mended.
    pub fn faults(&self) -> usize {
        self.findings.iter().filter(|finding| finding.state == State::Bad).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { about, state, words, remedy } in &self.findings {
            let mark = match state {
                State::Good => "ok  ",
                State::Note => "note",
                State::Bad => "BAD ",
            };
            let indented = |text: &str| text.replace('\n', "\n                  ");
            writeln!(f, "{mark} {about:<11}  {}", indented(words))?;
            if let Some(remedy) = remedy {
                writeln!(f, "               -> {}", indented(remedy))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_is_wrong_and_how_to_mend_it() {
        let report = Report {
            findings: vec![
                Finding::good("token", "the bot is Wren"),
                Finding::note("clock", "4 seconds off"),
                Finding::bad("ffmpeg", "is not installed").mend("apt-get install ffmpeg"),
            ],
        };
        assert_eq!(report.faults(), 1);
        assert_eq!(
            report.to_string(),
            "ok   token        the bot is Wren\n\
             note clock        4 seconds off\n\
             BAD  ffmpeg       is not installed\n               -> apt-get install ffmpeg\n"
        );
    }
}
