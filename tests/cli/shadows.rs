//! Applications that never come to the agent: what `explain --pid` says of real processes, and what boto3 does in their
//! place.

mod cases;

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::asking::serving;
use super::*;
use crate::sdk::{Sdk, python};
use crate::support::Running;
use crate::support::run::{skip, which};
use crate::support::tools::tool;
use cases::{Case, cases};

/// Says that it is there and stays until its stdin ends.
const STAY: [&str; 2] = ["-c", "echo here; read line"];
const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIAOFTHEPROCESS0001"), ("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-process")];

/// An agent that is well, and applications that are wired to it.
struct Stage {
    home: TempHome,
    agent: Serving,
    admin: String,
}

impl Stage {
    fn new() -> Stage {
        let home = furnished();
        home.shut();
        let (agent, admin) = serving(&home);
        ends(&home, &["wait", "--admin", &admin], 0);
        Stage { home, agent, admin }
    }

    /// The variables of a wired application with a home of its own, and these over them; `None` takes one away.
    fn env(&self, home: &TempHome, more: &[(&str, Option<&str>)]) -> Vec<(String, String)> {
        let mut env = self.agent.client_env();
        env.extend(home.env());
        env.retain(|(name, _)| !more.iter().any(|(other, _)| name == other));
        let more = more.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned())));
        env.into_iter().chain(more).collect()
    }

    /// Runs it once: what it says is the answer to `explain --pid`.
    fn explain(&self, pid: i32, more: &[&str], code: i32) -> Finished {
        let pid = pid.to_string();
        let asked = ["explain", "--admin", &self.admin, "--pid", &pid];
        ends(&self.home, &[&asked, more].concat(), code)
    }

    /// The warnings about a process; the agent's own role has none.
    fn shadows(&self, process: &Running) -> Vec<Value> {
        let json = self.explain(process.pid(), &["--output", "json"], 0).json();
        json["warnings"].as_array().unwrap().clone()
    }
}

fn staying(run: Run) -> Running {
    let process = Running::start(&run);
    assert!(process.stdout.says(SOON, "here"), "{}", process.stderr.text());
    process
}

fn shell(env: Vec<(String, String)>) -> Running {
    staying(Run::new(which("sh").unwrap()).args(STAY).envs(env))
}

