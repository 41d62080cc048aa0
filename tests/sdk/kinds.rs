//! README's first table: every SDK with every kind of credentials, through `keyfob serve`, told by environment variables
//! alone. What the table says is what is seen here, in both directions.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::Sdk;
use crate::sign_in;
use crate::support::aws::sign_in::{login_cache, sso_cache};
use crate::support::{FakeAws, Serving, TempHome};

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// Alice's keys, as they stand in a file.
pub const KEYS: &str =
    "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n";
const REGION: &str = "eu-west-1";
const BOUND: Duration = Duration::from_secs(60);

/// An AWS that knows alice, and a home for the agent.
pub struct Stage {
    pub aws: FakeAws,
    pub home: TempHome,
}

impl Stage {
    pub fn new() -> Stage {
        let aws = FakeAws::spawn_thread();
        aws.add_user(KEY, SECRET, "111122223333", "alice");
        Stage { aws, home: TempHome::new() }
    }

    /// The agent with these variables besides those that point it at the fake AWS.
    #[track_caller]
    pub fn serve(&self, vars: &[(&str, &str)]) -> Serving {
        Serving::start(&[], self.env(vars))
    }

    pub fn env(&self, vars: &[(&str, &str)]) -> Vec<(String, String)> {
        let runtime = self.home.path().join("run");
        std::fs::create_dir_all(&runtime).unwrap();
        let mut env = self.home.env();
        env.extend(self.aws.env());
        env.push(("RUNTIME_DIRECTORY".to_owned(), runtime.display().to_string()));
        env.push(("AWS_DEFAULT_REGION".to_owned(), REGION.to_owned()));
        env.extend(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        env
    }

    /// What an application of another user gets: the wiring, a region, the fake in place of AWS, an empty home.
    pub fn client(&self, agent: &Serving, home: &TempHome) -> Vec<(String, String)> {
        let mut env = agent.client_env();
        env.extend(home.env());
        env.push(("AWS_ENDPOINT_URL".to_owned(), self.aws.url()));
        env.extend(["AWS_REGION", "AWS_DEFAULT_REGION"].map(|name| (name.to_owned(), REGION.to_owned())));
        env
    }
}

/// Of the table: what the row is called, an agent that has such credentials, and who that is.
type Kind = (&'static str, fn(&Stage) -> Serving, &'static str);

const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

const KINDS: [Kind; 11] = [
    ("long-term keys, as they are: from the environment", environment, ALICE),
    ("long-term keys, as they are: from a file", file, ALICE),
    ("long-term keys, as they are: from boto 2's file", boto, ALICE),
    ("long-term keys with `static_keys = \"mint\"`", minted, ALICE),
    ("a role that is assumed", role, "arn:aws:sts::222233334444:assumed-role/app/me"),
    ("a web identity", web_identity, "arn:aws:sts::333344445555:assumed-role/pod/pod-1"),
    ("an SSO session", sso, "arn:aws:sts::123456789012:assumed-role/Reader/somebody"),
    ("an `aws login` session", login, "arn:aws:iam::123456789012:user/somebody"),
    ("`credential_process`", process, "arn:aws:sts::123456789012:assumed-role/task-role/container"),
    ("a container endpoint", container, "arn:aws:sts::123456789012:assumed-role/task-role/container"),
    (
        "instance metadata",
        metadata,
        "arn:aws:sts::123456789012:assumed-role/instance-role/i-0123456789abcdef0",
    ),
];

fn environment(stage: &Stage) -> Serving {
    stage.serve(&[("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)])
}

fn file(stage: &Stage) -> Serving {
    stage.home.credentials(&format!("[work]\n{KEYS}"));
    stage.serve(&[("AWS_PROFILE", "work")])
}

fn boto(stage: &Stage) -> Serving {
    stage.home.write(".boto", &format!("[Credentials]\n{KEYS}"));
    stage.serve(&[])
}

/// The session that long-term keys are exchanged for has a token.
fn minted(stage: &Stage) -> Serving {
    stage.home.credentials(&format!("[default]\n{KEYS}"));
    let config = stage.home.write("keyfob.toml", "[[role]]\nname = \"default\"\nstatic_keys = \"mint\"\n");
    stage.serve(&[("KEYFOB_CONFIG", config.to_str().unwrap())])
}

fn role(stage: &Stage) -> Serving {
    stage.home.credentials(&format!("[base]\n{KEYS}"));
    stage.home.config(
        "[default]\nrole_arn = arn:aws:iam::222233334444:role/app\nsource_profile = base\nrole_session_name = me\n",
    );
    stage.serve(&[])
}

fn web_identity(stage: &Stage) -> Serving {
    let token = stage.home.write("jwt", "header.payload.signature").display().to_string();
    stage.serve(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
        ("AWS_ROLE_ARN", "arn:aws:iam::333344445555:role/pod"),
        ("AWS_ROLE_SESSION_NAME", "pod-1"),
    ])
}

/// The token has ended: it is refreshed on the way.
fn sso(stage: &Stage) -> Serving {
    stage.home.config(sign_in::CONFIG);
    stage.home.write(&sso_cache("corp"), &sign_in::sso_kept(-60));
    stage.serve(&[("AWS_PROFILE", "sso")])
}

fn login(stage: &Stage) -> Serving {
    stage.home.config(sign_in::CONFIG);
    stage.home.write(&login_cache("me"), &sign_in::login_kept(-60));
    stage.serve(&[("AWS_PROFILE", "login")])
}

/// What the helper prints is what the container endpoint of the fake hands out, under the names of a process.
fn process(stage: &Stage) -> Serving {
    let uri = stage.aws.container_url("/container/app");
    let script = format!(
        "exec 3<>/dev/tcp/{}\nprintf 'GET /container/app HTTP/1.0\\r\\nHost: {}\\r\\n\\r\\n' >&3\n\
         sed -n 's/.*{{/{{\"Version\": 1, /; s/\"Token\"/\"SessionToken\"/; /Version/p' <&3\n",
        stage.aws.addr().to_string().replace(':', "/"),
        uri.trim_start_matches("http://").trim_end_matches("/container/app"),
    );
    let script = stage.home.write("helper", &script);
    stage.home.config(&format!("[default]\ncredential_process = /bin/bash {}\n", script.display()));
    stage.serve(&[])
}

fn container(stage: &Stage) -> Serving {
    stage.aws.container().set(|container| container.authorization = Some("upstream".to_owned()));
    let uri = stage.aws.container_url("/container/app");
    stage.serve(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "upstream"),
    ])
}

fn metadata(stage: &Stage) -> Serving {
    stage.serve(&[])
}

/// How the table calls it.
fn title(sdk: Sdk) -> &'static str {
    match sdk {
        Sdk::Boto3 => "boto3",
        Sdk::Cli => "AWS CLI 1",
        Sdk::JavaScript => "JavaScript 3",
        Sdk::Rust => "Rust",
        Sdk::Go => "Go 2",
        Sdk::Java => "Java 2",
    }
}

