//! `bowerbird serve`: shows the page over whatever bucket is configured.

use anyhow::Context as _;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{ServeArgs, output::say};
use crate::{app::open, config::LocalConfig, serve};

/// Serves until it is told to end.
pub async fn run(config: LocalConfig, args: ServeArgs) -> anyhow::Result<()> {
    let mut end = signal(SignalKind::terminate())?;
    let bucket = open::bucket(&config.bucket).await?;
    let listener =
        TcpListener::bind(args.addr).await.with_context(|| format!("--addr {}", args.addr))?;
    say(format_args!(
        "The archive in {} is on http://{}/ (Ctrl-C ends this)\n",
        config.bucket,
        listener.local_addr()?
    ))?;
    let told = async move {
        tokio::select! {
            () = super::interrupted() => {}
            _ = end.recv() => {}
        }
    };
    serve::serve(listener, serve::router(bucket), told).await?;
    Ok(())
}
