//! The real OpenTelemetry collector: what it is sent it passes on, as JSON, to a sink.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use super::sink::{Manner, Sink};
use crate::support::home::TempHome;
use crate::support::run::Run;
use crate::support::running::Running;
use crate::support::tools::tool;

const START: Duration = Duration::from_secs(20);

/// A collector; ended when dropped.
pub struct Collector {
    pub addr: SocketAddr,
    pub sink: Sink,
    pub process: Running,
    home: TempHome,
}

impl Collector {
    /// One that takes OTLP over plain HTTP; none where there is no collector to be had.
    pub fn start() -> Option<Collector> {
        Collector::with_tls("")
    }

    /// The same with these lines of YAML, indented by ten, in its receiver.
    pub fn with_tls(tls: &str) -> Option<Collector> {
        let program = tool("otelcol")?;
        let (sink, home) = (Sink::open(Manner::Takes), TempHome::new());
        // Between the look for a free port and the collector's own bind somebody else may be quicker.
        for _ in 0..3 {
            let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            home.write("collector.yaml", &config(addr, &sink, tls));
            if let Some(process) = launch(&program, &home) {
                return Some(Collector { addr, sink, process, home });
            }
        }
        panic!("the collector does not start");
    }

    /// Starts another one in the place of one that has ended.
    pub fn again(&mut self) {
        self.process = launch(&tool("otelcol").unwrap(), &self.home).unwrap();
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

fn launch(program: &Path, home: &TempHome) -> Option<Running> {
    let config = format!("file:{}", home.path().join("collector.yaml").display());
    let process = Running::start(&Run::new(program).args(["--config", &config]).envs(home.env()));
    process.stderr.says(START, "Everything is ready").then_some(process)
}

fn config(addr: SocketAddr, sink: &Sink, tls: &str) -> String {
    format!(
        "receivers:\n  otlp:\n    protocols:\n      http:\n        endpoint: {addr}\n{tls}\
         exporters:\n  otlp_http:\n    endpoint: {}\n    encoding: json\n    compression: none\n\
         service:\n  pipelines:\n    traces:\n      receivers: [otlp]\n      exporters: [otlp_http]\n",
        sink.url()
    )
}
