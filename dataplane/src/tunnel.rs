//! The tunnel table: carries the WebSockets of one worker from end to end; an end is a socket, or a stream
//! of a connection with many.
//!
//! Owns the ends after the handshake, their buffers, timers and registry, and the paced drains.
//! Never holds the configuration: a row keeps its route's and endpoint's ids and its own limits.
//!
//! One table belongs to one worker and never leaves its thread. Its rows wait on an epoll of their
//! own; [`TunnelTable::run`] watches that epoll from the worker's runtime and runs ready rows in
//! bounded turns, so that handshakes and tunnels leave each other room.
//!
//! Memory of a session: its row, two index entries and a timer (about 450 bytes), plus at most one
//! 64 KiB buffer per direction while bytes are in flight or a receiver does not read (a copy of
//! what waits when that is at most 8 KiB), plus what the kernel buffers. One that is a stream has about 1,200
//! bytes of hyper's and h2's in place of a socket, and up to 48 KiB on the way to a client that does not read.

mod buffer;
mod drain;
mod end;
mod pipe;
mod registry;
mod report;
mod row;
mod stream;
mod table;
mod timer;
mod turn;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::session::ProxyCause;
use crate::session::close::Close;

pub use drain::DrainPlan;
pub use end::End;
pub use registry::{Filter, Standing, Target};
pub use report::{CloseCodes, SessionEnd, SessionInfo, Totals, Traffic};
pub use stream::{Duplex, Reins, Stream};

/// The longest page of [`TunnelTable::list`].
pub const PAGE_MAX: usize = 1000;

/// A finished handshake: both connections, and the bytes that were read beyond it.
///
/// The sockets are non-blocking, should have TCP_NODELAY, and belong to nobody else. The 101 has
/// been written to the client in full.
#[derive(Debug)]
pub struct Handover<C> {
    /// The downstream connection.
    pub client: End,
    /// What the client sent behind its request.
    pub client_bytes: Bytes,
    /// The upstream connection.
    pub backend: End,
    /// What the backend sent behind its 101.
    pub backend_bytes: Bytes,
    /// What is known of the session.
    pub start: SessionStart<C>,
}

/// What the table must know of a session.
#[derive(Debug)]
pub struct SessionStart<C> {
    /// Unique in the process; names the session in listings and records.
    pub id: u64,
    /// The rule that took it, and the endpoint at the other end of `backend`.
    pub target: Target,
    /// Idle timeout.
    pub idle: Option<Duration>,
    /// Maximum duration.
    pub max_duration: Option<Duration>,
    /// The 101 accepted extensions.
    pub extensions: bool,
    /// The caller's own: guards and facts; comes back with the [`SessionEnd`].
    pub context: C,
}

/// Settings of a table.
#[derive(Debug, Clone, Copy)]
pub struct TableSettings {
    /// How long a peer may take over the closing handshake, and how long a session that a timeout
    /// or a change of the configuration ends may take to reach a message boundary.
    pub close_timeout: Duration,
    /// How many sessions a second changes of the configuration end, at most.
    pub config_pace: u32,
    /// Free buffers of 64 KiB that are kept for the next bytes.
    pub free_buffers: usize,
    /// Seeds jitter and the masks of our own frames.
    pub seed: u64,
}

impl Default for TableSettings {
    fn default() -> Self {
        Self {
            close_timeout: Duration::from_secs(20),
            config_pace: 100,
            free_buffers: 32,
            seed: 0,
        }
    }
}

/// A worker's tunnels. Clones share one table.
pub struct TunnelTable<C> {
    shared: Rc<Shared<C>>,
}

struct Shared<C> {
    table: RefCell<table::Table<C>>,
    on_end: RefCell<Box<dyn FnMut(SessionEnd<C>)>>,
    /// Told when the last session ends.
    emptied: Notify,
}

impl<C> Clone for TunnelTable<C> {
    fn clone(&self) -> Self {
        Self {
            shared: Rc::clone(&self.shared),
        }
    }
}

impl<C> fmt::Debug for TunnelTable<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TunnelTable");
        if let Ok(table) = self.shared.table.try_borrow() {
            out.field("sessions", &table.len());
        }
        out.finish_non_exhaustive()
    }
}

