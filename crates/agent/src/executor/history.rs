//! How much of a session's past a model reads: the newest that fits, cut where a person spoke.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::json;
use tidegate_protocol::{SessionId, UnixMillis};
use tidegate_store::{Store, StoreError, TranscriptEntry};

use crate::message::Message;
use crate::model::{Model, ModelName};
use crate::sync::lock;
use crate::untrusted::{head_and_tail, head_and_tail_in_frame};

/// Entries that are read at once.
const PAGE: u32 = 200;

/// What stays of a tool result that has to be shortened, in bytes.
const SHORT_RESULT: usize = 2048;

/// Tool results that are shortened last.
const NEWEST_RESULTS: usize = 3;

/// What stays at least of a part that has to be shortened, in bytes. A frame around it comes on top.
const SHORTEST_PART: usize = 512;

/// The least that is left of a conversation, in bytes. Where a model does not take that, it is not the conversation
/// that is too long.
const SMALLEST_BUDGET: usize = 512;

/// How long it is known what a model accepts, in milliseconds. The server may have been started again with a larger
/// window.
const KNOWN_FOR: u64 = 60 * 60 * 1000;

/// How many bytes of instructions and conversation models accepted after they had refused more, and when.
#[derive(Debug, Default)]
pub(crate) struct AcceptedSizes(Mutex<HashMap<ModelName, (usize, UnixMillis)>>);

impl AcceptedSizes {
    /// Bytes of conversation that a model is sent behind so many bytes of instructions: three for each token that it
    /// can read, which leaves a quarter of the window for instructions, tools and the answer with usual text;
    /// `unknown` where the window is not known. Less where it refused that.
    pub(crate) fn budget(
        &self,
        model: &dyn Model,
        instructions: usize,
        unknown: usize,
        now: UnixMillis,
    ) -> usize {
        let window = model.context_window().map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX));
        let budget = window.map_or(unknown, |tokens| tokens.saturating_mul(3));
        let mut known = lock(&self.0);
        known.retain(|_, (_, at)| now.0.saturating_sub(at.0) < KNOWN_FOR);
        let Some((accepted, _)) = known.get(&model.name()) else { return budget };
        budget.min(accepted.saturating_sub(instructions).max(SMALLEST_BUDGET))
    }

    /// Remembers what a model accepted. What it refused says nothing: something else may be too long.
    pub(crate) fn accepted(&self, model: ModelName, bytes: usize, now: UnixMillis) {
        lock(&self.0).insert(model, (bytes, now));
    }
}

