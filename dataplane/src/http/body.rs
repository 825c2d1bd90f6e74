//! An answer's body on its way to the client; carries the request's account to its end.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use thiserror::Error;
use tokio::time::{Instant, Sleep};

use super::record::Record;
use crate::upstream::body::ends_by_reset;
use crate::upstream::lease::Lease;

/// Why an answer broke off. The client's connection breaks off with it.
#[derive(Debug, Error)]
pub enum BodyError {
    /// The endpoint's body broke off, or its framing is wrong.
    #[error("the backend's body broke off: {0}")]
    Upstream(#[from] hyper::Error),
    /// The endpoint reset the stream, as if nothing had been wrong.
    #[error("the backend reset the stream before its end")]
    Reset,
    /// The endpoint was silent for `timeouts.idle`.
    #[error("the backend sent nothing for {0:?}")]
    Idle(Duration),
}

/// A body for a client.
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    /// Absent behind a 101, whose account goes on. In a box, because hyper moves bodies about.
    record: Option<Box<Record>>,
}

#[derive(Debug)]
enum Source {
    Own(Option<Bytes>),
    Upstream {
        incoming: Incoming,
        /// See [`ends_by_reset`].
        is_stream: bool,
        lease: Option<Lease>,
        silence: Option<Silence>,
    },
}

impl ResponseBody {
    /// No body: what follows is not HTTP.
    pub fn none() -> Self {
        Self {
            source: Source::Own(None),
            record: None,
        }
    }

    /// A text of ours.
    pub fn own(text: Bytes, record: Record) -> Self {
        Self {
            source: Source::Own(Some(text)),
            record: Some(Box::new(record)),
        }
    }

    /// An endpoint's body, over HTTP/2 if `is_stream`; `idle` bounds its silence. The lease ends with the body.
    pub fn upstream(
        incoming: Incoming,
        is_stream: bool,
        lease: Lease,
        idle: Option<Duration>,
        record: Record,
    ) -> Self {
        let mut lease = Some(lease);
        if incoming.is_end_stream() {
            lease.take().into_iter().for_each(Lease::finish);
        }
        Self {
            source: Source::Upstream {
                incoming,
                is_stream,
                lease,
                silence: idle.map(Silence::new),
            },
            record: Some(Box::new(record)),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let (incoming, is_stream, lease, silence) = match &mut this.source {
            Source::Own(text) => {
                let text = text.take();
                let sent = text.as_ref().map_or(0, Bytes::len);
                this.record.iter_mut().for_each(|record| record.sent(sent));
                return Poll::Ready(text.map(|text| Ok(Frame::data(text))));
            }
            Source::Upstream {
                incoming,
                is_stream,
                lease,
                silence,
            } => (incoming, *is_stream, lease, silence),
        };
        match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Pending => {
                let limit = silence.as_mut().and_then(|silence| silence.poll(cx));
                limit.map_or(Poll::Pending, |limit| {
                    Poll::Ready(Some(Err(BodyError::Idle(limit))))
                })
            }
            Poll::Ready(Some(Ok(frame))) => {
                let data = frame.into_data().ok();
                if incoming.is_end_stream() || data.is_none() {
                    lease.take().into_iter().for_each(Lease::finish);
                }
                if let Some(silence) = silence {
                    silence.broken();
                }
                // Trailers end here; see `header`.
                let sent = data.as_ref().map_or(0, Bytes::len);
                this.record.iter_mut().for_each(|record| record.sent(sent));
                Poll::Ready(data.map(|data| Ok(Frame::data(data))))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) if is_stream && lease.is_some() && ends_by_reset(incoming) => {
                Poll::Ready(Some(Err(BodyError::Reset)))
            }
            Poll::Ready(None) => {
                lease.take().into_iter().for_each(Lease::finish);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(text) => text.is_none(),
            Source::Upstream { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Source::Upstream { incoming, .. } => incoming.size_hint(),
        }
    }
}

/// A clock of the endpoint's silence, started lazily: most bodies never wait.
#[derive(Debug)]
struct Silence {
    limit: Duration,
    since: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: None,
            sleep: None,
        }
    }

    fn broken(&mut self) {
        self.since = None;
    }

    /// The limit once the silence has lasted for it; before, the task is woken when it has.
    fn poll(&mut self, cx: &mut Context<'_>) -> Option<Duration> {
        let deadline = *self.since.get_or_insert_with(Instant::now) + self.limit;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx).is_ready().then_some(self.limit)
    }
}
