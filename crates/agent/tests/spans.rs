//! Log lines say which run and which tool call they belong to.
#![allow(clippy::expect_used, reason = "a test may not go on without what it expects")]

mod common;

use common::{Log, Step, call, text, world};
use serde_json::{Value, json};
use tidegate_agent::model::ModelError;

#[tokio::test(start_paused = true)]
async fn a_line_of_a_tool_is_within_its_call_and_run() {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || written.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let world = world(|ask| match ask.has_result() {
        true => vec![text("done")],
        false => vec![call("call-1\nrun=other", "probe", &json!({"do": "log"}))],
    });

    world.say("r1", "go").await;

    let lines = log.lines("the tool works");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line: Value = serde_json::from_str(&lines[0]).expect("JSON");
    let run = json!({"name": "run", "run": "r1", "session": "agent:main:main"});
    let tool_call = json!({"name": "tool_call", "tool": "probe", "call": "call-1\\u{a}run=other"});
    assert_eq!(line["spans"], json!([run, tool_call]));
}

/// A log that shows only warnings says which run they are of, too.
#[tokio::test(start_paused = true)]
async fn a_line_names_its_run_also_in_a_log_of_warnings() {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::WARN)
        .with_writer(move || written.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let world = world(|_| vec![Step::Fail(ModelError::CutOff { reason: "gone".to_owned() })]);

    world.say("r1", "go").await;

    let lines = log.lines("model call failed");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!(line["spans"][0]["run"], "r1", "{line}");
}
