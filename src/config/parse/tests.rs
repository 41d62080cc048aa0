//! Holds every problem of a configuration to its words, row by row.

use std::fmt::Write as _;

use super::*;
use crate::config::{Argv, Audit, Detail, LogFormat, Own, StaticKeys, Token, Vars};
use crate::credentials::SourceKind;

fn problems(text: &str) -> Vec<String> {
    let wrong = parse(text, Path::new("k.toml")).expect_err(text);
    wrong.iter().map(ToString::to_string).collect()
}

/// The one problem of a text.
fn only_problem(text: &str) -> String {
    let all = problems(text);
    assert_eq!(all.len(), 1, "{text}: {all:#?}");
    all.into_iter().next().unwrap()
}

fn config(text: &str) -> Config {
    parse(text, Path::new("k.toml")).unwrap_or_else(|wrong| panic!("{text}: {wrong:#?}"))
}

const ADDRESS: &str = "wanted an IP address with a port, such as \"127.0.0.1:5397\" or \"[::1]:5397\", or a Unix socket, \
                       such as \"unix:/run/keyfob/keyfob.sock\"";
const ADMIN: &str =
    "wanted an IP address with a port, such as \"127.0.0.1:5398\" or \"[::1]:5398\", or \"off\"";
/// What several rows want.
const WANTS: [(&str, &str); 11] = [
    ("{ALONE}", "a setting of an assumed role, and there is no role_arn; wanted role_arn beside it"),
    ("{TAG}", "wanted up to 256 letters, digits, spaces or any of _.:/=+-@, not beginning with aws:"),
    ("{NAME}", SESSION),
    ("{ARGV}", "a program and its arguments, such as [\"/usr/local/bin/helper\", \"--json\"]"),
    ("{ADDRESS}", ADDRESS),
    ("{ADMIN}", ADMIN),
    ("{PATH}", PATH),
    ("{PAUSE}", PAUSE),
    ("{LIMIT}", LIMIT),
    ("{MODE}", MODE),
    ("{ARN}", ARN),
];
const PATH: &str = "wanted the absolute path of a file, such as \"/run/keyfob/token\"";
const PAUSE: &str = "wanted a length of time from 1s to 1h, such as \"60s\"";
const LIMIT: &str = "wanted a length of time from 100ms to 1h, such as \"10s\"";
const NAME: &str = "wanted a name of 1 to 64 letters, digits, '.', '_' or '-'";
const MODE: &str = "wanted octal permission bits in quotes that let the owner read, nobody else write and nobody \
                    execute, such as \"0440\"";
const SESSION: &str = "wanted 2 to 64 letters, digits or any of _+=,.@-, with {host}, {namespace}, {serviceaccount}, {pod} \
                       or {role} in it";
const ARN: &str = "wanted a role's ARN, such as \"arn:aws:iam::111122223333:role/app\"";

#[test]
fn each_mistake_is_named_with_its_place_what_stands_there_and_what_was_wanted() {
    assert_each("listen", "[listen]\n", LISTEN);
    assert_each("auth", "[auth]\n", AUTH);
    assert_each("startup", "[startup]\n", STARTUP);
    assert_each("refresh", "[refresh]\n", REFRESH);
    assert_each("telemetry", "[telemetry]\n", TELEMETRY);
    assert_each("role[0]", "[[role]]\nname = \"a\"\n", ROLE);
    let arn = "[[role]]\nname = \"a\"\nrole_arn = \"arn:aws:iam::111122223333:role/app\"\n";
    assert_each("role[0]", arn, ASSUMED);
    let identity =
        "[[role]]\nname = \"a\"\n[role.web_identity]\nrole_arn = \"arn:aws:iam::111122223333:role/app\"\n";
    assert_each("role[0].web_identity", identity, IDENTITY);
}

/// Each row: the last lines of a file, the key in `table` that is wrong on the very last one, the rest of the problem.
fn assert_each(table: &str, head: &str, rows: &[(&str, &str, &str)]) {
    for (line, key, rest) in rows {
        let text = format!("{head}{line}\n");
        let at = head.matches('\n').count() + line.matches('\n').count() + 1;
        let rest = WANTS.iter().fold((*rest).to_owned(), |text, (mark, want)| text.replace(mark, want));
        assert_eq!(only_problem(&text), format!("k.toml:{at} {table}.{key}: {rest}"), "{line}");
    }
}

