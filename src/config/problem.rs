//! What is wrong with a setting, told so that it can be mended without looking anything up.

use std::{borrow::Cow, fmt};

use super::variable::{Sensitivity, Variable};

/// Long values are cut in messages: the beginning is enough to recognise them.
const SHOWN: usize = 60;

/// What stands for a value that nobody should see.
const HIDDEN: &str = "***";

/// Why a text can't be used, to follow the name of its variable: "has quotes around it".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint(pub(super) Cow<'static, str>);

impl From<&'static str> for Complaint {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Complaint {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

/// What is wrong with one setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nobody set it, and nothing works without it.
    #[error("{} is missing: it should be {}", names(.variable), .variable.shape)]
    Missing {
        /// The setting.
        variable: &'static Variable,
    },
    /// What was set can't be used.
    #[error("{} ({found}) {why}: it should be {}", names(.variable), .variable.shape)]
    Unusable {
        /// The setting.
        variable: &'static Variable,
        /// What was set, safe to show.
        found: String,
        /// What is wrong with it.
        why: Cow<'static, str>,
    },
}

impl Problem {
    pub(super) fn unusable(variable: &'static Variable, found: &str, why: Complaint) -> Self {
        if variable.sensitivity == Sensitivity::Secret {
            return Self::Unusable { variable, found: HIDDEN.to_owned(), why: why.0 };
        }
        if looks_like_a_token(found) {
            let why = Cow::Borrowed("holds what looks like a token");
            return Self::Unusable { variable, found: HIDDEN.to_owned(), why };
        }
        Self::Unusable { variable, found: show(found), why: why.0 }
    }

    /// The setting that it is about.
    pub fn variable(&self) -> &'static Variable {
        match self {
            Self::Missing { variable } | Self::Unusable { variable, .. } => variable,
        }
    }
}

/// Everything that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, more @ ..] = self.0.as_slice() else { return Ok(()) };
        if more.is_empty() {
            return first.fmt(f);
        }
        write!(f, "{} settings need attention", self.0.len())?;
        for problem in &self.0 {
            write!(f, "\n  - {problem}")?;
        }
        Ok(())
    }
}

fn names(variable: &Variable) -> String {
    match variable.flag {
        Some(flag) => format!("{} or {flag}", variable.name),
        None => variable.name.to_owned(),
    }
}

fn show(found: &str) -> String {
    match found.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{:?}…", &found[..cut]),
        None => format!("{found:?}"),
    }
}

/// Whether something was pasted into the wrong variable that nobody should see.
fn looks_like_a_token(text: &str) -> bool {
    /// Bot tokens have 57 characters and more; no other setting joins as many without a slash or a comma.
    const SHORTEST: usize = 50;
    text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_'))
        .any(|word| word.len() >= SHORTEST && word.contains('.'))
}
