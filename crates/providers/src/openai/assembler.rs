//! Turns the chunks of an answer into events: a pure state machine.

use serde_json::Value;
use tidegate_agent::message::ToolCall;
use tidegate_agent::model::{StopReason, StreamEvent};
use tidegate_store::Usage;

use super::error::ReportedError;
use super::think_tags::ThinkTags;

/// The most tool calls of one answer.
const MAX_CALLS: usize = 128;
/// The longest id and tool name, in bytes, that is believed.
const MAX_NAME_BYTES: usize = 256;

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AnswerError {
    /// The server says that it failed.
    Reported(ReportedError),
    /// A chunk is not what the protocol says.
    Broken(String),
    /// It ended too early.
    CutOff(&'static str),
}

/// Takes chunks in order. Tool calls come out at the end, whole.
#[derive(Debug)]
pub(super) struct Assembler {
    call_id_prefix: String,
    calls: Vec<PartialCall>,
    usage: Option<Usage>,
    stop: Option<StopReason>,
    refusal: bool,
    done: bool,
    chunks: u64,
    think_tags: ThinkTags,
}

#[derive(Debug, Default)]
struct PartialCall {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    nesting: Nesting,
}

/// How deep in a JSON text one is.
#[derive(Debug, Default)]
struct Nesting {
    depth: usize,
    has_begun: bool,
    in_string: bool,
    escaped: bool,
}

impl Assembler {
    /// `call_id_prefix` begins the ids of calls to which the server gives none.
    pub(super) fn new(call_id_prefix: String) -> Self {
        Self {
            call_id_prefix,
            calls: Vec::new(),
            usage: None,
            stop: None,
            refusal: false,
            done: false,
            chunks: 0,
            think_tags: ThinkTags::default(),
        }
    }

    /// Takes the data of one server-sent event.
    pub(super) fn event(&mut self, data: &str) -> Result<Vec<StreamEvent>, AnswerError> {
        let data = data.trim();
        if data == "[DONE]" {
            self.done = true;
            return Ok(Vec::new());
        }
        if data.is_empty() {
            return Ok(Vec::new());
        }
        let chunk = serde_json::from_str(data).map_err(|_| AnswerError::Broken(data.to_owned()))?;
        self.chunk(&chunk)
    }

    /// Takes a whole answer in one piece, as a server gives that does not stream.
    pub(super) fn whole(&mut self, body: &str) -> Result<Vec<StreamEvent>, AnswerError> {
        let body: Value = serde_json::from_str(body).map_err(|_| AnswerError::Broken(body.to_owned()))?;
        let events = self.chunk(&body)?;
        self.done = body["choices"].get(0).is_some();
        if !self.done {
            return Err(AnswerError::Broken(body.to_string()));
        }
        Ok(events)
    }

    /// Whether `[DONE]` came: nothing follows.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the answer is whole, although token counts may follow.
    pub(super) fn is_whole(&self) -> bool {
        self.done || self.stop.is_some()
    }

    /// Whether there was any chunk.
    pub(super) fn has_begun(&self) -> bool {
        self.done || self.chunks > 0
    }

    /// Text that is held back, where the answer breaks off.
    pub(super) fn held_back(&mut self) -> Vec<StreamEvent> {
        self.think_tags.end()
    }

    /// The rest of the answer, after its last chunk: tool calls, tokens, the stop.
    pub(super) fn end(&mut self) -> Result<Vec<StreamEvent>, AnswerError> {
        if !self.is_whole() {
            return Err(AnswerError::CutOff("the stream ended without a finish reason"));
        }
        let mut stop = self.stop.unwrap_or(StopReason::Stop);
        if self.refusal && stop == StopReason::Stop {
            stop = StopReason::Refused;
        }
        let calls = match stop {
            StopReason::Refused => Vec::new(),
            _ => self.take_calls()?,
        };
        // Servers disagree on the reason for tool calls, so the calls themselves decide.
        if stop != StopReason::Length && stop != StopReason::Refused {
            stop = if calls.is_empty() { StopReason::Stop } else { StopReason::ToolUse };
        }
        let mut events = self.think_tags.end();
        events.extend(calls.into_iter().map(StreamEvent::ToolCall));
        events.extend(self.usage.take().map(StreamEvent::Usage));
        events.push(StreamEvent::Stop(stop));
        Ok(events)
    }

    fn chunk(&mut self, chunk: &Value) -> Result<Vec<StreamEvent>, AnswerError> {
        if let Some(error) = ReportedError::in_chunk(chunk) {
            return Err(AnswerError::Reported(error));
        }
        if !chunk.is_object() {
            return Err(AnswerError::Broken(chunk.to_string()));
        }
        self.chunks += 1;
        if let Some(usage) = usage(&chunk["usage"]) {
            self.usage = Some(usage);
        }
        let choices = chunk["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(choice) = choices.iter().find(|choice| choice["index"].as_u64().unwrap_or(0) == 0) else {
            return Ok(Vec::new());
        };
        let said = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        let mut events = Vec::new();
        let thinking = ["reasoning_content", "reasoning"].map(|field| text(&said[field]));
        if let Some(thinking) = thinking.into_iter().find(|thinking| !thinking.is_empty()) {
            events.push(StreamEvent::Thinking(thinking));
        }
        let refusal = text(&said["refusal"]);
        self.refusal |= !refusal.is_empty();
        events.extend(self.think_tags.push(&text(&said["content"])));
        if !refusal.is_empty() {
            events.push(StreamEvent::Text(refusal));
        }
        for call in said["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default() {
            self.call(call)?;
            events.push(StreamEvent::Piece);
        }
        if let Some(reason) = choice["finish_reason"].as_str().filter(|reason| !reason.is_empty()) {
            self.stop = Some(stop_reason(reason)?);
        }
        Ok(events)
    }

    fn call(&mut self, piece: &Value) -> Result<(), AnswerError> {
        let index = piece["index"].as_u64();
        let id = piece["id"].as_str().unwrap_or_default();
        let name = piece["function"]["name"].as_str().unwrap_or_default();
        let arguments = match &piece["function"]["arguments"] {
            Value::String(text) => text.clone(),
            object @ Value::Object(_) => object.to_string(),
            _ => String::new(),
        };
        let known = self.calls.iter().rposition(|call| match index {
            Some(_) => call.index == index,
            None => true,
        });
        let continued = known.filter(|&at| !self.calls[at].is_followed_by(id, name, &arguments));
        let at = continued.unwrap_or(self.calls.len());
        if at == self.calls.len() {
            if at == MAX_CALLS {
                return Err(AnswerError::Broken(format!("more than {MAX_CALLS} tool calls")));
            }
            self.calls.push(PartialCall { index, ..PartialCall::default() });
        }
        let call = &mut self.calls[at];
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        if call.name != name {
            call.name.push_str(name);
        }
        call.nesting.advance(&arguments);
        call.arguments.push_str(&arguments);
        Ok(())
    }

    fn take_calls(&mut self) -> Result<Vec<ToolCall>, AnswerError> {
        let mut calls: Vec<ToolCall> = Vec::with_capacity(self.calls.len());
        for (position, call) in std::mem::take(&mut self.calls).into_iter().enumerate() {
            if call.name.is_empty() || call.name.len() > MAX_NAME_BYTES {
                return Err(AnswerError::Broken("a tool call without a usable name".to_owned()));
            }
            let usable = !call.id.is_empty()
                && call.id.len() <= MAX_NAME_BYTES
                && call.id.bytes().all(|byte| byte.is_ascii_graphic())
                && calls.iter().all(|earlier| earlier.id != call.id);
            calls.push(ToolCall {
                id: if usable { call.id } else { format!("{}{position}", self.call_id_prefix) },
                name: call.name,
                // A call of a tool without parameters.
                arguments: if call.arguments.is_empty() { "{}".to_owned() } else { call.arguments },
            });
        }
        Ok(calls)
    }
}

impl PartialCall {
    /// Whether a piece with the same index, or none, begins another call. Some servers give every
    /// call index 0, others repeat the name or the id in every piece.
    fn is_followed_by(&self, id: &str, name: &str, arguments: &str) -> bool {
        if !id.is_empty() && !self.id.is_empty() {
            // Some servers make another id for each piece: what begins a call has a name.
            return id != self.id && !name.is_empty();
        }
        // Without ids, a name after finished arguments can only be the next call.
        !name.is_empty() && !arguments.is_empty() && self.nesting.is_closed()
    }
}

impl Nesting {
    fn advance(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => {
                    self.has_begun = true;
                    self.depth += 1;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.has_begun && self.depth == 0
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn usage(value: &Value) -> Option<Usage> {
    let input = value["prompt_tokens"].as_u64();
    let output = value["completion_tokens"].as_u64();
    (input.is_some() || output.is_some())
        .then(|| Usage { input: input.unwrap_or_default(), output: output.unwrap_or_default() })
}

fn stop_reason(reason: &str) -> Result<StopReason, AnswerError> {
    match reason {
        "length" | "max_tokens" => Ok(StopReason::Length),
        "content_filter" | "refusal" | "safety" => Ok(StopReason::Refused),
        "tool_calls" | "function_call" => Ok(StopReason::ToolUse),
        "error" => Err(AnswerError::CutOff("the server gave the finish reason \"error\"")),
        // `stop`, and what servers call their own stop tokens.
        _ => Ok(StopReason::Stop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn calls_of(pieces: &[Value]) -> Vec<(String, String, String)> {
        let mut assembler = Assembler::new("made_".to_owned());
        for piece in pieces {
            let chunk = json!({"choices": [{"delta": {"tool_calls": [piece]}}]});
            assembler.event(&chunk.to_string()).unwrap();
        }
        assembler.event("[DONE]").unwrap();
        let events = assembler.end().unwrap();
        let calls = events.into_iter().filter_map(|event| match event {
            StreamEvent::ToolCall(call) => Some((call.id, call.name, call.arguments)),
            _ => None,
        });
        calls.collect()
    }

    fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
        (id.to_owned(), name.to_owned(), arguments.to_owned())
    }

    #[test]
    fn interleaved_pieces_are_put_together_by_index() {
        let calls = calls_of(&[
            json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": "{\"p"}}),
            json!({"index": 1, "id": "b", "function": {"name": "exec", "arguments": "{"}}),
            json!({"index": 0, "function": {"arguments": "\":1}"}}),
            json!({"index": 1, "function": {"name": null, "arguments": "}"}}),
        ]);
        assert_eq!(calls, [call("a", "read", "{\"p\":1}"), call("b", "exec", "{}")]);
    }

    #[test]
    fn whole_calls_under_one_index_stay_apart() {
        let with_ids = calls_of(&[
            json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": "{}"}}),
            json!({"index": 0, "id": "b", "function": {"name": "read", "arguments": "{}"}}),
        ]);
        let without = calls_of(&[
            json!({"function": {"name": "read", "arguments": {"p": 1}}}),
            json!({"function": {"name": "read", "arguments": {"p": 2}}}),
        ]);
        assert_eq!(with_ids, [call("a", "read", "{}"), call("b", "read", "{}")]);
        assert_eq!(without, [call("made_0", "read", "{\"p\":1}"), call("made_1", "read", "{\"p\":2}")]);
    }

    #[test]
    fn pieces_of_one_index_without_a_name_go_on_whatever_their_ids_say() {
        let calls = calls_of(&[
            json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": "{\"p"}}),
            json!({"index": 0, "id": "b", "function": {"arguments": "\":"}}),
            json!({"index": 0, "id": "c", "function": {"name": "", "arguments": "1}"}}),
        ]);
        assert_eq!(calls, [call("a", "read", "{\"p\":1}")]);
    }

    #[test]
    fn a_name_and_id_repeated_in_every_piece_are_taken_once() {
        let piece = |arguments: &str| json!({"index": 0, "id": "a", "function": {"name": "read", "arguments": arguments}});
        assert_eq!(calls_of(&[piece("{"), piece("\"p\":"), piece("1}")]), [call("a", "read", "{\"p\":1}")]);
        let nameless = |arguments: &str| json!({"function": {"name": "read", "arguments": arguments}});
        assert_eq!(calls_of(&[nameless("{\"p\""), nameless(":1}")]), [call("made_0", "read", "{\"p\":1}")]);
    }

    #[test]
    fn missing_and_repeated_ids_are_replaced() {
        let piece = |index: u64, id: &str| json!({"index": index, "id": id, "function": {"name": "t"}});
        let ids: Vec<String> = calls_of(&[piece(0, ""), piece(1, "x"), piece(2, "x"), piece(3, "a\nb")])
            .into_iter()
            .map(|(id, ..)| id)
            .collect();
        assert_eq!(ids, ["made_0", "x", "made_2", "made_3"]);
    }

    #[test]
    fn finish_reasons_are_mapped() {
        let stop = |reason: &str, with_call: bool| {
            let mut assembler = Assembler::new(String::new());
            let calls = if with_call { json!([{"index": 0, "function": {"name": "t"}}]) } else { json!([]) };
            let chunk = json!({"choices": [{"delta": {"tool_calls": calls}, "finish_reason": reason}]});
            assembler.event(&chunk.to_string())?;
            let events = assembler.end()?;
            Ok(events.last().cloned())
        };
        let stopped = |reason| Ok(Some(StreamEvent::Stop(reason)));
        assert_eq!(stop("stop", false), stopped(StopReason::Stop));
        assert_eq!(stop("end_turn", false), stopped(StopReason::Stop));
        assert_eq!(stop("stop", true), stopped(StopReason::ToolUse));
        assert_eq!(stop("tool_calls", true), stopped(StopReason::ToolUse));
        assert_eq!(stop("tool_calls", false), stopped(StopReason::Stop));
        assert_eq!(stop("length", true), stopped(StopReason::Length));
        assert_eq!(stop("content_filter", false), stopped(StopReason::Refused));
        assert!(matches!(stop("error", false), Err(AnswerError::CutOff(_))));
    }

    #[test]
    fn a_refusal_is_text_and_a_reason() {
        let mut assembler = Assembler::new(String::new());
        let chunk = json!({"choices": [{"delta": {"refusal": "no"}, "finish_reason": "stop"}]});
        assert_eq!(assembler.event(&chunk.to_string()).unwrap(), [StreamEvent::Text("no".to_owned())]);
        assert_eq!(assembler.end().unwrap(), [StreamEvent::Stop(StopReason::Refused)]);
    }

    #[test]
    fn a_refused_answer_calls_nothing() {
        let mut assembler = Assembler::new(String::new());
        let call = json!({"index": 0, "function": {"name": "t", "arguments": "{}"}});
        let chunk =
            json!({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": "content_filter"}]});
        assembler.event(&chunk.to_string()).unwrap();
        assert_eq!(assembler.end().unwrap(), [StreamEvent::Stop(StopReason::Refused)]);
    }

    #[test]
    fn too_many_calls_and_nameless_ones_are_errors() {
        let mut assembler = Assembler::new(String::new());
        let calls: Vec<Value> =
            (0..=MAX_CALLS).map(|index| json!({"index": index, "function": {"name": "t"}})).collect();
        let chunk = json!({"choices": [{"delta": {"tool_calls": calls}}]});
        assert!(matches!(assembler.event(&chunk.to_string()), Err(AnswerError::Broken(_))));

        let mut assembler = Assembler::new(String::new());
        assembler.event(r#"{"choices":[{"delta":{"tool_calls":[{}]},"finish_reason":"stop"}]}"#).unwrap();
        assert!(matches!(assembler.end(), Err(AnswerError::Broken(_))));
    }
}
