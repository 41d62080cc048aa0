//! Signals, held back from the first instruction on so that none is lost, and read as data where a command wants them.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{self, SignalKind};

/// Those that a command may want to hear of, and pass on.
const HEARD: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
];

/// Signals that wait until somebody reads them or lets them act. `program::start` begins programs with none held.
#[derive(Debug)]
pub struct Held(SigSet);

impl Held {
    /// Holds them back from here on, for this thread and those it starts.
    ///
    /// # Errors
    /// What the system said.
    pub fn back() -> io::Result<Self> {
        let set: SigSet = HEARD.into_iter().collect();
        set.thread_block()?;
        Ok(Self(set))
    }

    /// Lets them act as usual; what has come meanwhile acts now.
    pub fn release(self) {
        // Unblocking a valid set cannot fail; should it, the signals stay held.
        let _impossible = self.0.thread_unblock();
    }

    /// Reads them as data instead.
    ///
    /// # Errors
    /// What the system said.
    #[expect(
        deprecated,
        reason = "the newer name is unsafe for types that may lose their descriptor; this one owns it"
    )]
    pub fn watch(self) -> io::Result<Signals> {
        let fd = SignalFd::with_flags(&self.0, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let held = AsyncFd::with_interest(fd, Interest::READABLE)?;
        // One that is ignored stays so, here and in programs we start: that is what `nohup` asked for.
        let ignored = ignored();
        let acting = HEARD.into_iter().filter(|signal| ignored >> (*signal as i32 - 1) & 1 == 0);
        let caught = acting.map(|signal| Ok((signal, unix::signal(SignalKind::from_raw(signal as i32))?)));
        Ok(Signals { held, caught: caught.collect::<io::Result<_>>()? })
    }
}

/// The signals that whoever started us wants ignored, a bit each.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// Signals as data.
#[derive(Debug)]
pub struct Signals {
    held: AsyncFd<SignalFd>,
    /// What comes in the moments when none is held, because a program is being started.
    caught: Vec<(Signal, unix::Signal)>,
}

/// One signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Which.
    pub signal: Signal,
    /// Whether a key on the terminal sent it: then the whole process group has it already.
    pub of_terminal: bool,
}

impl Heard {
    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        u8::try_from(self.signal as i32).unwrap_or_default()
    }

    /// Whether it asks the process to end.
    #[must_use]
    pub fn ends(self) -> bool {
        matches!(self.signal, Signal::SIGHUP | Signal::SIGINT | Signal::SIGQUIT | Signal::SIGTERM)
    }
}

impl Signals {
    /// The next one.
    pub async fn next(&mut self) -> Heard {
        let caught = &mut self.caught;
        let caught = poll_fn(|context| {
            let mut ready = |stream: &mut unix::Signal| stream.poll_recv(context) == Poll::Ready(Some(()));
            let mut came = caught.iter_mut();
            let signal = came.find_map(|(signal, stream)| ready(stream).then_some(*signal));
            signal.map_or(Poll::Pending, Poll::Ready)
        });
        tokio::select! {
            heard = read(&mut self.held) => heard,
            signal = caught => Heard { signal, of_terminal: false },
        }
    }

    /// Waits for one that asks the process to end.
    pub async fn end(&mut self) -> Heard {
        loop {
            let heard = self.next().await;
            if heard.ends() {
                return heard;
            }
        }
    }
}

async fn read(held: &mut AsyncFd<SignalFd>) -> Heard {
    loop {
        let read = held.async_io_mut(Interest::READABLE, |fd| match fd.read_signal() {
            Ok(Some(info)) => Ok(info),
            Ok(None) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
        });
        let Ok(info) = read.await else { return std::future::pending().await };
        let number = i32::try_from(info.ssi_signo).unwrap_or_default();
        if let Ok(signal) = Signal::try_from(number) {
            return Heard { signal, of_terminal: info.ssi_code == nix::libc::SI_KERNEL };
        }
    }
}
