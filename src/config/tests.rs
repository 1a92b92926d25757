//! Tables of good and bad settings.

use std::collections::BTreeMap;

use super::*;
use crate::domain::{
    id::{GuildId, RoleId},
    removal::{OnDelete, Percent},
    selection::MediaKind,
};

/// `123456789012345678` in base64, a time, a signature of 38 characters.
const TOKEN: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.abcdefghijklmnopqrstuvwxyz0123456789-_";

const CORES: NonZeroUsize = NonZeroUsize::MIN;

fn check(settings: &[(&str, &str)]) -> Result<Config, Problems> {
    let settings: BTreeMap<&str, &str> = settings.iter().copied().collect();
    Config::check(&|name| settings.get(name).map(|text| (*text).to_owned()), CORES)
}

/// Checks one setting beside a good token.
fn check_one(name: &str, text: &str) -> Result<Config, Problems> {
    check(&[("TOKEN", TOKEN), (name, text)])
}

/// What is said about one bad setting.
#[track_caller]
fn complaint(name: &str, text: &str) -> String {
    let problems = check_one(name, text).expect_err(text);
    assert_eq!(problems.0.len(), 1, "{problems}");
    assert_eq!(problems.0[0].variable().name, name, "{problems}");
    problems.to_string()
}

#[track_caller]
fn refused(name: &str, text: &str, why: &str) {
    let said = complaint(name, text);
    assert!(said.contains(why), "{name}={text:?} should be refused with {why:?}, not with: {said}");
}

#[test]
fn a_token_is_all_that_is_needed() {
    let config = check(&[("TOKEN", TOKEN)]).unwrap();
    assert_eq!(config.discord.token.reveal(), TOKEN);
    assert_eq!(config.discord.api.to_string(), "https://discord.com");
    assert!(config.discord.api.is_encrypted());
    let hosts: Vec<String> = config.discord.cdn_hosts.iter().map(Origin::to_string).collect();
    assert_eq!(hosts, ["https://cdn.discordapp.com", "https://media.discordapp.net"]);
    assert_eq!(config.places, PlaceSelection::default());
    assert_eq!(config.media.mode, MediaMode::Copy);
    assert_eq!(config.media.selection, MediaSelection::default());
    assert_eq!(config.bucket, BucketChoice::Folder { path: "./archive".into() });
    assert_eq!(config.state_dir, PathBuf::from("./state"));
    assert_eq!(config.private, PrivateChoice::WithState("./state/private".into()));
    assert_eq!(config.removal, RemovalPolicy::default());
    assert!(config.opt_out_roles.is_empty() && config.alerts.is_none());
    assert_eq!(config.timings.reconcile_every, Some(Duration::from_hours(24 * 30)));
    assert_eq!(config.timings.verify_every, Some(Duration::from_hours(24 * 7)));
    assert_eq!(config.title, None);
    assert_eq!(config.timings.publish_every, Duration::from_mins(1));
    assert_eq!(config.timings.confirm_after, Duration::from_mins(5));
    assert_eq!(config.timings.shutdown_after, Duration::from_secs(25));
    assert_eq!(config.workers.spool_size, 10_000_000_000);
    assert_eq!(config.status_addr, None);
    assert_eq!(config.log, LogFormat::Auto);
}

