//! From a command and its settings to the one function that carries it out.

use std::{
    fs::DirBuilder, num::NonZeroUsize, os::unix::fs::DirBuilderExt, thread::available_parallelism,
};

use anyhow::Context as _;
use tracing::warn;

use super::{Command, doctor, fetch, forget, healthcheck, restore, run, serve, status, verify};
use crate::{
    app::{logs, settings::Settings},
    config::{Config, LocalConfig, hints},
};

/// Carries out a command.
pub async fn execute(command: Command, settings: Settings) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => {
            let config = service_config(&settings)?;
            run::run(config, args).await
        }
        Command::Fetch(args) => {
            let local = local_config(&settings)?;
            let request =
                fetch::Request::new(&args, flags(&Command::Fetch(args.clone())), &local.state_dir)?;
            let settings = settings.with_flags(request.overrides.clone());
            let config = service_config(&settings)?;
            fetch::run(config, args, request).await
        }
        Command::Serve(args) => {
            let config = local_config(&settings)?;
            logs::begin(config.log);
            serve::run(config, args).await
        }
        Command::Status(args) => status::run(local_config(&settings)?, &settings, args).await,
        Command::Forget(args) => {
            let local = local_config(&settings)?;
            forget::run(local, || service_config(&settings), args).await
        }
        Command::Verify(args) => verify::run(settings, args).await,
        Command::Doctor(args) => doctor::run(&settings, args).await,
        Command::Restore(args) => {
            let config = local_config(&settings)?;
            logs::begin(config.log);
            restore::run(config, &settings, args).await
        }
        Command::Healthcheck => healthcheck::run(local_config(&settings)?).await,
    }
}

fn flags(command: &Command) -> Vec<(String, String)> {
    command.overrides().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The settings of commands that talk to Discord. Logging begins with them, and so do hints about slips.
pub(super) fn service_config(settings: &Settings) -> anyhow::Result<Config> {
    let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let config = Config::check(&|name| settings.get(name), cores)
        .map_err(|problems| anyhow::anyhow!("{problems}"))?;
    logs::begin(config.log);
    if let Some(exposure) = settings.exposure() {
        warn!("{exposure}");
    }
    let names = settings.names();
    for hint in hints(names.iter().map(String::as_str)) {
        warn!("{hint}");
    }
    // It holds what people wrote and deleted: nobody else's business on this machine.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&config.state_dir);
    made.with_context(|| {
        format!(
            "STATE_DIR: the folder {} can't be made; set STATE_DIR to one that may be written",
            config.state_dir.display()
        )
    })?;
    Ok(config)
}

pub(super) fn local_config(settings: &Settings) -> anyhow::Result<LocalConfig> {
    LocalConfig::check(&|name| settings.get(name)).map_err(|problems| anyhow::anyhow!("{problems}"))
}
