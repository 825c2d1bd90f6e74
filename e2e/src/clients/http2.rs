//! An HTTP/2 client on the h2 crate: requests, and WebSockets by extended CONNECT (RFC 8441). A stream that carries
//! bytes is given to the same WebSocket libraries as a socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use anyhow::{Result, ensure};
use bytes::Bytes;
use h2::client::{self, SendRequest};
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{Agreed, Offer};
use crate::deadline::{SOON, until_true, within};
use crate::tls::{Stream, Trust};

/// A connection.
#[derive(Clone)]
pub struct Connection {
    send: SendRequest<Bytes>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl Connection {
    /// Connects with TLS, offering HTTP/2 alone.
    ///
    /// # Errors
    /// Nobody listens, or the peer is not who it must be, or speaks no HTTP/2.
    pub async fn open(to: SocketAddr, name: &str, trust: &Trust) -> Result<Self> {
        let socket = within("connect", SOON, TcpStream::connect(to)).await?;
        socket.set_nodelay(true)?;
        let tls = within("handshake", SOON, trust.connect(name, socket, &["h2"])).await?;
        ensure!(
            tls.get_ref().1.alpn_protocol() == Some(b"h2"),
            "HTTP/2 is not chosen"
        );
        let (send, connection) = within("preface", SOON, client::handshake(tls)).await?;
        tokio::spawn(connection);
        // Until the server's settings are here, nobody knows whether it takes WebSockets.
        until_true("extended CONNECT", SOON, || async {
            send.is_extended_connect_protocol_enabled()
        })
        .await?;
        Ok(Self { send })
    }

    /// Gets `url`, whose host is the authority; yields the answer's head.
    ///
    /// # Errors
    /// The connection is gone, or the stream reset.
    pub async fn get(&self, url: &str) -> Result<Response<()>> {
        let mut send = self.send.clone().ready().await?;
        let (response, _) = send.send_request(Request::get(url).body(())?, true)?;
        Ok(within("an answer", SOON, response).await?.map(drop))
    }

    /// Opens a WebSocket; yields its bytes in both directions.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn websocket(&self, host: &str, path: &str, offer: &Offer) -> Result<(Stream, Agreed)> {
        let mut request = Request::connect(format!("https://{host}{path}"))
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13");
        if !offer.subprotocols.is_empty() {
            request = request.header("sec-websocket-protocol", offer.subprotocols.join(", "));
        }
        for (name, value) in &offer.headers {
            request = request.header(name, value);
        }
        let mut send = self.send.clone().ready().await?;
        let (response, up) = send.send_request(request.body(())?, false)?;
        let (head, down) = within("an answer", SOON, response).await?.into_parts();
        ensure!(head.status == 200, "answered {head:?}");
        let both = Both {
            up,
            down,
            ahead: Bytes::new(),
            _connection: self.clone(),
        };
        Ok((Box::new(both), Agreed::by(&head.headers)))
    }
}

/// Both directions of a stream, and the connection that carries it.
#[derive(Debug)]
struct Both {
    up: SendStream<Bytes>,
    down: RecvStream,
    ahead: Bytes,
    _connection: Connection,
}

impl AsyncRead for Both {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.ahead.is_empty() {
            match ready!(this.down.poll_data(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(data) => this.ahead = data.map_err(io::Error::other)?,
            }
        }
        let part = this.ahead.split_to(this.ahead.len().min(buf.remaining()));
        buf.put_slice(&part);
        let window = this.down.flow_control().release_capacity(part.len());
        Poll::Ready(window.map_err(io::Error::other))
    }
}

impl AsyncWrite for Both {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.up.reserve_capacity(buf.len().min(64 << 10));
        let Some(capacity) = ready!(self.up.poll_capacity(cx)) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let part = &buf[..buf.len().min(capacity.map_err(io::Error::other)?)];
        let sent = self.up.send_data(Bytes::copy_from_slice(part), false);
        Poll::Ready(sent.map(|()| part.len()).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Without effect once the stream is over.
        let _ = self.up.send_data(Bytes::new(), true);
        Poll::Ready(Ok(()))
    }
}
