//! What keyfob says of a sign-in in each state, and that explaining changes nothing.

use super::*;
use crate::support::tools::tool;

#[track_caller]
fn refused(scene: &Scene, profile: &str, code: i32, cause: &str) -> String {
    let done = scene.get(profile).run().expect_code(code);
    assert!(done.stderr.contains(&format!("[{cause}]")), "wanted {cause}: {}", done.stderr);
    done.stderr
}

fn refuse(scene: &Scene, op: &str, status: u16, code: &str) {
    scene.aws.sign_in().set(|fake| _ = fake.refuse.insert(op.to_owned(), (status, code.to_owned())));
}

#[test]
fn each_state_has_its_cause() {
    let scene = Scene::ending_in(3600);
    std::fs::remove_file(scene.sso_file()).unwrap();
    std::fs::remove_file(scene.login_file()).unwrap();
    let said = refused(&scene, "sso", 4, "SSO-NOLOGIN");
    assert!(said.contains(".aws/sso/cache/") && said.contains("aws sso login"), "{said}");
    refused(&scene, "login", 4, "LOGIN-NOLOGIN");
    scene.home.write(&sso_cache("corp"), "{");
    scene.home.write(&login_cache("me"), "[]");
    refused(&scene, "sso", 4, "SSO-CACHE");
    refused(&scene, "login", 4, "LOGIN-CACHE");

    let scene = Scene::ending_in(-60);
    for (op, profile, status, code, exit, cause) in [
        ("CreateToken", "sso", 400, "InvalidGrantException", 4, "SSO-EXPIRED"),
        ("CreateToken", "sso", 429, "SlowDownException", 5, "STS-THROTTLE"),
        ("CreateOAuth2Token", "login", 400, "TOKEN_EXPIRED", 4, "LOGIN-EXPIRED"),
        ("CreateOAuth2Token", "login", 400, "USER_CREDENTIALS_CHANGED", 4, "LOGIN-CHANGED"),
        ("CreateOAuth2Token", "login", 403, "INSUFFICIENT_PERMISSIONS", 4, "LOGIN-DENIED"),
    ] {
        refuse(&scene, op, status, code);
        refused(&scene, profile, exit, cause);
    }

    let scene = Scene::ending_in(3600);
    for (status, code, exit, cause) in [
        (401, "UnauthorizedException", 4, "SSO-REVOKED"),
        (403, "ForbiddenException", 4, "SSO-DENIED"),
        (404, "ResourceNotFoundException", 4, "SSO-DENIED"),
        (500, "InternalServerException", 5, "AWS-5XX"),
    ] {
        refuse(&scene, "GetRoleCredentials", status, code);
        refused(&scene, "sso", exit, cause);
    }
}

/// Root may write anywhere but to what is mounted read-only, in a namespace of the test's own.
#[test]
fn a_refresh_token_is_not_spent_where_its_successor_cannot_be_kept() {
    const READ_ONLY: &str = "mount --bind \"$1\" \"$1\"; mount -o remount,ro,bind \"$1\"; shift; exec \"$@\"";
    let Some(unshare) = tool("unshare") else { return };
    let scene = Scene::ending_in(-60);
    let folder = scene.sso_file().parent().unwrap().to_owned();
    let user: &[&str] = if nix::unistd::geteuid().is_root() { &[] } else { &["--map-root-user"] };
    let keyfob = ["get", "--config", "/dev/null", "--profile", "sso"];
    let get = || {
        let run = Run::new(&unshare).args(user).args(["--mount", "sh", "-ec", READ_ONLY, "sh"]).arg(&folder);
        let run = run.arg(crate::support::keyfob()).args(keyfob).envs(scene.env());
        run.env("PATH", std::env::var("PATH").unwrap()).run()
    };
    let said = get().expect_code(4).stderr;
    assert!(said.contains("[SSO-CACHE]") && said.contains("cannot be written to"), "{said}");
    // While the token is good that is no reason to go without.
    scene.sso(240);
    get().expect_code(0);
    assert_eq!((scene.aws.calls("CreateToken"), scene.aws.calls("GetRoleCredentials")), (0, 1));
}

#[test]
fn an_explanation_refreshes_nothing() {
    let scene = Scene::ending_in(-60);
    let explain = |profile: &str, code: i32| {
        let args = ["explain", "--local", "--output", "json", "--config", "/dev/null", "--profile", profile];
        Run::keyfob().args(args).envs(scene.env()).run().expect_code(code).json()
    };
    let before = [whole(&scene.sso_file()), whole(&scene.login_file())];
    assert_eq!(explain("sso", 4)["failure"]["code"], "SSO-DUE");
    assert_eq!(explain("login", 4)["failure"]["code"], "LOGIN-DUE");
    assert!(scene.aws.requests().is_empty());
    assert_eq!([whole(&scene.sso_file()), whole(&scene.login_file())], before);

    // One that is due and still good is used as it is.
    scene.sso(240);
    scene.login(240);
    assert_eq!(explain("sso", 0)["verdict"], "ok");
    assert_eq!(explain("login", 0)["verdict"], "ok");
    let asked: Vec<String> = scene.aws.requests().into_iter().map(|entry| entry.op).collect();
    assert_eq!(asked, ["GetRoleCredentials"]);
}
