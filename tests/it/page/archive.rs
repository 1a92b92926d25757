//! An archive as docs/format.md describes it, written into a folder bucket without the service.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::sync::Arc;

use bowerbird::bucket::{Bucket, FolderBucket, ObjectKey, Precondition};
use bowerbird::gallery::page::{self, PageMode};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime, macros::datetime};

use super::media::{Files, Media, files};

/// A name that would run if any of it became markup.
pub(crate) const HOSTILE: &str =
    "<img src=x onerror=\"window.hacked=1\">\u{202e}</script><script>window.hacked=1</script>";

/// Milliseconds since 1970 at which Discord's ids begin.
const DISCORD_EPOCH: i128 = 1_420_070_400_000;

/// Few, so that even the small archives of tests have months of several shards.
const SHARD_LEN: usize = 25;

/// When the newest entry was posted.
const NEWEST: OffsetDateTime = datetime!(2026-03-04 05:00 UTC);

/// The channels: id, name, kind, category, threads.
type Place = (
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static [(&'static str, &'static str)],
);

const PLACES: [Place; 6] = [
    (
        "100",
        "clips",
        "text",
        Some("Games"),
        &[("101", "Best of March"), ("102", "Falling off things")],
    ),
    ("200", "screenshots", "text", Some("Games"), &[]),
    ("300", "lounge", "voice", Some("Hangout"), &[]),
    (
        "400",
        "show-and-tell",
        "forum",
        Some("Hangout"),
        &[("401", "My balcony in June"), ("402", "Night walks"), ("403", "Bread!")],
    ),
    ("500", "news", "announcement", None, &[]),
    ("600", HOSTILE, "text", Some(HOSTILE), &[]),
];

pub(crate) const PEOPLE: [(&str, &str); 11] = [
    ("1", "Wren"),
    ("2", "Kea"),
    ("3", "Lyre"),
    ("4", "Jay"),
    ("5", "Merle"),
    ("6", "Pica"),
    ("7", "Rook"),
    ("8", "Oriole"),
    ("9", "Tui"),
    ("10", "Sora"),
    ("11", HOSTILE),
];

const TEXTS: [&str; 6] = [
    "",
    "I can't believe that worked",
    "Sunrise from the ridge this morning.\nThe fog stayed until nine, more at https://example.org/ridge?day=3.",
    "",
    "wait for it",
    "third try, first success",
];

const NAMES: [&str; 6] =
    ["evening", "IMG_2041", "replay-0312", "unnamed", "2026-02-28 21-14-09", "final_final"];

/// An archive that can be published again and again.
pub(crate) struct Archive {
    pub(crate) bucket: Arc<FolderBucket>,
    pub(crate) entries: Vec<Value>,
    _folder: tempfile::TempDir,
    pub(crate) mode: &'static str,
    generation: u64,
    named: BTreeSet<String>,
}

impl Archive {
    /// An archive of this many entries, published once, with its page.
    pub(crate) async fn new(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bucket = Arc::new(FolderBucket::open(folder.path().join("archive")).await.unwrap());
        let mut archive = Self {
            bucket,
            entries: Vec::new(),
            _folder: folder,
            mode: "copy",
            generation: 0,
            named: BTreeSet::new(),
        };
        let made = files();
        for media in made.stills.iter().chain([
            &made.webm,
            &made.mp4,
            &made.sound,
            &made.unplayable,
            &made.notes,
        ]) {
            archive.put(&media_path(media), media.bytes.clone()).await;
        }
        for still in &made.stills {
            archive.put(&still_path(still), still.bytes.clone()).await;
        }
        archive.put("userData/avatars/5e1f.webp", made.stills[4].bytes.clone()).await;
        archive.entries = (0..count).map(|at| entry(made, at)).collect();
        archive.publish().await;
        archive.put_page(&PageMode::Copy).await;
        archive
    }

    /// Adds an entry that is newer than all others, `minutes` after the first archive's newest.
    pub(crate) fn post(&mut self, minutes: i64, changes: &Value) {
        let newer = NEWEST + Duration::minutes(minutes);
        let mut entry = entry(files(), 3);
        date(&mut entry, newer);
        for (key, value) in changes.as_object().unwrap() {
            entry[key] = value.clone();
        }
        self.entries.push(entry);
    }

    /// Writes the page for a mode.
    pub(crate) async fn put_page(&self, mode: &PageMode) {
        for object in page::objects(mode, "Night Owls") {
            self.put(object.key.as_str(), object.bytes.to_vec()).await;
        }
    }

    /// Takes the manifest away, as before the first publication.
    pub(crate) async fn unpublish(&self) {
        let key = ObjectKey::new("messages/manifest.json").unwrap();
        self.bucket.delete(&key, Precondition::Always).await.unwrap();
    }

