//! Compares what the page shows with what is true. Pure.
//!
//! A fault is a sentence for a person; none is left when everything that was posted has arrived, and only that.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    page::{Entry, Page},
    server,
    truth::{TrueFile, Truth},
};

/// Everything in which the page's data differs from the truth.
pub(crate) fn faults(truth: &Truth, page: &Page) -> Vec<String> {
    let mut faults = page.contradictions.clone();
    entries(truth, page, &mut faults);
    counts(truth, page, &mut faults);
    channels(truth, page, &mut faults);
    threads(truth, page, &mut faults);
    people(truth, page, &mut faults);
    faults
}

fn entries(truth: &Truth, page: &Page, faults: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for entry in &page.entries {
        if !seen.insert(entry.id.as_str()) {
            faults.push(format!("{} is shown twice", entry.id));
        }
        match truth.files.get(&entry.id) {
            Some(file) => compare(entry, file, faults),
            None => faults.push(format!("{} is shown and should not be", entry.id)),
        }
    }
    let missing = truth.files.keys().filter(|id| !seen.contains(id.as_str()));
    faults.extend(missing.map(|id| format!("{id} is not shown")));
}

fn compare(entry: &Entry, file: &TrueFile, faults: &mut Vec<String>) {
    let id = &entry.id;
    let mut differ = |what: &str, shown: &dyn std::fmt::Debug, truly: &dyn std::fmt::Debug| {
        faults.push(format!("{id}: {what} is {shown:?}, not {truly:?}"));
    };
    if entry.channel != file.channel {
        differ("its channel", &entry.channel, &file.channel);
    }
    if (&entry.poster_id, &entry.poster) != (&file.author, &file.author_name) {
        differ(
            "its author",
            &(&entry.poster_id, &entry.poster),
            &(&file.author, &file.author_name),
        );
    }
    if file.text.as_ref().is_some_and(|text| *text != entry.description) {
        differ("its text", &entry.description, &file.text);
    }
    if entry.description.contains("<@") || entry.description.contains("<#") {
        differ("its text", &entry.description, &"readable");
    }
    if entry.edited_at.is_some() != file.edited {
        differ("when it was edited", &entry.edited_at, &file.edited);
    }
    if entry.kind != file.kind {
        differ("its kind", &entry.kind, &file.kind);
    }
    if entry.size != file.size {
        differ("its size", &entry.size, &file.size);
    }
    if entry.spoiler != file.spoiler {
        differ("whether it is a spoiler", &entry.spoiler, &file.spoiler);
    }
    if let Some(gone) = &entry.gone {
        differ("why it is gone", gone, &"there");
    } else if entry.sha256.as_ref() != Some(&file.sha256) {
        differ("its checksum", &entry.sha256, &file.sha256);
    }
    let named = entry.media.as_deref().is_some_and(|path| {
        path.strip_prefix("media/").is_some_and(|name| name.starts_with(&file.sha256))
    });
    if !named {
        differ("its object", &entry.media, &format!("media/{}", file.sha256));
    }
    if file.kind != "audio" && entry.thumbnail.is_none() {
        differ("its still", &entry.thumbnail, &"there");
    }
}

fn counts(truth: &Truth, page: &Page, faults: &mut Vec<String>) {
    let manifest = &page.manifest;
    let mut count = |what: &str, said: u64, truly: u64| {
        if said != truly {
            faults.push(format!("the manifest says {said} {what}, not {truly}"));
        }
    };
    count("as its version", u64::from(manifest.version), 1);
    count("entries", manifest.totals.entries, truth.files.len() as u64);
    count("bytes", manifest.totals.bytes, truth.bytes());
    if manifest.title != server::NAME {
        faults.push(format!("the page is called {:?}, not {:?}", manifest.title, server::NAME));
    }
}

