//! The service, live: what is posted arrives, and what happened while it was down is made up for.

use discord_sim::{
    ChannelId, Edit, EventFault, EventRule, GuildId, Kind, MessageId, NewAttachment, NewChannel,
    NewMessage, NewThread, When, World,
};

use crate::rig::{Bower, Ended, Process, Rig, Selected, until};

/// A server with a past that nobody asked for.
struct Server {
    world: World,
    guild: GuildId,
    clips: ChannelId,
    forum: ChannelId,
    before: MessageId,
}

impl Server {
    fn new(seed: u64) -> Self {
        let world = World::new(seed);
        let guild = world.create_guild("The Bower");
        let clips = world.create_channel(guild, NewChannel::text("clips"));
        let forum = world.create_channel(guild, NewChannel::new(Kind::Forum, "forum"));
        // Discord tells its time in whole seconds, so what is to count as the past has to lie well in it.
        let earlier = world.clock().now() - 30_000;
        let before = world.post(clips, clip("before").at(earlier));
        Self { world, guild, clips, forum, before }
    }

    async fn rig(&self) -> Rig {
        Rig::over(&self.world).options(Bower::calm()).start().await
    }

    /// What was posted after the service was first started.
    fn since(&self) -> Selected {
        let before = self.before;
        let mut selected = Selected::after_deletions();
        selected.files = Box::new(move |message, _| message.id != before);
        selected
    }
}

fn clip(name: &str) -> NewMessage {
    NewMessage::text(name)
        .attach(NewAttachment::new(format!("{name}.mp4"), name.as_bytes().to_vec()))
}

/// Starts the service and waits until it listens and has caught up.
async fn service(rig: &Rig) -> Process {
    let process = rig.spawn(&["run"]);
    rig.until_listening().await;
    process
}

async fn until_stored(rig: &Rig, messages: &[MessageId]) {
    rig.until_published("all of it is on the page", |archive| {
        messages.iter().all(|message| {
            let entries = archive.of_message(message);
            !entries.is_empty() && entries.iter().all(|entry| entry["Media"].is_string())
        })
    })
    .await;
}

