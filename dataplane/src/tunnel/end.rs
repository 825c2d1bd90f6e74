//! One end of a tunnel: a socket of its own, or a stream of a connection with many. Pipes treat both alike.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use super::stream::{Stream, Woken};
use crate::tls::wire::{Taken, Wire};

/// One end of a tunnel.
#[derive(Debug)]
pub enum End {
    /// A socket, encrypted or not.
    Socket(Wire),
    /// A stream; boxed, because most ends are sockets.
    Stream(Box<Stream>),
}

impl From<Wire> for End {
    fn from(wire: Wire) -> Self {
        Self::Socket(wire)
    }
}

impl From<Stream> for End {
    fn from(stream: Stream) -> Self {
        Self::Stream(Box::new(stream))
    }
}

/// What an end announced.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The end of its stream is to be looked for.
    pub(super) read_closed: bool,
    /// The peer is gone.
    pub(super) error: bool,
}

impl From<&Event> for News {
    fn from(event: &Event) -> Self {
        let error = event.is_error();
        Self {
            readable: event.is_readable() || event.is_read_closed() || error,
            writable: event.is_writable() || event.is_write_closed() || error,
            read_closed: event.is_read_closed() || error,
            error,
        }
    }
}

impl End {
    /// From here on its news come with `token`.
    pub(super) fn watch(&mut self, registry: &Registry, woken: &Arc<Woken>, token: Token) -> io::Result<()> {
        match self {
            Self::Socket(wire) => {
                registry.register(wire.socket(), token, Interest::READABLE | Interest::WRITABLE)
            }
            Self::Stream(stream) => {
                stream.attach(woken, token.0);
                Ok(())
            }
        }
    }

    /// What a stream has to say that woke its row.
    pub(super) fn heard(&self) -> News {
        let error = match self {
            Self::Socket(_) => false,
            Self::Stream(stream) => {
                stream.heard();
                stream.is_reset()
            }
        };
        News {
            readable: true,
            writable: true,
            read_closed: error,
            error,
        }
    }

    /// Whether bytes may wait that nobody announces.
    pub(super) fn reads_ahead(&self) -> bool {
        match self {
            Self::Socket(wire) => wire.reads_ahead(),
            Self::Stream(_) => true,
        }
    }

    /// As [`Wire::read`].
    pub(super) fn read(&mut self, room: &mut [u8], closed: bool) -> io::Result<Taken> {
        match self {
            Self::Socket(wire) => wire.read(room, closed),
            Self::Stream(stream) => stream.read(room),
        }
    }

    /// As [`Wire::write`].
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(wire) => wire.write(bytes),
            Self::Stream(stream) => stream.write(bytes),
        }
    }

    /// As [`Wire::is_flushed`]. What a stream has taken its task brings on its way, with or without a row;
    /// there is something to do here only once the peer has reset it.
    pub(super) fn is_flushed(&self) -> bool {
        match self {
            Self::Socket(wire) => wire.is_flushed(),
            Self::Stream(stream) => !stream.is_reset(),
        }
    }

    /// As [`Wire::flush`].
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        match self {
            Self::Socket(wire) => wire.flush(),
            Self::Stream(stream) if stream.is_reset() => Err(io::ErrorKind::ConnectionReset.into()),
            Self::Stream(_) => Ok(false),
        }
    }

    /// As [`Wire::finish`].
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Socket(wire) => wire.finish(),
            Self::Stream(stream) => stream.finish(),
        }
    }

    /// Makes it end with a reset when it is dropped.
    pub(super) fn reset(&self) {
        match self {
            Self::Socket(wire) => {
                // It fails on a socket that is already gone.
                let _ = SockRef::from(wire.as_socket()).set_linger(Some(Duration::ZERO));
            }
            Self::Stream(stream) => stream.reset(),
        }
    }
}