const LISTEN: &[(&str, &str, &str)] = &[
    (
        "credentials = \"127.0.0.1:5397\"",
        "credentials",
        "\"127.0.0.1:5397\"; wanted a list of addresses, such as [\"127.0.0.1:5397\"]",
    ),
    ("credentials = [\"localhost:5397\"]", "credentials[0]", "\"localhost:5397\"; {ADDRESS}"),
    ("credentials = [\"127.0.0.1\"]", "credentials[0]", "\"127.0.0.1\"; {ADDRESS}"),
    ("credentials = [\"[::1]:5397\", 5397]", "credentials[1]", "5397; {ADDRESS}"),
    ("credentials = [\"127.0.0.1:70000\"]", "credentials[0]", "\"127.0.0.1:70000\"; {ADDRESS}"),
    (
        "credentials = [\"unix:k.sock\"]",
        "credentials[0]",
        "\"unix:k.sock\"; wanted the absolute path of a socket after \"unix:\", such as \"unix:/run/keyfob/keyfob.sock\"",
    ),
    (
        "credentials = [\"0.0.0.0:5397\"]",
        "credentials[0]",
        "0.0.0.0:5397 is not loopback; wanted a loopback address; or listen.expose = true, which lets other machines ask for credentials",
    ),
    (
        "credentials = [\"127.0.0.1:1\", \"127.0.0.1:1\"]",
        "credentials[1]",
        "127.0.0.1:1 stands there twice; wanted each address once",
    ),
    (
        "credentials = [\"127.0.0.1:5398\"]",
        "credentials[0]",
        "127.0.0.1:5398 is the admin address too; wanted another port: credentials and admin never share one",
    ),
    ("credentials = []", "credentials", "an empty list; wanted at least one address"),
    ("admin = \"on\"", "admin", "\"on\"; {ADMIN}"),
    ("admin = false", "admin", "false; {ADMIN}"),
    (
        "expose = true\nimds = true\ncredentials = [\"0.0.0.0:5397\"]",
        "credentials[0]",
        "0.0.0.0:5397 is not loopback, and listen.imds = true; wanted a loopback or link-local address; or listen.imds = false: it gives credentials to whoever reaches it",
    ),
    ("expose = \"yes\"", "expose", "\"yes\"; wanted true or false"),
    (
        "hosts = [\"http://agent\"]",
        "hosts[0]",
        "\"http://agent\"; wanted a host name or an IP address, without scheme, port or wildcard",
    ),
    (
        "hosts = [\"a:80\"]",
        "hosts[0]",
        "\"a:80\"; wanted a host name or an IP address, without scheme, port or wildcard",
    ),
    ("ttl = 0", "ttl", "0; wanted a whole number from 1 to 255"),
    ("ttl = 256", "ttl", "256; wanted a whole number from 1 to 255"),
    ("ttl = \"1\"", "ttl", "\"1\"; wanted a whole number from 1 to 255"),
    ("imds = 1", "imds", "1; wanted true or false"),
    (
        "tls = { cert = \"/c\", key = \"k\" }",
        "tls.key",
        "\"k\"; wanted the absolute path of a file, such as \"/run/keyfob/token\"",
    ),
    (
        "admin_tls = { cert = \"/c\" }",
        "admin_tls.key",
        "not there; wanted both files: { cert = \"/…\", key = \"/…\" }",
    ),
    (
        "credential = [\"127.0.0.1:1\"]",
        "credential",
        "an unknown key; wanted a known one: did you mean `credentials`?",
    ),
    (
        "colour = 1",
        "colour",
        "an unknown key; wanted one of credentials, admin, expose, hosts, ttl, imds, tls, admin_tls",
    ),
];

