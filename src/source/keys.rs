//! What can be told of keys by looking at them. botocore hands out what stands there, and so do we; that AWS will refuse
//! it is a doubt, which explains the refusal.

use std::fmt::Display;

use super::shell::{literal, quoted, sed};
use crate::cause::{self, Cause};
use crate::failure::{Failure, FailureKind, Remedy};

/// What is wrong around or inside a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    Blank,
    Placeholder,
    Space,
    Quotes,
    Comment,
    Unseen,
}

impl Flaw {
    /// No key of any issuer has these.
    fn of(value: &str) -> Option<Self> {
        let quote = |c: char| matches!(c, '"' | '\'' | '`' | '\u{201c}' | '\u{201d}');
        Some(match value {
            _ if value.trim().is_empty() => Self::Blank,
            _ if is_placeholder(value) => Self::Placeholder,
            _ if value.starts_with(quote) || value.ends_with(quote) => Self::Quotes,
            _ if value.contains([' ', '\t']) && value.contains(['#', ';']) => Self::Comment,
            _ if value.contains(|c: char| c.is_whitespace() || c.is_ascii_control()) => Self::Space,
            _ if !value.is_ascii() => Self::Unseen,
            _ => return None,
        })
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Blank => "is nothing but white space",
            Self::Placeholder => "is a placeholder that nobody has filled in",
            Self::Space => "holds white space or a line end",
            Self::Quotes => "stands in quotes, which are part of it",
            Self::Comment => "is followed by a comment, which is part of it",
            Self::Unseen => "holds characters that are not ASCII, as invisible ones are",
        }
    }
}

/// `${NAME}`, `$NAME`, `$(command)`, `{{ name }}`, `<your key>`, `%NAME%`: none of them can be part of a key.
#[must_use]
pub(super) fn is_placeholder(value: &str) -> bool {
    let value = value.trim_matches(['"', '\'', ' ']);
    let around = |open, close| value.starts_with(open) && value.ends_with(close);
    value.starts_with('$')
        || value.contains("${")
        || value.contains("{{")
        || around('<', '>')
        || around('%', '%')
}

