//! `sessions_history`: what was said in a session of the caller's tree.

use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_protocol::payload::chat::{ChatMessage, ContentBlock, MessageRole};
use tidegate_protocol::text::truncate_bytes;

use super::{OwnToolError, visible_session};
use crate::arguments::Arguments;
use crate::run::RunHandle;
use crate::runtime::Inner;
use crate::tool::ToolDescription;

const MOST: u64 = 1000;
const USUAL: u64 = 20;
/// The most characters of one message that the gateway may send.
const MESSAGE_CHARS: u64 = 500_000;
/// Bytes of a page's last line, which says how to go on.
const TRAILER: usize = 256;

pub(super) fn description() -> ToolDescription {
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

pub(super) async fn call(
    inner: &Inner,
    handle: &RunHandle,
    arguments: Value,
) -> Result<String, OwnToolError> {
    let arguments = Arguments::closed(arguments, &["sessionKey", "limit", "includeTools", "offset"])?;
    let session = visible_session(inner, handle.session(), arguments.required_text("sessionKey")?).await?;
    let limit = arguments.number("limit", MOST, "a whole number up to 1000")?.unwrap_or(USUAL).max(1);
    let with_tools = arguments.flag("includeTools")?.unwrap_or(false);
    let offset = arguments.number("offset", u64::MAX, "a whole number")?.unwrap_or(0);
    let params = json!({"sessionKey": session, "limit": limit, "maxChars": MESSAGE_CHARS});
    let answer = inner.subagents.call("chat.history", params).await?;
    let messages = Vec::<ChatMessage>::deserialize(&answer["messages"])
        .map_err(|error| OwnToolError::Refused(format!("the gateway's answer cannot be read: {error}")))?;
    let text: String = messages.iter().filter_map(|message| render(message, with_tools)).collect();
    let size = inner.limits.tool_result_bytes.saturating_sub(TRAILER).max(TRAILER);
    Ok(page(&text, usize::try_from(offset).unwrap_or(usize::MAX), size))
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