    /// Writes the entries as they are now; each publication names its shards anew.
    pub(crate) async fn publish(&mut self) {
        self.generation += 1;
        self.named.clear();
        self.entries
            .sort_by_key(|entry| std::cmp::Reverse((text(entry, "Date"), text(entry, "Id"))));
        let mut channels = Vec::new();
        for (position, place) in PLACES.iter().enumerate() {
            channels.push(self.publish_channel(place, position).await);
        }
        let people: BTreeMap<_, _> = PEOPLE
            .iter()
            .map(|(id, name)| {
                let avatar = (*id == "1").then_some("userData/avatars/5e1f.webp");
                (*id, json!({ "name": name, "avatar": avatar, "bot": *id == "9" }))
            })
            .collect();
        let users = self.put_named("userData/users", &json!({ "users": people })).await;
        let bytes: u64 = self.entries.iter().filter_map(|entry| entry["Size"].as_u64()).sum();
        let manifest = json!({
            "version": 1, "generation": self.generation, "publishedAt": "2026-03-04T05:06:07Z",
            "title": "Night Owls", "media": self.mode,
            "totals": { "entries": self.entries.len(), "bytes": bytes, "people": PEOPLE.len() },
            "users": users, "guilds": [{ "id": "1", "name": "Night Owls" }], "channels": channels,
        });
        self.put("messages/manifest.json", manifest.to_string().into_bytes()).await;
    }

    /// Removes what the newest publication does not name, as the service does an hour later.
    pub(crate) async fn sweep(&self) {
        let limit = NonZeroUsize::new(10_000).unwrap();
        let listing = self.bucket.list("messages/", None, limit).await.unwrap();
        for object in listing.objects {
            let key = object.key.as_str();
            if object.key.extension() == "gz" && !self.named.contains(key) {
                self.bucket.delete(&object.key, Precondition::Always).await.unwrap();
            }
        }
    }

    /// Ids in the order of the grid, of the entries that `chosen` accepts.
    pub(crate) fn ids(&self, chosen: impl Fn(&Value) -> bool) -> Vec<String> {
        self.entries.iter().filter(|entry| chosen(entry)).map(|entry| text(entry, "Id")).collect()
    }

    async fn publish_channel(&mut self, place: &Place, position: usize) -> Value {
        let (id, name, kind, category, threads) = *place;
        let entries: Vec<Value> =
            self.entries.iter().filter(|entry| parent(entry) == id).cloned().collect();
        let mut shards = Vec::new();
        for month in entries.chunk_by(|a, b| month(a) == month(b)) {
            for part in month.chunks(SHARD_LEN) {
                let stem = format!("messages/{id}/{}", self::month(&part[0]));
                let path =
                    self.put_named(&stem, &json!({ "entries": part, "of": self.generation })).await;
                shards.push(json!({ "path": path, "count": part.len(), "newest": part[0]["Date"], "oldest": part[part.len() - 1]["Date"] }));
            }
        }
        let threads: Vec<_> = threads
            .iter()
            .map(|(id, name)| {
                let count = entries.iter().filter(|entry| entry["channelId"] == *id).count();
                json!({ "id": id, "name": name, "entries": count })
            })
            .collect();
        let index = json!({ "channel": id, "threads": threads, "shards": shards });
        let index = if entries.is_empty() {
            None
        } else {
            Some(self.put_named(&format!("messages/{id}/index"), &index).await)
        };
        let holes = if id == "300" {
            json!([{ "from": "2025-11-02T00:00:00Z", "to": "2025-12-01T00:00:00Z", "why": "not allowed to read the history" }])
        } else {
            json!([])
        };
        json!({
            "id": id, "guildId": "1", "name": name, "kind": kind, "category": category, "position": position,
            "entries": entries.len(), "newest": entries.first().map(|entry| entry["Date"].clone()), "index": index,
            "coverage": { "completeSince": "2021-03-04T00:00:00Z", "fromStart": id != "300", "holes": holes },
        })
    }

    /// Stores packed JSON under a name that carries its hash.
    async fn put_named(&mut self, stem: &str, value: &Value) -> String {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(value.to_string().as_bytes()).unwrap();
        let bytes = packer.finish().unwrap();
        let path = format!("{stem}-{}.json.gz", &hex::encode(Sha256::digest(&bytes))[..16]);
        self.named.insert(path.clone());
        self.put(&path, bytes).await;
        path
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) {
        let key = ObjectKey::new(path).unwrap();
        self.bucket.put(&key, bytes.into(), Precondition::Always).await.unwrap();
    }
}

