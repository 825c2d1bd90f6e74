//! Requests without pause, for figures: HTTP/1.1 by hand, HTTP/2 by the h2 crate.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures_util::future::try_join_all;
use h2::client::{self, SendRequest};
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::dial;
use crate::deadline::SOON;
use crate::tls::Stream;

/// Requests of one client under way at a time.
const AT_A_TIME: usize = 64;
/// Connections that carry them over HTTP/2.
const CONNECTIONS: usize = 8;

/// Asks for `/` for so long, `AT_A_TIME` requests at a time. Yields how many were answered.
///
/// # Errors
/// A connection breaks, or an answer is none.
pub async fn requests(to: SocketAddr, host: &str, tls: bool, http2: bool, length: Duration) -> Result<usize> {
    let end = Instant::now() + length;
    let answered = if http2 {
        let connections = (0..CONNECTIONS).map(|_| over_http2(to, host, tls, end));
        try_join_all(connections).await?
    } else {
        try_join_all((0..AT_A_TIME).map(|_| over_http1(to, host, tls, end))).await?
    };
    Ok(answered.into_iter().sum())
}

async fn over_http1(to: SocketAddr, host: &str, tls: bool, end: Instant) -> Result<usize> {
    let mut stream = dial(to, host, tls, &["http/1.1"]).await?;
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let (mut answered, mut ahead) = (0, vec![]);
    while Instant::now() < end {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        timeout(SOON, answer(&mut stream, &mut ahead)).await??;
        answered += 1;
    }
    Ok(answered)
}

/// Reads an answer that says how long it is.
async fn answer(stream: &mut Stream, ahead: &mut Vec<u8>) -> Result<()> {
    let head = loop {
        if let Some(end) = ahead.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        ensure!(stream.read_buf(ahead).await? > 0, "end of stream in a head");
    };
    let text = std::str::from_utf8(&ahead[..head])?;
    ensure!(text.starts_with("HTTP/1.1 200 "), "answered {text}");
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    let whole = head + length.context("no length")?.parse::<usize>()?;
    while ahead.len() < whole {
        ensure!(stream.read_buf(ahead).await? > 0, "end of stream in a body");
    }
    ahead.drain(..whole);
    Ok(())
}

async fn over_http2(to: SocketAddr, host: &str, tls: bool, end: Instant) -> Result<usize> {
    let stream = dial(to, host, tls, &["h2"]).await?;
    let (send, connection) = timeout(SOON, client::handshake(stream)).await??;
    let driver = tokio::spawn(connection);
    let url = format!("{}://{host}/", if tls { "https" } else { "http" });
    let streams = (0..AT_A_TIME / CONNECTIONS).map(|_| streams(send.clone(), &url, end));
    let answered = try_join_all(streams).await;
    driver.abort();
    Ok(answered?.into_iter().sum())
}

/// One stream after the other.
async fn streams(send: SendRequest<Bytes>, url: &str, end: Instant) -> Result<usize> {
    let mut answered = 0;
    while Instant::now() < end {
        let mut send = send.clone().ready().await?;
        let (response, _) = send.send_request(Request::get(url).body(())?, true)?;
        let (head, mut body) = timeout(SOON, response).await??.into_parts();
        if head.status != 200 {
            bail!("answered {head:?}");
        }
        while let Some(data) = timeout(SOON, body.data()).await? {
            body.flow_control().release_capacity(data?.len())?;
        }
        answered += 1;
    }
    Ok(answered)
}
