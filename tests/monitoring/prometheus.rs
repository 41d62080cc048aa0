//! A real Prometheus and a real Alertmanager on loopback, for as long as a test holds them.
//!
//! ```text
//! let fleet = Targets::serve(|path| Some(text_of_instance(path)));         // many instances, one port
//! let targets = vec![fleet.target("/metrics/17").label("namespace", "shop")];
//! let Some(prometheus) = Prometheus::start(&Setup { targets, rules, ..Setup::default() }) else { return };
//! let rows = prometheus.until(bound, "up == 1", |rows| rows.len() == 200);
//! ```
//!
//! A tool that is missing is a skip that is said and counted: `start` then gives nothing. Both programs listen on
//! free ports, keep their data in a folder of their own and end by TERM when dropped, or by themselves after ten
//! minutes when nobody is left to drop them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::loopback::Loopback;
use crate::support::raw;
use crate::support::run::{Run, which};
use crate::support::running::Running;
use crate::support::tools::tool;

/// How long either program may take until it answers.
const START: Duration = Duration::from_secs(30);

/// Seconds after which a program ends that nobody has ended.
const LIFE: &str = "600";

pub type Labels = BTreeMap<String, String>;

/// Asks until there is an answer; stops the test when the bound has passed.
#[track_caller]
pub fn poll<T>(bound: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < bound, "{what}: not within {bound:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Seconds since 1970, as Prometheus counts.
pub fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// One thing to scrape, under the job `keyfob`.
#[derive(Clone, Debug)]
pub struct Target {
    address: SocketAddr,
    path: String,
    labels: Labels,
}

impl Target {
    pub fn new(address: SocketAddr, path: &str) -> Target {
        Target { address, path: path.to_owned(), labels: Labels::new() }
    }

    /// Further labels, as a scrape configuration or the operator would set; `instance` replaces the address.
    pub fn label(mut self, name: &str, value: &str) -> Target {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    fn config(&self) -> Value {
        let mut labels = self.labels.clone();
        labels.insert("__metrics_path__".to_owned(), self.path.clone());
        json!({ "targets": [self.address.to_string()], "labels": labels })
    }
}

/// Simulated instances: what the function says for a path is what Prometheus scrapes there; nothing is a 404.
pub struct Targets {
    server: Loopback,
}

impl Targets {
    pub fn serve(page: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Targets {
        Targets { server: Loopback::serve(move |path, _| page(path)) }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub fn target(&self, path: &str) -> Target {
        Target::new(self.address(), path)
    }
}

/// What a Prometheus is started with.
pub struct Setup {
    pub targets: Vec<Target>,
    /// Files of rules, as they are.
    pub rules: Vec<PathBuf>,
    /// Between scrapes, and between evaluations.
    pub interval: Duration,
    pub alertmanager: Option<SocketAddr>,
    /// Further arguments: `--enable-feature=exemplar-storage`.
    pub args: Vec<String>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            targets: Vec::new(),
            rules: Vec::new(),
            interval: Duration::from_secs(1),
            alertmanager: None,
            args: Vec::new(),
        }
    }
}

impl Setup {
    // JSON is YAML as well.
    fn config(&self) -> Value {
        let interval = format!("{}ms", self.interval.as_millis());
        let targets: Vec<_> = self.targets.iter().map(Target::config).collect();
        let alertmanagers: Vec<_> = self.alertmanager.iter().map(ToString::to_string).collect();
        json!({
            "global": {
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "evaluation_interval": interval,
            },
            "rule_files": self.rules,
            "scrape_configs": [{ "job_name": "keyfob", "static_configs": targets }],
            "alerting": { "alertmanagers": [{ "static_configs": [{ "targets": alertmanagers }] }] },
        })
    }
}

/// An alert as Prometheus has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// `alertname` and `severity` among them.
    pub labels: Labels,
    pub annotations: Labels,
    /// `pending` or `firing`.
    pub state: String,
}

impl Alert {
    pub fn name(&self) -> &str {
        &self.labels["alertname"]
    }
}

/// A running Prometheus.
pub struct Prometheus {
    address: SocketAddr,
    process: Running,
    _dir: tempfile::TempDir,
}

impl Prometheus {
    /// Ready to be asked, or nothing where there is no Prometheus.
    #[track_caller]
    pub fn start(setup: &Setup) -> Option<Prometheus> {
        let program = tool("prometheus")?;
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("prometheus.yaml");
        std::fs::write(&config, setup.config().to_string()).unwrap();
        let run = bounded(&program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .args(&setup.args);
        let (process, address) = listening(&run);
        let prometheus = Prometheus { address, process, _dir: dir };
        poll(START, "Prometheus is ready", || {
            let ready = raw::get(address, "/-/ready", &[]).status == 200;
            assert!(ready || prometheus.process.wait(Duration::ZERO).is_none(), "{}", prometheus.log());
            ready.then_some(())
        });
        Some(prometheus)
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        self.process.stderr.text()
    }

    /// `data` of an answer of the HTTP API: `api("query_exemplars", &[("query", expr), …])`.
    #[track_caller]
    pub fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let mut query = String::new();
        for (name, value) in parameters {
            _ = write!(query, "{}{name}=", if query.is_empty() { '?' } else { '&' });
            for byte in value.bytes() {
                _ = match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => write!(query, "{}", char::from(byte)),
                    _ => write!(query, "%{byte:02X}"),
                };
            }
        }
        let reply = raw::get(self.address, &format!("/api/v1/{path}{query}"), &[]);
        let mut answer = reply.json();
        assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
        answer["data"].take()
    }

    /// An instant query, now. A scalar has no labels.
    #[track_caller]
    pub fn query(&self, expr: &str) -> Vec<(Labels, f64)> {
        self.query_at(expr, now())
    }

    #[track_caller]
    pub fn query_at(&self, expr: &str, time: f64) -> Vec<(Labels, f64)> {
        let data = self.api("query", &[("query", expr), ("time", &time.to_string())]);
        if data["resultType"] == "scalar" {
            return vec![(Labels::new(), sample(&data["result"]).1)];
        }
        let rows = data["result"].as_array().unwrap().iter();
        rows.map(|row| (labels(&row["metric"]), sample(&row["value"]).1)).collect()
    }

    /// Series over a time: labels, and (time, value) for each step that has one.
    #[track_caller]
    pub fn query_range(&self, expr: &str, from: f64, to: f64, step: f64) -> Vec<(Labels, Vec<(f64, f64)>)> {
        let (from, to, step) = (from.to_string(), to.to_string(), step.to_string());
        let data =
            self.api("query_range", &[("query", expr), ("start", &from), ("end", &to), ("step", &step)]);
        let rows = data["result"].as_array().unwrap().iter();
        let values = |row: &Value| row["values"].as_array().unwrap().iter().map(sample).collect();
        rows.map(|row| (labels(&row["metric"]), values(row))).collect()
    }

    /// Asks until the rows are as wanted.
    #[track_caller]
    pub fn until(
        &self,
        bound: Duration,
        expr: &str,
        wanted: impl Fn(&[(Labels, f64)]) -> bool,
    ) -> Vec<(Labels, f64)> {
        poll(bound, expr, || Some(self.query(expr)).filter(|rows| wanted(rows)))
    }

    /// Pending and firing.
    #[track_caller]
    pub fn alerts(&self) -> Vec<Alert> {
        let data = self.api("alerts", &[]);
        let alert = |alert: &Value| Alert {
            labels: labels(&alert["labels"]),
            annotations: labels(&alert["annotations"]),
            state: alert["state"].as_str().unwrap().to_owned(),
        };
        data["alerts"].as_array().unwrap().iter().map(alert).collect()
    }

    /// Rules that could not be evaluated, each with the error: a wrong match shows at run time only.
    #[track_caller]
    pub fn rule_errors(&self) -> Vec<String> {
        let data = self.api("rules", &[]);
        let groups = data["groups"].as_array().unwrap().iter();
        let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
        rules
            .filter(|rule| rule["health"] == "err")
            .map(|rule| format!("{}: {}", rule["name"], rule["lastError"]))
            .collect()
    }
}