impl<C> TunnelTable<C> {
    /// An empty table. `on_end` is told of every session's end, once; it may use the table.
    ///
    /// # Errors
    /// When the system has no epoll left to give.
    pub fn new(
        settings: TableSettings,
        on_end: impl FnMut(SessionEnd<C>) + 'static,
    ) -> std::io::Result<Self> {
        Ok(Self {
            shared: Rc::new(Shared {
                table: RefCell::new(table::Table::new(settings)?),
                on_end: RefCell::new(Box::new(on_end)),
                emptied: Notify::new(),
            }),
        })
    }

    /// Takes over a session. If the sockets cannot be watched it ends at once, with
    /// [`ProxyCause::Internal`].
    ///
    /// Returns what [`TunnelTable::retain_standing`] last heard of its route and endpoint; of those
    /// without a session, that they stand. The configuration may have changed during the handshake:
    /// if it says something else, call that once more before this task lets go.
    pub fn adopt(&self, handover: Handover<C>, now: Instant) -> Standing {
        self.shared.table.borrow_mut().adopt(handover, now)
    }

    /// Moves bytes for ever. To be spawned once on the worker's `LocalSet`.
    ///
    /// # Errors
    /// When the table's epoll cannot be watched.
    pub async fn run(&self) -> std::io::Result<std::convert::Infallible> {
        turn::run(self).await
    }

    /// Live sessions.
    pub fn len(&self) -> usize {
        self.shared.table.borrow().len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there is no session.
    pub async fn emptied(&self) {
        while !self.is_empty() {
            self.shared.emptied.notified().await;
        }
    }

    /// Memory of the buffers, lent and free, in bytes. Looks at every session.
    pub fn buffer_bytes(&self) -> usize {
        self.shared.table.borrow().buffer_bytes()
    }

    /// What was carried so far.
    pub fn totals(&self) -> Totals {
        self.shared.table.borrow().totals()
    }

    /// A page of the sessions that `filter` means: those with the lowest ids above `after`, in
    /// order. At most `limit` and never more than [`PAGE_MAX`].
    pub fn list(&self, after: Option<u64>, limit: usize, filter: Filter, now: Instant) -> Vec<SessionInfo> {
        let table = self.shared.table.borrow();
        table.list(after, limit.min(PAGE_MAX), filter, now)
    }

    /// Ends the sessions that `filter` means, spread over the plan's window in random order.
    /// Returns how many are concerned. Drains may overlap: the earlier end counts.
    pub fn drain(&self, filter: Filter, plan: DrainPlan, now: Instant) -> usize {
        self.shared.table.borrow_mut().drain(filter, plan, now)
    }

    /// Compares every session with a changed configuration. Those that no longer stand are ended
    /// politely at [`TableSettings::config_pace`]; those that stand again before their turn stay.
    /// `judge` is asked once for each distinct route and endpoint. Returns how many sessions
    /// no longer stand since the last time.
    pub fn retain_standing(&self, judge: impl Fn(&Target) -> Standing, now: Instant) -> usize {
        self.shared.table.borrow_mut().retain_standing(judge, now)
    }

    /// Ends one session politely; `false` when there is none of that id.
    pub fn close(&self, id: u64, close: Close, now: Instant) -> bool {
        self.shared.table.borrow_mut().close(id, close, now)
    }

    /// Resets every session.
    pub fn abort_all(&self, cause: ProxyCause, now: Instant) {
        self.shared.table.borrow_mut().abort_all(cause, now);
        self.report();
    }

    /// Tells of the ends so far, while nothing of the table is borrowed.
    fn report(&self) {
        // A call from within `on_end`: the outer call goes on with the rest.
        let Ok(mut on_end) = self.shared.on_end.try_borrow_mut() else {
            return;
        };
        loop {
            let ended = self.shared.table.borrow_mut().take_ended();
            if ended.is_empty() {
                break;
            }
            ended.into_iter().for_each(&mut *on_end);
        }
        if self.is_empty() {
            self.shared.emptied.notify_waiters();
        }
    }
}
