//! `chat.history`: a transcript in pages, from its end backwards.

use std::time::Duration;

use serde_json::Value;
use tidegate_protocol::params::{
    ChatHistory, ChatMessageGet, ChatMetadata, ChatStartup, SessionsGet, SessionsResolve,
};
use tidegate_protocol::payload::chat::{
    ChatHistoryPage, ChatHistoryReset, ChatHistoryResult, ChatMessage, ChatMessageGetResult,
    ChatMetadataResult, ChatStartupResult, ChatStartupUnresolved, ContentBlock, InputConsumption,
    InputReceipt, MessagePosition, PendingInputs, Reset,
};
use tidegate_protocol::payload::sessions::{SessionsGetResult, SessionsResolveResult};
use tidegate_protocol::{AgentId, ErrorShape, RunId, rpc};
use tidegate_store::{TranscriptEntry, TranscriptPage};

use super::session_lookup::resolve;
use super::{chat_commands, sessions};
use crate::dispatch::{Caller, Handler};
use crate::session_rows::row_payload;
use crate::transcript::entry_payload;

/// How many messages a page has when the client does not say.
const DEFAULT_LIMIT: u32 = 200;
/// The most messages of one page.
const MAX_LIMIT: u32 = 1000;
/// The most bytes of messages in one page.
const MAX_PAGE_BYTES: u64 = 6 * 1024 * 1024;
/// The fewest that a client may ask for: any message that was left out still has room.
const MIN_PAGE_BYTES: u64 = 1024;
/// The most bytes of one message; a larger one is left out by name.
const MAX_MESSAGE_BYTES: usize = 128 * 1024;
/// The most characters of one text when the client does not say.
const DEFAULT_MAX_CHARS: u32 = 12_000;
/// The same for a message that is asked for alone, and the most that a client may ask for.
const MESSAGE_CHARS: u32 = 1_000_000;
const MAX_MESSAGE_CHARS: u32 = 2_000_000;
/// The most bytes of such a message.
const MAX_MESSAGE_GET_BYTES: usize = 8 * 1024 * 1024;
/// How long a chat waits for its models, whose servers may have to be asked.
const METADATA_PATIENCE: Duration = Duration::from_millis(500);
/// The most runs whose messages one page tells of.
const MAX_INPUT_RUNS: usize = 50;

/// A page of a session's transcript. `offset` counts the messages after it; `nextOffset` asks for the
/// page before it.
impl Handler for rpc::ChatHistory {
    async fn handle(caller: &Caller, params: ChatHistory) -> Result<ChatHistoryResult, ErrorShape> {
        Ok(match page(caller, params).await? {
            Some(page) => ChatHistoryResult::Page(Box::new(page)),
            None => ChatHistoryResult::Reset(ChatHistoryReset { kind: Reset::Reset }),
        })
    }
}

/// The same with what a client shows beside it, also for a session of which only the beginning of its
/// UUID is known.
impl Handler for rpc::ChatStartup {
    async fn handle(caller: &Caller, params: ChatStartup) -> Result<ChatStartupResult, ErrorShape> {
        let (key, resolution) = match (params.session_key, params.short_id) {
            (Some(key), None) => (key, None),
            (None, Some(short_id)) => {
                let wanted = SessionsResolve {
                    short_id: Some(short_id),
                    agent_id: params.agent_id.map(|_| AgentId::default_agent()),
                    allow_missing: Some(true),
                    ..SessionsResolve::default()
                };
                // A client that knows no key yet follows all sessions.
                caller.gateway.inner().hub.watch_all(caller.session.connection());
                match resolve(caller, wanted).await? {
                    SessionsResolveResult::Resolved(resolved) => (resolved.key.clone(), Some(resolved)),
                    SessionsResolveResult::Unresolved(resolution) => {
                        return Ok(ChatStartupResult::Unresolved(ChatStartupUnresolved { resolution }));
                    }
                }
            }
            _ => {
                return Err(ErrorShape::invalid(
                    "invalid chat.startup params: exactly one of sessionKey and shortId is needed",
                ));
            }
        };
        let params = ChatHistory {
            agent_id: params.agent_id,
            limit: params.limit,
            max_chars: params.max_chars,
            max_bytes: params.max_bytes,
            cursor: params.cursor,
            offset: params.offset,
            input_run_ids: params.input_run_ids,
            message_id: params.message_id,
            session_id: params.session_id,
            ..ChatHistory::new(key)
        };
        let Some(page) = page(caller, params).await? else {
            return Ok(ChatStartupResult::Reset(ChatHistoryReset { kind: Reset::Reset }));
        };
        // A transcript without them is better than none, or than one that comes late.
        let metadata =
            tokio::time::timeout(METADATA_PATIENCE, metadata(caller)).await.ok().and_then(Result::ok);
        Ok(ChatStartupResult::Page(Box::new(ChatHistoryPage { metadata, resolution, ..page })))
    }
}

