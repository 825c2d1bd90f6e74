//! A worker's thread: its tasks, its commands, its end.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::{Listeners, WorkerCommand, WorkerConfig};
use crate::listener::accept::{self, Entrance};
use crate::local::{Local, Shared};
use crate::session::ProxyCause;
use crate::tunnel::{DrainPlan, Filter};

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
) -> io::Result<()> {
    let local = Local::new(shared, config.index, config.seed)?;
    let (leave, leaving) = watch::channel(false);
    let Listeners { plain, secure } = config.listeners;
    let entrances = [(Some(plain), Entrance::Plain), (secure, Entrance::Tls)];
    for (listener, entrance) in entrances {
        let Some(listener) = listener else { continue };
        let listener = TcpListener::from_std(listener)?;
        tokio::task::spawn_local(accept::run(
            Rc::clone(&local),
            listener,
            entrance,
            leaving.clone(),
        ));
    }
    let tunnels = local.tunnels.clone();
    let mut carrying = std::pin::pin!(tunnels.run());
    let tended = Rc::clone(&local.pool);
    tokio::task::spawn_local(async move { tended.tend().await });
    let mut deadline = None;
    loop {
        tokio::select! {
            carried = &mut carrying => match carried? {},
            command = commands.recv() => match command {
                Some(WorkerCommand::Drain { window, deadline: after }) => {
                    deadline = Some(Instant::now() + after);
                    leave.send_replace(true);
                    drain(&local, window, after);
                }
                Some(WorkerCommand::Stop) | None => break,
                Some(command) => obey(&local, command),
            },
            () = idle(&local), if deadline.is_some() => break,
            () = at(deadline), if deadline.is_some() => break,
        }
    }
    local.tunnels.abort_all(ProxyCause::Shutdown, Instant::now());
    Ok(())
}

fn drain(local: &Local, window: Duration, deadline: Duration) {
    local.set_draining();
    let plan = DrainPlan {
        cause: ProxyCause::Shutdown,
        close: ProxyCause::Shutdown.close(),
        window,
        deadline,
    };
    let sessions = local.tunnels.drain(Filter::All, plan, Instant::now());
    tracing::debug!(worker = local.index, sessions, ?window, ?deadline, "draining");
}

fn obey(local: &Local, command: WorkerCommand) {
    let (tunnels, now) = (&local.tunnels, Instant::now());
    match command {
        WorkerCommand::SnapshotChanged => {
            local.end_what_left();
            local.pool.sweep();
        }
        WorkerCommand::EndSessions { filter, plan } => {
            let sessions = tunnels.drain(filter, plan, now);
            tracing::info!(worker = local.index, sessions, ?filter, "ending sessions");
        }
        WorkerCommand::CloseSession { id, close } => {
            tunnels.close(id, close, now);
        }
        WorkerCommand::List {
            after,
            limit,
            filter,
            reply,
        } => {
            // Who asked may have gone.
            let _ = reply.send(tunnels.list(after, limit, filter, now));
        }
        WorkerCommand::Report { reply } => {
            let _ = reply.send(local.report());
        }
        WorkerCommand::Drain { .. } | WorkerCommand::Stop => {}
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
