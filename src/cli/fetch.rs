//! `bowerbird fetch`: the same work as the service's, once, with progress and an exit code.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use super::{FetchArgs, output::say, run::identify};
use crate::{
    app::{
        Orders, Service, choice, open,
        overview::Overview,
        progress,
        stills::{Stills, until_done},
    },
    clock::Clock,
    config::Config,
    domain::{
        coverage::{EXTRACTOR, Span},
        id::MessageId,
        place::Access,
        printable::Printable,
        selection::PlaceSelection,
        time::Timestamp,
    },
    store::{Store, Tally},
};

/// What the last fetch that did not end was asked for, within the state folder.
const UNFINISHED: &str = "fetch.json";

/// What a fetch was asked for, so that it can be asked for again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The settings that flags won over.
    pub overrides: Vec<(String, String)>,
    /// The messages.
    pub span: Span,
    /// When it was asked for to read again what was read before; none when it was not.
    #[serde(default)]
    pub reconcile: Option<Timestamp>,
}

impl Request {
    /// What these flags ask for; with `--resume`, what the last fetch was asked for that did not end.
    pub fn new(
        args: &FetchArgs,
        overrides: Vec<(String, String)>,
        state: &Path,
    ) -> anyhow::Result<Self> {
        if !args.resume {
            let reconcile = args.reconcile.then(|| Clock::System.now());
            return Ok(Self { overrides, span: args.span()?, reconcile });
        }
        let file = unfinished(state);
        let text = std::fs::read_to_string(&file).with_context(|| {
            format!("--resume: no fetch was interrupted ({} is not there)", file.display())
        })?;
        serde_json::from_str(&text)
            .with_context(|| format!("--resume: {} can't be read", file.display()))
    }
}

/// Reads what was asked for, waits until all of it is stored and published, and says what is missing.
pub async fn run(config: Config, args: FetchArgs, request: Request) -> anyhow::Result<()> {
    let discord = open::discord(&config)?;
    // First what is ours alone: a second instance is turned away before it spends the first one's pace. The lease comes
    // last, so that what Discord refuses leaves none behind, which would keep others out for a while.
    let store = open::store(&config.state_dir)?;
    identify(&discord).await?;
    let selection = choice::resolve(&discord, config.places.clone()).await?;
    if args.dry_run {
        return foretell(&discord, &store, &selection, request.span).await;
    }
    let ports = open::ports(&config, discord.clone(), store.clone()).await?;
    remember(&config.state_dir, &request)?;
    let wanted = crate::app::only(request.span);
    let orders = Orders {
        reconciling: crate::app::reconciling_once(request.span, request.reconcile),
        // It is over before anybody would look.
        verify_every: None,
        ..open::orders(&config, selection.clone(), wanted)?
    };
    // Found out before there are thousands of files that wait for a still that nobody can make.
    let stills = Stills::find_out().await;
    let gone_before = ports.store.tallies()?.get(Tally::Gone);

    let mut end = signal(SignalKind::terminate())?;
    let service = Service::start(ports, &orders);
    let shown = tokio::spawn(progress::show(service.progress.clone(), service.store.clone()));
    let again = tokio::spawn(progress::show_again(service.reconciled.clone()));
    crate::app::sweep(service.ledger.clone()).await;
    let outcome = tokio::select! {
        done = until_done(&service, &stills) => done.map_err(|fatal| anyhow::anyhow!("{fatal}")),
        () = super::interrupted() => Err(anyhow::anyhow!("interrupted; `bowerbird fetch --resume` goes on where this stopped")),
        _ = end.recv() => Err(anyhow::anyhow!("terminated; `bowerbird fetch --resume` goes on where this stopped")),
    };
    shown.abort();
    again.abort();
    service.drain(config.timings.shutdown_after).await;
    outcome?;
    judge(&store, &selection, request.span, gone_before)?;
    if let Stills::Impossible { why } = stills {
        let left = store.tallies()?.get(Tally::ThumbnailsWaiting);
        if left > 0 {
            bail!(
                "{left} stills could not be made, everything else is in the archive; run this again when it is mended: {why}"
            );
        }
    }
    forget(&config.state_dir)
}