/// A field that holds text.
pub(crate) fn text(entry: &Value, key: &str) -> String {
    entry[key].as_str().unwrap().to_owned()
}

/// The channel in whose index an entry is found.
pub(crate) fn parent(entry: &Value) -> &'static str {
    let place = entry["channelId"].as_str().unwrap();
    let holds = |(id, _, _, _, threads): &&Place| {
        *id == place || threads.iter().any(|(thread, _)| *thread == place)
    };
    PLACES.iter().find(holds).unwrap().0
}

/// The address of an entry's piece.
pub(crate) fn clip_address(entry: &Value) -> String {
    format!("#/clip/{}/{}/{}", parent(entry), month(entry), text(entry, "Id"))
}

fn month(entry: &Value) -> String {
    text(entry, "Date")[..7].to_owned()
}

/// The entry of this number, 0 being the newest: of varied kinds, people and places, always the same.
fn entry(made: &Files, at: usize) -> Value {
    let places = [
        "100", "200", "100", "101", "400", "200", "401", "300", "100", "402", "200", "500", "102",
        "403",
    ];
    let mixed = mix(at);
    let place = if at == 9 { "600" } else { places[mixed % places.len()] };
    let (person, poster) = if at == 9 { PEOPLE[10] } else { PEOPLE[mixed / 16 % 10] };
    let still = &made.stills[mixed / 7 % made.stills.len()];
    // The first ones are what tests open by number, the others come as they come.
    let (kind, media, thumbnail) = match (at, mixed / 256 % 24) {
        (6, _) => ("video", &made.unplayable, Some(still)),
        (11, _) | (18.., 0) => ("audio", &made.sound, None),
        (17, _) | (18.., 1) => ("file", &made.notes, None),
        (4 | 7, _) | (8.., 2..9) => ("image", still, Some(still)),
        (3, _) | (8.., 9..13) => ("video", &made.mp4, Some(still)),
        _ => ("video", &made.webm, Some(still)),
    };
    let size = if kind == "audio" || kind == "file" { None } else { still.size };
    // Clips of many lengths: what the badge says comes from the entry, the file need not be that long.
    let seconds = media.seconds.map(|seconds| {
        if kind == "video" {
            seconds + f64::from(u32::try_from(at * at % 97).unwrap())
        } else {
            seconds
        }
    });
    let hostile = at == 9;
    let mut entry = json!({
        "Attachment_id": "900", "guildId": "1", "channelId": place, "posterId": person,
        "Poster": poster, "Description": if hostile { HOSTILE } else { TEXTS[at % TEXTS.len()] },
        "Link_to_message": if hostile { "javascript:window.hacked=1".to_owned() } else { format!("https://discord.com/channels/1/{place}/{at}") },
        "Attachment_URL": null, "Expire_Timestamp": null,
        "Filename": if hostile { HOSTILE } else { NAMES[at % NAMES.len()] }, "Extension": media.extension,
        "Kind": kind, "Content_type": media.content_type, "Size": media.bytes.len(),
        "Width": size.map(|(width, _)| width), "Height": size.map(|(_, height)| height), "Runtime": seconds,
        "Placeholder": null, "Media": media_path(media), "Thumbnail": thumbnail.map(still_path),
        "Sha256": media.sha256(), "Crc32c": null, "Spoiler": at == 4, "Nsfw": false, "Edited_at": null, "Gone": null,
    });
    match at {
        12 => (entry["Media"], entry["Thumbnail"]) = (Value::Null, Value::Null),
        15 => entry["Deleted_at"] = json!("2026-02-03T04:05:06Z"),
        13 => (entry["Media"], entry["Gone"]) = (Value::Null, json!("deleted on Discord")),
        _ => {}
    }
    date(&mut entry, NEWEST - Duration::minutes(i64::try_from(at).unwrap() * 731));
    entry
}

/// A number that looks like chance and is always the same (the multiplier is Knuth's).
fn mix(at: usize) -> usize {
    at.wrapping_mul(2_654_435_761) % (1 << 32) / 1024
}

fn date(entry: &mut Value, posted: OffsetDateTime) {
    let message = ((posted.unix_timestamp_nanos() / 1_000_000 - DISCORD_EPOCH) << 22).to_string();
    entry["Id"] = json!(format!("{message}-900"));
    entry["Discord_id"] = json!(message);
    entry["Date"] = json!(posted.format(&Rfc3339).unwrap());
}

fn media_path(media: &Media) -> String {
    format!("media/{}.{}", media.sha256(), media.extension)
}

fn still_path(still: &Media) -> String {
    format!("thumb/{}.webp", still.sha256())
}
