//! A worker: one thread with its own runtime, listener, HTTP tasks, upstream pool and tunnel table.
//! A connection never changes its worker, and nothing on a hot path is locked.
//!
//! Commands come through a bounded channel; what all workers share is in [`Shared`].

mod local;
mod run;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};

pub use local::Local;

use crate::access_log::AccessLog;
use crate::metrics::Metrics;
use crate::session::close::Close;
use crate::snapshot::Snapshot;
use crate::tunnel::{DrainPlan, Filter, SessionInfo, Totals};
use crate::upstream::pool::PoolLimits;

/// Commands that may wait for one worker.
const QUEUE: usize = 64;

/// Bounds of each worker.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Client connections and sessions at a time; more wait in the kernel's queue.
    pub max_connections: usize,
    /// Upgrade handshakes under way at a time; more are refused.
    pub max_handshakes: usize,
    /// Time for a client to send a request's head.
    pub header_timeout: Duration,
    /// Time for a client to begin its next request. Longer than load balancers keep their idle
    /// connections, or they would send into our close.
    pub keepalive_timeout: Duration,
    /// Time for a client to take the next bytes of an answer.
    pub write_timeout: Duration,
    /// Largest head of a request or answer in bytes, at least 8,192.
    pub max_head_size: usize,
    /// Silence after which a peer's kernel is asked whether it still lives.
    pub tcp_keepalive: Duration,
    /// Sessions a second that are ended when their route or endpoint is removed, at most.
    pub removal_pace: u32,
    /// Idle connections to endpoints.
    pub pool: PoolLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 65_536,
            max_handshakes: 1_024,
            header_timeout: Duration::from_secs(15),
            keepalive_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
            max_head_size: 64 << 10,
            tcp_keepalive: Duration::from_secs(60),
            removal_pace: 100,
            pool: PoolLimits {
                idle_per_endpoint: 64,
                idle_age: Duration::from_secs(60),
            },
        }
    }
}

/// What all workers use.
#[derive(Debug)]
pub struct Shared {
    /// The table that serves.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Access records.
    pub access_log: Arc<AccessLog>,
    /// Bounds.
    pub limits: Limits,
    ids: AtomicU64,
}

impl Shared {
    /// Brings the parts together.
    pub fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        metrics: Arc<Metrics>,
        access_log: Arc<AccessLog>,
        limits: Limits,
    ) -> Self {
        Self {
            snapshot,
            metrics,
            access_log,
            limits,
            ids: AtomicU64::new(1),
        }
    }

    /// An id for a request and the session it may become, unique in this process.
    pub fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }
}

/// What one worker starts with.
#[derive(Debug)]
pub struct WorkerConfig {
    /// Position among the workers; names the thread.
    pub index: usize,
    /// Bound by [`listener::bind`](crate::listener::bind).
    pub listener: TcpListener,
    /// Seed of its random draws.
    pub seed: u64,
}

/// What a worker can be told.
#[derive(Debug)]
pub enum WorkerCommand {
    /// The shared snapshot is another one now: sessions whose route or endpoint is gone must end.
    SnapshotChanged,
    /// Take no new connections, end sessions politely, let requests under way end; then end.
    Drain {
        /// Over which the sessions' Close frames are spread, from now.
        window: Duration,
        /// After which what still stands is cut, from now.
        deadline: Duration,
    },
    /// End those sessions politely.
    EndSessions {
        /// Which.
        filter: Filter,
        /// How.
        plan: DrainPlan,
    },
    /// End one session politely, if it is here.
    CloseSession {
        /// Its id, as in the access record.
        id: u64,
        /// What the client is told.
        close: Close,
    },
    /// Tell of some sessions.
    List {
        /// Only those with a higher id.
        after: Option<u64>,
        /// At most as many, in the order of their ids.
        limit: usize,
        /// Which.
        filter: Filter,
        /// Where to.
        reply: oneshot::Sender<Vec<SessionInfo>>,
    },
    /// Tell what is carried.
    Report {
        /// Where to.
        reply: oneshot::Sender<WorkerReport>,
    },
    /// End at once.
    Stop,
}

/// What a worker carries at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkerReport {
    /// Client connections, those that became sessions included.
    pub connections: usize,
    /// Upgrade handshakes under way.
    pub handshakes: usize,
    /// Sessions.
    pub sessions: usize,
    /// Memory of its sessions' buffers, lent and free.
    pub buffer_bytes: usize,
    /// What its sessions have carried since the start.
    pub totals: Totals,
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    commands: mpsc::Sender<WorkerCommand>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts a worker.
    ///
    /// # Errors
    /// The system grants no thread or no event queue.
    pub fn spawn(config: WorkerConfig, shared: Arc<Shared>) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (commands, receiver) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new()
            .name(format!("worker-{}", config.index))
            .spawn(move || run::run(&runtime, config, shared, receiver))?;
        Ok(Self { commands, thread })
    }

    /// Where it takes commands; closed once it has ended.
    pub fn commands(&self) -> &mpsc::Sender<WorkerCommand> {
        &self.commands
    }

    /// Waits for its end. Blocks the thread.
    ///
    /// # Errors
    /// It panicked; the panic's payload.
    pub fn join(self) -> thread::Result<()> {
        self.thread.join()
    }
}
