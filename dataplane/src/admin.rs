//! The admin port: probes, metrics and dumps, on a thread of its own so that a slow reader never
//! costs a client anything. Read-only: actions come over the control channel (operator reference 4.2).

mod connections;
mod dump;
mod server;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

pub use self::server::{Server, serve};
use crate::access_log::AccessLog;
use crate::config::Settings;
use crate::control::ChannelStatus;
use crate::fleet::Fleet;
use crate::metrics::{Metrics, Sample};
use crate::snapshot::Snapshot;

/// What the admin port shows.
#[derive(Clone, Debug)]
pub struct View {
    /// The table that serves.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The workers.
    pub fleet: Fleet,
    /// Access records, for their losses.
    pub access_log: Arc<AccessLog>,
    /// The channel to the controller.
    pub channel: watch::Receiver<ChannelStatus>,
    /// Whether this process is on its way out.
    pub draining: watch::Receiver<bool>,
    /// Settings as they were understood.
    pub settings: Arc<Settings>,
}

impl View {
    /// Why this process should get no new connections; `None` when it should. The controller's
    /// absence is no reason: what it said last keeps serving.
    pub fn unready(&self) -> Option<&'static str> {
        if *self.draining.borrow() {
            Some("draining: this process is shutting down")
        } else if !self.channel.borrow().table_received {
            Some(
                "no route table yet: the controller has not sent one, and none was kept in the run directory",
            )
        } else {
            None
        }
    }

    async fn sample(&self) -> Sample {
        Sample {
            workers: self.fleet.reports().await,
            sessions: self.metrics.sessions().0,
            draining: *self.draining.borrow(),
            snapshot: self.snapshot.load_full(),
            channel: self.channel.borrow().clone(),
            access_log_dropped: self.access_log.dropped(),
        }
    }
}
