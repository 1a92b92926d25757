//! A restore that a person asked for, beside no service.

use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::{Report, restore};
use crate::{
    actors::publisher::Keeper, app::open, clock::Clock, config::LocalConfig,
    domain::selection::Policy, store::Found,
};

/// What a person wants a state to be restored from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// From everything there is.
    Everything,
    /// From the published archive alone.
    PageOnly,
}

/// Restores into a state folder that holds no store, or an empty one.
pub async fn on_request(
    config: &LocalConfig,
    policy: Arc<Policy>,
    wanted: Wanted,
) -> anyhow::Result<Report> {
    let state = &config.state_dir;
    let store = open::store(state)?;
    if store.open()? == Found::Catalogue {
        bail!(
            "STATE_DIR ({}) holds a state already: --replace sets it aside and restores another",
            state.display()
        );
    }
    let (bucket, lease) = open::lease(&config.bucket, state).await?;
    let lease = Keeper::new(lease, Clock::System);
    let private = open::private(&config.private).await?;
    let mut sources = open::sources(&bucket, &config.private, &private);
    if wanted == Wanted::PageOnly {
        sources.copy = None;
    }
    let restored =
        lease.clone().hold_during(restore(&store, &sources, &policy, Clock::System)).await;
    lease.release().await;
    restored?.context("restore the state")
}
