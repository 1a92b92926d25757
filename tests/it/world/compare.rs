//! Whether an archive is what Discord held. Expected values come from the truth alone.

use std::collections::{BTreeMap, BTreeSet};

use bowerbird::{
    bucket::ObjectKey,
    domain::{
        coverage::EXTRACTOR,
        entry::{Entry, EntryState, Look},
        forget::Forgotten,
        id::{AttachmentId, ChannelId, MessageId},
        job::Subject,
        place::Access,
        removal::{Home, RemovalPolicy},
        selection::MediaMode,
        time::Timestamp,
    },
    store::{Found, Month, Store, Tally},
};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    archive::Archive,
    cdn::picture_of,
    file::{File, Sort},
    forgetting::is_forgotten,
    truth::{Channel, GUILD, Hearing, Post, State, Version, name_of},
};

/// Which edits and deletions an archive must know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knowing {
    /// Those that somebody hears of who resumes as Discord allows.
    WhatWasHeard,
    /// All of them: history was read again since.
    Everything,
}

impl Knowing {
    /// What is older than what is wanted is not read again.
    pub(super) fn of(self, message: MessageId, from: MessageId) -> Self {
        if message < from { Self::WhatWasHeard } else { self }
    }
}

/// What an archive is compared with.
pub(super) struct Comparison<'a> {
    pub(super) truth: &'a State,
    pub(super) archive: &'a Archive,
    pub(super) mode: MediaMode,
    pub(super) wanted: &'a [Sort],
    /// The first message that must be there.
    pub(super) from: MessageId,
    pub(super) removal: RemovalPolicy,
    pub(super) knowing: Knowing,
    /// Whether nobody knows any more what was on its way: a disk was lost, and only the page was left.
    pub(super) bereft: bool,
    /// What must not come back, whoever forgot that it was deleted.
    pub(super) buried: &'a BTreeSet<MessageId>,
    pub(super) forgotten: &'a BTreeSet<Forgotten>,
}

