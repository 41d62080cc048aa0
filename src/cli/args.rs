//! The words of the command line, with help for a person in trouble.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::config::{LogFormat, duration};
use crate::credentials::RoleName;
use crate::wiring::Format;

const EXAMPLES: &str = "\
In trouble:
  keyfob explain                     what each source says, the likely cause and the fix
  keyfob explain --code WI-TRUST     what a code in a log or a metric means
  keyfob check                       whether the configuration is right
  keyfob status                      what the running agent holds

To begin:
  keyfob demo -- aws sts get-caller-identity      everything built in, nothing of yours is touched
  keyfob exec -- aws s3 ls                        one command with fresh credentials
  keyfob serve                                    the agent; `eval \"$(keyfob env)\"` in another shell";

/// Serves the credentials boto3 would find, kept fresh, to every AWS SDK; and says why when there are none.
#[derive(Debug, Parser)]
#[command(name = "keyfob", version, after_help = EXAMPLES)]
#[command(arg_required_else_help = true, disable_help_flag = true, max_term_width = 100)]
pub struct Cli {
    /// What goes for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What goes for every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "For every command")]
pub struct Global {
    /// Configuration file [default: $KEYFOB_CONFIG, else /etc/keyfob/keyfob.toml if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The agent's admin address, "off" for none (serve) [default: the configuration's, else 127.0.0.1:5398]
    #[arg(long, global = true, value_name = "ADDR", value_parser = admin)]
    pub admin: Option<Admin>,
    /// Colours in what people read; NO_COLOR turns them off as well
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
    /// Only errors on stderr, no hints
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Print this help
    #[arg(long, short, global = true, action = ArgAction::HelpShort)]
    pub help: Option<bool>,
    /// Shape of the log on stderr: auto, text or json
    #[arg(long, global = true, value_name = "FORMAT", value_parser = log_format)]
    pub log_format: Option<LogFormat>,
}

/// `--admin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// No admin listener.
    Off,
    /// There.
    At(SocketAddr),
}

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent: keep credentials fresh and serve them to AWS SDKs
    Serve(Serve),
    /// Find credentials once and print them
    Get(Get),
    /// Say what each source has, why there are no credentials, and what to do
    Explain(Explain),
    /// Run a command with credentials that stay fresh
    Exec(Exec),
    /// Print the variables that point an application at the running agent
    Env(EnvArgs),
    /// Show what the running agent holds
    Status(Status),
    /// Make the running agent look again now
    Refresh(Refresh),
    /// Wait until the running agent holds usable credentials
    Wait(Wait),
    /// Check the configuration
    Check(Check),
    /// Try it on a built-in fake AWS; nothing of yours is touched
    Demo(Demo),
}

/// `serve`.
#[derive(Debug, Args)]
#[command(after_help = SERVE_HELP)]
pub struct Serve {
    /// Keep this profile, as one chosen in code; only without configured roles
    #[arg(long, value_name = "PROFILE", value_parser = not_empty)]
    pub profile: Option<String>,
    /// Credentials address instead of the configuration's
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

const SERVE_HELP: &str = "\
Without configuration: one role named default, the whole chain, credentials on 127.0.0.1:5397,
admin on 127.0.0.1:5398.

Signals:
  HUP   read the configuration again      USR1  walk every role's chain now
  TERM  end in order, status 0            (twice: end at once)

Examples:
  keyfob serve
  keyfob serve --profile prod --listen 127.0.0.1:6000 --admin off

Exit status: 0 ended by TERM, 2 bad configuration or port taken; with startup.deadline also 3, 4
or 5 as for `get`.";

/// Whose credentials: a role of the configuration, or a profile.
#[derive(Clone, Debug, Default, Args)]
pub struct Whose {
    /// A role of the configuration [default: `default`, or the only one]
    #[arg(value_name = "ROLE", value_parser = role, conflicts_with = "profile")]
    pub role: Option<RoleName>,
    /// A profile of the AWS files, as one chosen in code: keys in the environment are left aside
    #[arg(long, value_name = "PROFILE", value_parser = not_empty)]
    pub profile: Option<String>,
}

/// `get`.
#[derive(Debug, Args)]
#[command(after_help = GET_HELP)]
pub struct Get {
    /// Whose.
    #[command(flatten)]
    pub whose: Whose,
    /// How to print them [default: text on a terminal, else process]
    #[arg(long, short, value_enum, value_name = "FORMAT")]
    pub output: Option<GetOutput>,
    /// Ask the running agent instead of walking the chain
    #[arg(long, conflicts_with = "profile")]
    pub agent: bool,
}

const GET_HELP: &str = "\
Prints secrets: the only command that does.

Examples:
  keyfob get                                   on a terminal, for people
  eval \"$(keyfob get --output env)\"            into this shell; what would contradict is unset
  credential_process = keyfob get --profile p  in an AWS config file, for another profile

Exit status:
  0  printed          1  a fault of keyfob's own     2  bad usage or configuration
  3  nothing is configured in any source
  4  a configured source refused, is malformed, misconfigured or expired
  5  unreachable, timed out, throttled; or no agent is there";

/// `get --output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GetOutput {
    /// What `credential_process` expects
    Process,
    /// Lines for a shell
    Env,
    /// One JSON document with the source
    Json,
    /// For people
    Text,
}

