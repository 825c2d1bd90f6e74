//! Keeps a connection to the controller and applies what it says.
//!
//! Whatever happens to the connection, the last state keeps serving: a table is replaced only by a
//! whole one, and acknowledged only after it serves in every worker.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use routetable::canonical::Tracked;
use routetable::wire::assembly::{AssemblyError, SnapshotAssembly};
use routetable::wire::{Delta, Hello, Nack, PROTOCOL, SnapshotBegin, ToController, ToDataplane, Version};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tracing::{debug, error, info, warn};

use super::connection::{Connection, ConnectionError};
use super::table::Table;
use super::{Backoff, ChannelStatus, LastGood, Workers};
use crate::metrics::{Metrics, PushResult};
use crate::snapshot::build::Builder;

/// Both processes are often started together: so long it is no news that the controller is not there.
const STARTING: Duration = Duration::from_secs(1);

/// Who this data plane is to the controller.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The controller's socket.
    pub socket: PathBuf,
    /// A random number drawn at the start.
    pub boot_id: u64,
    /// Drives the jitter of reconnects.
    pub seed: u64,
}

/// The channel's times.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// First and longest wait before a new attempt to connect.
    pub reconnect: (Duration, Duration),
    /// Wait after the controller refused us, or sent what must not serve.
    pub refused: Duration,
    /// Between two `Stats`.
    pub stats: Duration,
    /// Bound on every wait for bytes that the protocol promises, and on every write.
    pub stall: Duration,
    /// Least time between two writes of the last good table.
    pub save: Duration,
}

impl Default for Pace {
    /// 50 ms to 2 s, 30 s, 5 s, 10 s, 1 s.
    fn default() -> Self {
        Self {
            reconnect: (Duration::from_millis(50), Duration::from_secs(2)),
            refused: Duration::from_secs(30),
            stats: Duration::from_secs(5),
            stall: Duration::from_secs(10),
            save: Duration::from_secs(1),
        }
    }
}

/// What ended a conversation.
enum End {
    Lost(ConnectionError),
    /// The controller speaks this other protocol.
    Refused(u32),
    /// An empty snapshot that nobody announced as meant.
    Empty,
}

impl<E: Into<ConnectionError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Lost(error.into())
    }
}

/// The data plane's end of the channel.
#[derive(Debug)]
pub struct Client<W> {
    identity: Identity,
    pace: Pace,
    backoff: Backoff,
    table: Table,
    workers: W,
    metrics: Arc<Metrics>,
    status: watch::Sender<ChannelStatus>,
    /// A `Resync` is under way: further deltas mean nothing until the snapshot begins.
    resyncing: bool,
}

impl<W: Workers> Client<W> {
    /// A client that feeds the snapshot of `builder`. Starts with the last good table, if there is one.
    pub fn new(identity: Identity, pace: Pace, builder: Builder, workers: W, metrics: Arc<Metrics>) -> Self {
        Self {
            backoff: Backoff::new(pace.reconnect.0, pace.reconnect.1, identity.seed),
            identity,
            pace,
            table: Table::new(builder),
            workers,
            metrics,
            status: watch::Sender::default(),
            resyncing: false,
        }
    }

    /// Serves the table in `file` until the controller is heard, and keeps the file up to date.
    pub fn load(&mut self, file: LastGood) {
        match self.table.load(file.clone()) {
            Ok(Some(version)) => {
                info!(path = %file.path().display(), ?version, "serving the last good table until the controller is heard");
                self.report(true);
            }
            Ok(None) => {}
            Err(error) => warn!(path = %file.path().display(), %error, "the last good table is not used"),
        }
    }

    /// Follows the channel.
    pub fn status(&self) -> watch::Receiver<ChannelStatus> {
        self.status.subscribe()
    }

    /// Connects, listens and reconnects for as long as it is polled.
    pub async fn run(&mut self) {
        let mut reachable = true;
        let started = Instant::now();
        loop {
            let end = match Connection::open(&self.identity.socket, self.pace.stall).await {
                Ok(mut connection) => {
                    reachable = true;
                    self.converse(&mut connection).await
                }
                Err(error) => End::Lost(error),
            };
            let was_connected = self.status.borrow().connected;
            self.status.send_modify(|status| status.connected = false);
            let wait = match end {
                End::Lost(error) if was_connected => {
                    warn!(%error, "lost the controller; the last state keeps serving");
                    self.backoff.step()
                }
                End::Lost(error) => {
                    let late = started.elapsed() >= STARTING;
                    if late && std::mem::replace(&mut reachable, false) {
                        warn!(socket = %self.identity.socket.display(), %error, "cannot reach the controller; trying on");
                    } else {
                        debug!(%error, "cannot reach the controller");
                    }
                    self.backoff.step()
                }
                End::Refused(theirs) => {
                    error!(
                        "the controller speaks protocol {theirs} and this data plane {PROTOCOL}: both must be of \
                         one release; the last state keeps serving"
                    );
                    self.backoff.jitter(self.pace.refused)
                }
                End::Empty => {
                    error!(
                        "the controller sent an empty table that it did not announce as meant; the last state keeps serving"
                    );
                    self.metrics.config_push(PushResult::Refused, Duration::ZERO);
                    self.backoff.jitter(self.pace.refused)
                }
            };
            self.wait(wait).await;
        }
    }

