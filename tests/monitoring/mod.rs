//! What operators load: rules, runbook, examples; against the real programs that read them.

mod dashboards;
mod drawing;
mod loopback;
mod phases;
mod prometheus;
mod recording;
