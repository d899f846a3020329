//! The built-in model: a demo without intelligence, which says so at the start of every answer. It
//! is deterministic and drives tools, approvals and subagents, so that everything runs on a fresh
//! machine without a key. It understands these lines of the last message:
//!
//! ```text
//! /run COMMAND            run a command
//! /needs NEED,... COMMAND run a command that needs more than the sandbox
//! /read PATH              read a file
//! /ls [PATH]              list a directory
//! /glob PATTERN           find files by name
//! /grep PATTERN           search files
//! /write PATH TEXT        write a file; PATH has no blanks
//! /spawn [LABEL:] TASK    start a subagent; LABEL is at most 64 letters, digits, - and _
//! /list                   list the sessions
//! /history KEY            read a session's history
//! /status                 show this session's status
//! /demo                   explain these commands; /help does, too, where the gateway has none
//! ```
//!
//! Blanks around a line do not matter. All other lines are plain text.

mod grammar;
mod results;

use futures_util::future::BoxFuture;
use futures_util::stream;
use tidegate_agent::message::{Message, ToolCall};
use tidegate_agent::model::{
    Model, ModelError, ModelName, ModelRequest, ModelStream, StopReason, StreamEvent,
};
use tidegate_protocol::text::one_line;
use tidegate_store::Usage;

use grammar::{Line, lines};

/// What every answer begins with.
pub const PREFIX: &str = "Offline demo:";
/// The most characters of a person's text that an answer repeats.
const ECHO_CHARACTERS: usize = 400;
/// The most tool calls of one answer.
const MAX_CALLS: usize = 100;

const HELP: &str = "I am built in and have no intelligence. I understand these commands, one per line: \
/run COMMAND, /needs NEED,... COMMAND, /read PATH, /ls [PATH], /glob PATTERN, /grep PATTERN, /write PATH TEXT, /spawn [LABEL:] TASK, \
/list, /history KEY, /status, /demo, /help. \
To talk to a real model, start Ollama, LM Studio or llama.cpp on this computer, or add one with \
`tidegate models add`.";

/// The model. Every value is the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfflineModel;

impl OfflineModel {
    /// Its name, `offline/demo`.
    #[must_use]
    pub fn model_name() -> ModelName {
        ModelName { provider: "offline".to_owned(), model: "demo".to_owned() }
    }
}

impl Model for OfflineModel {
    fn name(&self) -> ModelName {
        Self::model_name()
    }

    fn stream(&self, request: ModelRequest) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        let events = reply(&request).into_iter().map(Ok);
        Box::pin(std::future::ready(Ok(Box::pin(stream::iter(events)) as ModelStream)))
    }
}

/// The whole answer to a request: words, then tool calls, tokens and the stop. Tokens are counted
/// as words. Only tools of the request are called.
#[must_use]
pub fn reply(request: &ModelRequest) -> Vec<StreamEvent> {
    let (text, calls) = answer(request);
    let text = format!("{PREFIX} {text}");
    let usage = Usage { input: words(&request.messages), output: count(text.split_whitespace()) };
    let stop = if calls.is_empty() { StopReason::Stop } else { StopReason::ToolUse };
    let pieces = text.split_inclusive(char::is_whitespace).map(|word| StreamEvent::Text(word.to_owned()));
    pieces
        .chain(calls.into_iter().map(StreamEvent::ToolCall))
        .chain([StreamEvent::Usage(usage), StreamEvent::Stop(stop)])
        .collect()
}

fn answer(request: &ModelRequest) -> (String, Vec<ToolCall>) {
    // What is new since the model last spoke.
    let spoke = request.messages.iter().rposition(|message| matches!(message, Message::Assistant { .. }));
    let (before, new) = request.messages.split_at(spoke.map_or(0, |at| at + 1));
    let mut text = results::sentences(before.last(), new);
    let said = new
        .iter()
        .rev()
        .find_map(|message| if let Message::User(said) = message { Some(said) } else { None });
    let mut calls = Vec::new();
    if let Some(said) = said {
        let (more, wanted) = follow(said, request);
        text.extend(more);
        calls = wanted;
    }
    if text.is_empty() {
        text.push("there is nothing new to answer.".to_owned());
    }
    (text.join("\n"), calls)
}

/// What is said about a message, and the calls that it asks for.
fn follow(said: &str, request: &ModelRequest) -> (Vec<String>, Vec<ToolCall>) {
    let (mut text, mut plain, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    let mut left_out = 0_usize;
    for line in lines(said) {
        match line {
            Line::Text(words) => plain.push(words),
            Line::Help => text.push(HELP.to_owned()),
            Line::Wrong { command, form: Some(form) } => {
                text.push(format!("{command} is written like this: {form}"));
            }
            Line::Wrong { command, form: None } => {
                text.push(format!("there is no command {}; /demo lists them.", one_line(command, 40)));
            }
            Line::Call(call) if !request.tools.iter().any(|tool| tool.name == call.tool) => {
                text.push(format!("I may not use the tool {} here.", call.tool));
            }
            Line::Call(_) if calls.len() == MAX_CALLS => left_out += 1,
            Line::Call(call) => calls.push(ToolCall {
                // Unique in the conversation, which only grows.
                id: format!("offline_{}_{}", request.messages.len(), calls.len()),
                name: call.tool.to_owned(),
                arguments: call.arguments.to_string(),
            }),
        }
    }
    if left_out > 0 {
        text.push(format!(
            "{left_out} commands are left out, because I call at most {MAX_CALLS} tools at once."
        ));
    }
    if !calls.is_empty() {
        let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        text.push(format!("calling {}.", names.join(", ")));
    } else if text.is_empty() {
        let echo = one_line(&plain.join(" "), ECHO_CHARACTERS);
        text.push(format!(
            "I have no intelligence and can only repeat what you said: \u{201c}{echo}\u{201d}. Write /demo for what I can do."
        ));
    }
    (text, calls)
}

fn words(messages: &[Message]) -> u64 {
    let texts = messages.iter().map(|message| match message {
        Message::System(text) | Message::User(text) | Message::Runtime(text) => text,
        Message::Assistant { text, .. } | Message::ToolResult { text, .. } => text,
    });
    texts.map(|text| count(text.split_whitespace())).sum()
}

fn count(items: impl Iterator) -> u64 {
    items.fold(0, |sum, _| sum + 1)
}
