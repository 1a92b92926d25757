//! Runs the simulated Cloud Storage until it is interrupted: `gcs-sim [address] [bucket]…`.

use std::io;
use std::net::SocketAddr;

use gcs_sim::Sim;

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let address: SocketAddr = address.parse().map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("address {address:?}: {error}"))
    })?;
    let sim = Sim::listen(address).await?;
    for bucket in arguments {
        sim.create_bucket(&bucket);
    }
    println!("STORAGE_EMULATOR_HOST={}", sim.endpoint());
    // It holds nothing worth saving: a signal simply ends it.
    std::future::pending().await
}
