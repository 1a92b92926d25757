//! `kill -9`, again and again, in the middle of work: nothing is lost, and little is done twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use discord_sim::{Fault, Rule, Target, When, World};

use crate::rig::{Bower, Plug, Rig, Size};

/// How often the plug is pulled.
const KILLS: u64 = 20;

/// `DOWNLOADS`: so many files may be on their way when the plug is pulled.
const DOWNLOADS: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_change_nothing() {
    killed_again_and_again(Size::TENTH, Duration::from_mins(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: `make soak` runs it"]
async fn soak_twenty_kills_during_a_year_of_a_server() {
    killed_again_and_again(Size::WHOLE, Duration::from_mins(30)).await;
}

async fn killed_again_and_again(size: Size, patience: Duration) {
    let undisturbed = pages_and_downloads(size, patience).await;
    let bower = Bower::new(size);
    let plug = Plug::default();
    let rig = rig(&bower, patience).start().await;
    // Spread over the pages and downloads of a run that nobody disturbs: what comes before them is no work yet.
    let every = undisturbed / (KILLS + 1);
    let (work, kills) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    for target in [Target::Route("list_messages"), Target::Cdn] {
        let (plug, work, kills) = (plug.clone(), Arc::clone(&work), Arc::clone(&kills));
        let pull = move |_: &World| {
            let due = work.fetch_add(1, Ordering::SeqCst) + 1;
            let pulled = kills.load(Ordering::SeqCst);
            if pulled < KILLS && due >= every * (pulled + 1) && plug.pull() {
                kills.fetch_add(1, Ordering::SeqCst);
            }
        };
        rig.discord.inject(Rule::new(target, When::Always, Fault::Act(Arc::new(pull))));
    }

    let began = Instant::now();
    loop {
        let process = rig.spawn(&["fetch"]);
        plug.follow(&process);
        let ended = process.ended().await;
        if ended.code.is_some() {
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            break;
        }
    }
    rig.report("killed twenty times", began);
    assert_eq!(kills.load(Ordering::SeqCst), KILLS, "each kill came in the middle of work");
    rig.discord.heal();
    rig.assert_archived().await;
    let again: u64 = rig.stats().downloads.values().map(|count| count - 1).sum();
    println!("{again} files were fetched again");
    assert!(again <= KILLS * DOWNLOADS, "{again} files were fetched again");
}

/// What a run does that nobody disturbs.
async fn pages_and_downloads(size: Size, patience: Duration) -> u64 {
    let bower = Bower::new(size);
    let rig = rig(&bower, patience).start().await;
    rig.succeed(&["fetch"]).await;
    let stats = rig.stats();
    stats.requests_to("list_messages") + stats.total_downloads()
}

fn rig(bower: &Bower, patience: Duration) -> crate::rig::Builder {
    Rig::over(&bower.world)
        .options(Bower::calm())
        .patience(patience)
        .set("DOWNLOADS", DOWNLOADS.to_string())
}
