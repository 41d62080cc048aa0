//! Whatever is put in, a clear error comes out, and the other roles stay untouched.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::support::aws::knobs::Shape;
use crate::support::raw;
use crate::support::run::Run;

const GOOD: &str = "AKIAGOOD000000000000";

/// An agent whose role `good` is well, whatever happens to role `bad`.
fn beside_a_good_role(home: &TempHome, bad: &str, env: Vec<(String, String)>) -> Serving {
    let credentials = std::fs::read_to_string(home.credentials_path()).unwrap_or_default();
    home.write("good", &static_keys("default", GOOD));
    home.credentials(&credentials);
    let config = home.write(
        "keyfob.toml",
        &format!(
            "[[role]]\nname = \"good\"\nenv = {{ AWS_SHARED_CREDENTIALS_FILE = \"{}\" }}\n\n[[role]]\nname = \"bad\"\n{bad}\n",
            home.path().join("good").display()
        ),
    );
    Serving::start(&["--config", config.to_str().unwrap()], env)
}

/// The body that role `bad` gets once its first walk is over; role `good` is served before and after.
#[track_caller]
fn refusal(agent: &Serving) -> Value {
    let begun = Instant::now();
    loop {
        let good = agent.credentials("/v1/credentials/good");
        assert!(good.status == 200 || good.body.contains("KF-WARMING"), "{}", good.body);
        let reply = agent.credentials("/v1/credentials/bad");
        assert_eq!(reply.status, 503, "{}", reply.body);
        let body = reply.json();
        if body["cause"] != "KF-WARMING" {
            assert_eq!(agent.credentials("/v1/credentials/good").status, 200);
            assert_eq!(body["code"], "CredentialsUnavailable");
            assert_eq!(body["message"], body["Message"]);
            return body;
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "{}", agent.log());
    }
}

#[test]
fn every_configuration_problem_at_once_with_its_place() {
    let home = TempHome::new();
    let config = home.write(
        "keyfob.toml",
        "[listen]\ncredentials = [\"0.0.0.0:5397\"]\nimds = 1\n[refresh]\nbefore = \"soon\"\n[[role]]\nname = \"a b\"\nrole_arn = \"nonsense\"\nprofil = \"x\"\n[[role]]\nname = \"r\"\nstatic_keys = \"melt\"\n",
    );
    for command in ["check", "serve"] {
        let ended =
            Run::keyfob().args([command, "--config", config.to_str().unwrap()]).envs(bare(&home)).run();
        assert_eq!(ended.code(), Some(2), "{ended:?}");
        for place in [
            "listen.credentials",
            "listen.imds",
            "refresh.before",
            "role[0].name",
            "role[0].role_arn",
            "profil",
            "role[1].static_keys",
        ] {
            assert!(ended.stderr.contains(place) || ended.stdout.contains(place), "{place} in {ended:?}");
        }
    }
}

#[test]
fn a_port_that_is_taken() {
    let home = TempHome::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let ended = Run::keyfob().args(["serve", "--listen", &at, "--admin", "off"]).envs(bare(&home)).run();
    assert_eq!(ended.code(), Some(2), "{ended:?}");
    assert!(ended.stderr.contains(&at), "{}", ended.stderr);
}

#[test]
fn an_unknown_role_and_a_bad_token() {
    let home = TempHome::new();
    home.credentials(&static_keys("default", GOOD));
    let agent = Serving::start(&[], bare(&home));
    first(&agent, GOOD);
    let unknown = agent.credentials("/v1/credentials/nobody");
    assert_eq!((unknown.status, unknown.json()["code"].as_str()), (404, Some("NotFound")));
    let at = agent.bound.credentials;
    let none = raw::get(at, "/v1/credentials", &[]);
    assert_eq!((none.status, none.json()["cause"].as_str()), (401, Some("KF-TOKENMISSING")));
    let wrong = raw::get(at, "/v1/credentials", &[("Authorization", "x")]);
    assert_eq!((wrong.status, wrong.json()["cause"].as_str()), (401, Some("KF-AUTH")));
}

#[test]
fn role_names_from_hell() {
    let home = TempHome::new();
    home.credentials(&static_keys("default", GOOD));
    let agent = Serving::start(&[], bare(&home));
    first(&agent, GOOD);
    let long = "r".repeat(5000);
    for name in ["..", "%2e%2e", "a%00b", "%ff", "a/b/c", ";", "default%20", "DEFAULT", &long, "%0d%0aX:y"] {
        let reply = agent.credentials(&format!("/v1/credentials/{name}"));
        assert!(matches!(reply.status, 400 | 403 | 404), "{name}: {reply:?}");
        assert_eq!(served(&agent).as_deref(), Ok(GOOD));
    }
}

