//! How durations and sizes are written.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use serde::Serializer;

/// Longest duration that is taken: more is a slip of the pen, and timers overflow somewhere.
const MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Parses `250ms`, `5s`, `4m`, `1h30m`.
///
/// # Errors
/// What to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text != "0" && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("must name its unit; write '{text}s' or '{text}ms'"));
    }
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= MAX => Ok(duration),
        Ok(_) => Err("must be at most a year".into()),
        Err(_) => Err("must be a duration such as '250ms', '5s', '4m' or '1h30m'".into()),
    }
}

/// Parses a duration that must not be zero.
///
/// # Errors
/// What to write instead.
pub(super) fn parse_timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be longer than zero, such as '5s'".into()),
        duration => Ok(duration),
    }
}

/// Parses an address to listen on: `0.0.0.0:8081`, `[::1]:0`.
///
/// # Errors
/// What to write instead.
pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let parsed = text.parse();
    parsed.map_err(|_| "must be ADDR:PORT such as '0.0.0.0:8081'".to_owned())
}

/// Parses a network: `10.0.0.0/8`, `2001:db8::/32`, or one address.
///
/// # Errors
/// What to write instead.
pub(super) fn parse_network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    let network: IpNet = text
        .parse()
        .or_else(|_| one())
        .map_err(|_| "must be a network such as '10.0.0.0/8' or an address such as '192.0.2.7'".to_owned())?;
    if network.addr() != network.network() {
        return Err(format!("has bits beyond its prefix; write '{}'", network.trunc()));
    }
    Ok(network)
}

/// Parses the size of a head in bytes: `65536`, `64k`, `1m`; 8 KiB to 16 MiB.
///
/// # Errors
/// What to write instead.
pub(super) fn parse_head_size(text: &str) -> Result<usize, String> {
    match usize::try_from(parse_size(text)?) {
        Ok(size) if (8 << 10..=16 << 20).contains(&size) => Ok(size),
        _ => Err("must be between '8k' and '16m'".into()),
    }
}

/// Parses a size in bytes: `65536`, `64k`, `1m`, `2g`.
///
/// # Errors
/// What to write instead.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let size = digits.parse::<u32>().map(|number| u64::from(number) << shift);
    size.map_err(|_| "must be a number of bytes such as '65536' or '64k'".into())
}

/// Writes a duration the way it is read.
pub(super) fn duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}
