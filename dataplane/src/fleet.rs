//! All workers as one: what is said to each of them, what all of them answer.
//!
//! Used by the control channel, the admin port and the process's end; never on the way of a request.

mod command;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use routetable::wire::{Command, Stats};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::control::Workers;
use crate::local::Shared;
use crate::metrics::{Metrics, WorkerReport};
use crate::tunnel::{Filter, SessionInfo};
use crate::worker::{Listeners, Worker, WorkerCommand, WorkerConfig};

/// A worker that does not answer within this time is left out of the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The running workers. Clones speak to the same ones.
#[derive(Clone, Debug)]
pub struct Fleet {
    workers: Arc<[mpsc::Sender<WorkerCommand>]>,
    metrics: Arc<Metrics>,
    draining: Arc<AtomicBool>,
}

impl Fleet {
    /// Starts a worker on each pair of listeners.
    ///
    /// # Errors
    /// The system grants no thread or no event queue.
    pub fn start(listeners: Vec<Listeners>, shared: &Arc<Shared>, seed: u64) -> io::Result<Self> {
        let mut workers = Vec::with_capacity(listeners.len());
        for (index, listeners) in listeners.into_iter().enumerate() {
            let config = WorkerConfig {
                index,
                listeners,
                seed: seed.wrapping_add(index as u64),
            };
            workers.push(Worker::spawn(config, Arc::clone(shared))?.commands().clone());
        }
        Ok(Self {
            workers: workers.into(),
            metrics: Arc::clone(&shared.metrics),
            draining: Arc::default(),
        })
    }

    /// Tells every worker. One that has ended needs to know nothing.
    async fn tell(&self, command: impl Fn() -> WorkerCommand) {
        join_all(self.workers.iter().map(|worker| worker.send(command()))).await;
    }

    /// Asks every worker; the answers in the order of the workers, `None` for one that gave none.
    async fn ask<T>(&self, question: impl Fn(oneshot::Sender<T>) -> WorkerCommand) -> Vec<Option<T>> {
        let asked = self.workers.iter().map(|worker| {
            let (reply, answer) = oneshot::channel();
            let command = question(reply);
            async move {
                worker.send(command).await.ok()?;
                answer.await.ok()
            }
        });
        let bounded = asked.map(|answer| async { timeout(PATIENCE, answer).await.ok().flatten() });
        join_all(bounded).await
    }

    /// What each worker carries.
    pub async fn reports(&self) -> Vec<Option<WorkerReport>> {
        self.ask(|reply| WorkerCommand::Report { reply }).await
    }

    /// Sessions with ids above `after` in their order, at most `limit`.
    pub async fn list(&self, after: Option<u64>, limit: usize, filter: Filter) -> Vec<SessionInfo> {
        let pages = self.ask(|reply| WorkerCommand::List {
            after,
            limit,
            filter,
            reply,
        });
        let mut sessions: Vec<_> = pages.await.into_iter().flatten().flatten().collect();
        sessions.sort_unstable_by_key(|session| session.id);
        sessions.truncate(limit);
        sessions
    }

    /// Has every worker end what it carries: sessions spread over `window`, all of it by `deadline`.
    pub async fn drain(&self, window: Duration, deadline: Duration) {
        self.draining.store(true, Ordering::Relaxed);
        self.tell(|| WorkerCommand::Drain { window, deadline }).await;
    }

    /// Waits until a worker ends; its position.
    pub async fn any_ended(&self) -> usize {
        select_all(self.workers.iter().map(|worker| Box::pin(worker.closed())))
            .await
            .1
    }

    /// Waits until all workers have ended.
    pub async fn all_ended(&self) {
        join_all(self.workers.iter().map(|worker| worker.closed())).await;
    }
}

impl Workers for Fleet {
    fn changed(&self) -> impl Future<Output = ()> + Send {
        self.tell(|| WorkerCommand::SnapshotChanged)
    }

    async fn command(&self, command: Command) {
        match command::understand(&command) {
            Ok(order) => self.tell(|| order.clone().into()).await,
            Err(error) => tracing::warn!(?command, %error, "a command of the controller is not obeyed"),
        }
    }

    async fn stats(&self) -> Stats {
        let (active, begun) = self.metrics.sessions();
        let reports = self.reports().await;
        let cut = reports.iter().flatten().map(|report| report.totals.cut_by_config);
        Stats {
            sessions_active: active,
            sessions_total: begun,
            sessions_cut_by_config: cut.sum(),
            draining: if self.draining.load(Ordering::Relaxed) {
                active
            } else {
                0
            },
        }
    }
}
