//! Three nights of a fleet, an hour a minute: who is woken, how often, and with what sentence.
//!
//! Six hundred simulated agents answer with what a real agent answers, but for what the night does to them. A real
//! Prometheus has our rules and a real Alertmanager our example, both shrunk; what the Alertmanager sends is what
//! somebody would have been told.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::alertmanager::routes;
use super::files;
use super::loopback::Loopback;
use super::prometheus::{Alertmanager, Prometheus, Setup, Target, Targets, now, poll};
use super::shrink::{FACTOR, rule_files};
use crate::support::aws::FakeAws;
use crate::support::home::TempHome;
use crate::support::serving::Serving;

/// Agents of each night, in 20 namespaces.
const FLEET: usize = 200;

/// Minutes of the night at which it happens, and at which the outage is over.
const BEGINS: f64 = 15.0;
const OVER: f64 = BEGINS + 40.0;

/// When everybody has slept: what holds back what has ended, and what comes late, is through.
const MORNING: f64 = OVER + 25.0;

/// Minutes of the nights, which begin when the whole fleet is in sight.
#[derive(Clone, Default)]
struct Sky {
    began: Arc<OnceLock<f64>>,
}

impl Sky {
    fn began(&self) -> f64 {
        self.began.get().copied().unwrap_or_else(now)
    }

    fn minute(&self) -> f64 {
        (now() - self.began()) * f64::from(FACTOR) / 60.0
    }

    /// A minute of the night as Prometheus counts.
    fn stamp(&self, minute: f64) -> f64 {
        self.began() + minute * 60.0 / f64::from(FACTOR)
    }
}

/// How an agent's only role stands.
struct Role {
    /// Minutes of the night.
    process: f64,
    last_success: Option<f64>,
    expires: Option<f64>,
    next: f64,
    failures: u32,
    reason: &'static str,
}

/// Failures in a row after that many seconds: pauses double from the first to the longest.
fn failures(seconds: f64, first: f64, longest: f64) -> u32 {
    let (mut at, mut pause, mut count) = (0.0, first, 0);
    while at <= seconds {
        count += 1;
        at += pause;
        pause = f64::min(pause * 2.0, longest);
    }
    count
}

/// Between 0 and 1, spread evenly over the fleet.
fn share(number: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let share = (number * 73 % FLEET) as f64 / FLEET as f64;
    share
}

/// Credentials of an hour, renewed when twenty minutes of it are left, the fleet spread evenly over the cycle.
fn healthy(number: usize, minute: f64) -> Role {
    let cycle = 40.0;
    let phase = share(number) * cycle;
    let last_success = ((minute - phase) / cycle).floor() * cycle + phase;
    Role {
        process: -600.0,
        last_success: Some(last_success),
        expires: Some(last_success + 60.0),
        next: last_success + cycle,
        failures: 0,
        reason: "",
    }
}

/// A role's trust policy is wrong: the agent ends after the minute that `startup.deadline` gives it, and is started
/// again after pauses that double up to five minutes. Nothing while it is down.
fn crash_loop(minute: f64) -> Option<Role> {
    let (mut began, mut pause) = (BEGINS, 10.0 / 60.0);
    while minute >= began + 1.0 + pause {
        began += 1.0 + pause;
        pause = f64::min(pause * 2.0, 5.0);
    }
    (began..began + 1.0).contains(&minute).then(|| Role {
        process: began,
        last_success: None,
        expires: None,
        next: minute + 0.1,
        failures: failures((minute - began) * 60.0, 5.0, 300.0),
        reason: "WI-TRUST",
    })
}

/// A machine from an image that has keyfob, where nobody set anything up.
fn unconfigured(minute: f64) -> Role {
    let failures = failures((minute - BEGINS) * 60.0, 5.0, 300.0);
    Role {
        process: BEGINS,
        last_success: None,
        expires: None,
        next: minute + 1.0,
        failures,
        reason: "KF-NOTHING",
    }
}

