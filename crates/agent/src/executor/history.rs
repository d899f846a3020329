//! How much of a session's past a model reads: the newest that fits, cut where a person spoke.

use tidegate_protocol::SessionId;
use tidegate_store::{Store, StoreError, TranscriptEntry};

use crate::message::Message;
use crate::untrusted::head_and_tail;

/// How often a conversation that a model finds too long is halved.
pub(crate) const SHRINK_ATTEMPTS: u32 = 3;

/// Entries that are read at once.
const PAGE: u32 = 200;

/// What stays of a tool result that has to be shortened, in bytes.
const SHORT_RESULT: usize = 2048;

/// Tool results that are shortened last.
const NEWEST_RESULTS: usize = 3;

/// Bytes of conversation that fit into a model: three per token, which leaves a quarter of the
/// window for instructions, tools and the answer with usual text.
pub(crate) fn budget(context_window: Option<u32>, unknown: usize) -> usize {
    context_window.map_or(unknown, |tokens| usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(3))
}

/// The newest entries before `before` that fit into `bytes`, oldest first. Reads no more than that.
pub(crate) async fn before(
    store: &Store,
    session: &SessionId,
    before: Option<u64>,
    bytes: usize,
) -> Result<Vec<TranscriptEntry>, StoreError> {
    let (mut pages, mut before, mut size) = (Vec::new(), before, 0);
    loop {
        let page = store.transcript(session.clone(), before, PAGE).await?;
        let Some(first) = page.first().map(|entry| entry.seq) else { break };
        size += page.iter().map(stored_bytes).sum::<usize>();
        pages.push(page);
        if first <= 1 || size >= bytes {
            break;
        }
        before = Some(first);
    }
    Ok(pages.into_iter().rev().flatten().collect())
}

fn stored_bytes(entry: &TranscriptEntry) -> usize {
    serde_json::to_string(&entry.message).map_or(0, |text| text.len())
}

/// The newest messages that fit into `bytes`, beginning with a message of a person or of the
/// runtime where possible. The last such message always stays, with everything after it; where even
/// that is too much, tool results are shortened.
pub(crate) fn fit(messages: Vec<Message>, bytes: usize) -> Vec<Message> {
    let opens = |message: &Message| matches!(message, Message::User(_) | Message::Runtime(_));
    let (mut size, mut keep_from) = (0, None);
    for (index, message) in messages.iter().enumerate().rev() {
        size += length(message);
        if keep_from.is_some() && size > bytes {
            break;
        }
        if opens(message) {
            keep_from = Some(index);
        }
    }
    let mut kept = match keep_from {
        Some(first @ 1..) => {
            let note = "The beginning of this conversation is left out because it is too long.";
            let note = Message::Runtime(note.to_owned());
            std::iter::once(note).chain(messages.into_iter().skip(first)).collect()
        }
        _ => messages,
    };
    shorten_results(&mut kept, bytes, NEWEST_RESULTS);
    shorten_results(&mut kept, bytes, 0);
    kept
}

/// Shortens what tools answered, oldest first, until the messages fit into `bytes` or only the
/// newest `spared` results are whole. The ends of a result stay, and with them its frame.
fn shorten_results(messages: &mut [Message], bytes: usize, spared: usize) {
    let mut size: usize = messages.iter().map(length).sum();
    let results = messages.iter().filter(|message| matches!(message, Message::ToolResult { .. })).count();
    let texts = messages.iter_mut().filter_map(|message| match message {
        Message::ToolResult { text, .. } => Some(text),
        _ => None,
    });
    for text in texts.take(results.saturating_sub(spared)) {
        if size <= bytes {
            return;
        }
        let short = head_and_tail(text, SHORT_RESULT, "call the tool again if you need it");
        size = size.saturating_sub(text.len().saturating_sub(short.len()));
        if short.len() < text.len() {
            *text = short;
        }
    }
}

fn length(message: &Message) -> usize {
    match message {
        Message::System(text)
        | Message::User(text)
        | Message::Runtime(text)
        | Message::ToolResult { text, .. } => text.len(),
        Message::Assistant { text, calls } => {
            text.len() + calls.iter().map(|call| call.arguments.len() + call.name.len()).sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ToolCall;

    fn user(text: &str) -> Message {
        Message::User(text.to_owned())
    }

    fn says(text: &str) -> Message {
        Message::Assistant { text: text.to_owned(), calls: vec![] }
    }

    #[test]
    fn a_conversation_that_fits_is_whole() {
        let messages = vec![user("a"), says("b")];
        assert_eq!(fit(messages.clone(), 100), messages);
    }

    #[test]
    fn a_long_conversation_loses_its_oldest_turns_and_says_so() {
        let messages = vec![user(&"a".repeat(90)), says("b"), user("c"), says("d")];
        let fitted = fit(messages, 50);
        assert!(matches!(&fitted[0], Message::Runtime(note) if note.contains("left out")));
        assert_eq!(fitted[1..], [user("c"), says("d")]);
    }

    #[test]
    fn the_newest_turn_stays_even_when_it_alone_is_too_long() {
        let call = ToolCall { id: "1".to_owned(), name: "read".to_owned(), arguments: "{}".to_owned() };
        let result = Message::ToolResult {
            call_id: "1".to_owned(),
            name: "read".to_owned(),
            text: "x".repeat(500),
            is_error: false,
        };
        let messages = vec![
            user("old"),
            says("old"),
            user("new"),
            Message::Assistant { text: String::new(), calls: vec![call] },
            result,
        ];
        assert_eq!(fit(messages.clone(), 10)[1..], messages[2..]);
    }

    #[test]
    fn old_tool_results_of_a_long_turn_are_shortened_and_stay_framed() {
        let result = |index: usize| Message::ToolResult {
            call_id: index.to_string(),
            name: "read".to_owned(),
            text: crate::untrusted::frame("tool", &"x".repeat(10_000)),
            is_error: false,
        };
        let messages: Vec<_> = std::iter::once(user("go")).chain((0..6).map(result)).collect();
        let fitted = fit(messages.clone(), 45_000);
        let lengths: Vec<usize> = fitted[1..].iter().map(length).collect();
        assert!(lengths[..2].iter().all(|&length| length < 3_000), "{lengths:?}");
        assert_eq!(fitted[3..], messages[3..]);
        let Message::ToolResult { text, .. } = &fitted[1] else { panic!("{fitted:?}") };
        assert!(text.starts_with("<untrusted-data") && text.contains("</untrusted-data"));
    }
}
