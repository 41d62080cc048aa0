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
    /// Only root may look: keyfob keeps others of its user out of its memory.
    pub pss_kb: Option<u64>,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pss = self.pss_kb.map_or("–".to_owned(), |kb| kb.to_string());
        write!(f, "{} | {pss}", self.rss_kb)
    }
}

pub fn memory(pid: i32) -> Memory {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().trim_end_matches(" kB").parse().ok()
    };
    Memory { rss_kb: field("status", "VmRSS:").unwrap(), pss_kb: field("smaps_rollup", "Pss:") }
}
