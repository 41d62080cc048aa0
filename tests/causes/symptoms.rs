//! Side by side: what boto3, the AWS CLI and keyfob say of the seven symptoms that people search for most.
//!
//! `KEYFOB_WRITE=1 cargo test --test main causes::symptoms` writes docs/symptoms.md from real runs.

use std::path::Path;

use super::fixture::{Fixture, Stage};
use super::normal::{Normal, loose};
use super::{each, hold};
use crate::parity::situation;
use crate::sdk::python;
use crate::support::run::{skip, skip_here};

const HEAD: &str = "\
# Seven symptoms, three programs

What boto3, the AWS CLI and keyfob say of the same small machine. Recorded by a test that runs all three against a made
AWS; moments, ports and the home's name are made the same. The text of a Python traceback is left to its last line.
";

const CALL: &str = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])";

#[test]
fn the_page_says_what_each_program_says() {
    if !python().is_file() {
        return skip("boto3 is not there; run `make clients`");
    }
    if std::env::var_os("KEYFOB_CAUSES").is_some() {
        return skip_here("the page is made of all symptoms, and KEYFOB_CAUSES picks some");
    }
    let (_, users) = situation::all();
    let all = Fixture::page("symptoms.toml");
    assert_eq!(all.len(), 7);
    let told = std::sync::Mutex::new(vec![String::new(); all.len()]);
    each(
        &all,
        |fixture| &fixture.name,
        |fixture| {
            let index = all.iter().position(|one| one.name == fixture.name).unwrap();
            let section = section(fixture, &fixture.stage(&users));
            told.lock().unwrap()[index] = section;
            Ok(())
        },
    );
    let page = format!("{HEAD}{}", told.into_inner().unwrap().concat());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/symptoms.md");
    hold(&file, &page, loose).unwrap();
}

fn section(fixture: &Fixture, stage: &Stage<'_>) -> String {
    let normal = Normal::new(&stage.machine.home.path().display().to_string(), stage.aws.addr().port());
    let boto3 = stage.other(&python(), &["-c", CALL]);
    assert_ne!(boto3.code(), Some(0), "{}: {boto3:#?}", fixture.name);
    let boto3 = boto3.stderr.trim_end().lines().last().unwrap_or_default().to_owned();
    // Its first line names the interpreter of this very machine.
    let aws = stage.other(&python(), &["-m", "awscli", "sts", "get-caller-identity"]);
    assert_ne!(aws.code(), Some(0), "{}: {aws:#?}", fixture.name);
    let screen = stage.screen();
    assert_ne!(screen.code(), Some(0), "{}: {screen:#?}", fixture.name);
    let mut text = format!("\n## {}\n", fixture.expected.title);
    for (who, said) in [
        ("boto3", boto3.as_str()),
        ("aws sts get-caller-identity", aws.stderr.trim()),
        ("keyfob explain", screen.stdout.trim_end()),
    ] {
        text += &format!("\n`{who}`\n\n```text\n{}\n```\n", normal.text(said));
    }
    text
}
