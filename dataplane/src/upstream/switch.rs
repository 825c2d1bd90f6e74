//! A connection to an endpoint for one request that asks for a session: the socket itself after a 101, a stream of HTTP/2
//! after an extended CONNECT (RFC 8441).

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Response, upgrade};
use hyper_util::rt::TokioIo;
use thiserror::Error;

use super::connection::{Connection, Speaker};
use super::http1::Http1;
use super::http2::session::Tasks;
use super::http2::{self, Http2};
use crate::snapshot::{Endpoint, Protocol};
use crate::tls::stream::Stream;
use crate::tunnel::{self, Reins};

/// What a connection that asks for a session has besides others.
#[derive(Debug)]
pub enum Switched {
    /// Nothing: the session gets its socket.
    Socket,
    /// What holds its stream.
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
    /// The endpoint as a peer, once `response` has agreed on `connection`; `None` if that must not be used.
    pub async fn agreed(self, connection: Connection, response: &mut Response<()>) -> Option<Agreed> {
        match (self, connection.into_speaker()) {
            (Self::Socket, Speaker::Http1(http1)) => {
                let (socket, ahead) = http1.into_switched()?;
                Some(Agreed::Socket(socket, ahead))
            }
            (Self::Stream(reins), Speaker::Http2(_ends_with_the_stream)) => {
                let stream = upgrade::on(response).await.ok()?;
                Some(Agreed::Stream(tunnel::Stream::new(TokioIo::new(stream), reins)))
            }
            _ => None,
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
        let speaker = Speaker::Http1(Box::new(Http1::new(stream, max_head)));
        let connection = Connection::new(speaker, endpoint, protocol, true);
        return Ok(Some((connection, Switched::Socket)));
    }
    let reins = Rc::new(Reins::default());
    let tasks = Tasks::new(Rc::clone(&reins), patience);
    let begun = http2::handshake(stream, max_head, tasks.clone(), Some(0)).await;
    let (sender, mut connection) = begun.map_err(|_| BrokeOff)?;
    if !tasks.offered(&mut connection).await.ok_or(BrokeOff)? {
        endpoint.set_extends_connect(false);
        return Ok(None);
    }
    let speaker = Speaker::Http2(Http2::new(sender, endpoint, connection));
    let connection = Connection::new(speaker, endpoint, protocol, true);
    Ok(Some((connection, Switched::Stream(reins))))
}
