//! What the tasks of one worker share: plain cells, no locks. `http`, `upgrade` and `downstream` borrow
//! it; it knows none of them.

mod account;
mod carrier;
mod clients;
mod date;
mod secured;
mod shared;
mod trust;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use fastrand::Rng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

pub use self::account::SessionContext;
pub use self::carrier::{Carried, Carrier, Place};
pub use self::clients::{Clients, Counted, TooMany};
use self::date::DateClock;
pub use self::secured::Secured;
pub use self::shared::{Limits, Secure, Shared};
pub use self::trust::Trust;
use crate::metrics::WorkerReport;
use crate::tunnel::{TableSettings, Target, TunnelTable};
use crate::upstream::descriptors::Crowd;
use crate::upstream::pool::Pool;

/// Signatures for TLS handshakes that are made before everybody else has had a turn.
const TLS_TURNS: usize = 8;

/// What a client connection takes, given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    /// Among those of the worker.
    pub worker: OwnedSemaphorePermit,
    /// Among those of the client.
    pub client: Option<Box<Counted>>,
}

/// One worker's own things.
pub struct Local {
    /// Its position among the workers, for logs.
    pub index: usize,
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
    /// How many descriptors are left.
    pub crowd: Crowd,
    /// A turn at the costly part of a TLS handshake.
    pub tls_turns: Semaphore,
    /// Its sessions.
    pub tunnels: TunnelTable<SessionContext>,
    rng: RefCell<Rng>,
    draining: Cell<bool>,
}

impl Local {
    /// A worker's things, before its first connection.
    ///
    /// # Errors
    /// The system grants no event queue.
    pub fn new(shared: Arc<Shared>, index: usize, seed: u64) -> io::Result<Rc<Self>> {
        let limits = shared.limits;
        let settings = TableSettings {
            config_pace: limits.removal_pace,
            seed,
            ..TableSettings::default()
        };
        let accounts = Arc::clone(&shared);
        let tunnels = TunnelTable::new(settings, move |end| account::ended(&accounts, &end))?;
        Ok(Rc::new(Self {
            index,
            shared,
            pool: Pool::new(limits.pool),
            date: DateClock::default(),
            connections: Arc::new(Semaphore::new(limits.max_connections)),
            handshakes: Arc::new(Semaphore::new(limits.max_handshakes)),
            crowd: Crowd::by_limit(),
            tls_turns: Semaphore::new(TLS_TURNS),
            tunnels,
            rng: RefCell::new(Rng::with_seed(seed)),
            draining: Cell::new(false),
        }))
    }

    /// Draws from the worker's random numbers.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.borrow_mut())
    }

    /// Ends, politely and at its pace, every session whose route or endpoint is gone.
    pub fn end_what_left(&self) {
        let snapshot = self.shared.snapshot.load();
        let judge = |target: &Target| snapshot.judge(target);
        let left = self.tunnels.retain_standing(judge, Instant::now());
        if left > 0 {
            tracing::info!(
                worker = self.index,
                sessions = left,
                "sessions end because their route or endpoint is gone"
            );
        }
    }

    /// What it carries now.
    pub fn report(&self) -> WorkerReport {
        let limits = &self.shared.limits;
        let taken = limits.max_connections - self.connections.available_permits();
        WorkerReport {
            connections: taken,
            handshakes: limits.max_handshakes - self.handshakes.available_permits(),
            sessions: self.tunnels.len(),
            buffer_bytes: self.tunnels.buffer_bytes(),
            totals: self.tunnels.totals(),
        }
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
