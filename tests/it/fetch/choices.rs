//! What `fetch` is asked for with its flags, and how it ends.

use discord_sim::{
    NewAttachment, NewChannel, NewMessage, Overwrite, READ_MESSAGE_HISTORY, RoleId, Spec, Subject,
    World, iso8601,
};

use crate::rig::{Bower, Rig, Selected, until};

const MIB: u64 = 1024 * 1024;

async fn small(seed: u64) -> Rig {
    let (world, _) = World::generate(seed, &Spec { unreadable: 1, ..Spec::default() });
    // No stills are looked at here.
    Rig::over(&world).options(Bower::calm()).set("PATH", "").start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_channel_is_read_with_its_threads() {
    let rig = small(1).await;
    let places = rig.world().places();
    let thread = places.iter().find(|place| place.archived && place.public).unwrap();
    let parent = thread.parent.unwrap();
    rig.succeed(&["fetch", "--channel-id", &parent.to_string()]).await;
    let family: Vec<_> = places
        .iter()
        .filter(|place| place.id == parent || place.parent == Some(parent))
        .map(|place| place.id)
        .collect();
    assert!(family.len() > 1);
    let mut selected = Selected::files(move |message, _| family.contains(&message.channel));
    // Its private threads are meant as well.
    selected.named.insert(parent);
    rig.assert_archived_as(&selected).await;
    assert_eq!(rig.published().await.unwrap().manifest["channels"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_between_two_times_is_read() {
    let rig = small(2).await;
    let spec = Spec::default();
    let day = 24 * 60 * 60 * 1000;
    let (after, before) = (spec.founded + 100 * day, spec.founded + 250 * day);
    let within =
        move |message: &discord_sim::TruthMessage| (after..before).contains(&message.id.millis());
    // Only whole days can be named as such.
    let text = |millis| iso8601(millis)[..10].to_owned();
    assert_eq!(after % day, 0, "the founding is at midnight");
    rig.succeed(&["fetch", "--after", &text(after), "--before", &text(before)]).await;
    rig.assert_archived_as(&Selected::files(move |message, _| within(message))).await;

    // The rest comes with the next, and nothing of it twice.
    rig.succeed(&["fetch"]).await;
    rig.assert_archived().await;
    assert!(rig.stats().downloads.values().all(|count| *count == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_kinds_and_sizes_that_are_wanted_are_copied() {
    let rig = small(3).await;
    let (limit, text) = (4 * 1024, "4KiB");
    rig.succeed(&["fetch", "--kinds", "video", "--max-size", text]).await;
    let is_video = |file: &discord_sim::TruthAttachment| {
        file.content_type.as_deref().is_some_and(|kind| kind.starts_with("video/"))
    };
    rig.assert_archived_as(&Selected::files(move |_, file| {
        is_video(file) && file.content.size() <= limit
    }))
    .await;

    // Wanting more reads nothing anew: what was seen is known.
    let pages = rig.stats().requests_to("list_messages");
    rig.succeed(&["fetch", "--kinds", "video,image,audio,file"]).await;
    rig.assert_archived().await;
    assert_eq!(rig.stats().requests_to("list_messages"), pages);
    assert!(rig.stats().downloads.values().all(|count| *count == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_changes_nothing() {
    let rig = small(4).await;
    let first = rig.succeed(&["fetch", "--dry-run"]).await;
    assert!(first.stdout.contains("would be read"), "{}", first.stdout);
    assert!(rig.published().await.is_none());
    assert_eq!(rig.stats().total_downloads(), 0);
    assert_eq!(rig.stats().requests_to("list_messages"), 0);

    rig.succeed(&["fetch"]).await;
    let before = crate::rig::Archive::inventory(&rig.bucket).await;
    let status = rig.status().await;
    rig.world().post(
        rig.world().places().into_iter().find(|place| place.name == "general-0").unwrap().id,
        NewMessage::text("news").attach(NewAttachment::new("news.mp4", b"news".to_vec())),
    );
    rig.succeed(&["fetch", "--dry-run"]).await;
    assert_eq!(crate::rig::Archive::inventory(&rig.bucket).await, before);
    assert_eq!(rig.status().await, status);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_fetch_goes_on_with_what_it_was_asked_for() {
    let (world, guild) = World::generate(5, &Spec { unreadable: 0, ..Spec::default() });
    let channel = world.create_channel(guild, NewChannel::text("large"));
    for n in 0..12 {
        let file = NewAttachment::new(format!("{n}.mp4"), discord_sim::Content::seeded(n, 4 * MIB));
        world.post(channel, NewMessage::text("large").attach(file));
    }
    let rig = Rig::over(&world).options(Bower::calm()).set("PATH", "").start().await;

    let fetch = rig.spawn(&["fetch", "--channel-id", &channel.to_string(), "--kinds", "video"]);
    until("files arrive", async || (rig.stats().total_downloads() > 2).then_some(())).await;
    fetch.interrupt();
    let ended = fetch.ended().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("fetch --resume"), "{}", ended.stderr);

    rig.succeed(&["fetch", "--resume"]).await;
    let mut selected = Selected::files(move |message, _| message.channel == channel);
    selected.named.insert(channel);
    rig.assert_archived_as(&selected).await;
    let ended = rig.run(&["fetch", "--resume"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("no fetch was interrupted"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_read_is_said_with_the_exit_code() {
    let (world, guild) = World::generate(6, &Spec { unreadable: 0, ..Spec::default() });
    let mute =
        Overwrite { subject: Subject::Role(RoleId(guild.0)), allow: 0, deny: READ_MESSAGE_HISTORY };
    let channel = world.create_channel(guild, NewChannel::text("mute").overwrite(mute));
    let file = NewAttachment::new("mute.mp4", b"unseen".to_vec());
    world.post(channel, NewMessage::text("unseen").attach(file));
    let mut rig = Rig::over(&world).options(Bower::calm()).set("PATH", "").start().await;
    let ended = rig.run(&["fetch"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for words in ["#mute is not covered", "Read Message History"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    // All the rest is there; who leaves the channel out has all of it, and the permission brings what was missing.
    rig.assert_archived().await;
    rig.set("EXCLUDE_IDS", channel.to_string());
    rig.succeed(&["fetch"]).await;
    rig.set("EXCLUDE_IDS", "");
    world.set_permissions(channel, Overwrite { deny: 0, ..mute });
    rig.succeed(&["fetch"]).await;
    rig.assert_archived().await;
    assert_eq!(rig.published().await.unwrap().channel(&channel).unwrap()["entries"], 1);
}
