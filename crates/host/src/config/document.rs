//! JSON5 as a value, nested to a bounded depth: parsers go down one call a level, and a file of
//! brackets must not end the process.

use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

/// The most lists and objects within each other.
pub(super) const MAX_DEPTH: usize = 64;

const TOO_DEEP: &str = "lists and objects are nested more than 64 deep";

/// Parses a text.
///
/// # Errors
/// A sentence that names line and column, and nothing of the content.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    json5::from_str::<Document>(text).map(|document| document.0).map_err(|error| {
        let error = error.to_string();
        if error.starts_with(TOO_DEEP) { error } else { format!("it is not JSON5: {error}") }
    })
}

struct Document(Value);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Nested { left: MAX_DEPTH }.deserialize(deserializer).map(Self)
    }
}

/// A value that may hold so many more levels. Names have no meaning here: `serde_json`'s own value
/// parses the text of some names again, each time with a fresh limit.
struct Nested {
    left: usize,
}

impl Nested {
    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        self.left.checked_sub(1).map(|left| Self { left }).ok_or_else(|| E::custom(TOO_DEEP))
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, on: bool) -> Result<Value, E> {
        Ok(Value::Bool(on))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element_seed(self.inner::<A::Error>()?)? {
            list.push(entry);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let left = self.inner::<A::Error>()?.left;
        while let Some(name) = fields.next_key::<String>()? {
            object.insert(name, fields.next_value_seed(Self { left })?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_of_brackets_is_refused_where_it_is_too_deep() {
        let sentence = "lists and objects are nested more than 64 deep at line 1 column 65";
        assert_eq!(parse(&"[".repeat(400_000)), Err(sentence.to_owned()));
        let objects = parse(&"{a:\n".repeat(100_000)).expect_err("too deep");
        assert_eq!(objects, "lists and objects are nested more than 64 deep at line 65 column 1");
        let depth = |depth: usize| parse(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
        assert!(depth(MAX_DEPTH).is_ok() && depth(MAX_DEPTH + 1).is_err());
    }

    #[test]
    fn a_name_that_serde_json_reads_again_is_a_name_like_any_other() {
        let inner = "[".repeat(10_000);
        let text = json!({ "$serde_json::private::RawValue": inner, "$serde_json::private::Number": "1" });
        assert_eq!(parse(&text.to_string()), Ok(text));
    }

    #[test]
    fn everything_that_json5_has_is_a_value() {
        let text =
            "{ /* c */ a: [null, true, 'x', -1, 18446744073709551615, 0x10, .5, Infinity,], 'b c': {}, }";
        let value = json!({ "a": [null, true, "x", -1, u64::MAX, 16, 0.5, null], "b c": {} });
        assert_eq!(parse(text), Ok(value));
        for broken in ["", "{", "[1", "{a:1}}", "{a}", "\u{1b}"] {
            assert!(parse(broken).is_err_and(|error| error.starts_with("it is not JSON5: ")), "{broken}");
        }
    }
}
