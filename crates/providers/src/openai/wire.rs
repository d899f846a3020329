//! A question in the form of the Chat Completions API.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;
use tidegate_agent::message::{Message, ToolCall};
use tidegate_agent::model::ModelRequest;

#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: Vec<WireMessage<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WireTool<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum WireMessage<'a> {
    System {
        content: String,
    },
    User {
        content: String,
    },
    Assistant {
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<WireCall<'a>>,
    },
    Tool {
        tool_call_id: String,
        content: &'a str,
    },
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct WireCall<'a> {
    id: String,
    r#type: &'static str,
    function: WireFunction<'a>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct WireFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Debug, Serialize)]
struct WireTool<'a> {
    r#type: &'static str,
    function: WireToolFunction<'a>,
}

#[derive(Debug, Serialize)]
struct WireToolFunction<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
}

/// The body of a request. `ask_usage` asks for token counts in a way that a few servers refuse.
pub(super) fn body<'a>(model: &'a str, request: &'a ModelRequest, ask_usage: bool) -> Body<'a> {
    let tools = request.tools.iter().map(|tool| WireTool {
        r#type: "function",
        function: WireToolFunction {
            name: tool.name,
            description: tool.description,
            parameters: &tool.parameters,
        },
    });
    Body {
        model,
        messages: messages(&request.messages),
        tools: tools.collect(),
        stream: true,
        stream_options: ask_usage.then_some(StreamOptions { include_usage: true }),
    }
}

/// Many chat templates take one system message, at the start only, and no two user messages in a
/// row: instructions are joined at the start, and what the runtime says goes with what users say.
fn messages(messages: &[Message]) -> Vec<WireMessage<'_>> {
    let system: Vec<&str> = messages
        .iter()
        .filter_map(|message| if let Message::System(text) = message { Some(text.as_str()) } else { None })
        .collect();
    let mut wire = Vec::with_capacity(messages.len() + 1);
    let mut ids = CallIds::default();
    if !system.is_empty() {
        wire.push(WireMessage::System { content: system.join("\n\n") });
    }
    for message in messages {
        match message {
            Message::System(_) => {}
            Message::User(text) | Message::Runtime(text) => match wire.last_mut() {
                Some(WireMessage::User { content }) => {
                    content.push_str("\n\n");
                    content.push_str(text);
                }
                _ => wire.push(WireMessage::User { content: text.clone() }),
            },
            Message::Assistant { text, calls } if text.is_empty() && calls.is_empty() => {}
            Message::Assistant { text, calls } => wire.push(WireMessage::Assistant {
                content: (!text.is_empty()).then_some(text),
                tool_calls: calls.iter().map(|call| wire_call(call, ids.of_call(&call.id))).collect(),
            }),
            Message::ToolResult { call_id, text, .. } => {
                wire.push(WireMessage::Tool { tool_call_id: ids.of_result(call_id), content: text });
            }
        }
    }
    wire
}

/// The ids under which calls are sent, by their place in the conversation: no two are the same, whatever server
/// made them, and each has the form that the strictest takes (Mistral: nine letters and digits).
#[derive(Default)]
struct CallIds<'a> {
    /// Of each id the number that it stands for last.
    numbers: HashMap<&'a str, usize>,
    count: usize,
}

impl<'a> CallIds<'a> {
    fn of_call(&mut self, id: &'a str) -> String {
        self.count += 1;
        self.numbers.insert(id, self.count);
        Self::text(self.count)
    }

    fn of_result(&mut self, id: &'a str) -> String {
        match self.numbers.get(id) {
            Some(number) => Self::text(*number),
            // Its call is not sent: it keeps its own place.
            None => self.of_call(id),
        }
    }

    fn text(number: usize) -> String {
        format!("call{number:05}")
    }
}

fn wire_call(call: &ToolCall, id: String) -> WireCall<'_> {
    let function = WireFunction { name: &call.name, arguments: &call.arguments };
    WireCall { id, r#type: "function", function }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tidegate_agent::tool::ToolDescription;

    #[test]
    fn a_question_has_the_apis_form() {
        let call = ToolCall { id: "1".to_owned(), name: "read".to_owned(), arguments: "{}".to_owned() };
        let request = ModelRequest {
            messages: vec![
                Message::System("be brief".to_owned()),
                Message::User("hi".to_owned()),
                Message::Runtime("a child ended".to_owned()),
                Message::Assistant { text: String::new(), calls: vec![call] },
                Message::ToolResult {
                    call_id: "1".to_owned(),
                    name: "read".to_owned(),
                    text: "content".to_owned(),
                    is_error: false,
                },
                Message::System("and kind".to_owned()),
            ],
            tools: vec![ToolDescription {
                name: "read",
                label: "Read",
                description: "reads",
                group: "fs",
                parameters: json!({"type": "object"}),
            }],
        };
        let expected = json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "be brief\n\nand kind"},
                {"role": "user", "content": "hi\n\na child ended"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "call00001", "type": "function", "function": {"name": "read", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "call00001", "content": "content"},
            ],
            "tools": [{"type": "function", "function":
                {"name": "read", "description": "reads", "parameters": {"type": "object"}}}],
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        assert_eq!(serde_json::to_value(body("m", &request, true)).unwrap(), expected);
    }

    #[test]
    fn calls_are_sent_under_ids_of_one_form_and_results_under_those_of_their_calls() {
        let call =
            |id: &str| ToolCall { id: id.to_owned(), name: "t".to_owned(), arguments: "{}".to_owned() };
        let round = |ids: &[&str]| {
            let calls = ids.iter().map(|id| call(id)).collect();
            let result = |id: &&str| Message::ToolResult {
                call_id: (*id).to_owned(),
                name: "t".to_owned(),
                text: (*id).to_owned(),
                is_error: false,
            };
            let asked = Message::Assistant { text: String::new(), calls };
            std::iter::once(asked).chain(ids.iter().map(result)).collect::<Vec<_>>()
        };
        let long = "chatcmpl-tool-0123456789abcdef0123456789abcdef";
        // The same id again in a later answer is another call.
        let conversation = [round(&[long, "b"]), round(&["b"])].concat();

        let sent = serde_json::to_value(messages(&conversation)).unwrap();

        let ids: Vec<&str> = sent
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|message| {
                let calls = message["tool_calls"].as_array().into_iter().flatten();
                let of_calls = calls.filter_map(|call| call["id"].as_str());
                of_calls.chain(message["tool_call_id"].as_str()).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(ids, ["call00001", "call00002", "call00001", "call00002", "call00003", "call00003"]);
    }

    #[test]
    fn a_question_without_tools_names_none() {
        let request = ModelRequest { messages: vec![], tools: vec![] };
        let value = serde_json::to_value(body("m", &request, false)).unwrap();
        assert_eq!(value, json!({"model": "m", "messages": [], "stream": true}));
    }
}