/// `explain`.
#[derive(Debug, Args)]
#[command(after_help = EXPLAIN_HELP)]
pub struct Explain {
    /// Whose.
    #[command(flatten)]
    pub whose: Whose,
    /// How to print it
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = Output::Text)]
    pub output: Output,
    /// Walk here, as this user; never ask a running agent
    #[arg(long)]
    pub local: bool,
    /// Make the running agent walk first
    #[arg(long, conflicts_with_all = ["local", "profile"])]
    pub now: bool,
    /// Status 6 when the credentials are usable but about to break
    #[arg(long)]
    pub strict: bool,
    /// Print what a code means
    #[arg(long, value_name = "CODE", conflicts_with_all = ["role", "profile", "local", "now", "strict"])]
    pub code: Option<String>,
    /// Print all codes
    #[arg(long, conflicts_with_all = ["role", "profile", "local", "now", "strict", "code"])]
    pub list_codes: bool,
}

const EXPLAIN_HELP: &str = "\
Asks the running agent, if there is one, what it saw; else walks the chain here, as this user.
No secret is printed.

Examples:
  keyfob explain                    the role `default`, or the only one
  keyfob explain app --now          make the agent look again first
  keyfob explain --profile prod     a profile of the AWS files, walked here
  keyfob explain --code KF-DRIFT    what a code in a log, a metric or an error body means

Exit status:
  0  usable           1  a fault of keyfob's own     2  bad usage or configuration
  3  nothing is configured in any source
  4  a configured source refused, is malformed, misconfigured or expired
  5  unreachable, timed out, throttled               6  with --strict: usable, but about to break";

/// `--output` of commands that answer people or programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// `exec`.
#[derive(Debug, Args)]
#[command(after_help = EXEC_HELP)]
pub struct Exec {
    /// Whose.
    #[command(flatten)]
    pub whose: Whose,
    /// Keep trying this long for the first credentials, such as 30s [default: one try]
    #[arg(long, value_name = "TIME", value_parser = length)]
    pub wait: Option<Duration>,
    /// Leave the AWS files in the command's sight: ~/.aws/credentials and boto files then win over the endpoint
    #[arg(long)]
    pub keep_aws_files: bool,
    /// The command and its arguments; no shell
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

const EXEC_HELP: &str = "\
The command gets an endpoint of its own on a free port of 127.0.0.1 and the variables that point
at it. Its token and files are in a private folder that goes when the command ends. Signals are
passed on to it.

Examples:
  keyfob exec -- aws sts get-caller-identity
  keyfob exec --profile prod -- python train.py
  keyfob exec app --wait 30s -- ./server

Exit status: the command's own; 128+N when signal N ended it; 127 not found, 126 cannot be run;
125 keyfob's own failures, such as no credentials: then the command was not started, and stderr
says why.";

/// `env`.
#[derive(Debug, Args)]
#[command(after_help = ENV_HELP)]
pub struct EnvArgs {
    /// A role of the agent [default: `default`, or the only one]
    #[arg(value_name = "ROLE", value_parser = role)]
    pub role: Option<RoleName>,
    /// For whom
    #[arg(long, short, value_name = "FORMAT", default_value = "sh", value_parser = format())]
    pub format: Format,
}

const ENV_HELP: &str = "\
No secret is printed: the token stays in its file.

Examples:
  eval \"$(keyfob env)\"                                          sh, bash, zsh
  keyfob env --format fish | source                             fish
  keyfob env --format github >> \"$GITHUB_ENV\"                   GitHub Actions
  keyfob env --format systemd > /etc/app.env                    EnvironmentFile=/etc/app.env
  docker run --network host -v TOKEN:TOKEN:ro $(keyfob env --format docker) IMAGE

Exit status: 0 printed, 2 bad usage or no such role, 5 no agent is there.";

/// `status`.
#[derive(Debug, Args)]
#[command(after_help = STATUS_HELP)]
pub struct Status {
    /// How to print it
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = Output::Text)]
    pub output: Output,
}

