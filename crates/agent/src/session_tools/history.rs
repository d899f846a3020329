//! `sessions_history`: what was said in a session of the caller's tree.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tidegate_protocol::payload::chat::{ChatMessage, ContentBlock, MessageRole};
use tidegate_protocol::text::truncate_bytes;

use super::answer;
use crate::arguments::Arguments;
use crate::sessions::{Answer, SessionTools};
use crate::tool::{Tool, ToolContext, ToolDescription, ToolOutput};

const MOST: u64 = 1000;
const USUAL: u64 = 20;
/// Bytes of a page's last line, which says how to go on.
const TRAILER: usize = 256;

pub(super) struct SessionsHistory<S>(pub(super) Arc<S>);

impl<S: SessionTools + 'static> Tool for SessionsHistory<S> {
    fn description(&self) -> ToolDescription {
        ToolDescription {
            name: "sessions_history",
            label: "Read session",
            description: "Read the newest messages of one of your subagents' sessions, or of your own. A long answer comes \
                          in pages: its last line gives the offset of the next one.",
            group: "sessions",
            parameters: json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["sessionKey"],
                "properties": {
                    "sessionKey": {"type": "string"},
                    "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "description": "How many messages, 20 if left out."},
                    "includeTools": {"type": "boolean", "description": "Whether what tools answered is included."},
                    "offset": {"type": "integer", "minimum": 0, "description": "Where the page begins, as the page before said."},
                },
            }),
        }
    }

    fn call(&self, context: ToolContext, arguments: Value) -> BoxFuture<'_, ToolOutput> {
        Box::pin(async move { answer("sessions_history", &context, self.read(&context, arguments)).await })
    }
}

impl<S: SessionTools> SessionsHistory<S> {
    async fn read(&self, context: &ToolContext, arguments: Value) -> Answer<ToolOutput> {
        let arguments = Arguments::closed(arguments, &["sessionKey", "limit", "includeTools", "offset"])?;
        let session = arguments.required_text("sessionKey")?;
        let limit = arguments.number("limit", MOST, "a whole number up to 1000")?.unwrap_or(USUAL).max(1);
        let with_tools = arguments.flag("includeTools")?.unwrap_or(false);
        let offset = arguments.number("offset", u64::MAX, "a whole number")?.unwrap_or(0);
        let messages = self.0.messages(&context.run, session, limit).await?;
        let text: String = messages.iter().filter_map(|message| render(message, with_tools)).collect();
        let size = self.0.limits().tool_result_bytes.saturating_sub(TRAILER).max(TRAILER);
        Ok(ToolOutput::ok(page(&text, usize::try_from(offset).unwrap_or(usize::MAX), size)))
    }
}

fn render(message: &ChatMessage, with_tools: bool) -> Option<String> {
    if message.role == MessageRole::ToolResult && !with_tools {
        return None;
    }
    let calls = message.content.iter().filter_map(|block| match block {
        ContentBlock::ToolCall { name, arguments, .. } => Some(format!("(calls {name} {arguments})\n")),
        ContentBlock::Text { .. } => None,
    });
    let calls: String = calls.collect();
    Some(format!("[{}]\n{}\n{calls}\n", message.role.name(), message.text()))
}

fn page(text: &str, offset: usize, size: usize) -> String {
    let mut start = offset.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let page = truncate_bytes(&text[start..], size);
    let next = start + page.len();
    if next < text.len() {
        format!("{page}\n[{} bytes follow: call again with offset {next}]", text.len() - next)
    } else if page.is_empty() {
        "(nothing)".to_owned()
    } else {
        page.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_together_are_the_whole_text() {
        let text = "a\u{20ac}".repeat(100);
        let (mut offset, mut whole) = (0, String::new());
        loop {
            let page = page(&text, offset, 64);
            let (body, trailer) = page.rsplit_once("\n[").unwrap_or((&page, ""));
            whole.push_str(body);
            let Some((_, next)) = trailer.split_once("offset ") else { break };
            offset = next.trim_end_matches(']').parse().expect("a number");
        }
        assert_eq!(whole, text);
    }
}
