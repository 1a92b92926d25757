//! A check that gets no answer is a finding like any other, and keeps nothing else from being tried.

use std::time::Duration;

use tokio::time::timeout;

use super::Finding;

/// Discord and Google answer within a second or two, and a retry or two fit as well. Whoever runs `doctor` waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// The outcome of a check, or what to say when it takes too long.
pub(super) async fn within<T>(
    about: &'static str,
    check: impl Future<Output = T>,
) -> Result<T, Finding> {
    timeout(PATIENCE, check).await.map_err(|_| {
        Finding::bad(about, format!("no answer within {PATIENCE:?}"))
            .mend("look whether this machine reaches the network, and whether a firewall or a proxy is in between")
    })
}