const AUTH: &[(&str, &str, &str)] = &[
    ("token_file = \"token\"", "token_file", "\"token\"; {PATH}"),
    ("token_file = \"~/token\"", "token_file", "\"~/token\"; {PATH}"),
    ("token_file = \"/run/keyfob/\"", "token_file", "\"/run/keyfob/\"; {PATH}"),
    ("token_mode = 440", "token_mode", "440; {MODE}"),
    ("token_mode = \"0449\"", "token_mode", "\"0449\"; {MODE}"),
    ("token_mode = \"0040\"", "token_mode", "\"0040\"; {MODE}"),
    ("token_mode = \"0666\"", "token_mode", "\"0666\"; {MODE}"),
    ("token_mode = \"0o440\"", "token_mode", "\"0o440\"; {MODE}"),
    (
        "token_file = \"/t\"\nadmin_token_file = \"/t\"",
        "admin_token_file",
        "the same file as auth.token_file; wanted another file: neither token opens what the other one does",
    ),
];

const STARTUP: &[(&str, &str, &str)] = &[
    (
        "deadline = 60",
        "deadline",
        "60; wanted a length of time up to 1d, such as \"60s\"; \"0s\" keeps trying for ever",
    ),
    (
        "deadline = \"1 minute\"",
        "deadline",
        "\"1 minute\"; wanted a length of time up to 1d, such as \"60s\"; \"0s\" keeps trying for ever",
    ),
];

const REFRESH: &[(&str, &str, &str)] = &[
    ("before = \"20\"", "before", "\"20\"; wanted a length of time from 1s to 1d, such as \"20m\""),
    ("jitter = 0.6", "jitter", "0.6; wanted a number from 0 to 0.5"),
    ("jitter = -0.1", "jitter", "-0.1; wanted a number from 0 to 0.5"),
    ("jitter = \"0.1\"", "jitter", "\"0.1\"; wanted a number from 0 to 0.5"),
    ("jitter = nan", "jitter", "nan; wanted a number from 0 to 0.5"),
    ("retry_min = \"500ms\"", "retry_min", "\"500ms\"; {PAUSE}"),
    ("retry_max = \"2h\"", "retry_max", "\"2h\"; {PAUSE}"),
    ("retry_min = \"2m\"", "retry_min", "2m is longer than retry_max; wanted at most refresh.retry_max"),
    ("attempt_timeout = \"0s\"", "attempt_timeout", "\"0s\"; {LIMIT}"),
    ("process_timeout = true", "process_timeout", "true; {LIMIT}"),
];

const TELEMETRY: &[(&str, &str, &str)] = &[
    (
        "log_level = \"verbose\"",
        "log_level",
        "\"verbose\"; wanted \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
    ),
    ("log_format = \"xml\"", "log_format", "\"xml\"; wanted \"auto\", \"text\", \"json\" or \"journald\""),
    (
        "audit = \"audit.log\"",
        "audit",
        "\"audit.log\"; wanted \"off\", \"on\" or the absolute path of a file, such as \"/var/log/keyfob/audit.json\"",
    ),
    ("metrics = \"less\"", "metrics", "\"less\"; wanted \"full\" or \"core\""),
    ("identity = \"yes\"", "identity", "\"yes\"; wanted true or false"),
    ("log_levle = \"info\"", "log_levle", "an unknown key; wanted a known one: did you mean `log_level`?"),
];

