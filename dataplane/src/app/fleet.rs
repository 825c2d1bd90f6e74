//! All workers as one: what is said to each of them.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::{join_all, select_all};
use routetable::wire::{Command, Stats};
use tokio::sync::mpsc;

use crate::access_log::AccessLog;
use crate::config::Settings;
use crate::control::Workers;
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;
use crate::upstream::pool::PoolLimits;
use crate::worker::{Limits, Shared, Worker, WorkerCommand, WorkerConfig};

/// What workers share: the table, the counters, the records.
type Parts = (Arc<ArcSwap<Snapshot>>, Arc<Metrics>, Arc<AccessLog>);

/// The running workers.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    commands: Arc<[mpsc::Sender<WorkerCommand>]>,
}

impl Fleet {
    /// Starts a worker on each listener.
    pub(super) fn start(
        listeners: Vec<TcpListener>,
        parts: Parts,
        settings: &Settings,
        seed: u64,
    ) -> io::Result<Self> {
        let (snapshot, metrics, access_log) = parts;
        let shared = Arc::new(Shared::new(
            snapshot,
            Arc::clone(&metrics),
            access_log,
            limits(settings),
        ));
        let mut commands = Vec::with_capacity(listeners.len());
        for (index, listener) in listeners.into_iter().enumerate() {
            let config = WorkerConfig {
                index,
                listener,
                seed: seed.wrapping_add(index as u64),
            };
            commands.push(Worker::spawn(config, Arc::clone(&shared))?.commands().clone());
        }
        Ok(Self {
            commands: commands.into(),
        })
    }

    async fn tell(&self, command: impl Fn() -> WorkerCommand) {
        // One that has ended needs to know nothing.
        join_all(self.commands.iter().map(|worker| worker.send(command()))).await;
    }

    /// Has every worker end what it carries.
    pub(super) async fn drain(&self, settings: &Settings) {
        self.tell(|| WorkerCommand::Drain {
            window: settings.drain_window,
            deadline: settings.drain_deadline,
        })
        .await;
    }

    /// Waits until a worker ends; its position.
    pub(super) async fn any_ended(&self) -> usize {
        select_all(self.commands.iter().map(|worker| Box::pin(worker.closed())))
            .await
            .1
    }

    /// Waits until all workers have ended.
    pub(super) async fn all_ended(&self) {
        join_all(self.commands.iter().map(|worker| worker.closed())).await;
    }
}

impl Workers for Fleet {
    async fn changed(&self) {
        self.tell(|| WorkerCommand::SnapshotChanged).await;
    }

    async fn command(&self, command: Command) {
        let _ = command;
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        max_connections: settings.max_connections.get(),
        max_handshakes: settings.max_handshakes.get(),
        header_timeout: settings.header_timeout,
        max_head_size: settings.max_head_size,
        tcp_keepalive: settings.tcp_keepalive,
        removal_pace: settings.removal_pace,
        pool: PoolLimits {
            idle_per_endpoint: settings.pool_idle_count,
            idle_age: settings.pool_idle_age,
        },
    }
}
