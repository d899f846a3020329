//! A question in the form of the Chat Completions API.

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
        tool_call_id: &'a str,
        content: &'a str,
    },
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct WireCall<'a> {
    id: &'a str,
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
                tool_calls: calls.iter().map(wire_call).collect(),
            }),
            Message::ToolResult { call_id, text, .. } => {
                wire.push(WireMessage::Tool { tool_call_id: call_id, content: text });
            }
        }
    }
    wire
}

fn wire_call(call: &ToolCall) -> WireCall<'_> {
    let function = WireFunction { name: &call.name, arguments: &call.arguments };
    WireCall { id: &call.id, r#type: "function", function }
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
                    {"id": "1", "type": "function", "function": {"name": "read", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "1", "content": "content"},
            ],
            "tools": [{"type": "function", "function":
                {"name": "read", "description": "reads", "parameters": {"type": "object"}}}],
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        assert_eq!(serde_json::to_value(body("m", &request, true)).unwrap(), expected);
    }

    #[test]
    fn a_question_without_tools_names_none() {
        let request = ModelRequest { messages: vec![], tools: vec![] };
        let value = serde_json::to_value(body("m", &request, false)).unwrap();
        assert_eq!(value, json!({"model": "m", "messages": [], "stream": true}));
    }
}
