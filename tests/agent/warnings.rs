//! What a running agent warns of though it serves: in its status and its metrics, until somebody has seen to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::support::Run;
use crate::support::home::others_are_in_sight;

/// The codes in `status`, and those in the metrics.
fn warned(agent: &Serving) -> (Vec<String>, Vec<String>) {
    let role = agent.admin("/status").json()["roles"][0].clone();
    let codes = role["warnings"].as_array().unwrap().iter();
    let codes = codes.map(|warning| warning["code"].as_str().unwrap().to_owned()).collect();
    let text = agent.admin("/metrics").body;
    let reason = |line: &str| {
        let labels = line.strip_prefix("keyfob_role_warnings{role=\"default\",reason=\"")?;
        Some(labels.strip_suffix("\"} 1.0")?.to_owned())
    };
    (codes, text.lines().filter_map(reason).collect())
}

/// Both say the same, in an order of their own.
#[track_caller]
fn warns_of(agent: &Serving, wanted: &[&str]) {
    let (mut status, metrics) = warned(agent);
    status.sort();
    assert_eq!(status, wanted);
    assert_eq!(metrics, wanted);
}

fn session(id: &str) -> String {
    static_keys("default", id) + "aws_session_token = token-of-a-session\n"
}

#[test]
fn keys_that_all_can_read_are_warned_of_until_a_walk_finds_them_closed() {
    if !others_are_in_sight() {
        return;
    }
    let home = TempHome::new();
    let path = home.credentials(&session("ASIAOPEN000000000001"));
    let chmod =
        |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    chmod(home.path(), 0o755);
    chmod(&path, 0o644);
    let agent = Serving::start(&[], bare(&home));
    first(&agent, "ASIAOPEN000000000001");
    warns_of(&agent, &["SEC-READABLE"]);
    chmod(&path, 0o600);
    let refresh = Run::keyfob().args(["refresh", "--admin"]).arg(agent.bound.admin.to_string());
    refresh.envs(bare(&home)).run().expect_code(0);
    warns_of(&agent, &[]);
}

#[test]
fn a_session_that_the_agent_cannot_renew_is_warned_of_and_one_in_a_file_is_followed() {
    let home = TempHome::new();
    home.shut();
    let mut env = bare(&home);
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "ASIAENVIRONMENT00001"),
        ("AWS_SECRET_ACCESS_KEY", "secret-of-the-environment"),
        ("AWS_SESSION_TOKEN", "token-of-the-environment"),
    ] {
        env.push((name.to_owned(), value.to_owned()));
    }
    let agent = Serving::start(&[], env);
    first(&agent, "ASIAENVIRONMENT00001");
    warns_of(&agent, &["SEC-NOROTATE"]);
    home.credentials(&session("ASIAFILE000000000001"));
    let agent = Serving::start(&[], bare(&home));
    first(&agent, "ASIAFILE000000000001");
    warns_of(&agent, &[]);
}
