//! Why a program cannot be started: a path with spaces and no quotes, a `~` that no shell opens, a place that is not in
//! PATH, a file that is not executable or was written on Windows.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::super::paths;
use super::super::profile::merge::Setting;
use super::super::shell::{literal, quoted, sed};
use super::super::text::Unfinished;
use crate::cause;
use crate::config::env::Env;
use crate::failure::{Failure, Remedy};

/// Where programs are that a service's PATH leaves out.
const USUAL: [&str; 7] =
    ["~/.local/bin", "~/bin", "~/go/bin", "~/.cargo/bin", "/usr/local/bin", "/opt/homebrew/bin", "/snap/bin"];

/// The end of an open command. The command itself may hold a secret.
pub(super) fn closing(open: Unfinished, text: &str, setting: &Setting) -> Remedy {
    let (line, file) = (setting.line, setting.file.display());
    let quote = if text.matches('\'').count() % 2 == 1 { "'" } else { "\"" };
    match open {
        Unfinished::Quote => {
            let script = format!("{line}s/[[:space:]]*$/{quote}/");
            Remedy::command(format!("close the quote at the end of line {line}"), sed(&script, file))
        }
        Unfinished::Escape => {
            let script = format!("{line}s/\\\\[[:space:]]*$//");
            Remedy::command(format!("remove the backslash at the end of line {line}"), sed(&script, file))
        }
    }
}

/// The failure with what would let the program start.
pub(super) fn explained(failure: Failure, words: &[String], setting: Option<&Setting>, env: &Env) -> Failure {
    let Some(program) = words.first() else { return failure };
    if let Some(path) = spaced(words) {
        let quoted_form = format!("\"{path}\"");
        let context = format!("{}: a path with spaces needs quotes: {quoted_form}", failure.context);
        let failure = Failure { cause: &cause::PROC_QUOTE, context, ..failure };
        return match setting {
            Some(setting) => {
                failure.mend(replaced(setting, &path, &quoted_form, "put quotes around the path"))
            }
            None => failure,
        };
    }
    let path = Path::new(program);
    if let Some(interpreter) = carriage_return(path) {
        let context = format!(
            "{}: its first line names the program `{interpreter}` with a carriage return behind it",
            failure.context
        );
        let command = sed("s/\\r$//", path.display());
        let failure = Failure { cause: &cause::FILE_CRLF, context, ..failure };
        return failure.mend(Remedy::command("remove the carriage returns", command));
    }
    if path.is_absolute() && path.is_file() {
        let command = format!("chmod +x {}", quoted(path.display()));
        return failure.mend(Remedy::command("make it executable", command));
    }
    match (found(program, env), setting) {
        (Some(there), Some(setting)) => {
            let text = format!("name it with its whole path, {}", there.display());
            failure.mend(replaced(setting, program, &there.display().to_string(), &text))
        }
        (Some(there), None) => {
            failure.mend(Remedy::new(format!("name it with its whole path, {}", there.display())))
        }
        (None, _) if program.contains('/') => failure,
        (None, _) => {
            let path = env.get("PATH").unwrap_or_default();
            failure.seen("PATH", path).mend(Remedy::new(format!("give the absolute path of {program}")))
        }
    }
}

/// The path that the first words are parts of.
fn spaced(words: &[String]) -> Option<String> {
    let first = words.first().filter(|first| first.starts_with('/') && !Path::new(first).exists())?;
    let rest = words.get(1..)?;
    rest.iter()
        .scan(first.clone(), |path, word| {
            path.push(' ');
            path.push_str(word);
            Some(path.clone())
        })
        .find(|path| Path::new(path).is_file())
}

/// The interpreter of a script whose first line ends as lines do on Windows.
fn carriage_return(path: &Path) -> Option<String> {
    let bytes = crate::file::read(path).1.ok()?;
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let named = line.strip_prefix(b"#!")?.strip_suffix(b"\r")?;
    Some(String::from_utf8_lossy(named).trim().to_owned())
}

/// A program of that name where PATH does not lead, or the one that `~` and variables mean.
fn found(program: &str, env: &Env) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return Some(paths::expand(program, env)).filter(|path| path.as_os_str() != program).filter(runs);
    }
    USUAL.iter().map(|folder| paths::expand(folder, env).join(program)).find(runs)
}

/// One word of the setting's line by another.
fn replaced(setting: &Setting, old: &str, new: &str, text: &str) -> Remedy {
    let script = format!("{}s|{}|{}|", setting.line, literal(old), literal(new));
    Remedy::command(text, sed(&script, setting.file.display()))
}
