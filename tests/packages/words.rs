//! Manual pages and completions: every command and option is in them, and those who read them accept them.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use keyfob::cli::args::Cli;

use crate::support::tools::tool;
use crate::support::{Run, TempHome, keyfob};

/// The generator's output: `man/` and `completions/`.
fn written() -> TempHome {
    let home = TempHome::new();
    let program = keyfob().with_file_name("examples").join("manual");
    assert!(program.is_file(), "cargo build --locked --example manual");
    Run::new(program).arg(home.path()).run().expect_code(0);
    home
}

/// The commands that people see, as clap has them.
fn commands() -> Vec<Command> {
    let mut keyfob = Cli::command().disable_help_subcommand(true);
    keyfob.build();
    keyfob.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect()
}

fn options(command: &Command) -> Vec<String> {
    let seen = command.get_arguments().filter(|arg| !arg.is_hide_set());
    seen.filter_map(|arg| arg.get_long().map(str::to_owned)).collect()
}

/// The options that no word of a text is.
fn missing(command: &Command, mark: &str, text: &str) -> Vec<String> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let words: Vec<_> = text.split(word).collect();
    options(command)
        .into_iter()
        .filter(|option| !words.contains(&format!("{mark}{option}").as_str()))
        .collect()
}

/// Each command's part of each text, with how options are written there.
fn parts(home: &Path, command: &Command) -> Vec<(&'static str, &'static str, String)> {
    let (name, read) = (command.get_name(), |path: &str| fs::read_to_string(home.join(path)).unwrap());
    let between = |text: &str, from: &str, to: &str| {
        let rest = text.split_once(from).unwrap_or_else(|| panic!("{from} is not there")).1;
        rest.split(to).next().unwrap().to_owned()
    };
    let page =
        read(&format!("man/keyfob-{name}.1")).replace("\\-", "-").replace("\\fB", " ").replace("\\fR", " ");
    let fish = read("completions/keyfob.fish");
    let own = format!("\"__fish_keyfob_using_subcommand {name}\"");
    vec![
        ("manual page", "--", between(&page, ".SH OPTIONS", ".SH FILES")),
        (
            "bash",
            "--",
            between(
                &read("completions/keyfob.bash"),
                &format!(" keyfob__subcmd__{name})\n"),
                "\n            if",
            ),
        ),
        (
            "zsh",
            "--",
            between(
                &read("completions/_keyfob"),
                &format!("\n({name})\n").replace("\n(serve)", "(serve)"),
                "\n;;",
            ),
        ),
        (
            "fish",
            "",
            fish.lines()
                .filter(|line| line.contains(&own))
                .fold(String::new(), |all, line| all + line + "\n"),
        ),
    ]
}

#[test]
fn every_command_and_option_is_in_the_pages_and_completions() {
    let home = written();
    let whole = fs::read_to_string(home.path().join("man/keyfob.1")).unwrap().replace("\\-", "-");
    assert!(commands().len() >= 10, "commands are not seen");
    for command in commands() {
        let name = command.get_name();
        assert!(whole.contains(&format!("keyfob-{name}(1)")), "keyfob.1 does not name {name}");
        for (place, mark, part) in parts(home.path(), &command) {
            assert_eq!(missing(&command, mark, &part), [""; 0], "{place} of {name}");
            let without = part.replace("quiet", "");
            assert_eq!(missing(&command, mark, &without), ["quiet"], "the control: {place} of {name}");
        }
    }
}

/// All files of a folder, in order.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn the_pages_are_right_for_mandoc() {
    let Some(program) = tool("mandoc") else { return };
    let home = written();
    let lint = |page: &Path| {
        let said = Run::new(&program).args(["-T", "lint", "-W", "warning"]).arg(page).run().stdout;
        // Without a date on purpose: the same sources make the same page.
        said.lines().filter(|line| !line.contains("missing date")).map(str::to_owned).collect::<Vec<_>>()
    };
    for page in inside(&home.path().join("man")) {
        assert_eq!(lint(&page), [""; 0]);
    }
    assert_ne!(
        lint(&home.write("wrong.1", ".TH WRONG 1\n.SH NAME\n.RE\n.nonsense\n")),
        [""; 0],
        "nothing is judged"
    );
}

#[test]
fn the_completions_are_right_for_their_shells() {
    for (shell, file) in [("bash", "keyfob.bash"), ("zsh", "_keyfob"), ("fish", "keyfob.fish")] {
        let Some(program) = tool(shell) else { continue };
        let home = written();
        let read = |file: &Path| Run::new(&program).arg("-n").arg(file).env("HOME", home.path()).run();
        read(&home.path().join("completions").join(file)).expect_code(0);
        assert_ne!(read(&home.write("wrong", "if true\n")).code(), Some(0), "{shell} reads nothing");
    }
}
