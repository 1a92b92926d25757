//! Settings: every problem at once. Checks go on with the others' defaults, so that one slip hides nothing else.

use std::{num::NonZeroUsize, thread::available_parallelism};

use super::Finding;
use crate::{
    app::settings::Settings,
    config::{Config, LocalConfig, Problems, hints},
};

/// The settings, as far as they make sense.
pub(super) struct Setup {
    pub(super) config: Option<Config>,
    pub(super) local: Option<LocalConfig>,
}

pub(super) fn check(settings: &Settings) -> (Setup, Vec<Finding>) {
    let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let mut findings = Vec::new();
    let config = match Config::check(&|name| settings.get(name), cores) {
        Ok(config) => {
            findings.push(Finding::good("settings", "all can be used"));
            Some(config)
        }
        Err(problems) => {
            findings.extend(
                problems.0.iter().map(|problem| Finding::bad("settings", problem.to_string())),
            );
            Config::check(&without(settings, &problems), cores).ok()
        }
    };
    let local = LocalConfig::check(&|name| settings.get(name))
        .or_else(|problems| LocalConfig::check(&without(settings, &problems)))
        .ok();
    let names = settings.names();
    let hints = hints(names.iter().map(String::as_str));
    findings.extend(hints.iter().map(|hint| Finding::note("settings", hint.to_string())));
    (Setup { config, local }, findings)
}

/// The same settings without those that can't be used.
fn without<'a>(
    settings: &'a Settings,
    problems: &'a Problems,
) -> impl Fn(&str) -> Option<String> + 'a {
    |name| {
        let unusable = problems.0.iter().any(|problem| problem.variable().name == name);
        if unusable { None } else { settings.get(name) }
    }
}
