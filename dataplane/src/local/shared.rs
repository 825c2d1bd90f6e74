//! What all workers share: the table, the books, and the bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;

use super::{Clients, Trust};
use crate::access_log::AccessLog;
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;
use crate::upstream::connect::Silence;
use crate::upstream::pool::PoolLimits;

/// Bounds of each worker.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Client connections and sessions at a time; more wait in the kernel's queue.
    pub max_connections: usize,
    /// Connections of one client address at a time, over all workers; more are closed.
    pub max_connections_per_client: Option<u32>,
    /// Upgrade handshakes under way at a time; more are refused.
    pub max_handshakes: usize,
    /// Time for a client to send a request's head.
    pub header_timeout: Duration,
    /// Time for a client to begin its next request. Longer than load balancers keep their idle
    /// connections, or they would send into our close.
    pub keepalive_timeout: Duration,
    /// Time for a client to take the next bytes of an answer.
    pub write_timeout: Duration,
    /// Bytes of a request's body that must come, on average, in each second that they are waited for.
    pub min_upload_rate: u32,
    /// Largest body of a request in bytes.
    pub max_body_size: Option<u64>,
    /// Largest head of a request or answer in bytes, at least 8,192.
    pub max_head_size: usize,
    /// Time for a client to finish its TLS handshake.
    pub tls_timeout: Duration,
    /// How long a peer's silence is borne.
    pub silence: Silence,
    /// HTTP/2 is taken from clients that begin with it on the plain port.
    pub h2c: bool,
    /// Sessions a second that are ended when their route or endpoint is removed, at most.
    pub removal_pace: u32,
    /// Idle connections to endpoints.
    pub pool: PoolLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 65_536,
            max_connections_per_client: None,
            max_handshakes: 1_024,
            header_timeout: Duration::from_secs(15),
            keepalive_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
            min_upload_rate: 100,
            max_body_size: None,
            max_head_size: 64 << 10,
            tls_timeout: Duration::from_secs(10),
            silence: Silence {
                keepalive: Duration::from_secs(60),
                user_timeout: None,
            },
            h2c: false,
            removal_pace: 100,
            pool: PoolLimits {
                idle_per_endpoint: 64,
                idle_age: Duration::from_secs(60),
            },
        }
    }
}

/// How clients are brought to TLS, and kept there.
#[derive(Clone, Debug)]
pub struct Secure {
    /// Port that redirects lead to.
    pub redirect_port: u16,
    /// Strict-Transport-Security for answers over TLS.
    pub hsts: Option<HeaderValue>,
}

impl Default for Secure {
    fn default() -> Self {
        Self {
            redirect_port: 443,
            hsts: None,
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
    /// The way to TLS.
    pub secure: Secure,
    /// The connections of each client.
    pub clients: Arc<Clients>,
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
        secure: Secure,
    ) -> Self {
        Self {
            snapshot,
            metrics,
            access_log,
            limits,
            trust,
            secure,
            clients: Clients::new(limits.max_connections_per_client),
            ids: AtomicU64::new(1),
        }
    }

    /// An id for a request and the session it may become, unique in this process.
    pub fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }
}
