//! `fetch`, as people run it: everything is there afterwards, whatever went wrong on the way.

use std::time::Instant;

use discord_sim::{Options, RateLimits, Spec, World};

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_there_is_ends_in_the_folder() {
    let spec = Spec { unreadable: 1, ..Spec::default() };
    let (world, _) = World::generate(7, &spec);
    let options = Options { rate_limits: RateLimits::faster(20.0), ..Options::default() };
    let rig = Rig::over(&world).options(options).start().await;
    let began = Instant::now();
    rig.succeed(&["fetch"]).await;
    rig.report("a small server", began);
    rig.assert_archived().await;
}
