//! Messages of a transcript as clients see them.

use serde_json::{Map, Value, json};
use tidegate_protocol::text::one_line;
use tidegate_store::TranscriptEntry;

/// A transcript entry as clients see it.
pub(crate) fn entry_payload(entry: &TranscriptEntry) -> Value {
    let mut body = entry.body.clone();
    if let Some(body) = body.as_object_mut() {
        // What the runtime told the model is no role that clients know.
        if body.get("role").and_then(Value::as_str) == Some("runtime") {
            body.insert("role".to_owned(), json!("system"));
        }
        if let Some(sentence) = ended_subagent(&entry.body) {
            put_sentence(body, &sentence);
        }
        let mut position = json!({ "id": entry.id, "seq": entry.seq, "runId": entry.run });
        if let (Some("user"), Some(run)) = (body.get("role").and_then(Value::as_str), &entry.run) {
            let key = json!(format!("{run}:user"));
            position["idempotencyKey"] = key.clone();
            body.insert("idempotencyKey".to_owned(), key);
        }
        body.insert("__openclaw".to_owned(), position);
    }
    body
}

/// The plain text of a message, as clients see it.
pub(crate) fn plain_text(entry: &TranscriptEntry) -> String {
    ended_subagent(&entry.body).unwrap_or_else(|| text_of(&entry.body["content"]))
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().filter_map(|block| block.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// Puts a sentence in the place of a subagent's report, which is written for the model: OpenClaw's clients
/// draw a message as it is, and its gateway hides such reports from them. Who shows more finds it in `source`.
fn put_sentence(body: &mut Map<String, Value>, sentence: &str) {
    let report = body.insert("content".to_owned(), json!([{ "type": "text", "text": sentence }]));
    if let (Some(report), Some(source)) = (report, body.get_mut("source")) {
        source["report"] = json!(text_of(&report));
    }
}

/// What a person reads of the subagent whose report a message is.
fn ended_subagent(body: &Value) -> Option<String> {
    let source = &body["source"];
    if body["role"] != "runtime" || source["kind"] != "subagent" {
        return None;
    }
    let name = match source["label"].as_str() {
        Some(label) => format!("The subagent \"{}\"", one_line(label, 120)),
        None => "A subagent".to_owned(),
    };
    let outcome = match source["status"].as_str() {
        Some("ok") => "has finished",
        Some("timed_out") => "ran out of time",
        Some("cancelled") => "was cancelled",
        Some("interrupted") => "was interrupted",
        _ => "has failed",
    };
    Some(format!("{name} {outcome}."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidegate_agent::inbox_message;
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

    fn entry(body: Value) -> TranscriptEntry {
        TranscriptEntry { id: "e1".to_owned(), seq: 4, run: None, body, at: UnixMillis(7) }
    }

    #[test]
    fn a_subagents_report_is_one_sentence_and_stays_beside_its_source() {
        for (label, outcome, sentence) in [
            (Some("alpha"), Outcome::Ok, "The subagent \"alpha\" has finished."),
            (Some("alpha"), Outcome::Interrupted, "The subagent \"alpha\" was interrupted."),
            (None, Outcome::TimedOut, "A subagent ran out of time."),
            (None, Outcome::Error, "A subagent has failed."),
        ] {
            let entry = report(label, outcome, "result-of-alpha");
            let shown = entry_payload(&entry);
            assert_eq!(shown["role"], "system");
            assert_eq!(shown["content"], json!([{ "type": "text", "text": sentence }]));
            assert_eq!(plain_text(&entry), sentence);
            let kept = shown["source"]["report"].as_str().expect("a report");
            assert!(kept.contains("result-of-alpha") && kept.contains("<untrusted-data"), "{kept}");
        }
    }

    #[test]
    fn what_else_the_runtime_says_is_shown_as_it_is() {
        let note =
            entry(json!({ "role": "runtime", "content": [{ "type": "text", "text": "Not worked on." }] }));

        assert_eq!(entry_payload(&note)["content"], note.body["content"]);
        assert_eq!(plain_text(&note), "Not worked on.");
    }

    proptest! {
        #[test]
        fn nothing_that_a_subagent_says_is_in_the_sentence(label in "[a-z ]{0,300}", text in "[A-Z0-9<>\n]{3,200}") {
            let shown = entry_payload(&report(Some(&label), Outcome::Ok, &text));
            let sentence = shown["content"][0]["text"].as_str().expect("text");
            prop_assert!(!sentence.contains(&text) && sentence.len() < 160, "{sentence}");
        }
    }
}
