//! Makes a situation as small as it can be while the same is still to be seen on it.

use std::collections::BTreeMap;

use crate::parity::situation::Situation;

/// How often the small one may be tried.
const TRIES: usize = 250;

/// `same` says whether a situation still shows it.
pub fn shrink(from: &Situation, mut same: impl FnMut(&Situation) -> bool) -> Situation {
    let (mut best, mut tries) = (from.clone(), 0);
    loop {
        let before = best.clone();
        for step in STEPS {
            let mut at = 0;
            // Each step takes away its nth thing; after the last there is nothing to take.
            while let Some(smaller) = step(&best, at) {
                tries += 1;
                if tries > TRIES {
                    return best;
                }
                if smaller != best && smaller.strays().is_none() && same(&smaller) {
                    best = smaller;
                } else {
                    at += 1;
                }
            }
        }
        if best == before {
            return best;
        }
    }
}

type Step = fn(&Situation, usize) -> Option<Situation>;

const STEPS: [Step; 10] = [part, file, variable, fake, section, line, field, plain, value, named];

/// Large pieces.
fn part(of: &Situation, at: usize) -> Option<Situation> {
    let mut less = of.clone();
    match at {
        0 => less.config = None,
        1 => less.credentials = None,
        2 => less.files.clear(),
        3 => less.raw.clear(),
        4 => less.without.clear(),
        5 => less.imds = Default::default(),
        6 => less.container = Default::default(),
        7 => less.sts = Default::default(),
        8 => less.sign_in = Default::default(),
        9 => less.profile = None,
        _ => return None,
    }
    Some(less)
}

fn file(of: &Situation, at: usize) -> Option<Situation> {
    let mut less = of.clone();
    less.files.remove(of.files.keys().nth(at)?);
    Some(less)
}

fn variable(of: &Situation, at: usize) -> Option<Situation> {
    let mut less = of.clone();
    less.env.remove(of.env.keys().nth(at)?);
    Some(less)
}

fn fake(of: &Situation, at: usize) -> Option<Situation> {
    let mut less = of.clone();
    of.fakes.get(at)?;
    less.fakes.remove(at);
    Some(less)
}

/// From one header to the next.
fn section(of: &Situation, at: usize) -> Option<Situation> {
    pieces(of, at, |text| {
        let mut parts: Vec<String> = Vec::new();
        for line in text.split_inclusive('\n') {
            match parts.last_mut() {
                Some(part) if !line.starts_with('[') => part.push_str(line),
                _ => parts.push(line.to_owned()),
            }
        }
        parts
    })
}

fn line(of: &Situation, at: usize) -> Option<Situation> {
    pieces(of, at, |text| text.split_inclusive('\n').map(str::to_owned).collect())
}

/// Without the nth piece of the two files, and of the others.
fn pieces(of: &Situation, at: usize, cut: fn(&str) -> Vec<String>) -> Option<Situation> {
    let mut less = of.clone();
    let mut left = at;
    for text in texts(&mut less) {
        let mut parts = cut(text);
        if left < parts.len() {
            parts.remove(left);
            *text = parts.concat();
            left = usize::MAX;
            break;
        }
        left -= parts.len();
    }
    (left == usize::MAX).then_some(less)
}

fn texts(of: &mut Situation) -> impl Iterator<Item = &mut String> {
    let Situation { config, credentials, files, raw, .. } = of;
    config.iter_mut().chain(credentials).chain(files.values_mut()).chain(raw.values_mut())
}

/// Of the JSON in files.
fn field(of: &Situation, at: usize) -> Option<Situation> {
    let mut less = of.clone();
    let mut left = at;
    for text in less.files.values_mut() {
        let Some((start, end)) = text.find('{').zip(text.rfind('}')) else { continue };
        let json = text.get(start..=end).map(serde_json::from_str::<BTreeMap<String, serde_json::Value>>);
        let Some(Ok(mut fields)) = json else { continue };
        if let Some(name) = fields.keys().nth(left).cloned() {
            fields.remove(&name);
            let json = serde_json::to_string(&fields).unwrap();
            *text = format!("{}{json}{}", &text[..start], &text[end + 1..]);
            return Some(less);
        }
        left -= fields.len();
    }
    None
}

/// Written as everybody writes it.
fn plain(of: &Situation, at: usize) -> Option<Situation> {
    type Plain = fn(&str) -> String;
    const WAYS: [Plain; 4] = [
        |text| text.replace("\r\n", "\n"),
        |text| text.replace('\t', " "),
        |text| text.lines().map(|line| format!("{}\n", line.trim_end())).collect(),
        |text| text.to_lowercase(),
    ];
    let way = WAYS.get(at)?;
    let mut less = of.clone();
    for text in less.config.iter_mut().chain(&mut less.credentials) {
        *text = way(text);
    }
    Some(less)
}

/// The value of a variable says nothing.
fn value(of: &Situation, at: usize) -> Option<Situation> {
    let mut less = of.clone();
    let name = of.env.keys().nth(at)?;
    less.env.insert(name.clone(), "x".to_owned());
    Some(less)
}

/// The profile that is asked for by a variable, or by its name, is the default one.
fn named(of: &Situation, at: usize) -> Option<Situation> {
    if at > 0 {
        return None;
    }
    let mut less = of.clone();
    let by_variable = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"].map(|name| less.env.remove(name));
    let name = less.profile.take().or(by_variable.into_iter().flatten().next())?;
    less.config = less.config.map(|text| text.replace(&format!("profile {name}]"), "default]"));
    less.credentials = less.credentials.map(|text| text.replace(&format!("[{name}]"), "[default]"));
    Some(less)
}

#[test]
fn what_does_not_matter_is_taken_away() {
    let from = Situation {
        name: "n".to_owned(),
        profile: Some("p".to_owned()),
        config: Some("[profile p]\na = b\nregion = x\n[default]\nc = d\n".to_owned()),
        credentials: Some("[p]\n".to_owned()),
        env: [("A", "1"), ("B", "2")].map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..Situation::default()
    };
    let shown = |one: &Situation| {
        one.env.contains_key("B") && one.config.as_ref().is_some_and(|text| text.contains("region"))
    };
    let small = shrink(&from, shown);
    assert_eq!(small.config.as_deref(), Some("region = x\n"));
    assert_eq!(small.env.into_iter().collect::<Vec<_>>(), [("B".to_owned(), "x".to_owned())]);
    assert_eq!((small.credentials, small.profile), (None, None));
}
