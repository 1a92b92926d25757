//! The `bowerbird` binary: settings, a runtime, one command, an exit code.

use std::process::ExitCode;

use bowerbird::{
    app::{runtime, settings::Settings},
    cli::{Cli, Command, execute::execute, verify::NotWhole},
    domain::printable::lines,
};
use clap::Parser;

fn main() -> ExitCode {
    let command = Cli::parse().into_command();
    let judges = matches!(command, Command::Verify(_));
    // One provider, chosen here: the clients below would otherwise each look for their own.
    rustls::crypto::ring::default_provider().install_default().ok();
    let system = actix::System::with_tokio_rt(runtime);
    let done = system.block_on(async { execute(command, Settings::load()?).await });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // It may quote what somebody called a channel.
            eprintln!("bowerbird: {}", lines(&format!("{error:#}")));
            exit_code(judges, &error)
        }
    }
}

/// Whoever asks for a verdict must be able to tell a bad one from none.
fn exit_code(judges: bool, error: &anyhow::Error) -> ExitCode {
    if judges && !error.is::<NotWhole>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}
