//! A worker: one thread with its own runtime, listener, HTTP tasks, upstream pool and tunnel table.
//! A connection never changes its worker, and nothing on a hot path is locked.
//!
//! Commands come through a bounded channel; what its tasks share is in [`crate::local`].

mod run;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{mpsc, oneshot};

use crate::local::Shared;
use crate::metrics::WorkerReport;
use crate::session::close::Close;
use crate::tunnel::{DrainPlan, Filter, SessionInfo};

/// Commands that may wait for one worker.
const QUEUE: usize = 64;

/// What one worker starts with.
#[derive(Debug)]
pub struct WorkerConfig {
    /// Position among the workers; names the thread.
    pub index: usize,
    /// Where its clients connect.
    pub listeners: Listeners,
    /// Seed of its random draws.
    pub seed: u64,
}

/// Sockets bound by [`listener::bind`](crate::listener::bind).
#[derive(Debug)]
pub struct Listeners {
    /// For clients without TLS.
    pub plain: TcpListener,
    /// For clients with TLS.
    pub secure: Option<TcpListener>,
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
