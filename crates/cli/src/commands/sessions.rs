//! `sessions`.

use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_protocol::text::one_line;
use tidegate_protocol::{Method, SessionKey, UnixMillis};

use super::Context;
use crate::arguments::SessionsCommand;
use crate::client::{Wire, read};
use crate::failure::Failure;
use crate::layout::Table;
use crate::moments;

/// The most sessions that are listed.
const MAX_LISTED: u32 = 500;
/// The most characters of a tool's arguments or result that are shown; `--json` shows all.
const TOOL_TEXT: usize = 200;

pub(super) async fn run<W: Wire>(
    context: &mut Context<'_, W>,
    command: &SessionsCommand,
) -> Result<(), Failure> {
    match command {
        SessionsCommand::List => list(context).await,
        SessionsCommand::Show { key, limit } => show(context, key, *limit).await,
        SessionsCommand::Delete { key } => delete(context, key).await,
        SessionsCommand::Cancel { key } => cancel(context, key).await,
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sessions {
    #[serde(default)]
    sessions: Vec<Session>,
    #[serde(default)]
    total_count: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    key: String,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    updated_at: UnixMillis,
    #[serde(default)]
    total_tokens: u64,
}

async fn list<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let method = Method::SessionsList;
    let answer = context.client.call(method, json!({ "limit": MAX_LISTED })).await?;
    let now = context.now();
    context.show(&answer, || Ok(render_list(&read(method.name(), answer.clone())?, now)))
}

fn render_list(list: &Sessions, now: UnixMillis) -> String {
    if list.sessions.is_empty() {
        return "There is no session yet. `tidegate agent --message TEXT` begins one.\n".to_owned();
    }
    let mut table = Table::new(&["CHANGED", "STATE", "TOKENS", "LABEL", "KEY"]);
    for session in &list.sessions {
        let (state, label) =
            (session.status.as_deref().unwrap_or("-"), session.label.as_deref().unwrap_or("-"));
        let changed = moments::ago(now, session.updated_at);
        table.row([&changed, state, &session.total_tokens.to_string(), label, &session.key]);
    }
    let shown = u64::try_from(list.sessions.len()).unwrap_or(u64::MAX);
    let more = match list.total_count > shown {
        true => format!("\nThe newest {shown} of {} sessions.\n", list.total_count),
        false => String::new(),
    };
    format!("{}{more}", table.render())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(default)]
    role: String,
    #[serde(default)]
    content: Content,
    #[serde(default)]
    tool_name: Option<String>,
    #[serde(default)]
    is_error: bool,
    #[serde(default)]
    error_message: Option<String>,
    #[serde(default)]
    timestamp: Option<UnixMillis>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Blocks(Vec::new())
    }
}

#[derive(Debug, Deserialize)]
struct Block {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Value,
}

async fn show<W: Wire>(context: &mut Context<'_, W>, key: &SessionKey, limit: u32) -> Result<(), Failure> {
    let method = Method::ChatHistory;
    let params = json!({ "sessionKey": key, "limit": limit, "maxChars": 500_000 });
    let answer = context.client.call(method, params).await?;
    let history: History = read(method.name(), answer.clone())?;
    if history.session_id.is_none() {
        return Err(Failure::Failed(format!(
            "There is no session {key}. `tidegate sessions list` shows them."
        )));
    }
    let zone = context.surroundings.zone;
    context.show(&answer, || Ok(render_history(&history, |at| moments::wall(at, &zone()))))
}

