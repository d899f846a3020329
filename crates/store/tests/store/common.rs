//! Short ways to say what most tests need.

use serde_json::{Value, json};
use tidegate_protocol::{RunId, SessionId, SessionKey, UnixMillis};
use tidegate_store::{
    BegunRun, NewRun, OpenOptions, Outcome, ParentEdge, RunRow, Settlement, StartedRun, Store, Usage,
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

pub(crate) fn user(text: &str) -> Value {
    json!({ "role": "user", "content": [{ "type": "text", "text": text }] })
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
pub(crate) fn texts<'a>(bodies: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
    bodies.into_iter().map(|body| body["content"][0]["text"].as_str().unwrap_or("?").to_owned()).collect()
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
