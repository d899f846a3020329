//! Looking at what runs left in the store.

use std::collections::HashMap;

use tidegate_protocol::transcript::RuntimeSource;
use tidegate_protocol::{SessionKey, TranscriptMessage};
use tidegate_store::{RunState, Store, TranscriptEntry};

/// The most entries of one transcript that a test looks at.
const ALL: u32 = 100_000;

/// The current transcript of a session.
///
/// # Panics
/// When the store cannot be read.
pub async fn transcript(store: &Store, session: &SessionKey) -> Vec<TranscriptEntry> {
    match store.session(session.clone()).await.unwrap() {
        Some(row) => store.transcript(row.session_id, None, ALL).await.unwrap(),
        None => Vec::new(),
    }
}

/// How often each child run's result is in a transcript.
#[must_use]
pub fn results(entries: &[TranscriptEntry]) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    for entry in entries {
        if let TranscriptMessage::Runtime { source: Some(RuntimeSource::Subagent { run_id, .. }), .. } =
            &entry.message
        {
            *found.entry(run_id.to_string()).or_default() += 1;
        }
    }
    found
}

/// The results of tool calls of one tool, as they are in a transcript.
#[must_use]
pub fn tool_results(entries: &[TranscriptEntry], tool: &str) -> Vec<String> {
    let text = |entry: &TranscriptEntry| match &entry.message {
        TranscriptMessage::ToolResult { tool_name, text, .. } if tool_name == tool => Some(text.clone()),
        _ => None,
    };
    entries.iter().filter_map(text).collect()
}

/// Checks that every child of a session has ended, that each has exactly one inbox row there, that
/// each row which was read is in the transcript exactly once, and that nothing else is. Gives the
/// number of children.
///
/// # Panics
/// When it is not so.
pub async fn check_children(store: &Store, session: &SessionKey) -> usize {
    let children = store.children(session.clone(), None).await.unwrap();
    let inbox = store.inbox(session.clone()).await.unwrap();
    for child in &children {
        assert!(
            matches!(child.state, RunState::Terminal(_)),
            "{} has not ended: {:?}",
            child.id,
            child.state
        );
        let rows = inbox.iter().filter(|row| row.source == child.id).count();
        assert_eq!(rows, 1, "the run {} of {session} has {rows} inbox rows", child.id);
    }
    assert_eq!(inbox.len(), children.len(), "the inbox of {session} has rows of strangers");
    let found = results(&transcript(store, session).await);
    for row in &inbox {
        let times = found.get(row.source.as_str()).copied().unwrap_or(0);
        let wanted = usize::from(row.consumed_at_seq.is_some());
        assert_eq!(
            times, wanted,
            "{session}: the result of {} is in the transcript {times} times",
            row.source
        );
    }
    children.len()
}
