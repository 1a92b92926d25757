//! The machine's clock jumps: ahead by days, and back. What waits by the clock goes on, and what is compared with it is
//! compared again when it is right.

use std::path::PathBuf;

use super::*;

/// The library that tells a program another time.
fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let mut found = folders.map(|entry| entry.unwrap().path().join("faketime/libfaketimeMT.so.1"));
    found.find(|path| path.exists())
}

/// Sets the clock of the service so far from the right time.
fn set(rig: &Rig, offset: &str) {
    // Renamed into place, since it is read at any moment.
    let (draft, file) = (rig.folder().join("clock.new"), rig.folder().join("clock"));
    std::fs::write(&draft, offset).unwrap();
    std::fs::rename(draft, file).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_stops_nothing_for_good() {
    let Some(library) = faketime() else {
        println!("skipped: there is no libfaketime here; `make setup` installs it");
        return;
    };
    let server = Server::new(101, 10, 2_000);
    // Long enough for the clock to be set between a change and its publication.
    let mut rig = server.rig().set("PUBLISH_EVERY", "3s").start().await;
    rig.set("LD_PRELOAD", library.to_str().unwrap());
    rig.set("FAKETIME_TIMESTAMP_FILE", rig.folder().join("clock").to_str().unwrap().to_owned());
    rig.set("FAKETIME_NO_CACHE", "1");
    // The clock that measures durations is not set, and files tell when they were written.
    rig.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    rig.set("NO_FAKE_STAT", "1");
    set(&rig, "+0");
    let process = service(&rig).await;
    until_whole(&rig).await;
    for (number, offset) in ["-3h", "+10h", "-2d", "+0"].into_iter().enumerate() {
        set(&rig, offset);
        server.post(&format!("posted-at-{number}"));
        until_whole(&rig).await;
    }
    // What is to be published in three seconds by a clock that is ahead is not put off until then.
    set(&rig, "+10h");
    server.post("to-be-published");
    until("it is stored", async || {
        let stored = rig.status().await["files"]["stored"].as_u64();
        (stored == Some(u64::try_from(expected(rig.world(), &Selected::default()).len()).unwrap()))
            .then_some(())
    })
    .await;
    set(&rig, "+0");
    until_whole(&rig).await;
    // Three days ahead every link seems to be dead, so nothing can be fetched; what is posted is kept in mind.
    set(&rig, "+3d");
    for number in 0..5 {
        server.post(&format!("ahead-{number}"));
    }
    until("all of it waits", async || {
        (rig.status().await["waiting"]["downloads"] == 5).then_some(())
    })
    .await;
    set(&rig, "+0");
    server.post("last");
    until_whole(&rig).await;
    end(&rig, process).await;
}
