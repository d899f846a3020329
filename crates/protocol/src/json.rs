//! Strict parsing with errors that name the place, in the wording that OpenClaw's gateways use.

use std::fmt;

use serde::Deserialize;
use serde_path_to_error::Segment;

/// Why a text is not what it should be. Shown to the client that sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    place: String,
    problem: String,
}

/// The most characters of a place.
const MAX_PLACE: usize = 200;

impl ParseError {
    /// A problem at a place (a JSON pointer, or empty for the root).
    #[must_use]
    pub fn at(place: &str, problem: &str) -> Self {
        Self { place: place.to_owned(), problem: problem.to_owned() }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place.is_empty() { "root" } else { &self.place };
        write!(formatter, "at {place}: {}", self.problem)
    }
}

impl std::error::Error for ParseError {}

/// Parses a whole text as one value of `T`.
///
/// # Errors
/// When the text is not JSON, has something behind the value, nests deeper than 128 levels, or is
/// not what `T` takes.
pub fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, ParseError> {
    serde_json::from_str(text).map_err(|_| locate::<T>(text))
}

/// Parses again, slower, to learn where the problem is.
fn locate<'a, T: Deserialize<'a>>(text: &'a str) -> ParseError {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => ParseError::at("", "unexpected text behind the JSON value"),
        Err(error) => {
            let known = |segment: &&Segment| !matches!(segment, Segment::Unknown);
            let path: String =
                error.path().iter().filter(known).map(|segment| format!("/{segment}")).collect();
            // Its names are the sender's.
            let path = crate::text::one_line(&path, MAX_PLACE);
            describe(&path, &error.inner().to_string())
        }
    }
}

/// Puts serde's words into the protocol's.
fn describe(path: &str, problem: &str) -> ParseError {
    let problem = problem.split(" at line ").next().unwrap_or(problem);
    let quoted = |rest: &str| rest.split('`').next().unwrap_or_default().to_owned();
    if let Some(rest) = problem.strip_prefix("unknown field `") {
        let name = quoted(rest);
        let parent = path.strip_suffix(&format!("/{name}")).unwrap_or(path);
        let name = crate::text::one_line(&name, 64);
        return ParseError::at(parent, &format!("unexpected property '{name}'"));
    }
    if let Some(rest) = problem.strip_prefix("missing field `") {
        return ParseError::at(path, &format!("must have required property '{}'", quoted(rest)));
    }
    if let Some(rest) = problem.strip_prefix("duplicate field `") {
        let name = quoted(rest);
        let parent = path.strip_suffix(&format!("/{name}")).unwrap_or(path);
        return ParseError::at(parent, &format!("property '{name}' appears twice"));
    }
    ParseError::at(path, &crate::text::one_line(problem, 200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only parsed")]
    struct Sample {
        name: String,
        #[serde(default)]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only parsed")]
    struct Inner {
        value: u8,
    }

    fn problem(text: &str) -> String {
        parse::<Sample>(text).expect_err("refused").to_string()
    }

    #[test]
    fn names_from_outside_are_cleaned_where_they_are_part_of_the_place() {
        type Names = std::collections::BTreeMap<String, u8>;
        let hostile = parse::<Names>("{\"a\\u0000\\u202e\": \"x\"}").expect_err("refused").to_string();
        assert!(hostile.starts_with("at /a\\u{0}\\u{202e}: "), "{hostile}");
        let long = parse::<Names>(&format!("{{\"{}\": \"x\"}}", "x".repeat(10_000))).expect_err("refused");
        assert!(long.to_string().len() < 500);
    }

    #[test]
    fn problems_are_named_with_their_place() {
        assert_eq!(problem(r#"{"name":"a","bogus":1}"#), "at root: unexpected property 'bogus'");
        assert_eq!(problem("{}"), "at root: must have required property 'name'");
        assert_eq!(
            problem(r#"{"name":"a","inner":{"value":1,"x":2}}"#),
            "at /inner: unexpected property 'x'"
        );
        assert_eq!(problem(r#"{"name":"a","name":"b"}"#), "at root: property 'name' appears twice");
        assert!(problem(r#"{"name":"a","inner":{"value":300}}"#).starts_with("at /inner/value: "));
        assert!(problem(r#"{"name":"a"} x"#).starts_with("at root: "));
    }
}
