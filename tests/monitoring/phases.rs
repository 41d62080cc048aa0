//! A real Prometheus scrapes a real agent through good and bad times: every panel has something to show.

mod coverage;
mod looking;
mod scene;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::dashboards::{Dashboard, fill, shipped};
use super::drawing;
use super::files;
use super::prometheus::{Alert, Prometheus, Setup, Target, now, poll};
use super::recording::record;
use super::shrink;
use crate::support::run::Run;
use crate::support::tools::tool;
use scene::{ROLES, Scene};

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
    fn begin(rules: Vec<PathBuf>) -> Option<Story> {
        let scene = Scene::begin();
        let setup = Setup {
            targets: vec![Target::new(scene.admin(), "/metrics")],
            rules,
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

    /// What a dashboard would show now.
    fn answers(&self, board: &Dashboard, values: &[(&str, &str)]) -> Value {
        record(&self.prometheus, board, self.start(), values, &alerts(&self.prometheus))
    }

    fn start(&self) -> f64 {
        self.phases[0].from
    }
}

/// But for one: a heart beats every 5 seconds, however short an hour is.
fn alerts(prometheus: &Prometheus) -> Vec<Alert> {
    let all = prometheus.alerts().into_iter();
    all.filter(|alert| alert.name() != "KeyfobHeartbeatStale").collect()
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
    alerts(prometheus).iter().any(|alert| {
        alert.name() == name
            && alert.state == "firing"
            && role.is_none_or(|role| alert.labels.get("role").is_some_and(|is| is == role))
    })
}

fn healthy(scene: &mut Scene, prometheus: &Prometheus) {
    std::thread::sleep(Duration::from_secs(15));
    // Somebody edits a file, and AWS asks to slow down for a moment. A kind of change that is new is a series that
    // begins at 1: only the next one is an increase.
    for note in ["a first note", "a second note"] {
        scene.edit_credentials(note);
        scene.aws.sts().set(|sts| sts.throttle_next = 1);
        std::thread::sleep(Duration::from_secs(12));
    }
    std::thread::sleep(Duration::from_secs(8));
    let loud: Vec<_> = alerts(prometheus).into_iter().filter(|alert| alert.state == "firing").collect();
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
    fires(prometheus, "KeyfobCredentialsUnavailable", None);
    fires(prometheus, "KeyfobRefreshFailing", Some("reports"));
    fires(prometheus, "KeyfobRefreshFailing", Some("ingest"));
    fires(prometheus, "KeyfobFreshnessBudgetBurn", None);
    fires(prometheus, "KeyfobAuthRejections", None);
    std::thread::sleep(Duration::from_secs(15));
}

fn recovering(scene: &mut Scene, prometheus: &Prometheus) {
    scene.deny(&[]);
    scene.intruder(false);
    scene.insist(&["billing", "orders"]);
    scene.refresh("reports");
    scene.refresh("ingest");
    for name in ["CredentialsUnavailable", "RefreshFailing", "AuthRejections"] {
        resolves(prometheus, &format!("Keyfob{name}"));
    }
    std::thread::sleep(Duration::from_secs(15));
}

fn near_expiry(scene: &mut Scene, prometheus: &Prometheus) {
    scene.insist(&["billing"]);
    scene.life(60);
    scene.refresh("orders");
    scene.life(3600);
    scene.deny(&["orders"]);
    scene.insist(&["billing", "orders"]);
    let bound = Duration::from_secs(75);
    poll(bound, "late", || firing(prometheus, "KeyfobRefreshFailingLate", Some("orders")).then_some(()));
    fires(prometheus, "KeyfobCredentialsExpiringSoon", Some("orders"));
    fires(prometheus, "KeyfobCredentialsUnavailable", None);
    scene.deny(&[]);
    scene.refresh("orders");
    for name in ["RefreshFailingLate", "CredentialsExpiringSoon", "CredentialsUnavailable"] {
        resolves(prometheus, &format!("Keyfob{name}"));
    }
}

fn restarting(scene: &mut Scene, prometheus: &Prometheus) {
    scene.deny(&["audit"]);
    scene.configure(&["orders", "billing", "reports", "ingest", "audit"]);
    scene.restart();
    fires(prometheus, "KeyfobNeverReady", Some("audit"));
    scene.web_token(4);
    fires(prometheus, "KeyfobTokenFileExpiring", None);
    scene.misconfigure("once");
    fires(prometheus, "KeyfobConfigReloadFailed", None);
    scene.misconfigure("twice");
    scene.aws.set_skew(90);
    fires(prometheus, "KeyfobClockSkew", None);
    scene.aws.set_skew(0);
    scene.web_token(3600);
    scene.deny(&[]);
    scene.configure(&ROLES);
    for name in ["NeverReady", "TokenFileExpiring", "ConfigReloadFailed", "ClockSkew"] {
        resolves(prometheus, &format!("Keyfob{name}"));
    }
}

#[test]
fn every_panel_has_data_through_all_phases_and_alerts_fire_as_designed() {
    // Every hour of the rules takes a minute.
    let folder = tempfile::tempdir().unwrap();
    let Some(mut story) = Story::begin(shrink::rule_files(folder.path())) else { return };
    let boards = shipped();
    let [overview, detail] = &boards[..] else { panic!("{}", boards.len()) };
    let role = [WINDOW, ("role", "reports")];
    story.phase("healthy", healthy);
    let seen = drawing::draw("overview-healthy", overview, &story.answers(overview, &[WINDOW]));
    seen.inspect(|seen| looking::healthy(seen));
    story.phase("failing", failing);
    let seen = drawing::draw("overview-failing", overview, &story.answers(overview, &[WINDOW]));
    seen.inspect(|seen| looking::failing(seen));
    let seen = drawing::draw("role-failing", detail, &story.answers(detail, &role));
    seen.inspect(|seen| looking::role(seen));
    metrics_are_clean(&story);
    failures_lead_to_traces(&story, overview);
    story.phase("recovering", recovering);
    story.phase("near expiry", near_expiry);
    story.phase("restart", restarting);
    let errors = story.prometheus.rule_errors();
    assert!(errors.is_empty(), "{errors:?}");
    coverage::every_query_answers(&story.prometheus, &boards, &story.phases);
}

/// The alerts that need five minutes at most and an agent that can be brought to it. The others of that kind are about
/// an agent that does not keep its own schedule, lives on a source it must not have, or has lived on its credentials
/// for a quarter of an hour: they are tested on the shrunk copy, or with series made for them.
#[test]
fn the_quick_alerts_fire_and_resolve_at_their_real_durations() {
    let Some(story) = Story::begin(["rules.yaml", "alerts.yaml"].map(files::path).into()) else { return };
    let (scene, prometheus) = (&story.scene, &story.prometheus);
    prometheus.until(SOON, "keyfob_credentials_available == 1", |rows| rows.len() == ROLES.len());
    // A fifth of it is left for the alert, which waits for a minute.
    scene.life(380);
    scene.refresh("orders");
    scene.deny(&["orders"]);
    scene.web_token(290);
    scene.aws.set_skew(250);
    scene.misconfigure("once");
    let mut waiting = vec![
        "KeyfobClockSkew critical",
        "KeyfobClockSkew warning",
        "KeyfobConfigReloadFailed warning",
        "KeyfobCredentialsExpiringSoon warning",
        "KeyfobTokenFileExpiring warning",
    ];
    poll(Duration::from_secs(400), "all of them fire", || {
        let alerts = prometheus.alerts();
        let firing = alerts.iter().filter(|alert| alert.state == "firing");
        for alert in firing.map(|alert| format!("{} {}", alert.name(), alert.labels["severity"])) {
            waiting.retain(|one| *one != alert);
        }
        waiting.is_empty().then_some(())
    });
    scene.aws.set_skew(0);
    scene.web_token(3600);
    scene.deny(&[]);
    scene.life(3600);
    scene.configure(&ROLES);
    scene.insist(&ROLES);
    for name in ["ClockSkew", "ConfigReloadFailed", "CredentialsExpiringSoon", "TokenFileExpiring"] {
        resolves(prometheus, &format!("Keyfob{name}"));
    }
}

fn metrics_are_clean(story: &Story) {
    let Some(promtool) = tool("promtool") else { return };
    let text = story.scene.agent().admin("/metrics").body;
    let finished = Run::new(promtool).args(["check", "metrics"]).stdin(&text).run();
    assert_eq!((finished.code(), finished.stderr.as_str()), (Some(0), ""), "{}", finished.stdout);
}

/// The dots on the panel of failures, asked for with its own query as Grafana does: each with the id of a trace.
fn failures_lead_to_traces(story: &Story, overview: &Dashboard) {
    let queries = overview.queries();
    let failures = queries.iter().find(|query| query.panel["title"] == "Failed refreshes by reason").unwrap();
    let query = fill(failures.expr, &[WINDOW]);
    let (start, end) = (story.start().to_string(), now().to_string());
    let range = [("query", query.as_str()), ("start", &start), ("end", &end)];
    let found = story.prometheus.api("query_exemplars", &range);
    let series = found.as_array().unwrap().iter();
    let all: Vec<_> = series.flat_map(|series| series["exemplars"].as_array().unwrap().clone()).collect();
    let traced = all.iter().filter(|one| one["labels"]["trace_id"].as_str().is_some_and(|id| id.len() == 32));
    assert!(traced.count() > 0, "{found}");
}
