//! The judgement as a table: an environment, the files there, and what stands between the application and the agent.

use std::collections::BTreeMap;

use super::*;

const URI: &str = "http://127.0.0.1:5397/v1/credentials/default";
const WIRED: [(&str, &str); 3] = [(ENDPOINT, URI), (TOKEN_FILE, "/run/token"), ("HOME", "/home/me")];

fn agent() -> Status {
    Status {
        version: String::new(),
        pid: 1,
        ready: true,
        credentials_addresses: vec![
            "127.0.0.1:5397".to_owned(),
            "[::1]:6000".to_owned(),
            "/run/k.sock".to_owned(),
        ],
        admin_address: None,
        endpoint: Some("http://127.0.0.1:5397".to_owned()),
        token_file: "/run/token".into(),
        admin_token_file: None,
        roles: Vec::new(),
        problems: Vec::new(),
    }
}

/// As a process with these variables and files sees it.
fn judged(vars: &[(&str, &str)], files: &[(&str, &str)], agent: Option<&Status>, near: bool) -> Vec<Shadow> {
    let env: Env = vars.iter().copied().collect();
    let mut disk = BTreeMap::from([("/run/token", "the-token")]);
    disk.extend(files.iter().copied());
    let read = |path: &Path| match path.to_str().and_then(|path| disk.get(path)).copied() {
        Some("EACCES") => Err(io::ErrorKind::PermissionDenied.into()),
        Some("PIPE") => Ok(Content { bytes: Vec::new().into(), regular: false }),
        Some(text) => Ok(Content { bytes: text.as_bytes().to_vec().into(), regular: true }),
        None => Err(io::ErrorKind::NotFound.into()),
    };
    let sight = Sight { env: &env, read: &read };
    let found = before(&sight).into_iter();
    found.chain(wiring(&sight, agent, near)).collect()
}

/// What a wired application's further variables and files are judged to be: each shadow's code and what was seen.
fn found(vars: &[(&str, &str)], files: &[(&str, &str)]) -> Vec<String> {
    let shadows = judged(&[&WIRED, vars].concat(), files, Some(&agent()), true);
    let said = format!("{shadows:?}");
    assert!(!said.contains("hidden"), "a secret: {said}");
    let seen =
        |shadow: &Shadow| shadow.seen.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>().join(" ");
    shadows.iter().map(|shadow| format!("{} {}", shadow.cause.code, seen(shadow))).collect()
}

const ID: (&str, &str) = (KEY_ID, "AKIAEXAMPLE");
const SECRET: (&str, &str) = (SECRET_KEY, "hidden");
const CONFIG: &str = "/home/me/.aws/config";
const CREDENTIALS: &str = "/home/me/.aws/credentials";
const KEYS_OF_DEFAULT: &str = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = hidden\n";

