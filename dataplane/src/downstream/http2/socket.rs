//! The client's connection below HTTP/2: knows since when it takes nothing, holds the [`Meter`] to what it
//! says, and gives the connection back once hyper lets go, so that the last frames arrive.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::meter::Meter;
use crate::tls::stream::Stream;

/// What is known of a client's connection while hyper has it.
#[derive(Debug)]
pub(super) struct Watched {
    /// Since when it takes nothing of what there is to write.
    pub stalled: Cell<Option<Instant>>,
    /// What was last written may have ended within a frame.
    pub torn: Cell<bool>,
    /// Tells work from noise.
    pub meter: RefCell<Meter>,
    returned: RefCell<Option<Stream>>,
}

impl Watched {
    /// Of a connection that has said nothing yet.
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            stalled: Cell::new(None),
            torn: Cell::new(false),
            meter: RefCell::new(Meter::new(Instant::now())),
            returned: RefCell::default(),
        })
    }

    /// The connection, once hyper has let go of it.
    pub(super) fn take(&self) -> Option<Stream> {
        self.returned.take()
    }

    fn wrote(&self, polled: Poll<io::Result<usize>>, len: usize) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Ready(Ok(written)) => {
                self.torn.set(*written < len);
                self.stalled.set(None);
                self.meter.borrow_mut().wrote(*written);
            }
            Poll::Ready(Err(_)) => self.torn.set(true),
            Poll::Pending => {
                self.torn.set(true);
                self.stall();
            }
        }
        polled
    }

    fn stall(&self) {
        if self.stalled.get().is_none() {
            self.stalled.set(Some(Instant::now()));
        }
    }
}

/// The connection as hyper sees it.
#[derive(Debug)]
pub(super) struct Socket {
    /// Absent only while it is dropped.
    stream: Option<Stream>,
    watched: Rc<Watched>,
}

impl Socket {
    /// Watches `stream`.
    pub(super) fn new(stream: Stream, watched: Rc<Watched>) -> Self {
        let stream = Some(stream);
        Self { stream, watched }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Stream>> {
        let stream = self.stream.as_mut().map(Pin::new);
        stream.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.watched.returned.replace(self.stream.take());
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.watched.meter.borrow().is_spent() {
            // Not a word more; whoever polls the connection finds that out, too.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(self.stream()?.poll_read(cx, buf))?;
        let bytes = &buf.filled()[before..];
        self.watched.meter.borrow_mut().read(bytes, Instant::now());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = self.stream()?.poll_write(cx, buf);
        self.watched.wrote(polled, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = self.stream()?.poll_write_vectored(cx, bufs);
        self.watched.wrote(polled, bufs.iter().map(|buf| buf.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.stream()?.poll_flush(cx);
        // Hyper flushes once all is written; TLS may have kept some of it.
        match polled {
            Poll::Pending => self.watched.stall(),
            Poll::Ready(_) => self.watched.stalled.set(None),
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}
