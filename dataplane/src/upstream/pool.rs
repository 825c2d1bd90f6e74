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
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::connection::{Connection, Key, key};
use crate::snapshot::{Endpoint, Protocol};

/// How often idle connections are looked at if nothing happens on them.
const SWEEP: Duration = Duration::from_secs(5);
/// And how often at most.
const PAUSE: Duration = Duration::from_millis(10);

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
    bell: Arc<Bell>,
    /// Rings it.
    waker: Waker,
}

/// Rings when something happens on an idle connection.
#[derive(Debug, Default)]
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.notify_one();
    }
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
        let bell = Arc::<Bell>::default();
        Rc::new(Self {
            limits,
            shelves: RefCell::default(),
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        })
    }

    /// The connection to `endpoint` that was used last, if it still stands; it speaks as `protocol` says.
    pub fn take(&self, endpoint: &Arc<Endpoint>, protocol: &Protocol) -> Option<Connection> {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.get_mut(&key(endpoint, protocol))?;
        while let Some(mut idle) = shelf.pop() {
            if idle.since.elapsed() < self.limits.idle_age && idle.connection.stands(&mut self.context()) {
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
        if connection.stands(&mut self.context()) {
            return self.shelve(connection);
        }
        if connection.lingers() {
            let pool = Rc::clone(self);
            tokio::task::spawn_local(async move {
                let ready = tokio::time::timeout(pool.limits.idle_age, connection.ready()).await;
                if matches!(ready, Ok(true)) && connection.stands(&mut pool.context()) {
                    pool.shelve(connection);
                }
            });
        }
    }

    fn shelve(&self, mut connection: Connection) {
        let wanted = connection.endpoint.strong_count() > 0 && self.limits.idle_per_endpoint > 0;
        if !wanted {
            return;
        }
        connection.reused = true;
        connection.rest();
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

    /// Sweeps for ever: when something happens on an idle connection, and from time to time.
    pub async fn tend(&self) {
        loop {
            let _ = tokio::time::timeout(SWEEP, self.bell.0.notified()).await;
            self.sweep();
            // A sweep looks at all of them.
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Closes all of them.
    pub fn clear(&self) {
        self.shelves.borrow_mut().clear();
    }

    /// Closes what is too old, no longer stands, or leads to an endpoint that left.
    pub fn sweep(&self) {
        self.shelves.borrow_mut().retain(|_, shelf| {
            shelf.retain_mut(|idle| {
                idle.connection.endpoint.strong_count() > 0
                    && idle.since.elapsed() < self.limits.idle_age
                    && idle.connection.stands(&mut self.context())
            });
            !shelf.is_empty()
        });
    }
}
