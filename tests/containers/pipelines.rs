//! Pipelines: the steps as they stand in the files, with a fake of the endpoint that hands out tokens, and AWS.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::outside::Web;
use super::{ours, text, vars, yaml};
use crate::sdk::python;
use crate::support::run::skip;
use crate::support::tools::tool;
use crate::support::{FakeAws, Finished, Run, TempHome, keyfob};

const ROLE: &str = "arn:aws:sts::111122223333:assumed-role/deploy/";

/// A runner's machine: a home, a workspace, keyfob in a folder of downloads, AWS.
struct Runner {
    home: TempHome,
    aws: FakeAws,
}

impl Runner {
    /// None: skipped for want of what runners have.
    fn new() -> Option<Runner> {
        for program in ["bash", "curl", "jq", "sha256sum"] {
            tool(program)?;
        }
        if !ours("build/venv/bin/aws").is_file() {
            skip("the AWS CLI is not there; run `make clients`");
            return None;
        }
        Some(Runner { home: TempHome::new(), aws: FakeAws::spawn_thread() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A script as runners start it: what fails in it ends it.
    fn step(&self, script: &str, env: &[(String, String)]) -> Finished {
        let file = self.home.write("step.sh", script);
        let run = Run::new("bash").args(["--noprofile", "--norc", "-eo", "pipefail"]).arg(file);
        let run = run.env("AWS_ENDPOINT_URL", self.aws.url()).envs(self.home.env());
        run.envs(env.iter().cloned()).dir(self.home.path()).run()
    }
}

/// Where the programs are that the files take for granted.
fn programs(first: &Path) -> (String, String) {
    let folders = [first, python().parent().unwrap()].map(|folder| folder.display().to_string());
    ("PATH".to_owned(), format!("{}:/usr/local/bin:/usr/bin:/bin", folders.join(":")))
}

/// GitHub's endpoint for tokens: each answer is another one, for who has the bearer and asks for AWS.
struct Tokens {
    server: Web,
    given: Arc<AtomicUsize>,
    refused: Arc<Mutex<Vec<String>>>,
}

const BEARER: &str = "a-bearer-of-the-job";

impl Tokens {
    fn open() -> Tokens {
        let (given, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, strange) = (Arc::clone(&given), Arc::clone(&refused));
        let server = Web::serve(move |head| {
            let wanted = "GET /token?job=1&audience=sts.amazonaws.com HTTP/1.1";
            let bearer = format!("authorization: bearer {BEARER}");
            let bears = head.lines().any(|line| line.eq_ignore_ascii_case(&bearer));
            if head.lines().next() != Some(wanted) || !bears {
                strange.lock().unwrap().push(head.to_owned());
                return (401, b"{}".to_vec());
            }
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            (200, format!(r#"{{"count":1,"value":"header.token-{number}.signature"}}"#).into_bytes())
        });
        Tokens { server, given, refused }
    }
}

#[test]
fn githubs_steps_give_the_job_a_token_as_fresh_as_its_credentials() {
    let Some(runner) = Runner::new() else { return };
    let tokens = Tokens::open();
    let workflow = yaml(&ours("deploy/ci/github.yaml")).remove(0);
    let job = &workflow["jobs"]["deploy"];
    assert_eq!(workflow["permissions"]["id-token"], "write");
    let workspace = runner.home.path().display().to_string();
    let filled = |value: &str| value.replace("${{ github.workspace }}", &workspace);
    let mut env: Vec<_> = vars(&job["env"]).into_iter().map(|(name, value)| (name, filled(&value))).collect();
    env.extend([
        ("ACTIONS_ID_TOKEN_REQUEST_URL".to_owned(), format!("http://{}/token?job=1", tokens.server.at())),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN".to_owned(), BEARER.to_owned()),
        ("RUNNER_TEMP".to_owned(), workspace.clone()),
        ("GITHUB_PATH".to_owned(), runner.path("github-path").display().to_string()),
    ]);
    env.push(programs(&runner.path(".local/bin")));
    let steps: Vec<&Value> =
        job["steps"].as_array().unwrap().iter().filter(|step| step["run"].is_string()).collect();
    assert_eq!(steps.len(), 3);
    let [install, say, deploy] = [0, 1, 2].map(|number| text(&steps[number]["run"]));

    // The download is a file here, of which the sum is known.
    let sum = Run::new("sha256sum").arg(keyfob()).run().expect_code(0).stdout;
    let download = [
        ("KEYFOB_URL", format!("file://{}", keyfob().display())),
        ("KEYFOB_SHA256", sum.split(' ').next().unwrap().to_owned()),
    ];
    let with = |sum: &str| -> Vec<_> {
        let download =
            download.clone().map(|(name, value)| (name.to_owned(), value.replace(&download[1].1, sum)));
        env.iter().cloned().chain(download).collect()
    };
    assert_ne!(runner.step(install, &with(&"0".repeat(64))).code(), Some(0), "another file than was meant");
    runner.step(install, &with(&download[1].1)).expect_code(0);
    let path = std::fs::read_to_string(runner.path("github-path")).unwrap();
    assert_eq!(path.trim(), runner.path(".local/bin").display().to_string());

    runner.step(say, &env).expect_code(0);
    let done = runner.step(deploy, &env).expect_code(0);
    assert!(text(&done.json()["Arn"]).starts_with(ROLE), "{done:#?}");
    runner.step(deploy, &env).expect_code(0);
    let refused = tokens.refused.lock().unwrap().clone();
    assert_eq!(
        (tokens.given.load(Ordering::Relaxed), refused),
        (2, vec![]),
        "a token for each time they are fetched"
    );
    let shown = |entry: &crate::support::aws::Entry| entry.form.get("WebIdentityToken").cloned();
    let sent: Vec<_> = runner.aws.requests().iter().filter_map(shown).collect();
    assert_eq!(sent, ["header.token-1.signature", "header.token-2.signature"]);

    // Without the permission GitHub sets neither variable: the step fails and says what it is about.
    let without: Vec<_> = env.into_iter().filter(|(name, _)| !name.starts_with("ACTIONS_ID_TOKEN")).collect();
    let failed = runner.step(deploy, &without).expect_code(125);
    assert!(failed.stderr.contains("token_process"), "{failed:#?}");
}

#[test]
fn github_would_take_the_workflow() {
    let Some(actionlint) = tool("actionlint") else { return };
    let judge = |file: &Path| Run::new(&actionlint).arg("-no-color").arg(file).run();
    judge(&ours("deploy/ci/github.yaml")).expect_code(0);
    let wrong = std::fs::read_to_string(ours("deploy/ci/github.yaml")).unwrap().replace("runs-on", "run-on");
    let home = TempHome::new();
    judge(&home.write("wrong.yaml", &wrong)).expect_code(1);
}

#[test]
fn gitlabs_script_turns_the_jobs_token_into_credentials_that_are_renewed() {
    let Some(runner) = Runner::new() else { return };
    let job = yaml(&ours("deploy/ci/gitlab.yaml")).remove(0)["deploy"].clone();
    assert!(job["id_tokens"]["AWS_ID_TOKEN"]["aud"].is_string());
    let mut env = vars(&job["variables"]);
    // GitLab puts variables into variables itself, and each job has a machine of its own.
    let token = runner.path("aws-id-token").display().to_string();
    for (_, value) in &mut env {
        *value = value
            .replace("$CI_PROJECT_ID", "7")
            .replace("$CI_JOB_ID", "42")
            .replace("/tmp/aws-id-token", &token);
    }
    env.push(("AWS_ID_TOKEN".to_owned(), "header.of-gitlab.signature".to_owned()));
    env.push(programs(keyfob().parent().unwrap()));
    let lines: Vec<&str> = job["script"].as_array().unwrap().iter().map(text).collect();
    let done = runner.step(&lines.join("\n"), &env).expect_code(0);
    assert_eq!(done.json()["Arn"], format!("{ROLE}gitlab-7-42"));
    let sent = runner.aws.requests().iter().find_map(|entry| entry.form.get("WebIdentityToken").cloned());
    assert_eq!(sent.as_deref(), Some("header.of-gitlab.signature"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&token).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}
