//! A worker's thread: its tasks, its commands, its end.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::{Local, Shared, WorkerCommand, WorkerConfig};
use crate::listener::accept;

/// How often the pool is searched for connections that must go.
const SWEEP: Duration = Duration::from_secs(5);

/// Runs a worker to its end. What still stands then is dropped, and its sockets close.
pub(super) fn run(
    runtime: &Runtime,
    config: WorkerConfig,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<WorkerCommand>,
) {
    let index = config.index;
    let tasks = LocalSet::new();
    let served = tasks.block_on(runtime, serve(config, shared, commands));
    if let Err(error) = served {
        tracing::error!(worker = index, %error, "worker cannot listen");
    }
}

async fn serve(
    config: WorkerConfig,
    shared: Arc<Shared>,
    mut commands: mpsc::Receiver<WorkerCommand>,
) -> std::io::Result<()> {
    let local = Local::new(shared, config.seed);
    let listener = TcpListener::from_std(config.listener)?;
    let (leave, leaving) = watch::channel(false);
    tokio::task::spawn_local(accept::run(Rc::clone(&local), listener, leaving));
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut deadline = None;
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(WorkerCommand::SnapshotChanged) => local.pool.sweep(),
                Some(WorkerCommand::Drain { deadline: after }) => {
                    local.set_draining();
                    leave.send_replace(true);
                    deadline = Some(Instant::now() + after);
                }
                Some(WorkerCommand::Stop) | None => return Ok(()),
            },
            _ = sweep.tick() => local.pool.sweep(),
            () = idle(&local), if deadline.is_some() => return Ok(()),
            () = at(deadline), if deadline.is_some() => return Ok(()),
        }
    }
}

/// Until every connection has given its permit back.
async fn idle(local: &Local) {
    let all = u32::try_from(local.shared.limits.max_connections).unwrap_or(u32::MAX);
    // The semaphore is never closed.
    let _ = local.connections.acquire_many(all).await;
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
