//! A TCP connection that says what it is told, at either end: raw client and raw backend.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::deadline::{SOON, within};
use crate::frames::Frame;

/// The key in [`Raw::handshake_request`]; the sample nonce of RFC 6455.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The mask of a raw client's frames.
pub const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// The head of a request or a response, as it was on the wire.
#[derive(Clone, Debug)]
pub struct Head {
    /// Request line or status line.
    pub start: String,
    /// Fields in order, names as sent.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Value of the first field of that name, in any case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Values of all fields of that name, in any case.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// The status of a response; 0 if this is none.
    pub fn status(&self) -> u16 {
        self.start
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5)?.parse().ok())
            .unwrap_or(0)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let fields = lines
            .map(|line| {
                let (name, value) = line.split_once(':').with_context(|| format!("field '{line}'"))?;
                Ok((name.to_owned(), value.trim().to_owned()))
            })
            .collect::<Result<_>>()?;
        Ok(Self { start, fields })
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// FIN.
    Eof,
    /// RST.
    Reset,
}

/// A connection and what was read from it but not yet taken.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    buffer: Vec<u8>,
    mask: Option<[u8; 4]>,
}

impl Raw {
    /// Connects as a client: frames it writes are masked.
    ///
    /// # Errors
    /// When nothing listens there.
    pub async fn connect(to: SocketAddr) -> Result<Self> {
        Self::client(within("connect", SOON, TcpStream::connect(to)).await?)
    }

