//! One thing that went wrong on a machine that was right.

use super::dice::Dice;
use super::words;
use crate::parity::situation::{Lines, Situation, Texts, Wrong};

/// Tries until something has changed.
pub fn spoil(dice: &mut Dice, of: &Situation) -> Situation {
    for _ in 0..40 {
        let mut spoiled = of.clone();
        match dice.below(20) {
            0..9 => one_line(dice, &mut spoiled),
            9..11 => whole_file(dice, &mut spoiled),
            11..14 => variable(dice, &mut spoiled.env),
            14..16 => other_file(dice, &mut spoiled.files),
            16..19 => fakes(dice, &mut spoiled),
            _ => spoiled.profile = Some(dice.pick(&["gone", "default", "Dev", " dev"]).to_owned()),
        }
        if spoiled != *of {
            return spoiled;
        }
    }
    of.clone()
}

/// One of the two files, which is there.
fn a_file<'a>(dice: &mut Dice, of: &'a mut Situation) -> Option<&'a mut String> {
    let first = dice.chance(65);
    match (&mut of.config, &mut of.credentials) {
        (Some(config), None) => Some(config),
        (Some(config), _) if first => Some(config),
        (_, credentials) => credentials.as_mut(),
    }
}

fn one_line(dice: &mut Dice, of: &mut Situation) {
    let Some(text) = a_file(dice, of) else { return };
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let at = dice.below(lines.len());
    if lines[at].starts_with('[') {
        lines[at] = section(dice, &lines[at]);
    } else {
        match dice.below(14) {
            0 | 1 => drop(lines.remove(at)),
            2 => lines.insert(at, lines[at].clone()),
            3 => {
                let other = dice.below(lines.len());
                lines.swap(at, other);
            }
            _ => lines[at] = line(dice, &lines[at]),
        }
    }
    *text = lines.concat();
}

fn section(dice: &mut Dice, line: &str) -> String {
    match dice.below(12) {
        0 | 1 => line.replacen("[profile ", "[", 1),
        2 | 3 => line.replacen('[', "[profile ", 1),
        4 => line.replacen("profile ", "Profile ", 1),
        5 => line.replacen(
            "profile ",
            dice.pick(&["profile\t", "profile  ", "profile", "profil ", "profile 'x' "]),
            1,
        ),
        6 => line.replacen(']', "", 1),
        7 => line.replacen('[', dice.pick(&["[ ", " [", "[[", "", "\t[", "#[", "["]), 1),
        8 => line.replacen(']', dice.pick(&[" ]", "] # mine", "]]", "] x", "];", "]\n  x = y"]), 1),
        9 => typo(dice, line),
        10 => swap_case(line),
        _ => line.repeat(2),
    }
}

fn line(dice: &mut Dice, line: &str) -> String {
    let (key, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
    match dice.below(15) {
        0 | 1 => format!("{}={value}", typo(dice, key)),
        2 => format!("{}={value}", swap_case(key)),
        3 | 4 => match words::value_of(dice, key) {
            Some(other) => format!("{key}= {other}\n"),
            None => line.to_owned(),
        },
        5 => format!("{key}=\n"),
        6 => format!("{key}\n"),
        7 => format!("  {line}"),
        8 => format!("{key}= \"{}\"\n", value.trim()),
        9 => format!(
            "{key}= {} {}\n",
            value.trim(),
            dice.pick(&["# mine", "; mine", "#", "\u{a0}", "\u{2028}"])
        ),
        10 => format!("{key}={}", swap_case(value)),
        11 => {
            format!("{}{line}", dice.pick(&["#", ";", "# ", "\u{feff}", "\u{a0}", "\t", "export ", "\u{b}"]))
        }
        12 => format!(
            "{key}={}\n  {}\n",
            value.trim_end(),
            dice.pick(&["more", "a = b", "# c", "region = us-west-2"])
        ),
        13 => format!("{key}={}", typo(dice, value)),
        _ => format!("{key}\u{a0}={value}"),
    }
}

fn typo(dice: &mut Dice, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if letters.is_empty() {
        return String::new();
    }
    let at = dice.below(letters.len());
    match dice.below(4) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, letters[at]),
        2 => letters[at] = dice.pick(&['x', '-', '_', ' ', '\t', 'é', '"', '%', '$', '\\']),
        _ => letters.insert(at, dice.pick(&['x', ' ', '=', '.', '\'', '{', '\u{200b}', ':', '[', ']'])),
    }
    letters.into_iter().collect()
}

