//! A request's body on its way to an endpoint, with the facts that others ask about it: how far it
//! got, and who keeps whom waiting.
//!
//! Trailers end here: they are never merged into a head, and no backend may do so in our name.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::gate::Gate;

/// How far a request's body got.
#[derive(Debug)]
pub struct Upload {
    bytes: Cell<u64>,
    done: Cell<bool>,
    failed: Cell<bool>,
    starved: Cell<bool>,
    progress: Cell<Instant>,
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

    /// The client's next byte is what everything waits for.
    pub fn starved(&self) -> bool {
        self.starved.get()
    }

    /// When the last byte was taken, or the body began.
    pub fn progress(&self) -> Instant {
        self.progress.get()
    }
}

/// A body for an endpoint; empty for upgrades.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Option<Incoming>,
    gate: Option<Gate>,
    upload: Rc<Upload>,
}

impl RequestBody {
    /// Streams `incoming`.
    pub fn new(incoming: Incoming) -> Self {
        let done = incoming.is_end_stream();
        Self::with(Some(incoming).filter(|_| !done))
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
            starved: Cell::new(false),
            progress: Cell::new(Instant::now()),
        };
        Self {
            incoming,
            gate: None,
            upload: Rc::new(upload),
        }
    }

    /// Nothing of it is taken before the gate opens.
    pub fn hold(&mut self, gate: Gate) {
        self.gate = Some(gate);
    }

    /// Its facts, which outlive it.
    pub fn upload(&self) -> Rc<Upload> {
        Rc::clone(&self.upload)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        if let Some(gate) = &mut this.gate {
            ready!(gate.poll_open(cx));
            this.gate = None;
        }
        let polled = Pin::new(incoming).poll_frame(cx);
        this.upload.starved.set(polled.is_pending());
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    this.upload.bytes.set(this.upload.bytes.get() + data.len() as u64);
                    this.upload.progress.set(Instant::now());
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
                Poll::Ready(Some(Err(error)))
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
