//! What operators load: rules, runbook, examples; against the real programs that read them.

mod files;
mod loopback;
mod nights;
mod prometheus;
mod rules;
mod shrink;
