//! What a person must see on the first screen, and on all others.

use super::super::drawing::{Shown, endings};

pub fn healthy(_seen: &[Shown]) {}
pub fn failing(seen: &[Shown]) {
    for one in seen {
        eprintln!("{} [{}] {} {:?} cut {:?}", one.title, one.unit, one.points, endings(&one.unit), one.cut);
    }
}
