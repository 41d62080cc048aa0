//! What the kernel says of a running process.

use std::fmt;
use std::fs;
use std::time::Duration;

/// The kernel's clock ticks, the same on every Linux that we know of.
const TICKS_A_SECOND: u32 = 100;

/// User and system time so far.
pub fn cpu(pid: i32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name, in parentheses, may hold anything; what follows is numbers.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks: u32 = [11, 12].iter().map(|at| fields[*at].parse::<u32>().unwrap()).sum();
    Duration::from_secs(ticks.into()) / TICKS_A_SECOND
}

/// Resident memory: whole, and with shared pages divided among those who share them.
pub struct Memory {
    pub rss_kb: u64,
    pub pss_kb: u64,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {}", self.rss_kb, self.pss_kb)
    }
}

pub fn memory(pid: i32) -> Memory {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let field = |name: &str| {
        let value = rollup.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        value.trim().trim_end_matches(" kB").parse().unwrap()
    };
    Memory { rss_kb: field("Rss:"), pss_kb: field("Pss:") }
}
