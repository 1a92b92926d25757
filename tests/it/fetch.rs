//! `fetch`, as people run it: everything is there afterwards, whatever went wrong on the way.

mod choices;
mod limits;
mod reconcile;

use std::time::{Duration, Instant};

use discord_sim::{NewAttachment, NewMessage, World};

use crate::rig::{Bower, Bucket, Rig, Size, judge};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_ends_in_the_folder_whatever_goes_wrong() {
    let bower = Bower::new(Size::TENTH);
    let rig = Rig::over(&bower.world).options(bower.trouble()).start().await;
    fetch_all_of_it(rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_ends_in_the_cloud_whatever_goes_wrong() {
    let bower = Bower::new(Size::TENTH);
    let rig = Rig::over(&bower.world).options(bower.trouble()).in_the_cloud().start().await;
    fetch_all_of_it(rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: `make soak` runs it"]
async fn soak_fetch_a_year_of_a_server_into_both_buckets() {
    let whole = |bower: &Bower| {
        Rig::over(&bower.world).options(bower.trouble()).patience(Duration::from_mins(30))
    };
    fetch_all_of_it(whole(&Bower::new(Size::WHOLE)).start().await).await;
    fetch_all_of_it(whole(&Bower::new(Size::WHOLE)).in_the_cloud().start().await).await;
}

async fn fetch_all_of_it(rig: Rig) {
    let began = Instant::now();
    rig.succeed(&["fetch"]).await;
    rig.report("fetch", began);
    rig.assert_archived().await;

    // Nothing is new.
    rig.discord.heal();
    let before = rig.stats();
    let began = Instant::now();
    rig.succeed(&["fetch"]).await;
    let after = rig.stats();
    println!(
        "again: {} requests in {:.1} s",
        after.total_requests() - before.total_requests(),
        began.elapsed().as_secs_f64()
    );
    assert_eq!(after.total_downloads(), before.total_downloads(), "nothing is downloaded twice");
    let pages = |route| after.requests_to(route) - before.requests_to(route);
    assert_eq!(pages("list_messages"), 0, "nothing is read twice");
    rig.assert_archived().await;

    // Some things are.
    let posted = post_news(rig.world());
    let before = after;
    rig.succeed(&["fetch"]).await;
    let after = rig.stats();
    assert_eq!(after.total_downloads() - before.total_downloads(), posted);
    let pages = after.requests_to("list_messages") - before.requests_to("list_messages");
    assert_eq!(pages, posted, "one page for each place with news");
    rig.assert_archived().await;
    if matches!(rig.bucket, Bucket::Cloud { .. }) {
        judge(&rig).await;
    }
}

/// One new file in each of some places; says in how many.
fn post_news(world: &World) -> u64 {
    let places = world.places().into_iter();
    let places = places.filter(|place| {
        place.public && place.readable && !place.nsfw && place.kind.holds_messages()
    });
    let mut posted = 0;
    for place in places.step_by(5) {
        posted += 1;
        let file = NewAttachment::new("news.mp4", format!("news {posted}").into_bytes());
        world.post(place.id, NewMessage::text("news").attach(file));
    }
    posted
}
