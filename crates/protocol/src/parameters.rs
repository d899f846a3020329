//! The table of parameters that OpenClaw's protocol documents and that Tidegate ignores or refuses, as
//! docs/protocol.md has it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::field::KEYWORD;
use crate::schema;

/// The table in Markdown, from the schemas of all methods.
#[must_use]
pub fn table() -> String {
    let document = schema::document();
    let mut table = "| method | parameter | what becomes of it |\n|---|---|---|\n".to_owned();
    for (method, entry) in sorted(&document["methods"]) {
        for (sentence, names) in sentences(&document, &entry["params"]) {
            table.push_str(&format!("| `{method}` | {} | {sentence} |\n", names.join(", ")));
        }
    }
    table
}

/// The entries of an object by name: their own order depends on what else is compiled.
fn sorted(object: &Value) -> BTreeMap<&String, &Value> {
    object.as_object().into_iter().flatten().collect()
}

/// What becomes of fields, each with the names of those that it is about.
fn sentences(document: &Value, params: &Value) -> Vec<(String, Vec<String>)> {
    let name = params["$ref"].as_str().unwrap_or_default().trim_start_matches("#/$defs/");
    let mut sentences: Vec<(String, Vec<String>)> = Vec::new();
    for (field, schema) in sorted(&document["$defs"][name]["properties"]) {
        let Some(unused) = unused(schema) else { continue };
        let sentence = unused["description"].as_str().unwrap_or_default().to_owned();
        let shown = format!("`{field}`{}", exceptions(unused));
        match sentences.iter_mut().find(|(known, _)| *known == sentence) {
            Some((_, names)) => names.push(shown),
            None => sentences.push((sentence, vec![shown])),
        }
    }
    sentences
}

/// The schema of a field that is not used; an optional one stands beside `null`.
fn unused(schema: &Value) -> Option<&Value> {
    let parts = schema["anyOf"].as_array().into_iter().flatten();
    std::iter::once(schema).chain(parts).find(|part| part.get(KEYWORD).is_some())
}

/// The texts that are never refused.
fn exceptions(schema: &Value) -> String {
    let parts = schema["anyOf"].as_array().into_iter().flatten();
    let values = parts.filter_map(|part| part["enum"].as_array()).flatten();
    let texts: Vec<_> = values.filter_map(Value::as_str).map(|text| format!("`{text}`")).collect();
    if texts.is_empty() { String::new() } else { format!(" other than {}", texts.join(" or ")) }
}
