//! Every query of every panel has data in every phase, but for those that are about what happens in some.

use super::super::dashboards::{Dashboard, fill, text};
use super::super::prometheus::Prometheus;
use super::{Phase, WINDOW};

/// A panel and a part of its query, and the phases in which the thing happens that it is about.
const EVENTS: [(&str, &str, &[&str]); 7] = [
    // A reason is there while a role fails; on the detail of `orders`, while that one does.
    ("Roles, worst first", "reason!=\"\"", &["failing", "near expiry", "restart"]),
    ("Agents, worst first", "reason!=\"\"", &["near expiry"]),
    ("Failed refreshes by reason", "", &["near expiry"]),
    ("Requests refused for who asks", "", &["failing"]),
    ("Throttled and repeated calls", "", &["healthy"]),
    ("File changes and reloads", "keyfob_file_events_total", &["healthy", "restart"]),
    ("File changes and reloads", "keyfob_file_reloads_total", &["restart"]),
];

pub fn every_query_answers(prometheus: &Prometheus, boards: &[Dashboard], phases: &[Phase]) {
    let (mut wrong, mut used) = (Vec::new(), [false; EVENTS.len()]);
    for board in boards {
        let answers = |expr: &str, phase: &Phase| {
            let role = if board.title().contains("Role") { "orders" } else { ".+" };
            let expr = fill(expr, &[WINDOW, ("role", role)]);
            let series = prometheus.query_range(&expr, phase.from, phase.to, 1.0);
            series.iter().any(|(_, points)| points.iter().any(|(_, value)| value.is_finite()))
        };
        for query in board.queries() {
            let title = text(query.panel, "title");
            let event =
                EVENTS.iter().position(|(panel, part, _)| *panel == title && query.expr.contains(part));
            used.iter_mut()
                .enumerate()
                .filter(|(at, _)| Some(*at) == event)
                .for_each(|(_, used)| *used = true);
            let due = |phase: &Phase| event.is_none_or(|at| EVENTS[at].2.contains(&phase.name));
            for phase in phases.iter().filter(|phase| due(phase) && !answers(query.expr, phase)) {
                wrong.push(format!("{} / {title}, {}: {}", board.title(), phase.name, query.expr));
            }
        }
        for (name, expr) in board.annotations() {
            if !phases.iter().any(|phase| answers(expr, phase)) {
                wrong.push(format!("{} / annotation {name}: {expr}", board.title()));
            }
        }
    }
    assert!(wrong.is_empty(), "without data:\n{}", wrong.join("\n"));
    assert!(used.iter().all(|used| *used), "an exception that nothing needs: {used:?}");
}
