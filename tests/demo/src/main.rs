//! Shows Bowerbird at work on a simulated Discord, and checks what it did.
//!
//! The real `bowerbird` archives a server that exists only here, while people on it go on posting, and shows the page
//! of it. It needs no account and no network, and changes nothing outside its folder in `target/demo`.

mod people;
mod clips;
mod server;
mod history;
mod live;
mod page;
mod truth;
mod check;
mod objects;
mod child;
mod stage;
mod report;
mod show;

use std::{process::ExitCode, time::Duration};

use clap::Parser;

use crate::show::Length;

/// Media that is still being made when everything else has ended is not waited for longer.
const LAST_CLIPS: Duration = Duration::from_secs(5);

/// Shows Bowerbird at work on a simulated Discord.
#[derive(Debug, Parser)]
struct Arguments {
    /// Ends after this many seconds, and fails unless the page shows everything that was posted, and nothing else.
    #[arg(long)]
    seconds: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let length = arguments
        .seconds
        .map_or(Length::Open, |seconds| Length::Checked(Duration::from_secs(seconds)));
    // An error means that there is a provider already, which is all that is wanted.
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime needs only threads");
    let outcome = runtime.block_on(show::give(length));
    runtime.shutdown_timeout(LAST_CLIPS);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