const ROLE: &[(&str, &str, &str)] = &[
    ("profile = \"\"", "profile", "\"\"; wanted a text in quotes, not empty, without control characters"),
    ("profile = 7", "profile", "7; wanted a text in quotes, not empty, without control characters"),
    ("sources = \"env\"", "sources", "\"env\"; wanted a list of sources, such as [\"env\", \"profile\"]"),
    (
        "sources = []",
        "sources",
        "an empty list; wanted at least one source; or no such line, which allows all",
    ),
    (
        "sources = [\"env\", \"imsd\"]",
        "sources[1]",
        "\"imsd\"; wanted a source of the chain: did you mean \"imds\"?",
    ),
    (
        "sources = [\"env\", \"role_process\"]",
        "sources[1]",
        "\"role_process\"; wanted a source of the chain: profile, env, profile_assume_role, profile_web_identity, web_identity, sso, static_file, login, process, static_config, boto_file, container, eks_pod_identity, imds",
    ),
    ("role_arn = \"app\"", "role_arn", "\"app\"; {ARN}"),
    ("role_arn = \"arn:aws:iam::1234:role/app\"", "role_arn", "\"arn:aws:iam::1234:role/app\"; {ARN}"),
    (
        "role_arn = \"arn:aws:iam::111122223333:user/app\"",
        "role_arn",
        "\"arn:aws:iam::111122223333:user/app\"; {ARN}",
    ),
    (
        "role_arn = \"arn:aws:iam::111122223333:role/\"",
        "role_arn",
        "\"arn:aws:iam::111122223333:role/\"; {ARN}",
    ),
    (
        "external_id = \"x1\"",
        "external_id",
        "a setting of an assumed role, and there is no role_arn; wanted role_arn beside it",
    ),
    (
        "region = \"eu-west-1\"",
        "region",
        "a setting of an assumed role, and there is no role_arn; wanted role_arn beside it",
    ),
    (
        "duration = \"1h\"",
        "duration",
        "a setting of an assumed role, and there is no role_arn; wanted role_arn beside it",
    ),
    (
        "session_name = \"me\"",
        "session_name",
        "a setting of an assumed role, and there is no role_arn; wanted role_arn beside it",
    ),
    ("required = 1", "required", "1; wanted true or false"),
    ("static_keys = \"no\"", "static_keys", "\"no\"; wanted \"as-is\", \"mint\" or \"refuse\""),
    ("expect = \"111122223333\"", "expect", "\"111122223333\"; wanted a table: [role[0].expect]"),
    (
        "expect = { account = 111122223333 }",
        "expect.account",
        "111122223333; wanted an account number: twelve digits in quotes",
    ),
    (
        "expect = { account = \"1234\" }",
        "expect.account",
        "\"1234\"; wanted an account number: twelve digits in quotes",
    ),
    (
        "expect = { acount = \"111122223333\" }",
        "expect.acount",
        "an unknown key; wanted a known one: did you mean `account`?",
    ),
    (
        "sources = [\"env\"]\nexpect = { sources = [\"imds\"] }",
        "expect.sources",
        "none of these is among the role's sources; wanted a source that the role may use: nothing would ever be served",
    ),
    ("allow_drift = \"no\"", "allow_drift", "\"no\"; wanted true or false"),
    ("tokens = \"/t\"", "tokens", "\"/t\"; wanted a list of paths of token files"),
    ("tokens = [\"t\"]", "tokens[0]", "\"t\"; {PATH}"),
    ("tokens = [\"/t\", \"/t\"]", "tokens[1]", "/t stands there twice; wanted each file once"),
    ("env = [\"A=b\"]", "env", "a list; wanted a table: [role[0].env]"),
    ("env = { A = 1 }", "env.A", "something else than a text: integer (not shown); wanted a text in quotes"),
    (
        "env = { \"A=B\" = \"x\" }",
        "env.A=B",
        "a text of 1 characters (not shown); wanted the name of an environment variable, without '='",
    ),
    ("allow = { uids = [1000, -1] }", "allow.uids[1]", "-1; wanted a user's number, such as 1000"),
    ("allow = { uids = [\"app\"] }", "allow.uids[0]", "\"app\"; wanted a user's number, such as 1000"),
    ("allow = { uids = [] }", "allow.uids", "an empty list; wanted at least one user: nobody could ask"),
    ("allow = {}", "allow.uids", "not there; wanted the users who may ask: { uids = [1000] }"),
    ("process = \"hush --key x\"", "process", "a text of 12 characters (not shown); wanted a list of {ARGV}"),
    ("process = []", "process", "an empty list; wanted a list of {ARGV}"),
    ("process = [\"\", \"x\"]", "process", "a program without a name; wanted a list of {ARGV}"),
    (
        "process = [\"helper\", 7]",
        "process[1]",
        "something else than a text: integer (not shown); wanted a text in quotes",
    ),
    (
        "process = [\"helper\"]\nsources = [\"env\"]",
        "sources",
        "it stands beside process; wanted one of the two: process is the role's only source",
    ),
    (
        "process = [\"helper\"]\nprofile = \"p\"",
        "profile",
        "it stands beside process; wanted one of the two: process is the role's only source",
    ),
    (
        "process = [\"helper\"]\nexpect = { sources = [\"process\"] }",
        "expect.sources",
        "none of these is among the role's sources; wanted a source that the role may use: nothing would ever be served",
    ),
    (
        "roles_anywhere = {}",
        "roles_anywhere",
        "a table; wanted nothing: a later version brings IAM Roles Anywhere",
    ),
    ("policy = '{\"Statement\":[]}'", "policy", "{ALONE}"),
    ("tags = { a = \"b\" }", "tags", "{ALONE}"),
    ("source_identity = \"me\"", "source_identity", "{ALONE}"),
    ("static_keys = \"mint\"\nexternal_id = \"x1\"", "external_id", "{ALONE}"),
    (
        "static_keys = \"mint\"\nduration = \"13h\"",
        "duration",
        "\"13h\"; wanted a length of time from 15m to 12h, as STS allows",
    ),
    ("profil = \"prod\"", "profil", "an unknown key; wanted a known one: did you mean `profile`?"),
];

