//! An endpoint's socket as hyper sees it: hyper gets what a strict reading ([`framing`](crate::framing)) allows.
//!
//! What an endpoint says before it was asked, or behind its answer, answers nothing: the connection is lost to
//! further requests, and the answer that was complete is not.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, ReadBuf};

use crate::framing::{AnswerTracker, Asked, Bounds};
use crate::tls::stream::Stream;

/// Most that is read at once.
const READ: usize = 32 << 10;

/// What is known of an endpoint's answers, for who asks and for the socket.
#[derive(Debug)]
pub(super) struct Watch {
    tracker: RefCell<AnswerTracker>,
    /// Asked, and nothing of it written yet.
    asking: Cell<Option<Asked>>,
}

impl Watch {
    /// Before the first request.
    pub(super) fn new(bounds: Bounds) -> Rc<Self> {
        Rc::new(Self {
            tracker: RefCell::new(AnswerTracker::new(bounds)),
            asking: Cell::new(None),
        })
    }

    /// The next bytes that are written are a request's.
    pub(super) fn ask(&self, asked: Asked) {
        self.asking.set(Some(asked));
    }

    /// The endpoint broke the rules of HTTP.
    pub(super) fn is_lost(&self) -> bool {
        self.tracker.borrow().is_lost()
    }

    fn wrote(&self, written: usize) {
        if written > 0
            && let Some(asked) = self.asking.take()
        {
            self.tracker.borrow_mut().ask(asked);
        }
    }

    /// How many of the bytes hyper may have.
    fn judge(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut tracker = self.tracker.borrow_mut();
        let (mut taken, mut ended) = (0, false);
        while taken < bytes.len() {
            match tracker.read(&bytes[taken..]) {
                Ok(progress) => {
                    taken += progress.taken;
                    ended |= progress.end;
                }
                // Only the next read fails.
                Err(_) if ended => break,
                Err(fault) => return Err(io::Error::new(io::ErrorKind::InvalidData, fault.detail())),
            }
        }
        Ok(taken)
    }
}

/// An endpoint's socket.
#[derive(Debug)]
pub(super) struct EndpointIo {
    stream: TokioIo<Stream>,
    watch: Rc<Watch>,
}

impl EndpointIo {
    /// Wraps a socket.
    pub(super) fn new(stream: Stream, watch: Rc<Watch>) -> Self {
        Self {
            stream: TokioIo::new(stream),
            watch,
        }
    }

    /// The connection below.
    pub(super) fn into_inner(self) -> Stream {
        self.stream.into_inner()
    }

    fn wrote(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(written)) = polled {
            self.watch.wrote(written);
        }
        polled
    }
}

impl Read for EndpointIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.watch.is_lost() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let mut room = [MaybeUninit::uninit(); READ];
        let size = READ.min(buf.remaining());
        let mut read = ReadBuf::uninit(&mut room[..size]);
        ready!(Pin::new(self.stream.inner_mut()).poll_read(cx, &mut read))?;
        let taken = self.watch.judge(read.filled())?;
        buf.put_slice(&read.filled()[..taken]);
        Poll::Ready(Ok(()))
    }
}

impl Write for EndpointIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
