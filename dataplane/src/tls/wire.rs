//! One side of a tunnel: a socket that never blocks, and the TLS around it, if there is some.
//!
//! Works without a runtime: the tunnel table calls when its epoll says so. What is encrypted and not yet written is
//! part of the wire, so that nobody may count bytes as sent while [`Wire::is_flushed`] says no.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;
use rustls::Connection;

/// Most plaintext that is encrypted ahead of a socket that takes nothing.
const AHEAD: usize = 64 * 1024;

/// A non-blocking connection.
#[derive(Debug)]
pub struct Wire {
    socket: TcpStream,
    tls: Option<Box<Tls>>,
}

#[derive(Debug)]
struct Tls {
    connection: Connection,
    /// The socket holds no more than was read.
    drained: bool,
    /// The end of our side is to be said once all is written.
    ending: bool,
}

/// How much a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Bytes; none at the end of the stream.
    pub len: usize,
    /// Nothing more is there until the socket says so.
    pub drained: bool,
}

impl Wire {
    /// A wire from what a handshake left.
    pub fn new(socket: std::net::TcpStream, tls: Option<Box<Connection>>) -> Self {
        let tls = tls.map(|connection| {
            let mut connection = *connection;
            connection.set_buffer_limit(Some(AHEAD));
            Box::new(Tls {
                connection,
                drained: false,
                ending: false,
            })
        });
        Self {
            socket: TcpStream::from_std(socket),
            tls,
        }
    }

    /// The socket, to be watched.
    pub fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// The socket, to be asked.
    pub fn as_socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether bytes may wait that no event of the socket announces.
    pub fn reads_ahead(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads once. `closed`: the end of the stream was announced, so that it must be looked for.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there; else the connection is gone.
    pub fn read(&mut self, room: &mut [u8], closed: bool) -> io::Result<Taken> {
        let Some(tls) = &mut self.tls else {
            let len = (&self.socket).read(room)?;
            let drained = len < room.len();
            return Ok(Taken { len, drained });
        };
        loop {
            match tls.connection.reader().read(room) {
                Ok(len) => return Ok(Taken { len, drained: false }),
                // The socket ended without TLS's own end. WebSocket says by itself where it ends.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Ok(Taken {
                        len: 0,
                        drained: true,
                    });
                }
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) => tls.fetch(&self.socket, closed)?,
            }
        }
    }

    /// Writes once; takes fewer bytes than there are when the socket is full.
    ///
    /// # Errors
    /// `WouldBlock` when it takes none; else the connection is gone.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return (&self.socket).write(bytes);
        };
        tls.flush(&self.socket)?;
        if tls.connection.wants_write() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = tls.connection.writer().write(bytes)?;
        tls.flush(&self.socket)?;
        Ok(len)
    }

    /// Whether all that was taken is with the socket.
    pub fn is_flushed(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| !tls.connection.wants_write())
    }

    /// Goes on with what was taken and is not yet with the socket. Returns whether the socket took some of it.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn flush(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else {
            return Ok(false);
        };
        let progressed = tls.flush(&self.socket)?;
        if tls.ending && !tls.connection.wants_write() {
            tls.ending = false;
            self.socket.shutdown(Shutdown::Write)?;
        }
        Ok(progressed)
    }

    /// Says that nothing more will be written: TLS's own end, and a FIN once all is with the socket.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn finish(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return self.socket.shutdown(Shutdown::Write);
        };
        if !tls.ending {
            tls.ending = true;
            tls.connection.send_close_notify();
        }
        self.flush().map(|_| ())
    }
}

impl Tls {
    /// Reads from the socket what there is, and decrypts it.
    fn fetch(&mut self, socket: &TcpStream, closed: bool) -> io::Result<()> {
        if std::mem::take(&mut self.drained) && !closed {
            // The last read emptied the socket. This one gives rustls the occasion to free what it read into.
            let mut nothing = Tap {
                socket: None,
                short: false,
            };
            return self.connection.read_tls(&mut nothing).map(|_| ());
        }
        let mut tap = Tap {
            socket: Some(socket),
            short: false,
        };
        let len = self.connection.read_tls(&mut tap)?;
        self.drained = tap.short && len > 0;
        let processed = self.connection.process_new_packets();
        // An alert, a ticket, an answer to a change of keys.
        let flushed = self.flush(socket);
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        flushed.map(|_| ())
    }

    fn flush(&mut self, socket: &TcpStream) -> io::Result<bool> {
        let (mut socket, mut progressed) = (socket, false);
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => progressed = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(progressed)
    }
}

/// A socket that notes when a read did not fill its buffer; without one, nothing is ever there.
struct Tap<'a> {
    socket: Option<&'a TcpStream>,
    short: bool,
}

impl Read for Tap<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Some(mut socket) = self.socket else {
            return Err(ErrorKind::WouldBlock.into());
        };
        let len = socket.read(room)?;
        self.short = len < room.len();
        Ok(len)
    }
}
