//! The example of routes and inhibitions, in a real Alertmanager: who hears, how often, and what is held back.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::files;
use super::loopback::Loopback;
use super::prometheus::{Alertmanager, poll};
use super::shrink::shrunk;
use crate::support::raw;
use crate::support::run::Run;
use crate::support::tools::tool;

const BOUND: Duration = Duration::from_secs(20);

/// The example, with its receivers at this address and its hours in minutes.
pub fn routes(address: std::net::SocketAddr) -> String {
    let example = shrunk(files::yaml("alertmanager.example.yaml")).to_string();
    let ours = example.replace("https://alerts.example.com", &format!("http://{address}"));
    assert_eq!(ours.matches(&address.to_string()).count(), 3, "{ours}");
    ours
}

/// An alert as Prometheus would send it: `KeyfobDown cluster=eu-1 namespace=shop`, with its severity from the rules.
fn alert(text: &str) -> Value {
    let mut words = text.split(' ');
    let name = words.next().unwrap();
    let mut labels: serde_json::Map<_, _> = words
        .map(|word| word.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    labels.insert("alertname".to_owned(), name.into());
    let rule = files::alerts().into_iter().find(|rule| rule.name == name).unwrap();
    labels.entry("severity").or_insert_with(|| rule.severity().into());
    json!({ "labels": labels })
}

#[track_caller]
fn send(alertmanager: &Alertmanager, alerts: &[Value]) {
    let body = Value::from(alerts).to_string();
    let kind = [("Content-Type", "application/json")];
    let reply = raw::request(alertmanager.address(), "POST", "/api/v2/alerts", &kind, &body);
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[test]
fn amtool_finds_no_fault_with_the_example() {
    let Some(program) = tool("amtool") else { return };
    let example = files::path("alertmanager.example.yaml");
    let checked = Run::new(program).arg("check-config").arg(example).run().expect_code(0);
    assert!(checked.stdout.contains("5 inhibit rules"), "{checked:#?}");
}

#[test]
fn every_alert_that_the_example_names_is_one_and_every_severity_has_its_receiver() {
    let example = files::text("alertmanager.example.yaml");
    let words = example
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.len() > 6 && word.starts_with("Keyfob"));
    let named: BTreeSet<_> = words.map(str::to_owned).collect();
    let alerts: BTreeSet<_> = files::alerts().into_iter().map(|alert| alert.name).collect();
    assert!(named.len() > 5 && named.is_subset(&alerts), "{:?}", named.difference(&alerts));
    let Some(program) = tool("amtool") else { return };
    for (severity, receiver) in [("critical", "pager"), ("warning", "tickets"), ("info", "channel")] {
        let config = format!("--config.file={}", files::path("alertmanager.example.yaml").display());
        let labels = ["alertname=KeyfobDown".to_owned(), format!("severity={severity}")];
        let run = Run::new(&program).args(["config", "routes", "test"]).arg(config).args(labels);
        assert_eq!(run.run().expect_code(0).stdout.trim(), receiver);
    }
}

#[test]
fn two_hundred_agents_of_one_outage_are_one_notification() {
    let heard: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let hearing = Arc::clone(&heard);
    let receiver = Loopback::serve(move |path, body| {
        hearing.lock().unwrap().push((path.to_owned(), serde_json::from_str(body).unwrap()));
        Some(String::new())
    });
    let Some(alertmanager) = Alertmanager::start(&routes(receiver.address())) else { return };
    let late = |number| {
        alert(&format!(
            "KeyfobRefreshFailingLate cluster=eu-1 namespace=shop pod=web-{number} instance=10.0.0.{number}:5398 role=default"
        ))
    };
    let ticket = |number| {
        alert(&format!(
            "KeyfobNeverReady cluster=us-1 namespace=batch pod=job-{number} instance=10.1.0.{number}:5398 role=default \
             reason=WI-TRUST"
        ))
    };
    let alerts: Vec<_> = (0..200).flat_map(|number| [late(number), ticket(number)]).collect();
    send(&alertmanager, &alerts);
    poll(BOUND, "a page and a ticket", || (heard.lock().unwrap().len() >= 2).then_some(()));
    // Sent again, as Prometheus does while they last: the wait for what is new of the group passes twice, and nothing is.
    send(&alertmanager, &alerts);
    std::thread::sleep(Duration::from_secs(12));
    let mut heard: Vec<_> = heard
        .lock()
        .unwrap()
        .iter()
        .map(|(to, body)| (to.clone(), body["alerts"].as_array().unwrap().len()))
        .collect();
    heard.sort();
    assert_eq!(heard, [("/pager".to_owned(), 200), ("/tickets".to_owned(), 200)]);
}

#[test]
fn what_follows_from_a_page_is_held_back_and_nothing_else() {
    let receiver = Loopback::serve(|_, _| Some(String::new()));
    let Some(alertmanager) = Alertmanager::start(&routes(receiver.address())) else { return };
    let pod = |number: u32, namespace: &str, cluster: &str| {
        format!("cluster={cluster} namespace={namespace} pod=web-{number} instance=10.0.0.{number}:5398")
    };
    let (one, two, far) = (pod(1, "shop", "eu-1"), pod(2, "bank", "us-1"), pod(3, "bank", "ap-1"));
    // Whether it is held back; and the alert.
    let cases = [
        // A whole cluster fails for one reason.
        (false, "KeyfobFleetResolutionFailing cluster=eu-1 reason=AWS-5XX".to_owned()),
        (true, "KeyfobCredentialsUnavailable cluster=eu-1 namespace=shop".to_owned()),
        (true, "KeyfobFreshnessBudgetBurn cluster=eu-1 namespace=shop window=1h".to_owned()),
        (true, format!("KeyfobRefreshFailingLate {one} role=default")),
        (true, format!("KeyfobCredentialsExpiringSoon {one} role=default")),
        (true, format!("KeyfobRefreshFailing {one} role=default reason=AWS-5XX")),
        (true, format!("KeyfobNeverReady {one} role=default reason=AWS-5XX")),
        (false, format!("KeyfobNeverReady {one} role=other reason=WI-TRUST")),
        (false, "KeyfobDown cluster=eu-1 namespace=shop".to_owned()),
        // A namespace of another cluster has lost its credentials.
        (false, "KeyfobCredentialsUnavailable cluster=us-1 namespace=bank".to_owned()),
        (true, "KeyfobFreshnessBudgetBurn cluster=us-1 namespace=bank window=6h".to_owned()),
        (true, format!("KeyfobRefreshFailingLate {two} role=default")),
        (true, format!("KeyfobCredentialsExpiringSoon {two} role=default")),
        (false, "KeyfobFreshnessBudgetBurn cluster=us-1 namespace=other window=6h".to_owned()),
        // One role of a third is late, and its clock is off.
        (false, format!("KeyfobRefreshFailingLate {far} role=default")),
        (true, format!("KeyfobRefreshFailing {far} role=default reason=STS-DENIED")),
        (true, format!("KeyfobCredentialsExpiringSoon {far} role=default")),
        (false, format!("KeyfobRefreshFailing {far} role=other reason=STS-DENIED")),
        (false, format!("KeyfobClockSkew {far} severity=critical")),
        (true, format!("KeyfobClockSkew {far} severity=warning")),
        (false, format!("KeyfobClockSkew {two} severity=warning")),
        // Machines have none of these labels.
        (false, "KeyfobRefreshFailingLate instance=vm-1:5398 role=default".to_owned()),
        (true, "KeyfobRefreshFailing instance=vm-1:5398 role=default reason=IMDS-5XX".to_owned()),
        (false, "KeyfobRefreshFailing instance=vm-2:5398 role=default reason=IMDS-5XX".to_owned()),
    ];
    let alerts: Vec<_> = cases.iter().map(|(_, text)| alert(text)).collect();
    send(&alertmanager, &alerts);
    let held = poll(BOUND, "all alerts are there", || {
        Some(alertmanager.alerts()).filter(|all| all.len() == cases.len())
    });
    for ((wanted, text), sent) in cases.iter().zip(&alerts) {
        let found = held.iter().find(|held| held["labels"] == sent["labels"]).unwrap();
        let state = if *wanted { "suppressed" } else { "active" };
        assert_eq!(found["status"]["state"], state, "{text}");
    }
}
