//! The overview as people read it: what needs attention first, and no thousand lines.

use std::{collections::BTreeMap, fmt};

use indicatif::HumanBytes;

use super::{Covered, Files, HeldBack, Overview, Reconciled, Running, Standing, Verified, Waiting};
use crate::domain::printable::Printable;

/// A screen holds some fifty lines; half of them for places leaves the rest in sight.
const PLACES_SHOWN: usize = 25;

/// How many places are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// As many as fit a screen; the rest is counted.
    Screenful,
    /// All of them.
    All,
}

/// An overview in words.
#[derive(Debug)]
pub struct Words<'a> {
    overview: &'a Overview,
    amount: Amount,
}

impl Overview {
    /// In words, for people.
    pub fn words(&self, amount: Amount) -> Words<'_> {
        Words { overview: self, amount }
    }
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let overview = self.overview;
        match &overview.service {
            Some(service) => write_service(f, service)?,
            None => writeln!(f, "Service    does not run on this STATE_DIR")?,
        }
        let Files { seen, stored, stored_bytes, gone, stills, links, removed } = &overview.files;
        let size = HumanBytes(*stored_bytes);
        writeln!(
            f,
            "Files      {stored} stored ({size}), {stills} stills, {seen} seen on Discord"
        )?;
        if *gone > 0 {
            writeln!(f, "           {gone} were gone from Discord before they could be copied")?;
        }
        if *removed > 0 {
            writeln!(f, "           {removed} were deleted on Discord, and are not erased yet")?;
        }
        if *links > 0 {
            writeln!(f, "Links      {links} kept alive")?;
        }
        let Waiting { downloads, download_bytes, thumbnails, moves, .. } = &overview.waiting;
        let size = HumanBytes(*download_bytes);
        writeln!(f, "Waiting    {downloads} to copy ({size}), {thumbnails} to make a still of")?;
        if *moves > 0 {
            writeln!(f, "           {moves} to bring to the bucket where they belong")?;
        }
        match &overview.published {
            Some(published) => {
                writeln!(f, "Published  {} (number {})", published.at, published.generation)?;
            }
            None => writeln!(f, "Published  nothing yet")?,
        }
        write_verified(f, overview.verified.as_ref())?;
        if let Some(held) = &overview.held {
            write_held(f, held)?;
        }
        self.write_places(f)?;
        write_reconciled(f, &overview.reconciled)?;
        write_parked(f, overview)?;
        write_messages(f, overview)
    }
}

impl Words<'_> {
    fn write_places(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = &self.overview.places;
        writeln!(
            f,
            "History    {} messages read in {} channels and threads",
            self.overview.messages_read,
            places.iter().filter(|place| place.messages > 0).count()
        )?;
        let limit = if self.amount == Amount::All { usize::MAX } else { PLACES_SHOWN };
        let mut shown: Vec<&Covered> = places
            .iter()
            // What nobody asked for is counted below, and listed only when everything is.
            .filter(|place| self.amount == Amount::All || is_worth_a_line(place))
            .collect();
        // Channels before their threads, which are many.
        shown.sort_by_key(|place| (place.state, place.kind == "thread"));
        for place in shown.iter().take(limit) {
            let name = format!("#{}", place.name);
            let (name, messages) = (Printable(&name), place.messages);
            writeln!(f, "  {name:<28} {messages:>8} messages  {}", standing(place))?;
        }
        let hidden = places.len() - shown.len().min(limit);
        if hidden == 0 {
            return Ok(());
        }
        let mut counts: BTreeMap<Standing, usize> = BTreeMap::new();
        let listed: Vec<_> = shown.iter().take(limit).map(|place| place.id).collect();
        for place in places.iter().filter(|place| !listed.contains(&place.id)) {
            *counts.entry(place.state).or_default() += 1;
        }
        let counts: Vec<_> =
            counts.into_iter().map(|(state, count)| format!("{count} {}", label(state))).collect();
        writeln!(f, "  and {} (--all lists them)", counts.join(", "))
    }
}

fn is_worth_a_line(place: &Covered) -> bool {
    !matches!(place.state, Standing::LeftOut | Standing::Deleted)
}

fn label(state: Standing) -> &'static str {
    match state {
        Standing::Denied => "that the bot may not read",
        Standing::Incomplete => "not complete yet",
        Standing::Complete => "complete",
        Standing::Deleted => "deleted on Discord",
        Standing::LeftOut => "left out",
    }
}

