//! `bowerbird verify`: asks the running service, or looks itself, and ends with a verdict.

use std::{io::IsTerminal, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressDrawTarget};
use tokio::{sync::watch, time::sleep};

use super::{
    VerifyArgs,
    execute::{local_config, service_config},
    output::say,
    run::identify,
    status::{selected, store},
};
use crate::{
    app::{
        self, Service, choice, control, open,
        settings::Settings,
        verify::{Outcome, Purpose, Verify},
    },
    audit::{
        alone,
        report::{Depth, Progress, Report},
    },
    bucket::Bucket,
    clock::Clock,
    config::{BucketChoice, LocalConfig, Wishes},
    domain::{coverage::Span, id::MessageId},
};

/// How often the running service is asked how far it is.
const GLANCE: Duration = Duration::from_millis(300);

/// How often a line is printed where there is no bar.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How many objects are read at a time where no setting says it: enough to keep a line busy.
const WIDTH: usize = 8;

/// The archive is not as it should be; what is wrong was told.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the archive is not whole")]
pub struct NotWhole;

/// Verifies, and fails when something is wrong.
pub async fn run(settings: Settings, args: VerifyArgs) -> anyhow::Result<()> {
    let config = local_config(&settings)?;
    let progress = watch::Sender::new(Progress::default());
    let shown = tokio::spawn(show(progress.subscribe()));
    let outcome = verify(&config, &settings, args, &progress).await;
    shown.abort();
    // An aborted bar takes itself down only when it is waited for.
    shown.await.ok();
    let report = match outcome? {
        Outcome::Told(report) => report,
        Outcome::Failed(why) => bail!("the archive could not be verified: {why}"),
    };
    tell(&report, args)?;
    if report.whole { Ok(()) } else { Err(NotWhole.into()) }
}

fn tell(report: &Report, args: VerifyArgs) -> anyhow::Result<()> {
    if args.json {
        return say(format_args!("{}\n", serde_json::to_string_pretty(report)?));
    }
    say(report)
}

async fn verify(
    config: &LocalConfig,
    settings: &Settings,
    args: VerifyArgs,
    progress: &watch::Sender<Progress>,
) -> anyhow::Result<Outcome> {
    let depth = if args.deep { Depth::Deep } else { Depth::Light };
    let purpose = if args.repair { Purpose::Repair } else { Purpose::Tell };
    let state = &config.state_dir;
    if args.bucket_only || !open::is_there(state) && !args.repair {
        return alone(config, depth, progress).await;
    }
    if let Some(number) = control::verify(state, Verify { depth, purpose }).await? {
        return follow(state, number, progress).await;
    }
    if args.repair {
        return repair(settings, depth, progress).await;
    }
    let store = store(state)?;
    let wishes = Wishes::check(&|name| settings.get(name))
        .map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let policy = wishes.policy();
    let selection = selected(wishes.places, &store)?;
    let bucket = bucket(config).await?;
    let subject = app::verify::Subject { bucket, store, policy, selection };
    Ok(app::verify::look(subject, depth, WIDTH, progress).await)
}

/// Without a catalogue the archive has nothing but itself to be compared with.
async fn alone(
    config: &LocalConfig,
    depth: Depth,
    progress: &watch::Sender<Progress>,
) -> anyhow::Result<Outcome> {
    let bucket = bucket(config).await?;
    let report = alone::audit(bucket, depth, WIDTH, Clock::System, progress).await;
    let report = report.with_context(|| format!("check {}", config.bucket))?;
    Ok(Outcome::Told(Box::new(report)))
}

/// The bucket as it is: a folder that is not there is not made to be looked at.
async fn bucket(config: &LocalConfig) -> anyhow::Result<Arc<dyn Bucket>> {
    if let BucketChoice::Folder { path } = &config.bucket
        && !path.exists()
    {
        bail!("ARCHIVE_DIR: there is no folder {}", path.display());
    }
    open::bucket(&config.bucket).await
}

/// Waits for what the running service finds.
async fn follow(
    state: &Path,
    number: u64,
    progress: &watch::Sender<Progress>,
) -> anyhow::Result<Outcome> {
    loop {
        let board = control::board(state, number).await?;
        let board = board.context("the service ended before it was done: ask again")?;
        if let Some(outcome) = board.outcome(number) {
            return Ok(outcome.clone());
        }
        if let Some(far) = board.progress {
            progress.send_replace(far);
        }
        sleep(GLANCE).await;
    }
}

/// Runs everything that the service is made of, but listens to nobody and reads no history.
async fn repair(
    settings: &Settings,
    depth: Depth,
    progress: &watch::Sender<Progress>,
) -> anyhow::Result<Outcome> {
    let config = service_config(settings)?;
    let store = store(&config.state_dir)?;
    let discord = open::discord(&config)?;
    identify(&discord).await?;
    let selection = choice::resolve(&discord, config.places.clone()).await?;
    let ports = open::ports(&config, discord, store).await?;
    let nothing = Span::new(MessageId::FIRST, MessageId::FIRST).context("a span of one message")?;
    let mut orders = open::orders(&config, selection, app::only(nothing))?;
    // It is asked for now, and only once.
    orders.verify_every = None;
    let service = Service::start(ports, &orders);
    app::sweep(service.ledger.clone()).await;
    let verify = Verify { depth, purpose: Purpose::Repair };
    let outcome = tokio::select! {
        outcome = app::verify::with_service(&service, verify, progress) => outcome,
        () = super::interrupted() => Err(anyhow::anyhow!("interrupted; what was mended stays so")),
    };
    service.drain(config.timings.shutdown_after).await;
    outcome
}

/// Shows how far it is: a line that changes on a terminal, and now and then a line elsewhere.
async fn show(mut progress: watch::Receiver<Progress>) {
    if !std::io::stderr().is_terminal() {
        loop {
            sleep(LINE_EVERY).await;
            eprintln!("verify: {}", *progress.borrow());
        }
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let _taken_down = TakeDown(bar.clone());
    bar.enable_steady_tick(GLANCE);
    while progress.changed().await.is_ok() {
        bar.set_message(progress.borrow_and_update().to_string());
    }
}

struct TakeDown(ProgressBar);

impl Drop for TakeDown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
