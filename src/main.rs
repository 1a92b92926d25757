//! The `bowerbird` binary: settings, a runtime, one command, an exit code.

use std::process::ExitCode;

use bowerbird::{
    app::{runtime, settings::Settings},
    cli::{Cli, execute::execute},
    domain::printable::lines,
};
use clap::Parser;

fn main() -> ExitCode {
    let command = Cli::parse().into_command();
    // One provider, chosen here: the clients below would otherwise each look for their own.
    rustls::crypto::ring::default_provider().install_default().ok();
    let system = actix::System::with_tokio_rt(runtime);
    let done = system.block_on(async { execute(command, Settings::load()?).await });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // It may quote what somebody called a channel.
            eprintln!("bowerbird: {}", lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}
