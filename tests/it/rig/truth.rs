//! What an archive must hold, computed from the simulator's state and never from what Bowerbird made of it.

use std::collections::{BTreeMap, BTreeSet};

use discord_sim::{
    ChannelId, Kind, Place, Placement, TruthAttachment, TruthMessage, World, iso8601,
};
use serde_json::Value;

use super::archive::{Archive, Leftovers};

/// Whether a file of a message is to be there.
type Wanted = dyn Fn(&TruthMessage, &TruthAttachment) -> bool + Send + Sync;

/// Which part of a world is to be archived: everything that everybody may see, unless more is said.
pub(crate) struct Selected {
    /// Which files, of those in places that are shown.
    pub files: Box<Wanted>,
    /// Places shown though not everybody sees them, or though they are age-restricted; their threads as well.
    pub named: BTreeSet<ChannelId>,
    /// Whether files may be left in the bucket that no entry names any more.
    pub leftovers: Leftovers,
}

impl Default for Selected {
    fn default() -> Self {
        Self {
            files: Box::new(|_, _| true),
            named: BTreeSet::new(),
            leftovers: Leftovers::default(),
        }
    }
}

impl Selected {
    /// Only some of the files.
    pub(crate) fn files(
        wanted: impl Fn(&TruthMessage, &TruthAttachment) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { files: Box::new(wanted), ..Self::default() }
    }

    /// Messages were deleted after their files had been copied.
    pub(crate) fn after_deletions() -> Self {
        Self { leftovers: Leftovers::OfDeletedMessages, ..Self::default() }
    }

    fn shows(&self, place: &Place) -> bool {
        let named = |id| self.named.contains(&id);
        (place.public && !place.nsfw) || named(place.id) || place.parent.is_some_and(named)
    }
}

/// The files an archive must show, by the id of their entry.
pub(crate) fn expected(
    world: &World,
    selected: &Selected,
) -> BTreeMap<String, (TruthMessage, TruthAttachment)> {
    let shown: BTreeMap<ChannelId, Place> = world
        .places()
        .into_iter()
        .filter(|place| selected.shows(place))
        .map(|place| (place.id, place))
        .collect();
    let mut expected = BTreeMap::new();
    for message in world.expected() {
        if !shown.contains_key(&message.channel) {
            continue;
        }
        for file in &message.attachments {
            if file.placement == Placement::Listed && (selected.files)(&message, file) {
                let id = format!("{}-{}", message.id, file.id);
                expected.insert(id, (message.clone(), file.clone()));
            }
        }
    }
    expected
}

/// Panics unless the archive shows exactly these.
pub(crate) fn assert_holds(archive: &Archive, world: &World, selected: &Selected) {
    let expected = expected(world, selected);
    let missing: Vec<_> = expected.keys().filter(|id| !archive.entries.contains_key(*id)).collect();
    let surplus: Vec<_> = archive.entries.keys().filter(|id| !expected.contains_key(*id)).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "of {} entries {} are missing: {missing:?}; {} should not be there: {surplus:?}",
        expected.len(),
        missing.len(),
        surplus.len(),
    );
    for (id, (message, file)) in &expected {
        check(&archive.entries[id], message, file);
    }
    let places = world.places();
    for channel in archive.manifest["channels"].as_array().unwrap() {
        let id = channel["id"].as_str().unwrap();
        let place = places.iter().find(|place| place.id.to_string() == id);
        let place = place.unwrap_or_else(|| panic!("{channel} does not exist"));
        let public = selected.shows(place) && place.kind != Kind::Category;
        assert!(public, "{channel} is not for everybody");
    }
}

#[track_caller]
fn check(entry: &Value, message: &TruthMessage, file: &TruthAttachment) {
    let sums = file.content.sums().unwrap();
    let says = |key: &str, value: &str| assert_eq!(entry[key], value, "{key} of {entry}");
    says("Attachment_id", &file.id.to_string());
    says("Discord_id", &message.id.to_string());
    says("channelId", &message.channel.to_string());
    says("guildId", &message.guild.to_string());
    says("posterId", &message.author.to_string());
    says("Sha256", &sums.sha256);
    says("Crc32c", &format!("{:08x}", sums.crc32c));
    assert_eq!(entry["Size"], file.content.size(), "{entry}");
    assert_eq!(entry["Gone"], Value::Null, "{entry}");
    let date = time::OffsetDateTime::parse(
        entry["Date"].as_str().unwrap(),
        &time::format_description::well_known::Rfc3339,
    );
    let millis = date.unwrap().unix_timestamp_nanos() / 1_000_000;
    assert_eq!(iso8601(u64::try_from(millis).unwrap()), iso8601(message.id.millis()), "{entry}");
    // The name of the object is checked against its bytes elsewhere; here, that it is this file's.
    let media = entry["Media"].as_str().unwrap_or_else(|| panic!("not stored: {entry}"));
    assert!(media.starts_with(&format!("media/{}.", sums.sha256)), "{entry}");
    let edited = entry["Edited_at"].as_str().is_some();
    assert_eq!(edited, message.edited.is_some(), "{entry}");
    // Mentions are made readable, so only plain words can be compared.
    if message.kind == 0 && !message.content.contains('<') {
        says("Description", &message.content);
    }
}