impl Comparison<'_> {
    /// Everything that is missing, wrong, or too much.
    pub(super) fn differences(&self) -> Vec<String> {
        let mut differences = Vec::new();
        let mut explained = BTreeSet::new();
        let mut by_message: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for entry in self.archive.entries.values() {
            by_message.entry(entry["Discord_id"].as_str().unwrap_or("?")).or_default().push(entry);
        }
        for channel in self.truth.channels.values() {
            for (id, post) in &channel.posts {
                let key = id.to_string();
                let found = by_message.get(&*key).cloned().unwrap_or_default();
                explained.insert(key);
                if let Err(why) = self.judge(channel, *id, post, &found) {
                    differences.push(format!("message {id} in {}: {why}", channel.place.name));
                }
            }
        }
        let unknown = by_message.keys().filter(|id| !explained.contains(**id));
        differences.extend(unknown.map(|id| format!("nobody ever posted {id}")));
        differences
    }

    fn judge(
        &self,
        channel: &Channel,
        id: MessageId,
        post: &Post,
        found: &[&Value],
    ) -> Result<(), String> {
        if is_forgotten(self.forgotten, channel, id, post) {
            return match found {
                [] => Ok(()),
                _ => Err("it was to be forgotten, and is there".to_owned()),
            };
        }
        let knowing = self.knowing.of(id, self.from);
        let heard = |hearing: &Hearing| is_known(self.truth, channel, hearing, knowing);
        let (marked, found): (Vec<&Value>, Vec<&Value>) =
            found.iter().partition(|entry| entry["Deleted_at"].is_string());
        self.may_be_marked(post, &marked)?;
        if post.deleted.as_ref().is_some_and(heard) || self.buried.contains(&id) {
            return match found[..] {
                [] => Ok(()),
                _ => Err("it was deleted, and is there".to_owned()),
            };
        }
        if post.deleted.is_some() && !marked.is_empty() && found.is_empty() {
            return Ok(());
        }
        let required =
            id >= self.from && post.deleted.is_none() && channel.place.access == Access::Readable;
        if !required && found.is_empty() {
            return Ok(());
        }
        // What was edited while nobody could hear of it may be shown as it was.
        let told = |version: &Version| {
            heard(&version.hearing) && (version.placed || post.deleted.is_none())
        };
        let certain = post.versions.iter().rposition(told);
        let possible = &post.versions[certain.unwrap_or(0)..];
        let mut why = String::new();
        for version in possible.iter().rev() {
            match self.matches(channel, id, post, version, &found) {
                Ok(()) => return Ok(()),
                Err(this) if why.is_empty() => why = this,
                Err(_) => {}
            }
        }
        Err(why)
    }

    /// Marked are files that are no longer to be seen on Discord, where those are kept.
    fn may_be_marked(&self, post: &Post, marked: &[&Value]) -> Result<(), String> {
        for entry in marked {
            let file = entry["Attachment_id"].as_str().unwrap_or_default();
            let has = |version: &Version| version.files.iter().any(|id| id.to_string() == file);
            let was_there = post.versions.iter().any(has);
            let is_off = post.deleted.is_some() || !has(post.current());
            if self.removal.hides() || !was_there || !is_off {
                return Err(format!("file {file} is marked as deleted at {}", entry["Deleted_at"]));
            }
        }
        Ok(())
    }

    fn matches(
        &self,
        channel: &Channel,
        id: MessageId,
        post: &Post,
        version: &Version,
        found: &[&Value],
    ) -> Result<(), String> {
        let wanted = |file: &&AttachmentId| self.wanted.contains(&self.truth.files[file].sort);
        // In link mode an entry is listed for as long as its link lives, which nobody can make new for a lost file. In
        // copy mode it is listed once its bytes arrived, and what was yet to arrive is forgotten with a lost disk.
        let listed = |file: &&AttachmentId| {
            let here = found.iter().any(|entry| entry["Attachment_id"] == file.to_string());
            let lost = self.truth.files[file].gone || post.deleted.is_some();
            here || !lost || self.mode == MediaMode::Copy && !self.bereft
        };
        let files: Vec<_> = version.files.iter().filter(wanted).filter(listed).collect();
        if files.len() != found.len() {
            return Err(format!("{} of {} files are there", found.len(), files.len()));
        }
        for file in files {
            let entry = found.iter().find(|entry| entry["Attachment_id"] == file.to_string());
            let entry = entry.ok_or_else(|| format!("file {file} is missing"))?;
            let expected = self.expected(channel, id, post, version, *file);
            for (key, value) in expected.as_object().expect("we made an object") {
                if entry[key] != *value {
                    return Err(format!("file {file}: {key} is {}, not {value}", entry[key]));
                }
            }
            self.bytes_are_known(post, *file, entry)?;
        }
        Ok(())
    }

    fn expected(
        &self,
        channel: &Channel,
        id: MessageId,
        post: &Post,
        version: &Version,
        file_id: AttachmentId,
    ) -> Value {
        let file = &self.truth.files[&file_id];
        let place = &channel.place;
        json!({
            "Id": format!("{id}-{file_id}"),
            "Discord_id": id.to_string(),
            "channelId": place.id.to_string(),
            "guildId": GUILD.to_string(),
            "posterId": post.author.to_string(),
            "Poster": name_of(post.author),
            "Description": version.text,
            "Date": id.created_at().to_string(),
            "Link_to_message": format!("https://discord.com/channels/{GUILD}/{}/{id}", place.id),
            "Filename": file.name.rsplit_once('.').unwrap().0,
            "Extension": file.sort.extension(),
            "Kind": file.sort.kind(),
            "Size": file.bytes.len(),
            "Spoiler": false,
            "Nsfw": false,
            "Edited_at": version.edited.map(|edited| edited.to_string()),
        })
    }

    /// Where the bytes are, or why they are nowhere.
    fn bytes_are_known(&self, post: &Post, id: AttachmentId, entry: &Value) -> Result<(), String> {
        let file = &self.truth.files[&id];
        let lost = file.gone || post.deleted.is_some();
        if lost && entry["Gone"].is_string() {
            return Ok(());
        }
        if !entry["Gone"].is_null() {
            return Err(format!("file {id} is there, and shown as gone: {}", entry["Gone"]));
        }
        let link = entry["Attachment_URL"].as_str().unwrap_or_default();
        if !link.starts_with(&file.address(id)) {
            return Err(format!("file {id} has the link {link}"));
        }
        let media = match self.mode {
            MediaMode::Copy => json!(file.media),
            MediaMode::Link => Value::Null,
        };
        if entry["Media"] != media {
            return Err(format!("file {id} is at {}, not {media}", entry["Media"]));
        }
        let still = json!(file.still);
        if entry["Thumbnail"] != still {
            return Err(format!("file {id} has the still {}, not {still}", entry["Thumbnail"]));
        }
        Ok(())
    }

    /// Entries in link mode that a visitor of now can't play.
    pub(super) fn expired(&self, now: Timestamp) -> Vec<String> {
        let dead = |entry: &&Value| {
            let expires = entry["Expire_Timestamp"].as_i64();
            entry["Gone"].is_null() && expires.is_none_or(|at| Timestamp::from_secs(at) <= now)
        };
        let entries = self.archive.entries.values().filter(dead);
        entries.map(|entry| format!("{} died {}", entry["Id"], entry["Expire_Timestamp"])).collect()
    }
}

