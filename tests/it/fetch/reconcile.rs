//! `fetch --reconcile`: what changed on Discord since it was read.

use discord_sim::{Edit, NewAttachment, NewChannel, NewMessage, World};

use crate::rig::{Bower, Rig, Selected};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_since_it_was_read_is_found_on_request() {
    let world = World::new(21);
    let guild = world.create_guild("The Bower");
    let clips = world.create_channel(guild, NewChannel::text("clips"));
    // Discord tells its time in whole seconds: what is to be read lies well in the past.
    let began = world.clock().now() - 900_000;
    let post = |n: u64| {
        let file = NewAttachment::new(format!("{n}.mp4"), n.to_string().into_bytes());
        let message = NewMessage::text(n.to_string()).at(began + n * 1_000);
        world.post(clips, if n.is_multiple_of(3) { message.attach(file) } else { message })
    };
    let posted: Vec<_> = (0..450).map(post).collect();
    let rig = Rig::over(&world).options(Bower::calm()).start().await;
    rig.succeed(&["fetch"]).await;
    rig.assert_archived().await;

    for n in [0, 99, 102, 300, 447, 448, 449] {
        world.delete(clips, posted[n]);
    }
    world.edit(clips, posted[9], Edit::text("another text"));
    // A fetch reads what is new, and this is not.
    rig.succeed(&["fetch"]).await;
    assert_eq!(rig.published().await.unwrap().of_message(&posted[0]).len(), 1);

    let before = rig.stats();
    rig.succeed(&["fetch", "--reconcile"]).await;
    rig.assert_archived_as(&Selected::after_deletions()).await;
    let after = rig.stats();
    let asked = |route| after.requests_to(route) - before.requests_to(route);
    assert!((5..=7).contains(&asked("list_messages")), "{} pages", asked("list_messages"));
    assert!(asked("get_message") <= 10, "{} messages", asked("get_message"));
    let status = rig.status().await;
    assert_eq!(status["reconciled"]["deletions"], 5, "{status}");
    assert_eq!(status["reconciled"]["edits"], 1, "{status}");
}
