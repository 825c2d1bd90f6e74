//! The PROXY protocol towards endpoints: who the client is, before anything else is said.
//!
//! Spec: proxy-protocol.txt of HAProxy, sections 2.1 and 2.2.

use std::net::{IpAddr, SocketAddr};

use routetable::ProxyVersion;

/// The header for a client at the first address that connected to the second.
pub fn bytes(version: ProxyVersion, (from, to): (SocketAddr, SocketAddr)) -> Vec<u8> {
    let ips = (from.ip().to_canonical(), to.ip().to_canonical());
    match version {
        ProxyVersion::V1 => v1(ips, from.port(), to.port()).into_bytes(),
        ProxyVersion::V2 => v2(ips, from.port(), to.port()),
    }
}

fn v1((from, to): (IpAddr, IpAddr), from_port: u16, to_port: u16) -> String {
    let family = match (from, to) {
        (IpAddr::V4(_), IpAddr::V4(_)) => "TCP4",
        (IpAddr::V6(_), IpAddr::V6(_)) => "TCP6",
        // One line has one family.
        _ => return "PROXY UNKNOWN\r\n".to_owned(),
    };
    format!("PROXY {family} {from} {to} {from_port} {to_port}\r\n")
}

fn v2((from, to): (IpAddr, IpAddr), from_port: u16, to_port: u16) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    let mut addresses = Vec::with_capacity(36);
    // Version 2, PROXY; then the family over a stream.
    let family = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            addresses.extend(from.octets());
            addresses.extend(to.octets());
            0x11
        }
        (from, to) => {
            let six = |ip| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            addresses.extend(six(from).octets());
            addresses.extend(six(to).octets());
            0x21
        }
    };
    addresses.extend(from_port.to_be_bytes());
    addresses.extend(to_port.to_be_bytes());
    header.extend([0x21, family]);
    header.extend((addresses.len() as u16).to_be_bytes());
    header.extend(addresses);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_headers_are_those_of_the_specification() {
        let four = (at("192.0.2.7:4711"), at("192.0.2.1:443"));
        let six = (at("[2001:db8::7]:4711"), at("[2001:db8::1]:443"));
        let mapped = (at("[::ffff:192.0.2.7]:4711"), four.1);
        let text = |ends| String::from_utf8(bytes(ProxyVersion::V1, ends)).unwrap();
        assert_eq!(text(four), "PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n");
        assert_eq!(text(mapped), text(four));
        assert_eq!(text(six), "PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n");
        assert_eq!(text((six.0, four.1)), "PROXY UNKNOWN\r\n");

        let start = b"\r\n\r\n\0\r\nQUIT\n";
        let binary = bytes(ProxyVersion::V2, four);
        let rest = [
            0x21, 0x11, 0, 12, 192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x67, 0x01, 0xbb,
        ];
        assert_eq!(binary, [&start[..], &rest].concat());
        let binary = bytes(ProxyVersion::V2, six);
        assert_eq!(
            (binary.len(), &binary[12..16]),
            (16 + 36, &[0x21, 0x21, 0, 36][..])
        );
    }
}
