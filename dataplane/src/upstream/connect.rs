//! Opens connections to endpoints, each within `timeouts.connect`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::net::TcpStream;

use crate::error::Reason;
use crate::tls::client::Client;
use crate::tls::stream::Stream;

/// Why an endpoint could not be connected. Nothing was sent, so another one may be tried.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The system's answer.
    #[error("{0}")]
    Failed(#[from] io::Error),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The TLS handshake failed.
    #[error("no TLS: {0}")]
    Tls(io::Error),
}

impl ConnectError {
    /// The reason to answer with.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Failed(_) => Reason::ConnectFailed,
            Self::Timeout(_) => Reason::ConnectTimeout,
            Self::Tls(_) => Reason::UpstreamTlsFailed,
        }
    }
}

/// Connects, without Nagle's delay and with keep-alive probes after `keepalive` of silence, and with `tls` if the
/// backend is spoken to so.
///
/// # Errors
/// The connection was refused or unreachable, or did not stand within `timeout`.
pub async fn connect(
    address: SocketAddr,
    tls: Option<&Client>,
    timeout: Duration,
    keepalive: Duration,
) -> Result<Stream, ConnectError> {
    let connected = async {
        let socket = TcpStream::connect(address).await?;
        tune(&socket, keepalive)?;
        match tls {
            Some(tls) => tls.connect(socket).await.map_err(ConnectError::Tls),
            None => Ok(Stream::Plain(socket)),
        }
    };
    let connected = tokio::time::timeout(timeout, connected).await;
    connected.unwrap_or(Err(ConnectError::Timeout(timeout)))
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
