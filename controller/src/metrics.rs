//! What the controller counts, as OpenMetrics.
//!
//! Labels come from enumerations only: their number is bounded by the code.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::compile::{Compiled, Outcome};
use crate::world::Kind;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Written {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    kind: &'static str,
    state: &'static str,
}

/// The controller's counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    leader: Gauge,
    statuses: Family<Written, Counter>,
    routes: Family<State, Gauge>,
    version: Gauge<u64, AtomicU64>,
    dataplanes: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("holdfast");
        let leader = Gauge::default();
        registry.register("leader", "1 on the replica that writes statuses", leader.clone());
        let statuses = Family::default();
        registry.register("status_updates", "Statuses written, by outcome", statuses.clone());
        let routes = Family::default();
        registry.register(
            "routes",
            "Ingresses and WebSocketRoutes that are ours, by state",
            routes.clone(),
        );
        let version = Gauge::default();
        registry.register(
            "config_generation",
            "Count of the table that was published last",
            version.clone(),
        );
        let dataplanes = Gauge::default();
        registry.register(
            "dataplanes_connected",
            "Data planes on the local channel",
            dataplanes.clone(),
        );
        Self {
            registry,
            leader,
            statuses,
            routes,
            version,
            dataplanes,
        }
    }
}

impl Metrics {
    /// Notes whether this replica writes.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Counts an attempt to write a status.
    pub fn status_written(&self, kind: Kind, result: &'static str) {
        let kind = kind.as_str();
        self.statuses.get_or_create(&Written { kind, result }).inc();
    }

    /// Notes the states of what was compiled.
    pub fn compiled(&self, compiled: &Compiled) {
        const STATES: [&str; 4] = ["ready", "partial", "invalid", "conflicted"];
        let mut ingresses = [0; STATES.len()];
        let mut routes = ingresses;
        for (key, status) in compiled.statuses.iter() {
            let state = if status.accepted != Outcome::Holds {
                2
            } else if status.conflicted.is_some() {
                3
            } else if status.partially_invalid.is_some() || status.resolved_refs != Outcome::Holds {
                1
            } else {
                0
            };
            match key.kind {
                Kind::Ingress => ingresses[state] += 1,
                _ => routes[state] += 1,
            }
        }
        for (kind, counts) in [(Kind::Ingress, ingresses), (Kind::WebSocketRoute, routes)] {
            for (state, count) in STATES.into_iter().zip(counts) {
                let kind = kind.as_str();
                self.routes.get_or_create(&State { kind, state }).set(count);
            }
        }
    }

    /// Notes which table is the newest.
    pub fn published(&self, number: u64) {
        self.version.set(number);
    }

    /// Notes how many data planes are connected.
    pub fn connected(&self, dataplanes: usize) {
        self.dataplanes.set(i64::try_from(dataplanes).unwrap_or(i64::MAX));
    }

    /// All of it, as OpenMetrics text.
    pub fn page(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_was_noted() {
        let metrics = Metrics::default();
        metrics.leads(true);
        metrics.status_written(Kind::Ingress, "written");
        metrics.compiled(&Compiled::default());
        let page = metrics.page();
        for line in [
            "holdfast_leader 1",
            "holdfast_status_updates_total{kind=\"Ingress\",result=\"written\"} 1",
            "holdfast_routes{kind=\"WebSocketRoute\",state=\"ready\"} 0",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }
}