fn codes(warnings: &[Value]) -> Vec<&str> {
    warnings.iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

/// All that a warning says to do, on one line.
fn fixes(warning: &Value) -> String {
    warning["fix"].to_string()
}

#[test]
fn a_process_that_reaches_the_agent_is_told_nothing() {
    let stage = Stage::new();
    let home = TempHome::new();
    let process = shell(stage.env(&home, &[("AWS_SECRET_ACCESS_KEY", Some("alone-it-is-nothing"))]));
    assert_eq!(stage.shadows(&process), Vec::<Value>::new());
    let told = stage.explain(process.pid(), &["--strict"], 0);
    let remark = format!("nothing is asked before the agent by process {} (sh)", process.pid());
    assert!(told.stderr.contains(&remark) && !told.stdout.contains("Also know"), "{told:?}");
}

#[test]
fn what_a_process_asks_first_is_told_with_what_to_do_and_without_secrets() {
    let stage = Stage::new();
    let home = TempHome::new();
    let boto = home.write(
        "boto",
        "[Credentials]\naws_access_key_id = AKIA\naws_secret_access_key = a-secret-of-boto-2\n",
    );
    let [id, secret] = KEYS.map(|(name, value)| (name, Some(value)));
    let process =
        shell(stage.env(&home, &[id, secret, ("AWS_PROFILE", Some("gone")), ("BOTO_CONFIG", boto.to_str())]));
    let warnings = stage.shadows(&process);
    assert_eq!(codes(&warnings), ["KF-SHADOW"; 3]);
    let wanted = [
        "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY".to_owned(),
        "AWS_PROFILE".to_owned(),
        "BOTO_CONFIG=/dev/null".to_owned(),
    ];
    for (warning, wanted) in warnings.iter().zip(wanted) {
        assert!(fixes(warning).contains(&wanted), "{warning:#}");
        let message = warning["message"].as_str().unwrap();
        let begins = format!("process {} (sh), by the environment it was started with: ", process.pid());
        assert!(message.starts_with(&begins), "{message}");
        let seen = warning["evidence"].as_array().unwrap();
        let fact = |fact: &str| seen.iter().any(|line| line.as_str().unwrap().starts_with(fact));
        assert!(
            fact(&format!("pid={}", process.pid())) && fact("command=sh") && fact("user="),
            "{warning:#}"
        );
        let started = seen.iter().find_map(|line| line.as_str().unwrap().strip_prefix("started=")).unwrap();
        let started: jiff::Timestamp = started.parse().unwrap();
        let age = jiff::Timestamp::now().duration_since(started).as_secs();
        assert!((-2..120).contains(&age), "{warning:#}");
    }
    assert!(warnings[2]["message"].as_str().unwrap().contains(&format!("{}:2", boto.display())));
    // The status is that of the role, unless brittle counts.
    let text = stage.explain(process.pid(), &[], 0);
    assert!(text.stdout.contains("KF-SHADOW") && text.stderr.is_empty(), "{text:?}");
    text.expect_none_of(&[KEYS[1].1.to_owned(), "a-secret-of-boto-2".to_owned(), stage.agent.token()]);
    stage.explain(process.pid(), &["--strict"], 6);
}

#[test]
fn a_process_that_is_not_pointed_at_the_agent_is_shown_how() {
    const URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let stage = Stage::new();
    let home = TempHome::new();
    for uri in [None, Some("http://127.0.0.1:1/v1/credentials")] {
        let process = shell(stage.env(&home, &[(URI, uri)]));
        let warnings = stage.shadows(&process);
        assert_eq!(codes(&warnings), ["KF-UNWIRED"], "{uri:?}");
        assert!(
            fixes(&warnings[0]).contains(&format!("keyfob --admin {} env", stage.admin)),
            "{warnings:#?}"
        );
    }
    // Without an agent it is not known where it should lead.
    let process = shell(stage.env(&home, &[(URI, None)]));
    let pid = process.pid().to_string();
    let alone = ["explain", "--admin", "127.0.0.1:1", "--pid", &pid, "--output", "json"];
    let json = ends(&stage.home, &alone, 0).json();
    assert_eq!(codes(json["warnings"].as_array().unwrap()), ["KF-STATIC", "KF-UNWIRED"]);
}

#[test]
fn the_environment_of_explain_itself_is_judged_if_it_is_wired() {
    let stage = Stage::new();
    let codes_of = |more: Vec<(String, String)>| {
        let args = ["explain", "--admin", &stage.admin, "--output", "json"];
        let json = keyfob(&stage.home, &args).envs(more).run().expect_code(0).json();
        let warnings = json["warnings"].as_array().unwrap();
        codes(warnings).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let keys = || KEYS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    assert_eq!(codes_of(keys()), Vec::<String>::new());
    // Those of its home are a shadow, too.
    assert_eq!(codes_of(stage.agent.client_env()), ["KF-SHADOW"]);
    assert_eq!(codes_of([stage.agent.client_env(), keys()].concat()), ["KF-SHADOW"; 2]);
}

#[test]
fn a_process_that_is_gone_cannot_be_explained() {
    let stage = Stage::new();
    // Beyond the largest number that Linux gives.
    let gone = stage.explain(4_194_305, &[], 2);
    assert!(gone.stderr.contains("there is no process 4194305") && gone.stdout.is_empty(), "{gone:?}");
    let mut child = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
    let pid = child.id().cast_signed();
    waitid(Id::Pid(Pid::from_raw(pid)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
    let ended = stage.explain(pid, &[], 2);
    assert!(ended.stderr.contains(&format!("process {pid} has ended")), "{ended:?}");
    child.wait().unwrap();
    for wrong in [&["--pid", "0"][..], &["--pid", "1", "--local"], &["--pid", "1", "--profile", "p"]] {
        ends(&stage.home, &[&["explain"], wrong].concat(), 2);
    }
}

/// As somebody without any right.
fn nobody(program: &std::path::Path) -> Run {
    let ids = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    Run::new("setpriv").args(ids).arg(program).env("PATH", std::env::var("PATH").unwrap())
}

#[test]
fn whose_process_it_is_counts() {
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can be somebody else");
    }
    let stage = Stage::new();
    let home = TempHome::new();
    let env = || stage.env(&home, &[]);
    // Files of root's: the token, and keys that this process never sees.
    let keys = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = a-secret-of-roots\n";
    set_permissions(home.credentials(keys), Permissions::from_mode(0o600)).unwrap();
    let theirs = staying(nobody(&which("sh").unwrap()).args(STAY).envs(env()));
    let warnings = stage.shadows(&theirs);
    assert_eq!(codes(&warnings), ["KF-SHADOW"], "{warnings:#?}");
    let message = warnings[0]["message"].as_str().unwrap();
    let wanted = format!("names {}, which it may not read", stage.agent.bound.token_file.display());
    assert!(message.contains(&wanted), "{message}");

    let ours = shell(env());
    let place = home.path().join("keyfob");
    std::fs::copy(crate::support::keyfob(), &place).unwrap();
    // They need not read our home to ask.
    set_permissions(home.path(), Permissions::from_mode(0o711)).unwrap();
    let pid = ours.pid().to_string();
    let run = nobody(&place).args(["explain", "--admin", &stage.admin, "default", "--pid", &pid]);
    let refused = run.run().expect_code(4);
    let fix = format!("fix: sudo keyfob --admin {} explain default --pid {pid}", stage.admin);
    assert!(refused.stderr.contains(&fix) && refused.stdout.is_empty(), "{refused:?}");
    assert!(refused.stderr.contains(&format!("process {pid} (sh, of root)")), "{refused:?}");
}

/// Shows one folder in the place of another, to itself alone.
const ELSEWHERE: &str = "mount --bind \"$1\" \"$2\"; echo here; read line";

#[test]
fn files_are_those_that_the_process_sees() {
    let Some(unshare) = tool("unshare") else { return };
    let stage = Stage::new();
    let home = TempHome::new();
    let keys = home.write(
        "other/credentials",
        "[default]\naws_access_key_id = AKIA\naws_secret_access_key = another-ones\n",
    );
    let apart = ["--map-root-user", "--mount"];
    let process = |inner: &[&str]| {
        let run = Run::new(&unshare).args(apart).args(["sh", "-ec", ELSEWHERE, "sh"]).args(inner);
        staying(run.envs(stage.env(&home, &[])).env("PATH", std::env::var("PATH").unwrap()))
    };
    let (other, usual) = (keys.parent().unwrap().to_str().unwrap(), home.path().join(".aws"));
    let usual = usual.to_str().unwrap();
    assert_eq!(stage.shadows(&shell(stage.env(&home, &[]))), Vec::<Value>::new());
    assert_eq!(stage.shadows(&process(&[usual, usual])), Vec::<Value>::new());
    let warnings = stage.shadows(&process(&[other, usual]));
    assert_eq!(codes(&warnings), ["KF-SHADOW"]);
    assert!(warnings[0].to_string().contains(&format!("file={usual}/credentials:2")), "{warnings:#?}");
    // Its own 127.0.0.1 is not ours.
    let far = Run::new(&unshare).args(["--map-root-user", "--net", "sh"]).args(STAY);
    let far = staying(far.envs(stage.env(&home, &[])).env("PATH", std::env::var("PATH").unwrap()));
    let warnings = stage.shadows(&far);
    assert_eq!(codes(&warnings), ["KF-UNWIRED"]);
    assert!(warnings[0]["message"].as_str().unwrap().contains("network namespace"), "{warnings:#?}");
}

/// boto3 as it is, but that what is asked for a relative address is a port of this machine where nobody listens, and that
/// STS is asked once.
const BOTO: &str = "
import runpy, sys
from botocore.utils import ContainerMetadataFetcher
ContainerMetadataFetcher.IP_ADDRESS = '127.0.0.1:1'
ContainerMetadataFetcher.SLEEP_TIME = 0
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
";

/// Whether boto3 with these variables is given the agent's key.
fn boto_comes(env: &[(String, String)]) -> bool {
    let program = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/boto.py");
    let run = Run::new(python()).args(["-c", BOTO]).arg(program).arg("credentials").envs(env.iter().cloned());
    let run = run.env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1").env("AWS_MAX_ATTEMPTS", "1");
    let answer = run.env("AWS_DEFAULT_REGION", "eu-west-1").run();
    assert!(matches!(answer.code(), Some(0 | 1)), "{answer:#?}");
    answer.json()["AccessKeyId"] == "ASIAFROMTHEHELPER001"
}

#[test]
fn every_judgement_is_boto3s() {
    if !python().is_file() {
        return skip(&format!("{:?} is not there: run `make clients`", Sdk::Boto3));
    }
    let stage = Stage::new();
    let mut wrong = Vec::new();
    for Case { what, vars, files, comes } in cases() {
        let home = TempHome::new();
        for (name, text) in files {
            home.write(name, text);
        }
        let absolute = |value: &str| value.replace('~', home.path().to_str().unwrap());
        let vars: Vec<_> = vars.iter().map(|(name, value)| (*name, value.map(absolute))).collect();
        let vars: Vec<_> = vars.iter().map(|(name, value)| (*name, value.as_deref())).collect();
        let env = stage.env(&home, &vars);
        let boto = boto_comes(&env);
        let shadows = stage.shadows(&shell(env));
        if (boto, shadows.is_empty()) != (comes, comes) {
            wrong.push(format!("{what}: boto3 {boto}, wanted {comes}, shadows {:?}", codes(&shadows)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
