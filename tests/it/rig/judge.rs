//! Google's own Python client looks at a bucket that Bowerbird filled.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::{
    Rig,
    archive::{Archive, Bucket},
};

/// Panics unless Google's client lists, downloads and checksums exactly what is in the simulated bucket.
pub(crate) async fn judge(rig: &Rig) {
    let Bucket::Cloud { sim, name } = &rig.bucket else { panic!("this archive is in a folder") };
    let inventory = rig.folder().join("inventory.json");
    std::fs::write(&inventory, Archive::inventory(&rig.bucket).await.to_string()).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python(root))
        .arg(root.join("tests/judges/gcs/judge.py"))
        .args(["verify", sim.endpoint(), name])
        .arg(&inventory)
        // The simulator is here: no proxy knows the way.
        .env("NO_PROXY", "*")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed: Vec<_> = said.lines().filter(|line| !line.starts_with("ok ")).collect();
    println!("Google's client: {}", failed.last().unwrap_or(&"nothing"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{errors}", failed.join("\n"));
}

fn python(root: &Path) -> PathBuf {
    if let Some(python) = std::env::var_os("BOWERBIRD_PYTHON") {
        return python.into();
    }
    let python = root.join("target/python/bin/python");
    assert!(
        python.exists(),
        "no Python with Google's client: run `make test`, which installs it, or name one in BOWERBIRD_PYTHON"
    );
    python
}
