//! Writes the manual pages and the shell completions, out of the same words as the command line and its help:
//! `cargo run --example manual -- FOLDER`.
//!
//! A program of its own, run when packages are made: the agent need not carry what is read once.

mod page;
mod places;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use keyfob::cli::args::Cli;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: manual FOLDER")?;
    let folder = PathBuf::from(folder);
    let mut keyfob = Cli::command().disable_help_subcommand(true);
    completions(&mut keyfob, &folder.join("completions")).context("completions")?;
    manual(keyfob, &folder.join("man")).context("manual pages")
}

/// `keyfob.bash`, `_keyfob` and `keyfob.fish`.
fn completions(keyfob: &mut Command, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, keyfob, "keyfob", folder)?;
    }
    Ok(())
}

/// `keyfob.1`, and `keyfob-COMMAND.1` for each command.
fn manual(mut keyfob: Command, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    keyfob.build();
    let commands = keyfob.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    for command in [keyfob.clone()].into_iter().chain(commands) {
        let name = command.get_display_name().unwrap_or("keyfob").to_owned();
        fs::write(folder.join(format!("{name}.1")), page::of(command)?)?;
    }
    Ok(())
}
