//! What must hold of any bytes in the place of what Discord says: for `make fuzz`, and for the properties below.
//!
//! In no build that is shipped. Nothing here can be lost.

use serde_json::value::RawValue;

use super::{
    convert::{self, Setting},
    gateway::Event,
};
use crate::domain::id::{ChannelId, GuildId};

/// Where a page is taken to be from.
const SETTING: Setting = Setting { channel: Some(ChannelId(2)), guild: Some(GuildId(1)) };

/// Reads a page of messages, or refuses all of it. What was read has its own words, and what was not is kept raw.
pub fn page(bytes: &[u8]) {
    let Ok((messages, unreadable)) = convert::messages(bytes, SETTING) else { return };
    let raw: Vec<&RawValue> = serde_json::from_slice(bytes).expect("what was read is a list");
    assert_eq!(raw.len(), messages.len() + unreadable.len(), "each message is read or put aside");
    assert!(messages.is_sorted_by(|one, next| one.id >= next.id), "newest first");
    for message in &messages {
        assert!(raw.iter().any(|raw| raw.get() == &*message.raw), "kept as it came");
        for file in &message.attachments {
            let known = file.link.reveal().starts_with(file.link.unsigned());
            assert!(known, "a link begins with what stays of it");
            // Shown, sorted and compared with the clock wherever a file is.
            drop((file.name(), file.link.expires_at(), file.link.to_string()));
        }
        let _ = message.id.created_at().month();
    }
    for message in &unreadable {
        assert!(raw.iter().any(|raw| raw.get() == &*message.raw), "put aside as it came");
    }
}

/// What the first byte of an event chooses from.
const KINDS: [&str; 19] = [
    "MESSAGE_CREATE",
    "MESSAGE_UPDATE",
    "MESSAGE_DELETE",
    "MESSAGE_DELETE_BULK",
    "GUILD_CREATE",
    "GUILD_DELETE",
    "GUILD_UPDATE",
    "GUILD_ROLE_CREATE",
    "GUILD_ROLE_UPDATE",
    "GUILD_ROLE_DELETE",
    "GUILD_MEMBER_UPDATE",
    "THREAD_LIST_SYNC",
    "THREAD_CREATE",
    "THREAD_UPDATE",
    "THREAD_DELETE",
    "CHANNEL_CREATE",
    "CHANNEL_UPDATE",
    "CHANNEL_DELETE",
    "SOMETHING_NEW",
];

/// Reads an event of a kind that matters: the first byte chooses which.
pub fn event(bytes: &[u8]) {
    let Some((&choice, data)) = bytes.split_first() else { return };
    let Ok(data) = serde_json::from_slice::<&RawValue>(data) else { return };
    let kind = KINDS[usize::from(choice) % KINDS.len()];
    match Event::read(kind, data) {
        Event::Posted(message) | Event::Edited(message) => {
            assert_eq!(&*message.raw, data.get(), "kept as it came");
        }
        Event::Unreadable { message: Some(message), .. } => {
            assert_eq!(&*message.raw, data.get(), "put aside as it came");
        }
        Event::Other => assert_eq!(kind, "SOMETHING_NEW"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let seeds: Vec<_> = files.map(|path| std::fs::read(path).unwrap()).collect();
        assert!(!seeds.is_empty(), "{target}");
        seeds
    }

    #[test]
    fn the_seeds_are_understood() {
        for seed in seeds("page") {
            let (messages, _) = convert::messages(&seed, SETTING).unwrap();
            assert!(!messages.is_empty(), "{}", String::from_utf8_lossy(&seed));
            page(&seed);
        }
        for seed in seeds("event") {
            let data = serde_json::from_slice(&seed[1..]).unwrap();
            let read = Event::read(KINDS[usize::from(seed[0])], data);
            assert!(!matches!(read, Event::Other | Event::Unreadable { .. }), "{read:?}");
            event(&seed);
        }
    }

    /// Text that is nearly JSON of Discord's: names that are read, numbers at the edge of their types, and noise.
    fn nearly() -> impl Strategy<Value = Vec<u8>> {
        let names = [
            r#""id""#,
            r#""channel_id""#,
            r#""guild_id""#,
            r#""author""#,
            r#""attachments""#,
            r#""url""#,
            r#""filename""#,
            r#""size""#,
            r#""content""#,
            r#""embeds""#,
            r#""components""#,
            r#""flags""#,
            r#""edited_timestamp""#,
            r#""ids""#,
            r#""threads""#,
            r#""type""#,
            r#""thread_metadata""#,
            r#""message_snapshots""#,
            r#""message""#,
        ];
        let others = [
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "null",
            "true",
            "0",
            "-1",
            "18446744073709551615",
            "18446744073709551616",
            "1e308",
            "1e999",
            r#""\ud800""#,
            r#""1""#,
            r#""18446744073709551615""#,
            r#""<t:99999999999999999999:R><@1><:a:1>""#,
            r#""https://cdn.discordapp.com/a?ex=7fffffffffffffff&""#,
            r#""9999-12-31T23:59:59Z""#,
        ];
        let words: Vec<&str> = names.into_iter().chain(others).collect();
        let word = prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec());
        let noise = prop::collection::vec(any::<u8>(), 0..3);
        let pieces = prop::collection::vec(prop_oneof![12 => word, 1 => noise], 0..40);
        pieces.prop_map(|pieces| pieces.concat())
    }

    /// An object of fields that are read, whatever their values.
    fn object() -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec![
            "id",
            "channel_id",
            "guild_id",
            "author",
            "attachments",
            "content",
            "embeds",
            "flags",
            "components",
            "ids",
            "threads",
            "channels",
            "edited_timestamp",
            "mentions",
            "unavailable",
        ]);
        let value = prop_oneof![
            any::<u64>().prop_map(|id| format!("\"{id}\"")),
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f64>().prop_filter("JSON has no others", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
            any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
            Just("null".to_owned()),
            Just("[]".to_owned()),
            any::<u64>().prop_map(|id| format!(
                r#"[{{"id":"{id}","filename":"a.mp4","size":{id},"url":"https://c/a?ex={id:x}&"}},{id}]"#
            )),
            any::<u64>().prop_map(|id| format!(r#"{{"id":"{id}","username":"\u202e","type":{id}}}"#)),
        ];
        prop::collection::vec((name, value), 0..8).prop_map(|fields| {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", fields.join(","))
        })
    }

    proptest! {
        #[test]
        fn no_page_breaks_the_reader(bytes in nearly()) {
            page(&bytes);
            page(&[b"[", &bytes[..], b"]"].concat());
        }

        #[test]
        fn each_message_of_a_page_is_read_or_put_aside(objects in prop::collection::vec(object(), 0..4)) {
            page(format!("[{}]", objects.join(",")).as_bytes());
        }

        #[test]
        fn no_event_breaks_the_reader(choice: u8, bytes in nearly(), whole in object()) {
            event(&[&[choice][..], &bytes].concat());
            event(&[&[choice][..], whole.as_bytes()].concat());
        }
    }
}