/// What is sent instead of so many bytes of conversation that a model refused; `None` when it cannot be less.
pub(crate) fn less_than(refused: usize) -> Option<usize> {
    (refused > SMALLEST_BUDGET).then(|| (refused / 2).max(SMALLEST_BUDGET))
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
/// runtime where possible. Of what begins with the last such message, tool results are shortened first, then
/// whatever is longest, then the oldest tool calls are left out. That message itself and the last call stay.
pub(crate) fn fit(messages: Vec<Message>, bytes: usize) -> Vec<Message> {
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
    shorten_longest(&mut kept, bytes);
    leave_calls_out(&mut kept, bytes);
    kept
}

/// What a conversation takes of a budget.
pub(crate) fn total(messages: &[Message]) -> usize {
    messages.iter().map(length).sum()
}

fn opens(message: &Message) -> bool {
    matches!(message, Message::User(_) | Message::Runtime(_))
}

/// Shortens what tools answered, oldest first, until the messages fit into `bytes` or only the
/// newest `spared` results are whole. The ends of a result stay, and with them its frame.
fn shorten_results(messages: &mut [Message], bytes: usize, spared: usize) {
    let mut size = total(messages);
    let results = messages.iter().filter(|message| matches!(message, Message::ToolResult { .. })).count();
    let texts = messages.iter_mut().filter_map(|message| match message {
        Message::ToolResult { text, .. } => Some(text),
        _ => None,
    });
    for text in texts.take(results.saturating_sub(spared)) {
        if size <= bytes {
            return;
        }
        let short = head_and_tail_in_frame(text, SHORT_RESULT, "call the tool again if you need it");
        size = size.saturating_sub(text.len().saturating_sub(short.len()));
        if short.len() < text.len() {
            *text = short;
        }
    }
}

/// Shortens every part that is longer than a limit, which is halved until the messages fit into `bytes` or nothing
/// may be shorter.
fn shorten_longest(messages: &mut [Message], bytes: usize) {
    let mut limit = bytes.max(2 * SHORTEST_PART);
    while total(messages) > bytes && limit > SHORTEST_PART {
        limit = (limit / 2).max(SHORTEST_PART);
        for message in &mut *messages {
            shorten(message, limit);
        }
    }
}

fn shorten(message: &mut Message, limit: usize) {
    let hint = "this is longer than you can read at once";
    let (text, short) = match message {
        Message::Runtime(text) | Message::ToolResult { text, .. } => {
            let short = head_and_tail_in_frame(text, limit, hint);
            (text, short)
        }
        Message::System(text) | Message::User(text) | Message::Assistant { text, .. } => {
            let short = head_and_tail(text, limit, hint);
            (text, short)
        }
    };
    if short.len() < text.len() {
        *text = short;
    }
    let Message::Assistant { calls, .. } = message else { return };
    for call in calls.iter_mut().filter(|call| call.arguments.len() > limit) {
        // Servers refuse arguments that are no JSON object.
        call.arguments =
            json!({ "leftOut": format!("{} bytes of arguments", call.arguments.len()) }).to_string();
    }
}

/// Leaves the oldest tool calls out, each answer of the model with all its results, until the messages fit into
/// `bytes`. The last answer and what it asked for stay.
fn leave_calls_out(messages: &mut Vec<Message>, bytes: usize) {
    let is_answer = |message: &Message| matches!(message, Message::Assistant { .. });
    let mut size = total(messages);
    let Some(last) = messages.iter().rposition(is_answer) else { return };
    let Some(first) = messages.iter().position(is_answer) else { return };
    let mut end = first;
    while size > bytes && end < last {
        size -= length(&messages[end]);
        end += 1;
        while end < last && matches!(messages[end], Message::ToolResult { .. }) {
            size -= length(&messages[end]);
            end += 1;
        }
        // What a person said meanwhile is not left out.
        if opens(&messages[end]) {
            break;
        }
    }
    if end > first {
        let note =
            "Earlier tool calls and their results are left out here because the conversation is too long.";
        messages.splice(first..end, [Message::Runtime(note.to_owned())]);
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
    use proptest::prelude::*;

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
    fn the_newest_turn_stays_with_short_parts_even_when_they_are_too_long() {
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

    #[test]
    fn a_message_that_alone_is_too_long_is_cut_in_its_middle_and_says_so() {
        let fitted = fit(vec![user(&format!("begin {} end", "x".repeat(30_000)))], 4_000);

        let [Message::User(text)] = &fitted[..] else { panic!("{fitted:?}") };
        assert!(text.len() <= 4_000, "{}", text.len());
        assert!(
            text.starts_with("begin") && text.ends_with("end") && text.contains("bytes left out"),
            "{text}"
        );
    }

    #[test]
    fn long_arguments_become_an_object_that_says_so() {
        let call = ToolCall { arguments: format!("{{\"content\":\"{}\"}}", "x".repeat(9_000)), ..call(1) };
        let asks = Message::Assistant { text: String::new(), calls: vec![call] };

        let fitted = fit(vec![user("write it"), asks, answer(1, "done")], 2_000);

        let Message::Assistant { calls, .. } = &fitted[1] else { panic!("{fitted:?}") };
        let arguments: serde_json::Value = serde_json::from_str(&calls[0].arguments).expect("JSON");
        assert_eq!(arguments, json!({ "leftOut": "9014 bytes of arguments" }));
    }

    #[test]
    fn of_many_calls_the_oldest_are_left_out_with_their_results() {
        let mut messages = vec![user("the task")];
        for number in 0..50 {
            messages.push(Message::Assistant { text: String::new(), calls: vec![call(number)] });
            messages.push(answer(number, &"x".repeat(400)));
        }

        let fitted = fit(messages.clone(), 4_000);

        assert!(total(&fitted) < 4_200, "{}", total(&fitted));
        assert_eq!(fitted[0], user("the task"));
        assert!(matches!(&fitted[1], Message::Runtime(note) if note.contains("left out")), "{fitted:?}");
        assert_eq!(fitted[fitted.len() - 2..], messages[messages.len() - 2..]);
    }

    #[test]
    fn what_was_refused_is_halved_until_nothing_is_left_to_halve() {
        let sizes: Vec<_> = std::iter::successors(Some(4_100), |&sent| less_than(sent)).collect();

        assert_eq!(sizes, [4_100, 2_050, 1_025, 512]);
    }

    #[test]
    fn a_shortened_result_of_a_subagent_stays_framed() {
        let framed = crate::untrusted::frame("subagent", &"x".repeat(5_000));
        let (opening, rest) = framed.split_once('\n').expect("a frame");
        let closing = rest.rsplit_once('\n').expect("a frame").1;
        let result = format!("Your subagent {:?} has ended.\n{framed}", "n".repeat(400));

        let fitted = fit(vec![Message::Runtime(result)], 100);

        let [Message::Runtime(text)] = &fitted[..] else { panic!("{fitted:?}") };
        assert!(text.len() < 1_300, "{}", text.len());
        assert!(text.contains(opening) && text.ends_with(closing), "{text}");
    }

    fn call(number: usize) -> ToolCall {
        ToolCall { id: number.to_string(), name: "read".to_owned(), arguments: "{}".to_owned() }
    }

    fn answer(number: usize, text: &str) -> Message {
        let (call_id, name) = (number.to_string(), "read".to_owned());
        Message::ToolResult { call_id, name, text: text.to_owned(), is_error: false }
    }

    proptest! {
        /// Servers refuse a result without its call and a call without its result.
        #[test]
        fn whatever_is_left_out_calls_and_results_stay_together(
            turns in prop::collection::vec((0..3usize, 0..4_000usize, 0..4_000usize), 1..30),
            bytes in 0..20_000usize,
        ) {
            let mut messages = Vec::new();
            for (index, &(calls, long, longer)) in turns.iter().enumerate() {
                if index == 0 || calls == 0 {
                    messages.push(user(&"u".repeat(long)));
                }
                let numbers = (0..calls).map(|number| index * 10 + number);
                let calls = numbers.clone().map(call).collect();
                messages.push(Message::Assistant { text: "a".repeat(longer), calls });
                messages.extend(numbers.map(|number| answer(number, &"r".repeat(longer))));
            }

            let fitted = fit(messages.clone(), bytes);

            let mut open: Vec<String> = Vec::new();
            for message in &fitted {
                match message {
                    Message::Assistant { calls, .. } => {
                        prop_assert!(open.is_empty());
                        open = calls.iter().map(|call| call.id.clone()).collect();
                    }
                    Message::ToolResult { call_id, .. } => prop_assert_eq!(&open.remove(0), call_id),
                    _ => prop_assert!(open.is_empty()),
                }
            }
            prop_assert!(open.is_empty());
            let kind = |message: Option<&Message>| message.map(std::mem::discriminant);
            prop_assert_eq!(kind(fitted.last()), kind(messages.last()));
            if total(&messages) <= bytes {
                prop_assert_eq!(fitted, messages);
            }
        }
    }
}
