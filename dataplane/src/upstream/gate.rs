//! Holds a request's body back until its endpoint asks for it: `Expect: 100-continue`, end to end where that speaks
//! HTTP/1.1.
//!
//! Hyper tells the client to go on when the body is first polled, so a body that waits here makes
//! the client wait for the endpoint's own word.

use std::cell::{Cell, RefCell};
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use tokio::time::Sleep;

/// Some endpoints know nothing of 100 and wait for the body; after this long it goes to them anyway.
/// As long as curl waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// The waiting side.
#[derive(Debug)]
pub struct Gate {
    signal: Rc<Signal>,
    patience: Pin<Box<Sleep>>,
}

/// The side that opens it.
#[derive(Debug, Default)]
pub struct Signal {
    open: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Signal {
    /// The endpoint sent an interim answer.
    pub fn heard(&self, status: StatusCode) {
        if status == StatusCode::CONTINUE {
            self.open.set(true);
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> (Self, Rc<Signal>) {
        let signal = Rc::<Signal>::default();
        let gate = Self {
            signal: Rc::clone(&signal),
            patience: Box::pin(tokio::time::sleep(PATIENCE)),
        };
        (gate, signal)
    }

    /// Whether a request asks for one.
    pub fn wanted(headers: &HeaderMap) -> bool {
        headers
            .get(header::EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    }

    /// Ready once it is open.
    pub fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.signal.open.get() {
            return Poll::Ready(());
        }
        self.signal.waiting.replace(Some(cx.waker().clone()));
        self.patience.as_mut().poll(cx)
    }
}
