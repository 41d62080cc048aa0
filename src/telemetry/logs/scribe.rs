//! Takes down what is said through `tracing`: ours as loud as configured, everybody else's from warnings on.

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Event, Metadata};

use super::line::Line;
use super::{AUDIT, is_ours};
use crate::clock::Clock;
use crate::config::LogLevel;

/// Where AWS's client says that it found no connection to close.
const POISONING: &str = "aws_smithy_runtime::client::http::connection_poisoning";

/// Makes a line of every event that is wanted. Spans are of no interest: a walk's are made from its report.
pub(in crate::telemetry) struct Scribe<W> {
    ours: LevelFilter,
    clock: Clock,
    write: W,
}

impl<W> Scribe<W> {
    /// Lines go to `write`, which must not block.
    pub(in crate::telemetry) fn new(level: LogLevel, clock: Clock, write: W) -> Self {
        let ours = match level {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        };
        Self { ours, clock, write }
    }

    fn wants(&self, about: &Metadata<'_>) -> bool {
        let most = match about.target() {
            // Whoever asks for an audit log gets it, however quiet the rest is.
            AUDIT => LevelFilter::INFO,
            target if is_ours(target) => self.ours,
            // At each 5xx AWS's client misses a pool of connections, which our HTTP client has not: no news to anybody.
            POISONING => LevelFilter::OFF,
            _ => self.ours.min(LevelFilter::WARN),
        };
        !about.is_span() && *about.level() <= most
    }
}

impl<W: Fn(Line) + Send + Sync + 'static> Subscriber for Scribe<W> {
    fn register_callsite(&self, about: &'static Metadata<'static>) -> Interest {
        if self.wants(about) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, about: &Metadata<'_>) -> bool {
        self.wants(about)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.ours.max(LevelFilter::INFO))
    }

    fn event(&self, event: &Event<'_>) {
        (self.write)(Line::of(event, self.clock.now()));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
