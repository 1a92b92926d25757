//! What the bot may do in each channel that is wanted, by the names that an admin sees in Discord.

use std::collections::BTreeMap;

use super::Finding;
use crate::domain::{
    place::{Access, Place, Survey},
    selection::{Omission, PlaceSelection},
};

/// So many channels are named in a line; the rest is counted.
const NAMED: usize = 8;

pub(super) fn check(
    survey: &Survey,
    threads: &[Place],
    selection: &PlaceSelection,
) -> Vec<Finding> {
    let mut readable = 0;
    let mut missing: BTreeMap<&'static str, Vec<&Place>> = BTreeMap::new();
    let mut omitted: Vec<(Omission, Vec<&Place>)> = Vec::new();
    let mut unlisted = Vec::new();
    for channel in survey.channels.iter().filter(|channel| is_of_interest(channel)) {
        if let Some(omission) = selection.omits(channel, &channel.ancestors(|id| survey.find(id))) {
            match omitted.iter_mut().find(|(other, _)| *other == omission) {
                Some((_, channels)) => channels.push(channel),
                None => omitted.push((omission, vec![channel])),
            }
            continue;
        }
        match channel.access.missing() {
            Some(permission) => missing.entry(permission).or_default().push(channel),
            None => readable += 1,
        }
        let wants_private = selection.include_private || !selection.channels.is_empty();
        if wants_private && channel.kind.holds_threads() && !channel.manages_threads {
            unlisted.push(channel);
        }
    }
    let server = &survey.guild.name;
    let active = readable_threads(survey, threads, selection).count();
    let words = format!("{server}: {readable} channels and {active} active threads can be read");
    let mut findings = vec![if readable == 0 {
        Finding::bad("server", words).mend("invite the bot with the link in README.md, or give it View Channel and Read Message History")
    } else {
        Finding::good("server", words)
    }];
    findings.extend(missing.into_iter().map(|(permission, channels)| {
        Finding::bad("permission", format!("{server}: {permission:?} is missing in {}", names(&channels)))
            .mend(format!(
                "Edit Channel, Permissions, add the bot, allow {permission:?}; or leave the channel out with EXCLUDE_IDS"
            ))
    }));
    if !unlisted.is_empty() {
        findings.push(
            Finding::note(
                "permission",
                format!(
                    "{server}: archived private threads can't be listed in {}",
                    names(&unlisted)
                ),
            )
            .mend("allow \"Manage Threads\" there if they are to be archived"),
        );
    }
    findings.extend(omitted.into_iter().map(|(omission, channels)| {
        Finding::note("left out", format!("{server}: {}: {omission}", names(&channels)))
    }));
    findings
}

/// Channels and threads that can be read, to be probed.
pub(super) fn readable(
    survey: &Survey,
    threads: &[Place],
    selection: &PlaceSelection,
) -> Vec<Place> {
    let channels = survey.channels.iter().filter(|channel| {
        channel.kind.holds_messages()
            && channel.access == Access::Readable
            && selection.omits(channel, &channel.ancestors(|id| survey.find(id))).is_none()
    });
    channels.chain(readable_threads(survey, threads, selection)).cloned().collect()
}

fn readable_threads<'a>(
    survey: &'a Survey,
    threads: &'a [Place],
    selection: &'a PlaceSelection,
) -> impl Iterator<Item = &'a Place> {
    threads.iter().filter(|thread| {
        thread.access == Access::Readable
            && selection.omits(thread, &thread.ancestors(|id| survey.find(id))).is_none()
    })
}

fn is_of_interest(channel: &Place) -> bool {
    channel.kind.holds_messages() || channel.kind.holds_threads()
}

fn names(channels: &[&Place]) -> String {
    let named: Vec<_> =
        channels.iter().take(NAMED).map(|channel| format!("#{}", channel.name)).collect();
    match channels.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
