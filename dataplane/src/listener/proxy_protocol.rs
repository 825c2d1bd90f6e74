//! The PROXY protocol, versions 1 and 2: who connected to the proxy in front.
//!
//! Spec: proxy-protocol.txt of HAProxy, sections 2.1 and 2.2. Reads not a byte beyond the header.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::http::forwarded::Ends;

const V2: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const V1: &[u8] = b"PROXY ";
/// Longest header of version 1 with its line end (section 2.1).
const MAX_V1: usize = 107;
/// Longest rest of a header of version 2 that is taken; extensions fit in easily.
const MAX_V2: usize = 2048;

/// Why a connection is not served.
#[derive(Debug, Error)]
pub enum ProxyHeaderError {
    /// The stream ended, or failed.
    #[error("the PROXY header did not come: {0}")]
    Io(#[from] io::Error),
    /// It begins with something else.
    #[error("a connection of a trusted proxy must begin with a PROXY header (`proxy-protocol` is on)")]
    Missing,
    /// It is none.
    #[error("the PROXY header is malformed: {0}")]
    Malformed(&'static str),
}

use ProxyHeaderError::Malformed;

/// Reads the header: the client's address, and that of the proxy which it connected to; `None` when the proxy speaks for itself (LOCAL, UNKNOWN, or a socket without addresses).
///
/// # Errors
/// There is none, or it is malformed: nothing that follows can be trusted.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<Ends>, ProxyHeaderError> {
    // Shorter than the shortest header of either version.
    let mut start = [0; V2.len()];
    stream.read_exact(&mut start).await?;
    if start == V2 {
        return read_v2(stream).await;
    }
    if !start.starts_with(V1) {
        return Err(ProxyHeaderError::Missing);
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == MAX_V1 {
            return Err(Malformed("the line is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    v1(&line)
}

fn v1(line: &[u8]) -> Result<Option<Ends>, ProxyHeaderError> {
    let line = std::str::from_utf8(line).map_err(|_| Malformed("it is not ASCII"))?;
    let mut words = line.trim_end_matches("\r\n").split(' ').skip(1);
    let mut word = || words.next().unwrap_or_default();
    let kind = word();
    if kind == "UNKNOWN" {
        return Ok(None);
    }
    let (from, to) = (ip(kind, word())?, ip(kind, word())?);
    let (from_port, to_port) = (port(word())?, port(word())?);
    match words.next() {
        None => Ok(Some((
            SocketAddr::new(from, from_port),
            SocketAddr::new(to, to_port),
        ))),
        Some(_) => Err(Malformed("something follows the ports")),
    }
}

fn ip(kind: &str, text: &str) -> Result<IpAddr, ProxyHeaderError> {
    let ip = match kind {
        "TCP4" => text.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
        "TCP6" => text.parse::<Ipv6Addr>().map(IpAddr::V6).ok(),
        _ => return Err(Malformed("the protocol must be TCP4, TCP6 or UNKNOWN")),
    };
    ip.ok_or(Malformed("an address does not fit the protocol"))
}

fn port(text: &str) -> Result<u16, ProxyHeaderError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number);
    number.ok_or(Malformed("a port is no number up to 65535"))
}

async fn read_v2<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<Ends>, ProxyHeaderError> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let [command, family, high, low] = fixed;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > MAX_V2 {
        return Err(Malformed("it is too long"));
    }
    let mut rest = vec![0; len];
    stream.read_exact(&mut rest).await?;
    let short = Malformed("its addresses are cut off");
    match (command, family) {
        (0x20, _) => Ok(None),
        // TCP over IPv4 and over IPv6.
        (0x21, 0x11) => rest.first_chunk().map(ends_v4).ok_or(short).map(Some),
        (0x21, 0x21) => rest.first_chunk().map(ends_v6).ok_or(short).map(Some),
        // UNSPEC, datagrams, Unix sockets: nothing to learn.
        (0x21, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => Ok(None),
        (0x21, _) => Err(Malformed("its address family is unknown")),
        _ => Err(Malformed("its version or command is unknown")),
    }
}

fn ends_v4(bytes: &[u8; 12]) -> Ends {
    let [a, b, c, d, e, f, g, h, from_high, from_low, to_high, to_low] = *bytes;
    let from = Ipv4Addr::new(a, b, c, d);
    let to = Ipv4Addr::new(e, f, g, h);
    (
        SocketAddr::new(from.into(), u16::from_be_bytes([from_high, from_low])),
        SocketAddr::new(to.into(), u16::from_be_bytes([to_high, to_low])),
    )
}

fn ends_v6(bytes: &[u8; 36]) -> Ends {
    let ip = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&bytes[at..at + 16]);
        IpAddr::from(octets)
    };
    let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    (
        SocketAddr::new(ip(0), port(32)),
        SocketAddr::new(ip(16), port(34)),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::runtime::Builder;

    use super::*;

    /// What is read, and how many bytes are left.
    fn parsed(bytes: &[u8]) -> (Result<Option<Ends>, String>, usize) {
        let runtime = Builder::new_current_thread().build().unwrap();
        let mut rest = bytes;
        let outcome = runtime.block_on(read(&mut rest));
        (outcome.map_err(|error| error.to_string()), rest.len())
    }

    fn ends(from: &str, to: &str) -> Option<Ends> {
        Some((from.parse().unwrap(), to.parse().unwrap()))
    }

    fn v2_header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = V2.to_vec();
        bytes.extend([command, family]);
        bytes.extend((rest.len() as u16).to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    #[test]
    fn both_versions_are_read_and_no_byte_beyond() {
        let mut v6 = [0; 36];
        v6[15] = 7;
        v6[31] = 1;
        v6[32..].copy_from_slice(&[0x12, 0x67, 0x01, 0xbb]);
        let v4 = [192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x67, 0x00, 0x50];
        // With an extension behind the addresses.
        let with_tlv = [&v4[..], &[0x04, 0x00, 0x01, 0x00]].concat();
        for (header, expected) in [
            (
                b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n".to_vec(),
                ends("192.0.2.7:4711", "192.0.2.1:80"),
            ),
            (
                b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n".to_vec(),
                ends("[2001:db8::7]:4711", "[2001:db8::1]:443"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff:f...f:ffff 65535 65535\r\n".to_vec(), None),
            (v2_header(0x21, 0x11, &v4), ends("192.0.2.7:4711", "192.0.2.1:80")),
            (
                v2_header(0x21, 0x11, &with_tlv),
                ends("192.0.2.7:4711", "192.0.2.1:80"),
            ),
            (v2_header(0x21, 0x21, &v6), ends("[::7]:4711", "[::1]:443")),
            (v2_header(0x20, 0x00, &[]), None),
            (v2_header(0x20, 0x11, &v4), None),
            (v2_header(0x21, 0x31, &[0; 216]), None),
        ] {
            let mut bytes = header.clone();
            bytes.extend(b"GET / HTTP/1.1\r\n");
            assert_eq!(
                parsed(&bytes),
                (Ok(expected), 16),
                "{:?}",
                String::from_utf8_lossy(&header)
            );
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"PROXY TCP4 192.0.2.7 192.0.2.1 4711\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80 x\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 +4711 80\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 70000 80\r\n",
            b"PROXY TCP4 ::1 192.0.2.1 4711 80\r\n",
            b"PROXY UDP4 192.0.2.7 192.0.2.1 4711 80\r\n",
            b"PROXY  TCP4 192.0.2.7 192.0.2.1 4711 80\r\n",
            b"PROXY UNKNOWN\n",
            b"PROXY",
            &[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat(),
            &v2_header(0x21, 0x11, &[0; 11]),
            &v2_header(0x21, 0x77, &[0; 12]),
            &v2_header(0x31, 0x11, &[0; 12]),
            &v2_header(0x22, 0x11, &[0; 12]),
            &v2_header(0x21, 0x11, &[0; 12])[..20],
            &v2_header(0x21, 0x11, &[0; MAX_V2 + 1]),
        ] {
            let (outcome, _) = parsed(bytes);
            assert!(
                outcome.is_err(),
                "{:?}: {outcome:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_end_the_process(bytes in prop::collection::vec(any::<u8>(), 0..80), version in 0..3_u8) {
            let start: &[u8] = match version {
                0 => b"",
                1 => b"PROXY TCP4 ",
                _ => &V2,
            };
            let _ = parsed(&[start, &bytes].concat());
        }
    }
}
