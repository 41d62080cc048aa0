//! The parts of the measurement: servers, load, processes, valgrind.

pub mod callgrind;
pub mod load;
pub mod process;
pub mod servers;
pub mod start;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use crate::support::Run;

/// Servers run here, the load comes from [`SECOND_CORE`]: neither takes the other's time.
pub const FIRST_CORE: &str = "0";
/// Where the load comes from.
pub const SECOND_CORE: &str = "1";

/// The release build beside the profile that this was built in.
pub fn binary() -> PathBuf {
    released("keyfob")
}

/// The same agent without telemetry.
pub fn untold() -> PathBuf {
    released("examples/serve-untold")
}

fn released(name: &str) -> PathBuf {
    let built = std::env::current_exe().unwrap();
    let target = built.ancestors().nth(3).unwrap();
    let binary = target.join("release").join(name);
    assert!(binary.is_file(), "{} is not there: run `make bench`", binary.display());
    binary
}

/// A program that stays on one core. taskset becomes it, so the process is the program's own.
pub fn pinned(core: &str, program: &str) -> Run {
    let taskset = crate::support::run::which("taskset").unwrap();
    let program = crate::support::run::which(program).unwrap_or_else(|| program.into());
    Run::new(taskset).args(["--cpu-list", core]).arg(program)
}

/// A loopback address that a server is about to take (bound for a moment, then freed).
pub fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
