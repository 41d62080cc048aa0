//! Asks at the terminal for the code of an MFA device, in botocore's words and without showing what is typed.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::sys::signal::{Signal, killpg};
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};
use tokio::io::unix::AsyncFd;
use zeroize::Zeroizing;

use crate::cause;
use crate::failure::Failure;
use crate::secret::Secret;
use crate::source::mfa::Codes;

/// The terminal of this process. Each profile's code is asked for once: the command has the terminal afterwards.
#[derive(Debug, Default)]
pub(super) struct Keyboard {
    asked: Mutex<BTreeSet<String>>,
}

/// `getpass`: the terminal itself, whatever the standard streams are. Dropped, it is as it was.
struct Tty {
    tty: AsyncFd<File>,
    before: Termios,
}

/// How typing ended.
enum Typed {
    Line(Zeroizing<Vec<u8>>),
    Nothing,
    Interrupted,
}

/// For an interrupt to take effect.
const LAST: Duration = Duration::from_secs(1);

/// Nobody types more by intent.
const LONGEST: usize = 64;

impl Codes for Keyboard {
    fn ask<'a>(&'a self, profile: &'a str, serial: &'a str) -> BoxFuture<'a, Result<Secret, Failure>> {
        let failed = move |what: &str| {
            let context = format!("profile {profile} needs an MFA code (mfa_serial), and {what}");
            Failure::misconfigured(&cause::PROFILE_MFA, context)
        };
        Box::pin(async move {
            let first = self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(profile.to_owned());
            if !first {
                return Err(failed("it was asked for already: begin anew for another session"));
            }
            let typed = match Tty::open() {
                Ok(tty) => tty.ask(&format!("Enter MFA code for {}: ", plain(serial))).await,
                Err(_) => return Err(failed("there is no terminal to ask at")),
            };
            match typed {
                Ok(Typed::Line(line)) => {
                    code(&line).ok_or_else(|| failed("what was typed is not six digits"))
                }
                Ok(Typed::Nothing) => Err(failed("none was typed")),
                Ok(Typed::Interrupted) => {
                    // What the terminal would have done, now that it is itself again.
                    let _sent = killpg(getpgrp(), Signal::SIGINT);
                    // It ends us, unless it is ignored.
                    tokio::time::sleep(LAST).await;
                    Err(failed("asking was interrupted"))
                }
                Err(error) => Err(failed(&format!("the terminal gave none: {error}"))),
            }
        })
    }
}

impl Tty {
    fn open() -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(O_NOCTTY | O_NONBLOCK).open("/dev/tty")?;
        // Whoever asks from the background is stopped by the terminal, and nobody knows why.
        if tcgetpgrp(&file)? != getpgrp() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let before = tcgetattr(&file)?;
        let tty = registered(file)?;
        let mut silent = before.clone();
        // Without ISIG a ^C cannot end us before the terminal shows again what is typed.
        silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
        for (index, value) in [(SpecialCharacterIndices::VMIN, 1), (SpecialCharacterIndices::VTIME, 0)] {
            if let Some(slot) = silent.control_chars.get_mut(index as usize) {
                *slot = value;
            }
        }
        let tty = Self { tty, before };
        tcsetattr(tty.tty.get_ref(), SetArg::TCSAFLUSH, &silent)?;
        Ok(tty)
    }

    async fn ask(self, prompt: &str) -> io::Result<Typed> {
        self.tty.get_ref().write_all(prompt.as_bytes())?;
        let typed = line(&self.tty).await;
        self.tty.get_ref().write_all(b"\n")?;
        typed
    }
}

#[expect(
    deprecated,
    reason = "the newer name is unsafe for types that may lose their descriptor; this one owns it"
)]
fn registered(file: File) -> io::Result<AsyncFd<File>> {
    AsyncFd::new(file)
}

async fn line(tty: &AsyncFd<File>) -> io::Result<Typed> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    loop {
        let mut byte = Zeroizing::new([0]);
        match tty.readable().await?.try_io(|tty| tty.get_ref().read(&mut *byte)) {
            Ok(Ok(0)) => return Ok(Typed::Nothing),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error),
            Err(_not_yet) => continue,
        }
        let [typed] = *byte;
        match typed {
            b'\r' | b'\n' => return Ok(Typed::Line(line)),
            0x03 => return Ok(Typed::Interrupted),
            0x04 if line.is_empty() => return Ok(Typed::Nothing),
            0x08 | 0x7f => drop(line.pop()),
            0x15 => line.clear(),
            other if line.len() < LONGEST => line.push(other),
            _ => {}
        }
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        let _gone = tcsetattr(self.tty.get_ref(), SetArg::TCSAFLUSH, &self.before);
    }
}

fn code(line: &[u8]) -> Option<Secret> {
    let digits = line.trim_ascii();
    let six = digits.len() == 6 && digits.iter().all(u8::is_ascii_digit);
    six.then(|| std::str::from_utf8(digits).ok().map(Secret::new)).flatten()
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_profile_is_asked_for_once() {
        let keyboard = Keyboard { asked: Mutex::new(BTreeSet::from(["a".to_owned()])) };
        let failure = keyboard.ask("a", "arn:aws:iam::1:mfa/m").await.unwrap_err();
        assert_eq!(failure.cause.code, "PROFILE-MFA");
        assert!(failure.context.contains("asked for already"), "{failure}");
    }

    #[test]
    fn a_code_is_six_digits() {
        for (line, good) in
            [("123456", true), (" 123456 ", true), ("", false), ("12345", false), ("12345a", false)]
        {
            assert_eq!(code(line.as_bytes()).is_some(), good, "{line}");
        }
        assert_eq!(plain("arn:\x1b[2Jx\n"), "arn:[2Jx");
    }
}
