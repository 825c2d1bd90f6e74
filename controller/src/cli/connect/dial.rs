//! From a URL to a TCP connection, each phase timed.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

use super::transcript::{line, milliseconds};
use super::url::Url;

/// An address to use whatever the name resolves to; without a port, the URL's counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Override {
    ip: IpAddr,
    port: Option<u16>,
}

/// Reads the value of `--resolve`.
pub(super) fn resolve_flag(text: &str) -> Result<Override, String> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Override {
            ip: address.ip(),
            port: Some(address.port()),
        });
    }
    match text.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(ip) => Ok(Override { ip, port: None }),
        Err(_) => Err("must be IP or IP:PORT, as in '127.0.0.1' or '[::1]:8080'".into()),
    }
}

/// Connects to the first address that accepts.
pub(super) async fn connect(url: &Url, by: Option<Override>, limit: Duration) -> anyhow::Result<TcpStream> {
    let addresses = match by {
        Some(by) => vec![SocketAddr::new(by.ip, by.port.unwrap_or(url.port))],
        None => resolve(url, limit).await?,
    };
    let deadline = Instant::now() + limit;
    let mut failure: Option<anyhow::Error> = None;
    for address in addresses {
        // The last failure is the caller's to tell.
        if let Some(earlier) = failure.take() {
            line('*', &format!("{earlier:#}"));
        }
        let started = Instant::now();
        match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small messages are timed here; they must not wait for acknowledgements.
                stream.set_nodelay(true)?;
                line(
                    '*',
                    &format!("connected to {address} in {}", milliseconds(started.elapsed())),
                );
                return Ok(stream);
            }
            Ok(Err(error)) => {
                failure = Some(anyhow!(error).context(format!("cannot connect to {address}")));
            }
            Err(_) => bail!("no connection to {address} within {limit:?}"),
        }
    }
    Err(failure.unwrap_or_else(|| anyhow!("'{}' has no address", url.host)))
}

async fn resolve(url: &Url, limit: Duration) -> anyhow::Result<Vec<SocketAddr>> {
    if let Ok(ip) = url.host.parse() {
        return Ok(vec![SocketAddr::new(ip, url.port)]);
    }
    let started = Instant::now();
    let found = timeout(limit, lookup_host((url.host.as_str(), url.port)))
        .await
        .with_context(|| format!("'{}' does not resolve within {limit:?}", url.host))?;
    let found: Vec<SocketAddr> = found
        .with_context(|| format!("'{}' does not resolve", url.host))?
        .collect();
    let list: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
    line(
        '*',
        &format!(
            "{} is {}, found in {}",
            url.host,
            list.join(", "),
            milliseconds(started.elapsed())
        ),
    );
    Ok(found)
}
