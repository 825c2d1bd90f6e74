//! What all workers share: the table, the books, and the bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::Trust;
use crate::access_log::AccessLog;
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;
use crate::upstream::pool::PoolLimits;

/// Bounds of each worker.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Client connections and sessions at a time; more wait in the kernel's queue.
    pub max_connections: usize,
    /// Upgrade handshakes under way at a time; more are refused.
    pub max_handshakes: usize,
    /// Time for a client to send a request's head.
    pub header_timeout: Duration,
    /// Time for a client to begin its next request. Longer than load balancers keep their idle
    /// connections, or they would send into our close.
    pub keepalive_timeout: Duration,
    /// Time for a client to take the next bytes of an answer.
    pub write_timeout: Duration,
    /// Largest head of a request or answer in bytes, at least 8,192.
    pub max_head_size: usize,
    /// HTTP/2 is taken from clients that begin with it on the plain port.
    pub h2c: bool,
    /// Silence after which a peer's kernel is asked whether it still lives.
    pub tcp_keepalive: Duration,
    /// Sessions a second that are ended when their route or endpoint is removed, at most.
    pub removal_pace: u32,
    /// Idle connections to endpoints.
    pub pool: PoolLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 65_536,
            max_handshakes: 1_024,
            header_timeout: Duration::from_secs(15),
            keepalive_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
            max_head_size: 64 << 10,
            h2c: false,
            tcp_keepalive: Duration::from_secs(60),
            removal_pace: 100,
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
    /// The proxies in front.
    pub trust: Trust,
    ids: AtomicU64,
}

impl Shared {
    /// Brings the parts together.
    pub fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        metrics: Arc<Metrics>,
        access_log: Arc<AccessLog>,
        limits: Limits,
        trust: Trust,
    ) -> Self {
        Self {
            snapshot,
            metrics,
            access_log,
            limits,
            trust,
            ids: AtomicU64::new(1),
        }
    }

    /// An id for a request and the session it may become, unique in this process.
    pub fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }
}
