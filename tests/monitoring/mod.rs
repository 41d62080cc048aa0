//! What operators load: rules, runbook, examples; against the real programs that read them.

mod loopback;
mod prometheus;