const STATUS_HELP: &str = "\
Examples:
  keyfob status
  keyfob --admin 127.0.0.1:6000 status --output json

Exit status: 0 answered, whatever the roles' state; 2 bad usage; 5 no agent is there.";

/// `refresh`.
#[derive(Debug, Args)]
#[command(after_help = REFRESH_HELP)]
pub struct Refresh {
    /// A role of the agent [default: `default`, or the only one]
    #[arg(value_name = "ROLE", value_parser = role)]
    pub role: Option<RoleName>,
    /// Discard what is held first, as after an incident
    #[arg(long)]
    pub drop: bool,
}

const REFRESH_HELP: &str = "\
Needs the admin token: run it as the agent's user or as root. SIGUSR1 makes the agent look again
for every role.

Examples:
  keyfob refresh
  keyfob refresh app --drop

Exit status: 0 the role has usable credentials; 3, 4 or 5 why it has none; 2 no such role; 5 no
agent is there.";

/// `wait`.
#[derive(Debug, Args)]
#[command(after_help = WAIT_HELP)]
pub struct Wait {
    /// Roles of the agent [default: every required one]
    #[arg(value_name = "ROLE", value_parser = role)]
    pub roles: Vec<RoleName>,
    /// Give up after this long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = length)]
    pub timeout: Duration,
}

const WAIT_HELP: &str = "\
Returns as soon as the agent holds usable credentials; the agent itself may still be starting.

Examples:
  keyfob wait
  ExecStartPre=keyfob wait --timeout 30s app        in a systemd unit

Exit status: 0 usable; else that of the last failure: 3 nothing configured, 4 refused, 5
unreachable or no agent; 2 no such role.";

/// `check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_HELP)]
pub struct Check {
    /// Print the configuration in force with the origin of each value; secrets are masked
    #[arg(long)]
    pub print: bool,
}

const CHECK_HELP: &str = "\
Nothing is contacted and nothing is bound: only what the file says is judged.

Examples:
  keyfob check
  keyfob check --config ./keyfob.toml --print

Exit status: 0 right, 2 not: every problem is on stderr, with its place.";

/// `demo`.
#[derive(Debug, Args)]
#[command(after_help = DEMO_HELP)]
pub struct Demo {
    /// A command to run against the demo; without one, the demo stays until Ctrl-C
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

const DEMO_HELP: &str = "\
A built-in fake AWS (instance metadata and STS, keys that say DEMO, a life of five minutes) and
the agent against it, in one process, on free ports. Your files, variables and services are
neither read nor changed, and nothing leaves this machine.

Examples:
  keyfob demo -- aws sts get-caller-identity
  keyfob demo                                        prints what to paste into another shell

Exit status: with CMD as for `exec`; else 0.";

fn admin(text: &str) -> Result<Admin, String> {
    if text == "off" {
        return Ok(Admin::Off);
    }
    let want = "wanted an IP address with a port, such as 127.0.0.1:5398, or \"off\"";
    text.parse().map(Admin::At).map_err(|_| want.to_owned())
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        "journald" => Err("wanted auto, text or json: journald is not built yet".to_owned()),
        _ => Err("wanted auto, text or json".to_owned()),
    }
}

fn role(text: &str) -> Result<RoleName, String> {
    RoleName::parse(text).ok_or_else(|| "wanted 1 to 64 letters, digits, '.', '_' or '-'".to_owned())
}

fn format() -> impl TypedValueParser<Value = Format> {
    let words = PossibleValuesParser::new(Format::ALL.map(Format::as_str));
    words.try_map(|word| Format::parse(&word).ok_or("unknown"))
}

fn length(text: &str) -> Result<Duration, String> {
    duration::parse(text).ok_or_else(|| "wanted a length of time such as 30s or 1m30s".to_owned())
}

fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("wanted a name".to_owned()) } else { Ok(text.to_owned()) }
}
