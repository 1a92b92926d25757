//! Messages as Discord sends them, and as it might one day.

use proptest::prelude::*;

use super::*;

const SETTING: Setting = Setting { channel: Some(ChannelId(2)), guild: Some(GuildId(1)) };

#[track_caller]
fn read(json: &str) -> Message {
    message(json, SETTING).unwrap()
}

#[test]
fn a_message_is_read_and_kept_byte_for_byte() {
    let json = r#"{"id":"10","channel_id":"3", "author":{"id":"5","username":"wren",
        "global_name":"Wren","avatar":"abc"},"content":"hi <@6> in <#9> <:w:1>","mentions":[{"id":"6",
        "username":"owl","global_name":null}],"mention_channels":[{"id":"9","name":"clips"}],
        "edited_timestamp":"2026-01-02T03:04:05.678000+00:00","attachments":[{"id":"11",
        "filename":"a.mp4","title":"my clip","content_type":"video/mp4","size":9000000000,
        "url":"https://cdn.discordapp.com/attachments/3/11/a.mp4?ex=1&","width":640,"height":null,
        "duration_secs":1.5,"placeholder":"xyz","flags":8}]}"#;
    let message = read(json);
    assert_eq!(&*message.raw, json);
    assert_eq!((message.id, message.channel), (MessageId(10), ChannelId(3)));
    assert_eq!(message.guild, Some(GuildId(1)));
    assert_eq!(message.text, "hi @owl in #clips :w:");
    assert_eq!(message.edited, Timestamp::parse("2026-01-02T03:04:05.678Z"));
    assert_eq!(
        message.author,
        Author { id: UserId(5), name: "Wren".into(), avatar: Some("abc".into()), bot: false }
    );
    let [file] = &message.attachments[..] else { panic!("one file") };
    assert_eq!(
        (file.id, file.size, file.width, file.height),
        (AttachmentId(11), 9_000_000_000, Some(640), None)
    );
    assert_eq!((file.runtime, file.spoiler), (Some(1.5), true));
    assert_eq!(file.name(), "my clip.mp4");
    assert!(message.carries_media);
}

#[test]
fn a_webhook_is_called_by_the_name_of_its_post() {
    let json = r#"{"id":"10","webhook_id":"7","author":{"id":"7","username":"Feed",
        "global_name":"ignored"}}"#;
    let author = read(json).author;
    assert_eq!((author.name.as_str(), author.bot), ("Feed", true));
}

#[test]
fn spoilers_are_told_by_flag_and_by_name() {
    let file = |name: &str, flags: u64| {
        let json = format!(
            r#"{{"id":"1","attachments":[{{"id":"2","url":"https://c/a","filename":"{name}","flags":{flags}}}]}}"#
        );
        read(&json).attachments[0].spoiler
    };
    assert!(file("a.png", 8));
    assert!(file("SPOILER_a.png", 0));
    assert!(!file("a.png", 1 | 2 | 4 | 16 | 32));
}

#[test]
fn a_message_of_components_has_its_words_in_them() {
    let json = r#"{"id":"10","flags":32768,"content":"","mentions":[{"id":"6","username":"owl"}],
        "components":[{"type":17,"components":[{"type":10,"content":"one <@6>"},
        {"type":9,"components":[{"type":10,"content":"two"}],"accessory":{"type":11,"media":{"url":"u"}}},
        {"type":99,"components":[{"type":10,"content":"three"}]}]}]}"#;
    let message = read(json);
    assert_eq!(message.text, "one @owl\ntwo\nthree");
    assert!(message.carries_media);
}

#[track_caller]
fn check_media(fields: &str, expected: bool) {
    assert_eq!(read(&format!(r#"{{"id":"1",{fields}}}"#)).carries_media, expected, "{fields}");
}

#[test]
fn media_is_noticed_wherever_it_hides() {
    check_media(r#""content":"nothing""#, false);
    check_media(r#""attachments":[]"#, false);
    check_media(r#""attachments":[{}]"#, true);
    check_media(r#""sticker_items":[{"id":"1"}]"#, true);
    check_media(r#""embeds":[{"type":"rich","title":"words"}]"#, false);
    check_media(r#""embeds":[{"type":"new"},{"image":{"url":"u"}}]"#, true);
    check_media(r#""embeds":[{"footer":{"icon_url":"u"}}]"#, true);
    check_media(r#""components":[{"type":1,"components":[{"type":2}]}]"#, false);
    check_media(r#""components":[{"type":12,"items":[{"media":{"url":"u"}}]}]"#, true);
    check_media(
        r#""components":[{"type":17,"components":[{"type":13,"file":{"url":"u"}}]}]"#,
        true,
    );
    check_media(r#""message_snapshots":[{"message":{"content":"words"}}]"#, false);
    check_media(r#""message_snapshots":[{"message":{"attachments":[{"id":"1"}]}}]"#, true);
}

#[test]
fn one_bad_message_does_not_take_the_page_with_it() {
    let page = br#"[{"id":"3","content":"c"}, {"content":"no id"}, 7,
        {"id":"2","content":"\ud800 half a letter"}, {"id":"4"}]"#;
    let (read, unreadable) = messages(page, SETTING).unwrap();
    assert_eq!(read.iter().map(|message| message.id.0).collect::<Vec<_>>(), [4, 3]);
    let ids: Vec<_> = unreadable.iter().map(|message| message.id).collect();
    assert_eq!(ids, [None, None, Some(MessageId(2))]);
    assert_eq!(&*unreadable[0].raw, r#"{"content":"no id"}"#);
    assert!(messages(br#"[{"id":"3"},{"id":"#, SETTING).is_err(), "half a page is no page");
    assert!(messages(br#"{"message":"no page"}"#, SETTING).is_err());
}

#[test]
fn a_message_needs_a_channel() {
    let error = message(r#"{"id":"1"}"#, Setting::default()).unwrap_err();
    assert_eq!(error.id, Some(MessageId(1)));
}

/// Any JSON, not too deep.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f32>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = prop_oneof![
            Just("id".to_owned()),
            Just("components".to_owned()),
            Just("items".to_owned()),
            Just("message".to_owned()),
            Just("url".to_owned()),
            Just("type".to_owned()),
            ".{0,4}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_field_is_so_odd_that_the_message_is_lost(
        fields in prop::collection::btree_map(
            prop::sample::select(vec!["author", "content", "edited_timestamp", "attachments", "embeds",
                "components", "mentions", "mention_channels", "webhook_id", "guild_id",
                "sticker_items", "message_snapshots", "flags"]),
            json(),
            0..13,
        )
    ) {
        let mut fields: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        fields.insert("id".to_owned(), "12".into());
        let raw = Value::Object(fields).to_string();
        let read = message(&raw, SETTING);
        prop_assert!(read.is_ok(), "{raw}: {read:?}");
        let read = read.unwrap();
        prop_assert_eq!(read.id, MessageId(12));
        prop_assert_eq!(&*read.raw, raw);
    }
}