/// Says what was stored, and fails when something that was asked for is not there.
fn judge(
    store: &Store,
    selection: &PlaceSelection,
    span: Span,
    gone_before: u64,
) -> anyhow::Result<()> {
    let overview = Overview::read(store, Some(selection))?;
    let mut missing = Vec::new();
    for row in store.places()? {
        let listed = overview.places.iter().find(|place| place.id == row.place.id);
        let denied = listed.and_then(|place| place.not_read.as_ref());
        let permission = row.place.access != Access::Readable;
        match denied {
            Some(why) if permission && why.contains("permission") => {
                missing.push(format!("#{} is not covered: {why}", Printable(&row.place.name)));
            }
            Some(_) => {}
            None if listed.is_some() && !is_covered(&row, span) => {
                missing.push(format!("#{} is not covered", Printable(&row.place.name)));
            }
            None => {}
        }
    }
    for job in &overview.parked {
        let why = Printable(&job.why);
        missing.push(format!("{} of {} was put aside: {why}", job.queue, job.subject));
    }
    let unpublished = store.changed_months()?.len();
    if unpublished > 0 {
        missing.push(format!("{unpublished} months are not published yet; the next run does it"));
    }
    let gone = overview.files.gone - gone_before.min(overview.files.gone);
    if gone > 0 {
        missing.push(format!("{gone} files are no longer with Discord; the page says which"));
    }
    info!(
        messages = overview.messages_read,
        files = overview.files.stored,
        bytes = overview.files.stored_bytes,
        "the archive holds"
    );
    if missing.is_empty() {
        return Ok(());
    }
    bail!("not everything that was asked for is in the archive:\n  {}", missing.join("\n  "))
}

/// What is still to come can't be covered: the end of history is a little before now.
fn is_covered(row: &crate::store::PlaceRow, span: Span) -> bool {
    let top = row.coverage.top().unwrap_or(MessageId::FIRST);
    let end = if span.is_open() { top } else { span.last.min(top) };
    match Span::new(span.first, end) {
        Some(wanted) => row.coverage.holes(wanted, EXTRACTOR).is_empty(),
        None => row.place.last_message.is_none_or(|last| last < span.first),
    }
}

/// Says what would be read, and changes nothing.
async fn foretell(
    discord: &crate::discord::LiveDiscord,
    store: &Store,
    selection: &PlaceSelection,
    span: Span,
) -> anyhow::Result<()> {
    use crate::discord::Discord as _;
    let known: std::collections::HashMap<_, _> =
        store.places()?.into_iter().map(|row| (row.place.id, row)).collect();
    for guild in &selection.guilds {
        let survey = discord.survey(*guild).await?;
        let threads = discord.active_threads(*guild, &survey.channels).await?;
        say(format_args!("{}\n", Printable(&survey.guild.name)))?;
        for place in
            survey.channels.iter().chain(&threads).filter(|place| place.kind.holds_messages())
        {
            let above = place.ancestors(|id| survey.find(id));
            let plan = match (selection.omits(place, &above), place.access.missing()) {
                (Some(omission), _) => format!("left out: {omission}"),
                (None, Some(missing)) => {
                    format!("can't be read: the bot lacks the permission {missing:?}")
                }
                (None, None) => match known.get(&place.id) {
                    None => "would be read: nothing of it was read yet".to_owned(),
                    Some(row) if is_covered(row, span) => {
                        "read already, but for what is new".to_owned()
                    }
                    Some(row) => match row.coverage.holes(span, EXTRACTOR).len() {
                        1 => "would be read: one stretch is missing".to_owned(),
                        holes => format!("would be read: {holes} stretches are missing"),
                    },
                },
            };
            say(format_args!("  #{:<28} {plan}\n", Printable(&place.name)))?;
        }
    }
    let waiting = Overview::read(store, Some(selection))?.waiting;
    say(format_args!(
        "Waiting from before: {} downloads ({})\n",
        waiting.downloads,
        indicatif::HumanBytes(waiting.download_bytes)
    ))?;
    say("Archived threads are listed when history is read. Nothing was changed.\n")
}

fn unfinished(state: &Path) -> PathBuf {
    state.join(UNFINISHED)
}

fn remember(state: &Path, request: &Request) -> anyhow::Result<()> {
    std::fs::write(unfinished(state), serde_json::to_vec_pretty(request)?)
        .context("write to STATE_DIR")
}

fn forget(state: &Path) -> anyhow::Result<()> {
    std::fs::remove_file(unfinished(state)).context("write to STATE_DIR")
}
