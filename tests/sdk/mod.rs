//! The real SDKs as clients: where each one is, and how it runs with nothing but the variables it is given.
//!
//! `make clients tools` installs them under `build/`. One that is not there is a skip that is said, counted, and a failure
//! where `KEYFOB_REQUIRE_TOOLS=1`.

mod https;
mod imds;
mod kinds;
mod programs;
mod readme;
mod through;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::run::skip;
use crate::support::{Finished, Run, keyfob};

/// A client of AWS that knows nothing of keyfob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    Boto3,
    /// Version 1 of the AWS CLI.
    Cli,
    JavaScript,
    Rust,
    Go,
    Java,
}

/// How long one call may take; a loop gets this on top of its own time.
const BOUND: Duration = Duration::from_secs(60);

impl Sdk {
    pub const ALL: [Sdk; 6] = [Sdk::Boto3, Sdk::Cli, Sdk::JavaScript, Sdk::Rust, Sdk::Go, Sdk::Java];
    /// Those that are programs of ours around an SDK, so that they can do more than one call.
    pub const PROGRAMS: [Sdk; 5] = [Sdk::Boto3, Sdk::JavaScript, Sdk::Rust, Sdk::Go, Sdk::Java];

    /// Who STS says this client is: `account` and `arn`. None: skipped.
    #[track_caller]
    pub fn identity<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        self,
        env: impl IntoIterator<Item = (N, V)>,
    ) -> Option<Identity> {
        let done = self.run(&["identity"], BOUND, env)?.expect_code(0);
        let answer = done.json();
        // The CLI prints STS's own fields.
        let text = |ours: &str, theirs: &str| {
            let field = answer.get(ours).or_else(|| answer.get(theirs));
            field.and_then(Value::as_str).unwrap_or_else(|| panic!("no {ours}: {done:#?}")).to_owned()
        };
        Some(Identity { account: text("account", "Account"), arn: text("arn", "Arn") })
    }

    /// What its default chain finds: `AccessKeyId`, `account`, `expiration`. None: skipped.
    #[track_caller]
    pub fn credentials<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        self,
        env: impl IntoIterator<Item = (N, V)>,
    ) -> Option<Value> {
        Some(self.run(&["credentials"], BOUND, env)?.expect_code(0).json())
    }

    /// One client that asks STS again and again for so many seconds: `calls`, `failures`, `first`. None: skipped.
    #[track_caller]
    pub fn repeat<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        self,
        seconds: u64,
        pause: Duration,
        env: impl IntoIterator<Item = (N, V)>,
    ) -> Option<Value> {
        let (seconds_text, pause) = (seconds.to_string(), pause.as_millis().to_string());
        let bound = BOUND + Duration::from_secs(seconds);
        Some(self.run(&["loop", &seconds_text, &pause], bound, env)?.expect_code(0).json())
    }

    /// Whether the account that an endpoint names arrives: the container providers of these two drop it.
    pub fn keeps_the_account(self) -> bool {
        !matches!(self, Sdk::JavaScript | Sdk::Java)
    }

    /// Runs it to its end; None when it is not there.
    pub fn run<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        self,
        args: &[&str],
        bound: Duration,
        env: impl IntoIterator<Item = (N, V)>,
    ) -> Option<Finished> {
        let program = self.program()?;
        Some(self.arguments(Run::new(program), args).within(bound).envs(env).run())
    }

    /// As the command of another program, such as `keyfob exec --`; None when it is not there.
    pub fn under(self, run: Run, args: &[&str]) -> Option<Run> {
        let program = self.program()?;
        Some(self.arguments(run.arg(program), args))
    }

    fn program(self) -> Option<PathBuf> {
        let program = self.command().0;
        if program.is_file() {
            return Some(program);
        }
        skip(&format!("{self:?} is not there: {}; run `make clients tools`", program.display()));
        None
    }

    fn arguments(self, run: Run, args: &[&str]) -> Run {
        match self {
            Sdk::Cli => run.args(["sts", "get-caller-identity", "--output", "json"]),
            _ => run.args(self.command().1).args(args),
        }
    }

    /// The program, and the arguments that come first.
    fn command(self) -> (PathBuf, Vec<PathBuf>) {
        match self {
            Sdk::Boto3 => (python(), vec![ours("tests/sdk/boto.py")]),
            Sdk::Cli => (ours("build/venv/bin/aws"), vec![]),
            Sdk::JavaScript => (ours("build/node"), vec![ours("tests/sdk/js/client.mjs")]),
            // Cargo builds examples beside the binary, whenever it builds all tests.
            Sdk::Rust => (keyfob().with_file_name("examples").join("rust-sdk-client"), vec![]),
            Sdk::Go => (ours("build/tools/bin/go-sdk-client"), vec![]),
            Sdk::Java => (ours("build/java/java"), java()),
        }
    }
}

/// STS's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub account: String,
    pub arn: String,
}

/// The interpreter that has boto3 and the botocore that keyfob is compared with.
pub fn python() -> PathBuf {
    ours("build/venv/bin/python")
}

/// Options for a start that is quick where there is one processor or two.
fn java() -> Vec<PathBuf> {
    let options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp"].map(PathBuf::from);
    let classes = format!("{}:{}", ours("build/java/classes").display(), ours("build/java/lib/*").display());
    options.into_iter().chain([PathBuf::from(classes), PathBuf::from("Client")]).collect()
}

fn ours(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
