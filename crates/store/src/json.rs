//! JSON in columns.

use serde::Serialize;
use serde_json::Value;

use crate::StoreError;

/// The deepest nesting that can be stored: the parser that reads it back takes no more.
pub(crate) const MAX_DEPTH: usize = 127;

/// The text of a value.
///
/// # Errors
/// [`StoreError::Invalid`] when the value is nested so deep that it could not be read back.
pub(crate) fn encode(value: &impl Serialize) -> Result<String, StoreError> {
    let invalid = |error| StoreError::Invalid(format!("a JSON value cannot be stored: {error}"));
    let value = serde_json::to_value(value).map_err(invalid)?;
    let mut layer: Vec<&Value> = vec![&value];
    let mut depth = 0;
    while !layer.is_empty() {
        let mut inner = Vec::new();
        let mut has_container = false;
        for value in layer {
            match value {
                Value::Array(items) => {
                    has_container = true;
                    inner.extend(items);
                }
                Value::Object(members) => {
                    has_container = true;
                    inner.extend(members.values());
                }
                _ => {}
            }
        }
        depth += usize::from(has_container);
        if depth > MAX_DEPTH {
            return Err(StoreError::Invalid(format!(
                "a JSON value is nested deeper than {MAX_DEPTH} levels, which cannot be stored"
            )));
        }
        layer = inner;
    }
    Ok(value.to_string())
}

/// The value of a stored text.
pub(crate) fn decode(text: &str) -> Result<Value, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::Corrupt(format!("a stored JSON value is unreadable: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
    }

    #[test]
    fn the_deepest_value_that_is_accepted_can_be_read_back() {
        let value = nested(MAX_DEPTH);
        let text = encode(&value).expect("accepted");
        assert_eq!(decode(&text), Ok(value));
    }

    #[test]
    fn a_value_that_could_not_be_read_back_is_refused() {
        let value = nested(MAX_DEPTH + 1);
        assert!(decode(&serde_json::to_string(&value).expect("text")).is_err());
        assert!(matches!(encode(&value), Err(StoreError::Invalid(_))));
    }
}
