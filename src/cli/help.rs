//! The longer words of the help: examples and exit statuses, for a person in trouble.
//!
//! No line is longer than the 98 columns that help leaves.

pub(super) const EXAMPLES: &str = "\
In trouble:
  keyfob explain                     what each source says, the likely cause and the fix
  keyfob explain --code WI-TRUST     what a code in a log or a metric means
  keyfob check                       whether the configuration is right
  keyfob status                      what the running agent holds

To begin:
  keyfob demo -- aws sts get-caller-identity      everything built in, nothing of yours is touched
  keyfob exec -- aws s3 ls                        one command with fresh credentials
  keyfob serve                                    the agent; `eval \"$(keyfob env)\"` in another shell";

pub(super) const SERVE: &str = "\
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

pub(super) const GET: &str = "\
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

pub(super) const EXPLAIN: &str = "\
Asks the running agent, if there is one, what it saw; else walks the chain here, as this user.
No secret is printed.

Examples:
  keyfob explain                    the role `default`, or the only one
  keyfob explain app --now          make the agent look again first
  keyfob explain --profile prod     a profile of the AWS files, walked here
  keyfob explain --pid 4711         also what process 4711 asks before it comes to the agent
  keyfob explain --redact --all     everything, fit for a ticket
  keyfob explain --code KF-DRIFT    what a code in a log, a metric or an error body means

Exit status:
  0  usable           1  a fault of keyfob's own     2  bad usage or configuration
  3  nothing is configured in any source
  4  a configured source refused, is malformed, misconfigured or expired
  5  unreachable, timed out, throttled               6  with --strict: usable, but about to break";

pub(super) const EXEC: &str = "\
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

pub(super) const ENV: &str = "\
No secret is printed: the token stays in its file.

Examples:
  eval \"$(keyfob env)\"                                          sh, bash, zsh
  keyfob env --format fish | source                             fish
  keyfob env --format github >> \"$GITHUB_ENV\"                   GitHub Actions
  keyfob env --format systemd > /etc/app.env                    EnvironmentFile=/etc/app.env
  docker run --network host -v TOKEN:TOKEN:ro $(keyfob env --format docker) IMAGE

Exit status: 0 printed, 2 bad usage or no such role, 5 no agent is there.";

pub(super) const STATUS: &str = "\
Examples:
  keyfob status
  keyfob --admin 127.0.0.1:6000 status --output json

Exit status: 0 answered, whatever the roles' state; 2 bad usage; 5 no agent is there.";

pub(super) const REFRESH: &str = "\
Needs the admin token: run it as the agent's user or as root. SIGUSR1 makes the agent look again
for every role.

Examples:
  keyfob refresh
  keyfob refresh app --drop

Exit status: 0 the role has usable credentials; 3, 4 or 5 why it has none; 2 no such role; 5 no
agent is there.";

pub(super) const WAIT: &str = "\
Returns as soon as the agent holds usable credentials; the agent itself may still be starting.

Examples:
  keyfob wait
  ExecStartPre=keyfob wait --timeout 30s app        in a systemd unit

Exit status: 0 usable; else that of the last failure: 3 nothing configured, 4 refused, 5
unreachable or no agent; 2 no such role.";

pub(super) const CHECK: &str = "\
Nothing is contacted and nothing is bound: only what the file says is judged.

Examples:
  keyfob check
  keyfob check --config ./keyfob.toml --print

Exit status: 0 right, 2 not: every problem is on stderr, with its place.";

pub(super) const DEMO: &str = "\
A built-in fake AWS (instance metadata and STS, keys that say DEMO, a life of five minutes) and
the agent against it, in one process, on free ports. Your files, variables and services are
neither read nor changed, and nothing leaves this machine.

Examples:
  keyfob demo -- aws sts get-caller-identity
  keyfob demo                                        prints what to paste into another shell

Exit status: with CMD as for `exec`; else 0.";
