//! What was counted on the way, in the order of the reference in the README.

use std::fmt::Result;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::time::Instant;

use super::encode::Page;
use super::series::{BackendKey, BackendSessions, Counts};
use super::{Metrics, PushResult};
use crate::error::Reason;

/// Names and values.
type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// Labels of a route.
fn route([namespace, name, rule]: &[String; 3]) -> Labels<'_, 3> {
    [("route_namespace", namespace), ("route", name), ("rule", rule)]
}

/// Labels of an answer on a route.
type Answer<'a> = (Labels<'a, 3>, [(&'static str, String); 2]);

/// Rows by status and reason.
fn answers<'a>(
    key: &'a [String; 3],
    counts: &Counts<(u16, Option<Reason>)>,
) -> impl Iterator<Item = (Answer<'a>, u64)> {
    let rows = counts.read().into_iter();
    rows.map(move |((code, reason), count)| {
        let reason = reason.map_or("", |reason| reason.as_str());
        let answer = [("code", code.to_string()), ("reason", reason.to_owned())];
        ((route(key), answer), count)
    })
}

/// A route, a backend, and the sessions between them.
type Pair<'a> = (&'a [String; 3], BackendKey, BackendSessions);

fn pair_labels<'a>((key, service, _): &'a Pair<'_>) -> (Labels<'a, 3>, Labels<'a, 2>) {
    (route(key), backend(&service[0], &service[1]))
}

/// Labels of a backend.
pub(super) fn backend<'a>(namespace: &'a str, name: &'a str) -> Labels<'a, 2> {
    [("backend_namespace", namespace), ("backend", name)]
}

#[derive(Debug)]
pub(super) struct Counted(pub(super) Arc<Metrics>);

impl Collector for Counted {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result {
        let mut page = Page(encoder);
        self.routes(&mut page)?;
        self.sessions(&mut page)?;
        self.backends(&mut page)?;
        self.process(&mut page)
    }
}

impl Counted {
    fn routes(&self, page: &mut Page<'_>) -> Result {
        let routes = self.0.routes.read(Instant::now());
        let requests = routes
            .iter()
            .flat_map(|(key, series)| answers(key, &series.requests));
        page.counter(
            "http_requests",
            "Requests other than upgrade attempts; the reason is empty where the backend answered",
            requests,
        )?;
        page.histogram(
            "http_request_duration_seconds",
            "From a request's head to the end of its answer, upgrade attempts left out",
            routes
                .iter()
                .map(|(key, series)| (route(key), &series.request_duration)),
        )?;
        let handshakes = routes
            .iter()
            .flat_map(|(key, series)| answers(key, &series.handshakes));
        page.counter(
            "handshakes",
            "Upgrade attempts; the reason is empty where the backend answered",
            handshakes,
        )?;
        page.histogram(
            "handshake_duration_seconds",
            "From an upgrade's head to the 101",
            routes
                .iter()
                .map(|(key, series)| (route(key), &series.handshake_duration)),
        )
    }