/// A running Alertmanager.
pub struct Alertmanager {
    address: SocketAddr,
    _process: Running,
    _dir: tempfile::TempDir,
}

impl Alertmanager {
    /// With a configuration in YAML or JSON; nothing where there is no Alertmanager.
    #[track_caller]
    pub fn start(config: &str) -> Option<Alertmanager> {
        // Debian's name, then that of the release.
        let program = which("prometheus-alertmanager").or_else(|| tool("alertmanager"))?;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("alertmanager.yaml");
        std::fs::write(&file, config).unwrap();
        let run = bounded(&program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", dir.path().join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
        let (process, address) = listening(&run);
        poll(START, "Alertmanager is ready", || {
            (raw::get(address, "/-/ready", &[]).status == 200).then_some(())
        });
        Some(Alertmanager { address, _process: process, _dir: dir })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All that it holds: labels, annotations, and whether it is active or suppressed, and by what.
    #[track_caller]
    pub fn alerts(&self) -> Vec<Value> {
        let alerts = raw::get(self.address, "/api/v2/alerts", &[]).json();
        alerts.as_array().unwrap().clone()
    }
}

/// Ends by itself, even when the tests were killed.
fn bounded(program: &Path) -> Run {
    Run::new(which("timeout").unwrap()).args(["--kill-after=10", LIFE]).arg(program)
}

#[track_caller]
fn listening(run: &Run) -> (Running, SocketAddr) {
    let process = Running::start(run);
    let address = process.stderr.find(START, |line| {
        let (_, address) = line.split_once("msg=\"Listening on\" address=")?;
        address.split(' ').next()?.parse().ok()
    });
    let address = address.unwrap_or_else(|| panic!("it does not listen:\n{}", process.stderr.text()));
    (process, address)
}

fn labels(object: &Value) -> Labels {
    let pairs = object.as_object().unwrap().iter();
    pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

/// `[1700000000.5, "1"]`; infinite and not-a-number values are words that parse.
fn sample(pair: &Value) -> (f64, f64) {
    (pair[0].as_f64().unwrap(), pair[1].as_str().unwrap().parse().unwrap())
}

#[test]
fn simulated_instances_are_scraped_and_asked_about() {
    let fleet =
        Targets::serve(|path| Some(format!("thing{{number=\"{}\"}} 1\n", path.strip_prefix("/metrics/")?)));
    let target = |number: u32| fleet.target(&format!("/metrics/{number}")).label("instance", "i");
    let targets = (0..20).map(|number| target(number).label("namespace", "shop")).collect();
    let Some(prometheus) = Prometheus::start(&Setup { targets, ..Setup::default() }) else { return };
    let bound = Duration::from_secs(20);
    prometheus.until(bound, "thing{job=\"keyfob\", namespace=\"shop\"}", |rows| rows.len() == 20);
    assert_eq!(prometheus.query("scalar(count(thing))"), [(Labels::new(), 20.0)]);
    let series = prometheus.query_range("count(thing)", now() - 10.0, now(), 1.0);
    assert!(series[0].1.iter().any(|(_, value)| value.total_cmp(&20.0).is_eq()), "{series:?}");
    assert!(prometheus.alerts().is_empty() && prometheus.rule_errors().is_empty());
}
