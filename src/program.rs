//! Starts other programs as a shell would: with no signal held back.

use std::io;

use nix::sys::signal::SigSet;
use tokio::process::{Child, Command};

/// Starts the program. Signals that this thread holds back would be held back there for good: it would never hear
/// TERM or Ctrl-C. What comes in the moment in between goes to the handlers that the command line has set.
///
/// # Errors
/// What the system said.
pub fn start(command: &mut Command) -> io::Result<Child> {
    let held = SigSet::thread_get_mask()?;
    held.thread_unblock()?;
    let started = command.spawn();
    held.thread_set_mask()?;
    started
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;

    use super::*;

    #[tokio::test]
    async fn a_program_begins_with_no_signal_held_back_and_we_go_on_holding() {
        let held: SigSet = [Signal::SIGUSR2, Signal::SIGWINCH].into_iter().collect();
        held.thread_block().unwrap();
        let mut command = Command::new("cat");
        command.arg("/proc/self/status").stdout(std::process::Stdio::piped());
        let said = start(&mut command).unwrap().wait_with_output().await.unwrap().stdout;
        assert!(SigSet::thread_get_mask().unwrap().contains(Signal::SIGUSR2));
        held.thread_unblock().unwrap();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("\nSigBlk:\t0000000000000000\n"), "{said}");
    }
}
