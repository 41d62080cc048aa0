//! Sends spans to a collector: one task, one batch at a time, patient with a collector that is unwell and for no longer
//! than a bound. What cannot be sent is counted; whether it works is said when that changes.

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::queue::Queue;
use super::resource::Resource;
use super::settings::Collector;
use super::span::Span;
use super::tally::{Loss, Tally};
use super::{LOG, console, wire};
use crate::clock::Clock;
use crate::config::env::Env;
use crate::http::{self, Answer, Ask, Broken, Client, Proxies, Step};
use crate::report::{Notes, SpanId};

/// From the beginning of the flush to its end.
const FLUSH: Duration = Duration::from_millis(950);

/// The first pause after a failure that may pass by itself, and the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Answers are empty, or say what was rejected.
const ANSWER: usize = 64 * 1024;

/// Where spans go.
#[derive(Debug)]
pub(super) enum Target {
    /// To stderr.
    Console,
    /// To a collector.
    Collector(Box<Sender>),
}

/// Takes spans from the queue to where they go.
#[derive(Debug)]
pub struct Exporter {
    queue: Arc<Queue>,
    target: Target,
    tally: Tally,
}

impl Exporter {
    pub(super) fn new(queue: Arc<Queue>, target: Target, tally: Tally) -> Self {
        Self { queue, target, tally }
    }

    /// Exports for ever; from the cancellation of `flushing` on, sends what is left and ends within a second.
    pub async fn run(self, flushing: CancellationToken) {
        let Self { queue, mut target, tally } = self;
        // Spans that are on their way just now, and those that missed the end.
        let (flying, late_ones) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = async {
            while let Some(batch) = queue.next(&flushing).await {
                flying.store(batch.len(), Ordering::Relaxed);
                match &mut target {
                    Target::Console => write(&batch, &tally),
                    Target::Collector(sender) => {
                        match sender.send(&batch, queue.patience(), &flushing).await {
                            Sent::TooLate => _ = late_ones.fetch_add(batch.len(), Ordering::Relaxed),
                            sent => sent.count(&batch, &tally),
                        }
                    }
                }
                flying.store(0, Ordering::Relaxed);
            }
        };
        let late = async {
            flushing.cancelled().await;
            tokio::time::sleep(FLUSH).await;
        };
        tokio::select! {
            () = work => {}
            () = late => {}
        }
        let lost = flying.into_inner() + late_ones.into_inner() + queue.len();
        tally.dropped(Loss::Shutdown, lost as u64);
        if lost > 0 {
            warn!(target: LOG, spans = lost, "traces were lost: the collector did not take them in time");
        }
    }
}

