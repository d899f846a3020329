//! Reading single values of the file, with a sentence for each that is wrong.

use serde_json::Value;

/// A whole number within bounds.
pub(super) fn number(
    value: &Value,
    pointer: &str,
    least: u64,
    most: u64,
    problems: &mut Vec<String>,
) -> Option<u64> {
    let set = value.pointer(pointer)?;
    let number = set.as_u64().or_else(|| {
        // JSON5 numbers arrive as floating point.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be whole and in range"
        )]
        set.as_f64()
            .filter(|number| number.fract() == 0.0 && (0.0..1e15).contains(number))
            .map(|number| number as u64)
    });
    match number.filter(|number| (least..=most).contains(number)) {
        Some(number) => Some(number),
        None => {
            problems.push(format!("{} must be a whole number from {least} to {most}", dotted(pointer)));
            None
        }
    }
}

/// The same, as a small one.
pub(super) fn small(
    value: &Value,
    pointer: &str,
    least: u64,
    most: u64,
    problems: &mut Vec<String>,
) -> Option<u32> {
    number(value, pointer, least, most, problems).and_then(|number| u32::try_from(number).ok())
}

/// A text of at most 4 KiB that is not empty.
pub(super) fn text_at(value: &Value, pointer: &str, problems: &mut Vec<String>) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) if !text.is_empty() && text.len() <= 4096 => Some(text.clone()),
        _ => {
            problems.push(format!("{} must be a text that is not empty", dotted(pointer)));
            None
        }
    }
}

/// Whether something is on; it is off where nothing is said.
pub(super) fn switch(value: &Value, pointer: &str, problems: &mut Vec<String>) -> bool {
    match value.pointer(pointer) {
        None => false,
        Some(Value::Bool(on)) => *on,
        Some(_) => {
            problems.push(format!("{} must be true or false", dotted(pointer)));
            false
        }
    }
}

/// Folders that are named whole: absolute, or below the home directory by `~/`.
pub(super) fn folders(value: &Value, pointer: &str, problems: &mut Vec<String>) -> Vec<String> {
    const MOST: usize = 64;
    let Some(set) = value.pointer(pointer) else { return Vec::new() };
    let is_whole = |text: &&str| {
        text.len() <= 4096
            && (text.starts_with('/') || text.starts_with("~/"))
            && text.split('/').all(|part| !matches!(part, "." | ".."))
    };
    let entries = set.as_array().filter(|entries| entries.len() <= MOST);
    let read: Option<Vec<String>> = entries.and_then(|entries| {
        entries.iter().map(|entry| entry.as_str().filter(is_whole).map(str::to_owned)).collect()
    });
    read.unwrap_or_else(|| {
        problems.push(format!(
            "{} must be a list of at most {MOST} folders, each absolute or beginning with ~/",
            dotted(pointer)
        ));
        Vec::new()
    })
}

fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}
