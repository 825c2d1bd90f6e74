//! A client connection that carries many requests and sessions at a time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use tokio::time::Instant;

use super::Seat;

/// One connection's place among those of the worker, and how many use it.
#[derive(Debug)]
pub struct Carrier {
    open: Cell<usize>,
    begun: Cell<u64>,
    quiet_since: Cell<Instant>,
    task: RefCell<Option<Waker>>,
    _seat: Seat,
}

impl Carrier {
    /// A connection that carries nothing yet.
    pub fn new(seat: Seat) -> Rc<Self> {
        Rc::new(Self {
            open: Cell::new(0),
            begun: Cell::new(0),
            quiet_since: Cell::new(Instant::now()),
            task: RefCell::default(),
            _seat: seat,
        })
    }

    /// Carries one more.
    pub fn carry(self: &Rc<Self>) -> Carried {
        self.open.set(self.open.get() + 1);
        self.begun.set(self.begun.get() + 1);
        Carried(Rc::clone(self))
    }

    /// How many it has carried, the present ones included.
    pub fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// Since when it has carried nothing; `None` while it does.
    pub fn quiet_since(&self) -> Option<Instant> {
        (self.open.get() == 0).then(|| self.quiet_since.get())
    }

    /// Who is woken when one of those that it carries ends.
    pub fn set_task(&self, waker: &Waker) {
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|task| task.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }
}

/// A request or a session on such a connection.
#[derive(Debug)]
pub struct Carried(Rc<Carrier>);

impl Drop for Carried {
    fn drop(&mut self) {
        let carrier = &self.0;
        carrier.open.set(carrier.open.get() - 1);
        if carrier.open.get() == 0 {
            carrier.quiet_since.set(Instant::now());
        }
        if let Some(task) = &*carrier.task.borrow() {
            task.wake_by_ref();
        }
    }
}

/// What a session holds of its client's connection.
#[derive(Debug)]
pub enum Place {
    /// All of it.
    Whole(Seat),
    /// One stream of it.
    Stream(Carried),
}