/// Whoever has to renew while STS answers with errors asks again every minute, and is well within one after it.
fn without_sts(number: usize, minute: f64) -> Role {
    let due = healthy(number, BEGINS).next;
    let well = OVER + share(number);
    if minute < due || due >= OVER || minute >= well {
        // The cycle goes on from where it was; that nobody is late for it any more is all that counts here.
        let mut role = healthy(number, minute);
        if minute >= well && due < OVER {
            role.last_success = Some(f64::max(well, role.last_success.unwrap()));
            role.expires = role.last_success.map(|at| at + 60.0);
            role.next = minute + 10.0;
        }
        return role;
    }
    Role {
        failures: failures((minute - due) * 60.0, 1.0, 60.0),
        reason: "AWS-5XX",
        next: minute + 1.0,
        ..healthy(number, BEGINS)
    }
}

/// What a real agent says, cut down to what rules read, with the places where a simulated one differs left out.
struct Template {
    lines: Vec<String>,
}

impl Template {
    /// From an agent whose instance role works.
    fn of_a_real_agent() -> Template {
        let (aws, home) = (FakeAws::spawn_thread(), TempHome::new());
        let run = home.path().join("run");
        std::fs::create_dir_all(&run).unwrap();
        let mut env = home.env();
        env.push(("RUNTIME_DIRECTORY".to_owned(), run.display().to_string()));
        env.extend(aws.env());
        let agent = Serving::start(&[], env);
        let text = poll(Duration::from_secs(20), "the agent has credentials", || {
            let text = agent.admin("/metrics").body;
            text.contains("keyfob_credentials_available{role=\"default\"} 1").then_some(text)
        });
        let read: String = files::rules().iter().map(|rule| rule.expr.clone()).collect();
        let kept = text.lines().filter(|line| {
            let name = line.split(['{', ' ']).next().unwrap();
            !line.starts_with('#') && read.contains(name) && !OWN.contains(&name)
        });
        let lines: Vec<_> = kept.map(str::to_owned).collect();
        assert!(
            lines.iter().any(|line| line.starts_with("keyfob_role_required{role=\"default\"} 1")),
            "{text}"
        );
        Template { lines }
    }

    fn page(&self, sky: &Sky, role: &Role) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        let mut say = |name: &str, labels: &str, value: f64| _ = writeln!(text, "{name}{labels} {value}");
        let default = "{role=\"default\"}";
        let minute = sky.minute();
        let available = role.expires.is_some_and(|at| at > minute);
        say("process_start_time_seconds", "", sky.stamp(role.process));
        say("keyfob_runtime_heartbeat_timestamp_seconds", "", now());
        say("keyfob_credentials_available", default, f64::from(u8::from(available)));
        say("keyfob_refresh_consecutive_failures", default, f64::from(role.failures));
        say("keyfob_refresh_next_timestamp_seconds", default, sky.stamp(role.next));
        if let (Some(success), Some(expires)) = (role.last_success, role.expires) {
            say("keyfob_refresh_last_success_timestamp_seconds", default, sky.stamp(success));
            say("keyfob_credentials_expiration_timestamp_seconds", default, sky.stamp(expires));
            let life = sky.stamp(expires) - sky.stamp(success);
            say("keyfob_credentials_lifetime_seconds", default, life);
        }
        // An application asks once in a while.
        let asked = if role.last_success.is_some() { (minute / 5.0).floor() + 100.0 } else { 0.0 };
        say("keyfob_http_requests_total", "{handler=\"credentials\",role=\"default\",code=\"200\"}", asked);
        say("keyfob_http_requests_total", "{handler=\"credentials\",role=\"default\",code=\"503\"}", 0.0);
        for (trigger, count) in
            [("startup", 1.min(role.failures)), ("retry", role.failures.saturating_sub(1))]
        {
            if role.failures > 0 {
                let reason = role.reason;
                let labels = format!(
                    "{{role=\"default\",trigger=\"{trigger}\",outcome=\"failure\",reason=\"{reason}\"}}"
                );
                say("keyfob_refreshes_total", &labels, f64::from(count));
            }
        }
        text
    }
}

