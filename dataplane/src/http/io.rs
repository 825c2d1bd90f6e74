//! The client's socket as hyper sees it.
//!
//! Hyper gets what a strict reading ([`framing`](crate::framing)) allows, and never the bytes of a request before
//! the answer to the one ahead of it: they wait here, and are the session's if that one becomes a session.
//!
//! Hyper answers heads that it can't parse by itself, without our fields. This wrapper keeps those
//! answers back, so that [`respond`](super::respond) stays the one place that answers. It also knows
//! whose turn it is, and since when: hyper has one time limit for a head and for the pause before
//! it, which would be too long for the one or too short for the other.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use smallvec::SmallVec;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use super::spelled;
use crate::framing::{Bounds, Fault, Part, RequestTracker, Spelling};
use crate::tls::stream::Stream;

/// Most that is read at once.
const READ: usize = 32 << 10;

/// What the client's socket and the service behind hyper tell each other: whether what hyper writes is an answer of ours,
/// whose turn it is, how names are spelled.
#[derive(Debug)]
pub struct Speech {
    answering: Cell<bool>,
    flushed: Cell<bool>,
    kept_back: Cell<bool>,
    /// Hyper has a whole head that is not yet a request of ours.
    asked: Cell<bool>,
    fault: Cell<Option<Fault>>,
    turn: Cell<Turn>,
    request_spelling: RefCell<Spelling>,
    answer_spelling: RefCell<Option<Spelling>>,
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
            asked: Cell::new(false),
            fault: Cell::new(None),
            turn: Cell::new(Turn::Head(Instant::now())),
            request_spelling: RefCell::default(),
            answer_spelling: RefCell::default(),
        })
    }

    /// A request came: from here on hyper speaks for us.
    pub fn begin(&self) {
        self.asked.set(false);
        self.answering.set(true);
        self.flushed.set(false);
        self.turn.set(Turn::Answer);
    }

    /// How the present request's fields were written; told once.
    pub fn take_request_spelling(&self) -> Spelling {
        self.request_spelling.take()
    }

    /// How the fields of the next answer are to be written.
    pub fn spell_answer(&self, spelling: Spelling) {
        self.answer_spelling.replace(Some(spelling));
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

    /// What is wrong with the head that ends the connection.
    pub fn fault(&self) -> Option<Fault> {
        self.fault.get()
    }

    /// Nothing of an answer of ours is waiting to be written.
    fn silent(&self) -> bool {
        self.flushed.get()
    }

    /// Every head that hyper got is answered.
    fn is_answered(&self) -> bool {
        self.silent() && !self.asked.get()
    }

    /// The client said something.
    fn heard(&self) {
        if let Turn::Pause(_) = self.turn() {
            self.turn.set(Turn::Head(Instant::now()));
        }
    }
}

/// A client's socket.
#[derive(Debug)]
pub struct ClientIo {
    stream: TokioIo<Stream>,
    speech: Rc<Speech>,
    tracker: RequestTracker,
    /// Read, and not hyper's before the present request is answered.
    held: Bytes,
    /// Who asked for what is held.
    waiting: Option<Waker>,
    /// What is written in place of as many bytes of hyper's.
    head: Bytes,
}

impl ClientIo {
    /// Wraps a socket.
    pub fn new(stream: Stream, speech: Rc<Speech>, bounds: Bounds) -> Self {
        Self {
            stream: TokioIo::new(stream),
            speech,
            tracker: RequestTracker::new(bounds),
            held: Bytes::new(),
            waiting: None,
            head: Bytes::new(),
        }
    }

    /// The connection below, and what came after the last request that hyper got.
    pub fn into_inner(self) -> (Stream, Bytes) {
        (self.stream.into_inner(), self.held)
    }

    /// How many of the bytes hyper may have.
    fn judge(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() && !self.tracker.is_complete() {
            let in_head = self.tracker.is_in_head();
            let progress = match self.tracker.read(&bytes[taken..]) {
                Ok(progress) => progress,
                // What is right is passed on; the next read fails.
                Err(_) if taken > 0 => break,
                Err(fault) => {
                    if in_head {
                        self.speech.fault.set(Some(fault));
                    }
                    return Err(io::Error::new(io::ErrorKind::InvalidData, fault.detail()));
                }
            };
            if progress.part == Part::Head {
                self.speech.asked.set(true);
                self.speech.request_spelling.replace(self.tracker.take_spelling());
            }
            taken += progress.taken;
        }
        Ok(taken)
    }

    /// Reads what there is, into `room`.
    fn fetch<'a>(
        &mut self,
        cx: &mut Context<'_>,
        room: &'a mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<ReadBuf<'a>>> {
        let mut read = ReadBuf::uninit(room);
        ready!(Pin::new(self.stream.inner_mut()).poll_read(cx, &mut read))?;
        Poll::Ready(Ok(read))
    }

    /// The present request is not answered: what comes is held, and only its end is told.
    fn hold(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            let mut room = [MaybeUninit::uninit(); READ];
            let read = ready!(self.fetch(cx, &mut room))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.held = Bytes::copy_from_slice(read.filled());
        }
        self.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Writes what hyper has, its head in the backend's spelling.
    fn write(&mut self, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if let Some(spelling) = self.speech.answer_spelling.take()
            && let Some(first) = bufs.first()
        {
            self.head = spelled::head(first, &spelling).into();
        }
        let stream = Pin::new(&mut self.stream);
        let polled = match bufs {
            [first, rest @ ..] if !self.head.is_empty() => {
                let (head, behind) = (&self.head, first.get(self.head.len()..).unwrap_or_default());
                let mut parts: SmallVec<[io::IoSlice<'_>; 4]> = SmallVec::new();
                parts.push(io::IoSlice::new(head));
                if !behind.is_empty() {
                    parts.push(io::IoSlice::new(behind));
                }
                parts.extend_from_slice(rest);
                stream.poll_write_vectored(cx, &parts)
            }
            _ => stream.poll_write_vectored(cx, bufs),
        };
        if let Poll::Ready(Ok(written)) = polled {
            self.head.advance(written.min(self.head.len()));
        }
        self.wrote(polled)
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
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.speech.is_answered() {
            this.tracker.next();
        }
        if this.tracker.is_complete() {
            return this.hold(cx);
        }
        if let Some(fault) = this.tracker.fault() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault.detail())));
        }
        if !this.held.is_empty() {
            this.speech.heard();
            let mut held = std::mem::take(&mut this.held);
            let taken = this.judge(&held[..held.len().min(buf.remaining())])?;
            buf.put_slice(&held[..taken]);
            held.advance(taken);
            this.held = held;
            return Poll::Ready(Ok(()));
        }
        let mut room = [MaybeUninit::uninit(); READ];
        let size = READ.min(buf.remaining());
        let read = ready!(this.fetch(cx, &mut room[..size]));
        this.speech.heard();
        let read = read?;
        let bytes = read.filled();
        let taken = this.judge(bytes)?;
        buf.put_slice(&bytes[..taken]);
        this.held = Bytes::copy_from_slice(&bytes[taken..]);
        Poll::Ready(Ok(()))
    }
}

impl Write for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.speech.silent() {
            self.speech.kept_back.set(true);
            return Poll::Ready(Ok(buf.len()));
        }
        self.write(cx, &[io::IoSlice::new(buf)])
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
        self.write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Hyper flushes only when all that it had is written.
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() && !self.speech.answering.get() && !self.speech.flushed.replace(true) {
            self.speech.turn.set(Turn::Pause(Instant::now()));
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
