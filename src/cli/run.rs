//! `bowerbird`, the service: archives what is posted until it is stopped.

use std::{sync::Arc, time::Duration};

use anyhow::bail;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::AbortHandle,
};
use tracing::{info, warn};

use super::RunArgs;
use crate::{
    app::{
        Orders, Service, alerts,
        attend::{Attendant, SOCKET, Verifications},
        choice, from_now_on, metric, open, progress,
        vitals::Body,
    },
    clock::Clock,
    config::Config,
    discord::{Discord, DiscordError, Identity, LiveDiscord},
    domain::selection::PlaceSelection,
};

/// How long to wait before asking again, when Discord can't be reached at the start.
const AWAY: Duration = Duration::from_secs(15);

/// Runs the service until it is told to end, or until it can't go on; then somebody is told why.
pub async fn run(config: Config, args: RunArgs) -> anyhow::Result<()> {
    let ended = attempt(&config, args).await;
    if let (Err(error), Some(webhook)) = (&ended, &config.alerts) {
        let reason = format!("{error:#}");
        alerts::tell_end(webhook, &config.state_dir, &reason, Clock::System.now()).await;
    }
    ended
}

async fn attempt(config: &Config, args: RunArgs) -> anyhow::Result<()> {
    let discord = open::discord(config)?;
    // First what is ours alone: a second instance is turned away before it spends the first one's pace. The lease comes
    // last, so that what Discord refuses leaves none behind, which would keep others out for a while.
    let store = open::store(&config.state_dir)?;
    let identity = patiently(|| identify(&discord)).await?;
    let selection =
        patiently(|| async { Ok(choice::resolve(&discord, config.places.clone()).await?) }).await?;
    info!(bot = identity.name, servers = selection.guilds.len(), archive = %config.bucket, "starting");
    let mut ports = open::ports(config, discord.clone(), store).await?;
    ports.gateway = Some(open::gateway(config, discord));
    let orders = open::orders(config, selection.clone(), from_now_on(args.fetch_history))?;
    serve(config, args, ports, orders, selection).await
}

async fn serve(
    config: &Config,
    args: RunArgs,
    ports: crate::app::Ports,
    orders: Orders,
    selection: PlaceSelection,
) -> anyhow::Result<()> {
    let mut end = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let recorder = metric::record()?;
    let lease = ports.lease.clone();
    let service = Service::start(ports, &orders);
    let body = Body {
        store: service.store.clone(),
        selection: Arc::new(selection),
        health: service.health.clone(),
        lease,
        supervisor: service.supervisor.clone(),
        clock: Clock::System,
    };
    let attendant = Attendant::new(
        body.clone(),
        service.ledger.clone(),
        service.progress.clone(),
        Verifications { verifier: service.verifier(), board: service.board.clone() },
        recorder,
    );
    let socket = tokio::spawn(attendant.clone().answer_on_socket(config.state_dir.join(SOCKET)));
    let http = config.status_addr.map(|address| tokio::spawn(attendant.answer(address)));
    let shown = args
        .fetch_history
        .then(|| tokio::spawn(progress::show(service.progress.clone(), service.store.clone())));
    let alerting = config.alerts.clone().map(|webhook| tokio::spawn(alerts::watch(body, webhook)));
    let sweeping = tokio::spawn(crate::app::sweep(service.ledger.clone()));
    let outcome = tokio::select! {
        fatal = service.alarm.rung() => Err(anyhow::anyhow!("{fatal}")),
        _ = end.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        Some(failed) = failure(http) => Err(failed.context("STATUS_ADDR")),
    };
    let tasks = [socket.abort_handle(), sweeping.abort_handle()];
    let others = [shown, alerting].map(|task| task.map(|task| task.abort_handle()));
    tasks.iter().chain(others.iter().flatten()).for_each(AbortHandle::abort);
    tokio::select! {
        () = service.drain(config.timings.shutdown_after) => {}
        _ = end.recv() => warn!("asked again: ending at once"),
        _ = interrupt.recv() => warn!("asked again: ending at once"),
    }
    outcome
}

/// The error of a task that should never end.
async fn failure(
    task: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
) -> Option<anyhow::Error> {
    match task {
        None => std::future::pending().await,
        Some(task) => match task.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.into()),
            Err(died) => Some(died.into()),
        },
    }
}

/// Makes sure that the token works and that messages will not come empty.
pub(super) async fn identify(discord: &LiveDiscord) -> anyhow::Result<Identity> {
    let identity = discord.identity().await?;
    if !identity.message_content {
        bail!(
            "The bot may not read what people write, so every message would come empty.\n\
             Switch on \"Message Content Intent\" in the developer portal (your application, Bot, Privileged Gateway Intents), and start again."
        );
    }
    Ok(identity)
}

/// A service that is started while Discord is away waits for it. What a person must mend ends it.
async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let away = error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<DiscordError>())
            .any(DiscordError::is_transient);
        if !away {
            return Err(error);
        }
        warn!(%error, "Discord can't be reached; trying again");
        tokio::time::sleep(AWAY).await;
    }
}
