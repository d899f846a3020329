//! `chat.history`: a transcript in pages, from its end backwards (protocol section 15, appendix C).

use serde_json::{Value, json};
use tidegate_protocol::params::ChatHistory;
use tidegate_protocol::payload::chat::{
    ChatHistoryPage, ChatHistoryReset, ChatHistoryResult, PendingInputs, Reset,
};
use tidegate_protocol::{ErrorShape, rpc};
use tidegate_store::{TranscriptEntry, TranscriptPage};

use super::{sessions, store_error};
use crate::dispatch::{Caller, Handler};

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
/// What is still told of a message that is left out; none of it is long.
const KEPT_OF_OVERSIZED: [&str; 7] =
    ["role", "content", "timestamp", "__openclaw", "toolCallId", "toolName", "isError"];
/// The most characters of one text when the client does not say.
const DEFAULT_MAX_CHARS: u32 = 12_000;

/// A page of a session's transcript. `offset` counts the messages after it; `nextOffset` asks for the
/// page before it.
impl Handler for rpc::ChatHistory {
    async fn handle(caller: &Caller, params: ChatHistory) -> Result<ChatHistoryResult, ErrorShape> {
        refuse_contradictions(&params)?;
        // Cursors tell what is new since a page. This gateway gives none, so this one is another's: the
        // client begins again.
        if params.cursor.is_some() {
            return Ok(ChatHistoryResult::Reset(ChatHistoryReset { kind: Reset::Reset }));
        }
        let store = caller.gateway.inner().gatekeeper.store();
        let limit = params.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
        let offset = params.offset.unwrap_or(0);
        let row = store.session(params.session_key.clone()).await.map_err(|error| store_error(&error))?;
        let Some(row) = row else {
            return Ok(ChatHistoryResult::Page(Box::new(ChatHistoryPage {
                session_key: params.session_key,
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
            })));
        };
        let page = store.transcript_page(row.session_id.clone(), u64::from(offset), limit).await;
        let page = page.map_err(|error| store_error(&error))?;
        let fitted = Fitted::of(&page, u64::from(offset), &Bounds::of(&params));
        Ok(ChatHistoryResult::Page(Box::new(ChatHistoryPage {
            session_info: Some(sessions::row_payload(&row)),
            session_key: row.key,
            session_id: Some(row.session_id),
            messages: fitted.messages,
            has_more: fitted.next_offset.is_some(),
            offset: params.offset.map(u64::from),
            next_offset: fitted.next_offset,
            total_messages: page.total,
            pending_inputs: Some(PendingInputs { items: Vec::new(), total: 0 }),
            defaults: sessions::defaults(caller).await,
            thinking_level: "off".to_owned(),
        })))
    }
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
            let message = fitting(entry, bounds);
            bytes += message.to_string().len();
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

/// A message as clients see it, with its texts cut; in place of one that is too large even so, a
/// word that it was left out.
fn fitting(entry: &TranscriptEntry, bounds: &Bounds) -> Value {
    let mut message = sessions::entry_payload(entry);
    shorten(&mut message, bounds.text_chars);
    if message.to_string().len() <= bounds.message_bytes {
        return message;
    }
    message["content"] = json!([{ "type": "text", "text": "[chat.history omitted: message too large]" }]);
    message["__openclaw"]["truncated"] = json!(true);
    message["__openclaw"]["reason"] = json!("oversized");
    if let Some(fields) = message.as_object_mut() {
        fields.retain(|name, _| KEPT_OF_OVERSIZED.contains(&name.as_str()));
    }
    message
}

/// Cuts the texts of a message.
fn shorten(message: &mut Value, max_chars: usize) {
    let Some(blocks) = message.get_mut("content").and_then(Value::as_array_mut) else { return };
    for block in blocks {
        if let Some(Value::String(text)) = block.get_mut("text")
            && text.chars().count() > max_chars
        {
            *text = text.chars().take(max_chars).chain(" [...]".chars()).collect();
        }
    }
}
