//! How `explain` looks: as wide as the terminal, coloured where that is seen, with as much as was asked for, and fit to
//! be shared.

use super::asking::serving;
use super::{ID, SECRET, SOON, ends, furnished, keyfob};
use crate::support::home::TempHome;

/// A profile for each way a walk may end.
fn broken_in_many_ways() -> TempHome {
    let home = furnished();
    home.config(
        "[default]\nregion = eu-west-1\n[profile broken]\ncredential_process = false\n\
         [profile slow]\ncredential_process = sleep 60\n[profile lone]\nregion = eu-west-1\n\
         [profile role]\nrole_arn = arn:aws:iam::123456789012:role/app\nsource_profile = gone\n\
         [profile circle]\nrole_arn = arn:aws:iam::123456789012:role/app\nsource_profile = turn\n\
         [profile turn]\nrole_arn = arn:aws:iam::210987654321:role/turn\nsource_profile = circle\n\
         [profile signed]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Reader\n\
         [sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n",
    );
    home
}

const PROFILES: [&str; 7] = ["default", "broken", "lone", "role", "circle", "signed", "mistyped"];

/// Without what colours a terminal.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').unwrap().1)
}

/// What was measured, and who is running the tests, differ from walk to walk.
fn still(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (before, after) = text.split_once("walked ").unwrap();
    let text = format!("{before}{}", after.split_once("(operator)").unwrap().1);
    let words = text.split(' ').collect::<Vec<_>>();
    let kept = words.windows(2).filter(|pair| pair[1] != "ms" && pair[0].len() != 32);
    kept.map(|pair| pair[0]).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_screen_is_as_wide_as_the_terminal_and_the_same_in_colour() {
    let home = broken_in_many_ways();
    for profile in PROFILES {
        let screen = |columns: &str, color: &str| {
            let args = ["explain", "--profile", profile, "--color", color];
            keyfob(&home, &args).env("COLUMNS", columns).run().stdout
        };
        for (columns, width) in [("80", 80), ("120", 120), ("20", 60), ("1000", 120)] {
            let text = screen(columns, "never");
            // What is to be copied, and a word that is longer, is not broken.
            let may_be_wide =
                |line: &str| line.starts_with("          ") || line.split_whitespace().count() <= 1;
            let wide = text.lines().find(|line| line.chars().count() > width && !may_be_wide(line));
            assert_eq!(wide, None, "{profile}, {columns} columns:\n{text}");
            let coloured = screen(columns, "always");
            assert!(coloured.contains("\u{1b}[") && !text.contains('\u{1b}'), "{coloured}");
            assert_eq!(still(&plain(&coloured)), still(&text), "{profile}, {columns} columns");
        }
        let (narrow, wide) = (screen("60", "never"), screen("120", "never"));
        assert!(narrow.lines().count() > wide.lines().count(), "{narrow}\n{wide}");
    }
}

#[test]
fn what_is_well_is_told_on_request_only() {
    let home = broken_in_many_ways();
    let screen = |more: &[&str]| ends(&home, &[&["explain", "--profile", "broken"], more].concat(), 4).stdout;
    let [usual, all, verbose] = [&[][..], &["--all"], &["--verbose"]].map(screen);
    let config = home.config_path();
    let config = config.display().to_string();
    let count = |text: &str| text.lines().count();
    assert!(count(&usual) < count(&all), "{usual}\n{all}\n{verbose}");
    assert!(all.contains(&config), "{all}");
    let times = |text: &str| text.matches(" ms\n").count();
    assert!(times(&verbose) > times(&all), "{verbose}");
    for text in [usual, all, verbose] {
        assert!(!text.contains(SECRET) && !text.contains(ID), "{text}");
    }
}

#[test]
fn a_walk_ends_in_time_and_keeps_what_was_found_out() {
    let home = broken_in_many_ways();
    let args = ["explain", "--profile", "slow", "--timeout", "1s"];
    let text = keyfob(&home, &args).within(SOON).run().expect_code(5).stdout;
    assert!(text.contains("  -  sso ") && text.contains("  x  process "), "{text}");
    assert!(text.contains("KF-TIMEOUT") || text.contains("PROC-TIMEOUT"), "{text}");
    ends(&home, &["explain", "--timeout", "soon"], 2);
}

#[test]
fn what_is_shared_names_nobody() {
    let home = broken_in_many_ways();
    let mask = |profile: &str, more: &[&str]| {
        keyfob(&home, &[&["explain", "--profile", profile, "--redact"], more].concat()).run().stdout
    };
    let place = home.path().display().to_string();
    for profile in PROFILES {
        for more in [&[][..], &["--all"], &["--output", "json"]] {
            let text = mask(profile, more);
            let named = ["123456789012", "210987654321", "corp.awsapps.com", &place];
            let named = named.into_iter().find(|name| text.contains(*name));
            assert_eq!(named, None, "{profile} {more:?}: {text}");
        }
    }
    let role = mask("role", &["--all"]);
    assert!(role.contains("~/.aws/config:"), "the usual places are everybody's: {role}");
    assert!(mask("signed", &["--output", "json"]).contains("sso_account_id = <account 1>\""));
}

#[test]
fn an_agent_says_since_when_it_fails_and_what_it_serves() {
    let home = furnished();
    let (_agent, admin) = serving(&home);
    ends(&home, &["wait", "--admin", &admin], 0);
    let well = ends(&home, &["explain", "--admin", &admin], 0).stdout;
    for row in ["\n  source        process\n", "account 111122223333, key ...R001\n", "\n  next refresh  in "]
    {
        assert!(well.contains(row), "{row}: {well}");
    }
    assert!(well.contains("\nEverything needed is in place.\n"), "{well}");
    let never = ends(&home, &["explain", "bad", "--admin", &admin], 4).stdout;
    assert!(never.contains("\nFailing since ") && never.contains("no look has been good"), "{never}");
    assert!(never.contains("\n  then  keyfob explain bad --now\n"), "{never}");
    home.write("document.json", "{}");
    ends(&home, &["refresh", "--admin", &admin], 0);
    let since = ends(&home, &["explain", "--admin", &admin], 0).stdout;
    assert!(
        since.contains("\nFailing since ") && since.contains("once; the last good look was at "),
        "{since}"
    );
    assert!(
        since.contains("Usable credentials") && since.contains("Most likely cause  PROC-JSON"),
        "{since}"
    );
}

#[test]
fn past_the_end_of_the_chain_there_are_local_facts_and_nothing_is_asked() {
    let home = furnished();
    let touched = home.path().join("touched");
    home.config(&format!(
        "[default]\nregion = eu-west-1\ncredential_process = touch {}\n\
         [profile lone]\ncredential_process = touch {}\nlogin_session = me\n",
        touched.display(),
        touched.display()
    ));
    let half = |args: &[&str]| {
        let run = keyfob(&home, args).env("AWS_ACCESS_KEY_ID", "AKIAHALF000000000000");
        run.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/").run().expect_code(4)
    };
    let text = half(&["explain", "--local"]).stdout;
    for line in [
        "  x  env ",
        "  -  profile_web_identity  no web identity token file is named\n",
        "  -  static_file           not come to; it has credentials\n",
        "  -  process               not asked: the chain ends before it\n",
        "  -  container             not asked: the chain ends before it\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.contains("(1 source consulted, 1 failed)"), "{text}");
    let document = half(&["explain", "--local", "--output", "json"]).json();
    let beyond = document["walk"]["beyond"].as_array().unwrap();
    assert_eq!(beyond.len(), 10, "{document:#}");
    assert!(!touched.exists(), "the process was run");
    // Where there are credentials, nobody asks what else there is.
    let well = ends(&home, &["explain", "--local"], 0).stdout;
    assert!(!well.contains("not asked"), "{well}");
    assert!(ends(&home, &["explain", "--local", "--all"], 0).stdout.contains("not asked"));
}
