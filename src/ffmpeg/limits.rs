//! What a child may use up: memory, time, files and disk, set by the system and not by good will.
//!
//! Used for every child that reads a stranger's file. The limits are set from outside, right after the child was
//! started and before it has read a byte that matters; they stand for whatever it starts in turn, and outlive us.

use rustix::process::Pid;

/// Private memory. The hungriest picture under the bound of pixels, 64 Mi of them with 16 bits a channel, was measured
/// between 400 and 600 MiB, the hungriest video below that; the rest is room for newer versions and their threads.
#[cfg(target_os = "linux")]
const MEMORY: u64 = 1024 * 1024 * 1024;

/// Seconds on the processor: longer than any deadline, which comes first while we live. A child whose parent was
/// killed notices only when it writes, and one that loops never writes.
#[cfg(target_os = "linux")]
const PROCESSOR: u64 = 300;

/// Its output is a pipe, for which this does not count. What a wrapper script notes down fits; a disk is not filled.
#[cfg(target_os = "linux")]
const FILE: u64 = 64 * 1024;

/// Its pipes, its input twice, a library while it is loaded and a socket are a dozen.
#[cfg(target_os = "linux")]
const OPEN_FILES: u64 = 64;

/// Sets the limits, also for a child that has ended meanwhile.
///
/// The number of processes stays as it is: the system counts all of a user's together, threads included, so that a
/// limit would depend on what else runs. Whatever a child starts goes with its group.
#[cfg(target_os = "linux")]
pub(super) fn set(child: Pid) {
    use rustix::{
        io::Errno,
        process::{Resource, Rlimit, prlimit},
    };

    let limits = [
        (Resource::Data, MEMORY),
        (Resource::Cpu, PROCESSOR),
        (Resource::Fsize, FILE),
        (Resource::Nofile, OPEN_FILES),
        // A dump of a stranger's file serves nobody, and takes as much disk as the memory above.
        (Resource::Core, 0),
    ];
    for (resource, most) in limits {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        match prlimit(Some(child), resource, limit) {
            Ok(_) | Err(Errno::SRCH) => {}
            // Somebody allows less, or the program runs with more rights than we have.
            Err(error) => tracing::warn!(?resource, %error, "ffmpeg runs without this limit"),
        }
    }
    prefer_to_lose(child);
}

/// Other systems can't limit a process from outside; its own bounds on pixels, blocks of memory and time remain.
#[cfg(not(target_os = "linux"))]
pub(super) fn set(_child: Pid) {}

/// When memory runs out all the same, the system shall end the child and not the archive.
#[cfg(target_os = "linux")]
fn prefer_to_lose(child: Pid) {
    let score = format!("/proc/{}/oom_score_adj", child.as_raw_nonzero());
    if let Err(error) = std::fs::write(score, "1000") {
        tracing::debug!(%error, "ffmpeg is not the first to go when memory runs out");
    }
}
