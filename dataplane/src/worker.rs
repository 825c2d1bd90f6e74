//! A worker: one thread with its own runtime, listener, HTTP tasks and upstream pool. A connection
//! never changes its worker, and nothing on a hot path is locked.
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
use tokio::sync::mpsc;

pub use local::Local;

use crate::access_log::AccessLog;
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;
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
    /// Largest head of a request or answer in bytes, at least 8,192.
    pub max_head_size: usize,
    /// Silence after which a peer's kernel is asked whether it still lives.
    pub tcp_keepalive: Duration,
    /// Idle connections to endpoints.
    pub pool: PoolLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 65_536,
            max_handshakes: 1_024,
            header_timeout: Duration::from_secs(15),
            max_head_size: 64 << 10,
            tcp_keepalive: Duration::from_secs(60),
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
    /// The shared snapshot is another one now.
    SnapshotChanged,
    /// Take no new connections, let what is under way end, and end with it or at the deadline.
    Drain {
        /// After which what still stands is cut, from now.
        deadline: Duration,
    },
    /// End at once.
    Stop,
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
