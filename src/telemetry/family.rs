//! The series of one metric, kept so that those of a role that is gone can be found and dropped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::{
    EncodeLabel, EncodeLabelSet, EncodeMetric, LabelSetEncoder, MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::names::{Kind, Name};
use crate::credentials::RoleName;

/// The value of a label: from a closed set, or a configured role's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    /// A word of a closed set.
    Word(&'static str),
    /// A configured role.
    Role(RoleName),
    /// An HTTP status.
    Code(u16),
}

impl From<&'static str> for Value {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}

/// The series of one metric, by the values of its labels. Cheap to clone; clones share the series.
#[derive(Debug)]
pub(super) struct Family<M> {
    name: &'static Name,
    series: Arc<RwLock<BTreeMap<Vec<Value>, M>>>,
    make: fn() -> M,
}

impl<M> Clone for Family<M> {
    fn clone(&self) -> Self {
        Self { name: self.name, series: Arc::clone(&self.series), make: self.make }
    }
}

impl<M: Clone + EncodeMetric + fmt::Debug + Send + Sync + 'static> Family<M> {
    /// A family without series, registered under its name.
    pub(super) fn register(registry: &mut Registry, name: &'static Name, make: fn() -> M) -> Self {
        let family = Self { name, series: Arc::default(), make };
        // The encoder adds a counter's suffix itself.
        let plain = name.name.strip_suffix("_total").filter(|_| name.kind == Kind::Counter);
        registry.register(plain.unwrap_or(name.name), name.help, family.clone());
        family
    }

    /// Does something to the series with these label values, which is made when missing.
    pub(super) fn with(&self, values: &[Value], act: impl FnOnce(&M)) {
        debug_assert_eq!(values.len(), self.name.labels.len(), "{}", self.name.name);
        if let Some(metric) = self.series.read().unwrap_or_else(PoisonError::into_inner).get(values) {
            return act(metric);
        }
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        act(series.entry(values.to_vec()).or_insert_with(self.make));
    }

    /// Makes the series, at its first value.
    pub(super) fn touch(&self, values: &[Value]) {
        self.with(values, |_| {});
    }

    /// Does something to every series of a role.
    pub(super) fn each_of(&self, role: &Value, act: impl Fn(&M)) {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        series.iter().filter(|(values, _)| values.contains(role)).for_each(|(_, metric)| act(metric));
    }

    /// Drops every series of a role.
    pub(super) fn forget(&self, role: &Value) {
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        series.retain(|values, _| !values.contains(role));
    }
}

impl<M: EncodeMetric> EncodeMetric for Family<M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if self.name.labels.is_empty() {
            // Braces around nothing would be written otherwise.
            return series.values().next().map_or(Ok(()), |metric| metric.encode(encoder));
        }
        for (values, metric) in series.iter() {
            let labels = Labels { names: self.name.labels, values };
            metric.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        match self.name.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        }
    }
}

#[derive(Debug)]
struct Labels<'a> {
    names: &'static [&'static str],
    values: &'a [Value],
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for (name, value) in self.names.iter().zip(self.values) {
            let label = encoder.encode_label();
            match value {
                Value::Word(word) => (*name, *word).encode(label)?,
                Value::Role(role) => (*name, role.as_str()).encode(label)?,
                Value::Code(code) => (*name, u32::from(*code)).encode(label)?,
            }
        }
        Ok(())
    }
}
