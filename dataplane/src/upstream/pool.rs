//! Idle connections to endpoints, one pool per worker: last in, first out, so that surplus ones
//! grow old and are closed.
//!
//! A connection comes back only after a whole answer, with nothing left over on either side; one on which an
//! unasked byte arrives is closed. Keyed by the [`Endpoint`] rather than its address:
//! when an endpoint leaves its set, its connections go too, and an address that a new pod inherits
//! starts afresh.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::connection::{Connection, Key, key};
use crate::snapshot::{Endpoint, Protocol};

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Idle connections per endpoint and worker.
    pub idle_per_endpoint: usize,
    /// How long one may be idle.
    pub idle_age: Duration,
}

/// The idle connections of one worker.
#[derive(Debug)]
pub struct Pool {
    limits: PoolLimits,
    shelves: RefCell<HashMap<Key, Vec<Idle>, RandomState>>,
}

#[derive(Debug)]
struct Idle {
    // Keeps the endpoint's allocation (and that of the TLS client), and so the meaning of the key, for as long as it is shelved.
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// An empty pool.
    pub fn new(limits: PoolLimits) -> Rc<Self> {
        Rc::new(Self {
            limits,
            shelves: RefCell::default(),
        })
    }

    /// The connection to `endpoint` that was used last, if it still stands; it speaks as `protocol` says.
    pub fn take(&self, endpoint: &Arc<Endpoint>, protocol: &Protocol) -> Option<Connection> {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.get_mut(&key(endpoint, protocol))?;
        while let Some(idle) = shelf.pop() {
            if idle.since.elapsed() < self.limits.idle_age && idle.connection.is_ready() {
                return Some(idle.connection);
            }
        }
        None
    }

    /// Takes a connection back once its exchange is over on both sides.
    pub fn give_back(self: &Rc<Self>, mut connection: Connection) {
        if !connection.reusable {
            return;
        }
        if connection.is_ready() {
            return self.shelve(connection);
        }
        if connection.is_closed() || connection.is_lost() {
            return;
        }
        // The end of the exchange is still on its way through the driver.
        let pool = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let ready = tokio::time::timeout(pool.limits.idle_age, connection.ready()).await;
            if matches!(ready, Ok(true)) {
                pool.shelve(connection);
            }
        });
    }

    fn shelve(&self, mut connection: Connection) {
        let wanted = connection.endpoint.strong_count() > 0 && self.limits.idle_per_endpoint > 0;
        if !wanted || connection.is_lost() {
            return;
        }
        connection.reused = true;
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.entry(connection.key()).or_default();
        if shelf.len() == self.limits.idle_per_endpoint {
            shelf.remove(0);
        }
        shelf.push(Idle {
            connection,
            since: Instant::now(),
        });
    }

    /// Closes all of them.
    pub fn clear(&self) {
        self.shelves.borrow_mut().clear();
    }

    /// Closes what is too old, was closed by its endpoint, or leads to an endpoint that left.
    pub fn sweep(&self) {
        self.shelves.borrow_mut().retain(|_, shelf| {
            shelf.retain(|idle| {
                let connection = &idle.connection;
                connection.endpoint.strong_count() > 0
                    && !connection.is_closed()
                    && idle.since.elapsed() < self.limits.idle_age
            });
            !shelf.is_empty()
        });
    }
}