fn channels(truth: &Truth, page: &Page, faults: &mut Vec<String>) {
    let mut files: BTreeMap<&str, u64> = BTreeMap::new();
    for (id, place) in &truth.places {
        *files.entry(place.parent.as_deref().unwrap_or(id)).or_default() += place.files;
    }
    for channel in &page.manifest.channels {
        let (id, name) = (channel.id.as_str(), &channel.name);
        if truth.hidden.contains_key(id) {
            faults.push(format!("the channel {name:?} is named and should not be"));
        }
        if truth.places.get(id).is_some_and(|place| place.name != *name) {
            faults.push(format!("the channel {id} is called {name:?}"));
        }
        let truly = files.remove(id).unwrap_or_default();
        if channel.entries != truly {
            faults.push(format!("{name:?} counts {} entries, not {truly}", channel.entries));
        }
    }
    faults.extend(files.keys().map(|id| format!("the channel {id} is not in the manifest")));
}

fn threads(truth: &Truth, page: &Page, faults: &mut Vec<String>) {
    for (id, place) in &truth.places {
        let Some(parent) = &place.parent else { continue };
        let index = page.indexes.get(parent);
        match index.and_then(|index| index.threads.iter().find(|thread| thread.id == *id)) {
            None => faults.push(format!("the thread {:?} is not listed", place.name)),
            Some(thread) if (&thread.name, thread.entries) != (&place.name, place.files) => {
                let (name, files) = (&place.name, place.files);
                let shown = (&thread.name, thread.entries);
                faults.push(format!("the thread {:?} is listed as {shown:?}", (name, files)));
            }
            Some(_) => {}
        }
    }
    let listed = page.indexes.values().flat_map(|index| &index.threads);
    for thread in listed.filter(|thread| truth.hidden.contains_key(&thread.id)) {
        faults.push(format!("the thread {:?} is named and should not be", thread.name));
    }
}

