//! Frames (protocol section 2).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::ErrorShape;
use crate::ids::RequestId;
use crate::json::{self, ParseError};

/// A request, parsed as far as its envelope. Parameters stay text until the method's own type
/// reads them, so a duplicate or unknown field is refused and never silently dropped.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFrame {
    #[serde(rename = "type")]
    kind: RequestKind,
    /// The request's id.
    pub id: RequestId,
    /// The method's name.
    pub method: String,
    /// The parameters' text.
    #[serde(default)]
    pub params: Option<Box<RawValue>>,
    /// Trace context of 2026.9.6; not used.
    #[serde(default)]
    pub traceparent: Option<String>,
    /// Profile of 2026.9.6; not used.
    #[serde(default, rename = "expectedProfileId")]
    pub expected_profile_id: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum RequestKind {
    #[serde(rename = "req")]
    Request,
}

impl RequestFrame {
    /// Parses one text message.
    ///
    /// # Errors
    /// When it is not a request frame.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let frame: Self = json::parse(text)?;
        let RequestKind::Request = frame.kind;
        if frame.method.is_empty() || frame.method.len() > 128 {
            return Err(ParseError::at("/method", "must have 1 to 128 characters"));
        }
        Ok(frame)
    }

    /// Parses the parameters; missing ones count as `{}`.
    ///
    /// # Errors
    /// When they are not what the method takes.
    pub fn params<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ParseError> {
        json::parse(self.params.as_ref().map_or("{}", |raw| raw.get()))
    }
}

/// The id to answer a broken request frame with, when one can be made out.
#[must_use]
pub fn id_of_broken_frame(text: &str) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct OnlyId {
        id: RequestId,
    }
    serde_json::from_str::<OnlyId>(text).ok().map(|frame| frame.id)
}

/// An answer.
#[derive(Debug, Clone, Serialize)]
pub struct ResponseFrame<'a, P: Serialize> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<P>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ErrorShape>,
}

impl<'a, P: Serialize> ResponseFrame<'a, P> {
    /// A success.
    pub fn ok(id: &'a str, payload: P) -> Self {
        Self { kind: "res", id, ok: true, payload: Some(payload), error: None }
    }
}

impl<'a, P: Serialize> ResponseFrame<'a, P> {
    /// A failure that also carries a payload: the final answer of `agent`.
    pub fn failed(id: &'a str, error: &'a ErrorShape, payload: P) -> Self {
        Self { kind: "res", id, ok: false, payload: Some(payload), error: Some(error) }
    }
}

impl<'a> ResponseFrame<'a, ()> {
    /// A failure.
    #[must_use]
    pub fn error(id: &'a str, error: &'a ErrorShape) -> Self {
        Self { kind: "res", id, ok: false, payload: None, error: Some(error) }
    }
}

/// An event.
#[derive(Debug, Clone, Serialize)]
pub struct EventFrame<'a, P: Serialize> {
    #[serde(rename = "type")]
    kind: &'static str,
    event: &'static str,
    payload: P,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(rename = "stateVersion", skip_serializing_if = "Option::is_none")]
    state_version: Option<&'a StateVersion>,
}

/// Counters of the parts of state that clients cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StateVersion {
    /// Counts changes of presence.
    pub presence: u64,
    /// Counts health snapshots.
    pub health: u64,
}

impl<'a, P: Serialize> EventFrame<'a, P> {
    /// An event; `seq` only for broadcasts.
    pub fn new(
        event: crate::event::Event,
        payload: P,
        seq: Option<u64>,
        state_version: Option<&'a StateVersion>,
    ) -> Self {
        Self { kind: "event", event: event.name(), payload, seq, state_version }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_parameters_has_empty_ones() {
        let frame = RequestFrame::parse(r#"{"type":"req","id":"1","method":"health"}"#).expect("valid");
        let params: serde_json::Map<String, serde_json::Value> = frame.params().expect("an object");
        assert!(params.is_empty());
    }

    #[test]
    fn anything_but_a_request_is_refused_with_its_place() {
        for (text, place) in [
            (r#"{"type":"res","id":"1","ok":true}"#, "/type"),
            (r#"{"type":"req","id":"","method":"health"}"#, "/id"),
            (r#"{"type":"req","id":"1","method":""}"#, "/method"),
            (r#"{"type":"req","id":"1","method":"a","method":"b"}"#, "root"),
            (r#"{"type":"req","id":"1","method":"a","bogus":1}"#, "root"),
            (r#"[]"#, "root"),
            ("{", "root"),
            ("", "root"),
        ] {
            let error = RequestFrame::parse(text).expect_err(text).to_string();
            assert!(error.contains(place), "{text}: {error}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let deep = format!(
            r#"{{"type":"req","id":"1","method":"x","params":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let result = RequestFrame::parse(&deep).and_then(|frame| frame.params::<serde_json::Value>());
        assert!(result.is_err());
    }
}
