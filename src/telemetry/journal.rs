//! Speaks the journal's own protocol: a datagram of fields a line, and its catalogue of what the causes mean.

use std::fmt::Write as _;
use std::io::{self, IoSlice, Write as _};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use serde_json::Value;
use tracing::Level;

use super::logs::Line;
use crate::cause::{self, Cause};

/// Where the journal listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";
/// How long a journal that is busy is waited for, by the thread that writes the log.
const PATIENCE: Duration = Duration::from_millis(200);

/// The journal of this machine.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
    /// Whether it did not take the last line: then it is not waited for.
    stuck: bool,
}

impl Journal {
    /// The journal that listens there.
    ///
    /// # Errors
    /// None does.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // Only to see that somebody is there; lines are sent to the path, where a journal may be started anew.
        UnixDatagram::unbound()?.connect(path)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { socket, path: path.to_owned(), stuck: false })
    }

    /// Sends a line with its fields.
    ///
    /// # Errors
    /// The journal does not take it, or is gone.
    pub(super) fn send(&mut self, line: &Line) -> io::Result<()> {
        let bytes = datagram(line);
        let sent = match self.socket.send_to(&bytes, &self.path) {
            Err(error) if too_large(&error) => self.send_as_file(&bytes),
            sent => sent.map(|_| ()),
        };
        if sent.is_err() != self.stuck {
            self.stuck = sent.is_err();
            self.socket.set_nonblocking(self.stuck)?;
        }
        sent
    }

    /// What is too large for a datagram goes as a file that nobody can change any more.
    fn send_as_file(&self, bytes: &[u8]) -> io::Result<()> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let mut file = std::fs::File::from(memfd_create(c"keyfob-log", flags)?);
        file.write_all(bytes)?;
        let seals =
            SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        let address = UnixAddr::new(&self.path)?;
        let files = [file.as_raw_fd()];
        let nothing = [IoSlice::new(&[])];
        let with = [ControlMessage::ScmRights(&files)];
        sendmsg(self.socket.as_raw_fd(), &nothing, &with, MsgFlags::empty(), Some(&address))?;
        Ok(())
    }
}

fn too_large(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code == Some(nix::libc::EMSGSIZE) || code == Some(nix::libc::ENOBUFS)
}

/// The syslog priority of a level.
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// A line as the journal takes it.
fn datagram(line: &Line) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, "MESSAGE", &message(line));
    put(&mut bytes, "PRIORITY", &priority(line.level).to_string());
    put(&mut bytes, "SYSLOG_IDENTIFIER", "keyfob");
    if let Some(cause) = line.text_of("cause").and_then(cause::by_code) {
        put(&mut bytes, "MESSAGE_ID", &message_id(cause.code));
    }
    for (name, value) in &line.fields {
        let name = format!("KEYFOB_{}", name.to_ascii_uppercase().replace('.', "_"));
        match value {
            Value::String(text) => put(&mut bytes, &name, text.as_str()),
            other => put(&mut bytes, &name, &other.to_string()),
        }
    }
    bytes
}

/// What `journalctl` shows of a line: it shows nothing else unless it is asked to.
fn message(line: &Line) -> String {
    let role = line.text_of("role").map(|role| format!("{role}: ")).unwrap_or_default();
    let cause = line.text_of("cause").map(|cause| format!(" [{cause}]")).unwrap_or_default();
    format!("{role}{}{cause}", line.message)
}

/// One field. A value with line breaks is sent with its length in front.
fn put(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend(name.as_bytes());
    if value.contains('\n') {
        bytes.push(b'\n');
        bytes.extend((value.len() as u64).to_le_bytes());
    } else {
        bytes.push(b'=');
    }
    bytes.extend(value.as_bytes());
    bytes.push(b'\n');
}

/// What names all lines of one cause: a cause keeps its code, so it keeps this.
#[must_use]
pub fn message_id(code: &str) -> String {
    let hash = digest(&SHA256, format!("keyfob:{code}").as_bytes());
    hash.as_ref().iter().take(16).fold(String::new(), |mut id, byte| {
        let _infallible = write!(id, "{byte:02x}");
        id
    })
}

/// The journal's message catalogue: what `journalctl -x` says below a line with a cause.
#[must_use]
pub fn catalogue() -> String {
    let head = "# What each cause of keyfob means, for `journalctl -x`. Generated from the catalogue of causes.\n\
                # To be installed as /usr/lib/systemd/catalog/keyfob.catalog; then `journalctl --update-catalog`.\n";
    cause::catalogue().fold(head.to_owned(), |text, cause| text + &entry(cause))
}

fn entry(cause: &Cause) -> String {
    let Cause { code, title, why, fix, .. } = cause;
    let why = wrapped(&format!("Role @KEYFOB_ROLE@, trace @KEYFOB_TRACE_ID@: {why}."), "");
    let fixes = fix.iter().map(|fix| format!("- {}\n", wrapped(fix, "  "))).collect::<String>();
    format!(
        "\n-- {}\nSubject: {title} [{code}]\nDefined-By: keyfob\nDocumentation: keyfob explain --code {code}\n\n\
         {why}\n\nWhat to do, most likely first:\n{fixes}",
        message_id(code)
    )
}

