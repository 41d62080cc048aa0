//! `serve` and the signals that it obeys.

use nix::sys::signal::Signal;

use super::*;
use crate::support::running::Running;

#[test]
fn term_ends_in_order_at_any_time() {
    let home = furnished();
    let agent = Serving::start(&[], bare(&home));
    assert_eq!(agent.process.stop().code(), Some(0));
    for delay in [0, 2, 5, 10] {
        let args = ["serve", "--listen", "127.0.0.1:0", "--admin", "off"];
        let running = Running::start(&keyfob(&home, &args));
        // Before its first instructions nothing can hold a signal back: from here on it does.
        holds_term_back(&running);
        std::thread::sleep(Duration::from_millis(delay));
        let status = running.stop();
        assert_eq!(status.code(), Some(0), "after {delay} ms: {status:?} {}", running.stderr.text());
    }
}

/// Waits until the process has TERM among its blocked signals.
#[track_caller]
fn holds_term_back(running: &Running) {
    let begun = std::time::Instant::now();
    let blocked = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:"))?;
        Some(u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << (Signal::SIGTERM as u64 - 1)) != 0)
    };
    while blocked() != Some(true) {
        assert!(begun.elapsed() < SOON, "TERM is never held back: {}", running.stderr.text());
        std::thread::yield_now();
    }
}

#[test]
fn hup_reads_the_configuration_again_and_usr1_walks() {
    let home = furnished();
    let config = home.write("keyfob.toml", "[[role]]\nname = \"one\"\nprofile = \"helper\"\n");
    let agent = Serving::start(&["--config", config.to_str().unwrap()], bare(&home));
    let admin = agent.bound.admin.to_string();
    ends(&home, &["wait", "--admin", &admin], 0);
    let text =
        "[[role]]\nname = \"one\"\nprofile = \"helper\"\n[[role]]\nname = \"two\"\nprofile = \"default\"\n";
    home.write("keyfob.toml", text);
    agent.process.signal(Signal::SIGHUP);
    let begun = std::time::Instant::now();
    while agent.credentials("/v1/credentials/two").status != 200 {
        assert!(begun.elapsed() < SOON, "{}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(1100));
    agent.process.signal(Signal::SIGUSR1);
    let begun = std::time::Instant::now();
    let trigger = || {
        let told = ends(&home, &["explain", "two", "--admin", &admin, "--output", "json"], 0).json();
        told["walk"]["trigger"].as_str().unwrap().to_owned()
    };
    while trigger() != "signal" {
        assert!(begun.elapsed() < SOON, "{}", agent.log());
    }
    for signal in [Signal::SIGUSR2, Signal::SIGWINCH] {
        agent.process.signal(signal);
    }
    assert_eq!(agent.process.stop().code(), Some(0));
}

#[test]
fn a_start_that_takes_too_long_ends_with_the_cause_and_the_fix() {
    let home = furnished();
    for (profile, code, cause) in [("broken", 4, "PROC-EXIT"), ("empty", 3, "PROFILE-NOCREDS")] {
        let text =
            format!("[startup]\ndeadline = \"300ms\"\n[[role]]\nname = \"app\"\nprofile = \"{profile}\"\n");
        home.write(
            ".aws/config",
            "[profile broken]\ncredential_process = false\n[profile empty]\nregion = r\n",
        );
        let config = home.write("keyfob.toml", &text);
        let args =
            ["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--config", config.to_str().unwrap()];
        let ended = ends(&home, &args, code);
        let tail: Vec<&str> = ended.stderr.lines().rev().take(8).collect();
        assert!(tail.iter().any(|line| line.starts_with("  fix   ")), "{ended:?}");
        assert!(tail.iter().any(|line| line.contains(cause)), "{ended:?}");
    }
}

#[test]
fn flags_stand_above_the_file_and_beside_no_roles() {
    let home = furnished();
    let agent = Serving::start(&["--profile", "helper"], bare(&home));
    ends(&home, &["wait", "--admin", &agent.bound.admin.to_string()], 0);
    assert_eq!(agent.credentials("/v1/credentials").json()["AccessKeyId"], "ASIAFROMTHEHELPER001");
    let config = home.write("keyfob.toml", "[[role]]\nname = \"a\"\n");
    let both = ends(&home, &["serve", "--profile", "helper", "--config", config.to_str().unwrap()], 2);
    assert!(
        both.stderr.contains("--profile: \"helper\"") && both.stderr.contains("keyfob.toml:1"),
        "{both:?}"
    );
}
