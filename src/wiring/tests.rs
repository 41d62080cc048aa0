//! Holds the table of variables and proves each format by what its reader sees.

use std::collections::BTreeMap;
use std::process::Command;

use super::*;

struct Variables(Vec<(&'static str, &'static str)>);

impl Caller for Variables {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| (*name).to_owned()).collect()
    }
}

const NOBODY: Variables = Variables(Vec::new());

fn wiring(region: Option<&str>, caller: &Variables) -> Wiring {
    Wiring::new("http://127.0.0.1:5397/v1/credentials/app", "/run/keyfob/token", region, caller)
}

fn value<'w>(wiring: &'w Wiring, name: &str) -> Option<&'w str> {
    let all: Vec<_> = wiring.set.iter().filter(|(known, _)| known == name).collect();
    assert!(all.len() < 2, "{name} twice");
    all.first().map(|(_, value)| value.as_str())
}

/// Values that every writer must carry unharmed.
const NASTY: [&str; 12] = [
    "/run/keyfob/token",
    "/tmp/with space/token",
    "it's",
    "\"quoted\"",
    "$HOME `id` $(id)",
    "back\\slash\\",
    "a#b ; c & d | e > f",
    "*?[a]{b,c}~",
    "!history",
    "-n",
    "ünïcode",
    "line\nbreak",
];

fn nasty() -> Wiring {
    let set = NASTY.iter().enumerate().map(|(at, value)| (format!("KF_{at}"), (*value).to_owned())).collect();
    Wiring { set, unset: vec!["KF_GONE".into()] }
}

