//! `bowerbird restore`: fills a lost state folder from the buckets, and says what came back.

use std::sync::Arc;

use anyhow::Context as _;
use tracing::warn;

use super::{RestoreArgs, output::say};
use crate::{
    app::{
        open,
        restore::request::{Wanted, on_request},
        settings::Settings,
    },
    clock::Clock,
    config::{LocalConfig, Wishes},
};

/// Restores, unless there is something that would be lost by it.
pub async fn run(
    config: LocalConfig,
    settings: &Settings,
    args: RestoreArgs,
) -> anyhow::Result<()> {
    let wishes = Wishes::check(&|name| settings.get(name))
        .map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let policy = Arc::new(wishes.policy());
    let state = &config.state_dir;
    std::fs::create_dir_all(state).context("make STATE_DIR")?;
    if args.replace && open::is_there(state) {
        set_aside(&config)?;
    }
    let wanted = if args.from_page_only { Wanted::PageOnly } else { Wanted::Everything };
    let report = on_request(&config, policy, wanted).await?;
    if args.json {
        return say(format_args!("{}\n", serde_json::to_string_pretty(&report)?));
    }
    say(&report)
}

/// A store that somebody works with stays where it is.
fn set_aside(config: &LocalConfig) -> anyhow::Result<()> {
    let state = &config.state_dir;
    if let Err(error) = open::store(state)
        && open::is_taken(&error)
    {
        return Err(error);
    }
    let aside = open::set_aside(state, Clock::System.now())?;
    warn!(aside = %aside.display(), "the store that was there is set aside");
    Ok(())
}
