//! Files, variables and exit statuses, for the manual pages of the commands that they concern.

/// A file or a variable.
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    /// Whose page names it; all when empty.
    pub(super) commands: &'static [&'static str],
}

/// The commands that walk the chain themselves.
const WALKING: &[&str] = &["serve", "get", "explain", "exec"];
/// The commands for which the token matters.
const TOKEN: &[&str] = &["serve", "env"];

const fn place(name: &'static str, commands: &'static [&'static str], text: &'static str) -> Place {
    Place { name, text, commands }
}

pub(super) const FILES: &[Place] = &[
    place(
        "/etc/keyfob/keyfob.toml",
        &[],
        "The configuration, if it is there and neither --config nor KEYFOB_CONFIG names another. Unknown keys are \
         errors; keyfob check finds them all. The agent follows changes; a bad file changes nothing.",
    ),
    place(
        "/etc/keyfob/aws/config, /etc/keyfob/aws/credentials",
        &["serve"],
        "The AWS files of the systemd service, which has no home.",
    ),
    place(
        "~/.aws/config, ~/.aws/credentials",
        WALKING,
        "Profiles, as botocore reads them; AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name others.",
    ),
    place("/etc/boto.cfg, ~/.boto", WALKING, "Keys of the old boto; BOTO_CONFIG names another file."),
    place(
        "/run/keyfob/token",
        TOKEN,
        "What clients send with every request; mode 0440, for the members of its group. It outlives restarts of the \
         agent. Where /run/keyfob cannot be used, it is in $XDG_RUNTIME_DIR/keyfob or ~/.cache/keyfob.",
    ),
    place(
        "/run/keyfob/admin.token",
        &["serve", "refresh"],
        "Opens refresh; mode 0600, for the agent's user and root.",
    ),
    place(
        "/var/log/keyfob",
        &["serve"],
        "Where the service may keep an audit log: telemetry.audit = \"/var/log/keyfob/audit.json\".",
    ),
];

pub(super) const ENVIRONMENT: &[Place] = &[
    place("KEYFOB_CONFIG", &[], "Another configuration file. --config wins over it."),
    place("NO_COLOR", &[], "When set: no colours, unless --color asks for them."),
    place(
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE, AWS_ROLE_ARN, \
         AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, \
         AWS_EC2_METADATA_DISABLED, AWS_REGION",
        WALKING,
        "These and the other variables that botocore knows mean to the chain what they mean to botocore.",
    ),
    place(
        "HTTPS_PROXY, HTTP_PROXY, NO_PROXY",
        WALKING,
        "On the way to STS, as botocore takes them. Instance metadata and container endpoints are asked directly.",
    ),
    place(
        "KEYFOB_WALK",
        &["get", "exec", "serve"],
        "Set for the programs that a walk runs, such as a credential_process: what is being resolved already. To \
         resolve it once more is refused as KF-LOOP.",
    ),
    place(
        "OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME and other OTEL_ variables",
        &["serve"],
        "Traces of failures; off without an endpoint. keyfob check --print shows what is in force.",
    ),
    place(
        "RUNTIME_DIRECTORY, XDG_RUNTIME_DIR",
        &["serve"],
        "Where the tokens are made, the first that can be used.",
    ),
    place(
        "NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS, LISTEN_FDNAMES, JOURNAL_STREAM",
        &["serve"],
        "Set by systemd: how the agent is, the sockets that it is handed, and that its log is the journal.",
    ),
];

/// For all commands; what differs stands on a command's own page.
pub(super) const STATUS: &[(&str, &str)] = &[
    ("0", "Usable credentials, or the question was answered."),
    ("1", "A fault of keyfob's own."),
    ("2", "Bad usage or configuration, or a port that is taken."),
    ("3", "Nothing is configured in any source."),
    ("4", "A configured source refused, is malformed, misconfigured or expired."),
    ("5", "Unreachable, timed out, throttled; or no agent is there."),
    ("6", "With --strict: usable, but about to break."),
    ("125, 126, 127, 128+N", "From exec and demo with a command: see their pages."),
];
