//! Variables that are set and mean nothing here, though somebody may think they do.

use std::{collections::BTreeSet, fmt};

use super::variable::{
    ALL, ARCHIVE_DIR, BUCKET_NAME, CHANNEL_IDS, GOOGLE_APPLICATION_CREDENTIALS, SERVER_IDS,
    STATE_BUCKET_NAME, TOKEN, Variable,
};

/// What other bots and tools call the same thing.
const FOREIGN: &[(&str, &Variable)] = &[
    ("BOT_TOKEN", &TOKEN),
    ("DISCORD_BOT_TOKEN", &TOKEN),
    ("DISCORD_TOKEN", &TOKEN),
    ("GUILD_ID", &SERVER_IDS),
    ("GUILD_IDS", &SERVER_IDS),
    ("DISCORD_GUILD_ID", &SERVER_IDS),
    ("DISCORD_CHANNEL_ID", &CHANNEL_IDS),
    ("BUCKET", &BUCKET_NAME),
    ("GCS_BUCKET", &BUCKET_NAME),
    ("STATE_BUCKET", &STATE_BUCKET_NAME),
];

/// In a short name one slip is all that keeps it recognisable; in a long one two are.
const SHORT_NAME: usize = 8;

/// A variable that is set and does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// It looks like another.
    Misspelled {
        /// What was set.
        found: String,
        /// What may have been meant.
        meant: &'static str,
    },
    /// It does nothing without another.
    Alone {
        /// What was set.
        found: &'static str,
        /// What is missing beside it.
        missing: &'static str,
        /// What is used instead.
        instead: &'static str,
    },
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misspelled { found, meant } => {
                write!(f, "{found} is set but means nothing here: did you mean {meant}?")
            }
            Self::Alone { found, missing, instead } => {
                write!(f, "{found} is set but {missing} is not: {instead} is used")
            }
        }
    }
}

/// Looks through the names of all variables that are set and not empty.
pub fn hints<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Hint> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let mut hints = Vec::new();
    for &name in &names {
        if let Some(meant) = meant(name)
            && !names.contains(meant)
        {
            hints.push(Hint::Misspelled { found: name.to_owned(), meant });
        }
    }
    let buckets = [BUCKET_NAME.name, STATE_BUCKET_NAME.name];
    if names.contains(GOOGLE_APPLICATION_CREDENTIALS.name)
        && !buckets.iter().any(|bucket| names.contains(bucket))
    {
        hints.push(Hint::Alone {
            found: GOOGLE_APPLICATION_CREDENTIALS.name,
            missing: BUCKET_NAME.name,
            instead: ARCHIVE_DIR.name,
        });
    }
    hints
}

fn meant(name: &str) -> Option<&'static str> {
    if ALL.iter().any(|variable| variable.name == name) {
        return None;
    }
    if let Some((_, variable)) = FOREIGN.iter().find(|(foreign, _)| *foreign == name) {
        return Some(variable.name);
    }
    let upper = name.to_ascii_uppercase();
    ALL.iter()
        .map(|variable| (strsim::damerau_levenshtein(&upper, variable.name), variable.name))
        .filter(|(slips, meant)| *slips <= if meant.len() <= SHORT_NAME { 1 } else { 2 })
        .min()
        .map(|(_, meant)| meant)
}
