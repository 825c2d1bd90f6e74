//! One run of controller and data plane together, from the start to the end of the drain.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{info, warn};

use super::listening::Listening;
use super::supervise::{End, Order, Process, keep};

/// After this long without a table somebody may want to know why nothing happens.
const PATIENCE: Duration = Duration::from_secs(10);

/// SIGTERM and SIGINT, which mean the same here.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    pub(super) fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            term: listen(SignalKind::terminate())?,
            int: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// By a signal; sessions were drained, or a second signal asked not to.
    Ended,
    /// By a signal, but a process outlived its grace and was killed.
    Overdue,
    /// The controller never served.
    ControllerFailed(String),
    /// The data plane never served.
    DataplaneFailed(String),
}

/// Runs both processes until a signal. Once the first table serves, prints the ready line and calls `ready`.
pub(super) async fn run(
    controller: Process,
    dataplane: Process,
    signals: &mut Signals,
    ready: impl FnOnce(&Listening),
) -> Outcome {
    let (serving, mut table) = watch::channel(None);
    let mut controller = Kept::start(controller, serving.clone());
    let mut dataplane = Kept::start(dataplane, serving);
    let first = loop {
        tokio::select! {
            first = timeout(PATIENCE, first_table(&mut table)) => match first {
                Ok(listening) => break listening,
                Err(_) => warn!("no table serves yet; the lines above should say why"),
            },
            end = controller.ended() => {
                dataplane.stop_at_once().await;
                return failed(end, Outcome::ControllerFailed);
            }
            end = dataplane.ended() => {
                controller.stop_at_once().await;
                return failed(end, Outcome::DataplaneFailed);
            }
            () = signals.next() => break None,
        }
    };
    if let Some(listening) = first {
        // Nobody may be reading stdout.
        let _ = writeln!(io::stdout(), "{listening}").and_then(|()| io::stdout().flush());
        ready(&listening);
        signals.next().await;
    }
    info!("draining; a second signal ends at once");
    drain(controller, dataplane, signals).await
}

async fn first_table(table: &mut watch::Receiver<Option<Listening>>) -> Option<Listening> {
    table
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|listening| *listening)
}

/// The data plane first, with the controller still there to tell it of endpoints.
async fn drain(mut controller: Kept, mut dataplane: Kept, signals: &mut Signals) -> Outcome {
    let orderly = async {
        dataplane.order(Order::Stop);
        let first = dataplane.ended().await;
        controller.order(Order::Stop);
        let second = controller.ended().await;
        if [first, second].contains(&End::Overdue) {
            Outcome::Overdue
        } else {
            Outcome::Ended
        }
    };
    tokio::select! {
        outcome = orderly => return outcome,
        () = signals.next() => info!("ending at once"),
    }
    dataplane.stop_at_once().await;
    controller.stop_at_once().await;
    Outcome::Ended
}

fn failed(end: End, outcome: fn(String) -> Outcome) -> Outcome {
    match end {
        End::Failed(how) => outcome(how),
        End::Stopped | End::Overdue => Outcome::Ended,
    }
}

/// A process in the care of a task.
struct Kept {
    orders: watch::Sender<Order>,
    task: Option<JoinHandle<End>>,
}

impl Kept {
    fn start(process: Process, serving: watch::Sender<Option<Listening>>) -> Self {
        let (orders, receiver) = watch::channel(Order::Run);
        Self {
            orders,
            task: Some(tokio::spawn(keep(process, receiver, serving))),
        }
    }

    fn order(&self, order: Order) {
        self.orders.send_replace(order);
    }

    /// Waits for the task; safe to drop and call again.
    async fn ended(&mut self) -> End {
        let Some(task) = &mut self.task else {
            return End::Stopped;
        };
        let end = task.await;
        self.task = None;
        end.unwrap_or_else(|error| End::Failed(error.to_string()))
    }

    async fn stop_at_once(&mut self) {
        self.order(Order::Kill);
        self.ended().await;
    }
}
