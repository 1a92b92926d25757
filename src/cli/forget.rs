//! `bowerbird forget`: erases somebody or something from the archive, through the running service or without one.

use std::{
    io::{BufRead, IsTerminal},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use indicatif::HumanBytes;
use serde::Serialize;

use super::{ForgetArgs, output::say, status};
use crate::{
    app::{
        Copies, Ports,
        bureau::Bureau,
        control,
        forget::{COPIED_ANEW_WITHIN, Left, Listing, PATIENCE, Request, foretell},
        open, sweep,
    },
    bucket::Kept,
    clock::Clock,
    config::{BucketChoice, Config, LocalConfig, PrivateChoice},
    domain::forget::{Erased, Forgotten},
    store::{Context, Store},
};

/// How often it is looked at how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a browser may keep a file whose name says what is in it.
const CACHED_FOR: &str = "a year";

/// What was done, and what is beyond our reach.
#[derive(Serialize)]
struct Report {
    done: bool,
    left: Left,
    forgotten: Vec<Told>,
    allowed: Vec<Forgotten>,
    elsewhere: Vec<String>,
}

#[derive(Serialize)]
struct Told {
    what: Forgotten,
    #[serde(flatten)]
    erased: Erased,
    objects: u64,
}

/// Lists, foretells or forgets, as asked.
pub async fn run(
    local: LocalConfig,
    config: impl FnOnce() -> anyhow::Result<Config>,
    args: ForgetArgs,
) -> anyhow::Result<()> {
    let what = args.what();
    if args.list {
        return tell_list(&listing(&local).await?, args.json);
    }
    ensure!(
        !what.is_empty() || !args.allow.is_empty(),
        "nothing is named: say --user, --message, --channel or --server with an id, or --list"
    );
    let listed = listing_or_none(&local).await?;
    let allow = allowed(&args.allow, listed.as_ref())?;
    let expected = match control::foretell(&local.state_dir, &what).await? {
        Some(expected) => expected,
        None if what.is_empty() => Vec::new(),
        None => foretell(&status::store(&local.state_dir)?, &what)?,
    };
    if args.dry_run {
        return tell_expected(&what, &expected, args.json);
    }
    if !what.is_empty() && !args.yes {
        confirm(&what, &expected)?;
    }
    let request = Request { forget: what.clone(), allow: allow.clone() };
    let listing = if control::forget(&local.state_dir, &request).await? {
        through_service(&local).await?
    } else {
        alone(config()?, request).await?
    };
    let forgotten = what.iter().map(|what| told(*what, listing.erased(*what))).collect();
    let left = if what.is_empty() { Left::Nothing } else { listing.left };
    let elsewhere =
        if what.is_empty() { Vec::new() } else { elsewhere(&local, listing.in_copies).await };
    let report = Report { done: left == Left::Nothing, left, forgotten, allowed: allow, elsewhere };
    tell(&report, args.json)?;
    match report.left {
        Left::Nothing => Ok(()),
        Left::Catalogue => bail!("it is still being erased; the service goes on with it"),
        Left::Bucket => bail!(
            "it is gone from the catalogue, and the bucket does not let it go now: the service goes on with it, or running this again"
        ),
    }
}

/// The list, by the service or by the store.
async fn listing(local: &LocalConfig) -> anyhow::Result<Listing> {
    match control::forgotten(&local.state_dir).await? {
        Some(listing) => Ok(listing),
        None => Ok(Listing::read(&status::store(&local.state_dir)?)?),
    }
}

async fn listing_or_none(local: &LocalConfig) -> anyhow::Result<Option<Listing>> {
    if open::is_there(&local.state_dir) { listing(local).await.map(Some) } else { Ok(None) }
}

/// What on the list has one of these ids.
fn allowed(ids: &[u64], listed: Option<&Listing>) -> anyhow::Result<Vec<Forgotten>> {
    let mut allowed = Vec::new();
    for id in ids {
        let before = allowed.len();
        for listed in listed.iter().flat_map(|listing| &listing.list) {
            let (_, first, second) = listed.what.parts();
            let is_member = matches!(listed.what, Forgotten::Member(..));
            if if is_member { second == *id } else { first == *id } {
                allowed.push(listed.what);
            }
        }
        ensure!(allowed.len() > before, "--allow {id}: nothing on the list has this id");
    }
    Ok(allowed)
}

/// Asks whoever sits at the terminal.
fn confirm(what: &[Forgotten], expected: &[Erased]) -> anyhow::Result<()> {
    ensure!(
        std::io::stdin().is_terminal(),
        "this erases for good: say --yes where nobody can be asked, or --dry-run to see what would go"
    );
    say(words_expected(what, expected))?;
    say("This can't be taken back. Type yes to erase it: ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("read the answer")?;
    ensure!(answer.trim().eq_ignore_ascii_case("yes"), "nothing was erased");
    Ok(())
}

/// Waits until the service has done it, or until nothing moves any more.
async fn through_service(local: &LocalConfig) -> anyhow::Result<Listing> {
    let gone = "the service ended meanwhile; it goes on with this when it is started again";
    let ask = || async { control::forgotten(&local.state_dir).await?.context(gone) };
    // Copies are made anew in their time.
    until_done(ask, |now| now.left == Left::Nothing).await
}

async fn until_done<F: Future<Output = anyhow::Result<Listing>>>(
    ask: impl Fn() -> F,
    is_done: impl Fn(&Listing) -> bool,
) -> anyhow::Result<Listing> {
    let mut last = ask().await?;
    let mut moved = tokio::time::Instant::now();
    loop {
        if is_done(&last) || moved.elapsed() > PATIENCE {
            return Ok(last);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        let now = ask().await?;
        if now != last || now.left == Left::Catalogue {
            moved = tokio::time::Instant::now();
        }
        last = now;
    }
}

/// Does what the service would do. It is written down first: should the bucket be away, the next start goes on.
async fn alone(config: Config, request: Request) -> anyhow::Result<Listing> {
    let store = status::store(&config.state_dir)?;
    let selection = status::selected(config.places.clone(), &store)?;
    let orders = open::orders(&config, selection, crate::app::from_now_on(false))?;
    write_down(&store, &orders, request)?;
    let discord = open::discord(&config)?;
    let ports: Ports = open::ports(&config, discord, store.clone()).await.context(
        "what is to be forgotten is written down, and not erased yet: the service does it when it starts, or running this again",
    )?;
    let bureau = Bureau::open(&ports, &orders);
    let copied = orders.copies == Copies::Kept;
    // Nobody else makes the copies anew before the service is started again.
    let is_done = |now: &Listing| now.left == Left::Nothing && !(copied && now.in_copies);
    sweep(bureau.ledger.clone()).await;
    let done = tokio::select! {
        done = until_done(|| async { Ok(Listing::read(&store)?) }, is_done) => done,
        fatal = bureau.alarm.rung() => Err(anyhow::anyhow!("{fatal}")),
        () = super::interrupted() => Err(anyhow::anyhow!("interrupted; the service goes on with it, or running this again")),
    };
    bureau.close(config.timings.shutdown_after).await;
    done
}

fn write_down(store: &Store, orders: &crate::app::Orders, request: Request) -> anyhow::Result<()> {
    let context = Context { now: Clock::System.now(), policy: Arc::new(orders.policy.clone()) };
    let mut commit = store.begin(context);
    for change in request.changes() {
        commit.add(&change).context("write down what is to be forgotten")?;
    }
    commit.finish().context("write down what is to be forgotten")?;
    Ok(())
}

fn told(what: Forgotten, erased: Erased) -> Told {
    Told { what, erased, objects: erased.objects() }
}

fn tell(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        return say(format_args!("{}\n", serde_json::to_string_pretty(report)?));
    }
    for told in &report.forgotten {
        say(format_args!("{}: erased {}\n", told.what, words(&told.erased)))?;
    }
    for allowed in &report.allowed {
        say(format_args!("{allowed}: archived again from now on\n"))?;
    }
    for line in &report.elsewhere {
        say(format_args!("{line}\n"))?;
    }
    Ok(())
}

fn tell_expected(what: &[Forgotten], expected: &[Erased], json: bool) -> anyhow::Result<()> {
    if json {
        let told: Vec<_> =
            what.iter().zip(expected).map(|(what, erased)| told(*what, *erased)).collect();
        return say(format_args!("{}\n", serde_json::to_string_pretty(&told)?));
    }
    say(words_expected(what, expected))?;
    say("Nothing was changed.\n")
}

fn words_expected(what: &[Forgotten], expected: &[Erased]) -> String {
    let line = |(what, erased): (&Forgotten, &Erased)| {
        format!("{what}: this would erase {}\n", words(erased))
    };
    what.iter().zip(expected).map(line).collect()
}

fn tell_list(listing: &Listing, json: bool) -> anyhow::Result<()> {
    if json {
        return say(format_args!("{}\n", serde_json::to_string_pretty(listing)?));
    }
    if listing.list.is_empty() {
        return say("Nothing is on the do-not-archive list.\n");
    }
    for listed in &listing.list {
        let word = match listed.word {
            crate::store::Word::Keeper => "",
            crate::store::Word::Member => ", by their own role",
        };
        let until = listed.until.map(|at| format!(", archived again from {at} on"));
        say(format_args!(
            "{}, since {}{word}{}: erased {}\n",
            listed.what,
            listed.since,
            until.unwrap_or_default(),
            words(&listed.erased)
        ))?;
    }
    match listing.left {
        Left::Nothing => Ok(()),
        Left::Catalogue => say("Some of it is still being erased.\n"),
        Left::Bucket => say("Some of it is yet to leave the bucket.\n"),
    }
}

/// What was erased, in words.
fn words(erased: &Erased) -> String {
    let Erased { messages, entries, files, bytes, stills, people, avatars, shared, cleansed } =
        *erased;
    let mut words = vec![format!(
        "{messages} messages with {entries} files; from the bucket {} objects: {files} files ({}), {stills} stills, {avatars} pictures of people",
        erased.objects(),
        HumanBytes(bytes)
    )];
    if people > 0 {
        words.push(format!("the names of {people} people"));
    }
    if cleansed > 0 {
        words.push(format!("quotes in {cleansed} messages of others"));
    }
    if shared > 0 {
        words.push(format!("{shared} files stay, because others posted the same bytes"));
    }
    words.join("; ")
}

/// Where there may be copies that we can't delete.
async fn elsewhere(local: &LocalConfig, in_copies: bool) -> Vec<String> {
    let mut lines = vec![format!(
        "Browsers and caches that opened a file or a still before may keep it for up to {CACHED_FOR}; nobody can call it back."
    )];
    let private = match &local.private {
        PrivateChoice::Elsewhere(choice) => Some(choice),
        PrivateChoice::WithState(_) => None,
    };
    if private.is_some() && in_copies {
        lines.push(format!(
            "Copies of the state in the private bucket hold it until the service has made them anew, at most {} minutes from now while it runs.",
            COPIED_ANEW_WITHIN.as_secs() / 60
        ));
    }
    for choice in [Some(&local.bucket), private].into_iter().flatten() {
        let BucketChoice::Gcs { name, credentials, emulator } = choice else { continue };
        let kept = match open::gcs(name, credentials.as_ref(), emulator.as_ref()).await {
            Ok(bucket) => bucket.kept().await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        lines.extend(words_kept(name, &kept));
    }
    lines
}

fn words_kept(bucket: &str, kept: &Result<Kept, String>) -> Vec<String> {
    let Kept { soft_deleted_for, versions } = match kept {
        Ok(kept) => *kept,
        Err(why) => {
            return vec![format!(
                "gs://{bucket} may keep what is deleted (soft delete: 7 days unless it was switched off); it did not say: {why}"
            )];
        }
    };
    let mut lines = Vec::new();
    if soft_deleted_for > Duration::ZERO {
        let hours = soft_deleted_for.as_secs() / 3_600;
        lines.push(format!(
            "gs://{bucket} keeps what was deleted for {hours} hours, for those who administrate it (soft delete); `gcloud storage buckets update gs://{bucket} --clear-soft-delete` ends that for what is deleted later."
        ));
    }
    if versions {
        lines.push(format!(
            "gs://{bucket} keeps every older version for ever (object versioning); remove them with `gcloud storage rm --all-versions`, or with a lifecycle rule for gs://{bucket}."
        ));
    }
    lines
}
