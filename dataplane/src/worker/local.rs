//! What the tasks of one worker share: plain cells, no locks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use fastrand::Rng;
use tokio::sync::Semaphore;

use super::Shared;
use crate::http::date::DateClock;
use crate::upstream::pool::Pool;

/// One worker's own things.
#[derive(Debug)]
pub struct Local {
    /// What it shares with the others.
    pub shared: Arc<Shared>,
    /// Its idle connections to endpoints.
    pub pool: Rc<Pool>,
    /// The `Date` field.
    pub date: DateClock,
    /// A permit per client connection.
    pub connections: Arc<Semaphore>,
    /// A permit per handshake under way.
    pub handshakes: Arc<Semaphore>,
    rng: RefCell<Rng>,
    draining: Cell<bool>,
}

impl Local {
    /// A worker's things, before its first connection.
    pub fn new(shared: Arc<Shared>, seed: u64) -> Rc<Self> {
        let limits = shared.limits;
        Rc::new(Self {
            shared,
            pool: Pool::new(limits.pool),
            date: DateClock::default(),
            connections: Arc::new(Semaphore::new(limits.max_connections)),
            handshakes: Arc::new(Semaphore::new(limits.max_handshakes)),
            rng: RefCell::new(Rng::with_seed(seed)),
            draining: Cell::new(false),
        })
    }

    /// Draws from the worker's random numbers.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.borrow_mut())
    }

    /// No new sessions from here on.
    pub fn set_draining(&self) {
        self.draining.set(true);
    }

    /// Whether the worker is on its way out.
    pub fn draining(&self) -> bool {
        self.draining.get()
    }
}
