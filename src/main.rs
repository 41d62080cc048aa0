//! The command line: prepares the process, runs one command, ends with its status.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use keyfob::cli;
use keyfob::cli::args::Command;
use keyfob::cli::signals::Held;
use keyfob::clock::Clock;
use keyfob::config::env::Env;

fn main() -> ExitCode {
    // First of all: a signal that comes while we start must neither kill us nor be lost.
    let held = match Held::back() {
        Ok(held) => held,
        Err(error) => return internal("signals cannot be held back", &error),
    };
    keep_secrets_in();
    let words: Vec<OsString> = std::env::args_os().collect();
    let cli = match cli::parse(&words) {
        Ok(cli) => cli,
        Err(status) => return status.into(),
    };
    if matches!(cli.command, Command::Serve(_)) {
        no_core();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return internal("the runtime cannot be built", &error),
    };
    let status = runtime.block_on(cli::run(cli, Env::of_process(), Clock::host(), held));
    keyfob::telemetry::logs::finish();
    // A read that hangs on a dead file system must not keep the process.
    runtime.shutdown_background();
    status.into()
}

/// Other processes of this user may not read our memory. Programs we start are free again.
fn keep_secrets_in() {
    #[cfg(target_os = "linux")]
    let _refused = nix::sys::prctl::set_dumpable(false);
}

/// Credentials must not end up in a core file. Only for the agent: a command that `exec` runs would inherit it.
fn no_core() {
    use nix::sys::resource::{Resource, setrlimit};
    let _refused = setrlimit(Resource::RLIMIT_CORE, 0, 0);
}

fn internal(what: &str, error: &io::Error) -> ExitCode {
    let _unheard = writeln!(io::stderr().lock(), "keyfob: {what}: {error}");
    ExitCode::from(1)
}
