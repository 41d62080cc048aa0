//! What operators load: rules, runbook, examples; against the real programs that read them.

mod dashboards;
mod loopback;
mod prometheus;
