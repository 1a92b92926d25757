//! Reads one setting after the other and remembers what was wrong, so that all problems are told at once.

use super::{
    Lookup,
    problem::{Complaint, Problem, Problems},
    variable::Variable,
};

pub(super) struct Reader<'a> {
    lookup: &'a Lookup<'a>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: &'a Lookup<'a>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    /// The value of a setting that may be absent. None also stands for a problem, which [`Self::finish`] reports.
    pub(super) fn optional<T>(
        &mut self,
        variable: &'static Variable,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        let text = self.text(variable)?;
        match tidy(&text).and_then(parse) {
            Ok(value) => Some(value),
            Err(why) => {
                self.problems.push(Problem::unusable(variable, &text, why));
                None
            }
        }
    }

    /// The value of a setting that has a default or must be set. None always stands for a problem.
    pub(super) fn required<T>(
        &mut self,
        variable: &'static Variable,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        if self.text(variable).is_none() {
            self.problems.push(Problem::Missing { variable });
            return None;
        }
        self.optional(variable, parse)
    }

    /// What was read, unless there were problems.
    pub(super) fn finish<T>(self, assemble: impl FnOnce() -> Option<T>) -> Result<T, Problems> {
        if !self.problems.is_empty() {
            return Err(Problems(self.problems));
        }
        Ok(assemble().expect("a required setting that is none has left a problem"))
    }

    /// An empty variable counts as none: that is how Compose files and `.env` files leave one out.
    fn text(&self, variable: &Variable) -> Option<String> {
        (self.lookup)(variable.name)
            .filter(|text| !text.is_empty())
            .or_else(|| variable.default.map(str::to_owned))
    }
}

/// Refuses what the way into the environment added to a value.
fn tidy(text: &str) -> Result<&str, Complaint> {
    for quote in ['"', '\''] {
        if text.trim().len() > 1 && text.trim().starts_with(quote) && text.trim().ends_with(quote) {
            return Err(
                "has quotes around it (docker run --env-file keeps them; leave them out)".into()
            );
        }
    }
    if text.ends_with('\r') {
        return Err("ends with a carriage return (save the file with Unix line ends)".into());
    }
    if text.trim() != text {
        return Err("has blanks around it (remove them)".into());
    }
    Ok(text)
}
