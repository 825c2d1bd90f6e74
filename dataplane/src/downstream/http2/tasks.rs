//! The tasks of one HTTP/2 connection: hyper hands over a future for each request and for each session's
//! writing, and says nothing of which is which. Here each meets what the service knows of it.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{Instant, Sleep};

use super::meter::TAKEN_BACK;
use super::socket::Watched;
use crate::http::body::{BodyError, ResponseBody};
use crate::local::Carried;
use crate::tunnel::Reins;

/// Spawns the connection's tasks on the worker's `LocalSet`.
#[derive(Clone, Debug)]
pub(super) struct Tasks(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    /// What belongs to the future that hyper hands over next, which it does before anything else happens.
    next: RefCell<Option<Next>>,
    write_timeout: Duration,
    watched: Rc<Watched>,
}

#[derive(Debug)]
enum Next {
    Request(Rc<Progress>, Carried),
    Session(Rc<Reins>, Carried),
}

impl Tasks {
    /// For a connection whose clients may let what we write wait for `write_timeout`.
    pub(super) fn new(watched: Rc<Watched>, write_timeout: Duration) -> Self {
        Self(Rc::new(Shared {
            next: RefCell::default(),
            write_timeout,
            watched,
        }))
    }

    /// To be called by the service when it is given a request.
    pub(super) fn request(&self, carried: Carried) -> Rc<Progress> {
        let progress = Rc::new(Progress::default());
        let next = Next::Request(Rc::clone(&progress), carried);
        self.0.next.replace(Some(next));
        self.0.watched.meter.borrow_mut().is_request();
        progress
    }

    /// To be called right before the answer that turns a request into a session is given to hyper.
    pub(super) fn session(&self, reins: Rc<Reins>, carried: Carried) {
        self.0.next.replace(Some(Next::Session(reins, carried)));
    }

    /// Runs a request's future to its end, or until its client has taken nothing for too long; the stream is reset
    /// then.
    async fn answer(self, fut: impl Future<Output = ()>, progress: Rc<Progress>, _carried: Carried) {
        let mut fut = pin!(fut);
        let mut clock: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            let polled = fut.as_mut().poll(cx);
            // A session whose stream was reset in the meantime.
            self.0.next.take();
            let Some(since) = progress.handed.get().filter(|_| polled.is_pending()) else {
                return polled;
            };
            let deadline = since + self.0.write_timeout;
            let clock = clock.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if clock.deadline() != deadline {
                clock.as_mut().reset(deadline);
            }
            clock.as_mut().poll(cx)
        })
        .await;
        if !progress.answered.get() {
            let mut meter = self.0.watched.meter.borrow_mut();
            meter.spend(TAKEN_BACK, Instant::now());
        }
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Tasks {
    fn execute(&self, fut: F) {
        let next = self.0.next.take();
        match next {
            Some(Next::Request(progress, carried)) => {
                tokio::task::spawn_local(self.clone().answer(fut, progress, carried));
            }
            Some(Next::Session(reins, carried)) => {
                let patience = self.0.write_timeout;
                tokio::task::spawn_local(async move {
                    reins.drive(fut, patience).await;
                    drop(carried);
                });
            }
            None => {
                tokio::task::spawn_local(fut);
            }
        }
    }
}

/// How far the answer to a request is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Its head is with hyper.
    answered: Cell<bool>,
    /// A piece of its body was given to hyper then, which has asked for no more since: its client takes nothing.
    handed: Cell<Option<Instant>>,
}

/// An answer's body; notes what becomes of it.
#[derive(Debug)]
pub(super) struct StreamBody {
    body: ResponseBody,
    progress: Rc<Progress>,
}

impl StreamBody {
    /// The body of the answer that is given to hyper now.
    pub(super) fn new(body: ResponseBody, progress: Rc<Progress>) -> Self {
        progress.answered.set(true);
        Self { body, progress }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        let handed = matches!(polled, Poll::Ready(Some(Ok(_))));
        this.progress.handed.set(handed.then(Instant::now));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
