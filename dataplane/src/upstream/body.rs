//! A request's body on its way to an endpoint, with the facts that others ask about it: how far it
//! got, and who keeps whom waiting.
//!
//! Trailers end here: they are never merged into a head, and no backend may do so in our name.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use thiserror::Error;
use tokio::time::Instant;

use super::gate::{Gate, Signal};

/// How long a client may keep us waiting before its pace counts.
const GRACE: Duration = Duration::from_secs(20);

/// How far a request's body got.
#[derive(Debug)]
pub struct Upload {
    bytes: Cell<u64>,
    done: Cell<bool>,
    failed: Cell<bool>,
    /// Most bytes that it may have.
    limit: Cell<Option<u64>>,
    starved: Cell<Option<Instant>>,
    waited: Cell<Duration>,
    progress: Cell<Instant>,
    /// Opens the gate that holds it.
    signal: RefCell<Option<Rc<Signal>>>,
}

impl Upload {
    /// Body bytes taken from the client.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// The whole body was taken.
    pub fn done(&self) -> bool {
        self.done.get()
    }

    /// The body broke off, or its framing is wrong: the client's fault.
    pub fn failed(&self) -> bool {
        self.failed.get()
    }

    /// It broke off because it has more bytes than it may have.
    pub fn too_large(&self) -> bool {
        self.limit.get().is_some_and(|limit| self.bytes.get() > limit)
    }

    /// The client's next byte is what everything waits for.
    pub fn starved(&self) -> bool {
        self.starved.get().is_some()
    }

    /// It comes so slowly that its sender means to hold us up: fewer than `rate` bytes for each second that we
    /// waited for them, after a short grace.
    pub fn crawls(&self, rate: u32) -> bool {
        let waiting = self
            .starved
            .get()
            .map(|since| since.elapsed())
            .unwrap_or_default();
        let waited = self.waited.get() + waiting;
        waited >= GRACE && self.bytes.get() < waited.as_secs() * u64::from(rate)
    }

    /// Its endpoint sent an interim answer.
    pub fn heard(&self, status: StatusCode) {
        if let Some(signal) = &*self.signal.borrow() {
            signal.heard(status);
        }
    }

    /// When the last byte was taken, or the body began.
    pub fn progress(&self) -> Instant {
        self.progress.get()
    }

    /// Notes whether the client keeps us waiting.
    fn note(&self, waits: bool) {
        match (self.starved.get(), waits) {
            (None, true) => self.starved.set(Some(Instant::now())),
            (Some(since), false) => {
                self.starved.set(None);
                self.waited.set(self.waited.get() + since.elapsed());
            }
            _ => {}
        }
    }
}

/// Why a request's body broke off.
#[derive(Debug, Error)]
pub enum UploadError {
    /// Its connection is gone, or its framing is wrong.
    #[error(transparent)]
    Client(#[from] hyper::Error),
    /// It is larger than it may be.
    #[error("the body is too large")]
    TooLarge,
    /// Its stream was reset, as if nothing had been wrong.
    #[error("the stream was reset before its end")]
    Reset,
}

/// A body for an endpoint; empty for upgrades.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Option<Incoming>,
    /// See [`ends_by_reset`].
    is_stream: bool,
    gate: Option<Gate>,
    upload: Rc<Upload>,
}

impl RequestBody {
    /// Streams `incoming`.
    pub fn new(incoming: Incoming) -> Self {
        let done = incoming.is_end_stream();
        Self::with(Some(incoming).filter(|_| !done))
    }

    /// The same where it comes over HTTP/2.
    pub fn of_stream(incoming: Incoming) -> Self {
        Self {
            is_stream: true,
            ..Self::new(incoming)
        }
    }

    /// No body.
    pub fn empty() -> Self {
        Self::with(None)
    }

    fn with(incoming: Option<Incoming>) -> Self {
        let upload = Upload {
            bytes: Cell::new(0),
            done: Cell::new(incoming.is_none()),
            failed: Cell::new(false),
            limit: Cell::new(None),
            starved: Cell::new(None),
            waited: Cell::new(Duration::ZERO),
            progress: Cell::new(Instant::now()),
            signal: RefCell::default(),
        };
        Self {
            incoming,
            is_stream: false,
            gate: None,
            upload: Rc::new(upload),
        }
    }

    /// Nothing of it is taken before its endpoint asks for it.
    pub fn hold(&mut self) {
        let (gate, signal) = Gate::new();
        self.gate = Some(gate);
        self.upload.signal.replace(Some(signal));
    }

    /// It breaks off where it becomes larger than `limit` bytes.
    pub fn bound(&self, limit: Option<u64>) {
        self.upload.limit.set(limit);
    }

    /// Its facts, which outlive it.
    pub fn upload(&self) -> Rc<Upload> {
        Rc::clone(&self.upload)
    }
}

/// Whether a body of HTTP/2 that seems to be over was cut by a reset: hyper takes one that says NO_ERROR for an end,
/// but only END_STREAM is one (RFC 9113 section 8.1).
pub fn ends_by_reset(incoming: &Incoming) -> bool {
    !incoming.is_end_stream()
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        if let Some(gate) = &mut this.gate {
            ready!(gate.poll_open(cx));
            this.gate = None;
        }
        let polled = Pin::new(&mut *incoming).poll_frame(cx);
        this.upload.note(polled.is_pending());
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    this.upload.bytes.set(this.upload.bytes.get() + data.len() as u64);
                    this.upload.progress.set(Instant::now());
                    if this.upload.too_large() {
                        this.upload.failed.set(true);
                        return Poll::Ready(Some(Err(UploadError::TooLarge)));
                    }
                    this.upload
                        .done
                        .set(this.incoming.as_ref().is_some_and(Body::is_end_stream));
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                Err(_trailers) => {
                    this.upload.done.set(true);
                    this.incoming = None;
                    Poll::Ready(None)
                }
            },
            Poll::Ready(Some(Err(error))) => {
                this.upload.failed.set(true);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) if this.is_stream && ends_by_reset(incoming) => {
                this.upload.failed.set(true);
                Poll::Ready(Some(Err(UploadError::Reset)))
            }
            Poll::Ready(None) => {
                this.upload.done.set(true);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.incoming {
            Some(incoming) => incoming.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_the_time_that_a_client_keeps_us_waiting_counts() {
        let upload = RequestBody::with(None).upload();
        let second = Duration::from_secs(1);
        // A backend that takes its time is not the client's fault.
        tokio::time::advance(100 * second).await;
        assert!(!upload.crawls(100));
        upload.note(true);
        tokio::time::advance(GRACE - second).await;
        assert!(!upload.crawls(100), "within the grace");
        upload.note(true);
        tokio::time::advance(second).await;
        assert!(upload.crawls(100));
        // 2,000 bytes for 20 seconds are enough.
        upload.note(false);
        upload.bytes.set(2_000);
        tokio::time::advance(100 * second).await;
        assert!(!upload.crawls(100) && upload.crawls(101));
        assert!(!upload.crawls(0), "any pace");
    }
}
