//! `doctor`, as people run it: what is wrong is said with its remedy, and nothing is left behind.

use discord_sim::{
    ChannelId, Content, Fault, MessageContent, NewAttachment, NewChannel, NewMessage,
    READ_MESSAGE_HISTORY, Rule, Target, When, World,
};
use gcs_sim::{Permission, Public};
use serde_json::Value;

use crate::rig::{Bucket, Ended, Rig, until};

/// A server with two channels, somebody who talks, and a file.
fn world() -> (World, ChannelId) {
    let world = World::new(1);
    let guild = world.create_guild("Night Owls");
    let wren = world.create_user("Wren");
    world.join(guild, wren);
    let clips = world.create_channel(guild, NewChannel::text("clips"));
    let talk = world.create_channel(guild, NewChannel::text("talk"));
    for channel in [clips, talk] {
        world.post(channel, NewMessage::text("good evening").by(wren));
        let file = NewAttachment::new("owl.mp4", Content::bytes(vec![7; 1_000]));
        world.post(channel, NewMessage::text("look").by(wren).attach(file));
    }
    (world, clips)
}

/// The findings of a run, after looking at its exit code.
#[track_caller]
fn findings(ended: &Ended) -> Vec<Value> {
    let report: Value = serde_json::from_str(&ended.stdout).expect(&ended.stderr);
    let findings = report["findings"].as_array().unwrap().clone();
    let faults = findings.iter().filter(|finding| finding["state"] == "bad").count();
    assert_eq!(ended.code, Some(i32::from(faults > 0)), "{}{}", ended.stdout, ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    findings
}

#[track_caller]
fn check(findings: &[Value], about: &str, state: &str, words: &str) {
    let found = findings.iter().any(|finding| {
        finding["about"] == about
            && finding["state"] == state
            && finding.to_string().contains(words)
    });
    assert!(found, "{about} is not {state} with {words:?}: {findings:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_is_well_it_says_so_and_leaves_no_trace() {
    let rig = Rig::over(&world().0).in_the_cloud().start().await;
    let ended = rig.run(&["doctor", "--json"]).await;
    let findings = findings(&ended);
    assert_eq!(ended.code, Some(0), "{findings:#?}");
    for about in [
        "settings", "token", "intent", "gateway", "server", "clock", "messages", "files", "ffmpeg",
        "still", "state", "service", "archive", "lease", "erasure",
    ] {
        check(&findings, about, "good", "");
    }
    check(&findings, "strangers", "note", "index.html");
    check(&findings, "strangers", "good", "list");
    assert!(rig.bucket.names().is_empty(), "nothing is left in the bucket");
    assert!(!rig.state().exists(), "nothing is made on the disk");
    rig.assert_polite();
    let text = rig.succeed(&["doctor"]).await.stdout;
    assert!(text.starts_with("ok   settings"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_on_discord_is_told_with_its_remedy() {
    let (world, clips) = world();
    let guild = world.create_guild("Other");
    let rig = Rig::over(&world).start().await;
    let two = findings(&rig.run(&["doctor", "--json"]).await);
    check(&two, "servers", "bad", "SERVER_IDS");
    world.kick_bot(guild);

    world.set_message_content(MessageContent::Withheld);
    let withheld = findings(&rig.run(&["doctor", "--json"]).await);
    check(&withheld, "intent", "bad", "Privileged Gateway Intents");
    check(&withheld, "messages", "bad", "came empty");
    world.set_message_content(MessageContent::Granted);

    world.withdraw(clips, READ_MESSAGE_HISTORY);
    let denied = findings(&rig.run(&["doctor", "--json"]).await);
    check(&denied, "permission", "bad", "Read Message History");
    check(&denied, "permission", "bad", "#clips");
    world.restore(clips);

    rig.discord.inject(Rule::new(Target::Cdn, When::Always, Fault::Status(500)));
    let cut_off = findings(&rig.run(&["doctor", "--json"]).await);
    check(&cut_off, "files", "bad", "CDN_HOSTS");
    check(&cut_off, "messages", "good", "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_the_bucket_is_told_with_its_remedy() {
    let mut rig = Rig::over(&world().0).in_the_cloud().start().await;
    let Bucket::Cloud { sim, name } = &rig.bucket else { panic!("it was asked for") };
    let name = *name;
    sim.set_public(name, Public::ObjectsAndListing);
    let listed = findings(&rig.run(&["doctor", "--json"]).await);
    check(&listed, "strangers", "bad", "Legacy Object Reader");

    sim.set_public(name, Public::Nothing);
    sim.deny(name, Permission::Bucket);
    let private = findings(&rig.run(&["doctor", "--json"]).await);
    check(&private, "strangers", "note", "serve");
    check(&private, "erasure", "note", "Legacy Bucket Reader");

    sim.deny(name, Permission::Create);
    let denied = findings(&rig.run(&["doctor", "--json"]).await);
    check(&denied, "archive", "bad", "roles/storage.objectUser");
    check(&denied, "token", "good", "");
    assert!(rig.bucket.names().is_empty());

    rig.set("BUCKET_NAME", "not-there");
    let absent = findings(&rig.run(&["doctor", "--json"]).await);
    check(&absent, "archive", "bad", "BUCKET_NAME");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_broken_setting_hides_no_other_fault() {
    let mut rig = Rig::over(&world().0).start().await;
    rig.set("DOWNLOADS", "many");
    rig.set("PATH", rig.folder().to_str().unwrap().to_owned());
    rig.set("CHANNEL_ID", "1");
    std::fs::write(rig.folder().join("file"), "").unwrap();
    rig.set("ARCHIVE_DIR", rig.folder().join("file").to_str().unwrap().to_owned());
    let ended = rig.run(&["doctor", "--json"]).await;
    let found = findings(&ended);
    check(&found, "settings", "bad", "DOWNLOADS");
    check(&found, "settings", "note", "CHANNEL_IDS");
    check(&found, "ffmpeg", "bad", "apt-get install ffmpeg");
    check(&found, "archive", "bad", "ARCHIVE_DIR");
    check(&found, "token", "good", "");
    rig.set("TOKEN", "");
    let found = findings(&rig.run(&["doctor", "--json"]).await);
    check(&found, "settings", "bad", "TOKEN is missing");
    check(&found, "settings", "bad", "DOWNLOADS");
    check(&found, "archive", "bad", "ARCHIVE_DIR");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_running_service_it_asks_instead_of_failing() {
    let rig = Rig::over(&world().0).start().await;
    let service = rig.spawn(&["run"]);
    rig.until_published("something is published", |archive| archive.manifest["generation"] != 0)
        .await;
    let socket = rig.state().join("control.sock");
    until("the service can be asked", async || socket.exists().then_some(())).await;
    let found = findings(&rig.run(&["doctor", "--json"]).await);
    check(&found, "service", "note", "runs on this STATE_DIR");
    check(&found, "lease", "note", "writes to this archive");
    assert_eq!(service.drained().await.code, Some(0));
}