fn standing(place: &Covered) -> String {
    let holes = match place.holes {
        0 => String::new(),
        1 => ", 1 hole before".to_owned(),
        holes => format!(", {holes} holes before"),
    };
    match (place.state, place.complete_since) {
        (Standing::LeftOut, _) => {
            format!("left out: {}", Printable(place.not_read.as_deref().unwrap_or("not wanted")))
        }
        (Standing::Deleted, _) => "deleted on Discord".to_owned(),
        (Standing::Denied, _) => {
            format!("NOT READ: {}", Printable(place.not_read.as_deref().unwrap_or("no permission")))
        }
        (Standing::Complete, None) => "nothing to read".to_owned(),
        (Standing::Incomplete, None) => "not read yet".to_owned(),
        (_, Some(_)) if place.from_start && place.holes == 0 => "complete".to_owned(),
        (_, Some(since)) => format!("complete since {since}{holes}"),
    }
}

fn write_service(f: &mut fmt::Formatter<'_>, service: &Running) -> fmt::Result {
    let Running { version, shards_listening, shards_wanted, restarts, caught_up } = service;
    let listening = match shards_wanted {
        Some(1) if *shards_listening == 1 => "listening to Discord".to_owned(),
        Some(wanted) => format!("{shards_listening} of {wanted} connections listening to Discord"),
        None => "not connected to Discord yet".to_owned(),
    };
    let reading = if *caught_up { "caught up" } else { "reading history" };
    let version = Printable(version);
    writeln!(f, "Service    runs (version {version}), {listening}, {reading}")?;
    let restarts: Vec<_> = restarts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(actor, count)| format!("{} {count}", Printable(actor)))
        .collect();
    if !restarts.is_empty() {
        writeln!(f, "           started again after a crash: {}", restarts.join(", "))?;
    }
    Ok(())
}

fn write_reconciled(f: &mut fmt::Formatter<'_>, reconciled: &Reconciled) -> fmt::Result {
    let Reconciled { places, places_done, places_under_way, all_since, messages, .. } = reconciled;
    if *messages == 0 && reconciled.unheard.is_none() {
        return Ok(());
    }
    let Reconciled { edits, deletions, .. } = reconciled;
    match all_since {
        Some(since) => write!(f, "Reconciled everything was read again since {since}")?,
        None => write!(f, "Reconciled {places_done} of {places} channels and threads read again")?,
    }
    writeln!(
        f,
        ", {places_under_way} under way: {edits} edits and {deletions} deletions found that nobody told of"
    )?;
    if let Some(unheard) = &reconciled.unheard {
        let (from, to) = (unheard.from, unheard.to);
        writeln!(
            f,
            "           nobody listened from {from} to {to}: the latest pages are being read again"
        )?;
    }
    Ok(())
}

fn write_verified(f: &mut fmt::Formatter<'_>, verified: Option<&Verified>) -> fmt::Result {
    let Some(Verified { at, deep, objects, problems, first, failed }) = verified else {
        return writeln!(f, "Verified   not yet (`bowerbird verify` does it)");
    };
    let depth = if *deep { "byte by byte" } else { "by listing" };
    match (failed, problems) {
        (Some(why), _) => writeln!(f, "Verified   NOT since {at}: {}", Printable(why)),
        (None, 0) => writeln!(f, "Verified   {at}, {depth}: {objects} objects, all whole"),
        (None, problems) => {
            writeln!(f, "Verified   {at}, {depth}: {problems} PROBLEMS among {objects} objects")?;
            for problem in first {
                writeln!(f, "           {}", Printable(problem))?;
            }
            writeln!(
                f,
                "           `bowerbird verify` lists them, `bowerbird verify --repair` mends them"
            )
        }
    }
}

fn write_held(f: &mut fmt::Formatter<'_>, held: &HeldBack) -> fmt::Result {
    let HeldBack { since, files } = held;
    writeln!(
        f,
        "HELD BACK  {files} files were deleted on Discord since {since}, too many at once to be erased:"
    )?;
    writeln!(
        f,
        "           `bowerbird status --allow-erasing` lets them be erased, if that was meant"
    )?;
    writeln!(f, "           `bowerbird status --keep-deleted` shows them again, marked as deleted")
}

