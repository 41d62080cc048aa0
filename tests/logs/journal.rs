//! The binary under a journal of the test's own, in a mount namespace where that has the journal's place.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use keyfob::telemetry::journal::message_id;
use nix::sys::signal::Signal;

use super::{SOON, bare, furnished, soon};
use crate::support::run::skip;
use crate::support::tools::tool;
use crate::support::{Run, Running, TempHome, leaks, raw};

/// The fields of a line, as far as they have no line breaks.
pub type Fields = BTreeMap<String, String>;

/// Runs the rest of the words with `/run/systemd/journal/socket` being the first one, stderr named as the journal's.
const UNDER_A_JOURNAL: &str = r#"
mount -t tmpfs none /run && mkdir -p /run/systemd/journal && : > /run/systemd/journal/socket &&
mount --bind "$1" /run/systemd/journal/socket && shift &&
JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) && export JOURNAL_STREAM && exec "$@"
"#;

pub struct Journal {
    ear: UnixDatagram,
    heard: Vec<Fields>,
}

impl Journal {
    /// Waits for a line that fits.
    #[track_caller]
    pub fn line(&mut self, fits: impl Fn(&Fields) -> bool) -> Fields {
        soon("a line for the journal", || {
            let mut bytes = vec![0; 65536];
            if let Ok(count) = self.ear.recv(&mut bytes) {
                let text = String::from_utf8(bytes[..count].to_vec()).unwrap();
                leaks::look("the journal", &text);
                let fields = text.lines().filter_map(|line| line.split_once('='));
                self.heard.push(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
            }
            self.heard.iter().find(|fields| fits(fields)).cloned()
        })
    }
}

/// The agent in a place where it may mount: `None`, said and counted, where nobody may.
pub fn under_a_journal(home: &TempHome, env: Vec<(String, String)>) -> Option<(Running, Journal)> {
    let unshare = tool("unshare")?;
    let may = Run::new(&unshare).args(["-rm", "mount", "-t", "tmpfs", "none", "/run"]).run();
    if may.code() != Some(0) {
        skip(&format!("mounting is not allowed here: {}", may.stderr.trim()));
        return None;
    }
    let socket = home.path().join("journal");
    let ear = UnixDatagram::bind(&socket).unwrap();
    ear.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let run = Run::new(unshare)
        .args(["-rm", "sh", "-c", UNDER_A_JOURNAL, "sh"])
        .arg(&socket)
        .arg(crate::support::keyfob())
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .envs(env);
    Some((Running::start(&run), Journal { ear, heard: Vec::new() }))
}

#[test]
fn under_systemd_lines_go_to_the_journal_with_their_fields() {
    let home = furnished("audit = \"on\"");
    let Some((agent, mut journal)) = under_a_journal(&home, bare(&home)) else { return };
    let failed = journal.line(|line| line.get("KEYFOB_CAUSE").is_some_and(|cause| cause == "PROC-EXIT"));
    let of = |line: &Fields, name: &str| line.get(name).cloned().unwrap_or_default();
    assert_eq!(of(&failed, "MESSAGE_ID"), message_id("PROC-EXIT"));
    assert_eq!(of(&failed, "PRIORITY"), "4");
    assert_eq!(of(&failed, "SYSLOG_IDENTIFIER"), "keyfob");
    assert_eq!(of(&failed, "KEYFOB_ROLE"), "bad");
    assert_eq!(of(&failed, "KEYFOB_SOURCE"), "process");
    assert_eq!(of(&failed, "KEYFOB_TRIGGER"), "startup");
    assert_eq!(of(&failed, "KEYFOB_TRACE_ID").len(), 32);
    let message = of(&failed, "MESSAGE");
    assert!(message.starts_with("bad: no credentials: ") && message.ends_with(" [PROC-EXIT]"), "{message}");
    let listening = journal.line(|line| of(line, "MESSAGE") == "listening");
    assert_eq!(of(&listening, "PRIORITY"), "6");
    assert_eq!(listening.get("MESSAGE_ID"), None);
    let address = of(&listening, "KEYFOB_CREDENTIALS_ADDRESS").parse().unwrap();
    raw::get(address, "/v1/credentials/app", &[]);
    let refused = journal.line(|line| of(line, "KEYFOB_OUTCOME") == "refused");
    assert_eq!(of(&refused, "KEYFOB_STATUS"), "401");
    assert_eq!(agent.stop().code(), Some(0));
    journal.line(|line| of(line, "MESSAGE") == "shutting down");
    assert_eq!(agent.stderr.text(), "", "nothing is said twice");
}

#[test]
fn a_journal_that_goes_away_leaves_stderr_and_says_so_once() {
    let home = furnished("");
    let Some((agent, mut journal)) = under_a_journal(&home, bare(&home)) else { return };
    let listening = journal.line(|line| line.get("MESSAGE").is_some_and(|message| message == "listening"));
    drop(journal);
    for _ in 0..3 {
        let before = agent.stderr.text().matches("configuration in force").count();
        agent.signal(Signal::SIGHUP);
        soon("the reload on stderr", || {
            (agent.stderr.text().matches("configuration in force").count() > before).then_some(())
        });
    }
    let log = agent.stderr.text();
    assert_eq!(log.matches("<4>").count(), log.matches(" WARN ").count(), "{log}");
    assert_eq!(log.matches("the journal does not take log lines: ").count(), 1, "{log}");
    assert!(log.contains("\n<6>"), "{log}");
    let address = listening["KEYFOB_CREDENTIALS_ADDRESS"].parse().unwrap();
    assert_eq!(raw::get(address, "/v1/credentials/app", &[]).status, 401, "serving goes on");
    assert_eq!(agent.stop().code(), Some(0));
}

#[test]
fn asked_for_a_journal_where_there_is_none_it_says_so_and_writes_json() {
    if std::path::Path::new("/run/systemd/journal/socket").exists() {
        return skip("this machine has a journal");
    }
    let home = furnished("log_format = \"journald\"");
    let run = Run::keyfob().args(["serve", "--listen", "127.0.0.1:0", "--admin", "off"]).envs(bare(&home));
    let agent = Running::start(&run);
    assert!(agent.stderr.says(SOON, "\"message\":\"listening\""), "{}", agent.stderr.text());
    let log = agent.stderr.text();
    let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    let message = first["message"].as_str().unwrap();
    assert!(message.starts_with("there is no journal to write to: "), "{message}");
    assert_eq!(first["level"], "WARN");
}