/// The text in lines that a terminal can show, all but the first indented: journalctl breaks none.
fn wrapped(text: &str, indent: &str) -> String {
    const WIDTH: usize = 76;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::IoSliceMut;
    use std::time::SystemTime;

    use nix::sys::socket::{ControlMessageOwned, recvmsg};

    use super::*;

    /// The fields of a datagram.
    fn fields(mut bytes: &[u8]) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| matches!(byte, b'=' | b'\n')).unwrap();
            let (name, rest) = (&bytes[..end], &bytes[end + 1..]);
            let (value, rest) = if bytes[end] == b'=' {
                let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
                (&rest[..end], &rest[end + 1..])
            } else {
                let (length, rest) = rest.split_first_chunk().unwrap();
                let length = usize::try_from(u64::from_le_bytes(*length)).unwrap();
                assert_eq!(rest[length], b'\n');
                (&rest[..length], &rest[length + 1..])
            };
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            assert!(found.insert(text(name), text(value)).is_none());
            bytes = rest;
        }
        found
    }

    fn line(message: &str, given: &[(&'static str, &str)]) -> Line {
        let mut line = Line::new(SystemTime::UNIX_EPOCH, Level::WARN, message.to_owned());
        line.fields = given.iter().map(|(name, value)| (*name, Value::from(*value))).collect();
        line
    }

    /// A journal of the test's own.
    fn journal() -> (tempfile::TempDir, UnixDatagram, Journal) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let ear = UnixDatagram::bind(&path).unwrap();
        ear.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let journal = Journal::at(&path).unwrap();
        (folder, ear, journal)
    }

    #[test]
    fn a_line_arrives_with_its_fields_and_the_id_of_its_cause() {
        let (_folder, ear, mut journal) = journal();
        let given = [("role", "app"), ("cause", "STS-DENIED"), ("trace_id", "0af7"), ("fix", "one\ntwo=2\n")];
        journal.send(&line("no credentials", &given)).unwrap();
        let mut bytes = [0; 4096];
        let count = ear.recv(&mut bytes).unwrap();
        let wanted = [
            ("MESSAGE", "app: no credentials [STS-DENIED]"),
            ("PRIORITY", "4"),
            ("SYSLOG_IDENTIFIER", "keyfob"),
            ("MESSAGE_ID", &message_id("STS-DENIED")),
            ("KEYFOB_ROLE", "app"),
            ("KEYFOB_CAUSE", "STS-DENIED"),
            ("KEYFOB_TRACE_ID", "0af7"),
            ("KEYFOB_FIX", "one\ntwo=2\n"),
        ];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields(&bytes[..count]), wanted.into());
    }

    #[test]
    fn a_line_too_large_for_a_datagram_arrives_as_a_sealed_file() {
        let (_folder, ear, mut journal) = journal();
        let long = "long ".repeat(200_000);
        journal.send(&line(&long, &[("role", "app")])).unwrap();
        let (mut nothing, mut space) = ([0; 1], nix::cmsg_space!([i32; 1]));
        let mut buffers = [IoSliceMut::new(&mut nothing)];
        let flags = MsgFlags::empty();
        let message = recvmsg::<()>(ear.as_raw_fd(), &mut buffers, Some(&mut space), flags).unwrap();
        let Some(ControlMessageOwned::ScmRights(files)) = message.cmsgs().unwrap().next() else {
            panic!("no file came");
        };
        let path = format!("/proc/self/fd/{}", files[0]);
        let found = fields(&std::fs::read(&path).unwrap());
        assert_eq!(found["MESSAGE"], format!("app: {long}"));
        let changed =
            std::fs::OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write(b"x"));
        assert!(changed.is_err(), "the file can be changed");
    }

    #[test]
    fn a_journal_that_is_full_or_gone_is_an_error_and_comes_back() {
        let (folder, ear, mut journal) = journal();
        let one = line("word", &[]);
        // Nobody reads: what the kernel queues is bounded.
        while journal.send(&one).is_ok() {}
        assert!(journal.send(&one).is_err());
        ear.recv(&mut [0; 100]).unwrap();
        journal.send(&one).unwrap();
        drop(ear);
        let path = folder.path().join("socket");
        std::fs::remove_file(&path).unwrap();
        assert!(journal.send(&one).is_err());
        assert!(Journal::at(&path).is_err());
        let ear = UnixDatagram::bind(&path).unwrap();
        journal.send(&one).unwrap();
        assert!(ear.recv(&mut [0; 100]).unwrap() > 0);
    }

    #[test]
    fn a_message_id_is_32_digits_and_never_changes() {
        assert_eq!(message_id("KF-NOTHING"), "d8f9760c31adc92e820a283d3f19a04b");
        let ids: std::collections::BTreeSet<_> =
            cause::catalogue().map(|cause| message_id(cause.code)).collect();
        assert_eq!(ids.len(), cause::catalogue().count());
    }
}