fn assert_drained(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_posted_arrives_and_what_is_deleted_leaves() {
    let server = Server::new(1);
    let Server { ref world, clips, forum, guild, before } = server;
    let rig = server.rig().await;
    let process = service(&rig).await;
    let (kept, edited, deleted) = (
        world.post(clips, clip("kept")),
        world.post(clips, clip("edited")),
        world.post(clips, clip("deleted")),
    );
    let thread = world.create_thread(clips, NewThread::public("thread"));
    let in_thread = world.post(thread, clip("in-thread"));
    let post = world.create_post(forum, "post", clip("post"));
    let channel = world.create_channel(guild, NewChannel::text("new"));
    let in_new = world.post(channel, clip("in-new"));
    let posted = [kept, edited, deleted, in_thread, MessageId(post.0), in_new];
    until_stored(&rig, &posted).await;

    world.edit(clips, edited, Edit::text("another text"));
    world.delete(clips, deleted);
    rig.until_published("the edit shows and the deleted is gone", |archive| {
        archive.of_message(&deleted).is_empty()
            && archive.of_message(&edited)[0]["Description"] == "another text"
    })
    .await;
    assert_drained(&process.drained().await);
    rig.assert_archived_as(&server.since()).await;
    assert!(rig.published().await.unwrap().of_message(&before).is_empty());

    // The store can be opened again, and holds no job that waits.
    let status = rig.status().await;
    assert_eq!(status["waiting"]["downloads"], 0, "{status}");
    assert_eq!(status["service"], serde_json::Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_while_the_service_was_down_is_made_up_for() {
    let server = Server::new(2);
    let Server { ref world, clips, forum, .. } = server;
    let rig = server.rig().await;
    let process = service(&rig).await;
    let first = world.post(clips, clip("first"));
    let (edited, deleted) = (world.post(clips, clip("edited")), world.post(clips, clip("deleted")));
    let kept = world.post(clips, clip("kept"));
    let old_thread = world.create_thread(clips, NewThread::public("old thread"));
    let in_old = world.post(old_thread, clip("in-old"));
    until_stored(&rig, &[first, edited, deleted, kept, in_old]).await;
    assert_drained(&process.drained().await);

    let posted = world.post(clips, clip("while-down"));
    let in_old_again = world.post(old_thread, clip("in-old-again"));
    world.archive_thread(old_thread);
    let opened = world.create_thread(clips, NewThread::public("opened"));
    let in_opened = world.post(opened, clip("in-opened"));
    let archived = world.create_thread(clips, NewThread::public("archived"));
    let in_archived = world.post(archived, clip("in-archived"));
    world.archive_thread(archived);
    let post = world.create_post(forum, "post", clip("post"));
    let shelved = world.create_post(forum, "shelved", clip("shelved"));
    world.archive_thread(shelved);
    world.edit(clips, edited, Edit::text("another text"));
    world.delete(clips, deleted);
    world.delete(old_thread, in_old);
    // Nobody tells of it: the session is gone.
    rig.discord.gateway().forget_sessions();

    let process = service(&rig).await;
    let missed =
        [posted, in_old_again, in_opened, in_archived, MessageId(post.0), MessageId(shelved.0)];
    until_stored(&rig, &missed).await;
    rig.until_published("the edit shows and the deleted are gone", |archive| {
        archive.of_message(&edited)[0]["Description"] == "another text"
            && [deleted, in_old].iter().all(|gone| archive.of_message(gone).is_empty())
    })
    .await;
    assert_eq!(rig.status().await["reconciled"]["deletions"], 2);
    assert_drained(&process.drained().await);
    rig.assert_archived_as(&server.since()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_service_goes_on_with_its_session() {
    let server = Server::new(3);
    let Server { ref world, clips, .. } = server;
    let rig = server.rig().await;
    let process = service(&rig).await;
    let first = world.post(clips, clip("first"));
    until_stored(&rig, &[first]).await;
    assert_drained(&process.drained().await);
    let between = world.post(clips, clip("between"));
    let process = service(&rig).await;
    until_stored(&rig, &[between]).await;
    let stats = rig.stats();
    assert!(stats.identifies == 1 && stats.resumes > 0, "{stats:?}");

    // A killed one as well.
    process.killed().await;
    let after = world.post(clips, clip("after"));
    let before = stats.resumes;
    let process = service(&rig).await;
    until_stored(&rig, &[after]).await;
    let stats = rig.stats();
    assert!(stats.identifies == 1 && stats.resumes > before, "{stats:?}");
    assert_drained(&process.drained().await);
    rig.assert_archived_as(&server.since()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_are_lost_doubled_or_late_do_no_harm() {
    let server = Server::new(4);
    let Server { ref world, clips, .. } = server;
    let rig = server.rig().await;
    let process = service(&rig).await;
    let gateway = rig.discord.gateway();
    for (n, fault) in [
        EventFault::Lose,
        EventFault::Duplicate,
        EventFault::SwapWithNext,
        EventFault::Cut,
        EventFault::Duplicate,
        EventFault::Reconnect,
        EventFault::Lose,
        EventFault::InvalidButResumable,
        EventFault::Invalid,
    ]
    .into_iter()
    .enumerate()
    {
        gateway.inject(EventRule::new("MESSAGE_CREATE", When::Nth(2 * n as u64 + 1), fault));
    }
    let mut posted = Vec::new();
    for n in 0..24 {
        posted.push(world.post(clips, clip(&format!("clip-{n}"))));
        if n % 3 == 0 {
            // What is lost is made up for by whatever is heard next.
            gateway.wait_for(1).await;
        }
    }
    gateway.heal();
    gateway.wait_for(1).await;
    posted.push(world.post(clips, clip("last")));
    until_stored(&rig, &posted).await;
    assert_drained(&process.drained().await);
    rig.assert_archived_as(&server.since()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_whose_events_are_lost_are_found_by_reading_again() {
    let server = Server::new(5);
    let Server { ref world, clips, .. } = server;
    let mut rig = server.rig().await;
    rig.set("RECONCILE_EVERY", "2s");
    let process = service(&rig).await;
    let posted: Vec<_> = (0..6).map(|n| world.post(clips, clip(&format!("clip-{n}")))).collect();
    until_stored(&rig, &posted).await;
    until("all of it was read back", async || {
        (rig.status().await["messages_read"] == posted.len()).then_some(())
    })
    .await;
    let gateway = rig.discord.gateway();
    for event in ["MESSAGE_DELETE", "MESSAGE_UPDATE"] {
        gateway.inject(EventRule::new(event, When::Always, EventFault::Lose));
    }
    // The first and the last of what is there, and one between.
    let deleted = [posted[0], posted[3], posted[5]];
    for message in deleted {
        world.delete(clips, message);
    }
    world.edit(clips, posted[1], Edit::text("another text"));
    rig.until_published("the edit shows and the deleted are gone", |archive| {
        archive.of_message(&posted[1])[0]["Description"] == "another text"
            && deleted.iter().all(|gone| archive.of_message(gone).is_empty())
    })
    .await;
    let found = rig.status().await["reconciled"].clone();
    assert_eq!((&found["edits"], &found["deletions"]), (&1.into(), &3.into()), "{found}");
    assert!(found["all_since"].is_string(), "{found}");
    assert_drained(&process.drained().await);
    rig.assert_archived_as(&server.since()).await;
}
