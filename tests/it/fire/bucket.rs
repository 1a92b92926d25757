//! The bucket refuses, hangs, forgets, dies and comes back: nothing is lost, and work goes on by itself.

use std::time::Duration;

use gcs_sim::{Fault, Op, Permission, Sim};

use super::*;
use crate::rig::{Bucket, judge};

/// From some eight megabytes on an upload is resumable.
const RESUMABLE: u64 = 9 << 20;

fn cloud(rig: &Rig) -> (&Sim, &'static str) {
    let Bucket::Cloud { sim, name } = &rig.bucket else { panic!("this archive is in a folder") };
    (sim, name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_refuses_now_and_then_gets_everything() {
    let server = Server::new(71, 30, 5_000);
    let rig = server.rig().in_the_cloud().set("DOWNLOADS", "4").start().await;
    let (sim, _) = cloud(&rig);
    let brief = Duration::from_millis(200);
    for (n, (op, fault)) in [
        (Op::Upload, Fault::Status(503, None)),
        (Op::Upload, Fault::Status(429, Some(1))),
        (Op::Upload, Fault::Status(500, None)),
        (Op::Upload, Fault::Status(408, None)),
        // It was done, and nobody hears of it: the next try meets its own object.
        (Op::Upload, Fault::LostAnswer),
        (Op::Upload, Fault::Status(412, None)),
        (Op::Upload, Fault::Reset),
        (Op::Upload, Fault::CutRequest(1_000)),
        (Op::Upload, Fault::Slow(brief)),
    ]
    .into_iter()
    .enumerate()
    {
        sim.inject(op, fault, u32::try_from(n).unwrap() * 2, 1);
    }
    // One each, when the lease is taken and when it is given back.
    sim.inject(Op::Stat, Fault::Status(429, Some(1)), 0, 1);
    sim.inject(Op::Delete, Fault::Status(503, None), 0, 1);
    rig.succeed(&["fetch"]).await;
    assert_eq!(sim.pending_faults(), 0);
    rig.assert_archived().await;
    judge(&rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_the_bucket_forgot_is_begun_again() {
    let server = Server::new(72, 0, 0);
    for number in 0..3 {
        server.world.post(server.clips, file(number, RESUMABLE));
    }
    let rig = server.rig().in_the_cloud().set("DOWNLOADS", "1").start().await;
    let (sim, _) = cloud(&rig);
    for (n, status) in [410, 404].into_iter().enumerate() {
        let skip = u32::try_from(n).unwrap() * 2;
        sim.inject(Op::Chunk, Fault::UploadLost(status), skip, 1);
    }
    rig.succeed(&["fetch"]).await;
    assert_eq!(sim.pending_faults(), 0, "both uploads were lost");
    rig.assert_archived().await;
    judge(&rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_dies_and_comes_back_is_waited_for() {
    let server = Server::new(73, 20, 5_000);
    let rig = server.rig().in_the_cloud().set("DOWNLOADS", "4").start().await;
    let (sim, _) = cloud(&rig);
    let process = rig.spawn(&["--fetch-history"]);
    until("some of it is there", async || (sim.counts(Op::Upload).requests >= 5).then_some(()))
        .await;
    for dead in [300, 2_500] {
        sim.pull_plug().await;
        server.post(&format!("while-it-was-dead-{dead}"));
        tokio::time::sleep(Duration::from_millis(dead)).await;
        sim.plug_in().await.unwrap();
        server.post(&format!("when-it-was-back-{dead}"));
        until_whole(&rig).await;
    }
    end(&rig, process).await;
    judge(&rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_takes_nothing_is_told_of_once_and_waited_for() {
    let server = Server::new(74, 20, 5_000);
    let rig = server.rig().in_the_cloud().set("DOWNLOADS", "4").start().await;
    let (sim, name) = cloud(&rig);
    let process = service(&rig).await;
    until_whole(&rig).await;
    sim.deny(name, Permission::Create);
    for number in 0..6 {
        server.post(&format!("refused-{number}"));
    }
    until("it is told", async || (!rig.told("the bucket takes nothing").is_empty()).then_some(()))
        .await;
    let refused = sim.counts(Op::Upload).requests;
    sim.allow_all(name);
    // The end of the wait comes by itself, and so does the next file.
    until_whole(&rig).await;
    assert!(sim.counts(Op::Upload).requests > refused);
    assert_told(&rig, "the bucket takes nothing", 1);
    assert_told(&rig, "the bucket takes objects again", 1);
    end(&rig, process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_bucket_does_not_hold_up_the_end() {
    let server = Server::new(75, 5, 5_000);
    let rig = server.rig().in_the_cloud().set("SHUTDOWN_AFTER", "100s").start().await;
    let (sim, name) = cloud(&rig);
    let process = service(&rig).await;
    until_whole(&rig).await;
    sim.deny(name, Permission::Create);
    server.post("refused");
    until("it is told", async || (!rig.told("the bucket takes nothing").is_empty()).then_some(()))
        .await;
    let ended = process.drained().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("the deadline came first"), "{}", ended.stderr);
    let status = rig.status().await;
    assert_eq!(status["waiting"]["downloads"], 1, "it is the next one's to do: {status}");
    sim.allow_all(name);
    let process = service(&rig).await;
    until_whole(&rig).await;
    end(&rig, process).await;
}
