//! What the system knows of this process: `/proc/self`, read when somebody asks.

use std::fs;

/// Numbers under the names that every Prometheus client has for them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<f64>,
    pub(super) virtual_bytes: Option<f64>,
    pub(super) open_fds: Option<f64>,
    pub(super) max_fds: Option<f64>,
    pub(super) start_seconds: Option<f64>,
    pub(super) threads: Option<f64>,
}

/// This process as it is now.
pub(super) fn look() -> Process {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    let sysconf = |name| nix::unistd::sysconf(name).ok().flatten().and_then(|n| i32::try_from(n).ok());
    let ticks = sysconf(nix::unistd::SysconfVar::CLK_TCK).map_or(100.0, f64::from);
    let page = sysconf(nix::unistd::SysconfVar::PAGE_SIZE).map_or(4096.0, f64::from);
    let mut process = of_stat(&text("/proc/self/stat"), ticks, page, boot_time(&text("/proc/stat")));
    process.max_fds = max_fds(&text("/proc/self/limits"));
    // The look itself opens one.
    process.open_fds = fs::read_dir("/proc/self/fd").ok().and_then(|all| number(&all.count().to_string()));
    process.open_fds = process.open_fds.map(|open| open - 1.0);
    process
}

/// The fields behind the name, which may hold anything; counted as proc(5) does, from 3 on.
fn of_stat(stat: &str, ticks: f64, page: f64, boot: Option<f64>) -> Process {
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let field = |at: usize| fields.get(at - 3).and_then(|text| number(text));
    let spent = field(14).zip(field(15)).map(|(user, system)| (user + system) / ticks);
    Process {
        cpu_seconds: spent,
        threads: field(20),
        start_seconds: field(22).zip(boot).map(|(since_boot, boot)| boot + since_boot / ticks),
        virtual_bytes: field(23),
        resident_bytes: field(24).map(|pages| pages * page),
        ..Process::default()
    }
}

fn boot_time(stat: &str) -> Option<f64> {
    number(stat.lines().find_map(|line| line.strip_prefix("btime "))?)
}

fn max_fds(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    number(line.split_whitespace().next()?)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_files_are_read_as_they_are_documented() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 7 0 12345 1048576 300 18446744073709551615";
        let read = of_stat(stat, 100.0, 4096.0, Some(1_700_000_000.0));
        assert_eq!(read.cpu_seconds, Some(3.0));
        assert_eq!(read.threads, Some(7.0));
        assert_eq!(read.start_seconds, Some(1_700_000_123.45));
        assert_eq!((read.virtual_bytes, read.resident_bytes), (Some(1_048_576.0), Some(1_228_800.0)));
        assert_eq!(boot_time("cpu 1 2\nbtime 1700000000\nprocesses 3\n"), Some(1_700_000_000.0));
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(max_fds(limits), Some(1024.0));
        assert_eq!(max_fds("Max open files unlimited unlimited files"), None);
        for odd in ["", "no parenthesis", "1 (x) S"] {
            assert_eq!(of_stat(odd, 100.0, 4096.0, None), Process::default(), "{odd}");
        }
    }

    #[test]
    fn this_process_has_a_start_memory_threads_and_files() {
        let now = look();
        for number in [now.resident_bytes, now.virtual_bytes, now.open_fds, now.start_seconds, now.threads] {
            assert!(number.is_some_and(|number| number > 0.0), "{now:?}");
        }
        assert!(now.cpu_seconds.is_some());
    }
}