fn write(batch: &[Span], tally: &Tally) {
    let lines: String = batch.iter().map(|span| console::line(span) + "\n").collect();
    match std::io::stderr().lock().write_all(lines.as_bytes()) {
        Ok(()) => tally.exported(batch.len() as u64),
        Err(_) => tally.dropped(Loss::Refused, batch.len() as u64),
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// Taken, but for so many.
    But(u64),
    /// None of them.
    Lost(Loss),
    /// None of them, and the process ends.
    TooLate,
}

impl Sent {
    fn count(self, batch: &[Span], tally: &Tally) {
        let all = batch.len() as u64;
        match self {
            Self::But(rejected) => {
                tally.exported(all.saturating_sub(rejected));
                tally.dropped(Loss::Refused, rejected.min(all));
            }
            Self::Lost(why) => tally.dropped(why, all),
            Self::TooLate => tally.dropped(Loss::Shutdown, all),
        }
    }
}

/// How one try ended.
#[derive(Debug)]
enum Try {
    /// Taken, but for so many spans, for this reason.
    Taken(u64, String),
    /// Not now; the collector may say how long to wait.
    Later(String, Option<Duration>),
    /// Not at all.
    Refused(String, Loss),
}

/// The way to a collector, and how it was last.
#[derive(Debug)]
pub(super) struct Sender {
    collector: Collector,
    client: Client,
    resource: Resource,
    well: bool,
}

impl Sender {
    pub(super) fn new(collector: Collector, resource: Resource, clock: Clock, env: &Env) -> Self {
        let client = Client::new(clock);
        let host = http::bare_host(&collector.url);
        let near = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let client = if near { client } else { client.through(Proxies::from_env(env)) };
        let client = client.with(collector.certificates.clone());
        Self { collector, client, resource, well: true }
    }

    /// Sends a batch, again while it may help and there is time; in a hurry only once more.
    async fn send(&mut self, batch: &[Span], patience: Duration, hurry: &CancellationToken) -> Sent {
        let body = Bytes::from(wire::body(&self.resource, batch));
        let (end, mut pause) = (Instant::now() + patience, PAUSE);
        loop {
            let hurried = hurry.is_cancelled();
            let (trouble, told) = match self.once(body.clone(), end).await {
                Try::Taken(0, _) => {
                    self.recovered();
                    return Sent::But(0);
                }
                Try::Taken(rejected, why) => {
                    self.unwell(&format!("the collector rejected {rejected} spans: {why}"));
                    return Sent::But(rejected);
                }
                Try::Refused(why, loss) => {
                    self.unwell(&why);
                    return Sent::Lost(loss);
                }
                Try::Later(why, told) => (why, told),
            };
            self.unwell(&trouble);
            if hurried {
                return Sent::TooLate;
            }
            let left = end.saturating_duration_since(Instant::now());
            // Who names a time is not asked before, not even with the next batch.
            let wait = told.map_or_else(|| jittered(pause).min(left), |told| told.min(LONGEST_PAUSE));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = hurry.cancelled() => {}
            }
            if Instant::now() >= end {
                return Sent::Lost(Loss::Unreachable);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn once(&self, body: Bytes, end: Instant) -> Try {
        let patience = self.collector.timeout.min(end.saturating_duration_since(Instant::now()));
        match timeout(patience, self.post(body)).await {
            Err(_) => Try::Later(format!("no full answer in {patience:?}"), None),
            Ok(Ok(answer)) => judged(&answer),
            Ok(Err(broken)) if broken.may_pass() || broken.step == Step::Handshake => {
                Try::Later(broken.to_string(), None)
            }
            Ok(Err(broken)) => Try::Refused(broken.to_string(), Loss::Unreachable),
        }
    }

    async fn post(&self, body: Bytes) -> Result<Answer, Broken> {
        let patience = self.collector.timeout;
        let mut ask = Ask::get("otlp", "POST traces", self.collector.url.clone(), patience);
        ask.method = Method::POST;
        (ask.body, ask.limit) = (body, ANSWER);
        for (name, value) in &self.collector.headers {
            if let Ok(mut value) = HeaderValue::from_str(value.expose()) {
                value.set_sensitive(true);
                ask.headers.insert(name, value);
            }
        }
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        self.client.send(ask, &mut Notes::default()).await
    }

    fn recovered(&mut self) {
        if !std::mem::replace(&mut self.well, true) {
            info!(target: LOG, "traces are exported again");
        }
    }

    /// Told once, until it works again.
    fn unwell(&mut self, why: &str) {
        // Certificates may have been renewed meanwhile: the next try reads them anew.
        self.client = self.client.clone().with(self.collector.certificates.clone());
        let endpoint = http::shown(&self.collector.url);
        if std::mem::replace(&mut self.well, false) {
            warn!(target: LOG, endpoint, why, "traces cannot be exported; nothing else suffers from it");
        } else {
            debug!(target: LOG, endpoint, why, "traces still cannot be exported");
        }
    }
}

fn judged(answer: &Answer) -> Try {
    let said = || format!("the collector answered {}", answer.status);
    match answer.status {
        200..=299 => {
            let (rejected, why) = wire::rejected(&answer.body);
            Try::Taken(rejected, why.chars().take(200).collect())
        }
        429 | 502 | 503 | 504 => {
            let seconds = answer.header("retry-after").and_then(|value| value.trim().parse().ok());
            Try::Later(said(), seconds.map(Duration::from_secs))
        }
        _ => Try::Refused(said(), Loss::Refused),
    }
}

/// Up to a fifth more, so that a fleet does not come back all at once.
fn jittered(pause: Duration) -> Duration {
    let SpanId([chance, ..]) = SpanId::random();
    pause + pause.mul_f64(f64::from(chance) / 255.0 / 5.0)
}
