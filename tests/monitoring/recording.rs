//! What Prometheus answers to the queries of a dashboard: checked as it is, and written down for the page that draws it.

use serde_json::{Value, json};

use super::dashboards::{Dashboard, fill, list, text};
use super::prometheus::{Alert, Prometheus, now};

/// Steps of a picture.
const STEPS: f64 = 240.0;

/// Every panel's answers over this time, in the order of its queries; with these alerts.
pub fn record(
    prometheus: &Prometheus,
    board: &Dashboard,
    from: f64,
    values: &[(&str, &str)],
    alerts: &[Alert],
) -> Value {
    let to = now();
    let step = ((to - from) / STEPS).max(1.0);
    let mut panels = serde_json::Map::new();
    for panel in board.panels() {
        let targets = list(panel, "targets").iter();
        let targets = targets.filter(|target| target["datasource"]["type"] == "prometheus");
        let answers: Vec<_> = targets
            .map(|target| {
                let expr = fill(text(target, "expr"), values);
                let data = if target["instant"] == true {
                    prometheus.api("query", &[("query", &expr), ("time", &to.to_string())])
                } else {
                    let times = [from, to, step].map(|time| time.to_string());
                    let [from, to, step] = times.each_ref().map(String::as_str);
                    let range = [("query", expr.as_str()), ("start", from), ("end", to), ("step", step)];
                    prometheus.api("query_range", &range)
                };
                json!({ "refId": target["refId"], "result": data["result"] })
            })
            .collect();
        panels.insert(panel["id"].to_string(), answers.into());
    }
    let alerts = alerts.iter().map(
        |alert| json!({ "labels": alert.labels, "annotations": alert.annotations, "state": alert.state }),
    );
    let alerts: Value = alerts.collect();
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
    let values = Value::Object(values.collect());
    json!({ "from": from, "to": to, "step": step, "panels": panels, "alerts": alerts, "values": values })
}