/// README's first table, cell by cell.
fn table() -> Vec<Vec<&'static str>> {
    let lines = include_str!("../../README.md").lines();
    let rows = lines.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// What README says of that kind with that SDK.
#[track_caller]
pub fn works(kind: &str, sdk: Sdk) -> &'static str {
    let table = table();
    let column = table[0].iter().position(|name| *name == title(sdk)).unwrap_or_else(|| panic!("no {sdk:?}"));
    let row = table.iter().find(|row| row[0] == kind).unwrap_or_else(|| panic!("README has no row: {kind}"));
    row[column]
}

/// Who that SDK is: `yes` when it is who it should be, `no` when AWS refuses its empty session token.
fn seen(stage: &Stage, agent: &Serving, sdk: Sdk, arn: &str) -> Option<&'static str> {
    let home = TempHome::new();
    let done = sdk.run(&["identity"], BOUND, stage.client(agent, &home))?;
    let said = format!("{}{}", done.stdout, done.stderr);
    match done.code() {
        Some(0) if said.contains(&format!("\"{arn}\"")) => Some("yes"),
        Some(1) if said.contains("InvalidClientTokenId") => Some("**no**"),
        _ => panic!("{sdk:?}: neither {arn} nor a refusal of AWS: {done:#?}\n{}", agent.log()),
    }
}

/// One row as it is seen; a cell is README's own where an SDK is not there.
fn row((kind, serve, arn): &Kind) -> Vec<&'static str> {
    let stage = Stage::new();
    let agent = serve(&stage);
    let cells = Sdk::ALL.map(|sdk| seen(&stage, &agent, sdk, arn).unwrap_or_else(|| works(kind, sdk)));
    // Each was asked with the key that is served, and with no other that might lie about.
    let served = agent.credentials("/v1/credentials").json()["AccessKeyId"].as_str().unwrap().to_owned();
    let asked = stage.aws.requests().into_iter().filter(|request| request.op == "GetCallerIdentity");
    for request in asked {
        let authorization = request.header("authorization").unwrap_or_default();
        assert!(authorization.contains(&format!("Credential={served}/")), "{kind}: {authorization}");
    }
    for once in
        ["AssumeRole", "AssumeRoleWithWebIdentity", "GetSessionToken", "GetRoleCredentials", "CreateToken"]
    {
        assert!(stage.aws.calls(once) <= 1, "{kind}: one {once}, whoever asks us");
    }
    let log = agent.log();
    assert!(!stage.aws.secrets().iter().any(|secret| log.contains(secret)), "{kind}: a secret was logged");
    [vec![*kind], cells.to_vec()].concat()
}

#[test]
fn readmes_first_table_is_what_the_sdks_do() {
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(vec![Vec::new(); KINDS.len()]));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(kind) = KINDS.get(number) else { return };
                    let row = row(kind);
                    rows.lock().unwrap()[number] = row;
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap();
    let text: Vec<String> = rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    let table = table();
    let titles: Vec<&str> = Sdk::ALL.map(title).to_vec();
    assert_eq!(table[0][1..], titles, "the SDKs of README's first table");
    // The first two rows are its heads; what follows the kinds is shown elsewhere.
    assert_eq!(table[2..2 + rows.len()], rows, "README's first table should be\n{}", text.join("\n"));
}
