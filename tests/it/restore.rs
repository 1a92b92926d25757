//! `STATE_DIR` is lost or damaged, as people lose it: what the real binary makes of the buckets that are left.

use std::path::{Path, PathBuf};

use bowerbird::store::{Kv, SledKv, Writes};
use serde_json::Value;

use crate::rig::{Bower, Bucket, Rig, Size};

/// The bucket for what must not be public.
const PRIVATE: &str = "archive-state";

async fn rig() -> Rig {
    let bower = Bower::new(Size::TENTH);
    let rig = Rig::over(&bower.world).options(Bower::calm()).in_the_cloud().start().await;
    let Bucket::Cloud { sim, .. } = &rig.bucket else { panic!("it was asked for") };
    sim.create_bucket(PRIVATE);
    rig
}

/// Runs a fetch of what is there already, and panics when a file is downloaded or a page of history read.
async fn fetch_nothing_new(rig: &Rig) -> String {
    let before = rig.stats();
    let ended = rig.succeed(&["fetch"]).await;
    let after = rig.stats();
    assert_eq!(after.total_downloads(), before.total_downloads(), "a file was downloaded twice");
    let pages = after.requests_to("list_messages") - before.requests_to("list_messages");
    assert_eq!(pages, 0, "history was read twice");
    rig.assert_archived().await;
    ended.stderr
}

fn lose_state(rig: &Rig) {
    std::fs::remove_dir_all(rig.state()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_state_folder_comes_back_from_the_bucket() {
    let mut rig = rig().await;
    rig.succeed(&["fetch"]).await;
    rig.assert_archived().await;
    lose_state(&rig);
    let said = fetch_nothing_new(&rig).await;
    assert!(said.contains("restored from the published archive"), "{said}");
    assert!(said.contains("did not come back: raw messages"), "{said}");

    // From now on the state is copied; what the page can't tell comes back as well.
    rig.set("STATE_BUCKET_NAME", PRIVATE);
    let said = fetch_nothing_new(&rig).await;
    assert!(said.contains("the whole state is copied"), "{said}");
    let status = rig.status().await;
    lose_state(&rig);
    let said = fetch_nothing_new(&rig).await;
    assert!(said.contains("restored from the copy of the state"), "{said}");
    assert!(!said.contains("did not come back"), "{said}");
    assert_eq!(rig.status().await["files"], status["files"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_is_set_aside_and_restored() {
    let mut rig = rig().await;
    rig.set("STATE_BUCKET_DIR", rig.folder().join("private").to_str().unwrap().to_owned());
    rig.succeed(&["fetch"]).await;
    overwrite(&rig.state().join("store"));
    let said = fetch_nothing_new(&rig).await;
    assert!(said.contains("set aside") && said.contains("restored from the copy"), "{said}");
    let aside = set_aside(&rig);
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(aside[0].join("db").exists(), "nothing is deleted");
    // It was for once.
    fetch_nothing_new(&rig).await;
    assert_eq!(set_aside(&rig), aside);
}

/// The stores that were set aside.
fn set_aside(rig: &Rig) -> Vec<PathBuf> {
    let names = std::fs::read_dir(rig.state()).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.to_str().unwrap().contains("store.damaged-")).collect()
}

/// What a failing disk leaves: files of the same length with other bytes.
fn overwrite(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            overwrite(&path);
        } else {
            let length = usize::try_from(path.metadata().unwrap().len()).unwrap();
            std::fs::write(&path, vec![0xA5; length]).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restore_does_it_on_request_and_says_what_came_back() {
    let mut rig = rig().await;
    rig.set("STATE_BUCKET_NAME", PRIVATE);
    let nothing = rig.run(&["restore"]).await;
    assert_eq!(nothing.code, Some(1));
    assert!(nothing.stderr.contains("nor a copy of the state is there"), "{}", nothing.stderr);
    rig.succeed(&["fetch"]).await;

    let refused = rig.run(&["restore"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("--replace"), "{}", refused.stderr);
    assert_eq!(set_aside(&rig).len(), 0);
    let words = rig.succeed(&["restore", "--replace"]).await.stdout;
    assert!(words.contains("restored from the copy of the state of "), "{words}");
    let entries = rig.published().await.unwrap().entries.len();
    assert!(words.contains(&format!("  {entries} entries, {entries} of them")), "{words}");
    assert_eq!(set_aside(&rig).len(), 1);

    lose_state(&rig);
    let report = rig.succeed(&["restore", "--from-page-only", "--json"]).await.stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["from"], "page", "{report}");
    assert_eq!(report["entries"], report["stored"]);
    assert!(report["lost"].as_array().unwrap().len() >= 5 && report["milliseconds"].is_u64());
    fetch_nothing_new(&rig).await;
    let found = rig.run(&["doctor", "--json"]).await.stdout;
    assert!(found.contains("the state is copied to gs://archive-state"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_newer_version_wrote_is_refused_and_left_alone() {
    let mut rig = rig().await;
    let private = rig.folder().join("private");
    rig.set("STATE_BUCKET_DIR", private.to_str().unwrap().to_owned());
    rig.succeed(&["fetch"]).await;
    let root = private.join("state/root.json");
    let ours = std::fs::read_to_string(&root).unwrap();
    let newer = ours.replace("\"schema\":1", "\"schema\":99");
    assert_ne!(ours, newer);
    std::fs::write(&root, newer).unwrap();
    let refused = rig.run(&["fetch"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("run that version, or newer"), "{}", refused.stderr);
    std::fs::write(&root, ours).unwrap();

    let store = rig.state().join("store");
    let kv = SledKv::open(&store).unwrap();
    // The row of the catalogue as a whole: its form, the schema, whole, not rebuilt.
    kv.commit(&Writes::from([(vec![41], Some(vec![1, 99, 0, 0]))])).unwrap();
    kv.flush().unwrap();
    drop(kv);
    for command in [&["fetch"][..], &["status"]] {
        let refused = rig.run(command).await;
        assert_eq!(refused.code, Some(1));
        assert!(refused.stderr.contains("schema 99"), "{}", refused.stderr);
        assert!(refused.stderr.contains("run that version, or newer"), "{}", refused.stderr);
    }
    assert_eq!(set_aside(&rig).len(), 0, "what is too new is not damaged");
}
