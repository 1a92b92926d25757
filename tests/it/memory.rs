//! How much memory a copy takes: the same for files of any size.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use discord_sim::{Content, NewAttachment, NewChannel, NewMessage, Options, RateLimits, World};

use crate::rig::{Bucket, Rig};

const MIB: u64 = 1024 * 1024;

const GIB: u64 = 1024 * MIB;

/// A large file may cost so much more than many small ones.
const ALLOWED: u64 = 32 * MIB;

/// As many as are on their way at once, and then some.
const SMALL_FILES: u64 = 64;

/// The kernel keeps the highest value until the process ends, so this only has to catch its last moments.
const GLANCE: Duration = Duration::from_millis(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gigabyte_takes_no_more_memory_than_a_megabyte_on_its_way_into_a_folder() {
    compare(Where::Folder, GIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gigabyte_takes_no_more_memory_than_a_megabyte_on_its_way_into_the_cloud() {
    compare(Where::Cloud, GIB).await;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Folder,
    Cloud,
}

async fn compare(bucket: Where, large: u64) {
    let small = peak(bucket, MIB, SMALL_FILES).await;
    let large_one = peak(bucket, large, 1).await;
    let (Some(small), Some(large_one)) = (small, large_one) else {
        println!("peak memory is not measured here: there is no /proc");
        return;
    };
    let mib = |bytes: u64| bytes.div_ceil(MIB);
    println!(
        "{bucket:?}: peak memory {} MiB for {SMALL_FILES} files of 1 MiB, {} MiB for one of {} MiB",
        mib(small),
        mib(large_one),
        mib(large),
    );
    assert!(small.abs_diff(large_one) < ALLOWED, "{bucket:?}: {small} and {large_one} bytes");
}

/// Fetches so many files of this size, and returns the highest amount of memory that took.
async fn peak(bucket: Where, size: u64, count: u64) -> Option<u64> {
    let world = World::new(size);
    let guild = world.create_guild("Large");
    let channel = world.create_channel(guild, NewChannel::text("files"));
    let contents: Vec<Content> = (0..count).map(|seed| Content::seeded(seed, size)).collect();
    for content in &contents {
        let file = NewAttachment::new("file.bin", content.clone());
        world.post(channel, NewMessage::text("").attach(file));
    }
    let options = Options { rate_limits: RateLimits::faster(20.0), ..Options::default() };
    let rig = Rig::over(&world).options(options);
    let rig = match bucket {
        Where::Folder => rig.start().await,
        Where::Cloud => rig.in_the_cloud().start().await,
    };
    let began = Instant::now();
    let process = rig.spawn(&["fetch"]);
    let status = PathBuf::from(format!("/proc/{}/status", process.id()));
    let mut ended = std::pin::pin!(process.ended());
    let mut peak = None;
    let ended = loop {
        tokio::select! {
            ended = &mut ended => break ended,
            () = tokio::time::sleep(GLANCE) => peak = peak.max(highest(&status)),
        }
    };
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    println!("{bucket:?}: {count} of {} MiB in {:.1} s", size / MIB, began.elapsed().as_secs_f64());
    assert_stored(&rig, &contents).await;
    peak
}

/// The highest resident size so far.
fn highest(status: &PathBuf) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().unwrap();
    Some(kib * 1024)
}

/// Whether each file arrived: by its checksum in the archive, and by the size of its object.
async fn assert_stored(rig: &Rig, contents: &[Content]) {
    let archive = rig.published().await.unwrap();
    let mut found: Vec<&str> =
        archive.entries.values().map(|entry| entry["Crc32c"].as_str().unwrap()).collect();
    let sum = |content: &Content| format!("{:08x}", content.crc32c().unwrap());
    let mut sent: Vec<String> = contents.iter().map(sum).collect();
    found.sort_unstable();
    sent.sort_unstable();
    assert_eq!(found, sent);
    for entry in archive.entries.values() {
        let media = entry["Media"].as_str().unwrap();
        let size = match &rig.bucket {
            Bucket::Folder(root) => root.join(media).metadata().unwrap().len(),
            Bucket::Cloud { sim, name } => {
                sim.objects(name).into_iter().find(|object| object.name == media).unwrap().size
            }
        };
        assert_eq!(entry["Size"], size, "{entry}");
    }
}
