//! Machines on which anything stands anywhere.

use super::dice::Dice;
use super::draft::{Draft, File};
use super::words;
use crate::parity::situation::Fake;

const SECTIONS: &[&str] = &[
    "default",
    "profile default",
    "profile dev",
    "profile base",
    "dev",
    "profile mid",
    "profile \"dev\"",
    "profile  dev",
    "profile\tdev",
    "Profile dev",
    "profile",
    "profile a b",
    "sso-session corp",
    "sso-session \"other corp\"",
    "services local",
    "preview",
];

pub fn machine(dice: &mut Dice) -> Draft {
    let mut draft = Draft::default();
    for _ in 0..dice.below(5) {
        let section = dice.pick(SECTIONS);
        draft.config.section(section);
        lines(dice, section, &mut draft.config);
    }
    for _ in 0..dice.below(4) {
        let section = dice.pick(&["default", "dev", "base", "mid", "profile dev", "default "]);
        draft.credentials.section(section);
        lines(dice, section, &mut draft.credentials);
    }
    if dice.chance(25) {
        draft.rest.profile = Some(dice.pick(&["dev", "base", "default", "mid", "a b", "gone"]).to_owned());
    }
    for _ in 0..dice.below(6) {
        let (name, value) = words::word(dice, words::VARIABLES);
        draft.env(name, value);
    }
    if dice.chance(60) {
        draft.rest.fakes.push(Fake::Sts);
        let name = dice.pick(&["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"]);
        draft.env(name, "{AWS}");
    }
    if dice.chance(15) {
        draft.rest.fakes.push(Fake::Imds);
        draft.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "{IMDS}");
    }
    files(dice, &mut draft);
    draft
}

fn lines(dice: &mut Dice, section: &str, file: &mut File) {
    if dice.chance(40) {
        let (id, secret) = dice.pick(&words::USERS);
        file.line("aws_access_key_id", id);
        file.line("aws_secret_access_key", secret);
    }
    if section.starts_with("services") {
        let url = words::value_of(dice, "endpoint_url").unwrap();
        let service = dice.usually(60, &["sts", "sso", "s3", "STS"]);
        return file.line(service, &format!("\n  endpoint_url = {url}"));
    }
    if section.starts_with("sso-session") {
        file.line("sso_start_url", words::START_URL);
        file.line("sso_region", "eu-west-1");
    }
    for _ in 0..dice.below(6) {
        let (key, value) = words::word(dice, words::PROFILE);
        if dice.chance(3) {
            file.line(key, value);
        }
        file.line(key, value);
    }
}

fn files(dice: &mut Dice, draft: &mut Draft) {
    let printed = dice.pick(words::PRINTED);
    let helper = format!("cat <<'END'\n{printed}\nEND\n");
    let (sso, old, login) =
        (dice.pick(words::SSO_CACHES), dice.pick(words::SSO_CACHES), dice.pick(words::LOGIN_CACHES));
    let start = format!("{{sso:{}}}", words::START_URL);
    for (name, text) in [
        ("helper", helper.as_str()),
        ("token", "header.payload.signature"),
        ("auth", "letmein"),
        ("{sso:corp}", sso),
        (&start, old),
        ("{login:me}", login),
        ("keys", "AWSAccessKeyId=AKIAFILEFILEFILE0001\nAWSSecretKey=secret-of-file\n"),
        (
            "boto",
            "[Credentials]\naws_access_key_id = AKIACONFCONFCONF0001\naws_secret_access_key = secret-of-conf\n",
        ),
        (
            "other",
            "[default]\naws_access_key_id = AKIABASEBASEBASE0001\naws_secret_access_key = secret-of-base\n",
        ),
    ] {
        if dice.chance(60) {
            draft.file(name, text);
        }
    }
}
