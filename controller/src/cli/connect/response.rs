//! The answer to the handshake: its head as it came, its body if it is a refusal, and the judgement of a 101.

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::request::Request;

/// Bytes of a head.
const HEAD_MOST: usize = 64 * 1024;
/// Bytes of a refusal's body that are read.
const BODY_MOST: usize = 64 * 1024;
/// Answers before the final one (100 Continue, 103 Early Hints).
const INTERIM_MOST: usize = 8;

/// What keeps an answer from being one.
#[derive(Debug, Error)]
pub(super) enum Malformed {
    #[error("the connection ended before a whole answer came")]
    Ended,
    #[error("the connection broke: {0}")]
    Broke(#[from] std::io::Error),
    #[error("the answer's head is longer than {HEAD_MOST} bytes")]
    TooLong,
    #[error("the answer is not HTTP/1: it begins with '{0}'")]
    NotHttp(String),
}

/// An answer.
#[derive(Debug)]
pub(super) struct Response {
    head: Vec<String>,
    pub(super) status: u16,
    /// What came right behind the head.
    pub(super) rest: Vec<u8>,
}

/// Reads up to the end of the final head.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Response, Malformed> {
    let mut rest = Vec::new();
    for _ in 0..INTERIM_MOST {
        let response = read_one(stream, rest).await?;
        if response.status >= 200 || response.status == 101 {
            return Ok(response);
        }
        rest = response.rest;
    }
    Err(Malformed::TooLong)
}

async fn read_one(stream: &mut (impl AsyncRead + Unpin), mut bytes: Vec<u8>) -> Result<Response, Malformed> {
    loop {
        // Not HTTP is seen at once: such a peer may wait for us, with no end of line to come.
        let begin = bytes.len().min(b"HTTP/1.".len());
        if bytes[..begin] != b"HTTP/1."[..begin] {
            return Err(not_http(&bytes));
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            bytes.truncate(end);
            let head: Vec<String> = String::from_utf8_lossy(&bytes)
                .split("\r\n")
                .map(str::to_owned)
                .collect();
            let status = head[0].split(' ').nth(1).filter(|code| code.len() == 3);
            let status = status
                .and_then(|code| code.parse().ok())
                .filter(|code| (100..1000).contains(code));
            return match status {
                Some(status) => Ok(Response { head, status, rest }),
                None => Err(not_http(&bytes)),
            };
        }
        if bytes.len() > HEAD_MOST {
            return Err(Malformed::TooLong);
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(Malformed::Ended);
        }
    }
}

fn not_http(bytes: &[u8]) -> Malformed {
    Malformed::NotHttp(String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned())
}

impl Response {
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.head.iter().map(String::as_str)
    }

    /// The value of the first field of that name (in lower case).
    pub(super) fn header(&self, name: &'static str) -> Option<&str> {
        self.values(name).next()
    }

    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a str> {
        let fields = self.head[1..].iter().filter_map(|line| line.split_once(':'));
        fields
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// Checks a 101 as RFC 6455, section 4.1, asks a client to. The error says what is wrong.
    pub(super) fn judge(&self, request: &Request) -> Result<(), String> {
        let names = |name: &'static str, token: &str| {
            self.values(name)
                .flat_map(|value| value.split(','))
                .any(|one| one.trim().eq_ignore_ascii_case(token))
        };
        if !names("upgrade", "websocket") {
            return Err("the 101 must carry 'Upgrade: websocket'".into());
        }
        if !names("connection", "upgrade") {
            return Err("the 101 must carry 'Connection: Upgrade'".into());
        }
        let right = derive_accept_key(request.key.as_bytes());
        match self.header("sec-websocket-accept") {
            Some(accept) if accept == right => {}
            Some(accept) => {
                return Err(format!(
                    "Sec-WebSocket-Accept is '{accept}' and must be '{right}'"
                ));
            }
            None => return Err(format!("the 101 must carry 'Sec-WebSocket-Accept: {right}'")),
        }
        if let (false, Some(extension)) = (request.extensions, self.header("sec-websocket-extensions")) {
            return Err(format!(
                "the peer chose the extension '{extension}', which was not offered"
            ));
        }
        match self.header("sec-websocket-protocol") {
            Some(chosen) if !request.offered.iter().any(|offered| offered == chosen) => Err(format!(
                "the peer chose the subprotocol '{chosen}', which was not offered"
            )),
            _ => Ok(()),
        }
    }

    /// As much of a refusal's body as comes, within its framing.
    pub(super) async fn body(&self, stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
        let length = self
            .header("content-length")
            .and_then(|length| length.parse::<usize>().ok());
        let chunked = self
            .values("transfer-encoding")
            .any(|value| value.eq_ignore_ascii_case("chunked"));
        let mut bytes = self.rest.clone();
        loop {
            if chunked && let Some(body) = unchunk(&bytes) {
                return body;
            }
            let enough = if chunked {
                BODY_MOST
            } else {
                length.unwrap_or(BODY_MOST).min(BODY_MOST)
            };
            if bytes.len() >= enough {
                bytes.truncate(enough);
                return bytes;
            }
            if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                return bytes;
            }
        }
    }
}

/// The content of a chunked body (RFC 9112, section 7.1) once the last chunk is there.
fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size.checked_add(2)?..)?;
    }
}

#[cfg(test)]
mod tests;