    /// The same from an address of ours.
    ///
    /// # Errors
    /// When the address is not ours, or nothing listens there.
    pub async fn connect_from(from: SocketAddr, to: SocketAddr) -> Result<Self> {
        let socket = match from {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind(from)?;
        Self::client(within("connect", SOON, socket.connect(to)).await?)
    }

    fn client(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![],
            mask: Some(MASK),
        })
    }

    /// Connects and makes a WebSocket handshake.
    ///
    /// # Errors
    /// When the answer is not a 101.
    pub async fn websocket(to: SocketAddr, host: &str, path: &str) -> Result<Self> {
        let mut raw = Self::connect(to).await?;
        raw.write(Self::handshake_request(host, path).as_bytes()).await?;
        let head = raw.head().await?;
        ensure!(head.status() == 101, "handshake answered {head:?}");
        Ok(raw)
    }

    /// Takes an accepted connection: frames it writes are not masked.
    pub fn accepted(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: vec![],
            mask: None,
        }
    }

    /// A valid handshake request.
    pub fn handshake_request(host: &str, path: &str) -> String {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
    }

    /// The valid 101 to a request.
    ///
    /// # Errors
    /// When the request has no key.
    pub fn switching_protocols(request: &Head) -> Result<String> {
        let key = request
            .field("sec-websocket-key")
            .context("no Sec-WebSocket-Key")?;
        Ok(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            derive_accept_key(key.as_bytes())
        ))
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// When the peer is gone, or takes nothing for long.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        within("write", SOON * 2, self.stream.write_all(bytes)).await
    }

    /// Writes what the socket takes at once; 0 when it is full.
    ///
    /// # Errors
    /// When the peer is gone.
    pub fn try_write(&self, bytes: &[u8]) -> Result<usize> {
        match self.stream.try_write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            other => Ok(other?),
        }
    }

    /// Waits until the socket takes bytes; false when it did not within `limit`.
    pub async fn writable(&self, limit: Duration) -> bool {
        matches!(
            tokio::time::timeout(limit, self.stream.writable()).await,
            Ok(Ok(()))
        )
    }

    /// Writes a frame, masked as this side must.
    ///
    /// # Errors
    /// As [`Raw::write`].
    pub async fn send(&mut self, frame: &Frame) -> Result<()> {
        let bytes = frame.bytes(self.mask);
        self.write(&bytes).await
    }

    /// Reads a head up to its empty line.
    ///
    /// # Errors
    /// When none comes, or it is not one.
    pub async fn head(&mut self) -> Result<Head> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = self.buffer.drain(..end + 4).collect::<Vec<_>>();
                return Head::parse(std::str::from_utf8(&head[..end])?);
            }
            ensure!(
                self.fill().await? > 0,
                "end of stream in a head: {:?}",
                self.taken_so_far()
            );
        }
    }

    /// Reads a frame, and checks that it is masked as the other side must.
    ///
    /// # Errors
    /// When none comes.
    pub async fn frame(&mut self) -> Result<Frame> {
        loop {
            if let Some((frame, masked, len)) = Frame::parse(&self.buffer) {
                ensure!(masked == self.mask.is_none(), "wrong side of the mask: {frame:?}");
                self.buffer.drain(..len);
                return Ok(frame);
            }
            ensure!(
                self.fill().await? > 0,
                "end of stream where a frame should be: {:?}",
                self.taken_so_far()
            );
        }
    }

    /// Reads exactly that many bytes.
    ///
    /// # Errors
    /// When fewer come.
    pub async fn bytes(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < count {
            ensure!(
                self.fill().await? > 0,
                "end of stream after {} of {count} bytes",
                self.buffer.len()
            );
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// Reads the body behind a head: Content-Length, chunked, or for a response until the end.
    ///
    /// # Errors
    /// When it breaks off.
    pub async fn body(&mut self, head: &Head) -> Result<Vec<u8>> {
        if let Some(length) = head.field("content-length") {
            return self.bytes(length.parse()?).await;
        }
        if head.field("transfer-encoding").is_none() {
            // A request without either field has no body; an answer's lasts until the end (RFC 9112 §6.3).
            return match head.start.starts_with("HTTP/") {
                true => Ok(self.rest().await?.0),
                false => Ok(vec![]),
            };
        }
        let mut body = vec![];
        loop {
            let size = usize::from_str_radix(self.line().await?.trim(), 16)?;
            body.extend(self.bytes(size).await?);
            ensure!(self.line().await?.is_empty(), "no line end after a chunk");
            if size == 0 {
                return Ok(body);
            }
        }
    }

    /// Reads until the other side ends: the bytes, and how it ended.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn rest(&mut self) -> Result<(Vec<u8>, End)> {
        let end = loop {
            match self.fill().await {
                Ok(0) => break End::Eof,
                Ok(_) => {}
                Err(error) if is_reset(&error) => break End::Reset,
                Err(error) => return Err(error),
            }
        };
        Ok((std::mem::take(&mut self.buffer), end))
    }

    /// Ends the writing side only (FIN).
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn shutdown(&mut self) -> Result<()> {
        Ok(self.stream.shutdown().await?)
    }

    /// Resets the connection (RST).
    ///
    /// # Errors
    /// When the socket refuses the option.
    pub fn reset(self) -> Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
        Ok(())
    }

    /// Address of this side.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.stream.local_addr()?)
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line = self.buffer.drain(..end + 2).collect::<Vec<_>>();
                return Ok(String::from_utf8(line[..end].to_vec())?);
            }
            ensure!(self.fill().await? > 0, "end of stream in a line");
        }
    }

    async fn fill(&mut self) -> Result<usize> {
        within("read", SOON * 2, self.stream.read_buf(&mut self.buffer)).await
    }

    fn taken_so_far(&self) -> String {
        self.buffer.escape_ascii().to_string().chars().take(400).collect()
    }
}

/// True when an error says that the other side reset the connection.
pub fn is_reset(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == ErrorKind::ConnectionReset)
    })
}

/// Fails with what was read when a connection ended as it should not.
///
/// # Errors
/// When `end` differs from `expected`.
pub fn expect_end(end: End, expected: End) -> Result<()> {
    if end != expected {
        bail!("the connection ended with {end:?}, not {expected:?}");
    }
    Ok(())
}
