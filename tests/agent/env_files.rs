//! The files beside the token that point the clients of a unit at the agent.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::support::run::Run;

#[track_caller]
fn until(what: &str, agent: &Serving, fine: impl Fn() -> bool) {
    let begun = Instant::now();
    while !fine() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}\n{}", agent.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn each_role_has_a_file_as_env_would_print_it_until_it_is_gone() {
    let home = TempHome::new();
    home.credentials(&static_keys("default", "AKIDEXAMPLE"));
    home.write(
        ".aws/config",
        "[profile app]\nregion = eu-west-3\naws_access_key_id = A\naws_secret_access_key = B\n",
    );
    let run = home.path().join("run");
    let both = format!(
        "[listen]\ncredentials = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\n[[role]]\nname = \"app\"\nprofile = \"app\"\n\
         tokens = [\"{}/app.token\"]\n[[role]]\nname = \"web\"\n",
        run.display()
    );
    let config = home.write("keyfob.toml", &both);
    let env = bare(&home);
    // Left by an agent of another configuration; by somebody else.
    let stale =
        "# Written by keyfob, and again when something changes, for EnvironmentFile= of a unit.\nA=b\n";
    home.write("run/old.env", stale);
    home.write("run/theirs.env", "A=b\n");
    let command = Run::keyfob().args(["serve", "--log-format", "json", "--config", config.to_str().unwrap()]);
    let agent = Serving::launch(&command.envs(env.clone())).unwrap();
    let read = |name: &str| std::fs::read_to_string(run.join(name)).unwrap_or_default();
    let known = "AWS_REGION=eu-west-3";
    until("no region in app.env", &agent, || read("app.env").contains(known));
    assert_eq!((read("old.env").as_str(), read("theirs.env").as_str()), ("", "A=b\n"));
    assert_eq!(run.join("app.env").metadata().unwrap().permissions().mode() & 0o7777, 0o644);
    let admin = agent.bound.admin.to_string();
    for (role, token) in [("app", "app.token"), ("web", "token")] {
        // What the caller has of a region would win in `env`: it has none.
        let printed =
            Run::keyfob().args(["env", role, "--format", "systemd", "--admin", &admin]).envs(env.clone());
        let printed = printed.run().expect_code(0).stdout;
        let file = read(&format!("{role}.env"));
        assert_eq!(file.split_once('\n').unwrap().1, printed, "{role}");
        assert!(printed.contains(&format!("_TOKEN_FILE={}\n", run.join(token).display())), "{printed}");
        assert!(!file.contains(&std::fs::read_to_string(run.join(token)).unwrap()), "a secret");
    }
    std::fs::write(&config, both.split("[[role]]\nname = \"web\"").next().unwrap()).unwrap();
    until("web.env is still there", &agent, || !run.join("web.env").exists());
    assert!(read("app.env").contains(known));
    assert_eq!(agent.process.stop().code(), Some(0));
    assert!(read("app.env").contains(known), "what systemd reads must not depend on the agent's being there");
}

#[test]
fn a_folder_that_is_not_ours_gets_no_files() {
    let home = TempHome::new();
    home.credentials(&static_keys("default", "AKIDEXAMPLE"));
    let token = home.path().join("elsewhere/token");
    let config = home.write("keyfob.toml", &format!("[auth]\ntoken_file = \"{}\"\n", token.display()));
    let agent = Serving::start(&["--config", config.to_str().unwrap()], bare(&home));
    first(&agent, "AKIDEXAMPLE");
    let left: Vec<_> =
        std::fs::read_dir(token.parent().unwrap()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".env")), "{left:?}");
}
