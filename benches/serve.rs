//! Measures the release binary as it serves: requests a second, tail, CPU, memory, start, instructions.
//!
//! nginx serves the same bytes beside it, in the same run and in turns, since a shared machine is as fast as it likes
//! from one minute to the next: compare the two columns, not two runs. `make bench` builds the binary and runs this.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement stops at the first surprise, runs on the host's clock and prints its table"
)]
#![expect(unreachable_pub, reason = "`pub` says what the parts offer")]

mod drive;
#[expect(unused_imports, reason = "the tests use all of it, a measurement only a part")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use drive::load::{Load, Sample};
use drive::servers::{Keyfob, Nginx};
use drive::{callgrind, process, start};

/// Turns of each setting; the table has their medians.
const ROUNDS: usize = 3;
/// Of one measurement.
const SECONDS: u64 = 5;

/// What the issue of the first release aimed at.
mod aims {
    pub const CPU_RATIO: f64 = 1.05;
    pub const TOLD_RATE: f64 = 0.95;
    pub const KEEP_ALIVE: f64 = 14_000.0;
    pub const FRESH: f64 = 21_000.0;
    pub const RSS_KB: u64 = 10 * 1024;
    pub const START_MS: f64 = 20.0;
    pub const BINARY: u64 = 12 * 1024 * 1024;
}

fn main() {
    // `cargo test --benches` builds this and asks it to list its tests.
    if std::env::args().any(|arg| arg == "--list" || arg == "--test") {
        return;
    }
    let missing: Vec<_> = ["wrk", "nginx", "valgrind", "taskset"]
        .into_iter()
        .filter(|tool| support::run::which(tool).is_none())
        .collect();
    if !missing.is_empty() {
        eprintln!(
            "make bench needs {}; on Debian: apt-get install wrk nginx-light valgrind",
            missing.join(", ")
        );
        std::process::exit(1);
    }
    let binary = drive::binary();
    let size = std::fs::metadata(&binary).unwrap().len();
    println!("keyfob {} bytes{}\n", size, verdict(size <= aims::BINARY));
    serving();
    telling();
    memory();
    starting();
    instructions();
}

fn verdict(met: bool) -> &'static str {
    if met { " (aim met)" } else { " (AIM MISSED)" }
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn serving() {
    let keyfob = Keyfob::start(drive::FIRST_CORE);
    let nginx = Nginx::start(drive::FIRST_CORE, &keyfob.answer());
    println!(
        "| connections | keyfob req/s | p99 | CPU a request | nginx req/s | p99 | CPU a request | CPU ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for load in Load::ALL {
        let mut turns: [Vec<Sample>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            turns[0].push(load.run(&keyfob.server(), SECONDS));
            turns[1].push(load.run(&nginx.server(), SECONDS));
        }
        println!("{}", row(load, &turns));
    }
    println!();
}

fn row(load: Load, [ours, theirs]: &[Vec<Sample>; 2]) -> String {
    let of = |samples: &[Sample], field: fn(&Sample) -> f64| median(samples.iter().map(field).collect());
    // In pairs: the two of a turn saw the same weather.
    let ratio = median(ours.iter().zip(theirs).map(|(a, b)| a.cpu_us / b.cpu_us).collect());
    let aim = if load == Load::AIMED_AT { verdict(ratio <= aims::CPU_RATIO) } else { "" };
    let columns = |samples: &[Sample]| {
        let (rate, tail) = (of(samples, |one| one.rate), of(samples, |one| one.p99_us));
        format!("{rate:.0} | {tail:.0} µs | {:.1} µs", of(samples, |one| one.cpu_us))
    };
    format!("| {load} | {} | {} | {ratio:.2}{aim} |", columns(ours), columns(theirs))
}

/// What telemetry costs: the agent with all of it beside the agent with none, without the audit log and with it.
fn telling() {
    println!(
        "| connections | telemetry | req/s | CPU a request | without any, req/s | CPU a request | rate ratio | CPU ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let untold = Keyfob::untold(drive::FIRST_CORE);
    for (what, audit) in [("all but audit", false), ("all", true)] {
        let told = Keyfob::told(drive::FIRST_CORE, audit);
        for load in [Load::KeepAlive(16), Load::Fresh(16)] {
            let turns: Vec<[Sample; 2]> = (0..ROUNDS)
                .map(|_| [load.run(&told.server(), SECONDS), load.run(&untold.server(), SECONDS)])
                .collect();
            println!("| {load} | {what} | {}", compared(&turns));
        }
    }
    println!();
}

fn compared(turns: &[[Sample; 2]]) -> String {
    let column = |at: usize| {
        let of = |field: fn(&Sample) -> f64| median(turns.iter().map(|turn| field(&turn[at])).collect());
        format!("{:.0} | {:.1} µs", of(|one| one.rate), of(|one| one.cpu_us))
    };
    let ratio = |of: fn(&Sample) -> f64| median(turns.iter().map(|[a, b]| of(a) / of(b)).collect());
    let (rate, cpu) = (ratio(|one| one.rate), ratio(|one| one.cpu_us));
    format!("{} | {} | {rate:.2}{} | {cpu:.2} |", column(0), column(1), verdict(rate >= aims::TOLD_RATE))
}

fn memory() {
    let idle = Keyfob::start(drive::FIRST_CORE);
    std::thread::sleep(Duration::from_secs(2));
    println!("| memory | RSS kB | PSS kB |\n|---|---|---|");
    println!("| idle, keys from the environment | {} |", process::memory(idle.server().pid));
    for _ in 0..ROUNDS {
        Load::KeepAlive(64).run(&idle.server(), SECONDS);
    }
    println!("| the same after load on 64 connections | {} |", process::memory(idle.server().pid));
    // Two at a time would share pages, and with them the figures.
    drop(idle);
    let refreshed = Keyfob::assuming_a_role(drive::FIRST_CORE);
    let memory = process::memory(refreshed.server().pid);
    let aim = verdict(memory.rss_kb <= aims::RSS_KB);
    println!("| a role assumed and refreshed at STS, without TLS | {memory} |{aim}\n");
}

fn starting() {
    let times: Vec<f64> = (0..20).map(|_| start::to_first_answer().as_secs_f64() * 1000.0).collect();
    let (least, most) = times.iter().fold((f64::MAX, 0.0_f64), |(a, b), time| (a.min(*time), b.max(*time)));
    let middle = median(times);
    let aim = verdict(middle <= aims::START_MS);
    println!("start to the first 200, 20 times: median {middle:.1} ms, {least:.1} to {most:.1}{aim}\n");
}

fn instructions() {
    for (fresh, name, aim) in
        [(false, "keep-alive", aims::KEEP_ALIVE), (true, "with a fresh connection", aims::FRESH)]
    {
        let each = callgrind::a_request(fresh);
        println!("instructions a request, {name}: {each:.0}{}", verdict(each <= aim));
    }
}
