//! Backends that say what a test wants, byte by byte: the hostile and the broken ones have names here.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Server;
use crate::frames::Frame;
use crate::raw::{Head, Raw};

/// A backend that runs a script for each connection, from its first request head on.
#[derive(Debug)]
pub struct Script {
    /// Where it listens.
    pub addr: SocketAddr,
    heads: Arc<Mutex<Vec<Head>>>,
    _server: Server,
}

impl Script {
    /// Runs `script` on every connection, with the head of its first request.
    ///
    /// # Errors
    /// When it can't listen.
    pub async fn start<F, S>(script: F) -> Result<Self>
    where
        F: Fn(Raw, Head) -> S + Clone + Send + Sync + 'static,
        S: Future<Output = Result<()>> + Send + 'static,
    {
        let heads = Arc::new(Mutex::new(vec![]));
        let seen = heads.clone();
        let server = Server::start(move |stream| {
            let script = script.clone();
            let seen = seen.clone();
            async move {
                let mut raw = Raw::accepted(stream);
                let head = raw.head().await?;
                seen.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(head.clone());
                script(raw, head).await
            }
        })
        .await?;
        Ok(Self {
            addr: server.addr,
            heads,
            _server: server,
        })
    }

    /// The request heads it got so far, one a connection.
    pub fn heads(&self) -> Vec<Head> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes the same bytes to every connection, then waits for the other side's end.
    ///
    /// # Errors
    /// As [`Script::start`].
    pub async fn say(bytes: impl Into<Vec<u8>>) -> Result<Self> {
        let bytes: Arc<Vec<u8>> = Arc::new(bytes.into());
        Self::start(move |mut raw, _| {
            let bytes = bytes.clone();
            async move {
                raw.write(&bytes).await?;
                raw.rest().await.map(drop)
            }
        })
        .await
    }

    /// Refuses every handshake, with a body.
    ///
    /// # Errors
    /// As [`Script::start`].
    pub async fn refuse(status: u16, body: &str) -> Result<Self> {
        let length = body.len();
        Self::say(format!(
            "HTTP/1.1 {status} Because\r\nContent-Type: text/plain\r\nX-Backend: yes\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    /// Answers what is not HTTP.
    ///
    /// # Errors
    /// As [`Script::start`].
    pub async fn garbage() -> Result<Self> {
        Self::say(b"\x16\x03\x01 this is not HTTP\r\n\r\n".as_slice()).await
    }

    /// Answers a 101 that proves nothing.
    ///
    /// # Errors
    /// As [`Script::start`].
    pub async fn switch_without_accept() -> Result<Self> {
        Self::say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            .await
    }

    /// Answers a 101 for another key.
    ///
    /// # Errors
    /// As [`Script::start`].
    pub async fn switch_with_wrong_accept() -> Result<Self> {
        Self::say(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        )
        .await
    }

    /// Reads the request and never answers.
    ///
    /// # Errors
    /// As [`Script::start`].
    pub async fn silence() -> Result<Self> {
        Self::say("").await
    }

    /// Closes the connection instead of answering.
    ///
    /// # Errors
    /// As [`Script::start`].
    pub async fn hang_up() -> Result<Self> {
        Self::start(|raw, _| async move {
            drop(raw);
            Ok(())
        })
        .await
    }

    /// Accepts every handshake, then runs `script`; `along` is written together with the 101.
    ///
    /// # Errors
    /// As [`Script::start`].
    pub async fn websocket<F, S>(along: &[Frame], script: F) -> Result<Self>
    where
        F: Fn(Raw) -> S + Clone + Send + Sync + 'static,
        S: Future<Output = Result<()>> + Send + 'static,
    {
        let along: Vec<u8> = along.iter().flat_map(|frame| frame.bytes(None)).collect();
        Self::start(move |mut raw, head| {
            let along = along.clone();
            let script = script.clone();
            async move {
                let head = Raw::switching_protocols(&head)?;
                raw.write(&[head.as_bytes(), &along].concat()).await?;
                script(raw).await
            }
        })
        .await
    }
}

/// A port of 127.0.0.1 where connecting gets no answer: something listens, but its queue is full.
#[derive(Debug)]
pub struct FullPort {
    /// Its address.
    pub addr: SocketAddr,
    _listening: socket2::Socket,
    _waiting: Vec<TcpStream>,
}

impl FullPort {
    /// Takes one and fills its queue.
    ///
    /// # Errors
    /// When the system has no port left.
    pub async fn new() -> Result<Self> {
        let socket = bound()?;
        socket.listen(0)?;
        let addr = address_of(&socket)?;
        let mut waiting = vec![];
        // The kernel queues one or two more than asked for.
        while let Ok(connected) = timeout(Duration::from_millis(500), TcpStream::connect(addr)).await {
            waiting.push(connected?);
        }
        Ok(Self {
            addr,
            _listening: socket,
            _waiting: waiting,
        })
    }
}

/// A port of 127.0.0.1 where nothing listens: it was free a moment ago, and stays bound but never listens.
#[derive(Debug)]
pub struct DeadPort {
    /// Its address.
    pub addr: SocketAddr,
    _bound: socket2::Socket,
}

impl DeadPort {
    /// Takes one.
    ///
    /// # Errors
    /// When the system has no port left.
    pub fn new() -> Result<Self> {
        let socket = bound()?;
        let addr = address_of(&socket)?;
        Ok(Self { addr, _bound: socket })
    }
}

fn bound() -> Result<socket2::Socket> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    Ok(socket)
}

fn address_of(socket: &socket2::Socket) -> Result<SocketAddr> {
    socket.local_addr()?.as_socket().context("no address")
}
