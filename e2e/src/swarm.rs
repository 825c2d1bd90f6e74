//! Many cheap sessions in a process of their own, so that descriptors and CPU time of the test process stay
//! out of it: an echo server and clients on bare sockets. `src/bin/swarm.rs` makes it a peer in JSON lines.

mod requests;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::deadline::SOON;
use crate::frames::{BINARY, Frame};
use crate::raw::{Head, MASK, Raw};
use crate::tls::{self, Stream};

pub use self::requests::{Asking, requests};

/// What a plain request is answered with.
const ANSWER: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 16\r\n\r\nhello, requester";
/// Handshakes under way at a time when sessions are opened.
const OPENING: usize = 64;

/// Answers the plain requests of every connection to `listener`, which have no body, and echoes the messages of
/// its session; frames up to 64 KiB.
pub async fn echo(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let _ = echo_session(stream).await;
        });
    }
}

async fn echo_session(mut stream: TcpStream) -> Result<()> {
    let mut head = Vec::with_capacity(512);
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            ensure!(stream.read_buf(&mut head).await? > 0, "end of stream in a head");
        }
        if let Some(key) = key(std::str::from_utf8(&head)?) {
            let answer = Raw::switching_protocols(&key)?;
            stream.write_all(answer.as_bytes()).await?;
            break;
        }
        stream.write_all(ANSWER.as_bytes()).await?;
        head.clear();
    }
    drop(head);
    // Nothing is held while a session is idle.
    let mut rest = Vec::new();
    loop {
        stream.readable().await?;
        let mut buffer = [0; 4096];
        let count = match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        rest.extend_from_slice(&buffer[..count]);
        let mut answers = vec![];
        while let Some((frame, _, length)) = Frame::parse(&rest) {
            rest.drain(..length);
            answers.extend(frame.bytes(None));
        }
        stream.write_all(&answers).await?;
        if rest.is_empty() {
            rest = Vec::new();
        }
    }
}

/// The field that makes a head the offer of a WebSocket.
fn key(head: &str) -> Option<Head> {
    let (name, value) = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))?;
    Some(Head {
        start: String::new(),
        fields: vec![(name.to_lowercase(), value.trim().to_owned())],
    })
}

/// How long echoes took, in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// How many there were.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The one that `share` (0 to 1) of them do not exceed.
    pub fn quantile(&mut self, share: f64) -> u32 {
        self.0.sort_unstable();
        let place = (self.0.len() as f64 * share) as usize;
        self.0
            .get(place.min(self.0.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0)
    }
}

/// Sessions that one process holds.
#[derive(Debug, Default)]
pub struct Clients {
    streams: Vec<Stream>,
}

impl Clients {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Opens `count` more.
    ///
    /// # Errors
    /// When a handshake is refused.
    pub async fn open(&mut self, to: SocketAddr, host: &str, count: usize, tls: bool) -> Result<()> {
        let mut left = count;
        while left > 0 {
            let batch = left.min(OPENING);
            for opened in join_all((0..batch).map(|_| open(to, host, tls))).await {
                self.streams.push(opened?);
            }
            left -= batch;
        }
        Ok(())
    }

    /// Sends a message of `size` bytes on every session and awaits its echo; yields how many answered rightly.
    pub async fn ask_all(&mut self, size: usize) -> usize {
        let mut answered = 0;
        for batch in self.streams.chunks_mut(OPENING * 8) {
            let asked = join_all(batch.iter_mut().map(|stream| timeout(SOON, ask(stream, size)))).await;
            answered += asked.iter().filter(|result| matches!(result, Ok(Ok(())))).count();
        }
        answered
    }

    /// Messages of `size` bytes to and fro on every session: without pause, or one each `pace`. Yields how long each
    /// took that came back within `length`.
    ///
    /// # Errors
    /// When a session ends.
    pub async fn run(&mut self, size: usize, pace: Option<Duration>, length: Duration) -> Result<Latencies> {
        let end = Instant::now() + length;
        let count = self.streams.len().max(1);
        let runs = self.streams.drain(..).enumerate().map(|(index, mut stream)| {
            tokio::spawn(async move {
                let mut times = vec![];
                // Spread over the first interval.
                let offset = pace.map(|pace| pace.mul_f64(index as f64 / count as f64));
                let mut next = Instant::now() + offset.unwrap_or_default();
                while Instant::now() < end {
                    if let Some(pace) = pace {
                        tokio::time::sleep_until(next).await;
                        next += pace;
                    }
                    let sent = Instant::now();
                    ask(&mut stream, size).await?;
                    times.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
                }
                anyhow::Ok((stream, times))
            })
        });
        let runs: Vec<_> = runs.collect();
        let mut all = Latencies::default();
        for run in runs {
            let (stream, times) = run.await??;
            self.streams.push(stream);
            all.0.extend(times);
        }
        Ok(all)
    }

    /// Drops all.
    pub fn close(&mut self) {
        self.streams.clear();
    }
}

/// TLS handshakes with `to`, `count` of them at once, on connections that are then closed. Yields how many came to their
/// end.
pub async fn storm(to: SocketAddr, host: &str, count: usize) -> usize {
    let shakes = (0..count).map(|_| async {
        let socket = timeout(SOON, TcpStream::connect(to)).await??;
        timeout(SOON, tls::connect(host, socket, &[])).await??;
        anyhow::Ok(())
    });
    join_all(shakes).await.iter().filter(|done| done.is_ok()).count()
}

async fn dial(to: SocketAddr, host: &str, tls: bool, alpn: &[&str]) -> Result<Stream> {
    let socket = timeout(SOON, TcpStream::connect(to)).await??;
    socket.set_nodelay(true)?;
    Ok(match tls {
        true => Box::new(timeout(SOON, tls::connect(host, socket, alpn)).await??),
        false => Box::new(socket),
    })
}

async fn open(to: SocketAddr, host: &str, tls: bool) -> Result<Stream> {
    let mut stream = dial(to, host, tls, &[]).await?;
    stream
        .write_all(Raw::handshake_request(host, "/").as_bytes())
        .await?;
    stream.flush().await?;
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(
            timeout(SOON, stream.read_buf(&mut head)).await?? > 0,
            "end of stream in a handshake"
        );
    }
    ensure!(
        head.starts_with(b"HTTP/1.1 101 "),
        "handshake: {}",
        head.escape_ascii()
    );
    Ok(stream)
}

async fn ask(stream: &mut Stream, size: usize) -> Result<()> {
    let message = Frame::new(BINARY, vec![7; size]);
    stream.write_all(&message.bytes(Some(MASK))).await?;
    stream.flush().await?;
    let wanted = message.bytes(None);
    let mut got = vec![0; wanted.len()];
    stream.read_exact(&mut got).await?;
    ensure!(got == wanted, "another message came back");
    Ok(())
}
