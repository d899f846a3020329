//! What the offline model says about tool results and about the results of subagents.

use serde_json::Value;
use tidegate_agent::message::{Message, ToolCall};
use tidegate_agent::untrusted::TAG;
use tidegate_protocol::text::one_line;

/// The most characters of a subagent's result that an answer repeats.
const RESULT_CHARACTERS: usize = 200;
/// The most characters of a tool's result that an answer repeats.
const TOOL_CHARACTERS: usize = 400;
/// How the runtime begins the message with a subagent's result.
const SUBAGENT_MARK: &str = "Your subagent ";

/// A sentence for each result among the `new` messages, of which `asked` is the answer before.
pub(super) fn sentences(asked: Option<&Message>, new: &[Message]) -> Vec<String> {
    let calls = match asked {
        Some(Message::Assistant { calls, .. }) => calls.as_slice(),
        _ => &[],
    };
    let mut sentences = Vec::new();
    let mut started = false;
    for message in new {
        match message {
            Message::ToolResult { call_id, name, text, is_error } => {
                let call = calls.iter().find(|call| call.id == *call_id);
                let key = if *is_error { None } else { started_session(name, text) };
                started |= key.is_some();
                sentences.push(match key {
                    Some(key) => start_sentence(&key, call),
                    None => tool_sentence(name, text, *is_error),
                });
            }
            Message::Runtime(text) => sentences.extend(child_sentence(text)),
            Message::System(_) | Message::User(_) | Message::Assistant { .. } => {}
        }
    }
    if started {
        sentences.push("I answer when their results arrive.".to_owned());
    }
    sentences
}

/// The key of the session that a call of `sessions_spawn` started.
fn started_session(tool: &str, text: &str) -> Option<String> {
    let receipt: Value = serde_json::from_str(unframed(text)).ok()?;
    let key = receipt["childSessionKey"].as_str()?;
    (tool == "sessions_spawn" && receipt["status"] == "accepted").then(|| one_line(key, RESULT_CHARACTERS))
}

fn start_sentence(key: &str, call: Option<&ToolCall>) -> String {
    let arguments: Value =
        call.and_then(|call| serde_json::from_str(&call.arguments).ok()).unwrap_or_default();
    match arguments["label"].as_str() {
        Some(label) => format!("started the subagent {} ({key}).", one_line(label, 80)),
        None => format!("started a subagent ({key})."),
    }
}

fn tool_sentence(name: &str, text: &str, is_error: bool) -> String {
    let verb = if is_error { "failed" } else { "answered" };
    format!("{} {verb}: {}", one_line(name, 80), one_line(unframed(text).trim(), TOOL_CHARACTERS))
}

/// What the runtime tells about a subagent that ended: its name, how it ended and what it said.
fn child_sentence(message: &str) -> Option<String> {
    let (first, rest) = message.split_once('\n')?;
    let name = first.strip_prefix(SUBAGENT_MARK)?.strip_suffix(" has ended.")?;
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    let status = rest.lines().find_map(|line| line.strip_prefix("status: ")).unwrap_or("unknown");
    Some(format!(
        "the subagent {} ended ({}): {}",
        one_line(name, 120),
        one_line(status, 40),
        one_line(unframed(rest).trim(), RESULT_CHARACTERS)
    ))
}

/// The text inside the first frame for untrusted text, or all of it when there is no frame.
fn unframed(text: &str) -> &str {
    let open = format!("<{TAG} ");
    let close = format!("\n</{TAG} ");
    let inside = || {
        let (_, rest) = text.split_once(&open)?;
        let (_, body) = rest.split_once(">\n")?;
        body.rsplit_once(&close).map(|(body, _)| body)
    };
    inside().unwrap_or(text)
}