const ASSUMED: &[(&str, &str, &str)] = &[
    (
        "external_id = \"hush\\nhush\"",
        "external_id",
        "a text of 9 characters (not shown); wanted 2 to 1224 letters, digits or any of _+=,.@:/-",
    ),
    ("session_name = \"a\"", "session_name", "\"a\"; {NAME}"),
    ("session_name = \"a b\"", "session_name", "\"a b\"; {NAME}"),
    ("session_name = \"web-{pood}\"", "session_name", "\"web-{pood}\"; {NAME}"),
    ("session_name = \"web-{pod\"", "session_name", "\"web-{pod\"; {NAME}"),
    ("duration = \"10m\"", "duration", "\"10m\"; wanted a length of time from 15m to 12h, as STS allows"),
    ("duration = \"13h\"", "duration", "\"13h\"; wanted a length of time from 15m to 12h, as STS allows"),
    ("region = \"Frankfurt\"", "region", "\"Frankfurt\"; wanted a region such as \"eu-central-1\""),
    ("policy = 7", "policy", "7; wanted the JSON of a session policy, at most 2048 characters of Latin-1"),
    (
        "policy = '{\"Statement\": [}'",
        "policy",
        "\"{\\\"Statement\\\": [}\"; wanted the JSON of a session policy, and JSON's reader says: expected value at line 1 column 16",
    ),
    ("policy = '[]'", "policy", "\"[]\"; wanted the JSON of a session policy: an object with Statement"),
    (
        "policy = '\u{2026}'",
        "policy",
        "\"\u{2026}\"; wanted the JSON of a session policy, at most 2048 characters of Latin-1",
    ),
    (
        "source_identity = \"{pod}\"",
        "source_identity",
        "\"{pod}\"; wanted 2 to 64 letters, digits or any of _+=,.@-",
    ),
    ("tags = [\"a\"]", "tags", "a list; wanted a table: [role[0].tags]"),
    ("tags = { a = \"x*\" }", "tags.a", "a text of 2 characters (not shown); {TAG}"),
    ("tags = { a = \"AWS:x\" }", "tags.a", "a text of 5 characters (not shown); {TAG}"),
    ("tags = { a = 1 }", "tags.a", "something else than a text: integer (not shown); {TAG}"),
    (
        "tags = { \"aws:x\" = \"y\" }",
        "tags.aws:x",
        "a text of 1 characters (not shown); wanted a tag's key: 1 to 128 letters, digits, spaces or any of _.:/=+-@, not beginning with aws:",
    ),
    (
        "tags = { team = \"a\", Team = \"b\" }",
        "tags",
        "team stands there twice; wanted each key once, in whatever case",
    ),
    (
        "transitive_tags = \"a\"",
        "transitive_tags",
        "\"a\"; wanted a list of keys of tags, such as [\"team\"]",
    ),
    (
        "tags = { a = \"b\" }\ntransitive_tags = [\"a\", \"c\"]",
        "transitive_tags[1]",
        "\"c\", which is not in tags; wanted the key of a tag in tags",
    ),
    (
        "tags = { a = \"b\" }\ntransitive_tags = [\"a\", \"a\"]",
        "transitive_tags[1]",
        "a stands there twice; wanted each key once",
    ),
];

