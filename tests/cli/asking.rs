//! Commands that ask the running agent.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use super::*;
use crate::support::home::others_are_in_sight;

/// An agent with a role that is well and one that is not, and how to find it.
pub(super) fn serving(home: &TempHome) -> (Serving, String) {
    let config = home.write(
        "keyfob.toml",
        "[[role]]\nname = \"default\"\nprofile = \"helper\"\n[[role]]\nname = \"bad\"\nprofile = \"broken\"\nrequired = false\n",
    );
    let agent = Serving::start(&["--config", config.to_str().unwrap()], bare(home));
    let admin = agent.bound.admin.to_string();
    (agent, admin)
}

#[test]
fn a_gate_opens_when_there_are_credentials_and_says_why_not() {
    let home = furnished();
    let (_agent, admin) = serving(&home);
    ends(&home, &["wait", "--admin", &admin], 0);
    let bad = ends(&home, &["wait", "--admin", &admin, "--timeout", "500ms", "default", "bad"], 4);
    assert!(bad.stderr.contains("role bad") && bad.stderr.contains("[PROC-EXIT]"), "{bad:?}");
    ends(&home, &["wait", "--admin", &admin, "nobody"], 2);
    let alone = ends(&home, &["wait", "--admin", "127.0.0.1:1", "--timeout", "300ms"], 5);
    assert!(alone.took >= Duration::from_millis(300), "{alone:?}");
}

#[test]
fn status_is_for_people_and_for_programs() {
    let home = furnished();
    let (agent, admin) = serving(&home);
    ends(&home, &["wait", "--admin", &admin], 0);
    let page = ends(&home, &["status", "--admin", &admin], 0).stdout;
    let role = page.lines().find(|line| line.starts_with("default ")).unwrap();
    assert!(role.contains("ok") && role.contains("process") && role.contains("111122223333"), "{page}");
    assert!(page.contains("PROC-EXIT") && !page.contains('\u{1b}'), "{page}");
    let coloured = ends(&home, &["status", "--admin", &admin, "--color", "always"], 0).stdout;
    assert!(coloured.contains("\u{1b}[32mok"), "{coloured}");
    let status = ends(&home, &["status", "--admin", &admin, "--output", "json"], 0).json();
    assert_eq!(status["credentials_addresses"][0], agent.bound.credentials.to_string());
    let nobody = ends(&home, &["status", "--admin", "127.0.0.1:1"], 5);
    assert!(nobody.stderr.contains("keyfob serve") && nobody.stdout.is_empty(), "{nobody:?}");
}

#[test]
fn the_wiring_leads_to_the_agent_and_names_what_would_win() {
    let home = furnished();
    let (agent, admin) = serving(&home);
    ends(&home, &["wait", "--admin", &admin], 0);
    let wiring = ends(&home, &["env", "--admin", &admin, "--format", "json"], 0);
    let set = &wiring.json()["set"];
    let endpoint = format!("http://{}/v1/credentials/default", agent.bound.credentials);
    assert_eq!(set["AWS_CONTAINER_CREDENTIALS_FULL_URI"], endpoint);
    assert_eq!(set["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"], agent.bound.token_file.to_str().unwrap());
    let place = format!("{}:2: aws_access_key_id of profile default wins", home.credentials_path().display());
    assert!(wiring.stderr.contains(&place), "{wiring:?}");
    let shell = ends(&home, &["env", "--admin", &admin, "--quiet"], 0);
    assert!(shell.stdout.contains("unset AWS_PROFILE\n") && shell.stderr.is_empty(), "{shell:?}");
    let dotenv =
        keyfob(&home, &["env", "--admin", &admin, "--format", "dotenv"]).env("AWS_PROFILE", "helper");
    let dotenv = dotenv.run().expect_code(0);
    assert!(dotenv.stderr.contains("cannot unset variables: AWS_PROFILE would win"), "{dotenv:?}");
    let token = agent.token();
    assert!(!shell.stdout.contains(&token) && !wiring.stdout.contains(&token));
    ends(&home, &["env", "nobody", "--admin", &admin], 2);
}

#[test]
fn refresh_walks_and_says_how_the_role_stands() {
    let home = furnished();
    let (_agent, admin) = serving(&home);
    ends(&home, &["wait", "--admin", &admin], 0);
    let fresh = ends(&home, &["refresh", "--admin", &admin, "--drop"], 0);
    assert!(fresh.stdout.starts_with("default: ok from process"), "{fresh:?}");
    let bad = ends(&home, &["refresh", "bad", "--admin", &admin], 4);
    assert!(bad.stderr.contains("[PROC-EXIT]") && bad.stdout.is_empty(), "{bad:?}");
    ends(&home, &["refresh", "nobody", "--admin", &admin], 2);
    let stranger = TempHome::new();
    let refused = ends(&stranger, &["refresh", "--admin", "127.0.0.1:1"], 5);
    assert!(refused.stderr.contains("no agent answers"), "{refused:?}");
}

#[test]
fn the_agents_credentials_can_be_fetched() {
    let home = furnished();
    let (_agent, admin) = serving(&home);
    ends(&home, &["wait", "--admin", &admin], 0);
    let keys = ends(&home, &["get", "--agent", "--admin", &admin], 0).json();
    assert_eq!(keys["AccessKeyId"], "ASIAFROMTHEHELPER001");
    let bad = ends(&home, &["get", "--agent", "bad", "--admin", &admin], 4);
    assert!(bad.stderr.contains("[PROC-EXIT]"), "{bad:?}");
}

