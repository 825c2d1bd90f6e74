//! Opens connections to endpoints, each within `timeouts.connect`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use super::descriptors::Crowd;
use crate::error::Reason;
use crate::tls::client::Client;
use crate::tls::stream::Stream;

/// Why an endpoint could not be connected. Nothing was sent, so another one may be tried.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The system's answer.
    #[error("{0}")]
    Failed(#[from] io::Error),
    /// The process has hardly any descriptors left.
    #[error("no descriptors are left")]
    Crowded,
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
            Self::Failed(error) if is_ours(error) => Reason::Overloaded,
            Self::Failed(_) => Reason::ConnectFailed,
            Self::Crowded => Reason::Overloaded,
            Self::Timeout(_) => Reason::ConnectTimeout,
            Self::Tls(_) => Reason::UpstreamTlsFailed,
        }
    }
}

/// The system refused us, whichever the endpoint: no descriptor is left.
fn is_ours(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| [Errno::MFILE, Errno::NFILE].contains(&errno))
}

/// The way to an endpoint.
#[derive(Debug)]
pub struct Approach<'a> {
    /// Where it listens.
    pub address: SocketAddr,
    /// What is said first, before TLS.
    pub header: Option<Vec<u8>>,
    /// How TLS is spoken, if it is.
    pub tls: Option<&'a Client>,
    /// TLS offers HTTP/2.
    pub http2: bool,
    /// Whether there is room for a connection.
    pub crowd: Crowd,
}

/// Connects.
///
/// # Errors
/// The connection was refused or unreachable, or did not stand within `timeout`.
pub async fn connect(way: Approach<'_>, timeout: Duration, silence: Silence) -> Result<Stream, ConnectError> {
    let connected = async {
        let socket = match way.address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if way.crowd.is_full(&socket) {
            return Err(ConnectError::Crowded);
        }
        let mut socket = socket.connect(way.address).await?;
        tune(&socket, silence)?;
        if let Some(header) = &way.header {
            socket.write_all(header).await?;
        }
        match way.tls {
            Some(tls) => tls.connect(socket, way.http2).await.map_err(ConnectError::Tls),
            None => Ok(Stream::Plain(socket)),
        }
    };
    let connected = tokio::time::timeout(timeout, connected).await;
    connected.unwrap_or(Err(ConnectError::Timeout(timeout)))
}

/// What the kernel does about peers that are silent.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// Time after which it asks whether they are still there, or half as long again; then as often as the system says
    /// (nine times), each an eighth to a quarter of it after the last. Counted in whole seconds.
    pub keepalive: Duration,
    /// How long they may leave unacknowledged what was sent (RFC 5482); the kernel's own limit if `None`. Counts for
    /// peers as well that acknowledge and take nothing.
    pub user_timeout: Option<Duration>,
}

/// Sets what every proxied socket gets: no Nagle's delay, and how long silence is borne.
///
/// # Errors
/// The socket is already gone.
pub fn tune(stream: &TcpStream, silence: Silence) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    if silence.user_timeout.is_some() {
        socket.set_tcp_user_timeout(silence.user_timeout)?;
    }
    // The kernel counts in whole seconds, takes no zero, and not more than 15 bits.
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(0x7FFF));
    let whole = |time: Duration| time.clamp(least, most);
    // Not all at once: the kernel's timers are coarse, and of thousands of questions in the same moment most are lost on
    // the way through a virtual network. Who is lost every time would be taken for gone.
    let probes = TcpKeepalive::new()
        .with_time(whole(silence.keepalive.mul_f64(1.0 + fastrand::f64() / 2.0)))
        .with_interval(whole(silence.keepalive.mul_f64((1.0 + fastrand::f64()) / 8.0)));
    socket.set_tcp_keepalive(&probes)
}
