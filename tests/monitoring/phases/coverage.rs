//! Every query of every panel, over the whole story: what has no data in a phase is listed here, with the reason.

use super::super::dashboards::{Dashboard, fill, text};
use super::super::prometheus::Prometheus;
use super::{Phase, WINDOW};

/// Panel, a part of its query, the phases in which it has data, and why not in others.
const ONLY: [(&str, &str, &[&str], &str); 0] = [];

pub fn every_query_answers(prometheus: &Prometheus, boards: &[Dashboard], phases: &[Phase]) {
    let mut wrong = Vec::new();
    for board in boards {
        let values: &[_] =
            if board.title().contains("Role") { &[WINDOW, ("role", "orders")] } else { &[WINDOW] };
        for query in board.queries() {
            let title = text(query.panel, "title");
            let only = ONLY.iter().find(|(panel, part, ..)| *panel == title && query.expr.contains(part));
            let expr = fill(query.expr, values);
            for phase in phases {
                let series = prometheus.query_range(&expr, phase.from, phase.to, 1.0);
                let some = series.iter().any(|(_, points)| points.iter().any(|(_, value)| value.is_finite()));
                let wanted = only.is_none_or(|(_, _, within, _)| within.contains(&phase.name));
                if some != wanted {
                    wrong.push(format!(
                        "{} / {title}, {}: {some}, wanted {wanted}: {expr}",
                        board.title(),
                        phase.name
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
