//! A real Prometheus scrapes a real agent through good and bad times: every panel has something to show.

mod looking;
pub mod scene;

use std::time::Duration;

use serde_json::Value;

use super::dashboards::{fill, shipped};
use super::drawing;
use super::prometheus::{Prometheus, Setup, Target, now, poll};
use super::recording::record;
use crate::support::run::Run;
use crate::support::tools::tool;
use scene::Scene;

/// How long anything may take that needs a walk, a scrape and an evaluation.
const SOON: Duration = Duration::from_secs(45);

/// The window of rates: Grafana takes four scrapes at least.
const WINDOW: (&str, &str) = ("__rate_interval", "15s");

/// A named stretch of time.
#[derive(Debug)]
struct Phase {
    name: &'static str,
    from: f64,
    to: f64,
}

/// The story so far.
struct Story {
    scene: Scene,
    prometheus: Prometheus,
    phases: Vec<Phase>,
}

impl Story {
    fn begin() -> Option<Story> {
        let scene = Scene::begin();
        let setup = Setup {
            targets: vec![Target::new(scene.admin(), "/metrics")],
            rules: scene.rules(),
            args: vec!["--enable-feature=exemplar-storage".to_owned()],
            ..Setup::default()
        };
        let prometheus = Prometheus::start(&setup)?;
        Some(Story { scene, prometheus, phases: Vec::new() })
    }

    fn phase(&mut self, name: &'static str, act: impl FnOnce(&mut Scene, &Prometheus)) {
        let from = now();
        act(&mut self.scene, &self.prometheus);
        self.phases.push(Phase { name, from, to: now() });
    }

    fn start(&self) -> f64 {
        self.phases[0].from
    }
}

/// Until an alert of this name fires, with this role where one is named.
#[track_caller]
fn fires(prometheus: &Prometheus, name: &str, role: Option<&str>) {
    poll(SOON, &format!("{name} fires"), || firing(prometheus, name, role).then_some(()));
}

/// Until no alert of this name fires any more.
#[track_caller]
fn resolves(prometheus: &Prometheus, name: &str) {
    poll(SOON, &format!("{name} resolves"), || (!firing(prometheus, name, None)).then_some(()));
}

fn firing(prometheus: &Prometheus, name: &str, role: Option<&str>) -> bool {
    let alerts = prometheus.alerts();
    alerts.iter().any(|alert| {
        alert.name() == name
            && alert.state == "firing"
            && role.is_none_or(|role| alert.labels.get("role").is_some_and(|is| is == role))
    })
}

fn healthy(_: &mut Scene, prometheus: &Prometheus) {
    std::thread::sleep(Duration::from_secs(45));
    let loud: Vec<_> = prometheus.alerts().into_iter().filter(|alert| alert.state == "firing").collect();
    assert!(loud.is_empty(), "{loud:?}");
}

fn failing(scene: &mut Scene, prometheus: &Prometheus) {
    scene.life(420);
    scene.refresh("ingest");
    scene.life(3600);
    scene.deny(&["reports", "ingest"]);
    scene.drop_and_refresh("reports");
    scene.refresh("ingest");
    scene.intruder(true);
    scene.insist(&["billing", "orders", "reports", "ingest"]);
    std::thread::sleep(Duration::from_secs(45));
}

fn recovering(scene: &mut Scene, prometheus: &Prometheus) {
    scene.deny(&[]);
    scene.intruder(false);
    scene.insist(&["billing", "orders"]);
    scene.refresh("reports");
    scene.refresh("ingest");
    std::thread::sleep(Duration::from_secs(20));
}

#[test]
fn every_panel_has_data_through_all_phases() {
    let Some(mut story) = Story::begin() else { return };
    let boards = shipped();
    story.phase("healthy", healthy);
    let seen = drawing::draw("overview-healthy", &boards[0], &record(&story.prometheus, &boards[0], story.start(), &[WINDOW]));
    seen.inspect(|seen| looking::healthy(seen));
    story.phase("failing", failing);
    let seen = drawing::draw("overview-failing", &boards[0], &record(&story.prometheus, &boards[0], story.start(), &[WINDOW]));
    seen.inspect(|seen| looking::failing(seen));
    let role = [WINDOW, ("role", "reports")];
    drawing::draw("role-failing", &boards[1], &record(&story.prometheus, &boards[1], story.start(), &role));
    story.phase("recovering", recovering);
}
