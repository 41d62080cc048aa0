//! Shows what stands in the file, short enough for one line; or only its kind, where it may be a secret.

use toml::de::DeValue;

/// What stands in the file, short enough for one line.
pub(super) fn shown(value: &DeValue<'_>) -> String {
    const ROOM: usize = 80;
    match value {
        DeValue::String(text) if text.chars().count() > ROOM => {
            let head: String = text.chars().take(ROOM).collect();
            format!("{head:?} and more")
        }
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(at) => at.to_string(),
        DeValue::Array(all) if all.is_empty() => "an empty list".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// What kind of thing stands in the file.
pub(super) fn hidden(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("a text of {} characters (not shown)", text.chars().count()),
        other => format!("something else than a text: {} (not shown)", other.type_str()),
    }
}
