//! What operators load: rules, runbook, examples; against the real programs that read them.

mod alertmanager;
mod dashboards;
mod drawing;
mod examples;
pub mod files;
mod loopback;
mod names;
mod nights;
mod phases;
mod prometheus;
mod recording;
mod rules;
mod runbook;
mod shrink;