/// What a program that ran after `script` in `shell` sees.
fn seen_by(shell: &str, script: &str) -> Option<BTreeMap<String, String>> {
    let script = format!("{script}\nenv -0");
    let output = Command::new(shell).arg("-c").arg(script).env("KF_GONE", "here").output().ok()?;
    assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    Some(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn assert_carried(seen: &BTreeMap<String, String>) {
    for (at, value) in NASTY.iter().enumerate() {
        assert_eq!(seen.get(&format!("KF_{at}")).map(String::as_str), Some(*value));
    }
}

#[test]
fn a_shell_sees_exactly_what_was_meant() {
    let script = nasty().write(Format::Sh);
    for shell in ["sh", "bash", "dash", "zsh"] {
        let Some(seen) = seen_by(shell, &script) else {
            assert_ne!(shell, "sh", "no sh to test with");
            continue;
        };
        assert_carried(&seen);
        assert!(!seen.contains_key("KF_GONE"));
    }
}

#[test]
fn fish_sees_exactly_what_was_meant() {
    let script = nasty().write(Format::Fish);
    assert!(script.starts_with("set -e KF_GONE\n") && script.contains(r"set -gx KF_2 'it\'s'"), "{script}");
    assert!(script.contains(r"set -gx KF_5 'back\\slash\\'"), "{script}");
    if let Some(seen) = seen_by("fish", &script) {
        assert_carried(&seen);
        assert!(!seen.contains_key("KF_GONE"));
    }
}

#[test]
fn words_for_docker_survive_an_eval() {
    let script = format!("printf '%s\\0' {}", nasty().write(Format::Docker).replace('\n', " "));
    let words = nasty().write(Format::Docker);
    assert!(words.starts_with("--env=KF_0=/run/keyfob/token\n"), "{words}");
    let one_line: Vec<(String, String)> =
        nasty().set.into_iter().filter(|(_, v)| !v.contains('\n')).collect();
    let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = text.split('\0').collect();
    for (name, value) in one_line {
        assert!(words.contains(&format!("--env={name}={value}").as_str()), "{name} {words:?}");
    }
}

#[test]
fn each_format_quotes_in_its_own_way() {
    let of = |value: &str, format| {
        let wiring = Wiring { set: vec![("N".to_owned(), value.to_owned())], unset: vec!["GONE".into()] };
        wiring.write(format)
    };
    let table = [
        ("/run/token", Format::Sh, "unset GONE\nexport N=/run/token\n"),
        ("it's", Format::Sh, "unset GONE\nexport N='it'\\''s'\n"),
        ("", Format::Sh, "unset GONE\nexport N=''\n"),
        ("/run/token", Format::Fish, "set -e GONE\nset -gx N '/run/token'\n"),
        ("/run/token", Format::Dotenv, "N=/run/token\n"),
        ("a b $c", Format::Dotenv, "N='a b $c'\n"),
        ("it's $c", Format::Dotenv, "N=\"it's \\$c\"\n"),
        ("a\nb", Format::Dotenv, "N=\"a\\nb\"\n"),
        ("/run/token", Format::Docker, "--env=N=/run/token\n"),
        ("a b", Format::Docker, "'--env=N=a b'\n"),
        ("a b 'c' \"d\"", Format::Github, "N=a b 'c' \"d\"\n"),
        ("a\nEND\nb", Format::Github, "N<<END_\na\nEND\nb\nEND_\n"),
        ("/run/token", Format::Systemd, "# in the unit: UnsetEnvironment=GONE\nN=/run/token\n"),
        (
            "a \"b\" $c \\",
            Format::Systemd,
            "# in the unit: UnsetEnvironment=GONE\nN=\"a \\\"b\\\" \\$c \\\\\"\n",
        ),
    ];
    for (value, format, text) in table {
        assert_eq!(of(value, format), text, "{format:?} {value:?}");
    }
}

#[test]
fn json_is_read_back() {
    let read: serde_json::Value = serde_json::from_str(&nasty().write(Format::Json)).unwrap();
    for (at, value) in NASTY.iter().enumerate() {
        assert_eq!(read["set"][format!("KF_{at}")], *value);
    }
    assert_eq!(read["unset"][0], "KF_GONE");
}

#[test]
fn the_endpoint_is_pointed_at_and_nothing_stands_before_it() {
    let wiring = wiring(Some("eu-central-1"), &NOBODY);
    assert_eq!(value(&wiring, ENDPOINT), Some("http://127.0.0.1:5397/v1/credentials/app"));
    assert_eq!(value(&wiring, TOKEN_FILE), Some("/run/keyfob/token"));
    assert_eq!(value(&wiring, NO_METADATA), Some("true"));
    assert_eq!(REGIONS.map(|name| value(&wiring, name)), [Some("eu-central-1"); 2]);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
    {
        assert!(wiring.unset.contains(&name.into()), "{name}");
    }
    let both = wiring.set.iter().find(|(name, _)| wiring.unset.iter().any(|gone| gone == name));
    assert_eq!(both, None);
}

#[test]
fn a_region_of_the_callers_wins() {
    let table: [(&[(&str, &str)], Option<&str>, [Option<&str>; 2]); 6] = [
        (&[], None, [None, None]),
        (&[], Some("known"), [Some("known"); 2]),
        (&[("AWS_REGION", "theirs")], Some("known"), [Some("theirs"); 2]),
        (&[("AWS_DEFAULT_REGION", "theirs")], Some("known"), [Some("theirs"); 2]),
        (&[("AWS_REGION", "one"), ("AWS_DEFAULT_REGION", "two")], Some("known"), [Some("one"), Some("two")]),
        (&[("AWS_REGION", "")], Some("known"), [Some("known"); 2]),
    ];
    for (theirs, known, expected) in table {
        let wiring = wiring(known, &Variables(theirs.to_vec()));
        assert_eq!(REGIONS.map(|name| value(&wiring, name)), expected, "{theirs:?} {known:?}");
    }
}

#[test]
fn files_that_would_win_are_put_out_of_sight() {
    let plain = wiring(None, &NOBODY);
    assert_eq!(value(&plain, "AWS_CONFIG_FILE"), None);
    let hidden = plain.without_aws_files("/run/x/config");
    assert_eq!(value(&hidden, "AWS_SHARED_CREDENTIALS_FILE"), Some("/dev/null"));
    assert_eq!(value(&hidden, "BOTO_CONFIG"), Some("/dev/null"));
    assert_eq!(value(&hidden, "AWS_CONFIG_FILE"), Some("/run/x/config"));
    assert!(hidden.unset.contains(&"AWS_CREDENTIAL_FILE".into()));
}

#[test]
fn the_demo_keeps_everything_on_the_machine() {
    let caller = Variables(vec![("AWS_ENDPOINT_URL_S3", "https://s3"), ("NO_PROXY", "corp"), ("OTHER", "x")]);
    let wiring = wiring(None, &caller).for_demo("http://127.0.0.1:7", "http://127.0.0.1:8", &caller);
    assert_eq!(value(&wiring, "AWS_ENDPOINT_URL"), Some("http://127.0.0.1:7"));
    assert_eq!(value(&wiring, "HTTPS_PROXY"), Some("http://127.0.0.1:8"));
    assert_eq!(value(&wiring, "https_proxy"), Some("http://127.0.0.1:8"));
    assert_eq!(value(&wiring, "NO_PROXY"), Some("corp,127.0.0.1,localhost"));
    assert_eq!(value(&wiring, "no_proxy"), Some("127.0.0.1,localhost"));
    assert!(wiring.unset.contains(&"AWS_ENDPOINT_URL_S3".into()));
    assert!(wiring.unset.contains(&"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS".into()));
}

#[test]
fn what_contradicts_is_known() {
    let caller = Variables(vec![("AWS_PROFILE", ""), ("AWS_REGION", "r"), ("AWS_SESSION_TOKEN", "t")]);
    assert_eq!(wiring(None, &caller).contradicted(&caller), ["AWS_SESSION_TOKEN", "AWS_PROFILE"]);
}

#[test]
fn the_private_config_has_settings_and_no_way_to_credentials() {
    let profile = [
        ("region", "eu-west-1"),
        ("aws_access_key_id", "AKIA"),
        ("credential_process", "x"),
        ("sso_start_url", "https://x"),
        ("sso_session", "s"),
        ("role_arn", "arn"),
        ("login_session", "l"),
        ("s3", "\naddressing_style = path\nuse_accelerate_endpoint = false"),
        ("services", "local"),
    ];
    let services = [("dynamodb", "\nendpoint_url = http://127.0.0.1:8000")];
    let text = private_config(profile, Some(("local", &services)));
    let expected = "[default]\nregion = eu-west-1\ns3 =\n    addressing_style = path\n    use_accelerate_endpoint = false\n\
                    services = local\n[services local]\ndynamodb =\n    endpoint_url = http://127.0.0.1:8000\n";
    assert_eq!(text.replace("= \n", "=\n"), expected);
}
