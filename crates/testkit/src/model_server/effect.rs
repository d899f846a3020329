//! Answers in the form of the Chat Completions API.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::script::Step;

/// One thing that the server does while it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// These bytes leave.
    Send(Bytes),
    /// Nothing leaves for so long.
    Wait(Duration),
    /// Nothing leaves any more.
    Hang,
    /// The connection breaks.
    CutOff,
}

/// What a streamed answer does.
pub(super) fn effects(steps: &[Step]) -> Vec<Effect> {
    let mut calls = 0;
    let mut effects = Vec::new();
    for step in steps {
        match step {
            Step::Raw { text } => effects.push(Effect::Send(text.clone().into())),
            Step::Wait { ms } => effects.push(Effect::Wait(Duration::from_millis(*ms))),
            Step::Hang => effects.push(Effect::Hang),
            Step::CutOff => effects.push(Effect::CutOff),
            Step::Done => effects.push(Effect::Send("data: [DONE]\n\n".into())),
            Step::Text { text } => effects.push(delta(&json!({"content": text}))),
            Step::Thinking { text } => effects.push(delta(&json!({"reasoning_content": text}))),
            Step::ToolCall { id, name, arguments, pieces } => {
                effects.extend(call_deltas(calls, id.as_deref(), name, arguments, *pieces));
                calls += 1;
            }
            Step::Usage { input, output } => effects.push(chunk(json!([]), &usage(*input, *output))),
            Step::Finish { reason } => {
                let choice = json!([{"index": 0, "delta": {}, "finish_reason": reason}]);
                effects.push(chunk(choice, &Value::Null));
            }
        }
    }
    effects
}

/// The same bytes in two pieces, the first `position` bytes long.
pub(super) fn split(effects: &[Effect], position: usize) -> Vec<Effect> {
    let whole: Vec<u8> = effects
        .iter()
        .filter_map(|effect| if let Effect::Send(bytes) = effect { Some(&bytes[..]) } else { None })
        .flatten()
        .copied()
        .collect();
    let (first, second) = whole.split_at(position.min(whole.len()));
    // The pause lets the first piece leave the machine's buffers on its own.
    [
        Effect::Send(Bytes::copy_from_slice(first)),
        Effect::Wait(Duration::from_millis(1)),
        Effect::Send(Bytes::copy_from_slice(second)),
    ]
    .into_iter()
    .filter(|effect| !matches!(effect, Effect::Send(bytes) if bytes.is_empty()))
    .collect()
}

fn call_deltas(index: usize, id: Option<&str>, name: &str, arguments: &Value, pieces: usize) -> Vec<Effect> {
    let text = arguments.to_string();
    let characters: Vec<char> = text.chars().collect();
    let size = characters.len().div_ceil(pieces.max(1)).max(1);
    let parts = characters.chunks(size).map(|part| part.iter().collect::<String>());
    parts
        .enumerate()
        .map(|(position, part)| {
            let call = if position == 0 {
                let mut call = json!({"index": index, "type": "function", "function": {"name": name, "arguments": part}});
                if let Some(id) = id {
                    call["id"] = json!(id);
                }
                call
            } else {
                json!({"index": index, "function": {"arguments": part}})
            };
            delta(&json!({"tool_calls": [call]}))
        })
        .collect()
}

fn delta(delta: &Value) -> Effect {
    chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), &Value::Null)
}

fn chunk(choices: Value, usage: &Value) -> Effect {
    let body = json!({
        "id": "chatcmpl-script",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "scripted",
        "choices": choices,
        "usage": usage,
    });
    Effect::Send(format!("data: {body}\n\n").into())
}

fn usage(input: u64, output: u64) -> Value {
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

/// The body of an answer that is not streamed.
pub(super) fn plain(steps: &[Step]) -> Value {
    let (mut text, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
    let (mut reason, mut tokens) = (json!("stop"), Value::Null);
    for step in steps {
        match step {
            Step::Text { text: more } => text.push_str(more),
            Step::Thinking { text: more } => thinking.push_str(more),
            Step::ToolCall { id, name, arguments, .. } => calls.push(json!({
                "id": id,
                "type": "function",
                "function": {"name": name, "arguments": arguments.to_string()},
            })),
            Step::Usage { input, output } => tokens = usage(*input, *output),
            Step::Finish { reason: given } => reason = json!(given),
            Step::Done | Step::Raw { .. } | Step::Wait { .. } | Step::Hang | Step::CutOff => {}
        }
    }
    let mut message = json!({"role": "assistant", "content": text});
    if !thinking.is_empty() {
        message["reasoning_content"] = json!(thinking);
    }
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    json!({
        "id": "chatcmpl-script",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": tokens,
    })
}
