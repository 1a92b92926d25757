//! `bowerbird status`: asks the running service, or reads the store when none runs.

use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::StatusArgs;
use crate::{
    app::{attend::SOCKET, open, overview::Overview},
    config::LocalConfig,
};

/// Prints how things stand.
pub async fn run(config: LocalConfig, args: StatusArgs) -> anyhow::Result<()> {
    let overview = match ask(&config.state_dir.join(SOCKET)).await? {
        Some(overview) => overview,
        None => read(&config.state_dir)?,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&overview)?);
    } else {
        print!("{overview}");
    }
    Ok(())
}

/// Asks the running service; none when none runs.
async fn ask(socket: &Path) -> anyhow::Result<Option<Overview>> {
    // Nobody behind a socket means that its service is gone.
    let Ok(mut stream) = UnixStream::connect(socket).await else { return Ok(None) };
    stream.write_all(b"GET /status HTTP/1.0\r\nHost: bowerbird\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.context("read the service's answer")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the service's answer has no body")?;
    if !head.starts_with("HTTP/1.0 200") && !head.starts_with("HTTP/1.1 200") {
        bail!("the service answered: {body}");
    }
    Ok(Some(serde_json::from_str(body).context("the service's answer can't be read")?))
}

fn read(state: &Path) -> anyhow::Result<Overview> {
    if !state.exists() {
        bail!(
            "{} does not exist: nothing was archived yet, or STATE_DIR names another folder",
            state.display()
        );
    }
    let store = open::store(state)?;
    Ok(Overview::read(&store, None)?)
}