#[test]
fn variables_that_win_are_named() {
    for (vars, wanted) in [
        (&[ID, SECRET][..], "KF-SHADOW AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY"),
        (&[ID], "KF-SHADOW AWS_ACCESS_KEY_ID"),
        (&[ID, (SECRET_KEY, "")], "KF-SHADOW AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY"),
        (&[("AWS_PROFILE", "nobody")], "KF-SHADOW AWS_PROFILE"),
        (&[("AWS_PROFILE", "")], "KF-SHADOW AWS_PROFILE"),
        (&[("AWS_PROFILE", "default")], "KF-SHADOW AWS_PROFILE"),
        (&[("AWS_DEFAULT_PROFILE", "gone"), ("AWS_PROFILE", "x")], "KF-SHADOW AWS_DEFAULT_PROFILE"),
        (&[(WEB_TOKEN, "/t"), ("AWS_ROLE_ARN", "arn")], "KF-SHADOW AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN"),
        (&[(WEB_TOKEN, "/t")], "KF-SHADOW AWS_WEB_IDENTITY_TOKEN_FILE"),
        (&[(RELATIVE, "/v2/x")], "KF-SHADOW AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        (&[(RELATIVE, "")], "KF-SHADOW AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        (&[("AWS_CREDENTIAL_FILE", "/gone")], "KF-SHADOW AWS_CREDENTIAL_FILE"),
        (&[(TOKEN_FILE, "/gone")], "KF-SHADOW AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE /gone"),
    ] {
        assert_eq!(found(vars, &[]), [wanted], "{vars:?}");
    }
}

#[test]
fn what_only_looks_like_it_is_nothing() {
    let region = [(CONFIG, "[profile p]\nregion = eu-west-1\n[default]\nregion = x\noutput = json\n")];
    for vars in [
        &[][..],
        &[(KEY_ID, "")],
        &[(KEY_ID, ""), SECRET],
        &[SECRET],
        &[("AWS_ACCESS_KEY", "AKIA"), ("AWS_SECRET_KEY", "hidden"), ("AMAZON_ACCESS_KEY_ID", "AKIA")],
        &[("AWS_PROFILE", "p")],
        &[("AWS_PROFILE", "default")],
        &[("AWS_DEFAULT_PROFILE", "p"), ("AWS_PROFILE", "gone")],
        &[("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")],
        &[(WEB_TOKEN, ""), ("AWS_ROLE_ARN", "arn")],
        &[(TOKEN, "another")],
        &[("HTTP_PROXY", "http://127.0.0.1:1"), ("ALL_PROXY", "http://127.0.0.1:1")],
        &[("AWS_SESSION_TOKEN", "hidden"), ("AWS_REGION", "x"), ("AWS_EC2_METADATA_DISABLED", "true")],
        &[("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"), ("AWS_CONFIG_FILE", "/gone")],
    ] {
        let files: &[_] = if vars.iter().any(|(name, _)| *name == "AWS_CONFIG_FILE") { &[] } else { &region };
        assert_eq!(found(vars, files), Vec::<String>::new(), "{vars:?}");
    }
}

#[test]
fn profiles_that_win_are_named_with_their_place() {
    let role = "[profile p]\nrole_arn = arn\nsource_profile = q\n";
    let web = "[default]\nrole_arn = arn\nweb_identity_token_file = /t\n";
    let places = format!("KF-SHADOW {CREDENTIALS}:2");
    for (vars, files, wanted) in [
        (&[][..], &[(CREDENTIALS, KEYS_OF_DEFAULT)][..], vec![places.clone()]),
        (&[], &[(CONFIG, KEYS_OF_DEFAULT)], vec![format!("KF-SHADOW {CONFIG}:2")]),
        (
            &[],
            &[(CONFIG, "[default]\nregion = r\ncredential_process = x\n"), (CREDENTIALS, KEYS_OF_DEFAULT)],
            vec![format!("{places} {CONFIG}:3")],
        ),
        (&[], &[(CONFIG, web)], vec![format!("KF-SHADOW {CONFIG}:2")]),
        // An empty variable takes the token away, and with it the role.
        (&[(WEB_TOKEN, "")], &[(CONFIG, web)], vec![]),
        (&[("AWS_PROFILE", "p")], &[(CONFIG, role)], vec![format!("KF-SHADOW AWS_PROFILE {CONFIG}:2")]),
        (
            &[("AWS_PROFILE", "p")],
            &[(CONFIG, role), (CREDENTIALS, KEYS_OF_DEFAULT)],
            vec![format!("KF-SHADOW AWS_PROFILE {CONFIG}:2"), places.clone()],
        ),
        (&[("AWS_PROFILE", "p")], &[(CONFIG, "[profile p]\n"), (CREDENTIALS, KEYS_OF_DEFAULT)], vec![]),
        (&[], &[(CREDENTIALS, "no section")], vec![format!("KF-SHADOW {CREDENTIALS}")]),
        (&[], &[(CREDENTIALS, "EACCES")], vec![]),
        (
            &[],
            &[(CREDENTIALS, "[other]\naws_access_key_id = AKIA\n[default]\naws_secret_access_key = hidden")],
            vec![],
        ),
    ] {
        assert_eq!(found(vars, files), wanted, "{vars:?} {files:?}");
    }
}

#[test]
fn older_files_that_win_are_named_with_their_place() {
    let boto = "[Credentials]\naws_access_key_id = AKIA\naws_secret_access_key = hidden\n";
    let first = "# keys\nAWSAccessKeyId=AKIA\nAWSSecretKey=hidden\n";
    for (vars, files, wanted) in [
        (&[][..], &[("/etc/boto.cfg", boto)][..], vec!["KF-SHADOW /etc/boto.cfg:2"]),
        (
            &[],
            &[("/etc/boto.cfg", "[Boto]\ndebug = 0\n"), ("/home/me/.boto", boto)],
            vec!["KF-SHADOW /home/me/.boto:2"],
        ),
        (&[("BOTO_CONFIG", "/b")], &[("/etc/boto.cfg", boto)], vec![]),
        (&[("BOTO_CONFIG", "~/b")], &[("/home/me/b", boto)], vec!["KF-SHADOW /home/me/b:2"]),
        (&[], &[("/etc/boto.cfg", "nonsense")], vec!["KF-SHADOW /etc/boto.cfg"]),
        (&[], &[("/etc/boto.cfg", "PIPE")], vec![]),
        (
            &[("AWS_CREDENTIAL_FILE", "~/f")],
            &[("/home/me/f", first)],
            vec!["KF-SHADOW AWS_CREDENTIAL_FILE /home/me/f:2"],
        ),
        (&[("AWS_CREDENTIAL_FILE", "/f")], &[("/f", "AWSSecretKey=hidden\n")], vec![]),
        (&[("AWS_CREDENTIAL_FILE", "/f")], &[("/f", "EACCES")], vec!["KF-SHADOW AWS_CREDENTIAL_FILE"]),
    ] {
        assert_eq!(found(vars, files), wanted, "{vars:?} {files:?}");
    }
}

#[test]
fn a_token_that_cannot_be_sent_is_named() {
    let shadow = "KF-SHADOW AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE /run/token";
    for (token, wanted) in [
        ("the-token", vec![]),
        ("", vec![]),
        ("another", vec![]),
        ("PIPE", vec![]),
        ("hidden\n", vec![shadow]),
        ("EACCES", vec![shadow]),
    ] {
        assert_eq!(found(&[], &[("/run/token", token)]), wanted, "{token:?}");
    }
    let without = |more: &[(&str, &str)]| {
        let found = judged(&[&[(ENDPOINT, URI)], more].concat(), &[], Some(&agent()), true);
        found.iter().map(|shadow| shadow.cause.code).collect::<Vec<_>>()
    };
    assert_eq!(without(&[]), ["KF-TOKENMISSING"]);
    assert_eq!(without(&[(TOKEN, "another")]), Vec::<&str>::new());
    assert_eq!(without(&[(TOKEN, "another\n")]), ["KF-SHADOW"]);
}

#[test]
fn an_application_that_is_not_pointed_at_the_agent_is_unwired() {
    let agent = agent();
    let unwired = |url: &str| judged(&[(ENDPOINT, url), (TOKEN, "t")], &[], Some(&agent), true);
    for url in [
        URI,
        "http://localhost:5397/v1/credentials",
        "http://LOCALHOST:5397",
        "http://[::1]:6000/v1/credentials",
        "https://this.machine:5397/v1/credentials",
    ] {
        assert_eq!(unwired(url), [], "{url}");
    }
    for url in [
        "",
        "nonsense",
        "http://127.0.0.1/v1/credentials",
        "http://127.0.0.1:6000/v1/credentials",
        "http://127.0.0.2:5397/",
        "http://169.254.170.23/v1/credentials",
        "http://this.machine:5397/",
        "http://me:hidden@10.0.0.1:5397/?hidden",
    ] {
        let found = unwired(url);
        assert_eq!(found.iter().map(|shadow| shadow.cause.code).collect::<Vec<_>>(), ["KF-UNWIRED"], "{url}");
        assert!(!found[0].says.contains("hidden"), "{found:?}");
    }
    let codes = |vars: &[(&str, &str)], agent| {
        judged(vars, &[], agent, true).iter().map(|s| s.cause.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&[], Some(&agent)), ["KF-UNWIRED"]);
    assert_eq!(codes(&[], None), ["KF-UNWIRED"]);
    // Where no agent answers, nobody knows which one is meant.
    assert_eq!(codes(&[(ENDPOINT, "http://10.0.0.1/"), (TOKEN, "t")], None), Vec::<&str>::new());
    // Another way to the same agent.
    assert_eq!(codes(&[(METADATA, "http://127.0.0.1:5397")], Some(&agent)), Vec::<&str>::new());
    assert_eq!(codes(&[(METADATA, "http://127.0.0.1:1338")], Some(&agent)), ["KF-UNWIRED"]);
}

#[test]
fn loopback_in_another_network_is_another_place() {
    let far = |url: &str| judged(&[(ENDPOINT, url), (TOKEN, "t")], &[], Some(&agent()), false);
    assert_eq!(far(URI)[0].cause.code, "KF-UNWIRED");
    assert!(far(URI)[0].says.contains("its own network namespace"));
    assert_eq!(far("https://this.machine:5397/"), []);
}
