//! The process under fire: the real binary, and everything around it that breaks.
//!
//! Whatever happens, the archive is compared with the simulator's own truth in the end, byte for byte. The same fault
//! at full size is a test whose name begins with `soak`.

mod away;
mod bucket;
mod cdn;
mod children;
mod clocks;
mod disk;
mod gateway;
mod kills;
mod pauses;

use std::collections::BTreeSet;

use discord_sim::{ChannelId, Content, MessageId, NewAttachment, NewChannel, NewMessage, World};

use crate::rig::{Archive, Builder, Ended, Process, Rig, Selected, expected, until};

/// A server of two channels with a past.
struct Server {
    world: World,
    clips: ChannelId,
}

impl Server {
    /// With so many files in its past, each of so many bytes.
    fn new(seed: u64, files: u64, size: u64) -> Self {
        let world = World::new(seed);
        let guild = world.create_guild("The Bower");
        let clips = world.create_channel(guild, NewChannel::text("clips"));
        let talk = world.create_channel(guild, NewChannel::text("talk"));
        // Discord tells its time in whole seconds, so what is to count as the past has to lie well in it.
        let earlier = world.clock().now() - 60_000;
        for number in 0..files {
            let at = earlier + number;
            world.post(clips, file(number, size).at(at));
            world.post(talk, NewMessage::text("just words").at(at));
        }
        Self { world, clips }
    }

    fn rig(&self) -> Builder {
        Rig::over(&self.world).options(crate::rig::Bower::calm())
    }

    /// Posts a small file.
    fn post(&self, name: &str) -> MessageId {
        self.world.post(self.clips, clip(name))
    }
}

/// A message with a file of these bytes that no other message has.
fn file(number: u64, size: u64) -> NewMessage {
    let file = NewAttachment::new(format!("file-{number}.bin"), Content::seeded(number, size));
    NewMessage::text(format!("file {number}")).attach(file)
}

fn clip(name: &str) -> NewMessage {
    let file = NewAttachment::new(format!("{name}.bin"), name.as_bytes().to_vec());
    NewMessage::text(name).attach(file)
}

/// Starts the service with all of history, and waits until it listens and has caught up.
async fn service(rig: &Rig) -> Process {
    let process = rig.spawn(&["--fetch-history"]);
    rig.until_listening().await;
    process
}

/// Whether everything that should be there is published, and nothing else.
fn is_whole(archive: &Archive, rig: &Rig) -> bool {
    let wanted = expected(rig.world(), &Selected::default());
    let there: BTreeSet<&String> = archive.entries.keys().collect();
    let stored = archive.entries.values().all(|entry| entry["Media"].is_string());
    stored && there == wanted.keys().collect::<BTreeSet<_>>()
}

/// Waits until everything that should be there is published.
async fn until_whole(rig: &Rig) {
    rig.until_published("all of it is on the page", |archive| is_whole(archive, rig)).await;
}

/// Ends the service and compares the archive with the truth.
async fn end(rig: &Rig, process: Process) -> Ended {
    let ended = process.drained().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    rig.assert_archived_as(&Selected::after_deletions()).await;
    ended
}

/// Panics unless a line with these words was logged for people, and no more often than this.
#[track_caller]
fn assert_told(rig: &Rig, words: &str, at_most: usize) {
    let mut lines = rig.told(words);
    lines.retain(|line| !line.contains(" DEBUG "));
    assert!(!lines.is_empty(), "nothing tells of {words:?}");
    assert!(lines.len() <= at_most, "{} lines tell of {words:?}: {lines:#?}", lines.len());
}
