//! Sessions as they begin and end.

use std::sync::atomic::Ordering;

use super::Metrics;
use super::series::{BackendKey, CloseLabels};
use crate::session::{EndedBy, Outcome, ProxyCause};
use crate::snapshot::{EndpointSlot, RouteEntry};
use crate::tunnel::SessionEnd;

impl Metrics {
    /// A backend's 101 went to the client. To be followed by one [`session_ended`](Self::session_ended).
    pub fn session_started(&self, route: &RouteEntry, slot: &EndpointSlot) {
        self.sessions_active.fetch_add(1, Ordering::Relaxed);
        self.sessions_begun.fetch_add(1, Ordering::Relaxed);
        self.route(Some(route)).sessions.begin(backend(slot));
    }

    /// A session is over.
    pub fn session_ended<C>(&self, route: &RouteEntry, slot: &EndpointSlot, end: &SessionEnd<C>) {
        self.sessions_active.fetch_sub(1, Ordering::Relaxed);
        let series = self.route(Some(route));
        series.session_duration.observe(end.duration.as_secs_f64());
        for (total, traffic) in series.bytes.iter().zip([end.from_client, end.from_upstream]) {
            total.fetch_add(traffic.bytes, Ordering::Relaxed);
        }
        series.sessions.end(backend(slot), close_labels(end));
        if let Some(scope) = drain_scope(end.ended_by) {
            let forced = end.outcome == Outcome::DeadlineForced;
            self.drained
                .add([scope, if forced { "forced" } else { "graceful" }]);
        }
    }

    /// Sessions that stand now, and those begun since the start.
    pub fn sessions(&self) -> (u64, u64) {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.sessions_active), read(&self.sessions_begun))
    }
}

/// Of which drain the end was a part.
fn drain_scope(ended_by: EndedBy) -> Option<&'static str> {
    match ended_by {
        EndedBy::Proxy(ProxyCause::Shutdown) => Some("pod"),
        EndedBy::Proxy(ProxyCause::EndpointRemoved) => Some("endpoint"),
        EndedBy::Proxy(ProxyCause::RouteRemoved) => Some("route"),
        EndedBy::Proxy(ProxyCause::Command) => Some("command"),
        EndedBy::Proxy(_) | EndedBy::Client | EndedBy::Upstream => None,
    }
}

fn backend(slot: &EndpointSlot) -> BackendKey {
    [slot.namespace.clone(), slot.service.clone()]
}

fn close_labels<C>(end: &SessionEnd<C>) -> CloseLabels {
    let (code, reason) = match end.ended_by {
        EndedBy::Client => (end.codes.from_client, end.outcome.as_str()),
        EndedBy::Upstream => (end.codes.from_upstream, end.outcome.as_str()),
        EndedBy::Proxy(cause) => (end.codes.to_client, cause.as_str()),
    };
    [end.ended_by.as_str(), code_class(code), reason]
}

/// RFC 6455 section 7.4, in classes. 1005 is a Close without a code; no Close at all is abnormal.
fn code_class(code: Option<u16>) -> &'static str {
    match code {
        Some(1000 | 1005) => "normal",
        Some(1001 | 1012 | 1013) => "going_away",
        Some(3000..=4999) => "app",
        Some(_) => "error",
        None => "abnormal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_class() {
        for (code, class) in [
            (Some(1000), "normal"),
            (Some(1005), "normal"),
            (Some(1012), "going_away"),
            (Some(1011), "error"),
            (Some(4001), "app"),
            (None, "abnormal"),
        ] {
            assert_eq!(code_class(code), class, "{code:?}");
        }
    }
}
