//! What a person must see on the first screen, and on all others.

use super::super::drawing::{Shown, endings};

/// Panels of which nothing is to be seen while all is well.
const SILENT: [&str; 2] = ["Failed refreshes by reason", "Requests refused for who asks"];

pub fn healthy(seen: &[Shown]) {
    filled(seen, &[SILENT.as_slice(), &["Firing alerts"]].concat());
    assert_eq!(one(seen, "Without credentials").texts, ["0"]);
    assert_eq!(one(seen, "Failing to refresh").texts, ["0"]);
    let soonest = &one(seen, "Soonest expiry").texts[0];
    assert!(soonest.ends_with(" min"), "of credentials for an hour: {soonest}");
    let table = one(seen, "Roles, worst first");
    assert_eq!((table.points, table.words.matches("held").count()), (4, 4), "{}", table.words);
}

pub fn failing(seen: &[Shown]) {
    filled(seen, &[]);
    assert_eq!(one(seen, "Without credentials").texts, ["1"]);
    assert_eq!(one(seen, "Failing to refresh").texts, ["2"]);
    // The role, that it has nothing, and why: in the table's first row.
    let table = one(seen, "Roles, worst first");
    assert_eq!(table.texts[..3], ["reports", "none", "STS-DENIED"], "{}", table.words);
    assert!(table.at_first_sight());
    let reasons = one(seen, "Failed refreshes by reason");
    assert!(reasons.words.contains("STS-DENIED") && reasons.words.contains("WI-"), "{}", reasons.words);
    assert!(reasons.at_first_sight());
    let alerts = one(seen, "Firing alerts");
    assert!(
        alerts.at_first_sight() && alerts.words.contains("KeyfobCredentialsUnavailable"),
        "{}",
        alerts.words
    );
}

pub fn role(seen: &[Shown]) {
    // Nothing is held, so nothing is to be said of it.
    filled(seen, &["Soonest expiry", "Source", "Identity"]);
    let table = one(seen, "Agents, worst first");
    assert!(table.at_first_sight() && table.words.contains("STS-DENIED"), "{}", table.words);
}

/// Everything is drawn, in its unit, and fits.
fn filled(seen: &[Shown], but: &[&str]) {
    assert!(seen.len() > 20, "{}", seen.len());
    let mut wrong = Vec::new();
    for panel in seen {
        if but.contains(&panel.title.as_str()) {
            continue;
        }
        let endings = endings(&panel.unit);
        let fits = |text: &String| endings.iter().any(|ending| text.ends_with(ending));
        if panel.points == 0 {
            wrong.push(format!("{}: empty", panel.title));
        } else if !endings.is_empty() && !panel.texts.iter().any(fits) {
            wrong.push(format!("{}: no value in {}: {:?}", panel.title, panel.unit, panel.texts));
        }
        if !panel.cut.is_empty() {
            wrong.push(format!("{}: does not fit: {:?}", panel.title, panel.cut));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn one<'a>(seen: &'a [Shown], title: &str) -> &'a Shown {
    seen.iter().find(|panel| panel.title == title).unwrap_or_else(|| panic!("no panel is called {title}"))
}
