//! Many cheap sessions in a process of their own, so that descriptors and CPU time of the test process stay
//! out of it: an echo server and clients on bare sockets. `src/bin/swarm.rs` makes it a peer in JSON lines.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use crate::deadline::SOON;
use crate::frames::{BINARY, Frame};
use crate::raw::{Head, MASK, Raw};

/// Handshakes under way at a time when sessions are opened.
const OPENING: usize = 64;

/// Echoes the messages of every connection to `listener`; frames up to 64 KiB.
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
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(stream.read_buf(&mut head).await? > 0, "end of stream in a head");
    }
    let text = String::from_utf8(head)?;
    let key = text
        .lines()
        .find_map(|line| {
            line.split_once(':')
                .filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        })
        .map(|(_, value)| value.trim().to_owned())
        .context("no key")?;
    let request = Head {
        start: String::new(),
        fields: vec![("sec-websocket-key".to_owned(), key)],
    };
    stream
        .write_all(Raw::switching_protocols(&request)?.as_bytes())
        .await?;
    drop(text);
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

/// Sessions that one process holds.
#[derive(Debug, Default)]
pub struct Clients {
    streams: Vec<TcpStream>,
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
    pub async fn open(&mut self, to: SocketAddr, host: &str, count: usize) -> Result<()> {
        let mut left = count;
        while left > 0 {
            let batch = left.min(OPENING);
            for opened in join_all((0..batch).map(|_| open(to, host))).await {
                self.streams.push(opened?);
            }
            left -= batch;
        }
        Ok(())
    }

    /// Sends a message on every session and awaits its echo; yields how many answered rightly.
    pub async fn ask_all(&mut self) -> usize {
        let mut answered = 0;
        for batch in self.streams.chunks_mut(OPENING * 8) {
            let asked = join_all(batch.iter_mut().map(|stream| timeout(SOON, ask(stream, 64)))).await;
            answered += asked.iter().filter(|result| matches!(result, Ok(Ok(())))).count();
        }
        answered
    }

    /// Messages of `size` bytes to and fro on every session: without pause, or one each `pace`. Yields how
    /// many came back within `length`.
    ///
    /// # Errors
    /// When a session ends.
    pub async fn run(&mut self, size: usize, pace: Option<Duration>, length: Duration) -> Result<u64> {
        let end = Instant::now() + length;
        let count = self.streams.len().max(1);
        let runs = self.streams.drain(..).enumerate().map(|(index, mut stream)| {
            tokio::spawn(async move {
                let mut messages = 0;
                // Spread over the first interval.
                let offset = pace.map(|pace| pace.mul_f64(index as f64 / count as f64));
                let mut next = Instant::now() + offset.unwrap_or_default();
                while Instant::now() < end {
                    if let Some(pace) = pace {
                        tokio::time::sleep_until(next).await;
                        next += pace;
                    }
                    ask(&mut stream, size).await?;
                    messages += 1;
                }
                anyhow::Ok((stream, messages))
            })
        });
        let runs: Vec<_> = runs.collect();
        let mut messages = 0;
        for run in runs {
            let (stream, count) = run.await??;
            self.streams.push(stream);
            messages += count;
        }
        Ok(messages)
    }

    /// Drops all.
    pub fn close(&mut self) {
        self.streams.clear();
    }
}

async fn open(to: SocketAddr, host: &str) -> Result<TcpStream> {
    let mut stream = timeout(SOON, TcpStream::connect(to)).await??;
    stream.set_nodelay(true)?;
    stream
        .write_all(Raw::handshake_request(host, "/").as_bytes())
        .await?;
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

async fn ask(stream: &mut TcpStream, size: usize) -> Result<()> {
    let message = Frame::new(BINARY, vec![7; size]);
    stream.write_all(&message.bytes(Some(MASK))).await?;
    let wanted = message.bytes(None);
    let mut got = vec![0; wanted.len()];
    stream.read_exact(&mut got).await?;
    ensure!(got == wanted, "another message came back");
    Ok(())
}