#[test]
fn every_setting_is_taken() {
    let config = check(&[
        ("TOKEN", TOKEN),
        ("SERVER_IDS", "210000000000000001"),
        ("CHANNEL_IDS", "310000000000000001, 310000000000000002,"),
        ("EXCLUDE_IDS", "310000000000000003"),
        ("INCLUDE_PRIVATE", "true"),
        ("INCLUDE_NSFW", "True"),
        ("MEDIA", "link"),
        ("MEDIA_KINDS", "image,Audio"),
        ("MAX_FILE_SIZE", "100MB"),
        ("ON_DELETE", "erase"),
        ("ERASE_DELETED_AFTER", "never"),
        ("MASS_DELETION", "100%"),
        ("OPT_OUT_ROLE_ID", "410000000000000001"),
        ("STATE_BUCKET_NAME", "owl-state"),
        ("STATE_BUCKET_DIR", "/elsewhere"),
        ("RECONCILE_EVERY", "90d"),
        ("VERIFY_EVERY", "12h"),
        ("ALERT_WEBHOOK_URL", "https://discord.com/api/webhooks/1/secret"),
        ("BUCKET_NAME", "owl-clips.example.com"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/run/secrets/key.json"),
        ("STORAGE_EMULATOR_HOST", "127.0.0.1:9023"),
        ("ARCHIVE_DIR", "/archive"),
        ("STATE_DIR", "/state"),
        ("TITLE", "Night Owls"),
        ("PUBLISH_EVERY", "250ms"),
        ("CONFIRM_AFTER", "2m"),
        ("SHUTDOWN_AFTER", "1h"),
        ("DOWNLOADS", "3"),
        ("THUMBNAILS", "64"),
        ("SPOOL_SIZE", "2 GiB"),
        ("STATUS_ADDR", "0.0.0.0:9090"),
        ("LOG_FORMAT", "json"),
        ("DISCORD_API_URL", "http://127.0.0.1:8080"),
        ("CDN_HOSTS", "http://127.0.0.1:8081,cdn.example.com"),
    ])
    .unwrap();
    assert_eq!(config.places.guilds, BTreeSet::from([GuildId(210_000_000_000_000_001)]));
    assert_eq!(
        config.places.channels,
        BTreeSet::from([ChannelId(310_000_000_000_000_001), ChannelId(310_000_000_000_000_002)])
    );
    assert_eq!(config.places.excluded, BTreeSet::from([ChannelId(310_000_000_000_000_003)]));
    assert!(config.places.include_private && config.places.include_nsfw);
    assert_eq!(
        config.removal,
        RemovalPolicy { on_delete: OnDelete::Erase, erase_after: None, mass: Percent(100) }
    );
    assert_eq!(config.opt_out_roles, BTreeSet::from([RoleId(410_000_000_000_000_001)]));
    assert_eq!(config.timings.reconcile_every, Some(Duration::from_hours(24 * 90)));
    assert_eq!(config.timings.verify_every, Some(Duration::from_hours(12)));
    assert_eq!(format!("{:?}", config.alerts), "Some(***)");
    let alerts = config.alerts.as_ref().map(Webhook::reveal);
    assert_eq!(alerts, Some("https://discord.com/api/webhooks/1/secret"));
    let PrivateChoice::Elsewhere(BucketChoice::Gcs { name, .. }) = &config.private else {
        panic!("a bucket's name wins over a folder")
    };
    assert_eq!(name, "owl-state");
    assert_eq!(config.media.mode, MediaMode::Link);
    assert_eq!(
        config.media.selection,
        MediaSelection {
            kinds: BTreeSet::from([MediaKind::Image, MediaKind::Audio]),
            max_size: Some(100_000_000),
        }
    );
    let BucketChoice::Gcs { name, credentials, emulator } = config.bucket else {
        panic!("a bucket's name wins over a folder")
    };
    assert_eq!(name, "owl-clips.example.com");
    assert_eq!(credentials, Some("/run/secrets/key.json".into()));
    assert_eq!(emulator.unwrap().to_string(), "http://127.0.0.1:9023");
    assert_eq!(config.state_dir, PathBuf::from("/state"));
    assert_eq!(config.title.as_deref(), Some("Night Owls"));
    assert_eq!(config.timings.publish_every, Duration::from_millis(250));
    assert_eq!(config.timings.confirm_after, Duration::from_mins(2));
    assert_eq!(config.timings.shutdown_after, Duration::from_hours(1));
    assert_eq!(config.workers.downloads.get(), 3);
    assert_eq!(config.workers.thumbnails.get(), 64);
    assert_eq!(config.workers.spool_size, 2 << 30);
    assert_eq!(config.status_addr, Some(([0, 0, 0, 0], 9090).into()));
    assert_eq!(config.log, LogFormat::Json);
    assert!(!config.discord.api.is_encrypted());
    assert_eq!(config.discord.api.authority(), "127.0.0.1:8080");
    let hosts: Vec<String> = config.discord.cdn_hosts.iter().map(Origin::to_string).collect();
    assert_eq!(hosts, ["http://127.0.0.1:8081", "https://cdn.example.com"]);
}

#[test]
fn all_problems_are_told_at_once() {
    let problems = check(&[("CHANNEL_IDS", "clips"), ("MEDIA", "both"), ("MAX_FILE_SIZE", "100")])
        .unwrap_err();
    let names: Vec<&str> = problems.0.iter().map(|problem| problem.variable().name).collect();
    assert_eq!(names, ["TOKEN", "CHANNEL_IDS", "MEDIA", "MAX_FILE_SIZE"]);
    let said = problems.to_string();
    assert!(
        said.starts_with("4 settings need attention\n  - TOKEN is missing: it should be a bot")
    );
    assert!(said.contains("Reset Token"), "{said}");
    assert!(said.contains("MAX_FILE_SIZE or --max-size (\"100\") lacks its unit"), "{said}");
    assert!(said.contains("CHANNEL_IDS or --channel-id (\"clips\") holds a name"), "{said}");
    assert!(said.contains("Copy ID"), "{said}");
}

#[test]
fn empty_settings_count_as_none() {
    let config = check(&[("TOKEN", TOKEN), ("BUCKET_NAME", ""), ("MEDIA", "")]).unwrap();
    assert_eq!(config.bucket, BucketChoice::Folder { path: "./archive".into() });
    assert_eq!(config.media.mode, MediaMode::Copy);
    let problems = check(&[("TOKEN", "")]).unwrap_err();
    assert!(problems.to_string().starts_with("TOKEN is missing"), "{problems}");
}

#[test]
fn what_is_no_bot_token_is_recognised() {
    let token = |text: &str, why| {
        let said = check(&[("TOKEN", text)]).unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
        assert!(said.contains("developers/applications") && said.contains("Reset Token"), "{said}");
        assert!(!said.contains(text), "the message shows the token: {said}");
    };
    token(&format!("Bot {TOKEN}"), "begins with the word Bot");
    token(&format!("Bearer {TOKEN}"), "OAuth2");
    token(&format!("\"{TOKEN}\""), "has quotes around it");
    token(&format!("'{TOKEN}'"), "docker run --env-file");
    token(&format!("{TOKEN}\r"), "carriage return");
    token(&format!("{TOKEN} "), "has blanks around it");
    token("mfa.abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnop", "a person's account");
    token("123456789012345678", "is the application's id");
    token("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "public key");
    token("abcdefghijklmnopqrstuvwxyz012345", "client secret");
    token("hunter2", "1 part ");
    token("MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE", "2 parts");
    token("MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.abcdef", "cut short");
    token("aGVsbG8.GabcDE.abcdefghijklmnopqrstuvwxyz0123456789", "the id of a bot");
    token("*.GabcDE.abcdefghijklmnopqrstuvwxyz0123456789", "a character");
    // Ids of 17 and 19 digits, as old and new bots have them.
    for first in ["ODAzNTExMTAyMTExMTIzNDU", "MTEwMzM3MDI1MDQxNzMyODIwMg"] {
        let token = format!("{first}.GabcDE.abcdefghijklmnopqrstuvwxyzA");
        check(&[("TOKEN", token.as_str())]).unwrap();
    }
}

#[test]
fn secrets_never_print() {
    let config = check(&[("TOKEN", TOKEN)]).unwrap();
    let printed = format!("{config:?}");
    assert!(printed.contains("***") && !printed.contains("GabcDE"), "{printed}");
    // Also where somebody pasted them into the wrong place.
    for (name, text) in [
        ("CHANNEL_IDS", TOKEN.to_owned()),
        ("MEDIA", format!("'{TOKEN}'")),
        ("MEDIA_KINDS", TOKEN.to_owned()),
        ("MAX_FILE_SIZE", format!("1{TOKEN}")),
        ("BUCKET_NAME", format!("{TOKEN}/")),
        ("GOOGLE_APPLICATION_CREDENTIALS", "{\"private_key\": \"GabcDE\"}".to_owned()),
    ] {
        let said = complaint(name, &text);
        assert!(said.contains("***") && !said.contains("GabcDE"), "{said}");
    }
}

#[test]
fn bad_values_are_refused_with_the_remedy() {
    refused("CHANNEL_IDS", "123", "which has 3 digits: it should be ids of 17 to 20 digits");
    refused("CHANNEL_IDS", "#clips", "holds a name");
    refused("CHANNEL_IDS", "<#310000000000000001>", "holds a name");
    refused("CHANNEL_IDS", "310000000000000001;310000000000000002", "not separated by commas");
    refused("CHANNEL_IDS", "310000000000000001 310000000000000002", "not separated by commas");
    refused("CHANNEL_IDS", "310000000000000001,,310000000000000002", "an empty place");
    refused("CHANNEL_IDS", "https://discord.com/channels/21/31", "holds a link");
    refused("SERVER_IDS", "99999999999999999999", "too large");
    refused("SERVER_IDS", "-21000000000000000", "holds what is not an id");
    refused("INCLUDE_PRIVATE", "yes", "true or false");
    refused("MEDIA", "move", "copy");
    refused("MEDIA_KINDS", "video,gifs", "names \"gifs\"");
    refused("MEDIA_KINDS", "\"video\"", "docker run --env-file keeps them");
    refused("MAX_FILE_SIZE", "100", "lacks its unit");
    refused("MAX_FILE_SIZE", "100Mb/s", "for a unit");
    refused("MAX_FILE_SIZE", "1.5GB", "for a unit");
    refused("MAX_FILE_SIZE", "big", "does not begin with a whole number");
    refused("MAX_FILE_SIZE", "0MB", "is nothing");
    refused("MAX_FILE_SIZE", "99999999999TB", "too large");
    refused("ERASE_DELETED_AFTER", "30", "lacks its unit");
    refused("ERASE_DELETED_AFTER", "0d", "is nothing");
    refused("ERASE_DELETED_AFTER", "11000d", "too long");
    refused("MASS_DELETION", "101%", "more than everything");
    refused("MASS_DELETION", "5", "lacks its unit");
    refused("OPT_OUT_ROLE_ID", "no archive", "separated by commas");
    refused("STATE_BUCKET_NAME", "gs://owls", "an address");
    refused("STATE_BUCKET_DIR", "./archive", "everybody may read");
    refused("RECONCILE_EVERY", "monthly", "does not begin with a whole number");
    refused("ALERT_WEBHOOK_URL", "http://example.com/hook", "in the clear");
    refused("ON_DELETE", "shred", "not known");
    refused("BUCKET_NAME", "gs://owls", "an address");
    refused("BUCKET_NAME", "Owls", "holds 'O'");
    refused("BUCKET_NAME", "-owls", "begin and end");
    refused("BUCKET_NAME", "ow", "too short");
    refused("GOOGLE_APPLICATION_CREDENTIALS", "{}", "holds the key itself");
    refused("ARCHIVE_DIR", "~/archive", "only shells replace");
    refused("TITLE", "Night\u{7}Owls", "control character");
    refused("PUBLISH_EVERY", "60", "lacks its unit");
    refused("PUBLISH_EVERY", "0s", "is nothing");
    refused("CONFIRM_AFTER", "2d", "for a unit");
    refused("SHUTDOWN_AFTER", "25h", "too long");
    refused("DOWNLOADS", "0", "nobody");
    refused("DOWNLOADS", "65", "too many");
    refused("THUMBNAILS", "many", "not a whole number");
    refused("STATUS_ADDR", ":9090", "lacks the address");
    refused("STATUS_ADDR", "localhost:9090", "127.0.0.1:9090");
    refused("LOG_FORMAT", "xml", "auto, text or json");
    refused("DISCORD_API_URL", "https://discord.com/api/v10", "something behind the host");
    refused("DISCORD_API_URL", "discord.com", "not an address");
    refused("DISCORD_API_URL", "ftp://discord.com", "http:// or https://");
    refused("DISCORD_API_URL", "https://me@discord.com", "user's name");
    refused("CDN_HOSTS", "cdn.discordapp.com/attachments", "something behind the host");
}

#[test]
fn asking_for_a_channel_and_against_it_is_refused() {
    let said = check(&[
        ("TOKEN", TOKEN),
        ("CHANNEL_IDS", "310000000000000001"),
        ("EXCLUDE_IDS", "310000000000000001"),
    ])
    .unwrap_err()
    .to_string();
    assert!(said.contains("names 310000000000000001, which CHANNEL_IDS asks for"), "{said}");
}

#[test]
fn long_values_are_cut_in_messages() {
    let said = complaint("LOG_FORMAT", &"x".repeat(500));
    assert!(said.len() < 200, "{said}");
}

#[test]
fn an_archive_is_looked_at_without_a_token() {
    let broken = |name: &str| match name {
        "MAX_FILE_SIZE" => Some("big".to_owned()),
        "STATE_DIR" => Some("/state".to_owned()),
        _ => None,
    };
    let local = LocalConfig::check(&broken).unwrap();
    assert_eq!(local.state_dir, PathBuf::from("/state"));
    assert_eq!(local.bucket.to_string(), "./archive");
    let problems = LocalConfig::check(&|_| Some("\"x\"".to_owned())).unwrap_err();
    assert!(problems.0.iter().any(|problem| problem.variable().name == "STATE_DIR"));
}

#[test]
fn workers_are_sized_to_the_machine() {
    for (cores, downloads, thumbnails) in [(1, 4, 1), (2, 4, 2), (4, 8, 4), (64, 16, 8)] {
        let cores = NonZeroUsize::new(cores).unwrap();
        assert_eq!(Workers::default_downloads(cores).get(), downloads, "{cores}");
        assert_eq!(Workers::default_thumbnails(cores).get(), thumbnails, "{cores}");
    }
}

#[test]
fn every_default_is_accepted() {
    for variable in variables() {
        if let Some(default) = variable.default {
            let stated = check_one(variable.name, default);
            assert!(stated.is_ok(), "{}: {stated:?}", variable.name);
        }
    }
}

/// A setting that is documented but never looked at would do nothing.
#[test]
fn every_setting_is_looked_at() {
    let seen = std::cell::RefCell::new(BTreeSet::new());
    let problems = Config::check(
        &|name| {
            seen.borrow_mut().insert(name.to_owned());
            None
        },
        CORES,
    );
    assert!(problems.is_err());
    let known: BTreeSet<String> =
        variables().iter().map(|variable| variable.name.to_owned()).collect();
    assert_eq!(seen.into_inner(), known);
}

#[track_caller]
fn hinted(names: &[&str], said: &[&str]) {
    let hints: Vec<String> = hints(names.iter().copied()).iter().map(Hint::to_string).collect();
    assert_eq!(hints, said, "{names:?}");
}

#[test]
fn misspelled_settings_are_noticed() {
    hinted(&["PATH", "HOME", "SHELL", "USER", "LANG", "TOKEN", "STATE_DIRECTORY", "EDITOR"], &[]);
    hinted(
        &["CHANEL_IDS"],
        &["CHANEL_IDS is set but means nothing here: did you mean CHANNEL_IDS?"],
    );
    hinted(&["SERVER_ID"], &["SERVER_ID is set but means nothing here: did you mean SERVER_IDS?"]);
    hinted(
        &["MEDIA_KIND"],
        &["MEDIA_KIND is set but means nothing here: did you mean MEDIA_KINDS?"],
    );
    hinted(&["token"], &["token is set but means nothing here: did you mean TOKEN?"]);
    hinted(
        &["DISCORD_TOKEN"],
        &["DISCORD_TOKEN is set but means nothing here: did you mean TOKEN?"],
    );
    hinted(&["DISCORD_TOKEN", "TOKEN"], &[]);
    hinted(
        &["STATE_BUCKET"],
        &["STATE_BUCKET is set but means nothing here: did you mean STATE_BUCKET_NAME?"],
    );
    hinted(
        &["GOOGLE_APPLICATION_CREDENTIALS"],
        &["GOOGLE_APPLICATION_CREDENTIALS is set but BUCKET_NAME is not: ARCHIVE_DIR is used"],
    );
}