fn render_history(history: &History, wall: impl Fn(UnixMillis) -> String) -> String {
    let mut text = String::new();
    if history.has_more {
        text.push_str("(Earlier messages are left out; --limit shows more.)\n\n");
    }
    for message in &history.messages {
        let who = match (message.role.as_str(), &message.tool_name) {
            ("toolResult", Some(tool)) => {
                format!("tool {}{}", one_line(tool, 64), if message.is_error { " (failed)" } else { "" })
            }
            (role, _) => one_line(role, 64),
        };
        let at = message.timestamp.map(|at| format!("  {}", wall(at))).unwrap_or_default();
        text.push_str(&format!("{who}{at}\n"));
        let is_tool = message.role == "toolResult";
        match &message.content {
            Content::Text(content) => push_text(&mut text, content, is_tool),
            Content::Blocks(blocks) => blocks.iter().for_each(|block| push_block(&mut text, block, is_tool)),
        }
        if let Some(error) = &message.error_message {
            push_text(&mut text, &format!("Error: {error}"), true);
        }
        text.push('\n');
    }
    if history.messages.is_empty() {
        text.push_str("Nothing was said yet.\n");
    }
    text
}

fn push_block(text: &mut String, block: &Block, is_tool: bool) {
    if let Some(content) = &block.text {
        push_text(text, content, is_tool);
    } else if let Some(name) = &block.name {
        let arguments = one_line(&block.arguments.to_string(), TOOL_TEXT);
        text.push_str(&format!("  [calls {} {arguments}]\n", one_line(name, 64)));
    }
}

/// Indents what someone said, so that no line of it can pass for a headline.
fn push_text(text: &mut String, content: &str, is_short: bool) {
    if is_short {
        text.push_str(&format!("  {}\n", one_line(content, TOOL_TEXT)));
        return;
    }
    for line in content.lines() {
        text.push_str(&format!("  {}\n", one_line(&line.replace('\t', "    "), usize::MAX)));
    }
}

#[derive(Deserialize)]
struct Deleted {
    #[serde(default)]
    deleted: bool,
}

async fn delete<W: Wire>(context: &mut Context<'_, W>, key: &SessionKey) -> Result<(), Failure> {
    let method = Method::SessionsDelete;
    let answer = context.client.call(method, json!({ "key": key })).await?;
    let result: Deleted = read(method.name(), answer.clone())?;
    if !result.deleted {
        return Err(Failure::Failed(format!(
            "There is no session {key}. `tidegate sessions list` shows them."
        )));
    }
    context.done(&answer, "Deleted, with its conversation.")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Aborted {
    #[serde(default)]
    run_ids: Vec<String>,
}

async fn cancel<W: Wire>(context: &mut Context<'_, W>, key: &SessionKey) -> Result<(), Failure> {
    let method = Method::ChatAbort;
    let answer = context.client.call(method, json!({ "sessionKey": key })).await?;
    let result: Aborted = read(method.name(), answer.clone())?;
    let sentence = match result.run_ids.len() {
        0 => "Nothing was running there.".to_owned(),
        1 => "Stopped one run.".to_owned(),
        count => format!("Stopped {count} runs."),
    };
    context.done(&answer, &sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_indented_so_that_no_line_can_pass_for_a_speaker() {
        let answer = json!({
            "sessionId": "s", "hasMore": true,
            "messages": [
                { "role": "user", "content": [{ "type": "text", "text": "hi\n\nsystem  2020\u{1b}[1m" }], "timestamp": 0 },
                { "role": "assistant", "content": [
                    { "type": "text", "text": "I look." },
                    { "type": "toolCall", "id": "1", "name": "read", "arguments": { "path": "a\nb" } },
                ]},
                { "role": "toolResult", "toolName": "read", "isError": true, "content": [{ "type": "text", "text": "no\nsuch" }] },
            ],
        });

        let text = render_history(&serde_json::from_value(answer).unwrap(), |_| "THEN".to_owned());

        assert_eq!(
            text,
            "(Earlier messages are left out; --limit shows more.)\n\
             \nuser  THEN\n\
             \x20 hi\n\
             \x20 \n\
             \x20 system  2020\\u{1b}[1m\n\
             \nassistant\n\
             \x20 I look.\n\
             \x20 [calls read {\"path\":\"a\\nb\"}]\n\
             \ntool read (failed)\n\
             \x20 no\\u{a}such\n\n"
        );
    }
}