#[test]
fn a_process_that_prints_garbage() {
    let home = TempHome::new();
    for (what, cause) in [
        ("echo hello", "PROC-JSON"),
        ("printf {}", "PROC-JSON"),
        ("head -c 1000000 /dev/zero", "PROC-JSON"),
        ("false", "PROC-EXIT"),
        ("/no/such/program", "PROC-START"),
        ("sh -c 'echo {", "PROC-QUOTE"),
    ] {
        home.config(&format!("[default]\ncredential_process = {what}\n"));
        let agent = beside_a_good_role(&home, "", bare(&home));
        assert_eq!(refusal(&agent)["cause"], cause, "{what}");
    }
}

#[test]
fn an_answer_of_a_gigabyte() {
    let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
    aws.container().set(|container| container.shape = Shape::Endless);
    let mut env = bare(&home);
    env.push(("AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(), aws.container_url("/container/x")));
    let agent = beside_a_good_role(&home, "", env);
    let body = refusal(&agent);
    assert!(body["cause"].as_str().unwrap().starts_with("CONT-"), "{body}");
    assert!(aws.streamed() < 100 << 20, "{} bytes were read", aws.streamed());
}

#[test]
fn a_file_that_cannot_be_parsed_names_its_line_and_hides_its_values() {
    let home = TempHome::new();
    home.credentials("[default]\naws_access_key_id = AKIA\nwJalrXUtnFEMIsecret\n");
    let agent = beside_a_good_role(&home, "", bare(&home));
    let body = refusal(&agent);
    assert_eq!(body["cause"], "FILE-PARSE");
    let message = body["message"].as_str().unwrap();
    assert!(message.contains("credentials:3"), "{message}");
    assert!(!message.contains("wJalr") && !agent.log().contains("wJalr"), "{message}");
}

#[test]
fn a_file_that_may_not_be_read() {
    let home = TempHome::new();
    let path = home.credentials(&static_keys("default", GOOD));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o0)).unwrap();
    if std::fs::read(&path).is_ok() {
        // Root reads everything: run the command as nobody.
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(home.path().join(".aws"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let keyfob = home.path().join("keyfob");
        std::fs::copy(crate::support::run::keyfob(), &keyfob).unwrap();
        let ended = Run::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&keyfob)
            .arg("get")
            .envs(bare(&home))
            .run();
        assert_eq!(ended.code(), Some(4), "{ended:?}");
        assert!(ended.stderr.contains("FILE-EACCES"), "{}", ended.stderr);
        assert!(ended.stderr.contains("credentials"), "{}", ended.stderr);
        return;
    }
    let agent = beside_a_good_role(&home, "", bare(&home));
    assert_eq!(refusal(&agent)["cause"], "FILE-EACCES");
}

#[test]
fn a_bad_reload_changes_nothing_and_says_so() {
    let home = TempHome::new();
    home.credentials(&static_keys("default", GOOD));
    let agent = beside_a_good_role(&home, "", bare(&home));
    comes(&agent, "bad", Duration::from_secs(10));
    home.write("keyfob.toml", "[[role]]\nname = 7\n");
    let begun = Instant::now();
    while !agent.admin("/metrics").body.contains("keyfob_config_last_reload_successful 0") {
        assert!(begun.elapsed() < Duration::from_secs(5), "{}", agent.log());
    }
    assert_eq!(agent.credentials("/v1/credentials/bad").status, 200);
    assert_eq!(agent.credentials("/v1/credentials/good").status, 200);
    assert!(agent.admin("/status").body.contains("role[0].name"));
}

#[test]
fn a_role_added_and_one_removed_by_a_reload() {
    let home = TempHome::new();
    home.credentials(&static_keys("default", GOOD));
    let agent = beside_a_good_role(&home, "", bare(&home));
    comes(&agent, "bad", Duration::from_secs(10));
    home.write("keyfob.toml", "[[role]]\nname = \"other\"\n");
    comes(&agent, "other", Duration::from_secs(5));
    assert_eq!(agent.credentials("/v1/credentials/bad").status, 404);
}

/// Waits until the role is served.
#[track_caller]
fn comes(agent: &Serving, role: &str, within: Duration) {
    let begun = Instant::now();
    while agent.credentials(&format!("/v1/credentials/{role}")).status != 200 {
        assert!(begun.elapsed() < within, "{}", agent.log());
    }
}
