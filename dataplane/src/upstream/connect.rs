//! Opens TCP connections to endpoints, each within `timeouts.connect`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::net::TcpStream;

use crate::error::Reason;

/// Why an endpoint could not be connected. Nothing was sent, so another one may be tried.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The system's answer.
    #[error("{0}")]
    Failed(#[from] io::Error),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

impl ConnectError {
    /// The reason to answer with.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Failed(_) => Reason::ConnectFailed,
            Self::Timeout(_) => Reason::ConnectTimeout,
        }
    }
}

/// Connects, without Nagle's delay and with keep-alive probes after `keepalive` of silence.
///
/// # Errors
/// The connection was refused or unreachable, or did not stand within `timeout`.
pub async fn connect(
    address: SocketAddr,
    timeout: Duration,
    keepalive: Duration,
) -> Result<TcpStream, ConnectError> {
    let stream = tokio::time::timeout(timeout, TcpStream::connect(address))
        .await
        .map_err(|_| ConnectError::Timeout(timeout))??;
    tune(&stream, keepalive)?;
    Ok(stream)
}

/// Sets what every proxied socket gets: no Nagle's delay, keep-alive probes after `keepalive`.
///
/// # Errors
/// The socket is already gone.
pub fn tune(stream: &TcpStream, keepalive: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(keepalive)
            .with_interval(keepalive / 4),
    )
}