    /// Writes the last good table if it is behind; for the end of the process.
    pub async fn finish(&mut self) {
        self.table.save().await;
    }

    async fn wait(&mut self, wait: Duration) {
        let end = Instant::now() + wait;
        tokio::select! {
            () = sleep(wait) => {}
            () = self.table.save_when_due(self.pace.save) => tokio::time::sleep_until(end).await,
        }
    }

    async fn converse(&mut self, connection: &mut Connection) -> End {
        match self.talk(connection).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn talk(&mut self, connection: &mut Connection) -> Result<std::convert::Infallible, End> {
        self.resyncing = false;
        let hello = Hello {
            protocol: PROTOCOL,
            boot_id: self.identity.boot_id,
            have: self.table.version(),
            digest: self.table.digest(),
        };
        connection.send(&ToController::Hello(hello)).await?;
        let mut stats = interval_at(Instant::now() + self.pace.stats, self.pace.stats);
        stats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut assembly = None;
        loop {
            tokio::select! {
                message = connection.receive(assembly.is_some()) => {
                    if let Some(answer) = self.hear(message?, &mut assembly).await? {
                        connection.send(&answer).await?;
                    }
                }
                _ = stats.tick() => connection.send(&ToController::Stats(self.workers.stats().await)).await?,
                () = self.table.save_when_due(self.pace.save) => {}
            }
        }
    }

    /// Acts on one message; returns what to say to it.
    async fn hear(
        &mut self,
        message: ToDataplane,
        assembly: &mut Option<SnapshotAssembly>,
    ) -> Result<Option<ToController>, End> {
        match (message, assembly.as_mut()) {
            (ToDataplane::SnapshotBegin(begin), None) => {
                self.resyncing = false;
                *assembly = Some(SnapshotAssembly::new(begin)?);
                Ok(None)
            }
            (ToDataplane::SnapshotEnd(version), Some(_)) => {
                let whole = assembly.take().ok_or(AssemblyError::OutOfTurn)?;
                let (begin, table) = whole.finish(version)?;
                self.replace(begin, table).await.map(Some)
            }
            (ToDataplane::Current(version), None) => {
                self.table.rename(version);
                self.serves().await.map(Some)
            }
            (ToDataplane::Delta(delta), None) => self.change(&delta).await,
            (ToDataplane::Command(command), _) => {
                self.workers.command(command).await;
                Ok(None)
            }
            (ToDataplane::Refused { protocol }, _) => Err(End::Refused(protocol)),
            (part, Some(assembly)) => Ok(assembly.add(part).map(|()| None)?),
            _ => Err(AssemblyError::OutOfTurn.into()),
        }
    }

    async fn replace(&mut self, begin: SnapshotBegin, table: Tracked) -> Result<ToController, End> {
        if table.table().is_empty() && !begin.deliberately_empty && !self.table.is_empty() {
            return Err(End::Empty);
        }
        let start = Instant::now();
        self.table.replace(table, begin.version);
        let answer = self.serves().await?;
        self.applied(&answer, start);
        info!(
            version = begin.version.number,
            routes = begin.routes,
            endpoint_sets = begin.endpoint_sets,
            "a snapshot serves"
        );
        Ok(answer)
    }

    async fn change(&mut self, delta: &Delta) -> Result<Option<ToController>, End> {
        if self.resyncing {
            return Ok(None);
        }
        let start = Instant::now();
        if let Err(mismatch) = self.table.change(delta) {
            warn!(
                ?mismatch,
                version = delta.next.number,
                "a change does not fit; asking for a snapshot"
            );
            self.metrics.config_push(PushResult::Resync, start.elapsed());
            self.resyncing = true;
            return Ok(Some(ToController::Resync));
        }
        let answer = self.serves().await?;
        self.applied(&answer, start);
        debug!(
            version = delta.next.number,
            ops = delta.ops.len(),
            "a change serves"
        );
        Ok(Some(answer))
    }

    /// Tells the workers of the state that serves by now and says so.
    async fn serves(&mut self) -> Result<ToController, End> {
        timeout(self.pace.stall, self.workers.changed())
            .await
            .map_err(|_| ConnectionError::Workers)?;
        self.backoff.reset();
        self.status.send_modify(|status| status.connected = true);
        self.report(true);
        let version = self.table.version().unwrap_or(Version { epoch: 0, number: 0 });
        let items: Vec<_> = self.table.failing().take(Nack::MAX_ITEMS).collect();
        for item in &items {
            warn!(resource = ?item.resource, message = item.message, "cannot serve; its last good version stays");
        }
        Ok(match items.is_empty() {
            true => ToController::Ack(version),
            false => ToController::Nack(Nack::new(version, items)),
        })
    }

    fn applied(&self, answer: &ToController, start: Instant) {
        let result = match answer {
            ToController::Nack(_) => PushResult::Partial,
            _ => PushResult::Applied,
        };
        self.metrics.config_push(result, start.elapsed());
    }

    fn report(&self, table_received: bool) {
        self.status.send_modify(|status| {
            status.table_received |= table_received;
            status.version = self.table.version();
            status.digest = self.table.digest();
            status.failing = self.table.failing().take(Nack::MAX_ITEMS).collect();
        });
    }
}
