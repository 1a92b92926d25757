//! Log lines on standard error: text for people, JSON for machines. Tokens and signed links are in none of them,
//! because no type that holds one prints it.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

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
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(super::progress::writer);
    let begun = if json {
        registry.with(lines.json().flatten_event(true)).try_init()
    } else {
        registry.with(lines.with_target(false).with_ansi(terminal)).try_init()
    };
    // Fails only when logging has begun already.
    begun.ok();
}
