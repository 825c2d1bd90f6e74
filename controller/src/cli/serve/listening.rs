//! The addresses that are served: the ready line, and addresses that somebody else has.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Reads the value of `--http`, `--https` and `--admin`.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let parsed = text.parse();
    parsed.map_err(|_| "must be ADDR:PORT such as '0.0.0.0:8081'".to_owned())
}

/// What the data plane reports once its listeners are bound and the first table serves:
/// `ready http=ADDR:PORT https=ADDR:PORT admin=ADDR:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listening {
    pub(super) http: SocketAddr,
    pub(super) https: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Listening {
    /// Reads the data plane's ready line; `None` for any other line. Words it does not know are skipped.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("ready") {
            return None;
        }
        let (mut http, mut https, mut admin) = (None, None, None);
        for word in words {
            match word.split_once('=') {
                Some(("http", address)) => http = address.parse().ok(),
                Some(("https", address)) => https = address.parse().ok(),
                Some(("admin", address)) => admin = address.parse().ok(),
                _ => {}
            }
        }
        Some(Self {
            http: http?,
            https: https?,
            admin: admin?,
        })
    }
}

/// A port under a name that a browser on this machine reaches.
pub(super) fn local_authority(address: SocketAddr) -> String {
    let ip = address.ip();
    if ip.is_unspecified() || ip.is_loopback() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

impl fmt::Display for Listening {
    /// The line that `serve` prints and scripts wait for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { http, https, admin } = self;
        write!(f, "ready http={http} https={https} admin={admin}")
    }
}

/// True when another socket listens at `address`. Asked without SO_REUSEPORT, which would let two
/// data planes of one user share a port and split the connections between them.
pub(super) fn is_taken(address: SocketAddr) -> io::Result<bool> {
    if address.port() == 0 {
        return Ok(false);
    }
    match TcpListener::bind(address) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn reads_the_ready_line_and_no_other() {
        let listening = Listening {
            http: address("0.0.0.0:41234"),
            https: address("0.0.0.0:41235"),
            admin: address("127.0.0.1:9080"),
        };
        assert_eq!(
            Listening::parse("ready http=0.0.0.0:41234 https=0.0.0.0:41235 admin=127.0.0.1:9080"),
            Some(listening)
        );
        assert_eq!(
            Listening::parse("ready http=0.0.0.0:41234 https=0.0.0.0:41235 later=on admin=127.0.0.1:9080\n"),
            Some(listening)
        );
        for other in [
            "",
            "ready",
            "ready http=0.0.0.0:1",
            "ready http=127.0.0.1:1 admin=127.0.0.1:1",
            "ready http=x https=127.0.0.1:2 admin=127.0.0.1:1",
            "already http=",
            "{}",
        ] {
            assert_eq!(Listening::parse(other), None, "{other:?}");
        }
        assert_eq!(
            listening.to_string(),
            "ready http=0.0.0.0:41234 https=0.0.0.0:41235 admin=127.0.0.1:9080"
        );
        assert_eq!(local_authority(listening.http), "localhost:41234");
        assert_eq!(local_authority(address("192.0.2.7:80")), "192.0.2.7:80");
    }

    #[test]
    fn a_listener_takes_its_address_and_the_same_port_of_all_addresses() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let taken = listener.local_addr().expect("address");
        assert!(is_taken(taken).expect("ask"));
        assert!(is_taken(SocketAddr::from(([0, 0, 0, 0], taken.port()))).expect("ask"));
        assert!(!is_taken(address("127.0.0.1:0")).expect("ask"));
        assert!(
            is_taken(address("192.0.2.1:80")).is_err(),
            "not an address of this machine"
        );
    }
}
