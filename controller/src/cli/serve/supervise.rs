//! Keeps one process running: starts it, forwards its log, starts it again when it dies, stops it.
//!
//! Each process gets a process group of its own, so that a terminal's Ctrl-C reaches only `serve`,
//! which then drains. Signals go only to processes that were started here and not yet waited for.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::BufReader;
use tokio::process::{Child, Command};
use tokio::signal::unix;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::backoff::Backoff;
use super::listening::Listening;
use super::logs::{self, LogFormat};

/// Deaths before the first table serves, after which starting again is pointless.
const EARLY_DEATHS: u32 = 5;
/// How a process says that its settings are wrong: not to be tried again.
const USAGE: i32 = 2;
/// How long a process that should end at once may take to write its records.
const LAST_ORDERS: Duration = Duration::from_secs(1);
/// How long the last lines of a process that ended may take to arrive.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Makes the command line for one start.
pub(super) type CommandLine = Box<dyn Fn(Option<&Listening>) -> Command + Send + Sync>;

/// A process to keep running.
pub(super) struct Process {
    /// Its name in the log.
    pub(super) name: &'static str,
    /// The command line, given the addresses of an earlier run once there are any.
    pub(super) command: CommandLine,
    /// From SIGTERM until it is killed.
    pub(super) grace: Duration,
    /// How its log looks.
    pub(super) format: LogFormat,
}

/// What a process should do, in the order in which it may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Run,
    /// SIGTERM, and SIGKILL after the grace.
    Stop,
    /// At once: SIGTERM once more, which a drain takes as its end, and SIGKILL soon after.
    Kill,
}

/// Why a process is no longer kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As ordered.
    Stopped,
    /// As ordered, but it had to be killed after its grace.
    Overdue,
    /// It never served; starting it again would not help. The text says how it ended.
    Failed(String),
}

/// Keeps `process` until ordered otherwise. Addresses it reports on stdout go to `serving`, hangups
/// (reread files and settings) go on to the process.
pub(super) async fn keep(
    process: Process,
    mut orders: watch::Receiver<Order>,
    serving: watch::Sender<Option<Listening>>,
) -> End {
    let mut hangups = match unix::signal(unix::SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => return End::Failed(format!("cannot listen for SIGHUP: {error}")),
    };
    let mut backoff = Backoff::new();
    let mut deaths = 0;
    loop {
        let started = Instant::now();
        let (what, code) = match Running::start(&process, &serving) {
            Ok(mut running) => {
                info!(pid = running.child.id(), "started {}", process.name);
                loop {
                    tokio::select! {
                        status = running.ended() => {
                            break (describe(&status), status.ok().and_then(|s| s.code()));
                        }
                        () = ordered(&mut orders, Order::Stop) => {
                            return running.stop(&process, orders).await;
                        }
                        Some(()) = hangups.recv() => running.signal(Signal::HUP),
                    }
                }
            }
            Err(error) => (error.to_string(), None),
        };
        deaths += 1;
        if serving.borrow().is_none() && (code == Some(USAGE) || deaths >= EARLY_DEATHS) {
            return End::Failed(what);
        }
        let wait = backoff.after(started.elapsed());
        warn!("{} ended ({what}); starting it again in {wait:?}", process.name);
        tokio::select! {
            () = sleep(wait) => {}
            () = ordered(&mut orders, Order::Stop) => return End::Stopped,
        }
    }
}

/// Waits for `least` or more. An end of the orders counts as one.
async fn ordered(orders: &mut watch::Receiver<Order>, least: Order) {
    let _ = orders.wait_for(|order| *order >= least).await;
}

fn describe(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

/// A started process and the tasks that forward its output.
struct Running {
    child: Child,
    output: JoinSet<()>,
}

impl Running {
    fn start(process: &Process, serving: &watch::Sender<Option<Listening>>) -> io::Result<Self> {
        let mut command = (process.command)(serving.borrow().as_ref());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let mut output = JoinSet::new();
        let (name, format, serving) = (process.name, process.format, serving.clone());
        if let Some(stdout) = child.stdout.take() {
            output.spawn(logs::forward(format, name, BufReader::new(stdout), move |line| {
                let Some(listening) = Listening::parse(line) else {
                    return false;
                };
                info!(
                    "{name} serves http={} https={} admin={}",
                    listening.http, listening.https, listening.admin
                );
                serving.send_replace(Some(listening));
                true
            }));
        }
        if let Some(stderr) = child.stderr.take() {
            output.spawn(logs::forward(format, name, BufReader::new(stderr), |_| false));
        }
        Ok(Self { child, output })
    }

    /// Waits for the end, and a moment for the last lines.
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        let _ = timeout(LAST_WORDS, async {
            while self.output.join_next().await.is_some() {}
        })
        .await;
        status
    }

    async fn stop(mut self, process: &Process, mut orders: watch::Receiver<Order>) -> End {
        self.signal(Signal::TERM);
        let killed = tokio::select! {
            _ = self.ended() => return End::Stopped,
            () = sleep(process.grace) => End::Overdue,
            () = ordered(&mut orders, Order::Kill) => {
                self.signal(Signal::TERM);
                let _ = timeout(LAST_ORDERS, self.ended()).await;
                End::Stopped
            }
        };
        if killed == End::Overdue {
            warn!(
                "{} did not end within {:?}; killing it",
                process.name, process.grace
            );
        }
        let _ = self.child.start_kill();
        let _ = self.ended().await;
        killed
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = id.and_then(Pid::from_raw) {
            // It may have ended by itself meanwhile; then the wait sees that.
            let _ = kill_process(pid, signal);
        }
    }
}