    fn sessions(&self, page: &mut Page<'_>) -> Result {
        let mut routes = self.0.routes.read(Instant::now());
        // No session without a route.
        routes.retain(|([_, name, _], _)| !name.is_empty());
        let pairs: Vec<Pair<'_>> = routes
            .iter()
            .flat_map(|(key, series)| {
                series
                    .sessions
                    .read()
                    .into_iter()
                    .map(move |(backend, s)| (key, backend, s))
            })
            .collect();
        let active = pairs.iter().map(|pair| (pair_labels(pair), pair.2.active));
        page.gauge("connections_active", "Sessions that stand", active)?;
        let begun = pairs.iter().map(|pair| (pair_labels(pair), pair.2.begun));
        page.counter("connections", "Sessions whose 101 was relayed", begun)?;
        let closed = pairs.iter().flat_map(|pair| {
            pair.2.closed.iter().map(|([initiator, class, reason], count)| {
                let how = [
                    ("initiator", *initiator),
                    ("code_class", *class),
                    ("reason", *reason),
                ];
                ((pair_labels(pair), how), *count)
            })
        });
        page.counter(
            "connections_closed",
            "Sessions that ended, by who began it and how",
            closed,
        )?;
        page.histogram(
            "connection_duration_seconds",
            "From a session's 101 to its end",
            routes
                .iter()
                .map(|(key, series)| (route(key), &series.session_duration)),
        )?;
        let bytes = routes.iter().flat_map(|(key, series)| {
            let directions = ["to_upstream", "to_client"].into_iter().zip(&series.bytes);
            directions.map(move |(direction, bytes)| {
                (
                    (route(key), [("direction", direction)]),
                    bytes.load(Ordering::Relaxed),
                )
            })
        });
        page.counter("bytes", "Bytes of sessions, counted when they end", bytes)?;
        let drained = self.0.drained.read().into_iter();
        page.counter(
            "drain_closed",
            "Sessions that a drain ended, politely or at its deadline",
            drained.map(|([scope, outcome], count)| ([("scope", scope), ("outcome", outcome)], count)),
        )
    }

    fn backends(&self, page: &mut Page<'_>) -> Result {
        let backends = self.0.backends.read(Instant::now());
        let labels = |key: &'_ [String; 2]| -> [(&'static str, String); 2] {
            [("backend_namespace", key[0].clone()), ("backend", key[1].clone())]
        };
        page.histogram(
            "upstream_connect_duration_seconds",
            "Until a connection to an endpoint stood",
            backends
                .iter()
                .map(|(key, series)| (labels(key), &series.connect_duration)),
        )?;
        let failures = backends.iter().flat_map(|(key, series)| {
            let rows = series.failures.read().into_iter();
            rows.map(move |(reason, count)| ((labels(key), [("reason", reason.as_str())]), count))
        });
        page.counter(
            "upstream_failures",
            "Endpoints that could not be connected or broke their answer",
            failures,
        )?;
        let retries = backends.iter().flat_map(|(key, series)| {
            let rows = series.retries.read().into_iter();
            rows.map(move |(reason, count)| ((labels(key), [("reason", reason.as_str())]), count))
        });
        page.counter("retries", "Requests that went to another endpoint", retries)
    }

    fn process(&self, page: &mut Page<'_>) -> Result {
        let metrics = &self.0;
        page.lone_counter(
            "accept_errors",
            "Connections that could not be taken off a listener",
            &metrics.accept_errors.load(Ordering::Relaxed),
        )?;
        let refused = metrics.refused.read().into_iter();
        page.counter(
            "connections_refused",
            "Client connections that were closed unheard",
            refused.map(|(why, count)| ([("reason", why)], count)),
        )?;
        page.histogram(
            "tls_handshake_duration_seconds",
            "TLS handshakes with clients that came to their end",
            [([] as Labels<'_, 0>, &metrics.tls_handshakes)],
        )?;
        let failures = metrics.tls_failures.read().into_iter();
        let failures = failures.map(|(failure, count)| ([("reason", failure.as_str())], count));
        page.counter(
            "tls_handshake_failures",
            "TLS handshakes with clients that came to nothing",
            failures,
        )?;
        let pushes = PushResult::ALL.map(|result| {
            let count = metrics.pushes[result as usize].load(Ordering::Relaxed);
            ([("process", "dataplane"), ("result", result.as_str())], count)
        });
        page.counter(
            "config_push",
            "Tables and changes that the controller sent, by what became of them",
            pushes,
        )?;
        page.histogram(
            "config_apply_duration_seconds",
            "From a whole table or change to its serving in every worker",
            [([("process", "dataplane")], &metrics.apply)],
        )?;
        let last = *metrics.last_push.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        page.gauge(
            "config_last_push_success_timestamp_seconds",
            "When a table or change last began to serve",
            last.map(|time| ([("process", "dataplane")], time.as_secs_f64())),
        )
    }
}
