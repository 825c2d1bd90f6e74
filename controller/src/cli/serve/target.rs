//! The app of `serve --to HOST:PORT`: its name becomes one address at start.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tracing::warn;

const LOOK_UP: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_millis(500);

/// The address behind `app`: the first that accepts a connection (many development servers listen on
/// one of 127.0.0.1 and ::1 only), or else the first.
pub(super) async fn resolve(app: &str) -> anyhow::Result<SocketAddr> {
    let found = timeout(LOOK_UP, lookup_host(app))
        .await
        .context("the name server does not answer");
    let addresses: Vec<SocketAddr> = found
        .and_then(|found| Ok(found?))
        .with_context(|| format!("'{app}' must be HOST:PORT such as 'localhost:3000'"))?
        .filter(|address| address.port() != 0)
        .collect();
    for address in &addresses {
        if matches!(timeout(CONNECT, TcpStream::connect(address)).await, Ok(Ok(_))) {
            return Ok(*address);
        }
    }
    let Some(first) = addresses.first() else {
        bail!("'{app}' has no address")
    };
    warn!("nothing listens at {app} yet; requests get 502 until something does");
    Ok(*first)
}
