//! From counters to OpenMetrics text. Names and labels are those of the reference in the README.

use std::fmt::{Error, Result};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, EncodeMetric, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::{Metrics, PushResult, Sample, process};

/// Media type of the text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Metrics {
    /// All metrics as text; `sample` holds what is read rather than counted.
    ///
    /// # Errors
    /// None in practice: the text goes to memory.
    pub fn encode(self: &Arc<Self>, sample: Sample) -> std::result::Result<String, Error> {
        let mut registry = Registry::with_prefix("holdfast");
        registry.register_collector(Box::new(Counted(Arc::clone(self))));
        registry.register_collector(Box::new(sample));
        let mut bare = Registry::default();
        bare.register_collector(Box::new(process::Process));
        let mut text = String::with_capacity(64 << 10);
        text::encode_registry(&mut text, &registry)?;
        text::encode_registry(&mut text, &bare)?;
        text::encode_eof(&mut text)?;
        Ok(text)
    }
}

/// One metric family after the other.
pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

impl Page<'_> {
    pub(super) fn counter<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, V)>,
    ) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in rows {
            family
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    pub(super) fn gauge<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, V)>,
    ) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// A counter without labels.
    pub(super) fn lone_counter(&mut self, name: &str, help: &str, value: &impl EncodeCounterValue) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, _, f64>(value, None)
    }

    /// A gauge without labels.
    pub(super) fn lone_gauge(&mut self, name: &str, help: &str, value: &impl EncodeGaugeValue) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        family.encode_gauge(value)
    }

    fn histogram<'h, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, &'h Histogram)>,
    ) -> Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, histogram) in rows {
            histogram.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Labels of a route.
fn route([namespace, name, rule]: &[String; 3]) -> [(&'static str, &str); 3] {
    [("route_namespace", namespace), ("route", name), ("rule", rule)]
}

/// Labels of a backend.
pub(super) fn backend<'a>(namespace: &'a str, name: &'a str) -> [(&'static str, &'a str); 2] {
    [("backend_namespace", namespace), ("backend", name)]
}

#[derive(Debug)]
struct Counted(Arc<Metrics>);

impl Collector for Counted {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result {
        let mut page = Page(encoder);
        self.routes(&mut page)?;
        self.backends(&mut page)?;
        self.process(&mut page)
    }
}

impl Counted {
    fn routes(&self, page: &mut Page<'_>) -> Result {
        let routes = self.0.routes.read(Instant::now());
        let requests = routes.iter().flat_map(|(key, series)| {
            let rows = series.requests.read().into_iter();
            rows.map(move |(code, count)| ((route(key), [("code", code.to_string())]), count))
        });
        page.counter("http_requests", "Requests other than upgrade attempts", requests)?;
        page.histogram(
            "http_request_duration_seconds",
            "From a request's head to the end of its answer, upgrade attempts left out",
            routes
                .iter()
                .map(|(key, series)| (route(key), &series.request_duration)),
        )?;
        let handshakes = routes.iter().flat_map(|(key, series)| {
            let rows = series.handshakes.read().into_iter();
            rows.map(move |((code, reason), count)| {
                let reason = reason.map_or("", |reason| reason.as_str());
                (
                    (
                        route(key),
                        [("code", code.to_string()), ("reason", reason.to_owned())],
                    ),
                    count,
                )
            })
        });
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
