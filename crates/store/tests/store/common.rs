//! Short ways to say what most tests need.

use serde_json::{Value, json};
use tidegate_protocol::payload::chat::MessageUsage;
use tidegate_protocol::transcript::{
    AnswerEnd, AssistantAuthor, AssistantContent, ModelAnswer, RecordedCall,
};
use tidegate_protocol::{RunId, SessionId, SessionKey, TranscriptMessage, UnixMillis};
use tidegate_store::{
    BegunRun, NewRun, OpenOptions, Outcome, ParentEdge, RunRow, Settlement, StartedRun, Store,
    TranscriptEntry, Usage,
};

pub(crate) const MAIN: &str = "agent:main:main";

pub(crate) fn at(millis: u64) -> UnixMillis {
    UnixMillis(millis)
}

pub(crate) fn key(text: &str) -> SessionKey {
    SessionKey::parse(text).expect("session key")
}

pub(crate) fn run_id(text: &str) -> RunId {
    RunId::parse(text).expect("run id")
}

pub(crate) fn session_id(text: &str) -> SessionId {
    SessionId::parse(text).expect("session id")
}

/// A session id that belongs to the run's name alone.
pub(crate) fn fresh_id(name: &str) -> SessionId {
    let text: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    session_id(&format!("t-{text}"))
}

pub(crate) fn options() -> OpenOptions {
    OpenOptions { at: at(1), ..OpenOptions::default() }
}

pub(crate) fn user(text: &str) -> TranscriptMessage {
    TranscriptMessage::user(text, at(50))
}

/// What a model said, with these calls: ids, tools and arguments.
pub(crate) fn assistant(calls: &[(&str, &str, Value)]) -> TranscriptMessage {
    let calls = calls.iter().map(|(id, name, arguments)| RecordedCall {
        id: (*id).to_owned(),
        name: (*name).to_owned(),
        arguments: arguments.clone(),
    });
    TranscriptMessage::Assistant {
        content: AssistantContent { text: "working".to_owned(), calls: calls.collect() },
        timestamp: at(50),
        author: AssistantAuthor::Model(ModelAnswer {
            api: "openai-completions".to_owned(),
            provider: "test".to_owned(),
            model: "model".to_owned(),
            usage: MessageUsage { input: 1, output: 1, total_tokens: 2 },
            stop_reason: AnswerEnd::ToolUse,
            error_message: None,
        }),
    }
}

pub(crate) fn new_run(id: &str, session: &str) -> NewRun {
    NewRun {
        id: run_id(id),
        session: key(session),
        new_session_id: fresh_id(id),
        parent: None,
        label: None,
        input: Some(user(&format!("do {id}"))),
        spec: json!({ "model": "test" }),
        boot: "boot-1".to_owned(),
        at: at(100),
    }
}

pub(crate) fn edge(run: &str, session: &str) -> ParentEdge {
    ParentEdge {
        run: run_id(run),
        session: key(session),
        depth: 1,
        workspace: None,
        max_active_children: 100,
        max_descendants: 1_000,
    }
}

/// A child of `parent`, which runs in the main session, in a session of its own.
pub(crate) fn new_child(id: &str, parent: &str) -> NewRun {
    NewRun { parent: Some(edge(parent, MAIN)), ..new_run(id, &child_session(id)) }
}

pub(crate) fn child_session(id: &str) -> String {
    format!("agent:main:subagent:{id}")
}

pub(crate) fn settlement(id: &str, outcome: Outcome) -> Settlement {
    let ok = outcome == Outcome::Ok;
    Settlement {
        run: run_id(id),
        outcome,
        error: (!ok).then(|| format!("{id} failed")),
        result: ok.then(|| format!("{id} is done")),
        model: Some("test/model".to_owned()),
        usage: Usage { input: 10, output: 3 },
        entries: Vec::new(),
        at: at(300),
    }
}

pub(crate) async fn created(store: &Store, new: NewRun) -> RunRow {
    match store.begin_run(new).await.expect("begun") {
        BegunRun::Created(run) => run,
        other => panic!("not created: {other:?}"),
    }
}

pub(crate) async fn started(store: &Store, id: &str) -> StartedRun {
    store.start_run(run_id(id), at(200)).await.expect("started").expect("it was queued")
}

/// The texts of messages, for comparing transcripts at a glance.
pub(crate) fn texts(entries: &[TranscriptEntry]) -> Vec<String> {
    entries.iter().map(|entry| entry.message.text().to_owned()).collect()
}

/// Deletes a session, whichever transcript it has.
pub(crate) async fn delete(
    store: &Store,
    key: SessionKey,
    keep_transcript: bool,
) -> Result<bool, tidegate_store::StoreError> {
    let row = store.session(key.clone()).await?;
    let id = row.map_or_else(|| session_id("none"), |row| row.session_id);
    store.delete_session(key, id, keep_transcript).await
}
