//! Messages of a transcript as clients see them.

use tidegate_protocol::TranscriptMessage;
use tidegate_protocol::payload::chat::{ChatMessage, MessagePosition};
use tidegate_store::TranscriptEntry;

/// A transcript entry as clients see it.
pub(crate) fn entry_payload(entry: &TranscriptEntry) -> ChatMessage {
    let message = ChatMessage::from(&entry.message);
    let is_user = matches!(entry.message, TranscriptMessage::User { .. });
    let idempotency_key = entry.run.as_ref().filter(|_| is_user).map(|run| format!("{run}:user"));
    ChatMessage {
        timestamp: message.timestamp.or(Some(entry.at)),
        position: Some(MessagePosition {
            id: entry.id.clone(),
            seq: entry.seq,
            run_id: entry.run.clone(),
            idempotency_key: idempotency_key.clone(),
            truncated: None,
            reason: None,
        }),
        idempotency_key,
        ..message
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidegate_agent::inbox_message;
    use tidegate_protocol::payload::chat::{ContentBlock, MessageRole};
    use tidegate_protocol::{RunId, SessionKey, UnixMillis};
    use tidegate_store::{InboxRow, Outcome};

    use super::*;

    fn report(label: Option<&str>, outcome: Outcome, text: &str) -> TranscriptEntry {
        let row = InboxRow {
            id: 1,
            session: SessionKey::parse("main").expect("valid"),
            source: RunId::parse("child-run").expect("valid"),
            source_session: SessionKey::parse("agent:main:subagent:1").expect("valid"),
            label: label.map(str::to_owned),
            outcome,
            text: text.to_owned(),
            consumed_at_seq: None,
            at: UnixMillis(1),
        };
        entry(inbox_message(&row, UnixMillis(7)))
    }

    fn entry(message: TranscriptMessage) -> TranscriptEntry {
        TranscriptEntry { id: "e1".to_owned(), seq: 4, run: None, message, at: UnixMillis(7) }
    }

    #[test]
    fn a_subagents_report_is_one_sentence_and_stays_beside_its_source() {
        for (label, outcome, sentence) in [
            (Some("alpha"), Outcome::Ok, "The subagent \"alpha\" has finished."),
            (Some("alpha"), Outcome::Interrupted, "The subagent \"alpha\" was interrupted."),
            (None, Outcome::TimedOut, "A subagent ran out of time."),
            (None, Outcome::Error, "A subagent has failed."),
        ] {
            let shown = entry_payload(&report(label, outcome, "result-of-alpha"));
            assert_eq!(shown.role, MessageRole::System);
            assert_eq!(shown.content, [ContentBlock::Text { text: sentence.to_owned() }]);
            let kept = shown.source.and_then(|source| source.report).expect("a report");
            assert!(kept.contains("result-of-alpha") && kept.contains("<untrusted-data"), "{kept}");
        }
    }

    #[test]
    fn what_else_the_runtime_says_is_shown_as_it_is() {
        let note = entry_payload(&entry(TranscriptMessage::runtime("Not worked on.", UnixMillis(7))));

        assert_eq!((note.role, note.text().as_str()), (MessageRole::System, "Not worked on."));
    }

    #[test]
    fn a_damaged_message_has_a_place_a_time_and_a_sentence() {
        let shown = entry_payload(&entry(TranscriptMessage::of_stored("{")));

        assert_eq!((shown.role, shown.timestamp), (MessageRole::System, Some(UnixMillis(7))));
        assert_eq!(shown.position.as_ref().map(|position| position.seq), Some(4));
        assert!(shown.text().contains("cannot be shown"), "{}", shown.text());
    }

    proptest! {
        #[test]
        fn nothing_that_a_subagent_says_is_in_the_sentence(label in "[a-z ]{0,300}", text in "[A-Z0-9<>\n]{3,200}") {
            let shown = entry_payload(&report(Some(&label), Outcome::Ok, &text));
            let sentence = shown.text();
            prop_assert!(!sentence.contains(&text) && sentence.len() < 160, "{sentence}");
        }
    }
}
