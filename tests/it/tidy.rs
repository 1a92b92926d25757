//! The house rules of CONTRIBUTING.md that a program can check, checked on every file of `src/`.
//!
//! Each rule is shown to catch a bad example, so that none of them falls silent unnoticed.

mod source;
mod rules;
mod gallery;
mod mutations;

use std::{fs, path::Path};

use self::{rules::broken, source::Source};

#[test]
fn the_source_keeps_the_house_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    collect(&root, &root, &mut sources);
    assert!(sources.iter().any(|source| source.path == "main.rs"), "src/ was not found");
    let broken = broken(&sources);
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("the folder was listed by its parent") {
        let path = entry.expect("the folder stays readable").path();
        if path.is_dir() {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root).expect("it was found below the root");
            let text = fs::read_to_string(&path).expect("source is readable text");
            sources.push(Source::new(&relative.to_string_lossy(), &text));
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
}

#[track_caller]
fn check(path: &str, text: &str, complaint: &str) {
    let broken = broken(&[Source::new(path, &format!("//! Doc.\n{text}"))]);
    assert!(
        broken.iter().any(|broken| broken.contains(complaint)),
        "{path} should be refused with {complaint:?}; said: {broken:?}\n{text}"
    );
}

#[track_caller]
fn check_good(path: &str, text: &str) {
    let broken = broken(&[Source::new(path, &format!("//! Doc.\n{text}"))]);
    assert!(broken.is_empty(), "{broken:?}\n{text}");
}

#[test]
fn arrows_that_point_up_or_sideways_are_caught() {
    check("domain/link.rs", "use crate::store::Store;", "domain may not know store");
    check("domain/link.rs", "use super::super::clock::Clock;", "domain may not know clock");
    check(
        "bucket.rs",
        "use crate::{domain::id::UserId, discord::Discord};",
        "may not know discord",
    );
    check("bucket/gcs.rs", "fn f() { crate::cdn::open() }", "bucket may not know cdn");
    check("store.rs", "use super::ffmpeg;", "store may not know ffmpeg");
    check("gallery/page.rs", "use crate::actors::Wake;", "gallery may not know actors");
    check("actors/download.rs", "use crate::config::Config;", "actors may not know config");
    check("actors.rs", "use crate::app;", "actors may not know app");
    check("serve.rs", "use crate::{cli, bucket::Bucket};", "serve may not know cli");
    check("config.rs", "use crate::bucket::Bucket;", "config may not know bucket");
    check("cli.rs", "use crate::config::Config;", "cli may not know config");
    check("app.rs", "use crate::cli::fetch::run;", "app may not know cli/");
    check("chores.rs", "", "has no place in the arrows");
}

#[test]
fn arrows_that_point_down_are_allowed() {
    check_good("app.rs", "use crate::{actors::Download, config::Config, cli::RunArgs};");
    check_good("cli/fetch.rs", "use crate::{app::App, cli::FetchArgs, config::Config};");
    check_good("actors/download.rs", "use crate::{bucket::Bucket, cdn::Cdn, domain::link::Link};");
    check_good("bucket/gcs.rs", "use super::Bucket; use crate::domain::id::UserId;");
    check_good("store/kv/sled.rs", "use super::super::codec; use sled::Db;");
    check_good("domain/id.rs", "use super::time::Timestamp;");
    // Words in comments, texts and tests are no arrows.
    check_good(
        "domain/id.rs",
        "// crate::store\nconst S: &str = \"crate::store\"; /* crate::app */",
    );
    check_good("domain/id.rs", "const S: &str = r#\"\"crate::store\"#; const C: char = '\"';");
    check_good("actors.rs", "#[cfg(test)]\nmod tests { use crate::config::Config; fn f() { {} } }");
    check_good("config/tests.rs", "use crate::bucket::Bucket;");
}

#[test]
fn code_behind_a_test_module_is_still_checked() {
    let text = "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::app::App;";
    check("store.rs", text, "store may not know app");
}

#[test]
fn vendors_outside_their_module_are_caught() {
    check(
        "actors/gateway.rs",
        "use twilight_gateway::Shard;",
        "twilight_gateway belongs into discord",
    );
    check(
        "app.rs",
        "fn f() { twilight_http::Client::new() }",
        "twilight_http belongs into discord",
    );
    check("domain/id.rs", "use twilight_model::channel::Message;", "twilight_model belongs");
    check_good("domain/id.rs", "use twilight_model::id::Id;");
    check_good("discord/live.rs", "use twilight_http::{Client, request};");
    check("actors/persistence.rs", "use sled;", "sled belongs into store");
    check(
        "bucket/folder.rs",
        "use google_cloud_storage::client::Storage;",
        "belongs into bucket/gcs",
    );
    check_good("bucket/gcs/upload.rs", "use google_cloud_storage::client::Storage;");
    check("actors/thumbnail.rs", "use std::process::{Command, Stdio};", "process::Command belongs");
    check("actors/thumbnail.rs", "use ffmpeg_sidecar::command;", "ffmpeg_sidecar belongs");
    check("gallery.rs", "use actix::prelude::*;", "actix belongs into actors, app, main");
    check_good("main.rs", "use std::process::ExitCode;");
}

#[test]
fn a_domain_that_does_things_is_caught() {
    check("domain/retry.rs", "use tokio::time::sleep;", "the domain may not use tokio");
    check("domain/retry.rs", "fn f() { std::fs::read(\"\"); }", "the domain may not use std::fs");
    check("domain/retry.rs", "use std::{env, fmt};", "the domain may not use std::env");
    check(
        "domain/retry.rs",
        "use std::time::{Duration, Instant};",
        "may not use std::time::Instant",
    );
    check("domain/time.rs", "fn f() { OffsetDateTime::now_utc() }", "may not use now_utc");
    check_good("domain/retry.rs", "use std::time::Duration;");
}

#[test]
fn actors_that_know_their_supervisor_are_caught() {
    check("actors/download.rs", "use super::supervisor::Restart;", "may not know its supervisor");
    check_good("actors/supervisor/budget.rs", "use super::super::supervisor::Child;");
}

#[test]
fn tables_outside_their_list_are_caught() {
    let table = "const NAMES: Table<u8, Name> = Table::new(50, \"names\");";
    check("store/verify.rs", table, "a table is declared in the list");
    check("store/tables.rs", table, "a table is declared in the list");
    check_good("store/tables.rs", "tables! { NAMES: Table<u8, Name> = (50, \"names\"); }");
}

#[test]
fn files_that_are_laid_out_otherwise_are_caught() {
    check("store/mod.rs", "", "foo.rs beside foo/");
    check("store/utils.rs", "", "says nothing");
    check("helpers.rs", "", "says nothing");
    check("bucket/common/retry.rs", "", "says nothing");
    check("domain/long.rs", &"fn f() {}\n".repeat(600), "601 lines");
    check("lib.rs", "pub mod domain;\npub fn f() {}", "holds no code");
    check("lib.rs", "pub mod domain;\nuse std::fmt;", "holds no code");
    check("lib.rs", "pub mod domain; pub use domain::id;", "holds no code");
    check_good("lib.rs", "#![forbid(unsafe_code)]\n\n// Order.\npub mod domain;\npub mod app;");
    let undocumented = Source::new("store.rs", "use std::fmt;\n\n//! Late.");
    assert!(broken(&[undocumented])[0].contains("begins with //!"));
    let orphan = Source::new("bucket/gcs/upload.rs", "//! Doc.");
    let parent = Source::new("bucket.rs", "//! Doc.");
    assert!(broken(&[orphan, parent])[0].contains("bucket/gcs.rs is missing"));
}
