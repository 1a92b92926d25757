//! A disk runs full and has room again: work stops, what was committed is kept, people are told once, and work goes on.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::*;
use crate::rig::Bucket;

const MIB: u64 = 1 << 20;

/// A small disk of memory.
struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounts it; none where that is not allowed, which is said.
    fn mount(path: &Path, mebibytes: u64) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let options = format!("size={mebibytes}m");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(path).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self { path: path.to_owned() }),
            refused => {
                println!("skipped: no small disk can be mounted here: {refused:?}");
                None
            }
        }
    }

    /// Fills it until so many bytes are free.
    fn fill(&self, free: u64) {
        let disk = rustix::fs::statvfs(&self.path).unwrap();
        let ballast = (disk.f_bavail * disk.f_frsize).saturating_sub(free);
        let mut file = File::create(self.path.join("ballast")).unwrap();
        let piece = vec![0; usize::try_from(MIB).unwrap()];
        let mut left = ballast;
        while left > 0 {
            let now = left.min(MIB);
            match file.write_all(&piece[..usize::try_from(now).unwrap()]) {
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                result => result.unwrap(),
            }
            left -= now;
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.path.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, as something may still be open there.
        let ended = Command::new("umount").arg("-l").arg(&self.path).status();
        assert!(
            ended.is_ok_and(|status| status.success()),
            "{} stays mounted",
            self.path.display()
        );
    }
}

async fn until_told(rig: &Rig, words: &str) {
    until(words, async || (!rig.told(words).is_empty()).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_room_waits_for_it() {
    let server = Server::new(81, 5, 5_000);
    let rig = server.rig().start().await;
    let Some(disk) = Disk::mount(&rig.state(), 64) else { return };
    let process = service(&rig).await;
    until_whole(&rig).await;
    disk.fill(MIB);
    for number in 0..20 {
        server.post(&format!("full-{number}"));
    }
    until_told(&rig, "nothing can be written down").await;
    // What is committed can still be read.
    assert_eq!(rig.status().await["files"]["stored"], 5);
    disk.make_room();
    server.post("room");
    until_whole(&rig).await;
    assert_told(&rig, "nothing can be written down", 1);
    assert_told(&rig, "the store takes what happens again", 1);
    end(&rig, process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_write_fails_is_opened_again() {
    let server = Server::new(82, 5, 5_000);
    let rig = server.rig().start().await;
    let process = rig.spawn_within_limits(&["--fetch-history"]);
    rig.until_listening().await;
    until_whole(&rig).await;
    let pid = Pid::from_raw(process.id().cast_signed());
    let limit = |bytes| prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None });
    let files = std::fs::read_dir(rig.state().join("store")).unwrap();
    let largest = files.map(|file| file.unwrap().metadata().unwrap().len()).max().unwrap();
    // Nothing that is measured beforehand tells of this one: the write itself fails, in the middle.
    limit(Some(largest.next_multiple_of(4_096) + 4_096)).unwrap();
    until("a write failed", async || {
        server.post(&format!("failing-{}", rig.world().messages(server.clips).len()));
        (!rig.told("the store failed and is opened again").is_empty()).then_some(())
    })
    .await;
    server.post("while-it-failed");
    limit(None).unwrap();
    server.post("when-it-worked-again");
    until_whole(&rig).await;
    assert_told(&rig, "the store takes what happens again", usize::MAX);
    end(&rig, process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_wait_while_the_spool_has_no_room() {
    let server = Server::new(83, 5, 5_000);
    let rig = server.rig().start().await;
    let Some(disk) = Disk::mount(&rig.state(), 96) else { return };
    let process = service(&rig).await;
    until_whole(&rig).await;
    // Enough for the store, which writes down what there is to do.
    disk.fill(20 * MIB);
    let downloads = rig.stats().total_downloads();
    for number in 0..20 {
        server.post(&format!("waiting-{number}"));
    }
    until("all of it waits", async || {
        (rig.status().await["waiting"]["downloads"] == 20).then_some(())
    })
    .await;
    until_told(&rig, "downloads wait").await;
    assert_eq!(rig.stats().total_downloads(), downloads, "nothing is fetched that has no place");
    disk.make_room();
    until_whole(&rig).await;
    assert_told(&rig, "downloads wait", 1);
    assert_told(&rig, "there is room on the disk again", 1);
    let status = rig.status().await;
    assert_eq!(status["waiting"]["downloads_parked"], 0, "{status}");
    end(&rig, process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_archive_is_waited_for_and_nothing_is_put_aside() {
    let server = Server::new(84, 5, 5_000);
    let rig = server.rig().set("DOWNLOADS", "4").start().await;
    let Bucket::Folder(archive) = &rig.bucket else { panic!("this archive is in a folder") };
    let Some(disk) = Disk::mount(archive, 8) else { return };
    let process = service(&rig).await;
    until_whole(&rig).await;
    disk.fill(20_000);
    for number in 100..112 {
        server.world.post(server.clips, file(number, 50_000));
    }
    until_told(&rig, "the bucket takes nothing").await;
    disk.make_room();
    until_whole(&rig).await;
    assert_told(&rig, "the bucket takes nothing", 1);
    let status = rig.status().await;
    assert_eq!(status["waiting"]["downloads_parked"], 0, "{status}");
    end(&rig, process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_ended_on_a_full_disk_goes_on_with_the_next_start() {
    let server = Server::new(85, 5, 5_000);
    let rig = server.rig().set("SHUTDOWN_AFTER", "3s").start().await;
    let Some(disk) = Disk::mount(&rig.state(), 64) else { return };
    let process = service(&rig).await;
    until_whole(&rig).await;
    disk.fill(0);
    server.post("full");
    until_told(&rig, "nothing can be written down").await;
    process.killed().await;
    disk.make_room();
    let process = service(&rig).await;
    until_whole(&rig).await;
    end(&rig, process).await;
}
