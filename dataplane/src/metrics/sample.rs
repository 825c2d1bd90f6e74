//! What is read at the time of a scrape rather than counted on the way.

use std::collections::BTreeMap;
use std::fmt::Result;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use routetable::EndpointState;

use super::WorkerReport;
use super::counted::backend;
use super::encode::Page;
use crate::control::ChannelStatus;
use crate::snapshot::{EndpointSlot, Snapshot};
use crate::tunnel::{Totals, Traffic};

/// The state at one moment.
#[derive(Debug)]
pub struct Sample {
    /// The table that serves.
    pub snapshot: Arc<Snapshot>,
    /// The channel to the controller.
    pub channel: ChannelStatus,
    /// What each worker carries; `None` for one that did not answer.
    pub workers: Vec<Option<WorkerReport>>,
    /// Sessions that stand.
    pub sessions: u64,
    /// This process is on its way out.
    pub draining: bool,
    /// Access records that were lost.
    pub access_log_dropped: u64,
}

impl Collector for Sample {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result {
        let mut page = Page(encoder);
        self.config(&mut page)?;
        self.endpoints(&mut page)?;
        self.workers(&mut page)?;
        self.drain(&mut page)?;
        page.lone_counter(
            "access_log_dropped",
            "Access records that the log's reader was too slow for",
            &self.access_log_dropped,
        )?;
        page.gauge(
            "build_info",
            "Which release this is",
            [([("version", env!("CARGO_PKG_VERSION"))], 1_i64)],
        )
    }
}

impl Sample {
    fn config(&self, page: &mut Page<'_>) -> Result {
        let process = [("process", "dataplane")];
        let version = self.channel.version;
        page.gauge(
            "config_generation",
            "Version of the table that serves, counted by the controller's run",
            version.map(|version| (process, version.number)),
        )?;
        let hash = [
            ("process", "dataplane".to_owned()),
            ("hash", format!("{:016x}", self.channel.digest.0)),
        ];
        page.gauge(
            "config_hash_info",
            "Digest of the table that serves",
            version.map(|_| (hash, 1_i64)),
        )?;
        page.gauge(
            "config_failing_items",
            "Resources of the table that can't serve; their last good version does",
            [(process, self.channel.failing.len() as u64)],
        )?;
        page.lone_gauge(
            "controller_connected",
            "Whether the controller is connected",
            &u64::from(self.channel.connected),
        )
    }

    fn workers(&self, page: &mut Page<'_>) -> Result {
        let reports = self.workers.iter().enumerate();
        let reports: Vec<_> = reports
            .filter_map(|(index, report)| Some((index.to_string(), (*report)?)))
            .collect();
        let each = |value: fn(&WorkerReport) -> u64| {
            reports
                .iter()
                .map(move |(index, report)| ([("worker", index.as_str())], value(report)))
        };
        page.gauge(
            "worker_connections",
            "Client connections, sessions included",
            each(|r| r.connections as u64),
        )?;
        page.gauge(
            "worker_handshakes",
            "Upgrade handshakes under way",
            each(|r| r.handshakes as u64),
        )?;
        page.gauge("worker_sessions", "Sessions", each(|r| r.sessions as u64))?;
        let buffers: u64 = reports.iter().map(|(_, report)| report.buffer_bytes as u64).sum();
        page.lone_gauge(
            "buffer_bytes",
            "Memory of the sessions' buffers, lent and free",
            &buffers,
        )?;
        let cut = reports
            .iter()
            .map(|(_, report)| report.totals.cut_by_config)
            .sum::<u64>();
        page.lone_counter(
            "sessions_cut_by_config",
            "Sessions that a change ended although they stood, or without their Close; must stay 0",
            &cut,
        )?;
        let directions = |value: fn(&Traffic) -> u64| {
            reports.iter().flat_map(move |(index, report)| {
                let Totals {
                    from_client,
                    from_upstream,
                    ..
                } = &report.totals;
                [("to_upstream", from_client), ("to_client", from_upstream)].map(|(direction, traffic)| {
                    (
                        [("worker", index.as_str()), ("direction", direction)],
                        value(traffic),
                    )
                })
            })
        };
        page.counter(
            "worker_bytes",
            "Bytes of sessions, live ones included",
            directions(|t| t.bytes),
        )?;
        page.counter(
            "worker_messages",
            "Messages of sessions, live ones included",
            directions(|t| t.messages),
        )
    }

    fn drain(&self, page: &mut Page<'_>) -> Result {
        let scope = [("scope", "pod")];
        page.gauge(
            "drain_active",
            "Whether a drain is under way",
            [(scope, u64::from(self.draining))],
        )?;
        let remaining = if self.draining { self.sessions } else { 0 };
        page.gauge(
            "drain_connections_remaining",
            "Sessions that a drain has still to end",
            [(scope, remaining)],
        )
    }

    /// Endpoints by state, over all ports of a Service, each address once per port.
    fn endpoints(&self, page: &mut Page<'_>) -> Result {
        let mut services: BTreeMap<(&str, &str), Vec<&EndpointSlot>> = BTreeMap::new();
        for slot in self.snapshot.slots() {
            services
                .entry((&slot.namespace, &slot.service))
                .or_default()
                .push(slot);
        }
        let states = [
            ("ready", EndpointState::Ready),
            ("serving", EndpointState::Draining),
            ("not_ready", EndpointState::NotReady),
        ];
        let counts = services.iter().flat_map(|(&(namespace, name), slots)| {
            states.map(|(label, state)| {
                let count: usize = slots.iter().map(|slot| in_state(slot, state)).sum();
                ((backend(namespace, name), [("state", label)]), count as u64)
            })
        });
        page.gauge("backend_endpoints", "Endpoints by state", counts)?;
        let ratios = services
            .iter()
            .filter_map(|(&(namespace, name), slots)| Some((backend(namespace, name), imbalance(slots)?)));
        page.gauge(
            "backend_imbalance_ratio",
            "Work at the busiest ready endpoint over the mean; absent without work",
            ratios,
        )
    }
}

fn in_state(slot: &EndpointSlot, state: EndpointState) -> usize {
    slot.endpoints
        .load()
        .iter()
        .filter(|live| live.state == state)
        .count()
}

fn imbalance(slots: &[&EndpointSlot]) -> Option<f64> {
    let mut active = Vec::new();
    for slot in slots {
        let endpoints = slot.endpoints.load();
        let ready = endpoints.iter().filter(|live| live.state == EndpointState::Ready);
        active.extend(ready.map(|live| f64::from(live.endpoint.active())));
    }
    let sum: f64 = active.iter().sum();
    let max = active.iter().copied().fold(0.0, f64::max);
    (sum > 0.0).then(|| max * active.len() as f64 / sum)
}
