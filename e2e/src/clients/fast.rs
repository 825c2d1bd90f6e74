//! A client on fastwebsockets.

mod flushing;

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket, handshake};
use http_body_util::Empty;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::flushing::Flushing;
use super::{Agreed, Closing, Offer, compare, over_http2};
use crate::deadline::{SOON, within};
use crate::pattern::{Kind, Pattern};
use crate::tls;

/// The library's stream, which joins fragments.
pub(crate) type Stream = FragmentCollector<tls::Stream>;

/// What is behind a handshake.
pub(crate) fn over(socket: impl tls::Duplex + 'static, role: Role) -> Stream {
    FragmentCollector::new(WebSocket::after_handshake(Box::new(Flushing(socket)), role))
}

/// A connected client.
pub struct Client {
    // None once closed: the library leaves it to its user to end the connection then.
    stream: Option<Stream>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

/// Sends a pattern in its fragments.
pub(crate) async fn send(stream: &mut Stream, message: Pattern) -> Result<()> {
    let parts = message.parts();
    let last = parts.len() - 1;
    for (index, part) in parts.into_iter().enumerate() {
        let opcode = match (index, message.kind) {
            (0, Kind::Text) => OpCode::Text,
            (0, Kind::Binary) => OpCode::Binary,
            _ => OpCode::Continuation,
        };
        stream
            .write_frame(Frame::new(index == last, opcode, None, Payload::Owned(part)))
            .await?;
    }
    Ok(())
}

/// Code and reason of a Close frame's payload.
pub(crate) fn closing(payload: &[u8]) -> Closing {
    match payload.split_first_chunk() {
        Some((code, reason)) => Closing::new(u16::from_be_bytes(*code), &String::from_utf8_lossy(reason)),
        None => Closing::new(1005, ""),
    }
}

impl Client {
    /// Makes a handshake. Compression is not offered: the library has none.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn connect(to: SocketAddr, host: &str, path: &str, offer: &Offer) -> Result<(Self, Agreed)> {
        if offer.http2 {
            let (socket, agreed) = over_http2(to, host, path, offer).await?;
            return Ok((Self::new(socket), agreed));
        }
        let mut request = http::Request::get(path)
            .header("host", host)
            .header("upgrade", "websocket")
            .header("connection", "Upgrade")
            .header("sec-websocket-key", handshake::generate_key())
            .header("sec-websocket-version", "13");
        if !offer.subprotocols.is_empty() {
            request = request.header("sec-websocket-protocol", offer.subprotocols.join(", "));
        }
        for (name, value) in &offer.headers {
            request = request.header(name, value);
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let socket = tls::dial(to, host, offer.tls.as_ref()).await?;
        let executor = TokioExecutor::new();
        let (stream, response) =
            within("handshake", SOON, handshake::client(&executor, request, socket)).await?;
        Ok((Self::new(stream.into_inner()), Agreed::by(response.headers())))
    }

    fn new(socket: impl tls::Duplex + 'static) -> Self {
        let stream = Some(over(socket, Role::Client));
        Self { stream }
    }

    fn stream(&mut self) -> Result<&mut Stream> {
        self.stream.as_mut().context("it is closed")
    }

    pub(super) async fn order(&mut self, text: &str) -> Result<()> {
        let frame = Frame::text(Payload::Owned(text.as_bytes().to_vec()));
        within("send", SOON, self.stream()?.write_frame(frame)).await
    }

    async fn next(&mut self) -> Result<(OpCode, Vec<u8>)> {
        let frame = within("receive", SOON * 2, self.stream()?.read_frame()).await?;
        Ok((frame.opcode, frame.payload.to_vec()))
    }

    pub(super) async fn ask(&mut self, text: &str) -> Result<String> {
        self.order(text).await?;
        loop {
            match self.next().await? {
                (OpCode::Text, payload) => return Ok(String::from_utf8(payload)?),
                (OpCode::Ping | OpCode::Pong, _) => {}
                (opcode, _) => bail!("asked '{text}', got {opcode:?}"),
            }
        }
    }

    pub(super) async fn echo(&mut self, message: Pattern) -> Result<()> {
        within("send", SOON * 2, send(self.stream()?, message)).await?;
        let (opcode, payload) = self.next().await?;
        ensure!(
            matches!(opcode, OpCode::Text | OpCode::Binary),
            "sent {message:?}, got {opcode:?}"
        );
        compare(&message, &payload, opcode == OpCode::Text)
    }

    pub(super) async fn ping(&mut self, payload: &str) -> Result<()> {
        let ping = Frame::new(
            true,
            OpCode::Ping,
            None,
            Payload::Owned(payload.as_bytes().to_vec()),
        );
        self.stream()?.write_frame(ping).await?;
        match self.next().await? {
            (OpCode::Pong, got) if got == payload.as_bytes() => Ok(()),
            (opcode, got) => bail!("sent a Ping with '{payload}', got {opcode:?} with {got:?}"),
        }
    }

    pub(super) async fn close(&mut self, with: &Closing) -> Result<Closing> {
        self.stream()?
            .write_frame(Frame::close(with.code, with.reason.as_bytes()))
            .await?;
        self.closed().await
    }

    pub(super) async fn closed(&mut self) -> Result<Closing> {
        loop {
            if let (OpCode::Close, payload) = self.next().await? {
                // The answer has been written; a stream that is dropped before its end takes back what has not gone.
                if let Some(stream) = self.stream.take() {
                    let mut socket = stream.into_inner();
                    let _ = socket.shutdown().await;
                    let _ = within("the end", SOON, socket.read_to_end(&mut vec![])).await;
                }
                return Ok(closing(&payload));
            }
        }
    }
}