fn people(truth: &Truth, page: &Page, faults: &mut Vec<String>) {
    for (id, person) in &truth.people {
        match page.users.get(id) {
            None => faults.push(format!("nobody is called {:?}", person.name)),
            Some(shown) if shown.name != person.name => {
                faults.push(format!("{:?} is called {:?}", person.name, shown.name));
            }
            Some(shown) if shown.avatar.is_some() != person.avatar.is_some() => {
                faults.push(format!("the picture of {:?} is {:?}", person.name, shown.avatar));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        page::{Channel, Index, Manifest, Thread, Totals, User},
        truth::{TruePerson, TruePlace},
    };

    const SHA: &str = "ab12";

    fn truth() -> Truth {
        let file = |channel: &str, kind: &str| TrueFile {
            channel: channel.to_owned(),
            author: "7".to_owned(),
            author_name: "Wren".to_owned(),
            text: Some("hi".to_owned()),
            edited: false,
            kind: kind.to_owned(),
            size: 9,
            sha256: SHA.to_owned(),
            spoiler: false,
        };
        let place = |name: &str, parent: Option<&str>| TruePlace {
            name: name.to_owned(),
            parent: parent.map(str::to_owned),
            files: 1,
        };
        Truth {
            files: [("1-2", file("100", "video")), ("3-4", file("200", "audio"))]
                .map(|(id, file)| (id.to_owned(), file))
                .into(),
            places: [("100", place("clips", None)), ("200", place("Owls", Some("100")))]
                .map(|(id, place)| (id.to_owned(), place))
                .into(),
            hidden: [("300".to_owned(), "moderators".to_owned())].into(),
            people: [("7".to_owned(), TruePerson { name: "Wren".to_owned(), avatar: None })].into(),
            messages: 2,
        }
    }

    fn page() -> Page {
        let entry = |id: &str, channel: &str, kind: &str, still: Option<&str>| Entry {
            id: id.to_owned(),
            channel: channel.to_owned(),
            poster_id: "7".to_owned(),
            poster: "Wren".to_owned(),
            description: "hi".to_owned(),
            kind: kind.to_owned(),
            size: 9,
            media: Some(format!("media/{SHA}.mp4")),
            thumbnail: still.map(str::to_owned),
            sha256: Some(SHA.to_owned()),
            ..Entry::default()
        };
        let channel = |id: &str, name: &str, entries| Channel {
            id: id.to_owned(),
            name: name.to_owned(),
            entries,
            index: None,
        };
        let thread = Thread { id: "200".to_owned(), name: "Owls".to_owned(), entries: 1 };
        Page {
            manifest: Manifest {
                version: 1,
                title: server::NAME.to_owned(),
                totals: Totals { entries: 2, bytes: 18 },
                channels: vec![channel("100", "clips", 2), channel("101", "empty", 0)],
                ..Manifest::default()
            },
            indexes: [(
                "100".to_owned(),
                Index { channel: "100".to_owned(), threads: vec![thread], ..Index::default() },
            )]
            .into(),
            entries: vec![
                entry("1-2", "100", "video", Some("thumb/1.webp")),
                entry("3-4", "200", "audio", None),
            ],
            users: [("7".to_owned(), User { name: "Wren".to_owned(), avatar: None })].into(),
            contradictions: Vec::new(),
        }
    }

    #[track_caller]
    fn check(spoil: impl Fn(&mut Page), expected: &[&str]) {
        let mut page = page();
        spoil(&mut page);
        let faults = faults(&truth(), &page);
        assert_eq!(faults.len(), expected.len(), "{faults:#?}");
        for (fault, expected) in faults.iter().zip(expected) {
            assert!(fault.contains(expected), "{fault:?} says nothing of {expected:?}");
        }
    }

    #[test]
    fn a_page_that_tells_the_truth_has_no_faults() {
        check(|_| {}, &[]);
    }

    #[test]
    fn what_is_missing_or_too_much_is_told() {
        check(|page| drop(page.entries.pop()), &["3-4 is not shown"]);
        check(|page| page.entries.push(page.entries[0].clone()), &["1-2 is shown twice"]);
        check(|page| page.entries[0].id = "5-6".into(), &["5-6 is shown", "1-2 is not shown"]);
        check(|page| page.manifest.totals.entries = 3, &["3 entries, not 2"]);
        check(|page| page.manifest.totals.bytes = 17, &["17 bytes, not 18"]);
        check(|page| page.manifest.channels[0].entries = 1, &["counts 1 entries, not 2"]);
        check(|page| page.manifest.channels[1].entries = 1, &["counts 1 entries, not 0"]);
        check(|page| drop(page.manifest.channels.remove(0)), &["100 is not in the manifest"]);
        check(|page| page.manifest.title = "X".into(), &["called \"X\""]);
    }

    #[test]
    fn what_differs_in_an_entry_is_told() {
        check(|page| page.entries[0].channel = "200".into(), &["its channel"]);
        check(|page| page.entries[0].poster = "Kea".into(), &["its author"]);
        check(|page| page.entries[0].description = "ho".into(), &["its text"]);
        check(|page| page.entries[0].edited_at = Some(String::new()), &["when it was edited"]);
        check(|page| page.entries[0].kind = "image".into(), &["its kind"]);
        check(|page| page.entries[0].size = 8, &["its size"]);
        check(|page| page.entries[0].spoiler = true, &["a spoiler"]);
        check(|page| page.entries[0].sha256 = None, &["its checksum"]);
        check(|page| page.entries[0].media = Some("media/cd.mp4".into()), &["its object"]);
        check(|page| page.entries[0].thumbnail = None, &["its still"]);
        check(|page| page.entries[0].gone = Some("deleted".into()), &["why it is gone"]);
    }

    #[test]
    fn places_and_people_that_differ_are_told() {
        let hidden = |page: &mut Page| {
            let channel =
                Channel { id: "300".into(), name: "moderators".into(), ..Channel::default() };
            page.manifest.channels.push(channel);
        };
        check(hidden, &["\"moderators\" is named"]);
        let index = |page: &mut Page| page.indexes.get_mut("100").unwrap().threads[0].entries = 2;
        check(index, &["is listed as"]);
        check(|page| page.indexes.clear(), &["\"Owls\" is not listed"]);
        check(|page| page.users.clear(), &["nobody is called \"Wren\""]);
        let renamed = |page: &mut Page| page.users.get_mut("7").unwrap().name = "Kea".into();
        check(renamed, &["is called \"Kea\""]);
        let pictured = |page: &mut Page| page.users.get_mut("7").unwrap().avatar = Some("x".into());
        check(pictured, &["the picture of \"Wren\""]);
    }
}