fn swap_case(text: &str) -> String {
    let swap = |letter: char| {
        if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
    };
    // A place to fill in keeps its name.
    if text.contains('{') { text.to_owned() } else { text.chars().map(swap).collect() }
}

fn whole_file(dice: &mut Dice, of: &mut Situation) {
    let (name, file) = match dice.chance(60) {
        true => (".aws/config", &mut of.config),
        false => (".aws/credentials", &mut of.credentials),
    };
    let Some(text) = file.take() else { return };
    let spoiled = match dice.below(14) {
        0 => format!("\u{feff}{text}"),
        1 => text.replace('\n', "\r\n"),
        2 => text.replace('\n', "\r"),
        3 => text.trim_end().to_owned(),
        4 => text.replacen('\n', "\n  ", 1),
        5 => format!("region = eu-west-1\n{text}"),
        6 => format!("{text}{text}"),
        7 => text.replace(" = ", "\t=\t"),
        8 => text.chars().take(text.chars().count() / 2).collect(),
        9 => return,
        10 => String::new(),
        11 => text.replacen('\n', "\n\0", 1),
        12 => {
            of.files.insert(format!("{name}/a-folder"), String::new());
            return;
        }
        _ if text.chars().all(|letter| u32::from(letter) < 256) => {
            let odd = dice.pick(&["# caf\u{e9}\n", "x = \u{ff}\u{fe}\n", "\u{e9}"]);
            of.raw.insert(name.to_owned(), format!("{text}{odd}"));
            return;
        }
        _ => text,
    };
    *file = Some(spoiled);
}

fn variable(dice: &mut Dice, env: &mut Texts) {
    let Some(name) = a_name(dice, env) else { return };
    // Where metadata is asked for stays where it is: the real one must never be.
    if name == "AWS_EC2_METADATA_SERVICE_ENDPOINT" {
        return;
    }
    let value = env.remove(&name).unwrap();
    let (name, value) = match dice.below(9) {
        0 | 1 => return,
        2 => (name, String::new()),
        3 => (typo(dice, &name).replace(['=', '\0'], "_"), value),
        4 => (swap_case(&name), value),
        5 => (name, format!(" {value}")),
        6 => (name, format!("{value}{}", dice.pick(&[" ", "\n", "\r", "x", "\""]))),
        7 => (name, format!("\"{value}\"")),
        _ => match words::value_of(dice, &name) {
            Some(other) => (name, other.to_owned()),
            None => (name, value),
        },
    };
    if !name.is_empty() {
        env.insert(name, value);
    }
}

fn a_name(dice: &mut Dice, of: &Texts) -> Option<String> {
    (!of.is_empty()).then(|| of.keys().nth(dice.below(of.len())).unwrap().clone())
}

fn other_file(dice: &mut Dice, files: &mut Texts) {
    let Some(name) = a_name(dice, files) else { return };
    let text = files.remove(&name).unwrap();
    let spoiled = match dice.below(10) {
        0 => return,
        1 => String::new(),
        2 => text.chars().take(text.chars().count() / 2).collect(),
        3 => format!("\u{feff}{text}"),
        4 => format!("{text}\n"),
        5 => text.replace('\n', "\r\n"),
        6 => format!(" {text} x"),
        7 => typo(dice, &text),
        _ => field(dice, &text),
    };
    files.insert(name, spoiled);
}

