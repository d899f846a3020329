//! Arguments of tools: read from what a model wrote, with errors that name the field.

use serde_json::{Map, Value};

/// How deep arguments are nested at most. They are part of events and transcripts, and readers of JSON give up at
/// some depth: a call must not end the connection of a client that listens.
const MAX_DEPTH: usize = 64;

/// What is wrong with the arguments of a tool call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// The text is not JSON.
    #[error("the arguments are not valid JSON ({reason}); write one JSON object")]
    NotJson {
        /// The parser's words.
        reason: String,
    },
    /// The JSON is not an object.
    #[error("the arguments must be one JSON object, not {found}")]
    NotAnObject {
        /// What it is instead.
        found: &'static str,
    },
    /// No tool needs that.
    #[error("the arguments are nested deeper than {MAX_DEPTH} levels; write them flatter")]
    TooDeep,
    /// A field that the tool does not have.
    #[error("unknown field {field:?}; allowed are {allowed}")]
    Unknown {
        field: String,
        /// The fields that there are.
        allowed: String,
    },
    /// A field that must be given.
    #[error("the field {field:?} is missing; it must be {expected}")]
    Missing {
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A value of the wrong kind.
    #[error("the field {field:?} must be {expected}")]
    Wrong {
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

/// Parses the text that a model wrote as arguments. Empty text counts as `{}`, as models write it
/// for tools without parameters.
///
/// # Errors
/// When it is not one JSON object.
pub(crate) fn parse_object(text: &str) -> Result<Map<String, Value>, ArgumentError> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(value) if !is_within(MAX_DEPTH, &value) => Err(ArgumentError::TooDeep),
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(ArgumentError::NotAnObject { found: kind(&other) }),
        Err(error) => Err(ArgumentError::NotJson { reason: error.to_string() }),
    }
}

fn is_within(depth: usize, value: &Value) -> bool {
    let Some(rest) = depth.checked_sub(1) else { return false };
    match value {
        Value::Array(values) => values.iter().all(|value| is_within(rest, value)),
        Value::Object(fields) => fields.values().all(|value| is_within(rest, value)),
        _ => true,
    }
}

/// The arguments of one call, read field by field. `null` counts as absent.
#[derive(Debug, Clone)]
pub struct Arguments(Map<String, Value>);

impl Arguments {
    /// Takes arguments that may have only the `allowed` fields.
    ///
    /// # Errors
    /// When they are no object or have another field.
    pub fn closed(value: Value, allowed: &[&str]) -> Result<Self, ArgumentError> {
        let Value::Object(object) = value else {
            return Err(ArgumentError::NotAnObject { found: kind(&value) });
        };
        if let Some(field) = object.keys().find(|key| !allowed.contains(&key.as_str())) {
            return Err(ArgumentError::Unknown {
                field: tidegate_protocol::text::one_line(field, 64),
                allowed: allowed.join(", "),
            });
        }
        Ok(Self(object))
    }

    fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// A text that may be absent.
    ///
    /// # Errors
    /// When it is not a text.
    pub fn text(&self, field: &'static str) -> Result<Option<&str>, ArgumentError> {
        let wrong = ArgumentError::Wrong { field, expected: "a text" };
        self.get(field).map(|value| value.as_str().ok_or(wrong)).transpose()
    }

    /// A text that must be there and not be blank.
    ///
    /// # Errors
    /// When it is absent, blank or not a text.
    pub fn required_text(&self, field: &'static str) -> Result<&str, ArgumentError> {
        let expected = "a text that is not empty";
        match self.text(field)? {
            None => Err(ArgumentError::Missing { field, expected }),
            Some(text) if text.trim().is_empty() => Err(ArgumentError::Wrong { field, expected }),
            Some(text) => Ok(text),
        }
    }

    /// A whole number that may be absent. `expected` describes the range in the error.
    ///
    /// # Errors
    /// When it is no whole number, or larger than `most`.
    pub fn number(
        &self,
        field: &'static str,
        most: u64,
        expected: &'static str,
    ) -> Result<Option<u64>, ArgumentError> {
        let wrong = ArgumentError::Wrong { field, expected };
        let read = |value: &Value| value.as_u64().filter(|&number| number <= most).ok_or(wrong);
        self.get(field).map(read).transpose()
    }

    /// A truth value that may be absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&self, field: &'static str) -> Result<Option<bool>, ArgumentError> {
        let wrong = ArgumentError::Wrong { field, expected: "true or false" };
        self.get(field).map(|value| value.as_bool().ok_or(wrong)).transpose()
    }

    /// A list of at most `most` texts that may be absent.
    ///
    /// # Errors
    /// When it is something else or longer.
    pub fn texts(&self, field: &'static str, most: usize) -> Result<Option<Vec<String>>, ArgumentError> {
        let wrong = || ArgumentError::Wrong { field, expected: "a short list of texts" };
        let Some(value) = self.get(field) else { return Ok(None) };
        let list = value.as_array().filter(|list| list.len() <= most).ok_or_else(wrong)?;
        list.iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// One of a few words that may be absent.
    ///
    /// # Errors
    /// When it is something else. `expected` lists the words.
    pub fn word(
        &self,
        field: &'static str,
        words: &[&'static str],
        expected: &'static str,
    ) -> Result<Option<&'static str>, ArgumentError> {
        let wrong = ArgumentError::Wrong { field, expected };
        let Some(value) = self.get(field) else { return Ok(None) };
        words.iter().find(|word| value == **word).copied().ok_or(wrong).map(Some)
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_name_the_field_and_what_is_allowed() {
        let error = Arguments::closed(json!({"taks": "x"}), &["task", "label"]).expect_err("unknown");
        assert_eq!(error.to_string(), "unknown field \"taks\"; allowed are task, label");
        let arguments =
            Arguments::closed(json!({"task": 3, "label": null}), &["task", "label"]).expect("known");
        assert_eq!(
            arguments.required_text("task").expect_err("number").to_string(),
            "the field \"task\" must be a text"
        );
        assert_eq!(arguments.text("label"), Ok(None));
    }

    #[test]
    fn only_one_object_counts_as_arguments() {
        assert_eq!(parse_object(""), Ok(Map::new()));
        assert_eq!(parse_object("[1]"), Err(ArgumentError::NotAnObject { found: "a list" }));
        assert!(matches!(parse_object("{\"a\":"), Err(ArgumentError::NotJson { .. })));
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100));
        assert_eq!(parse_object(&deep), Err(ArgumentError::TooDeep));
    }
}
