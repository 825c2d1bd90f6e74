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

/// What a browser says of itself besides the host, with the cookie of a session.
const BROWSER: [(&str, &str); 14] = [
    ("sec-ch-ua", r#""Chromium";v="142", "Not_A Brand";v="99""#),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", r#""Linux""#),
    ("upgrade-insecure-requests", "1"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    ),
    (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    ),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-user", "?1"),
    ("sec-fetch-dest", "document"),
    ("referer", "https://bench.test/rooms?order=newest"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
    (
        "cookie",
        "session=c2Vzc2lvbi1vZi1hLXVzZXItd2hvLWlzLWxvZ2dlZC1pbg; theme=dark; seen=1763900000",
    ),
];

/// How to ask.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Where.
    pub to: SocketAddr,
    /// Which host.
    pub host: &'a str,
    /// With TLS.
    pub tls: bool,
    /// Over HTTP/2.
    pub http2: bool,
    /// With the fields that a browser sends.
    pub browser: bool,
    /// For how long.
    pub length: Duration,
}

/// Asks for `/`, `AT_A_TIME` requests at a time. Yields how many were answered.
///
/// # Errors
/// A connection breaks, or an answer is none.
pub async fn requests(asking: Asking<'_>) -> Result<usize> {
    let end = Instant::now() + asking.length;
    let answered = if asking.http2 {
        try_join_all((0..CONNECTIONS).map(|_| over_http2(asking, end))).await?
    } else {
        try_join_all((0..AT_A_TIME).map(|_| over_http1(asking, end))).await?
    };
    Ok(answered.into_iter().sum())
}

impl Asking<'_> {
    fn fields(&self) -> &'static [(&'static str, &'static str)] {
        if self.browser { &BROWSER } else { &[] }
    }
}

async fn over_http1(asking: Asking<'_>, end: Instant) -> Result<usize> {
    let Asking { to, host, tls, .. } = asking;
    let mut stream = dial(to, host, tls, &["http/1.1"]).await?;
    let fields = asking.fields().iter();
    let fields: String = fields
        .map(|(name, value)| format!("{}: {value}\r\n", spelled(name)))
        .collect();
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n");
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

/// As browsers spell names over HTTP/1.1, but for those that they write in lower case.
fn spelled(name: &str) -> String {
    if name.starts_with("sec-ch-") {
        return name.to_owned();
    }
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

async fn over_http2(asking: Asking<'_>, end: Instant) -> Result<usize> {
    let Asking { to, host, tls, .. } = asking;
    let stream = dial(to, host, tls, &["h2"]).await?;
    let (send, connection) = timeout(SOON, client::handshake(stream)).await??;
    let driver = tokio::spawn(connection);
    let url = format!("{}://{host}/", if tls { "https" } else { "http" });
    let fields = asking.fields();
    let streams = (0..AT_A_TIME / CONNECTIONS).map(|_| streams(send.clone(), &url, fields, end));
    let answered = try_join_all(streams).await;
    driver.abort();
    Ok(answered?.into_iter().sum())
}

/// One stream after the other.
async fn streams(
    send: SendRequest<Bytes>,
    url: &str,
    fields: &[(&'static str, &'static str)],
    end: Instant,
) -> Result<usize> {
    let mut answered = 0;
    while Instant::now() < end {
        let mut send = send.clone().ready().await?;
        let mut request = Request::get(url);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (response, _) = send.send_request(request.body(())?, true)?;
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
