//! Where log lines go: to the journal itself, or to stderr as text or JSON.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use tracing::{Dispatch, Level};

use super::line::Line;
use super::losses;
use super::scribe::Scribe;
use crate::clock::Clock;
use crate::config::env::Env;
use crate::config::{LogFormat, Telemetry};
use crate::telemetry::journal::{self, Journal};
use crate::telemetry::queue::{Item, Queue};

/// Who writes the log.
const THREAD: &str = "log";
/// Lines that may wait for whoever is slow to take them.
const MOST_WAITING: usize = 1024;
/// How long the end of the process may wait for lines that nobody takes.
const LAST_PATIENCE: Duration = Duration::from_secs(1);
/// Until a stderr that is full for the moment is tried again.
const BREATH: Duration = Duration::from_millis(10);

/// The log of this process.
static LOG: OnceLock<Arc<Queue<Line>>> = OnceLock::new();

/// Sends the log of this process where the settings say, from now on. `ansi` is whether text may be coloured. Called
/// twice, the first call stands.
pub fn install(settings: &Telemetry, env: &Env, clock: &Clock, ansi: bool) {
    // Without stderr nobody listens.
    let Ok(stderr) = Stderr::new() else { return };
    let streamed = stderr.is_journal(env.filled("JOURNAL_STREAM"));
    let (form, journal) = match settings.log_format {
        LogFormat::Auto if io::stderr().is_terminal() => (Form::Text { ansi, marked: false }, None),
        LogFormat::Auto if streamed => (Form::Text { ansi: false, marked: true }, Some(open())),
        LogFormat::Text => (Form::Text { ansi, marked: false }, None),
        LogFormat::Auto | LogFormat::Json => (Form::Json, None),
        LogFormat::Journald if streamed => (Form::Text { ansi: false, marked: true }, Some(open())),
        LogFormat::Journald => (Form::Json, Some(open())),
    };
    let mut outlet = Outlet { form, stderr, journal: None, clock: clock.clone(), refused: false };
    match journal {
        Some(Ok(journal)) => outlet.journal = Some(journal),
        Some(Err(error)) => {
            outlet.about(format!("there is no journal to write to: {error}; the log is on stderr"))
        }
        None => {}
    }
    let Ok(queue) = Queue::start(THREAD, MOST_WAITING, move |item| outlet.take(item)) else { return };
    if LOG.set(Arc::clone(&queue)).is_err() {
        return;
    }
    let write = move |line| {
        if !queue.push(line) {
            losses::FULL.add(1);
        }
    };
    let scribe = Scribe::new(settings.log_level, clock.clone(), write);
    let _first_stands = tracing::dispatcher::set_global_default(Dispatch::new(scribe));
    finish_before_a_panic_ends_us();
}

fn open() -> io::Result<Journal> {
    Journal::at(Path::new(journal::SOCKET))
}

/// Waits, for a moment, until what was logged is written. Before other words on stderr, and before the process ends.
pub fn finish() -> bool {
    LOG.get().is_none_or(|queue| queue.drain(LAST_PATIENCE))
}

/// A release build ends with the panic: what was logged before must be out by then. When nobody reads stderr, nobody
/// is told of the panic either: waiting to tell would keep the process from ending.
fn finish_before_a_panic_ends_us() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let ours = thread::current().name() == Some(THREAD);
        if ours || finish() {
            tell(panic);
        }
    }));
}

/// What a line on stderr looks like.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `marked` with the priority, as the journal understands it on a stream.
    Text {
        ansi: bool,
        marked: bool,
    },
    Json,
}

/// Writes lines, on a thread of its own.
struct Outlet {
    form: Form,
    stderr: Stderr,
    journal: Option<Journal>,
    clock: Clock,
    /// Whether the journal did not take the last line.
    refused: bool,
}

impl Outlet {
    fn take(&mut self, item: Item<Line>) {
        match item {
            Item::One(line) => self.write(&line),
            Item::Lost(count) => {
                let mut line = self.line("log lines were lost: nobody took them fast enough".to_owned());
                line.fields.push(("lost", count.into()));
                self.write(&line);
            }
        }
    }

    fn write(&mut self, line: &Line) {
        let Some(journal) = &mut self.journal else { return self.print(line) };
        match journal.send(line) {
            Ok(()) => self.refused = false,
            Err(error) => {
                if !std::mem::replace(&mut self.refused, true) {
                    self.about(format!("the journal does not take log lines: {error}; they go to stderr"));
                }
                self.print(line);
            }
        }
    }

    /// Says something about the log itself.
    fn about(&mut self, what: String) {
        let line = self.line(what);
        self.print(&line);
    }

    fn line(&self, what: String) -> Line {
        Line::new(self.clock.now(), Level::WARN, what)
    }

    fn print(&mut self, line: &Line) {
        let text = match self.form {
            Form::Json => line.as_json(),
            Form::Text { ansi, marked: false } => line.as_text(ansi),
            Form::Text { ansi, marked: true } => {
                format!("<{}>{}", journal::priority(line.level), line.as_text(ansi))
            }
        };
        if self.stderr.write(text.as_bytes()).is_err() {
            losses::BROKEN.add(1);
        }
    }
}

/// stderr beside the standard library's lock, which whoever else has something to say would wait for.
struct Stderr(File);

impl Stderr {
    fn new() -> io::Result<Self> {
        Ok(Self(io::stderr().as_fd().try_clone_to_owned()?.into()))
    }

    /// Whether it is the stream to the journal that systemd named: `DEVICE:INODE`.
    fn is_journal(&self, stream: Option<&str>) -> bool {
        let Ok(about) = self.0.metadata() else { return false };
        stream == Some(format!("{}:{}", about.dev(), about.ino()).as_str())
    }

    /// Writes all of it. Whoever shares the pipe may have made it one that does not wait.
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.0.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(BREATH),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