/// A doubt about keys in variables, name and value each.
pub(super) fn of_variables(pairs: &[(&'static str, &str)]) -> Option<Failure> {
    let flawed = pairs.iter().find_map(|(name, value)| Some((*name, Flaw::of(value)?)));
    let Some((name, flaw)) = flawed else { return without_token(pairs, "the environment") };
    let cause = match flaw {
        Flaw::Blank => &cause::ENV_EMPTY,
        Flaw::Placeholder => &cause::ENV_LITERAL,
        _ => &cause::ENV_WS,
    };
    let failure = doubt(cause, format!("{name} {}", flaw.words()));
    Some(match flaw {
        Flaw::Blank | Flaw::Placeholder => {
            let names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
            let fill =
                Remedy::new(format!("fill {name} in where it is set (compose file, Helm value, CI secret)"));
            let unset = format!("unset {}", names.join(" "));
            failure
                .mend(fill)
                .mend(Remedy::command("unset the keys, so that the next source is asked", unset))
        }
        _ => {
            let clean = |name: &&str| {
                format!("{name}=\"$(printf %s \"${name}\" | LC_ALL=C tr -cd 'A-Za-z0-9/+=_.-')\"")
            };
            let flawed = pairs.iter().filter(|(_, value)| Flaw::of(value).is_some()).map(|(name, _)| name);
            let command = format!("export {}", flawed.map(clean).collect::<Vec<_>>().join(" "));
            failure
                .mend(Remedy::command("set it without them; where it is written, use `printf %s`", command))
        }
    })
}

/// A key in a file.
pub(super) struct Written<'a> {
    /// Of the key.
    pub name: &'a str,
    pub value: &'a str,
    pub file: &'a std::path::Path,
    pub line: usize,
}

/// A doubt about keys in a file.
pub(super) fn of_file(keys: &[Written<'_>]) -> Option<Failure> {
    let flawed = keys.iter().find_map(|key| Some((key, Flaw::of(key.value)?)));
    if let Some(key) = keys.iter().find(|key| glued(key.value).is_some()) {
        return Some(doubt_of_glue(key.file, key.line, glued(key.value).unwrap_or_default()));
    }
    let Some((Written { name, file, line, .. }, flaw)) = flawed else {
        let pairs: Vec<(&str, &str)> = keys.iter().map(|key| (key.name, key.value)).collect();
        let place = keys.first().map(|key| format!("{}:{}", key.file.display(), key.line));
        return without_token(&pairs, place.unwrap_or_default());
    };
    let cause = match flaw {
        Flaw::Blank => &cause::FILE_EMPTYVAL,
        Flaw::Placeholder => &cause::ENV_LITERAL,
        _ => &cause::FILE_TRAILWS,
    };
    let failure = doubt(cause, format!("{}:{line}: {name} {}", file.display(), flaw.words()));
    let text = format!("take it off in line {line}");
    let path = file.display();
    Some(match flaw {
        Flaw::Blank | Flaw::Placeholder => failure,
        Flaw::Quotes => failure.mend(Remedy::command(text, sed(&format!("{line}s/[\"'`]//g"), path))),
        Flaw::Comment => failure
            .mend(Remedy::command(text, sed(&format!("{line}s/[[:space:]][[:space:]]*[#;].*//"), path))),
        Flaw::Space | Flaw::Unseen => {
            let script = format!("{line}s/[^ -~]//g");
            failure.mend(Remedy::command(text, format!("LC_ALL=C {}", sed(&script, path))))
        }
    })
}

fn without_token(pairs: &[(&str, &str)], place: impl Display) -> Option<Failure> {
    let [(name, key_id), rest @ ..] = pairs else { return None };
    let has_token = rest.iter().any(|(name, _)| name.to_ascii_lowercase().ends_with("_token"));
    (key_id.starts_with("ASIA") && !has_token).then(|| {
        doubt(
            &cause::ENV_NOTOKEN,
            format!("{place}: {name} is a temporary key (ASIA…), and no session token is with it"),
        )
    })
}

/// The section that is glued to the end of a value.
pub(super) fn glued(value: &str) -> Option<&str> {
    let (before, name) = value.strip_suffix(']')?.rsplit_once('[')?;
    let bare = name.strip_prefix("profile ").or_else(|| name.strip_prefix("sso-session ")).unwrap_or(name);
    let tame = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    let named = !bare.is_empty() && bare.len() < 64 && bare.chars().all(tame);
    (named && !before.is_empty() && !before.ends_with([' ', '\t', '['])).then_some(name)
}

/// What to say and do about it.
pub(super) fn doubt_of_glue(file: &std::path::Path, line: usize, name: &str) -> Failure {
    let path = file.display();
    let header = format!("[{name}]");
    let script = format!("{line}s|{}[[:space:]]*$|\\n{}|", literal(&header), literal(&header));
    doubt(
        &cause::FILE_GLUED,
        format!("{path}:{line}: {header} stands at the end of a line that is not its own"),
    )
    .mend(Remedy::command(format!("break line {line} before {header}"), sed(&script, path)))
}

/// Something that does not end the walk.
pub(super) fn doubt(cause: &'static Cause, context: impl Into<String>) -> Failure {
    Failure::new(FailureKind::NotConfigured, cause, context)
}

/// `export NAME=value`.
pub(super) fn export(name: &str, value: impl Display) -> String {
    format!("export {name}={}", quoted(value))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_no_key_has_is_noticed() {
        let table = [
            ("AKIAIOSFODNN7EXAMPLE", None),
            ("wJalrXUtnFEMI/K7MDENG+bPxRfiCY==", None),
            ("minioadmin", None),
            ("two-words_and.dots", None),
            (" ", Some(Flaw::Blank)),
            ("${KEY}", Some(Flaw::Placeholder)),
            ("\"$KEY\"", Some(Flaw::Placeholder)),
            ("{{ .Values.key }}", Some(Flaw::Placeholder)),
            ("<your-key>", Some(Flaw::Placeholder)),
            ("AKIA\r", Some(Flaw::Space)),
            ("AKIA\n", Some(Flaw::Space)),
            (" AKIA", Some(Flaw::Space)),
            ("\"AKIA\"", Some(Flaw::Quotes)),
            ("AKIA # prod", Some(Flaw::Comment)),
            ("AKIA\u{200b}", Some(Flaw::Unseen)),
        ];
        for (value, flaw) in table {
            assert_eq!(Flaw::of(value), flaw, "{value:?}");
        }
    }

    #[test]
    fn a_doubt_never_quotes_a_value() {
        let secret = "wJalr\r";
        for id in ["ASIAX", "AKIAX ", "${wJalr}", "'wJalr'"] {
            let pairs = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)];
            let doubt = of_variables(&pairs).unwrap();
            assert!(!format!("{doubt:?}").contains("wJalr"), "{doubt:?}");
            let written = |name, value| Written { name, value, file: Path::new("f"), line: 3 };
            let doubt =
                of_file(&[written("aws_access_key_id", id), written("aws_secret_access_key", secret)]);
            assert!(!format!("{doubt:?}").contains("wJalr"), "{doubt:?}");
        }
        let half = of_variables(&[("AWS_ACCESS_KEY_ID", "ASIAX"), ("AWS_SECRET_ACCESS_KEY", "s")]).unwrap();
        assert_eq!(half.cause.code, "ENV-NOTOKEN");
        let whole =
            [("AWS_ACCESS_KEY_ID", "ASIAX"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "t")];
        assert_eq!(of_variables(&whole), None);
    }

    #[test]
    fn a_section_glued_to_a_value_is_found() {
        for (value, name) in [
            ("eu-west-1[profile a]", Some("profile a")),
            ("x[default]", Some("default")),
            ("[default]", None),
            ("sh -c '[ -f x ]'", None),
            ("jq .a[0] [x]", None),
            ("x[]", None),
            ("x", None),
        ] {
            assert_eq!(glued(value), name, "{value}");
        }
    }
}
