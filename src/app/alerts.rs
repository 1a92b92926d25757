//! Tells people elsewhere when they are needed: capture stopped, the bucket takes nothing, work is put aside.
//!
//! Looks at the service's vitals now and then; what is worth telling is decided in [`watch`], and a
//! [`Herald`](crate::herald::Herald) carries it. What is under way when the process dies is told again by the next one,
//! if it is still so.

mod watch;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use self::watch::Watch;
use super::vitals::Body;
use crate::{
    config::Webhook,
    domain::time::Timestamp,
    herald::{Herald, HeraldError},
};

/// How often the service is looked at. What matters lasts for minutes.
const EVERY: Duration = Duration::from_secs(30);

/// So many words wait for an address that is away; older ones are no news any more.
const WAITING: usize = 20;

/// A process that is started again and again does not tell the same each time.
const REPEATED: Duration = Duration::from_hours(1);

/// Remembers what was told last, in the state folder.
const LAST: &str = "last-alert";

/// Looks at the service and tells, for as long as it is polled.
pub async fn watch(body: Body, webhook: Webhook) {
    let herald = Herald::new(webhook.reveal());
    let mut watch = Watch::default();
    let mut waiting = VecDeque::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match body.look().await {
            Ok(vitals) => waiting.extend(watch.look(&vitals)),
            Err(error) => warn!(%error, "how the service is can't be read"),
        }
        deliver(&herald, &mut waiting).await;
    }
}

async fn deliver(herald: &Herald, waiting: &mut VecDeque<String>) {
    while waiting.len() > WAITING {
        waiting.pop_front();
    }
    while let Some(words) = waiting.front() {
        match herald.tell(words).await {
            Ok(()) => info!(alert = words, "told"),
            Err(error @ HeraldError::Away(_)) => {
                return warn!(%error, alert = words, "an alert is told later");
            }
            Err(error @ HeraldError::Refused(_)) => warn!(%error, alert = words, "not told"),
        }
        waiting.pop_front();
    }
}

/// Tells why the process ends. The same is told once an hour, however often it is started again.
pub async fn tell_end(webhook: &Webhook, state: &Path, reason: &str, now: Timestamp) {
    let last = state.join(LAST);
    if was_told(&last, reason, now) {
        return;
    }
    let words = format!("Bowerbird ended and needs you: {reason}");
    match Herald::new(webhook.reveal()).tell(&words).await {
        Ok(()) => remember(&last, reason, now),
        Err(error) => warn!(%error, "nobody was told why this ends"),
    }
}

fn was_told(last: &PathBuf, reason: &str, now: Timestamp) -> bool {
    let Ok(text) = std::fs::read_to_string(last) else { return false };
    let Some((at, told)) = text.split_once('\n') else { return false };
    let at = at.parse().map(Timestamp::from_secs);
    told == reason && at.is_ok_and(|at| now.since(at) < REPEATED)
}

fn remember(last: &PathBuf, reason: &str, now: Timestamp) {
    if let Err(error) = std::fs::write(last, format!("{}\n{reason}", now.as_secs())) {
        warn!(%error, "what was told can't be remembered");
    }
}
