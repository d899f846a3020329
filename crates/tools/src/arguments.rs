//! The arguments of a tool call: a closed JSON object, read field by field.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tidegate_protocol::text::one_line;

/// Why a call's arguments cannot be used. The sentence names the field and goes to the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("the arguments must be a JSON object")]
    NotAnObject,
    #[error("unknown argument {name:?}; allowed are {allowed}")]
    Unknown { name: String, allowed: String },
    #[error("the argument {name:?} is missing")]
    Missing { name: &'static str },
    #[error("the argument {name:?} must be {expected}")]
    Type { name: &'static str, expected: &'static str },
    #[error("the arguments {first:?} and {second:?} cannot be given together")]
    Together { first: &'static str, second: &'static str },
    #[error("the argument {name:?} must be between {least} and {most}, not {value}")]
    Range { name: &'static str, least: u64, most: u64, value: String },
}

/// The schema of a tool's arguments: an object with these fields, and no others.
pub(crate) fn parameters(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

/// The fields of one call that have not been taken yet.
pub(crate) struct Arguments(Map<String, Value>);

impl Arguments {
    /// Accepts an object that has no other fields than `allowed`.
    pub(crate) fn new(value: Value, allowed: &[&str]) -> Result<Self, ArgumentError> {
        let Value::Object(fields) = value else { return Err(ArgumentError::NotAnObject) };
        match fields.keys().find(|name| !allowed.contains(&name.as_str())) {
            Some(name) => {
                Err(ArgumentError::Unknown { name: one_line(name, 64), allowed: allowed.join(", ") })
            }
            None => Ok(Self(fields)),
        }
    }

    /// The same, where a field may also have another name (`(other, own)`) that models know it by.
    pub(crate) fn with_aliases(
        mut value: Value,
        allowed: &[&str],
        aliases: &[(&str, &str)],
    ) -> Result<Self, ArgumentError> {
        if let Value::Object(fields) = &mut value {
            for (other, own) in aliases {
                if !fields.contains_key(*own)
                    && let Some(given) = fields.remove(*other)
                {
                    fields.insert((*own).to_owned(), given);
                }
            }
        }
        Self::new(value, allowed)
    }

    /// A text that must be there.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<String, ArgumentError> {
        self.optional_text(name)?.ok_or(ArgumentError::Missing { name })
    }

    /// A text that may be absent or null.
    pub(crate) fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, ArgumentError> {
        self.optional(name, "a text", text)
    }

    /// What `read` makes of a value, which may be absent or null.
    fn optional<T>(
        &mut self,
        name: &'static str,
        expected: &'static str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>, ArgumentError> {
        let given = self.0.remove(name).filter(|value| !value.is_null());
        given.map(|value| read(value).ok_or(ArgumentError::Type { name, expected })).transpose()
    }

    /// A whole number that may be absent or null. Models also write `5.0` and `"5"` for 5.
    pub(crate) fn optional_number(
        &mut self,
        name: &'static str,
        least: u64,
        most: u64,
    ) -> Result<Option<u64>, ArgumentError> {
        let number = |value| match value {
            Value::Number(value) => Some(value),
            Value::String(text) => text.trim().parse::<u64>().ok().map(Into::into),
            _ => None,
        };
        let Some(value) = self.optional(name, "a whole number", number)? else { return Ok(None) };
        match value.as_u64().or_else(|| whole(value.as_f64()?)) {
            Some(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(ArgumentError::Range { name, least, most, value: value.to_string() }),
        }
    }

    /// Whether something is asked for; absent and null are no.
    pub(crate) fn optional_flag(&mut self, name: &'static str) -> Result<bool, ArgumentError> {
        Ok(self.optional(name, "true or false", |value| value.as_bool())?.unwrap_or_default())
    }

    /// A list of texts that may be absent or null. Models also write one text for a list of one.
    pub(crate) fn optional_list(&mut self, name: &'static str) -> Result<Vec<String>, ArgumentError> {
        let list = |value| match value {
            Value::String(text) => Some(vec![text]),
            Value::Array(values) => values.into_iter().map(text).collect(),
            _ => None,
        };
        Ok(self.optional(name, "a list of texts", list)?.unwrap_or_default())
    }

    /// An object of texts that may be absent or null.
    pub(crate) fn optional_texts(
        &mut self,
        name: &'static str,
    ) -> Result<BTreeMap<String, String>, ArgumentError> {
        let texts = |value| match value {
            Value::Object(fields) => {
                fields.into_iter().map(|(key, value)| Some((key, text(value)?))).collect()
            }
            _ => None,
        };
        Ok(self.optional(name, "an object whose values are texts", texts)?.unwrap_or_default())
    }
}

fn text(value: Value) -> Option<String> {
    if let Value::String(text) = value { Some(text) } else { None }
}

/// The number as an integer, when it is one that a float holds exactly.
fn whole(number: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    // The range makes the conversion exact.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    ((0.0..=EXACT).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn unknown_missing_and_mistyped_fields_are_named() {
        let unknown = Arguments::new(json!({"path": "a", "approved": true}), &["path"]).err();
        assert_eq!(
            unknown.map(|error| error.to_string()),
            Some("unknown argument \"approved\"; allowed are path".to_owned())
        );
        let mut arguments = Arguments::new(json!({"content": 5}), &["path", "content"]).expect("closed");
        assert_eq!(arguments.text("path"), Err(ArgumentError::Missing { name: "path" }));
        assert_eq!(
            arguments.text("content"),
            Err(ArgumentError::Type { name: "content", expected: "a text" })
        );
    }

    #[test]
    fn numbers_outside_their_range_are_refused_with_the_range() {
        for bad in [json!(0), json!(11), json!(-1), json!(1.5), json!(1e300)] {
            let mut arguments = Arguments::new(json!({"limit": bad}), &["limit"]).expect("closed");
            assert!(matches!(
                arguments.optional_number("limit", 1, 10),
                Err(ArgumentError::Range { least: 1, most: 10, .. })
            ));
        }
        for five in [json!(5.0), json!("5"), json!(" 5 ")] {
            let mut arguments = Arguments::new(json!({"limit": five}), &["limit"]).expect("closed");
            assert_eq!(arguments.optional_number("limit", 1, 10), Ok(Some(5)));
        }
        let mut arguments = Arguments::new(json!({"limit": "five"}), &["limit"]).expect("closed");
        assert!(matches!(arguments.optional_number("limit", 1, 10), Err(ArgumentError::Type { .. })));
    }

    proptest! {
        #[test]
        fn whole_numbers_survive(number in 0_u64..=1_000_000) {
            let mut arguments = Arguments::new(json!({"n": number}), &["n"]).expect("closed");
            prop_assert_eq!(arguments.optional_number("n", 0, u64::MAX), Ok(Some(number)));
        }
    }
}