/// Of a JSON text, one field goes, or is something else.
fn field(dice: &mut Dice, text: &str) -> String {
    let Some((start, end)) = text.find('{').zip(text.rfind('}')) else { return text.to_owned() };
    let Ok(mut json) = serde_json::from_str::<serde_json::Value>(&text[start..=end]) else {
        return text.to_owned();
    };
    let mut fields = json.as_object_mut().unwrap();
    if fields.get("accessToken").is_some_and(serde_json::Value::is_object) && dice.chance(50) {
        fields = fields["accessToken"].as_object_mut().unwrap();
    }
    let Some(name) = fields.keys().nth(dice.below(fields.len().max(1))).cloned() else {
        return text.to_owned();
    };
    let value = fields.remove(&name).unwrap();
    let odd = [serde_json::Value::Null, 1.into(), "".into(), true.into(), serde_json::json!([]), "x".into()];
    match dice.below(8) {
        0..3 => {}
        3 => drop(fields.insert(swap_case(&name), value)),
        other => drop(fields.insert(name, odd[(other + dice.below(2)) % odd.len()].clone())),
    }
    format!("{}{json}{}", &text[..start], &text[end + 1..])
}

fn status(dice: &mut Dice) -> Option<Wrong> {
    Some(Wrong(dice.pick(&[400, 401, 403, 404, 405, 418, 429, 500, 503])))
}

/// AWS says no, or something odd.
fn fakes(dice: &mut Dice, of: &mut Situation) {
    let life = Some(dice.pick(&[900, 60, -60, 300]));
    let body = dice.pick(words::BODIES).to_owned();
    let named = |part: &str| of.env.keys().any(|name| name.contains(part));
    if named("CONTAINER") && dice.chance(50) {
        match dice.below(4) {
            0 => of.container.status = status(dice),
            1 => of.container.body = Some(body),
            2 => of.container.life = life,
            _ => of.container.authorization = Some("other".to_owned()),
        }
    } else if named("METADATA_SERVICE_ENDPOINT") {
        match dice.below(7) {
            0 => of.imds.token = status(dice),
            1 => of.imds.list = status(dice),
            2 => of.imds.role = status(dice),
            3 => of.imds.listing = Some(dice.pick(&[Lines::None, Lines::Two, Lines::Newline])),
            4 => of.imds.body = Some(body),
            5 => of.imds.life = life,
            _ => of.imds.v1 = true,
        }
    } else if of.files.keys().any(|name| name.starts_with("{sso:") || name.starts_with("{login:")) {
        let code = dice.pick(&[
            "UnauthorizedException",
            "TOKEN_EXPIRED",
            "ForbiddenException",
            "InvalidGrantException",
        ]);
        let op = dice.pick(&["GetRoleCredentials", "CreateToken", "CreateOAuth2Token"]);
        match dice.below(4) {
            0 | 1 => {
                drop(of.sign_in.refuse.insert(op.to_owned(), (dice.pick(&[400, 401, 403]), code.to_owned())))
            }
            2 => {
                let names =
                    ["accessToken", "refreshToken", "expiresIn", "accessKeyId", "sessionToken", "expiration"];
                of.sign_in.without = vec![dice.pick(&names).to_owned()];
            }
            _ => of.sign_in.life = life,
        }
    } else {
        match dice.below(4) {
            0 => of.sts.denied = Some(dice.pick(&[words::APP, words::MID]).to_owned()),
            1 => of.sts.external_id = Some("id-1".to_owned()),
            2 => {
                let code = dice.pick(&[
                    "ExpiredToken",
                    "InvalidIdentityToken",
                    "AccessDenied",
                    "RegionDisabledException",
                ]);
                of.sts.refuse = Some((dice.pick(&[400, 403]), code.to_owned()));
            }
            _ => of.sts.life = life,
        }
    }
}
