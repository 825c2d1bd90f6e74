//! Counters of the data plane, in OpenMetrics text.
//!
//! Called once per request, handshake or session, never per message. The series of a route or
//! backend hang on its snapshot entry, so that counting looks nothing up; they are given out until
//! some time after the last entry of that name is gone.

mod counted;
mod encode;
mod process;
mod sample;
mod series;
mod session;
mod tls;
mod worker;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::histogram::Histogram;

pub(crate) use self::encode::CONTENT_TYPE;
pub use self::sample::Sample;
pub use self::series::{BackendSeries, RouteSeries};
use self::series::{Book, Counts, latency};
pub use self::tls::TlsFailure;
pub use self::worker::WorkerReport;
use crate::error::Reason;
use crate::snapshot::{EndpointSlot, RouteEntry};
use crate::wall_clock;

/// All counters; shared by the workers.
#[derive(Debug)]
pub struct Metrics {
    routes: Book<RouteSeries>,
    backends: Book<BackendSeries>,
    /// What no route took.
    unrouted: Arc<RouteSeries>,
    accept_errors: AtomicU64,
    refused: Counts<&'static str>,
    tls_handshakes: Histogram,
    tls_failures: Counts<TlsFailure>,
    sessions_active: AtomicU64,
    sessions_begun: AtomicU64,
    drained: Counts<[&'static str; 2]>,
    pushes: [AtomicU64; PushResult::ALL.len()],
    apply: Histogram,
    last_push: Mutex<Option<SystemTime>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let routes = Book::default();
        Self {
            unrouted: routes.get([String::new(), String::new(), String::new()]),
            routes,
            backends: Book::default(),
            accept_errors: AtomicU64::new(0),
            refused: Counts::default(),
            tls_handshakes: latency(),
            tls_failures: Counts::default(),
            sessions_active: AtomicU64::new(0),
            sessions_begun: AtomicU64::new(0),
            drained: Counts::default(),
            pushes: Default::default(),
            apply: latency(),
            last_push: Mutex::new(None),
        }
    }
}

impl Metrics {
    /// A plain request was answered, by a backend or (with a reason) by us.
    pub fn request(&self, route: Option<&RouteEntry>, status: u16, reason: Option<Reason>, took: Duration) {
        let series = self.route(route);
        series.requests.add((status, reason));
        series.request_duration.observe(took.as_secs_f64());
    }

    /// An upgrade attempt was answered, by a backend or (with a reason) by us.
    pub fn handshake(&self, route: Option<&RouteEntry>, status: u16, reason: Option<Reason>, took: Duration) {
        let series = self.route(route);
        series.handshakes.add((status, reason));
        if status == http::StatusCode::SWITCHING_PROTOCOLS {
            series.handshake_duration.observe(took.as_secs_f64());
        }
    }

    /// A connection to an endpoint stands.
    pub fn upstream_connected(&self, slot: &EndpointSlot, took: Duration) {
        self.backend(slot).connect_duration.observe(took.as_secs_f64());
    }

    /// An endpoint could not be connected, or broke its answer.
    pub fn upstream_failed(&self, slot: &EndpointSlot, reason: Reason) {
        self.backend(slot).failures.add(reason);
    }

    /// A request goes to another endpoint.
    pub fn retried(&self, slot: &EndpointSlot, reason: Reason) {
        self.backend(slot).retries.add(reason);
    }

    /// A connection could not be taken off a listener.
    pub fn accept_failed(&self) {
        self.accept_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was closed unheard.
    pub fn connection_refused(&self, why: &'static str) {
        self.refused.add(why);
    }

    /// A table, or a change of it, was dealt with.
    pub fn config_push(&self, result: PushResult, took: Duration) {
        self.pushes[result as usize].fetch_add(1, Ordering::Relaxed);
        if matches!(result, PushResult::Applied | PushResult::Partial) {
            self.apply.observe(took.as_secs_f64());
            *self.last_push.lock().unwrap_or_else(PoisonError::into_inner) = Some(wall_clock::now());
        }
    }

    fn route<'a>(&'a self, entry: Option<&'a RouteEntry>) -> &'a RouteSeries {
        let Some(entry) = entry else { return &self.unrouted };
        entry.series.get_or_init(|| {
            let source = &entry.route.source;
            self.routes.get([
                source.namespace.clone(),
                source.name.clone(),
                entry.route.rule.clone(),
            ])
        })
    }

    fn backend<'a>(&'a self, slot: &'a EndpointSlot) -> &'a BackendSeries {
        slot.series
            .get_or_init(|| self.backends.get([slot.namespace.clone(), slot.service.clone()]))
    }
}

/// What became of something that the controller sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushResult {
    /// All of it serves.
    Applied,
    /// All but some items serves.
    Partial,
    /// It did not fit what we have.
    Resync,
    /// It must not serve.
    Refused,
}

impl PushResult {
    const ALL: [Self; 4] = [Self::Applied, Self::Partial, Self::Resync, Self::Refused];

    fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Partial => "partial",
            Self::Resync => "resync",
            Self::Refused => "refused",
        }
    }
}

#[cfg(test)]
mod tests;