const IDENTITY: &[(&str, &str, &str)] = &[
    ("token_process = []", "token_process", "an empty list; wanted a list of {ARGV}"),
    ("token_file = \"token\"", "token_file", "\"token\"; {PATH}"),
    (
        "token_file = \"/t\"\ntoken_process = [\"hush\"]",
        "token_process",
        "it stands beside token_file; wanted one of the two",
    ),
    ("token_file = \"/t\"\nsession_name = \"{pood}\"", "session_name", "\"{pood}\"; {NAME}"),
    (
        "token_file = \"/t\"\nduration = \"13h\"",
        "duration",
        "\"13h\"; wanted a length of time from 15m to 12h, as STS allows",
    ),
    ("token_file = \"/t\"\nregion = \"X\"", "region", "\"X\"; wanted a region such as \"eu-central-1\""),
    (
        "token_file = \"/t\"\nexternal_id = \"me\"",
        "external_id",
        "an unknown key; wanted one of role_arn, token_file, token_process, session_name, duration, region, policy",
    ),
];

#[test]
fn mistakes_outside_of_the_tables_are_named() {
    let cases = [
        (
            "[[role]]\nname = \"a\"\nweb_identity = { role_arn = \"arn:aws:iam::111122223333:role/app\" }",
            "k.toml:3 role[0].web_identity.token_file: no token_file; wanted token_file = \"…\", or token_process = [\"…\"]",
        ),
        (
            "[[role]]\nname = \"a\"\nweb_identity = { token_file = \"/t\" }",
            "k.toml:3 role[0].web_identity.role_arn: no role_arn; wanted the ARN of the role that the token is good for",
        ),
        (
            "[[role]]\nname = \"a\"\nweb_identity = \"/t\"",
            "k.toml:3 role[0].web_identity: \"/t\"; wanted a table: [role[0].web_identity]",
        ),
        (
            "[[role]]\nname = \"a\"\nsources = [\"env\"]\n[role.web_identity]\ntoken_file = \"/t\"\nrole_arn = \"arn:aws:iam::111122223333:role/app\"",
            "k.toml:3 role[0].sources: it stands beside web_identity; wanted one of the two: web_identity is the role's only source",
        ),
        (
            "[[role]]\nname = \"a\"\nprocess = [\"x\"]\n[role.web_identity]\ntoken_file = \"/t\"\nrole_arn = \"arn:aws:iam::111122223333:role/app\"",
            "k.toml:4 role[0].web_identity: it stands beside process; wanted one of the two: process is the role's only source",
        ),
        ("listne = {}", "k.toml:1 listne: an unknown table; wanted a known one: did you mean `listen`?"),
        (
            "port = 1",
            "k.toml:1 port: an unknown key; wanted one of listen, auth, startup, refresh, telemetry, role",
        ),
        ("listen = 5397", "k.toml:1 listen: 5397; wanted a table: [listen]"),
        ("[role]\nname = \"a\"", "k.toml:1 role: a table; wanted tables headed [[role]], in double brackets"),
        ("role = [1]", "k.toml:1 role[0]: 1; wanted a table headed [[role]]"),
        (
            "[[role]]\nprofile = \"p\"",
            "k.toml:1 role[0].name: no name; wanted name = \"…\", 1 to 64 letters, digits, '.', '_' or '-'",
        ),
        (
            "[[role]]\nname = \"a\"\n[[role]]\nname = \"a\"",
            "k.toml:3 role[1]: a second role named \"a\"; wanted a name of its own for each role",
        ),
        (
            "[auth]\ntoken_file = \"/t\"\n[[role]]\nname = \"a\"\ntokens = [\"/t\"]",
            "k.toml:5 role[0].tokens[0]: the same file as auth.token_file; wanted a file of the role's own",
        ),
    ];
    for (text, problem) in cases {
        assert_eq!(only_problem(text), problem);
    }
    for name in ["\"a b\"", "\"\"", "7", "\"é\"", "\"../x\""] {
        let text = format!("[[role]]\nname = {name}\n");
        assert_eq!(only_problem(&text), format!("k.toml:2 role[0].name: {name}; {NAME}"));
    }
}

#[test]
fn lines_that_are_not_toml_are_named_and_do_not_hide_the_others() {
    let text =
        "[listen]\nexpose = yes\nttl = 0\n[refresh]\nbefore \"20m\"\njitter = 9\n[auth]\ntoken_mode = 1\n";
    let all = problems(text);
    let places: Vec<&str> = all.iter().map(|problem| problem.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["k.toml:2:", "k.toml:3", "k.toml:5:", "k.toml:6", "k.toml:8"], "{all:#?}");
    assert!(all[0].starts_with("k.toml:2: not TOML: "), "{}", all[0]);
}

