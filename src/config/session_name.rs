//! Names of sessions, with placeholders for what is known only where the agent runs.

use std::fmt;

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// `{host}`: the machine's name, or the container's.
    Host,
    /// `{namespace}`: of the pod.
    Namespace,
    /// `{serviceaccount}`: of the pod.
    ServiceAccount,
    /// `{pod}`: its name.
    Pod,
    /// `{role}`: the role's name in our configuration.
    Role,
}

impl Fact {
    const ALL: [Self; 5] = [Self::Host, Self::Namespace, Self::ServiceAccount, Self::Pod, Self::Role];

    const fn placeholder(self) -> &'static str {
        match self {
            Self::Host => "{host}",
            Self::Namespace => "{namespace}",
            Self::ServiceAccount => "{serviceaccount}",
            Self::Pod => "{pod}",
            Self::Role => "{role}",
        }
    }
}

/// STS takes no more.
const MOST: usize = 64;
/// Nor less.
const LEAST: usize = 2;
/// In the place of what is not known: a gap would not be noticed.
const UNKNOWN: &str = "unknown";

/// A session's name: plain, or with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionName(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Fact(Fact),
}

impl SessionName {
    /// Reads `app-{pod}`: letters that STS takes, and known placeholders.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let plain = rest.find('{').unwrap_or(rest.len());
            let (before, after) = rest.split_at_checked(plain)?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let found = Fact::ALL.into_iter().find(|fact| after.starts_with(fact.placeholder()));
            rest = match found {
                Some(fact) => {
                    pieces.push(Piece::Fact(fact));
                    after.strip_prefix(fact.placeholder())?
                }
                None if after.is_empty() => after,
                None => return None,
            };
        }
        let good = pieces.iter().all(|piece| match piece {
            Piece::Text(text) => text.chars().all(of_sts),
            Piece::Fact(_) => true,
        });
        let filled = pieces.iter().any(|piece| matches!(piece, Piece::Fact(_)));
        (good && (filled || (LEAST..=MOST).contains(&text.len()))).then_some(Self(pieces))
    }

    /// Whether it says the same everywhere.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.0.iter().any(|piece| matches!(piece, Piece::Fact(_)))
    }

    /// The name as STS takes it: what is not known is `unknown`, characters that STS refuses are dashes, and the end
    /// is cut off.
    #[must_use]
    pub fn filled<'f>(&self, known: impl Fn(Fact) -> Option<&'f str>) -> String {
        let said = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Fact(fact) => known(*fact).filter(|said| !said.is_empty()).unwrap_or(UNKNOWN).to_owned(),
        };
        let whole: String = self.0.iter().map(said).collect();
        let fit = whole.chars().map(|c| if of_sts(c) { c } else { '-' });
        let name: String = fit.take(MOST).collect();
        if name.len() < LEAST { format!("keyfob-{name}") } else { name }
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Fact(fact) => f.write_str(fact.placeholder()),
        })
    }
}

/// What the names of STS are made of.
pub(super) fn of_sts(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let name = SessionName::parse(text).unwrap();
        assert_eq!(name.to_string(), text);
        name.filled(|fact| match fact {
            Fact::Host => Some("ip-10-0-0-1.eu-west-1.compute.internal"),
            Fact::Namespace => Some("shop/über uns"),
            Fact::Pod => Some(""),
            Fact::ServiceAccount => None,
            Fact::Role => Some("a"),
        })
    }

    #[test]
    fn placeholders_are_filled_and_the_whole_is_what_sts_takes() {
        for (text, want) in [
            ("me", "me"),
            ("app-{role}", "app-a"),
            ("{role}", "keyfob-a"),
            ("{role}{role}", "aa"),
            ("{namespace}", "shop--ber-uns"),
            ("{pod}.{serviceaccount}", "unknown.unknown"),
            ("{host}@{host}", "ip-10-0-0-1.eu-west-1.compute.internal@ip-10-0-0-1.eu-west-1.com"),
        ] {
            assert_eq!(filled(text), want, "{text}");
            assert!(filled(text).len() <= MOST);
        }
    }

    #[test]
    fn what_is_neither_plain_nor_known_is_no_name() {
        for text in [
            "",
            "a",
            "a b",
            "{",
            "}",
            "a-{",
            "{Host}",
            "{hosts}",
            "{ host }",
            "{host",
            "{{host}}",
            &"x".repeat(65),
        ] {
            assert_eq!(SessionName::parse(text), None, "{text}");
        }
        assert!(SessionName::parse(&"x".repeat(64)).unwrap().is_plain());
        assert!(!SessionName::parse("{host}").unwrap().is_plain());
    }
}
