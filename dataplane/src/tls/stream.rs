//! A connection, encrypted or not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::server::H2;

/// Bytes that are rather copied together than written from many places.
const SMALL: usize = 1 << 10;

/// A socket, with TLS around it or without.
#[derive(Debug)]
pub enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// Encrypted; the handshake is over.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The socket.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// True when it is encrypted.
    fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// True when both sides agreed on HTTP/2.
    pub fn speaks_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(H2),
        }
    }

    /// The socket and what encrypts it.
    pub fn into_parts(self) -> (TcpStream, Option<Box<rustls::Connection>>) {
        match self {
            Self::Plain(socket) => (socket, None),
            Self::Tls(stream) => match *stream {
                TlsStream::Server(stream) => {
                    let (socket, connection) = stream.into_inner();
                    (socket, Some(Box::new(connection.into())))
                }
                TlsStream::Client(stream) => {
                    let (socket, connection) = stream.into_inner();
                    (socket, Some(Box::new(connection.into())))
                }
            },
        }
    }
}

/// Calls the same method of what it is.
macro_rules! each {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream.get_mut() {
            Self::Plain($inner) => {
                let $inner = Pin::new($inner);
                $call
            }
            Self::Tls($inner) => {
                let $inner = Pin::new($inner.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => inner.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, inner => inner.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // The system takes one buffer faster than many: so does a small answer go, its head with its body.
        let size = bufs.iter().map(|buf| buf.len()).sum();
        match bufs {
            // It writes records of its own.
            _ if self.is_tls() => {}
            [only] => return self.poll_write(cx, only),
            _ if size <= SMALL => {
                let mut room = [0; SMALL];
                let mut rest = &mut room[..];
                for buf in bufs {
                    let (space, after) = rest.split_at_mut(buf.len());
                    space.copy_from_slice(buf);
                    rest = after;
                }
                return self.poll_write(cx, &room[..size]);
            }
            _ => {}
        }
        each!(self, inner => inner.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(inner) => inner.is_write_vectored(),
            Self::Tls(inner) => inner.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => inner.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => inner.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn many_buffers_arrive_in_their_order_be_they_small_or_large() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr()?), listener.accept());
        let (mut near, mut far) = (Stream::Plain(near?), far?.0);
        for sizes in [
            &[3][..],
            &[3, 0, 5],
            &[SMALL - 1, 1],
            &[SMALL, 1],
            &[0, 0],
            &[3 * SMALL, 2, SMALL],
        ] {
            let parts: Vec<Vec<u8>> = (b'a'..)
                .zip(sizes)
                .map(|(byte, size)| vec![byte; *size])
                .collect();
            let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
            // An empty socket takes so much at once.
            let written = near.write_vectored(&slices).await?;
            let whole = parts.concat();
            assert_eq!(written, whole.len(), "{sizes:?}");
            let mut read = vec![0; written];
            far.read_exact(&mut read).await?;
            assert!(read == whole, "{sizes:?}");
        }
        Ok(())
    }
}