#[test]
fn a_key_that_stands_twice_is_named() {
    let text = only_problem("[listen]\nttl = 1\nttl = 2\n");
    assert!(text.starts_with("k.toml:3: not TOML: duplicate key"), "{text}");
}

#[test]
fn every_problem_comes_at_once_in_the_order_of_the_file() {
    let mut text = String::new();
    for (table, key) in
        [("refresh", "jitter"), ("auth", "token_file"), ("listen", "ttl"), ("startup", "deadline")]
    {
        writeln!(text, "[{table}]\n{key} = []").unwrap();
    }
    text.push_str("[[role]]\nname = 1\nprofil = 1\n[[role]]\nname = \"b\"\nrequired = 0\n");
    let places: Vec<String> =
        problems(&text).iter().map(|problem| problem.split(": ").next().unwrap().to_owned()).collect();
    let expected = [
        "k.toml:2 refresh.jitter",
        "k.toml:4 auth.token_file",
        "k.toml:6 listen.ttl",
        "k.toml:8 startup.deadline",
        "k.toml:10 role[0].name",
        "k.toml:11 role[0].profil",
        "k.toml:14 role[1].required",
    ];
    assert_eq!(places, expected);
}

#[test]
fn nothing_at_all_is_the_default() {
    assert_eq!(config(""), Config::default());
    assert_eq!(config("# only a comment\n[listen]\n[auth]\n"), Config::default());
}

const EVERYTHING: &str = r#"
[listen]
credentials = ["127.0.0.1:0", "0.0.0.0:1", "[::1]:5397"]
admin = "off"
expose = true
hosts = ["Agent.Internal", "10.0.0.1", "::1"]
ttl = 2
imds = false
[auth]
token_file = "/run/k/token"
token_mode = "0400"
admin_token_file = "/run/k/admin"
[startup]
deadline = "60s"
[refresh]
before = "5m"
jitter = 0
retry_min = "2s"
retry_max = "30s"
attempt_timeout = "5s"
process_timeout = "1m30s"
[telemetry]
log_level = "debug"
log_format = "json"
audit = "/var/log/k"
metrics = "core"
identity = true
[[role]]
name = "app"
profile = "prod"
sources = ["imds", "profile", "container"]
role_arn = "arn:aws-us-gov:iam::111122223333:role/path/app"
external_id = "x:1"
session_name = "me@here"
duration = "1h"
region = "us-gov-west-1"
policy = """{"Version": "2012-10-17",
  "Statement": []}"""
tags = { "Team name" = "Müller + Co" }
transitive_tags = ["Team name"]
source_identity = "me@here"
required = false
static_keys = "refuse"
expect = { account = "111122223333", sources = ["imds"] }
allow_drift = true
imds_extend = false
tokens = ["/run/k/app"]
env = { AWS_CONFIG_FILE = "/c", EMPTY = "" }
[[role]]
name = "other"
env = {}
[[role]]
name = "vault"
process = ["vault-aws", "--role", ""]
role_arn = "arn:aws:iam::111122223333:role/app"
expect = { sources = ["role_process"] }
[[role]]
name = "job"
web_identity = { role_arn = "arn:aws:iam::111122223333:role/ci", token_process = ["token", "x"], session_name = "{role}-{host}", duration = "15m", region = "eu-west-1" }
[[role]]
name = "keys"
static_keys = "mint"
duration = "1h"
region = "eu-west-1"
"#;

