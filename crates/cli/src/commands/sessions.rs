//! `sessions`.

mod workspace;

use serde::Deserialize;
use serde_json::Value;
use tidegate_protocol::params::{ChatAbort, ChatHistory, SessionsDelete, SessionsList};
use tidegate_protocol::payload::chat::{ChatHistoryPage, ChatHistoryResult};
use tidegate_protocol::payload::sessions::{SessionStatus, SessionsListResult};
use tidegate_protocol::text::one_line;
use tidegate_protocol::{SessionKey, UnixMillis, rpc};

pub(super) use self::workspace::choose_first as choose_workspace_first;
use super::Context;
use crate::arguments::SessionsCommand;
use crate::client::Wire;
use crate::failure::Failure;
use crate::layout::Table;
use crate::times;

/// The most sessions that are listed.
const MAX_LISTED: u32 = 500;
/// The most characters of one text of a conversation.
const MAX_CHARS: u32 = 500_000;
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
        SessionsCommand::Workspace { key, folder: None, default: false, .. } => {
            workspace::show(context, key).await
        }
        SessionsCommand::Workspace { key, folder, yes, .. } => {
            workspace::choose(context, key, folder.as_deref(), *yes).await
        }
    }
}

async fn list<W: Wire>(context: &mut Context<'_, W>) -> Result<(), Failure> {
    let params = SessionsList { limit: Some(MAX_LISTED), ..SessionsList::default() };
    let list = context.client.ask::<rpc::SessionsList>(&params).await?;
    let now = context.now();
    context.show(&list, || render_list(&list, now))
}

fn render_list(list: &SessionsListResult, now: UnixMillis) -> String {
    if list.sessions.is_empty() {
        return "There is no session yet. `tidegate agent --message TEXT` begins one.\n".to_owned();
    }
    let mut table = Table::new(&["CHANGED", "STATE", "TOKENS", "LABEL", "KEY"]);
    for session in &list.sessions {
        let (state, label) =
            (session.status.map_or("-", state_name), session.label.as_deref().unwrap_or("-"));
        let changed = times::ago(now, session.updated_at);
        table.row([&changed, state, &session.total_tokens.to_string(), label, session.key.as_str()]);
    }
    let shown = u64::try_from(list.sessions.len()).unwrap_or(u64::MAX);
    let more = match list.total_count > shown {
        true => format!("\nThe newest {shown} of {} sessions.\n", list.total_count),
        false => String::new(),
    };
    format!("{}{more}", table.render())
}

fn state_name(state: SessionStatus) -> &'static str {
    match state {
        SessionStatus::Running => "running",
        SessionStatus::Done => "done",
        SessionStatus::Failed => "failed",
        SessionStatus::Killed => "killed",
        SessionStatus::Timeout => "timeout",
    }
}

/// A message of a transcript, read leniently: it was stored by whatever version ran then, and one field
/// that this one does not know must not hide a conversation.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Message {
    role: String,
    content: Content,
    tool_name: Option<String>,
    is_error: bool,
    error_message: Option<String>,
    timestamp: Option<UnixMillis>,
    source: Source,
}

/// Where a message of the runtime comes from.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Source {
    /// What a subagent reported; the message itself says only that it has ended.
    report: Option<String>,
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

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Block {
    text: Option<String>,
    name: Option<String>,
    arguments: Value,
}

async fn show<W: Wire>(context: &mut Context<'_, W>, key: &SessionKey, limit: u32) -> Result<(), Failure> {
    let params =
        ChatHistory { limit: Some(limit), max_chars: Some(MAX_CHARS), ..ChatHistory::new(key.clone()) };
    let page = match context.client.ask::<rpc::ChatHistory>(&params).await? {
        ChatHistoryResult::Page(page) if page.session_id.is_some() => page,
        // There is no reset without a cursor.
        ChatHistoryResult::Page(_) | ChatHistoryResult::Reset(_) => return Err(no_session(key)),
    };
    let zone = context.surroundings.zone;
    context.show(&page, || render_history(&page, |at| times::wall(at, &zone())))
}

fn no_session(key: &SessionKey) -> Failure {
    Failure::Failed(format!("There is no session {key}. `tidegate sessions list` shows them."))
}

fn render_history(history: &ChatHistoryPage, wall: impl Fn(UnixMillis) -> String) -> String {
    let mut text = String::new();
    if history.has_more {
        text.push_str("(Earlier messages are left out; --limit shows more.)\n\n");
    }
    for message in &history.messages {
        let Ok(message) = Message::deserialize(message) else {
            text.push_str("(This message is of another version, and cannot be shown; --json shows it.)\n\n");
            continue;
        };
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
        if let Some(report) = &message.source.report {
            push_text(&mut text, report, is_tool);
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

async fn delete<W: Wire>(context: &mut Context<'_, W>, key: &SessionKey) -> Result<(), Failure> {
    let params = SessionsDelete::new(key.clone());
    let answer = context.client.ask::<rpc::SessionsDelete>(&params).await?;
    if !answer.deleted {
        return Err(no_session(key));
    }
    context.done(&answer, "Deleted, with its conversation.", None)
}

async fn cancel<W: Wire>(context: &mut Context<'_, W>, key: &SessionKey) -> Result<(), Failure> {
    let params =
        ChatAbort { session_key: key.clone(), run_id: None, agent_id: None, preserve_side_runs: None };
    let answer = context.client.ask::<rpc::ChatAbort>(&params).await?;
    let sentence = match answer.run_ids.len() {
        0 => "Nothing was running there.".to_owned(),
        1 => "Stopped one run.".to_owned(),
        count => format!("Stopped {count} runs."),
    };
    context.done(&answer, &sentence, None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_protocol::SessionId;
    use tidegate_protocol::payload::sessions::SessionModelDefaults;

    use super::*;

    #[test]
    fn a_conversation_is_indented_so_that_no_line_can_pass_for_a_speaker() {
        let messages = json!([
            { "role": "user", "content": [{ "type": "text", "text": "hi\n\nsystem  2020\u{1b}[1m" }], "timestamp": 0 },
            { "role": "assistant", "content": [
                { "type": "text", "text": "I look." },
                { "type": "toolCall", "id": "1", "name": "read", "arguments": { "path": "a\nb" } },
            ]},
            { "role": "toolResult", "toolName": "read", "isError": true, "content": [{ "type": "text", "text": "no\nsuch" }] },
            { "role": 7 },
            { "role": "system", "content": [{ "type": "text", "text": "A subagent has finished." }],
              "source": { "kind": "subagent", "report": "status: ok\nuser  THEN" } },
        ]);
        let page = ChatHistoryPage {
            session_key: SessionKey::parse("main").unwrap(),
            session_id: Some(SessionId::parse("s").unwrap()),
            messages: messages.as_array().unwrap().clone(),
            has_more: true,
            offset: None,
            next_offset: Some(4),
            total_messages: 5,
            pending_inputs: None,
            defaults: SessionModelDefaults { model_provider: None, model: None, context_tokens: None },
            session_info: None,
            thinking_level: "off".to_owned(),
            input_receipts: None,
            input_consumptions: None,
            metadata: None,
            resolution: None,
        };

        let text = render_history(&page, |_| "THEN".to_owned());

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
             \x20 no\\u{a}such\n\
             \n(This message is of another version, and cannot be shown; --json shows it.)\n\n\
             system\n\
             \x20 A subagent has finished.\n\
             \x20 status: ok\n\
             \x20 user  THEN\n\n"
        );
    }
}
