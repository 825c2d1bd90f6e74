//! A connection to an endpoint for one request that asks for a session: the socket itself after a 101, a stream of HTTP/2
//! after an extended CONNECT (RFC 8441).

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Response, upgrade};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::sync::oneshot;

use super::connection::{self, Connection, Sender, drive};
use super::http2;
use super::http2::session::Tasks;
use crate::snapshot::{Endpoint, Protocol};
use crate::tls::stream::Stream;
use crate::tunnel::{self, Reins};

/// What an endpoint leaves of its connection once it has agreed.
#[derive(Debug)]
pub enum Switched {
    /// Its socket; never comes if the connection must not be used.
    Socket(oneshot::Receiver<(Stream, Bytes)>),
    /// Its stream, which these hold.
    Stream(Rc<Reins>),
}

/// An endpoint that has agreed, as the peer of a session.
#[derive(Debug)]
pub enum Agreed {
    /// Its socket, and what it sent behind its 101.
    Socket(Stream, Bytes),
    /// Its stream; the connection ends with it.
    Stream(tunnel::Stream),
}

impl Switched {
    /// Waits for hyper to let go of what `response` agreed to; `None` if the connection must not be used.
    pub async fn agreed(self, response: &mut Response<Incoming>) -> Option<Agreed> {
        match self {
            Self::Socket(socket) => {
                let (socket, ahead) = socket.await.ok()?;
                Some(Agreed::Socket(socket, ahead))
            }
            Self::Stream(reins) => {
                let stream = upgrade::on(response).await.ok()?;
                Some(Agreed::Stream(tunnel::Stream::new(TokioIo::new(stream), reins)))
            }
        }
    }
}

/// An endpoint broke off before it had said what it takes.
#[derive(Debug, Error)]
#[error("the endpoint broke off")]
pub struct BrokeOff;

/// Speaks HTTP on a fresh socket, as [`Connection::open`] does; `None` if that is HTTP/2 and the endpoint takes no
/// WebSockets there, which its entry then knows. What a session of HTTP/2 leaves behind may take `patience`. To drop
/// the connection ends no session: its tasks live as long as that.
///
/// # Errors
/// As [`BrokeOff`] says.
pub async fn open(
    stream: Stream,
    endpoint: &Arc<Endpoint>,
    protocol: &Protocol,
    max_head: usize,
    patience: Duration,
) -> Result<Option<(Connection, Switched)>, BrokeOff> {
    if !protocol.speaks_http2(&stream) {
        let opened = open_http1(stream, endpoint, protocol, max_head).await;
        return opened.map(Some).map_err(|_| BrokeOff);
    }
    let reins = Rc::new(Reins::default());
    let tasks = Tasks::new(Rc::clone(&reins), patience);
    let begun = http2::handshake(stream, max_head, tasks.clone(), Some(0)).await;
    let (sender, mut connection) = begun.map_err(|_| BrokeOff)?;
    if !tasks.offered(&mut connection).await.ok_or(BrokeOff)? {
        endpoint.never_extend_connect();
        return Ok(None);
    }
    let driver = drive(endpoint, connection);
    let connection = Connection::new(Sender::Http2(sender), driver, endpoint, protocol, true);
    Ok(Some((connection, Switched::Stream(reins))))
}

async fn open_http1(
    stream: Stream,
    endpoint: &Arc<Endpoint>,
    protocol: &Protocol,
    max_head: usize,
) -> hyper::Result<(Connection, Switched)> {
    let (sender, connection) = connection::handshake(stream, max_head).await?;
    let (give, switched) = oneshot::channel();
    let address = endpoint.address;
    let driver = tokio::task::spawn_local(async move {
        match connection.without_shutdown().await {
            // Nobody waits for it if the answer was another than 101; then it closes here.
            Ok(parts) => drop(give.send((parts.io.into_inner(), parts.read_buf))),
            Err(error) => tracing::debug!(%address, %error, "upstream connection ended"),
        }
    });
    let connection = Connection::new(sender, driver.abort_handle(), endpoint, protocol, true);
    Ok((connection, Switched::Socket(switched)))
}
