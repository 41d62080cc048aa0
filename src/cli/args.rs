//! The words of the command line, with help for a person in trouble.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::help;
use super::place::Place;
use crate::config::{Address, LogFormat, duration};
use crate::credentials::RoleName;
use crate::wiring::Format;

/// Serves the credentials boto3 would find, kept fresh, to every AWS SDK; and says why when there are none.
#[derive(Debug, Parser)]
#[command(name = "keyfob", version, after_help = help::EXAMPLES)]
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
    /// The agent's admin address, https://HOST:PORT with TLS, "off" for none (serve) [default: the configuration's, else 127.0.0.1:5398]
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
    /// Shape of the log on stderr: auto, text or json; or journald, past stderr
    #[arg(long, global = true, value_name = "FORMAT", value_parser = log_format)]
    pub log_format: Option<LogFormat>,
}

/// `--admin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// No admin listener.
    Off,
    /// There.
    At(SocketAddr),
    /// There, with TLS: for those who ask.
    Https(Place),
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
#[command(after_help = help::SERVE)]
pub struct Serve {
    /// Keep this profile, as one chosen in code; only without configured roles
    #[arg(long, value_name = "PROFILE", value_parser = not_empty)]
    pub profile: Option<String>,
    /// Credentials address instead of the configuration's
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<Address>,
}

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
#[command(after_help = help::GET)]
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
#[command(after_help = help::EXPLAIN)]
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
    /// The longest that a walk made here may take
    #[arg(long, value_name = "TIME", value_parser = length, default_value = "10s")]
    pub timeout: Duration,
    /// Also what the sources looked at that had nothing or are well
    #[arg(long)]
    pub all: bool,
    /// As --all, and how long each source took
    #[arg(long, short)]
    pub verbose: bool,
    /// For sharing: account ids, host names, paths and the user's name are replaced
    #[arg(long)]
    pub redact: bool,
    /// Also say what keeps this process from the agent [default: this environment, if it is wired to the agent]
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["local", "profile"])]
    pub pid: Option<u32>,
    /// Print what a code means
    #[arg(long, value_name = "CODE", conflicts_with_all = ["role", "profile", "local", "now", "strict", "pid"])]
    pub code: Option<String>,
    /// Print all codes
    #[arg(long, conflicts_with_all = ["role", "profile", "local", "now", "strict", "pid", "code"])]
    pub list_codes: bool,
    /// Print the JSON schema of `--output json`
    #[arg(long, conflicts_with_all = ["role", "profile", "local", "now", "strict", "pid", "code", "list_codes"])]
    pub schema: bool,
}

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
#[command(after_help = help::EXEC)]
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

/// `env`.
#[derive(Debug, Args)]
#[command(after_help = help::ENV)]
pub struct EnvArgs {
    /// A role of the agent [default: `default`, or the only one]
    #[arg(value_name = "ROLE", value_parser = role)]
    pub role: Option<RoleName>,
    /// For whom
    #[arg(long, short, value_name = "FORMAT", default_value = "sh", value_parser = format())]
    pub format: Format,
}

/// `status`.
#[derive(Debug, Args)]
#[command(after_help = help::STATUS)]
pub struct Status {
    /// How to print it
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = Output::Text)]
    pub output: Output,
}

/// `refresh`.
#[derive(Debug, Args)]
#[command(after_help = help::REFRESH)]
pub struct Refresh {
    /// A role of the agent [default: `default`, or the only one]
    #[arg(value_name = "ROLE", value_parser = role)]
    pub role: Option<RoleName>,
    /// Discard what is held first, as after an incident
    #[arg(long)]
    pub drop: bool,
}

/// `wait`.
#[derive(Debug, Args)]
#[command(after_help = help::WAIT)]
pub struct Wait {
    /// Roles of the agent [default: every required one]
    #[arg(value_name = "ROLE", value_parser = role)]
    pub roles: Vec<RoleName>,
    /// Give up after this long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = length)]
    pub timeout: Duration,
}

/// `check`.
#[derive(Debug, Args)]
#[command(after_help = help::CHECK)]
pub struct Check {
    /// Print the configuration in force with the origin of each value; secrets are masked
    #[arg(long)]
    pub print: bool,
}

/// `demo`.
#[derive(Debug, Args)]
#[command(after_help = help::DEMO)]
pub struct Demo {
    /// A command to run against the demo; without one, the demo stays until Ctrl-C
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

fn admin(text: &str) -> Result<Admin, String> {
    if text == "off" {
        return Ok(Admin::Off);
    }
    let want = "wanted an IP address with a port, such as 127.0.0.1:5398, https:// before it where the agent's admin \
                listener speaks TLS, or \"off\"";
    let read = if text.starts_with("https://") {
        text.parse().ok().map(Admin::Https)
    } else {
        text.parse().ok().map(Admin::At)
    };
    read.ok_or_else(|| want.to_owned())
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        "journald" => Ok(LogFormat::Journald),
        _ => Err("wanted auto, text, json or journald".to_owned()),
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
