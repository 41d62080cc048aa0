//! The series of one metric, kept so that those of a role that is gone can be found and dropped.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use prometheus_client::encoding::{
    EncodeLabel, EncodeLabelSet, EncodeMetric, LabelSetEncoder, MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::{CounterWithExemplar, HistogramWithExemplars};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::names::{Kind, Name};
use crate::credentials::RoleName;
use crate::report::TraceId;

/// A gauge of any size.
pub(super) type Number = Gauge<f64, AtomicU64>;
/// A counter of what is no whole number.
pub(super) type Fraction = Counter<f64, AtomicU64>;
/// A counter that shows the trace of its last failure.
pub(super) type Traced = CounterWithExemplar<Trace>;
/// A histogram whose buckets show the trace of their last failure.
pub(super) type TracedSizes = HistogramWithExemplars<Trace>;

/// The trace that an exemplar names: 40 characters with its key, of 128 that there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trace(pub(super) TraceId);

impl EncodeLabelSet for Trace {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        ("trace_id", self.0.to_string()).encode(encoder.encode_label())
    }
}

/// The value of a label: from a closed set, or a configured role's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    /// A word of a closed set.
    Word(&'static str),
    /// A configured role.
    Role(RoleName),
    /// An HTTP status.
    Code(u16),
    /// An account or a principal, as a source named it: one a role at a time.
    Name(Box<str>),
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
        let family = Self::new(name, make);
        family.join(registry);
        family
    }

    /// A family without series that is not registered yet.
    fn new(name: &'static Name, make: fn() -> M) -> Self {
        Self { name, series: Arc::default(), make }
    }

    /// Registers the family under its name.
    fn join(&self, registry: &mut Registry) {
        // The encoder adds a counter's suffix itself.
        let plain = self.name.name.strip_suffix("_total").filter(|_| self.name.kind == Kind::Counter);
        registry.register(plain.unwrap_or(self.name.name), self.name.help, self.clone());
    }

    /// The series with these label values, made when missing; for whoever uses it often.
    pub(super) fn series(&self, values: &[Value]) -> M {
        let mut found = None;
        self.with(values, |metric| found = Some(metric.clone()));
        found.unwrap_or_else(self.make)
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
        of(&series, role).for_each(|(_, metric)| act(metric));
    }

    /// Drops every series whose first label has this value.
    pub(super) fn forget(&self, first: &Value) {
        let gone: Vec<Vec<Value>> = {
            let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
            of(&series, first).map(|(values, _)| values.clone()).collect()
        };
        if !gone.is_empty() {
            let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
            gone.iter().for_each(|values| drop(series.remove(values)));
        }
    }

    /// Drops the series with these label values.
    pub(super) fn remove(&self, values: &[Value]) {
        self.series.write().unwrap_or_else(PoisonError::into_inner).remove(values);
    }

    /// The words that the first label takes.
    pub(super) fn words(&self) -> Vec<&'static str> {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let word = |values: &Vec<Value>| match values.first() {
            Some(Value::Word(word)) => Some(*word),
            _ => None,
        };
        series.keys().filter_map(word).collect()
    }

    /// Drops every series that has this value anywhere.
    pub(super) fn purge(&self, value: &Value) {
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        series.retain(|values, _| !values.contains(value));
    }
}

/// The series whose first label has this value: they stand together.
fn of<'a, M>(
    series: &'a BTreeMap<Vec<Value>, M>,
    first: &'a Value,
) -> impl Iterator<Item = (&'a Vec<Value>, &'a M)> {
    let from = Bound::Included(std::slice::from_ref(first));
    let ahead = series.range::<[Value], _>((from, Bound::Unbounded));
    ahead.take_while(move |(values, _)| values.first() == Some(first))
}

impl Family<Number> {
    /// Shows a number.
    pub(super) fn set(&self, values: &[Value], number: f64) {
        self.with(values, |gauge| _ = gauge.set(number));
    }

    /// Shows 1 or 0.
    pub(super) fn flag(&self, values: &[Value], on: bool) {
        self.set(values, f64::from(u8::from(on)));
    }

    /// Shows a role's number, or no series at all.
    pub(super) fn show(&self, role: &Value, number: Option<f64>) {
        match number {
            Some(number) => self.set(std::slice::from_ref(role), number),
            None => self.forget(role),
        }
    }
}

impl Family<Traced> {
    /// Counts one.
    pub(super) fn count(&self, values: &[Value], trace: Option<Trace>, at: SystemTime) {
        self.with(values, |counter| tick(counter, trace, at));
    }
}

/// Counts one; a trace replaces the one that is shown.
pub(super) fn tick(counter: &Traced, trace: Option<Trace>, at: SystemTime) {
    match trace {
        Some(trace) => _ = counter.inc_by(1, Some(trace), Some(at)),
        None => _ = counter.inner().fetch_add(1, Ordering::Relaxed),
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
        for (key, value) in self.names.iter().zip(self.values) {
            let label = encoder.encode_label();
            match value {
                Value::Word(word) => (*key, *word).encode(label)?,
                Value::Role(role) => (*key, role.as_str()).encode(label)?,
                Value::Name(name) => (*key, &**name).encode(label)?,
                Value::Code(code) => (*key, u32::from(*code)).encode(label)?,
            }
        }
        Ok(())
    }
}
