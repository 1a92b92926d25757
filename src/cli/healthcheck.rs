//! `bowerbird healthcheck`: ends with 0 while the service on this machine is well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::config::LocalConfig;

/// Asks `/healthz`.
pub async fn run(config: LocalConfig) -> anyhow::Result<()> {
    let address =
        reachable(config.status_addr.context("STATUS_ADDR is not set, so there is nobody to ask")?);
    let mut stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("nobody answers at {address}"))?;
    stream.write_all(b"GET /healthz HTTP/1.0\r\nHost: bowerbird\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    if answer.split_whitespace().nth(1) != Some("200") {
        bail!("the service is not well: {}", answer.lines().next().unwrap_or_default());
    }
    Ok(())
}

/// A service that listens on every address is asked on our own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
