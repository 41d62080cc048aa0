//! One manual page: what clap knows of a command, the paragraphs of its help as sections, and what stands in no help.

use std::io::Write;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::places::{ENVIRONMENT, FILES, Place, STATUS};

/// The roff of a command's page.
pub(super) fn of(command: Command) -> anyhow::Result<Vec<u8>> {
    let name = command.get_name().to_owned();
    let whole = command.has_subcommands();
    let help = Help::of(&command);
    // What follows the help is laid out below, its lines as they are.
    let page = Man::new(command.after_help(""));
    let mut written = Vec::new();
    // Without a date: the same sources make the same page.
    let title = page_name(&name, whole).to_uppercase();
    writeln!(written, ".TH {title} 1 \"\" \"keyfob {}\" \"\"", env!("CARGO_PKG_VERSION"))?;
    page.render_name_section(&mut written)?;
    page.render_synopsis_section(&mut written)?;
    page.render_description_section(&mut written)?;
    let mut roff = Roff::new();
    for paragraph in &help.paragraphs {
        roff.control("PP", []).text([roman(paragraph.as_str())]);
    }
    roff.to_writer(&mut written)?;
    if whole {
        page.render_subcommands_section(&mut written)?;
    }
    page.render_options_section(&mut written)?;
    ending(&name, whole, &help)?.to_writer(&mut written)?;
    Ok(written)
}

fn page_name(name: &str, whole: bool) -> String {
    if whole { name.to_owned() } else { format!("keyfob-{name}") }
}

fn ending(name: &str, whole: bool, help: &Help) -> anyhow::Result<Roff> {
    let mut roff = Roff::new();
    let concerns = |place: &&Place| whole || place.commands.is_empty() || place.commands.contains(&name);
    for (title, places) in [("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)] {
        roff.control("SH", [title]);
        for place in places.iter().filter(concerns) {
            roff.control("TP", []).text([bold(place.name)]).text([roman(place.text)]);
        }
    }
    if whole {
        roff.control("SH", ["EXIT STATUS"]);
        for (status, meaning) in STATUS {
            roff.control("TP", []).text([bold(*status)]).text([roman(*meaning)]);
        }
    }
    for (title, lines) in &help.sections {
        roff.control("SH", [title.as_str()]);
        verbatim(&mut roff, lines);
    }
    roff.control("SH", ["SEE ALSO"]).text(see_also(whole));
    Ok(roff)
}

/// Lines that stay as they are, indented.
fn verbatim(roff: &mut Roff, lines: &[String]) {
    roff.control("RS", ["0"]).control("nf", []);
    for line in lines {
        roff.text([roman(line.as_str())]);
    }
    roff.control("fi", []).control("RE", []);
}

fn see_also(whole: bool) -> Vec<Inline> {
    let other = if whole { "systemctl" } else { "keyfob" };
    vec![
        bold(other),
        roman("(1); "),
        italic("/usr/share/doc/keyfob/README.md"),
        roman(" has every key of the configuration, every metric and every cause."),
    ]
}

/// What stands after the options in a command's help.
#[derive(Default)]
struct Help {
    /// Words for the description.
    paragraphs: Vec<String>,
    /// `Examples:` and the like, with the lines under them.
    sections: Vec<(String, Vec<String>)>,
}

impl Help {
    fn of(command: &Command) -> Self {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let mut help = Self::default();
        for block in text.split("\n\n") {
            let mut lines = block.lines();
            let first = lines.next().unwrap_or_default();
            if let Some(title) = first.strip_suffix(':') {
                help.sections.push((
                    title.to_uppercase(),
                    lines.map(|line| line.trim_start_matches("  ").to_owned()).collect(),
                ));
            } else if let Some(rest) = block.strip_prefix("Exit status: ") {
                help.sections.push(("EXIT STATUS".to_owned(), rest.lines().map(str::to_owned).collect()));
            } else if !block.is_empty() {
                help.paragraphs.push(block.replace('\n', " "));
            }
        }
        help
    }
}
