//! The start-up self-test: a spawn through the whole path with the built-in model, leaving no
//! history.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_agent::authority::{Owner, RunAuthority};
use tidegate_agent::model::ModelName;
use tidegate_agent::subagent::SubagentGateway;
use tidegate_agent::{Turn, WaitOutcome};
use tidegate_protocol::payload::surfaces::{SelfTestResult, SelfTestStep};
use tidegate_protocol::{RunId, SessionKey};
use tidegate_store::{Outcome, RunState};

use crate::control::Parts;

const LIMIT: Duration = Duration::from_secs(20);

/// Runs the self-test: each step with its time, up to the first that fails.
pub(crate) async fn run(parts: &Parts) -> SelfTestResult {
    let mut steps = Vec::new();
    let mut ok = true;
    let mut step = |name: &str, begun: Instant, result: Result<String, String>| {
        let passed = result.is_ok();
        let sentence = result.unwrap_or_else(|error| error);
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        steps.push(SelfTestStep { name: name.to_owned(), ok: passed, ms, sentence });
        ok &= passed;
        passed
    };
    let begun = Instant::now();
    let connected = parts.subagents.connect().await;
    let connected = connected
        .map(|()| "Tidegate's own client is admitted.".to_owned())
        .map_err(|error| error.to_string());
    if step("connect", begun, connected) {
        let begun = Instant::now();
        let session = SessionKey::parse(&format!("agent:main:selftest:{}", uuid::Uuid::new_v4()));
        match session {
            Ok(session) => {
                step("spawn", begun, spawn(parts, &session).await);
                let begun = Instant::now();
                step("clean up", begun, clean_up(parts, &session).await);
            }
            Err(error) => {
                step("spawn", begun, Err(error.to_string()));
            }
        }
    }
    SelfTestResult { ok, steps }
}

async fn spawn(parts: &Parts, session: &SessionKey) -> Result<String, String> {
    let run =
        RunId::parse(format!("selftest-{}", uuid::Uuid::new_v4())).map_err(|error| error.to_string())?;
    let tools = BTreeSet::from(["sessions_spawn".to_owned()]);
    let owner = Owner::Owner { name: "self-test".to_owned() };
    let turn = Turn {
        run: run.clone(),
        session: session.clone(),
        message: "/spawn self-test: say that you are here".to_owned(),
        authority: RunAuthority::root(owner, parts.runtime.workspace().to_owned(), tools),
        model: ModelName::parse("offline/demo"),
        label: Some("self-test".to_owned()),
        timeout: Some(LIMIT),
        extra_system_prompt: None,
    };
    parts.runtime.start_turn(turn).await.map_err(|error| error.to_string())?;
    match parts.runtime.wait(run, LIMIT).await.map_err(|error| error.to_string())? {
        WaitOutcome::Ended(run) if run.state == RunState::Terminal(Outcome::Ok) => {}
        WaitOutcome::Ended(run) => return Err(run.error.unwrap_or_else(|| "the run failed".to_owned())),
        _ => return Err("the run did not end in time".to_owned()),
    }
    let listed = parts.subagents.call("sessions.list", json!({ "spawnedBy": session })).await;
    let listed = listed.map_err(|error| error.to_string())?;
    match listed.get("count").and_then(Value::as_u64) {
        Some(1) => Ok("A subagent was started through the whole path.".to_owned()),
        count => Err(format!("{} subagents were started instead of one", count.unwrap_or(0))),
    }
}

async fn clean_up(parts: &Parts, session: &SessionKey) -> Result<String, String> {
    let listed = parts.subagents.call("sessions.list", json!({ "spawnedBy": session })).await;
    let listed = listed.map_err(|error| error.to_string())?;
    let children: Vec<String> = listed
        .get("sessions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|row| row.get("key").and_then(Value::as_str).map(str::to_owned))
        .collect();
    for key in children.iter().map(String::as_str).chain([session.as_str()]) {
        delete(parts, key).await?;
    }
    Ok("Nothing of it is left.".to_owned())
}

/// Deletes a session; a follow-up run in it may just be ending.
async fn delete(parts: &Parts, key: &str) -> Result<(), String> {
    const TRIES: u32 = 50;
    let mut last = String::new();
    for _ in 0..TRIES {
        match parts.subagents.call("sessions.delete", json!({ "key": key })).await {
            Ok(_) => return Ok(()),
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(last)
}
