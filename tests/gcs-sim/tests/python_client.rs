//! Google's own Python client must take the simulator for Google, and must see what is wrong with a bucket.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what went wrong")]

use std::path::{Path, PathBuf};

use gcs_sim::{Op, Sim};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn googles_client_takes_it_for_google_and_sees_damage() {
    let sim = Sim::start().await.unwrap();
    let (passed, output) = judge(&["contract", sim.endpoint()]).await;
    assert!(passed, "{output}");
    assert!(sim.counts(Op::Chunk).requests > 20, "large objects went up in chunks");

    // What the contract left is what the other mode has to recognise.
    let buckets = sim.buckets();
    let [bucket] = buckets.as_slice() else { panic!("one bucket, not {buckets:?}") };
    let mut expected = serde_json::Map::new();
    for object in sim.objects(bucket) {
        let bytes = sim.read(bucket, &object.name).await.unwrap();
        assert_eq!(bytes.len() as u64, object.size);
        let sha256 = hex::encode(Sha256::digest(&bytes));
        expected.insert(object.name, json!({ "size": object.size, "sha256": sha256 }));
    }
    assert!(expected.len() > 10);
    assert!(verify(&sim, bucket, &expected).await, "all is as it was put");

    let mut more = expected.clone();
    more.insert("never-put".to_owned(), json!({ "size": 1, "sha256": "00" }));
    assert!(!verify(&sim, bucket, &more).await, "an object is missing");
    let mut less = expected.clone();
    less.remove("small.txt").unwrap();
    assert!(!verify(&sim, bucket, &less).await, "an object is too many");
    assert!(sim.damage(bucket, "small.txt").await);
    assert!(!verify(&sim, bucket, &expected).await, "an object has other bytes");
}

async fn verify(
    sim: &Sim,
    bucket: &str,
    expected: &serde_json::Map<String, serde_json::Value>,
) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("expected.json");
    std::fs::write(&path, serde_json::to_vec(expected).unwrap()).unwrap();
    let (passed, output) = judge(&["verify", sim.endpoint(), bucket, path.to_str().unwrap()]).await;
    println!("{output}");
    assert!(output.contains(" passed, "), "the judge came to a verdict: {output}");
    passed
}

async fn judge(arguments: &[&str]) -> (bool, String) {
    let script = workspace().join("tests/judges/gcs/judge.py");
    let output = Command::new(python())
        .arg(script)
        .args(arguments)
        // The simulator is here: no proxy knows the way.
        .env("NO_PROXY", "*")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    (output.status.success(), format!("{stdout}{stderr}"))
}

fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("BOWERBIRD_PYTHON") {
        return python.into();
    }
    let python = workspace().join("target/python/bin/python");
    assert!(
        python.exists(),
        "no Python with Google's client: run `make test`, which installs it, or name one in BOWERBIRD_PYTHON"
    );
    python
}

fn workspace() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("the crate lies two folders below the workspace")
}