/// Whether a change must be known by now. Pages without a message prove nothing, so nobody finds out by reading that a
/// place was emptied.
pub(super) fn is_known(
    truth: &State,
    channel: &Channel,
    hearing: &Hearing,
    knowing: Knowing,
) -> bool {
    let seen =
        knowing == Knowing::Everything && channel.posts.values().any(|post| post.deleted.is_none());
    let missed = truth.listed && truth.is_missed(channel);
    let gone = channel.deleted.as_ref().is_some_and(|gone| truth.is_heard(gone));
    seen || missed || gone || truth.is_heard(hearing)
}

/// The first message that is wanted. Before the first look at the server nobody knows.
pub(super) fn wanted_from(store: &Store) -> MessageId {
    let guilds = store.guilds().unwrap();
    guilds.first().map_or(MessageId::FIRST, |(_, guild)| guild.wanted_from())
}

/// Objects whose bytes are not what their names say, and people who are not whom they should be.
pub(super) fn wrong_objects(
    truth: &State,
    archive: &Archive,
    objects: &BTreeMap<ObjectKey, Bytes>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in truth.files.values() {
        let path = &file.media;
        if archive.named.contains(path) && objects[&ObjectKey::new(&**path).unwrap()] != file.bytes
        {
            wrong.push(format!("{path} holds other bytes than were posted"));
        }
    }
    for entry in archive.entries.values() {
        let poster = entry["posterId"].as_str().unwrap_or_default();
        let Some(person) = archive.people.get(poster) else {
            wrong.push(format!("{poster} posted, and is nobody"));
            continue;
        };
        let picture = picture_of(&format!("https://pictures/avatars/{poster}/a{poster}.png"));
        let path = person["avatar"].as_str().unwrap_or("nowhere");
        let shown = ObjectKey::new(path).ok().and_then(|key| objects.get(&key));
        if shown != Some(&picture) {
            wrong.push(format!("the picture of {poster} is {path}"));
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

/// Bytes that are not where the store says, or elsewhere too. Only true while nothing is on its way. What was hidden
/// shortly before a disk was lost may be there as well, and nobody knows of it until it is hidden or erased again.
pub(super) fn misplaced(
    lost_disk: bool,
    truth: &State,
    store: &Store,
    public: &BTreeMap<ObjectKey, Bytes>,
    private: &BTreeMap<ObjectKey, Bytes>,
) -> Vec<String> {
    let mut misplaced = Vec::new();
    if store.tallies().unwrap().get(Tally::MovesWaiting) > 0 {
        return misplaced;
    }
    for file in truth.files.values() {
        let sha256 = file.sha256();
        if store.content(sha256).unwrap().is_none() {
            continue;
        }
        let home = store.home(Subject::Content(sha256)).unwrap();
        let path = file.media.as_str();
        let key = |prefix: &str| ObjectKey::new(format!("{prefix}{path}")).unwrap();
        let found = (public.get(&key("")), private.get(&key("hidden/")));
        let expected = match home {
            Home::Public => (Some(&file.bytes), None),
            Home::Private => (None, Some(&file.bytes)),
            Home::Nowhere => (None, None),
        };
        let forgotten = lost_disk && expected.1.is_none();
        if found != expected && !(forgotten && found.0 == expected.0) {
            let is = (found.0.is_some(), found.1.is_some());
            misplaced.push(format!("{path} belongs to {home:?}, and (public, private) is {is:?}"));
        }
    }
    misplaced
}

/// Objects that nothing leads to, though nothing will ever remove them. What was put by a process that died before it
/// could tell, and was deleted, lost on Discord or forgotten before the next one lived, is known to nobody; nor is what had not
/// come to the page when nothing but that was left, or is older than what is wanted since a disk was lost.
pub(super) fn unreferenced(
    bereft: bool,
    forgotten: &BTreeSet<Forgotten>,
    truth: &State,
    archive: &Archive,
    store: &Store,
    objects: &BTreeMap<ObjectKey, Bytes>,
) -> Vec<String> {
    let end = Timestamp::from_millis(i64::MAX / 2);
    let garbage = store.garbage(end, usize::MAX).unwrap();
    let garbage: BTreeSet<_> = garbage.into_iter().map(|(_, path)| path).collect();
    let from = wanted_from(store);
    let stills = known_stills(truth, store);
    // In link mode an entry whose file is lost leaves the page with its link, and keeps its still until it is hidden or
    // erased.
    let lost = |entry: &Entry| matches!(entry.state, EntryState::Gone { .. });
    let kept = entries_of(truth, store).filter(|entry| lost(entry) && entry.hidden_at.is_none());
    let mut spared: BTreeSet<_> = kept.filter_map(|entry| entry.look?.still).collect();
    for file in truth.files.values() {
        let channel = &truth.channels[&file.channel];
        let post = &channel.posts[&file.message];
        let changed = post.deleted.is_some() || post.versions.len() > 1 || file.gone;
        let changed = changed || is_forgotten(forgotten, channel, file.message, post);
        if changed || bereft || file.message < from {
            let unknown = store.content(file.sha256()).unwrap().is_none();
            spared.extend(Some(&file.media).filter(|_| unknown).cloned());
            // A file that is fetched again leads to no still: only who looks at it again does, if it is still there then.
            spared.extend(file.still.as_ref().filter(|still| !stills.contains(*still)).cloned());
        }
    }
    let kept = ["messages/", "media/", "thumb/", "userData/"];
    let keys = objects.keys().map(|key| key.as_str().to_owned());
    keys.filter(|path| kept.iter().any(|folder| path.starts_with(folder)))
        .filter(|path| !archive.named.contains(path) && !garbage.contains(path))
        .filter(|path| !spared.contains(path))
        // The page names a picture only with the next publication, and a lost disk knew of it before.
        .filter(|path| !(bereft && path.starts_with("userData/avatars/")))
        .collect()
}

/// The stills that a store knows of: somebody has them, or they are on their way.
pub(super) fn known_stills(truth: &State, store: &Store) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for file in truth.files.values() {
        let content = store.content(file.sha256()).unwrap();
        known.extend(content.and_then(|content| content.look?.still));
        let look = Look { still: file.still.clone(), ..Look::default() };
        let subject = look.still_sha256().map(Subject::Still);
        known.extend(look.still.filter(|_| store.is_leaving(subject.unwrap()).unwrap()));
    }
    known.extend(entries_of(truth, store).filter_map(|entry| entry.look?.still));
    known
}

fn entries_of(truth: &State, store: &Store) -> impl Iterator<Item = Entry> {
    let month = |file: &File| Month {
        root: truth.channels[&file.channel].place.root(),
        month: file.message.created_at().month(),
    };
    let months: BTreeSet<_> = truth.files.values().map(month).collect();
    let entries = months.into_iter().flat_map(|month| store.month_entries(month).unwrap());
    entries.map(|entry| entry.entry)
}

/// What coverage claims and the store does not hold.
pub(super) fn false_claims(
    truth: &State,
    store: &Store,
    wanted: &[Sort],
    forgotten: &BTreeSet<Forgotten>,
) -> Vec<String> {
    let mut false_claims = Vec::new();
    if store.open().unwrap() == Found::Empty {
        // Half a restore is begun again.
        return false_claims;
    }
    for row in store.places().unwrap() {
        let Some(channel) = truth.channels.get(&row.place.id) else { continue };
        let spans = row.coverage.spans(EXTRACTOR);
        let known = known_files(store, row.place.root(), channel);
        for (id, post) in &channel.posts {
            let claimed = spans.iter().any(|span| span.contains(*id));
            if !claimed || post.deleted.is_some() || is_forgotten(forgotten, channel, *id, post) {
                continue;
            }
            if !channel.served.contains(id) {
                let name = &row.place.name;
                false_claims.push(format!("{name} is covered at {id}, which no page held"));
            }
            let files = &post.current().files;
            let missing = files.iter().filter(|file| wanted.contains(&truth.files[file].sort));
            let missing: Vec<_> = missing.filter(|file| !known.contains(file)).collect();
            if !missing.is_empty() {
                let name = &row.place.name;
                false_claims.push(format!("{name} is covered at {id}, but not {missing:?}"));
            }
        }
    }
    false_claims
}

fn known_files(store: &Store, root: ChannelId, channel: &Channel) -> BTreeSet<AttachmentId> {
    let months: BTreeSet<_> = channel.posts.keys().map(|id| id.created_at().month()).collect();
    let months = months.into_iter().map(|month| Month { root, month });
    let entries = months.flat_map(|month| store.month_entries(month).unwrap());
    entries.map(|entry| entry.key.item).collect()
}
