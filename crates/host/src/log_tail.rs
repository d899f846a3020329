//! The end of the log for clients: fields that are known to be harmless, and the rest masked. Who may
//! read this may do nothing else, and a log holds what errors and other crates said.

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde_json::{Map, Value, json};
use tidegate_protocol::ErrorShape;
use tidegate_protocol::params::LogsTail;
use tidegate_protocol::payload::system::LogsTailResult;

use crate::config::REDACTED;
use crate::regular_file;

/// The fields of Tidegate's own lines that hold numbers, ids, states, or sentences of Tidegate's own.
const HARMLESS: [&str; 33] = [
    "timestamp",
    "level",
    "target",
    "message",
    "agent",
    "attempt",
    "cause",
    "changes",
    "conn",
    "error",
    "event",
    "from",
    "keyring",
    "missed",
    "moved_to",
    "path",
    "pause",
    "pause_ms",
    "pid",
    "port",
    "problem",
    "process",
    "provider",
    "reason",
    "run",
    "runs",
    "sandbox",
    "session",
    "state_dir",
    "status",
    "table",
    "uid",
    "who",
];

/// The fields of Tidegate's spans that hold ids and the names of tools. Spans have no target: one could be
/// another crate's.
const OF_SPANS: [&str; 5] = ["name", "conn", "run", "session", "tool"];

/// `logs.tail`: a slice of the log from a byte cursor on.
pub(crate) fn tail(path: &Path, params: &LogsTail) -> Result<LogsTailResult, ErrorShape> {
    let failed = |reason: String| ErrorShape::unavailable(format!("the log cannot be read: {reason}"));
    let max_bytes = u64::from(params.max_bytes.unwrap_or(250_000).clamp(1, 1_000_000));
    let limit = params.limit.unwrap_or(500).clamp(1, 5000) as usize;
    let mut file =
        regular_file::open(path, OpenOptions::new().read(true)).map_err(|error| failed(error.to_string()))?;
    let size = file.metadata().map_err(|error| failed(error.to_string()))?.len();
    let from_end = size.saturating_sub(max_bytes);
    let (start, reset) = match params.cursor {
        Some(cursor) if cursor <= size && cursor >= from_end => (cursor, false),
        Some(_) => (from_end, true),
        None => (from_end, false),
    };
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))
        .and_then(|_| file.take(size - start).read_to_end(&mut bytes))
        .map_err(|error| failed(error.to_string()))?;
    // A line that is being written is left for the next call.
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let body = String::from_utf8_lossy(&bytes[..whole]);
    let mut lines: Vec<&str> = body.lines().collect();
    if start > 0 && params.cursor.is_none_or(|cursor| cursor != start) && !lines.is_empty() {
        // The first line begins in its middle.
        lines.remove(0);
    }
    let truncated = lines.len() > limit || start > 0 && params.cursor.is_none();
    let lines: Vec<String> =
        lines.split_off(lines.len().saturating_sub(limit)).into_iter().map(harmless).collect();
    let (file, cursor) = (path.display().to_string(), start + whole as u64);
    Ok(LogsTailResult { file, cursor, size, lines, truncated, reset })
}

/// A line as clients see it.
fn harmless(line: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else { return REDACTED.to_owned() };
    let target = fields.get("target").and_then(Value::as_str).unwrap_or_default();
    let is_ours =
        target == "audit" || target.split("::").next().is_some_and(|name| name.starts_with("tidegate"));
    let is_shown = |name: &str| match is_ours {
        true => HARMLESS.contains(&name),
        // Only when, how grave, and who; spans show their ids.
        false => matches!(name, "timestamp" | "level" | "target"),
    };
    let mut is_masked = false;
    let mut has_spans = false;
    if let Some(Value::Array(spans)) = fields.get_mut("spans") {
        has_spans = true;
        for span in spans.iter_mut().filter_map(Value::as_object_mut) {
            is_masked |= mask(span, |name| OF_SPANS.contains(&name));
        }
    }
    is_masked |= mask(&mut fields, |name| is_shown(name) || has_spans && name == "spans");
    if is_masked { Value::Object(fields).to_string() } else { line.to_owned() }
}

/// Masks fields that are not shown. True when there were any.
fn mask(fields: &mut Map<String, Value>, is_shown: impl Fn(&str) -> bool) -> bool {
    let mut is_masked = false;
    for (_, value) in fields.iter_mut().filter(|(name, _)| !is_shown(name)) {
        *value = json!(REDACTED);
        is_masked = true;
    }
    is_masked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_of_a_line_show_ids_and_mask_other_fields() {
        let line = r#"{"level":"INFO","target":"tidegate_agent","message":"a","spans":[{"name":"run","run":"r","path":"x"}]}"#;
        let shown: Value = serde_json::from_str(&harmless(line)).expect("JSON");
        assert_eq!(shown["spans"], json!([{"name": "run", "run": "r", "path": REDACTED}]));
        assert_eq!(shown["message"], "a");

        let plain = line.replace(r#","path":"x""#, "");
        assert_eq!(harmless(&plain), plain);
    }

    proptest! {
        #[test]
        fn a_line_in_any_form_is_plain_or_masked(line in "[ -~]{0,60}") {
            let shown = harmless(&line);
            prop_assert!(shown == REDACTED || serde_json::from_str::<Value>(&shown).is_ok_and(|line| line.is_object()));
        }
    }
}
