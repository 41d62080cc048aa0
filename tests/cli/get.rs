//! `get`, `check` and the words that are wrong.

use super::*;

#[test]
fn a_credential_process_is_given_its_document() {
    let home = furnished();
    let bare_keys = ends(&home, &["get"], 0).json();
    let expected = serde_json::json!({"Version": 1, "AccessKeyId": ID, "SecretAccessKey": SECRET});
    assert_eq!(bare_keys, expected);
    let full = ends(&home, &["get", "--profile", "helper"], 0).json();
    assert_eq!(full["SessionToken"], "a-token-of-the-helper");
    assert_eq!(
        (&full["Expiration"], &full["AccountId"]),
        (&"2099-01-01T00:00:00Z".into(), &"111122223333".into())
    );
}

#[test]
fn a_shell_that_takes_the_exports_sees_these_keys_and_no_others() {
    let home = furnished();
    let exports = ends(&home, &["get", "--profile", "helper", "--output", "env"], 0).stdout;
    let script = format!(
        "{exports}\nprintf '%s|' \"$AWS_ACCESS_KEY_ID\" \"$AWS_SESSION_TOKEN\" \"${{AWS_PROFILE-gone}}\""
    );
    let env = [("AWS_PROFILE", "other"), ("AWS_SECURITY_TOKEN", "old")];
    let seen = Run::new("/bin/sh").args(["-c", &script]).envs(env).run().expect_code(0);
    assert_eq!(seen.stdout, "ASIAFROMTHEHELPER001|a-token-of-the-helper|gone|");
}

#[test]
fn a_profile_on_the_command_line_leaves_keys_in_the_environment_aside() {
    let home = furnished();
    let env = [("AWS_ACCESS_KEY_ID", "AKIAFROMENV000000000"), ("AWS_SECRET_ACCESS_KEY", "a-secret-from-env")];
    let unnamed = keyfob(&home, &["get"]).envs(env).run().expect_code(0).json();
    assert_eq!(unnamed["AccessKeyId"], "AKIAFROMENV000000000");
    let named = keyfob(&home, &["get", "--profile", "default"]).envs(env).run().expect_code(0).json();
    assert_eq!(named["AccessKeyId"], ID);
}

#[test]
fn what_keeps_credentials_away_is_said_and_decides_the_status() {
    let home = furnished();
    let table = [
        (&["get", "--profile", "broken"][..], 4, "PROC-EXIT"),
        (&["get", "--profile", "nowhere"], 4, "PROFILE-UNKNOWN"),
        (&["get", "nobody"], 2, "no role nobody"),
        (&["get", "--agent", "--admin", "127.0.0.1:1"], 5, "no agent answers"),
        (&["get", "--nonsense"], 2, "--nonsense"),
    ];
    for (args, code, says) in table {
        let ended = ends(&home, args, code);
        assert!(ended.stderr.contains(says) && ended.stdout.is_empty(), "{ended:?}");
    }
    let empty = TempHome::new();
    let nothing = ends(&empty, &["get"], 3);
    assert!(nothing.stderr.contains("KF-NOTHING"), "{nothing:?}");
}

#[test]
fn what_a_role_expects_holds_for_get_as_well() {
    let home = furnished();
    let config = home.write(
        "keyfob.toml",
        "[[role]]\nname = \"strict\"\nprofile = \"helper\"\nexpect = { account = \"999999999999\" }\n\
         [[role]]\nname = \"short\"\nstatic_keys = \"refuse\"\n",
    );
    let config = config.to_str().unwrap();
    for (role, cause) in [("strict", "KF-EXPECT"), ("short", "KF-STATIC-REFUSED")] {
        let ended = ends(&home, &["get", role, "--config", config], 4);
        assert!(ended.stderr.contains(cause) && ended.stdout.is_empty(), "{ended:?}");
    }
    let unnamed = ends(&home, &["get", "--config", config], 2);
    assert!(unnamed.stderr.contains("name one of: strict, short"), "{unnamed:?}");
}

#[test]
fn keyfob_inside_keyfob_ends_at_once() {
    let home = TempHome::new();
    let keyfob_path = crate::support::keyfob().display().to_string();
    home.credentials(&format!("[default]\ncredential_process = {keyfob_path} get\n"));
    let ended = keyfob(&home, &["get"]).within(SOON).run().expect_code(4);
    assert!(ended.stderr.contains("KF-LOOP"), "{ended:?}");
    for command in [&["get"][..], &["exec", "--", "true"], &["serve"]] {
        let walk = "role:other\nprofile:default";
        let ended = keyfob(&home, command).env("KEYFOB_WALK", walk).within(SOON).run().expect_code(4);
        assert!(ended.stderr.contains("KF-LOOP"), "{ended:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = furnished();
    let binary = crate::support::keyfob().display();
    let script = format!("{binary} explain --list-codes | head -n 1; {binary} get > /dev/full; echo $?");
    let ended = Run::new("/bin/sh").args(["-c", &script]).envs(bare(&home)).run().expect_code(0);
    assert!(ended.stdout.starts_with("ENV-") && ended.stdout.ends_with("\n1\n"), "{ended:?}");
    assert!(
        ended.stderr.contains("cannot write to stdout") && !ended.stderr.contains("panicked"),
        "{ended:?}"
    );
}

#[test]
fn the_configuration_in_force_is_printed_with_origins_and_without_secrets() {
    let home = furnished();
    let config = home.write(
        "keyfob.toml",
        "[listen]\nttl = 2\n[[role]]\nname = \"a\"\nrole_arn = \"arn:aws:iam::111122223333:role/app\"\n\
         external_id = \"an-external-id\"\n",
    );
    let path = config.to_str().unwrap();
    let right = ends(&home, &["check", "--config", path], 0);
    assert_eq!(right.stdout, format!("{path} is right; roles: a\n"));
    let page = ends(&home, &["check", "--print", "--admin", "off", "--config", path], 0).stdout;
    assert!(page.contains(&format!("# {path}:2")) && page.contains("# --admin"), "{page}");
    assert!(!page.contains("an-external-id"), "{page}");
    let bad = home.write("bad.toml", "[listen]\nttl = 0\nttl2 = 1\n[refresh]\nbefore = 1\n");
    let wrong = ends(&home, &["check", "--config", bad.to_str().unwrap()], 2);
    assert!(wrong.stderr.contains("3 problems") && wrong.stdout.is_empty(), "{wrong:?}");
}

#[test]
fn help_and_version_are_answers() {
    let home = TempHome::new();
    let commands = ["serve", "get", "explain", "exec", "env", "status", "refresh", "wait", "check", "demo"];
    let list = ends(&home, &["--help"], 0).stdout;
    for command in commands {
        assert!(list.contains(&format!("  {command} ")), "{command}");
        let help = ends(&home, &[command, "--help"], 0).stdout;
        assert!(help.contains("Exit status:") && help.contains("Examples:"), "{help}");
        let widest = help.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{help}");
    }
    assert!(ends(&home, &["--version"], 0).stdout.starts_with("keyfob "));
}