/// What the night says itself, so that nothing stands twice.
const OWN: [&str; 10] = [
    "process_start_time_seconds",
    "keyfob_runtime_heartbeat_timestamp_seconds",
    "keyfob_credentials_available",
    "keyfob_refresh_consecutive_failures",
    "keyfob_refresh_next_timestamp_seconds",
    "keyfob_refresh_last_success_timestamp_seconds",
    "keyfob_credentials_expiration_timestamp_seconds",
    "keyfob_credentials_lifetime_seconds",
    "keyfob_refreshes_total",
    "keyfob_http_requests_total",
];

/// `/metrics/NIGHT/NUMBER`
fn answer(template: &Template, sky: &Sky, path: &str) -> Option<String> {
    let (night, number) = path.strip_prefix("/metrics/")?.split_once('/')?;
    let (number, minute): (usize, _) = (number.parse().ok()?, sky.minute());
    let role = match (night, number) {
        ("a", 0) => crash_loop(minute)?,
        ("a", _) => healthy(number, minute),
        ("b", _) if minute < BEGINS => return None,
        ("b", _) => unconfigured(minute),
        ("c", _) => without_sts(number, minute),
        _ => return None,
    };
    Some(template.page(sky, &role))
}

fn pods(targets: &Targets, night: &str, cluster: &str) -> Vec<Target> {
    let pod = |number: usize| {
        targets
            .target(&format!("/metrics/{night}/{number}"))
            .label("cluster", cluster)
            .label("namespace", &format!("team-{}", number % 20))
            .label("pod", &format!("web-{number}"))
            .label("instance", &format!("10.{night}.0.{number}:5398"))
    };
    (0..FLEET).map(pod).collect()
}

fn machines(targets: &Targets, night: &str) -> Vec<Target> {
    let machine = |number: usize| {
        targets
            .target(&format!("/metrics/{night}/{number}"))
            .label("instance", &format!("vm-{number}.example.com:5398"))
    };
    (0..FLEET).map(machine).collect()
}

/// What somebody was told.
#[derive(Clone, Debug)]
struct Told {
    minute: f64,
    receiver: String,
    status: String,
    cluster: String,
    alerts: usize,
    names: Vec<String>,
    sentence: String,
    /// The first alert's.
    description: String,
}

fn told(minute: f64, path: &str, body: &str) -> Told {
    let body: Value = serde_json::from_str(body).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let alerts = body["alerts"].as_array().unwrap();
    let mut names: Vec<_> = alerts.iter().map(|alert| text(&alert["labels"]["alertname"])).collect();
    names.sort();
    names.dedup();
    Told {
        minute,
        receiver: path.trim_start_matches('/').to_owned(),
        status: text(&body["status"]),
        cluster: text(&body["groupLabels"]["cluster"]),
        alerts: alerts.len(),
        names,
        sentence: text(&body["commonAnnotations"]["summary"]),
        description: text(&alerts[0]["annotations"]["description"]),
    }
}

/// What was told of a place's alerts at one of its ends.
fn by(told: &[Told], cluster: &str, receiver: &str) -> Vec<Told> {
    let firing = told.iter().filter(|told| told.status == "firing");
    firing.filter(|told| told.cluster == cluster && told.receiver == receiver).cloned().collect()
}

/// One pod ends again and again on a bad role: nobody is woken, one ticket says why.
fn a_pod_that_ends_again_and_again_is_a_ticket(told: &[Told]) {
    assert_eq!(by(told, "us-1", "pager").len(), 0);
    let tickets = by(told, "us-1", "tickets");
    assert_eq!(tickets.len(), 1, "{tickets:#?}");
    assert_eq!((tickets[0].alerts, tickets[0].names.as_slice()), (1, &["KeyfobNeverReady".to_owned()][..]));
    assert!(tickets[0].sentence.contains("(WI-TRUST)"), "{tickets:?}");
    assert!(tickets[0].description.contains("pod web-0, namespace team-0"), "{tickets:?}");
}

