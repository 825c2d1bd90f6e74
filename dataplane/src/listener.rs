//! Where clients connect: one socket per worker on the same address (SO_REUSEPORT), so that the
//! kernel spreads connections and no worker wakes another.

pub mod accept;
pub mod proxy_protocol;
mod tls;

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// The address can't be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on '{address}': {error}")]
pub struct BindError {
    /// As asked for.
    pub address: SocketAddr,
    /// The system's answer.
    pub error: io::Error,
}

/// Binds `count` sockets to `address`. With port 0 the system picks a port for the first, and the
/// others share it.
///
/// # Errors
/// The address is not ours, not allowed, or in use, be it by another process of the same user
/// (which SO_REUSEPORT alone would let us share it with).
pub fn bind(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, BindError> {
    let failed = |error| BindError { address, error };
    if address.port() != 0 {
        drop(socket(address, false).map_err(failed)?);
    }
    let mut listeners: Vec<TcpListener> = Vec::with_capacity(count);
    for _ in 0..count {
        let address = match listeners.first() {
            Some(first) => first.local_addr().map_err(failed)?,
            None => address,
        };
        let socket = socket(address, true).map_err(failed)?;
        socket.listen(BACKLOG).map_err(failed)?;
        listeners.push(socket.into());
    }
    Ok(listeners)
}

fn socket(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier process that linger in TIME_WAIT do not count as use.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_and_strangers_do_not() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listeners = bind(any, 3).unwrap();
        let address = listeners[0].local_addr().unwrap();
        assert_ne!(address.port(), 0);
        assert!(listeners.iter().all(|l| l.local_addr().unwrap() == address));
        let error = bind(address, 1).unwrap_err();
        assert_eq!(error.error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