fn write_parked(f: &mut fmt::Formatter<'_>, overview: &Overview) -> fmt::Result {
    let Waiting { downloads_parked, thumbnails_parked, moves_parked, .. } = &overview.waiting;
    let parked = [*thumbnails_parked, *moves_parked];
    let parked = parked.into_iter().fold(*downloads_parked, u64::saturating_add);
    if parked == 0 {
        return Ok(());
    }
    writeln!(f, "Put aside  {parked} that failed for good, or again and again:")?;
    for job in &overview.parked {
        let (queue, subject) = (Printable(&job.queue), Printable(&job.subject));
        writeln!(f, "  {queue} {subject}: {}", Printable(&job.why))?;
    }
    let shown = u64::try_from(overview.parked.len()).unwrap_or(u64::MAX);
    if parked > shown {
        writeln!(f, "  and {} more", parked - shown)?;
    }
    writeln!(f, "  `bowerbird status --retry-parked` has them tried again")
}

fn write_messages(f: &mut fmt::Formatter<'_>, overview: &Overview) -> fmt::Result {
    let parked = overview.waiting.messages_parked;
    if parked == 0 {
        return Ok(());
    }
    writeln!(
        f,
        "Unreadable {parked} messages, kept as they came for a version that understands them:"
    )?;
    for message in &overview.parked_messages {
        let why = Printable(&message.why);
        writeln!(f, "  {} in {}: {why}", message.message, message.channel)?;
    }
    let shown = u64::try_from(overview.parked_messages.len()).unwrap_or(u64::MAX);
    if parked > shown {
        writeln!(f, "  and {} more", parked - shown)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Would begin a line, clear the screen and turn what follows around.
    const STEERING: &str = "a\n\u{1b}[2J\u{202e}b";

    /// What `make fuzz` begins with: between them they have something in every field.
    fn seeds() -> [Value; 2] {
        let seeds = [
            include_str!("../../../fuzz/seeds/overview/status.json"),
            include_str!("../../../fuzz/seeds/overview/running.json"),
        ];
        seeds.map(|seed| serde_json::from_str(seed).unwrap())
    }

    fn words(overview: &Value) -> Option<String> {
        let overview: Overview = serde_json::from_value(overview.clone()).ok()?;
        Some(overview.words(Amount::All).to_string())
    }

    /// Every value that satisfies a condition, by its path.
    fn paths(value: &Value, path: &str, wanted: fn(&Value) -> bool, out: &mut Vec<String>) {
        if wanted(value) {
            out.push(path.to_owned());
        }
        let below: Vec<(String, &Value)> = match value {
            Value::Array(list) => (0..).map(|at: usize| at.to_string()).zip(list).collect(),
            Value::Object(fields) => fields.iter().map(|(name, it)| (name.clone(), it)).collect(),
            _ => Vec::new(),
        };
        for (name, value) in below {
            paths(value, &format!("{path}/{name}"), wanted, out);
        }
    }

    /// Puts a value in each place in turn. Returns what is said of it, wherever it makes sense.
    fn said_with(wanted: fn(&Value) -> bool, instead: &Value) -> Vec<(String, String)> {
        let mut said = Vec::new();
        for plain in seeds() {
            let before = words(&plain).unwrap();
            let mut places = Vec::new();
            paths(&plain, "", wanted, &mut places);
            for place in places {
                let mut changed = plain.clone();
                *changed.pointer_mut(&place).unwrap() = instead.clone();
                said.extend(words(&changed).map(|words| (before.clone(), words)));
            }
        }
        said
    }

    #[track_caller]
    fn check_steers_nothing(before: &str, said: &str) {
        assert_eq!(said.lines().count(), before.lines().count(), "{said}");
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
    }

    #[test]
    fn no_text_leaves_its_line() {
        let said = said_with(Value::is_string, &json!(STEERING));
        assert!(said.len() > 20, "of {} texts", said.len());
        for (before, said) in said {
            check_steers_nothing(&before, &said);
        }
        let [_, mut running] = seeds();
        let before = words(&running).unwrap();
        running["service"]["restarts"][STEERING] = json!(1);
        check_steers_nothing(&before, &words(&running).unwrap());
    }

    #[test]
    fn no_number_breaks_the_sums() {
        let said = said_with(Value::is_number, &json!(u64::MAX));
        assert!(said.len() > 20, "of {} numbers", said.len());
    }
}