/// Two hundred machines come up with nothing set up: nobody is woken, nobody has to do anything.
fn machines_that_nobody_set_up_are_a_note(told: &[Told]) {
    assert_eq!(by(told, "", "pager").len() + by(told, "", "tickets").len(), 0);
    let notes = by(told, "", "channel");
    assert_eq!(notes.len(), 1, "{notes:#?}");
    assert_eq!(
        (notes[0].alerts, notes[0].names.as_slice()),
        (FLEET, &["KeyfobNotConfigured".to_owned()][..])
    );
}

/// STS fails for forty minutes in the region of two hundred pods: one page, before anything has expired.
fn an_outage_of_sts_is_one_page(told: &[Told]) {
    let pages = by(told, "eu-1", "pager");
    assert_eq!(pages.len(), 1, "{pages:#?}");
    assert_eq!(
        (pages[0].alerts, pages[0].names.as_slice()),
        (1, &["KeyfobFleetResolutionFailing".to_owned()][..])
    );
    assert!(pages[0].sentence.contains("(AWS-5XX)"), "{pages:?}");
    assert_eq!(by(told, "eu-1", "tickets").len(), 0);
    let expiry = (0..FLEET).filter_map(|number| without_sts(number, BEGINS).expires);
    let first = expiry.fold(f64::INFINITY, f64::min);
    assert!(pages[0].minute < first, "paged at {}, the first expired at {first}", pages[0].minute);
}

#[test]
fn three_nights_and_who_is_woken() {
    let said: Arc<Mutex<Vec<Told>>> = Arc::default();
    let sky = Sky::default();
    let (hearing, watch) = (Arc::clone(&said), sky.clone());
    let receiver = Loopback::serve(move |path, body| {
        hearing.lock().unwrap().push(told(watch.minute(), path, body));
        Some(String::new())
    });
    let Some(alertmanager) = Alertmanager::start(&routes(receiver.address())) else { return };
    let template = Template::of_a_real_agent();
    let ours = sky.clone();
    let fleet = Targets::serve(move |path| answer(&template, &ours, path));
    let rules = tempfile::tempdir().unwrap();
    let setup = Setup {
        targets: [pods(&fleet, "a", "us-1"), machines(&fleet, "b"), pods(&fleet, "c", "eu-1")].concat(),
        rules: rule_files(rules.path()),
        alertmanager: Some(alertmanager.address()),
        // What is not scraped for five minutes is gone: seconds here.
        args: vec!["--query.lookback-delta=5s".to_owned()],
        ..Setup::default()
    };
    let Some(prometheus) = Prometheus::start(&setup) else { return };
    // All but the machines that are yet to be, and the pod that is.
    let pods = format!("count(up == 1) == {}", 2 * FLEET - 1);
    prometheus.until(Duration::from_secs(60), &pods, |rows| !rows.is_empty());
    sky.began.set(now()).unwrap();

    // The night takes as long as it takes: this waits for its end, not for luck.
    let end = Instant::now() + Duration::from_secs_f64(sky.stamp(MORNING) - now());
    while let left = end.saturating_duration_since(Instant::now())
        && !left.is_zero()
    {
        std::thread::sleep(left);
    }

    let told = said.lock().unwrap().clone();
    for told in &told {
        println!("{told:?}");
    }
    assert_eq!(prometheus.rule_errors(), [""; 0]);
    a_pod_that_ends_again_and_again_is_a_ticket(&told);
    machines_that_nobody_set_up_are_a_note(&told);
    an_outage_of_sts_is_one_page(&told);
    // It was no alarm about nothing: without help, half of the fleet was without credentials in the end.
    let lost = "max_over_time(sum(namespace:keyfob_lost_roles:count{cluster=\"eu-1\"})[2m:1s])";
    let lost = prometheus.query(lost)[0].1;
    assert!((60.0..=120.0).contains(&lost), "{lost} lost their credentials");

    let mut summary = BTreeMap::new();
    for told in told.iter().filter(|told| told.status == "firing") {
        let words = format!("minute {:.0}: {}", told.minute - BEGINS, told.sentence);
        summary.insert((told.receiver.clone(), told.cluster.clone()), words);
    }
    println!("{summary:#?}");
}
