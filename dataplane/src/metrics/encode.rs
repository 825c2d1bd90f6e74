//! From counters to OpenMetrics text. Names and labels are those of the reference in the README.

use std::fmt::{Error, Result};
use std::sync::Arc;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, EncodeMetric, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::counted::Counted;
use super::process::Process;
use super::{Metrics, Sample};

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
        bare.register_collector(Box::new(Process));
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

    pub(super) fn histogram<'h, L: EncodeLabelSet>(
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