impl Handler for rpc::ChatMetadata {
    async fn handle(caller: &Caller, _: ChatMetadata) -> Result<ChatMetadataResult, ErrorShape> {
        metadata(caller).await
    }
}

async fn metadata(caller: &Caller) -> Result<ChatMetadataResult, ErrorShape> {
    let models = caller.gateway.inner().host.models().await?.models;
    Ok(ChatMetadataResult { commands: chat_commands::entries(), models })
}

/// A message as `chat.history` shows it, with more of its text.
impl Handler for rpc::ChatMessageGet {
    async fn handle(caller: &Caller, params: ChatMessageGet) -> Result<ChatMessageGetResult, ErrorShape> {
        let unavailable = |reason: &str| ChatMessageGetResult {
            ok: false,
            message: None,
            unavailable_reason: Some(reason.to_owned()),
        };
        let store = caller.store();
        let row = store.session(params.session_key).await?;
        let Some(row) = row else { return Ok(unavailable("not_found")) };
        let Some(entry) = store.entry(row.session_id, params.message_id).await? else {
            return Ok(unavailable("not_found"));
        };
        let mut message = entry_payload(&entry);
        shorten(&mut message, params.max_chars.unwrap_or(MESSAGE_CHARS).clamp(1, MAX_MESSAGE_CHARS) as usize);
        if measured(&message).1 > MAX_MESSAGE_GET_BYTES {
            return Ok(unavailable("oversized"));
        }
        Ok(ChatMessageGetResult { ok: true, message: Some(message), unavailable_reason: None })
    }
}

/// The newest messages, for clients that page by nothing.
impl Handler for rpc::SessionsGet {
    async fn handle(caller: &Caller, params: SessionsGet) -> Result<SessionsGetResult, ErrorShape> {
        let key = params.key.or(params.session_key);
        let key = key.ok_or_else(|| ErrorShape::invalid("invalid sessions.get params: key is missing"))?;
        let page = page(caller, ChatHistory { limit: params.limit, ..ChatHistory::new(key) }).await?;
        Ok(SessionsGetResult { messages: page.map(|page| page.messages).unwrap_or_default() })
    }
}

/// `None` for a cursor: they tell what is new since a page. This gateway gives none, so it is another's,
/// and the client begins again.
async fn page(caller: &Caller, params: ChatHistory) -> Result<Option<ChatHistoryPage>, ErrorShape> {
    refuse_contradictions(&params)?;
    let asked = asked_inputs(&params)?;
    if params.cursor.is_some() {
        return Ok(None);
    }
    let store = caller.store();
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let offset = params.offset.unwrap_or(0);
    let row = store.session(params.session_key.clone()).await?;
    let nothing = ChatHistoryPage {
        session_key: params.session_key.clone(),
        session_id: None,
        messages: Vec::new(),
        has_more: false,
        offset: params.offset.map(u64::from),
        next_offset: None,
        total_messages: 0,
        pending_inputs: None,
        defaults: sessions::defaults(caller).await,
        session_info: None,
        thinking_level: "off".to_owned(),
        input_receipts: asked.as_ref().map(|_| Vec::new()),
        input_consumptions: asked.as_ref().map(|_| Vec::new()),
        metadata: None,
        resolution: None,
    };
    let Some(row) = row else { return Ok(Some(nothing)) };
    let page = store.transcript_page(row.session_id.clone(), u64::from(offset), limit).await?;
    let fitted = Fitted::of(&page, u64::from(offset), &Bounds::of(&params));
    let (input_receipts, input_consumptions) = match asked {
        Some(runs) => {
            let (receipts, consumptions) =
                receipts(store.input_receipts(row.session_id.clone(), runs).await?);
            (Some(receipts), Some(consumptions))
        }
        None => (None, None),
    };
    Ok(Some(ChatHistoryPage {
        session_info: Some(row_payload(&row)),
        session_key: row.key,
        session_id: Some(row.session_id),
        messages: fitted.messages,
        has_more: fitted.next_offset.is_some(),
        next_offset: fitted.next_offset,
        total_messages: page.total,
        pending_inputs: Some(PendingInputs { items: Vec::new(), total: 0 }),
        input_receipts,
        input_consumptions,
        ..nothing
    }))
}

/// The runs whose messages a client asks about.
fn asked_inputs(params: &ChatHistory) -> Result<Option<Vec<RunId>>, ErrorShape> {
    let Some(asked) = &params.input_run_ids else { return Ok(None) };
    if asked.len() > MAX_INPUT_RUNS {
        let problem =
            format!("invalid chat.history params: at /inputRunIds: at most {MAX_INPUT_RUNS} are allowed");
        return Err(ErrorShape::invalid(problem));
    }
    // What is no id of a run has no receipt.
    Ok(Some(asked.iter().filter_map(|run| RunId::parse(run.clone()).ok()).collect()))
}