#[test]
fn explain_asks_the_agent_first_and_says_whom_it_asked() {
    let home = furnished();
    let (_agent, admin) = serving(&home);
    ends(&home, &["wait", "--admin", &admin], 0);
    let there = ends(&home, &["explain", "bad", "--admin", &admin], 4).stdout;
    assert!(there.contains(&format!("the agent at {admin}")), "{there}");
    assert!(there.contains("Most likely cause  PROC-EXIT") && there.contains("\n  fix   "), "{there}");
    let json = ends(&home, &["explain", "--now", "--admin", &admin, "--output", "json"], 0).json();
    assert_eq!((&json["origin"], &json["verdict"]), (&"agent".into(), &"ok".into()));
    assert_eq!((&json["walk"]["trigger"], &json["schema_version"]), (&"operator".into(), &1.into()));
    let here = ends(&home, &["explain", "--local", "--admin", &admin], 0).stdout;
    assert!(here.contains("here, as ") && here.contains("static_file"), "{here}");
    let gone = ends(&home, &["explain", "--admin", "127.0.0.1:1"], 0);
    assert!(gone.stderr.contains("looking here instead"), "{gone:?}");
    ends(&home, &["explain", "--now", "--admin", "127.0.0.1:1"], 5);
}

#[test]
fn what_somebody_may_have_meant_is_the_cause_when_nothing_is_set_up() {
    let home = TempHome::new();
    let table: [(&[(&str, &str)], &str, &[&str]); 4] = [
        (&[], "KF-NOTHING", &["IMDS-DISABLED"]),
        (
            &[("AWS_ACCESS_KEY", "AKIAEXAMPLE"), ("AWS_SECRET_KEY", "hidden-secret")],
            "ENV-NAME",
            &["IMDS-DISABLED"],
        ),
        (&[("AWS_ACCESS_KEY_ID", "")], "ENV-EMPTY", &["IMDS-DISABLED"]),
        (&[("AWS_SECRET_ACCESS_KEY", "hidden-secret")], "ENV-PARTIAL", &["IMDS-DISABLED"]),
    ];
    for (vars, cause, also) in table {
        let ask = |args: &[&str]| {
            let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            keyfob(&home, args).envs(vars).within(SOON).run().expect_code(3)
        };
        let json = ask(&["explain", "--local", "--output", "json"]).json();
        assert_eq!(json["failure"]["code"], cause);
        let others = json["walk"]["also"].as_array().unwrap();
        assert_eq!(others.iter().map(|other| other["code"].as_str().unwrap()).collect::<Vec<_>>(), also);
        let text = ask(&["explain", "--local"]).stdout;
        let (first, then) =
            (text.find("Most likely cause").unwrap(), text.find("Also worth a look").unwrap());
        assert!(first < then && !text.contains("hidden-secret"), "{text}");
        assert!(ask(&["get"]).stderr.contains(cause), "{cause}");
    }
}

/// What strict asks is whether it will go on working.
#[test]
fn keys_that_are_open_to_others_do_not_break_soon_and_a_session_past_its_end_does() {
    if !others_are_in_sight() {
        return;
    }
    let home = TempHome::new();
    let path = home.credentials(&format!(
        "[default]\naws_access_key_id = ASIAFROMTHEFILE00001\naws_secret_access_key = {SECRET}\naws_session_token = t\n"
    ));
    let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    chmod(home.path(), 0o755);
    chmod(&path, 0o644);
    let open = ends(&home, &["explain", "--local", "--strict"], 0).stdout;
    assert!(open.contains("SEC-READABLE"), "{open}");
    let long_ago = SystemTime::now() - Duration::from_hours(37);
    fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    let ended = ends(&home, &["explain", "--local", "--strict"], 6).stdout;
    assert!(ended.contains("SEC-NOROTATE"), "{ended}");
    ends(&home, &["explain", "--local"], 0);
}

#[test]
fn explain_tells_each_source_and_the_meaning_of_codes() {
    let home = furnished();
    let broken = ends(&home, &["explain", "--profile", "broken"], 4).stdout;
    let lines: Vec<&str> = broken.lines().filter(|line| line.starts_with("  -  ")).collect();
    assert!(lines.len() > 5 && lines[1].starts_with("  -  env"), "{broken}");
    assert!(broken.contains("  x  process") && broken.ends_with("exit 4\n"), "{broken}");
    let strict = ends(&home, &["explain", "--local", "--strict"], 6).stdout;
    assert!(strict.contains("KF-STATIC"), "{strict}");
    let code = ends(&home, &["explain", "--code", "kf-loop"], 0).stdout;
    assert!(code.starts_with("KF-LOOP  ") && code.contains("\n  fix   "), "{code}");
    assert!(code.contains("\n  rule  our own: ") && code.ends_with("runbook.md#KF-LOOP\n"), "{code}");
    ends(&home, &["explain", "--code", "NO-SUCH"], 2);
    let all = ends(&home, &["explain", "--list-codes", "--output", "json"], 0).json();
    assert!(all.as_array().unwrap().len() > 50);
}
