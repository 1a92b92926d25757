//! Log lines on standard error: text for people, JSON for machines. Tokens and signed links are in none of them:
//! no type of ours that holds one prints it, and others are heard only when they worry, for what libraries say of
//! their work at finer levels are headers, addresses and frames.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::config::LogFormat;

/// What is logged unless `RUST_LOG` says otherwise: our own words, and others' worries.
const DEFAULT: &str = "warn,bowerbird=info";

/// Begins to log.
pub fn begin(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let quiet = filter_fn(|line| *line.level() <= Level::WARN || is_ours(line.target()));
    let registry = tracing_subscriber::registry().with(filter).with(quiet);
    let lines = fmt::layer().with_writer(super::progress::writer);
    let begun = if json {
        registry.with(lines.json().flatten_event(true)).try_init()
    } else {
        registry.with(lines.with_target(false).with_ansi(terminal)).try_init()
    };
    // Fails only when logging has begun already.
    begun.ok();
}

fn is_ours(target: &str) -> bool {
    target.split("::").next() == Some(env!("CARGO_PKG_NAME"))
}
