//! The client's socket as hyper sees it.
//!
//! Hyper answers heads that it can't parse by itself, without our fields. This wrapper keeps those
//! answers back, so that [`respond`](super::respond) stays the one place that answers. It also knows
//! whose turn it is, and since when: hyper has one time limit for a head and for the pause before
//! it, which would be too long for the one or too short for the other.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::tls::stream::Stream;

/// Whether what hyper writes belongs to an answer of ours, and whose turn it is.
#[derive(Debug)]
pub struct Speech {
    answering: Cell<bool>,
    flushed: Cell<bool>,
    kept_back: Cell<bool>,
    turn: Cell<Turn>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The client's, since it connected or began a head.
    Head(Instant),
    /// The client's, if it wants: it has its answer since then.
    Pause(Instant),
    /// Ours.
    Answer,
    /// Ours, but since then the client has not taken what we say.
    Unread(Instant),
}

impl Speech {
    /// Before the first request.
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            answering: Cell::new(false),
            flushed: Cell::new(true),
            kept_back: Cell::new(false),
            turn: Cell::new(Turn::Head(Instant::now())),
        })
    }

    /// A request came: from here on hyper speaks for us.
    pub fn begin(&self) {
        self.answering.set(true);
        self.flushed.set(false);
        self.turn.set(Turn::Answer);
    }

    /// Whose turn it is.
    pub fn turn(&self) -> Turn {
        self.turn.get()
    }

    /// The last byte of the answer is with hyper.
    pub fn end(&self) {
        self.answering.set(false);
    }

    /// Hyper answered by itself and nobody has heard it.
    pub fn kept_back(&self) -> bool {
        self.kept_back.get()
    }

    /// Nothing of an answer of ours is waiting to be written.
    fn silent(&self) -> bool {
        self.flushed.get()
    }
}

/// A client's socket.
#[derive(Debug)]
pub struct ClientIo {
    stream: TokioIo<Stream>,
    speech: Rc<Speech>,
}

impl ClientIo {
    /// Wraps a socket.
    pub fn new(stream: Stream, speech: Rc<Speech>) -> Self {
        Self {
            stream: TokioIo::new(stream),
            speech,
        }
    }

    /// The connection below.
    pub fn into_inner(self) -> Stream {
        self.stream.into_inner()
    }

    /// Notes whether the client takes what is written.
    fn wrote<T>(&self, polled: Poll<T>) -> Poll<T> {
        match (self.speech.turn(), polled.is_pending()) {
            (Turn::Answer, true) => self.speech.turn.set(Turn::Unread(Instant::now())),
            (Turn::Unread(_), false) => self.speech.turn.set(Turn::Answer),
            _ => {}
        }
        polled
    }
}

impl Read for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() && matches!(self.speech.turn(), Turn::Pause(_)) {
            self.speech.turn.set(Turn::Head(Instant::now()));
        }
        polled
    }
}

impl Write for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.speech.silent() {
            self.speech.kept_back.set(true);
            return Poll::Ready(Ok(buf.len()));
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.speech.silent() {
            self.speech.kept_back.set(true);
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Hyper flushes only when all that it had is written.
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() && !self.speech.answering.get() && !self.speech.flushed.replace(true) {
            self.speech.turn.set(Turn::Pause(Instant::now()));
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
