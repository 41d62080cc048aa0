//! How a played pod stands, as `kubectl describe pod` would tell it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::container::Process;

/// What `kubectl describe pod` would tell.
#[derive(Default)]
pub struct State {
    pub phase: Phase,
    pub containers: BTreeMap<String, Seen>,
    /// What happened, in order.
    pub story: Vec<String>,
    pub(super) stopping: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Pending,
    Running,
    Succeeded,
    Failed,
}

/// A container as its status has it.
#[derive(Clone, Default)]
pub struct Seen {
    pub starts: u32,
    /// Its start-up probe has succeeded, or it has none.
    pub up: bool,
    pub ready: bool,
    /// How often the start-up probe was made.
    pub probed: u32,
    pub last: Option<Ended>,
    /// From TERM to its end, when it was asked to end.
    pub took: Option<Duration>,
    pub(super) process: Option<Arc<Process>>,
    pub(super) over: bool,
}

/// How it ended the last time.
#[derive(Clone, Debug)]
pub struct Ended {
    pub code: i32,
    pub message: String,
}
