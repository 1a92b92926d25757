//! Shows how far reading and copying have come: a bar on a terminal, plain lines elsewhere.

use std::{
    io::{IsTerminal, Write},
    sync::{OnceLock, PoisonError, RwLock},
    time::Duration,
};

use indicatif::{
    HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle,
};
use tokio::{sync::watch, time::sleep};

use crate::{
    actors::{backfill::Progress, reconcile::Reconciled},
    store::{Store, Tallies, Tally},
};

/// How often a bar moves.
const BAR_EVERY: Duration = Duration::from_millis(250);

/// How often a line is printed where there is no bar.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The bar that log lines must not tear.
static BAR: OnceLock<RwLock<Option<ProgressBar>>> = OnceLock::new();

/// Shows progress for as long as it is polled, and until everything was read once.
pub async fn show(progress: watch::Receiver<Progress>, store: Store) {
    if std::io::stderr().is_terminal() {
        show_bar(progress, store).await;
    } else {
        show_lines(progress, store).await;
    }
}

/// Tells how far reading again has come, for as long as it is polled.
pub async fn show_again(reconciled: watch::Receiver<Reconciled>) {
    let mut told = Reconciled::default();
    loop {
        let now = *reconciled.borrow();
        if now != told && now.pages > 0 {
            let (pages, left) = (HumanCount(now.pages), now.left);
            tracing::info!("{pages} pages read again, {left} channels and threads are left");
            told = now;
        }
        sleep(LINE_EVERY).await;
    }
}

async fn show_bar(progress: watch::Receiver<Progress>, store: Store) {
    let bar = ProgressBar::with_draw_target(Some(1_000), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30.cyan/blue} {percent:>3}%  {msg}");
    bar.set_style(style.expect("the template is right"));
    *slot().write().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
    let guard = TakeDown;
    loop {
        let now = progress.borrow().clone();
        let (tallies, waiting) = work(&store).await;
        bar.set_position(permille(now.share));
        bar.set_message(words(&now, &tallies));
        if now.idle && waiting == 0 {
            break;
        }
        sleep(BAR_EVERY).await;
    }
    bar.finish();
    drop(guard);
}

async fn show_lines(progress: watch::Receiver<Progress>, store: Store) {
    let mut last = String::new();
    loop {
        let now = progress.borrow().clone();
        let (tallies, waiting) = work(&store).await;
        let line = words(&now, &tallies);
        if line != last {
            tracing::info!(percent = permille(now.share) / 10, "{line}");
        }
        if now.idle && waiting == 0 {
            return;
        }
        last = line;
        sleep(LINE_EVERY).await;
    }
}

async fn work(store: &Store) -> (Tallies, u64) {
    let tallies = store.read(Store::tallies).await.unwrap_or_default();
    let waiting = tallies.get(Tally::DownloadsWaiting) + tallies.get(Tally::ThumbnailsWaiting);
    (tallies, waiting)
}

fn words(progress: &Progress, tallies: &Tallies) -> String {
    let left = match progress.time_left() {
        Some(left) if !progress.idle => format!(", {} left", HumanDuration(left)),
        _ => String::new(),
    };
    format!(
        "{} messages ({:.0}/s), {}/{} places{left} | {} files stored ({}), {} to copy ({}), {} to look at",
        HumanCount(progress.messages),
        progress.rate(),
        progress.complete,
        progress.places,
        HumanCount(tallies.get(Tally::Stored)),
        HumanBytes(tallies.get(Tally::StoredBytes)),
        HumanCount(tallies.get(Tally::DownloadsWaiting)),
        HumanBytes(tallies.get(Tally::BytesWaiting)),
        HumanCount(tallies.get(Tally::ThumbnailsWaiting)),
    )
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share lies between 0 and 1"
)]
fn permille(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * 1_000.0) as u64
}

fn slot() -> &'static RwLock<Option<ProgressBar>> {
    BAR.get_or_init(RwLock::default)
}

struct TakeDown;

impl Drop for TakeDown {
    fn drop(&mut self) {
        slot().write().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Standard error for log lines: a bar steps aside for them.
pub fn writer() -> impl Write {
    Beside
}

struct Beside;

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let bar = slot().read().unwrap_or_else(PoisonError::into_inner);
        match &*bar {
            Some(bar) => bar.suspend(|| std::io::stderr().write(bytes)),
            None => std::io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