fn receipts(found: Vec<tidegate_store::InputReceipt>) -> (Vec<InputReceipt>, Vec<InputConsumption>) {
    let receipts = found.iter().map(|receipt| InputReceipt {
        run_id: receipt.run.clone(),
        state: if receipt.entry.is_some() { "consumed" } else { "pending" }.to_owned(),
        consumed_by_event_id: receipt.entry.clone(),
    });
    let receipts = receipts.collect();
    let consumed = found.into_iter().filter_map(|receipt| {
        Some(InputConsumption { run_id: receipt.run, consumed_by_event_id: receipt.entry? })
    });
    (receipts, consumed.collect())
}

fn refuse_contradictions(params: &ChatHistory) -> Result<(), ErrorShape> {
    let ChatHistory { offset, cursor, message_id, session_id, .. } = params;
    if offset.is_some() && message_id.is_some() {
        return Err(ErrorShape::invalid("offset and messageId cannot be used together"));
    }
    if cursor.is_some() && (offset.is_some() || message_id.is_some()) {
        return Err(ErrorShape::invalid("cursor cannot be used with offset or messageId"));
    }
    if session_id.is_some() && message_id.is_none() {
        return Err(ErrorShape::invalid("sessionId requires messageId"));
    }
    Ok(())
}

/// How large a page and its parts may be.
struct Bounds {
    page_bytes: usize,
    message_bytes: usize,
    text_chars: usize,
}

impl Bounds {
    fn of(params: &ChatHistory) -> Self {
        let asked = params.max_bytes.unwrap_or(MAX_PAGE_BYTES).clamp(MIN_PAGE_BYTES, MAX_PAGE_BYTES);
        let page_bytes = usize::try_from(asked).unwrap_or(usize::MAX);
        Self {
            page_bytes,
            message_bytes: MAX_MESSAGE_BYTES.min(page_bytes),
            text_chars: params.max_chars.unwrap_or(DEFAULT_MAX_CHARS).clamp(1, 500_000) as usize,
        }
    }
}

/// The newest messages of a page that are not too large together.
struct Fitted {
    messages: Vec<Value>,
    /// The offset of what is older, if anything is.
    next_offset: Option<u64>,
}

impl Fitted {
    fn of(page: &TranscriptPage, offset: u64, bounds: &Bounds) -> Self {
        let mut messages = Vec::with_capacity(page.entries.len());
        let mut bytes = 0;
        let mut next_offset = offset;
        for entry in page.entries.iter().rev() {
            let (message, size) = fitting(entry, bounds);
            bytes += size;
            // At least one, so that every page leads on.
            if bytes > bounds.page_bytes && !messages.is_empty() {
                break;
            }
            messages.push(message);
            next_offset = (page.total + 1).saturating_sub(entry.seq);
        }
        messages.reverse();
        Self { messages, next_offset: (next_offset < page.total).then_some(next_offset) }
    }
}

/// A message as clients see it, with its texts cut, and its length; in place of one that is too large even
/// so, a word that it was left out.
fn fitting(entry: &TranscriptEntry, bounds: &Bounds) -> (Value, usize) {
    let mut message = entry_payload(entry);
    shorten(&mut message, bounds.text_chars);
    let (whole, size) = measured(&message);
    if size <= bounds.message_bytes { (whole, size) } else { measured(&omitted(message)) }
}

/// What is still told of a message that is left out; none of it is long.
fn omitted(message: ChatMessage) -> ChatMessage {
    let ChatMessage { role, timestamp, position, tool_call_id, tool_name, is_error, .. } = message;
    let position = position.map(|position| MessagePosition {
        truncated: Some(true),
        reason: Some("oversized".to_owned()),
        ..position
    });
    ChatMessage {
        timestamp,
        position,
        tool_call_id,
        tool_name,
        is_error,
        ..ChatMessage::of_text(role, "[chat.history omitted: message too large]")
    }
}

fn measured(message: &ChatMessage) -> (Value, usize) {
    // Such a message always has a JSON form.
    let value = serde_json::to_value(message).unwrap_or_default();
    let size = value.to_string().len();
    (value, size)
}

/// Cuts the texts of a message.
fn shorten(message: &mut ChatMessage, max_chars: usize) {
    for block in &mut message.content {
        if let ContentBlock::Text { text } = block
            && text.chars().count() > max_chars
        {
            *text = text.chars().take(max_chars).chain(" [...]".chars()).collect();
        }
    }
}
