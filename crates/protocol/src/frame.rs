//! The frames that a connection carries: requests, responses and events, each one JSON text.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::ErrorShape;
use crate::event::{EventType, OpeningEvent};
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

/// The answer to a request, under the request's id.
#[serde_with_macros::skip_serializing_none]
#[derive(Debug, Clone, Serialize)]
pub struct ResponseFrame<'a, P: Serialize> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    ok: bool,
    payload: Option<P>,
    error: Option<&'a ErrorShape>,
}

impl<'a, P: Serialize> ResponseFrame<'a, P> {
    /// A response that carries a result.
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
    /// A response that carries an error.
    #[must_use]
    pub fn error(id: &'a str, error: &'a ErrorShape) -> Self {
        Self { kind: "res", id, ok: false, payload: None, error: Some(error) }
    }
}

/// Counters of the parts of state that clients cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StateVersion {
    /// Counts changes of presence.
    pub presence: u64,
    /// Counts health snapshots.
    pub health: u64,
}

/// The event that opens a connection, before it has anything to lose: the only one without a number.
#[derive(Debug, Clone, Serialize)]
pub struct OpeningFrame<'a, P: Serialize> {
    #[serde(rename = "type")]
    kind: &'static str,
    event: &'static str,
    payload: &'a P,
}

/// An opening event.
pub fn opening<E: OpeningEvent>(payload: &E::Payload) -> OpeningFrame<'_, E::Payload> {
    OpeningFrame { kind: "event", event: E::EVENT.name(), payload }
}

/// Any other event, without the number that it gets on each connection. Clones share one text.
#[derive(Debug, Clone)]
pub struct EventText(Arc<[u8]>);

impl EventText {
    /// The text of an event; `versions` where it is about state that clients cache.
    ///
    /// # Errors
    /// For values that JSON cannot hold.
    pub fn new<E: EventType>(
        payload: &E::Payload,
        versions: Option<&StateVersion>,
    ) -> Result<Self, serde_json::Error> {
        #[derive(Serialize)]
        struct Unnumbered<'a, P: Serialize> {
            #[serde(rename = "type")]
            kind: &'static str,
            event: &'static str,
            payload: &'a P,
            #[serde(rename = "stateVersion", skip_serializing_if = "Option::is_none")]
            state_version: Option<&'a StateVersion>,
        }
        let name = E::EVENT.name();
        let frame = Unnumbered { kind: "event", event: name, payload, state_version: versions };
        let mut text = serde_json::to_vec(&frame)?;
        // The number comes before the brace that closes the frame.
        text.pop();
        Ok(Self(text.into()))
    }

    /// The frame for one connection.
    #[must_use]
    pub fn numbered(&self, number: EventNumber) -> Vec<u8> {
        let tail = format!(",\"seq\":{}}}", number.0);
        [&self.0, tail.as_bytes()].concat()
    }

    /// How many bytes all connections share.
    #[must_use]
    pub fn shared_bytes(&self) -> usize {
        self.0.len()
    }
}

/// The place of an event among those of its connection, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventNumber(u64);

/// Numbers the events of one connection. A number that was taken and is not sent tells the client that an
/// event was dropped.
#[derive(Debug, Default)]
pub struct EventNumbers(u64);

impl EventNumbers {
    /// The next number.
    pub fn take(&mut self) -> EventNumber {
        self.0 += 1;
        EventNumber(self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::payload::events::{PresenceEvent, TickEvent};
    use crate::{UnixMillis, event};

    #[test]
    fn a_request_without_parameters_has_empty_ones() {
        let frame = RequestFrame::parse(r#"{"type":"req","id":"1","method":"health"}"#).expect("valid");
        let params: serde_json::Map<String, Value> = frame.params().expect("an object");
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
        let result = RequestFrame::parse(&deep).and_then(|frame| frame.params::<Value>());
        assert!(result.is_err());
    }

    #[test]
    fn numbers_of_a_connection_begin_at_one_and_have_no_gap() {
        let payload = TickEvent { ts: UnixMillis(7) };
        let text = EventText::new::<event::Tick>(&payload, None).expect("JSON");
        let mut numbers = EventNumbers::default();
        for expected in 1..=3 {
            let frame = text.numbered(numbers.take());
            let frame: Value = serde_json::from_slice(&frame).expect("JSON");
            let whole = json!({ "type": "event", "event": "tick", "payload": { "ts": 7 }, "seq": expected });
            assert_eq!(frame, whole);
        }
    }

    #[test]
    fn state_versions_stand_beside_the_number() {
        let payload = PresenceEvent { presence: Vec::new() };
        let versions = StateVersion { presence: 3, health: 4 };
        let text = EventText::new::<event::Presence>(&payload, Some(&versions)).expect("JSON");
        let frame = text.numbered(EventNumbers::default().take());
        let frame: Value = serde_json::from_slice(&frame).expect("JSON");
        assert_eq!(frame["stateVersion"], json!({ "presence": 3, "health": 4 }));
        assert_eq!(frame["seq"], 1);
    }
}
