//! A real Prometheus scrapes a real agent through good and bad times: every panel has something to show.

pub mod scene;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::dashboards::{Dashboard, fill, shipped};
use super::drawing;
use super::prometheus::{Prometheus, Setup, Target, now, poll};
use super::recording::record;
use scene::Scene;

/// How long anything may take that the agent does at once.
const SOON: Duration = Duration::from_secs(20);

/// The window of rates: Grafana would take four scrapes.
const WINDOW: (&str, &str) = ("__rate_interval", "15s");

/// A named stretch of time.
struct Phase {
    name: &'static str,
    from: f64,
    to: f64,
}

#[test]
fn every_panel_has_data_through_all_phases() {
    let mut scene = Scene::begin();
    let setup = Setup {
        targets: vec![Target::new(scene.admin(), "/metrics")],
        args: vec!["--enable-feature=exemplar-storage".to_owned()],
        ..Setup::default()
    };
    let Some(prometheus) = Prometheus::start(&setup) else { return };
    let start = now();
    std::thread::sleep(Duration::from_secs(45));
    let boards = shipped();
    drawing::draw("healthy", &boards[0], &record(&prometheus, &boards[0], start, &[WINDOW]));
    scene.life(420);
    scene.refresh("ingest");
    scene.deny(&["reports", "ingest"]);
    scene.drop_and_refresh("reports");
    scene.refresh("ingest");
    std::thread::sleep(Duration::from_secs(45));
    drawing::draw("failing", &boards[0], &record(&prometheus, &boards[0], start, &[WINDOW]));
    drawing::draw(
        "role",
        &boards[1],
        &record(&prometheus, &boards[1], start, &[WINDOW, ("role", "reports")]),
    );
}
