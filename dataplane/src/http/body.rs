//! An answer's body on its way to the client; carries the request's account to its end.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::time::{Instant, Sleep};

use super::record::Record;
use crate::upstream::error::AnswerError;
use crate::upstream::lease::Lease;

/// Why an answer broke off. The client's connection breaks off with it.
#[derive(Debug, Error)]
pub enum BodyError {
    /// The endpoint's body broke off, or its framing is wrong.
    #[error("the backend's body broke off: {0}")]
    Upstream(#[from] AnswerError),
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
    /// It has broken off. Told a turn later: hyper throws away what it has not written by then.
    broken: Option<BodyError>,
}

#[derive(Debug)]
enum Source {
    Own(Option<Bytes>),
    Upstream {
        /// Absent once the answer is over.
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
            broken: None,
        }
    }

    /// A text of ours.
    pub fn own(text: Bytes, record: Record) -> Self {
        Self {
            source: Source::Own(Some(text)),
            record: Some(Box::new(record)),
            broken: None,
        }
    }

    /// An endpoint's body; `idle` bounds its silence. The lease ends with it.
    pub fn upstream(lease: Lease, idle: Option<Duration>, record: Record) -> Self {
        let mut lease = Some(lease);
        finish_at_end(&mut lease);
        Self {
            source: Source::Upstream {
                lease,
                silence: idle.map(Silence::new),
            },
            record: Some(Box::new(record)),
            broken: None,
        }
    }
}

/// Ends the lease with the answer.
fn finish_at_end(lease: &mut Option<Lease>) {
    if let Some(over) = lease.take_if(|lease| lease.is_end()) {
        over.finish();
    }
}

impl Source {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let (lease, silence) = match self {
            Self::Own(text) => return Poll::Ready(text.take().map(Ok)),
            Self::Upstream { lease, silence } => (lease, silence),
        };
        let Some(answer) = lease else {
            return Poll::Ready(None);
        };
        let Poll::Ready(data) = answer.poll_data(cx) else {
            let limit = silence.as_mut().and_then(|silence| silence.poll(cx));
            return limit.map_or(Poll::Pending, |limit| {
                Poll::Ready(Some(Err(BodyError::Idle(limit))))
            });
        };
        silence.iter_mut().for_each(Silence::end);
        if !matches!(data, Some(Err(_))) {
            finish_at_end(lease);
        }
        Poll::Ready(data.map(|data| data.map_err(BodyError::from)))
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
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(this.source.poll_data(cx)).transpose() {
            Ok(data) => {
                let sent = data.as_ref().map_or(0, Bytes::len);
                this.record.iter_mut().for_each(|record| record.sent(sent));
                Poll::Ready(data.map(|data| Ok(Frame::data(data))))
            }
            Err(error) => {
                this.broken = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(text) => text.is_none(),
            Source::Upstream { lease, .. } => lease.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.source {
            Source::Own(text) => Some(text.as_ref().map_or(0, |text| text.len() as u64)),
            Source::Upstream { lease, .. } => lease.as_ref().map_or(Some(0), Lease::left),
        };
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
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

    fn end(&mut self) {
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