#[test]
fn everything_that_can_be_said_is_read() {
    let read = config(EVERYTHING);
    assert_eq!(read.listen.credentials.len(), 3);
    assert_eq!((read.listen.admin, read.listen.expose, read.listen.ttl), (None, true, 2));
    assert_eq!(read.listen.hosts, ["agent.internal", "10.0.0.1", "::1"]);
    assert_eq!(read.auth.token_file.as_deref(), Some(Path::new("/run/k/token")));
    assert_eq!(read.auth.token_mode, 0o400);
    assert_eq!(read.startup.deadline, Some(Duration::from_secs(60)));
    assert!(read.refresh.jitter.abs() < f64::EPSILON);
    assert_eq!(read.refresh.process_timeout, Duration::from_secs(90));
    assert_eq!(
        read.telemetry,
        Telemetry {
            log_level: crate::config::LogLevel::Debug,
            log_format: LogFormat::Json,
            audit: Audit::File("/var/log/k".into()),
            metrics: Detail::Core,
            identity: true,
        }
    );
    let [app, other, vault, job, keys] = read.roles.as_slice() else { panic!("five roles") };
    let sources = app.sources.as_deref().unwrap();
    assert!(sources.contains(&SourceKind::Profile) && sources.contains(&SourceKind::StaticConfig));
    assert!(sources.contains(&SourceKind::EksPodIdentity) && !sources.contains(&SourceKind::Env));
    assert!(sources.is_sorted(), "{sources:?}");
    let assume = app.assume.as_ref().unwrap();
    assert_eq!(assume.duration, Some(Duration::from_hours(1)));
    assert_eq!(assume.external_id.as_deref(), Some("x:1"));
    assert_eq!(app.expect.sources.as_deref(), Some([SourceKind::Imds].as_slice()));
    assert_eq!((app.required, app.allow_drift, app.imds_extend), (false, true, false));
    assert_eq!(app.static_keys, StaticKeys::Refuse);
    assert_eq!(app.env.as_ref().unwrap().0.len(), 2);
    assert_eq!(other.env, Some(Vars::default()));
    assert_eq!(other.assume, None);
    let argv = ["vault-aws", "--role", ""].map(str::to_owned);
    assert_eq!(vault.own, Some(Own::Process(Argv(argv.into()))));
    assert_eq!(format!("{:?}", vault.own), "Some(Process(vault-aws and 2 arguments (not shown)))");
    assert!(vault.assume.is_some());
    let Some(Own::WebIdentity(identity)) = &job.own else { panic!("{job:?}") };
    assert_eq!(identity.session_name.as_ref().unwrap().to_string(), "{role}-{host}");
    assert_eq!(identity.duration, Some(Duration::from_mins(15)));
    assert_eq!(job.region(), Some("eu-west-1"));
    assert_eq!((keys.static_keys, keys.region()), (StaticKeys::Mint, Some("eu-west-1")));
    assert_eq!(keys.mint.as_ref().unwrap().duration, Some(Duration::from_hours(1)));
    assert!(app.mint.is_none() && app.assume.as_ref().unwrap().policy.as_ref().unwrap().contains('\n'));
    assert_eq!(app.assume.as_ref().unwrap().tags["Team name"], "Müller + Co");
    assert_eq!(app.assume.as_ref().unwrap().transitive_tags, ["Team name"]);
    assert_eq!(app.assume.as_ref().unwrap().source_identity.as_deref(), Some("me@here"));
    assert!(matches!(&identity.token, Token::Process(argv) if argv.0 == ["token", "x"]));
}

#[test]
fn a_named_file_must_be_there_and_be_text() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.toml");
    let wrong = load(Some(&missing), &Env::default()).unwrap_err();
    assert!(wrong[0].is.contains("cannot be read: No such file"), "{wrong:?}");
    let env = missing.to_str().unwrap();
    assert!(load(None, &Env::from([("KEYFOB_CONFIG", env)])).is_err());
    let wrong = load(Some(folder.path()), &Env::default()).unwrap_err();
    assert!(wrong[0].is.contains("directory"), "{wrong:?}");
    std::fs::write(&missing, b"\xff\xfe").unwrap();
    assert_eq!(load(Some(&missing), &Env::default()).unwrap_err()[0].is, "is not UTF-8");
}

#[test]
fn the_flag_is_read_before_the_variable() {
    let folder = tempfile::tempdir().unwrap();
    let [flag, variable] = ["flag.toml", "variable.toml"].map(|name| folder.path().join(name));
    std::fs::write(&flag, "[listen]\nttl = 3\n").unwrap();
    std::fs::write(&variable, "[listen]\nttl = 4\n").unwrap();
    let env = Env::from([("KEYFOB_CONFIG", variable.to_str().unwrap())]);
    let read = load(Some(&flag), &env).unwrap();
    assert_eq!((read.config.listen.ttl, read.path.as_deref()), (3, Some(flag.as_path())));
    assert_eq!(read.lines.get("listen.ttl"), Some(&2));
    assert_eq!(load(None, &env).unwrap().config.listen.ttl, 4);
}
