//! A paired device asks for three subagents: three children, three results, one answer that names
//! them all, and the events in their order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};
use tidegate_integration_tests::eventually::{PATIENCE, eventually};
use tidegate_integration_tests::host::{Handles, Served};
use tidegate_integration_tests::ledger;
use tidegate_integration_tests::place::Place;
use tidegate_protocol::{Scope, SessionKey, TranscriptMessage};
use tidegate_providers::local::{LocalAddress, LocalServerKind};
use tidegate_store::{Outcome, RunState, TranscriptEntry};
use tidegate_testkit::client::{ClientError, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_testkit::model_server::{Script, ScriptedModel};

const SCOPES: [&str; 2] = ["operator.read", "operator.write"];
const GRANTED: &[Scope] = &[Scope::Read, Scope::Write];
const SESSION: &str = "agent:main:three";
const PARTS: [&str; 3] = ["alpha", "beta", "gamma"];

fn session() -> SessionKey {
    SessionKey::parse(SESSION).unwrap()
}

async fn serve(place: &Place) -> (Served, GatewayClient) {
    let device = DeviceIdentity::numbered(1);
    let served = Served::with_devices(place, &[(&device, GRANTED)]).await;
    let mut client = served.connect(&device, &SCOPES).await.unwrap();
    client.request("sessions.subscribe", json!({})).await.unwrap();
    (served, client)
}

/// Waits until all three results were read, and gives the frames that came until everything ended.
async fn until_all_is_read(handles: &Handles, client: &mut GatewayClient) -> Vec<Value> {
    eventually("three results that were read, and the end of every run", || async {
        let inbox = handles.store.inbox(session()).await.unwrap();
        let read = inbox.iter().filter(|row| row.consumed_at_seq.is_some()).count();
        (read == 3 && handles.store.unfinished_runs().await.unwrap().is_empty()).then_some(())
    })
    .await;
    let newest = handles.store.session(session()).await.unwrap().unwrap().last_run.unwrap();
    let children = handles.store.children(session(), None).await.unwrap();
    let runs: Vec<String> =
        children.iter().map(|child| child.id.to_string()).chain([newest.to_string()]).collect();
    let begun = Instant::now();
    let mut frames = Vec::new();
    // The store knows of an end before it is sent. An answer comes after what was sent before it.
    while !runs.iter().all(|run| frames.iter().any(|frame| is_last_chat(frame, run))) {
        assert!(begun.elapsed() < PATIENCE, "not every end was told: {frames:#?}");
        client.request("health", json!({})).await.unwrap();
        frames.extend(client.take_kept());
    }
    frames
}

fn is_last_chat(frame: &Value, run: &str) -> bool {
    is_chat(frame, run) && frame["payload"]["state"] != "delta"
}

fn is_chat(frame: &Value, run: &str) -> bool {
    frame["event"] == "chat" && frame["payload"]["runId"] == run
}

/// Where a frame is among those of one connection: position of the first that fits.
fn first(frames: &[Value], what: &str, fits: impl Fn(&Value) -> bool) -> usize {
    frames.iter().position(fits).unwrap_or_else(|| panic!("there was no {what}: {frames:#?}"))
}

fn lifecycle(run: &str, phase: &str) -> impl Fn(&Value) -> bool {
    move |frame| {
        let payload = &frame["payload"];
        let is_of_run = frame["event"] == "agent" && payload["runId"] == run;
        is_of_run && payload["stream"] == "lifecycle" && payload["data"]["phase"] == phase
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_spawn_lines_make_three_children_whose_results_the_parent_tells_once() {
    let place = Place::new();
    let (served, mut client) = serve(&place).await;
    let handles = Handles::of(&served.host);
    let message = PARTS.map(|part| format!("/spawn {part}: say {part} is done")).join("\n");
    let params = json!({ "sessionKey": SESSION, "message": message, "idempotencyKey": "turn-1" });

    let started = client.request("chat.send", params.clone()).await.unwrap();
    assert_eq!(started, json!({ "runId": "turn-1", "status": "started" }));
    let again = client.request("chat.send", params).await.unwrap();
    assert_eq!(again["runId"], "turn-1");
    assert_eq!(again["status"], "ok", "a repeated message starts nothing");
    let waited = client.request("agent.wait", json!({ "runId": "turn-1" })).await.unwrap();
    assert_eq!(waited["status"], "ok");
    assert!(waited["startedAt"].as_u64().unwrap() <= waited["endedAt"].as_u64().unwrap());
    let frames = until_all_is_read(&handles, &mut client).await;

    assert_eq!(ledger::check_children(&handles.store, &session()).await, 3);
    let children = handles.store.children(session(), None).await.unwrap();
    let labels: BTreeSet<_> = children.iter().filter_map(|child| child.label.as_deref()).collect();
    assert_eq!(labels, BTreeSet::from(PARTS));
    for child in &children {
        assert_eq!(child.state, RunState::Terminal(Outcome::Ok));
        assert!(child.result.as_deref().unwrap().contains("is done"), "{child:?}");
    }
    // However the results fall into answers, the person hears of each exactly once.
    let entries = ledger::transcript(&handles.store, &session()).await;
    let answers: String = entries
        .iter()
        .filter(|entry| matches!(entry.message, TranscriptMessage::Assistant { .. }))
        .map(|entry| entry.message.text())
        .collect();
    for part in PARTS {
        assert_eq!(answers.matches(&format!("the subagent {part} ended (ok)")).count(), 1, "{answers}");
    }

    let begin = first(&frames, "start", lifecycle("turn-1", "start"));
    let delta =
        first(&frames, "delta", |frame| is_chat(frame, "turn-1") && frame["payload"]["state"] == "delta");
    let end = first(&frames, "end", lifecycle("turn-1", "end"));
    let last =
        first(&frames, "final", |frame| is_chat(frame, "turn-1") && frame["payload"]["state"] == "final");
    assert!(begin < delta && delta < end && end <= last, "{begin} {delta} {end} {last}");
    let finals = frames
        .iter()
        .filter(|frame| is_chat(frame, "turn-1") && frame["payload"]["state"] == "final")
        .count();
    assert_eq!(finals, 1);
    for child in &children {
        let begin = first(&frames, "start", lifecycle(child.id.as_str(), "start"));
        let end = first(&frames, "end", lifecycle(child.id.as_str(), "end"));
        assert!(begin < end);
        let created = |frame: &Value| {
            frame["event"] == "sessions.changed" && frame["payload"]["sessionKey"] == child.session.as_str()
        };
        let changed = first(&frames, "sessions.changed", created);
        assert!(changed < end);
        assert_eq!(frames[begin]["payload"]["spawnedBy"], SESSION);
    }
    assert_sequence_grows(&frames);
    served.host.stop().await;
}

/// Numbered events come in their order and without a gap, as clients check.
fn assert_sequence_grows(frames: &[Value]) {
    let numbers: Vec<u64> = frames.iter().filter_map(|frame| frame["seq"].as_u64()).collect();
    assert!(numbers.len() > 5, "{numbers:?}");
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_behind_http_gives_one_answer_that_names_all_three_results() {
    let place = Place::new();
    let model = ScriptedModel::start(Script::three_subagents()).await.unwrap();
    let device = DeviceIdentity::numbered(1);
    let address = LocalAddress { kind: LocalServerKind::LlamaCpp, address: model.address() };
    let served = Served::with_devices_and(&place, &[(&device, GRANTED)], |options| {
        options.local_models = Some(vec![address]);
    })
    .await;
    served.use_found_model().await;
    let mut client = served.connect(&device, &SCOPES).await.unwrap();
    let handles = Handles::of(&served.host);

    let message = "please use three subagents";
    let params = json!({ "sessionKey": SESSION, "message": message, "idempotencyKey": "turn-1" });
    client.request("chat.send", params).await.unwrap();
    until_all_is_read(&handles, &mut client).await;

    assert_eq!(ledger::check_children(&handles.store, &session()).await, 3);
    let entries = ledger::transcript(&handles.store, &session()).await;
    let answers: Vec<&str> = entries
        .iter()
        .filter(|entry| matches!(entry.message, TranscriptMessage::Assistant { .. }))
        .map(|entry| entry.message.text())
        .filter(|text| text.contains("All three are done"))
        .collect();
    assert_eq!(answers, ["All three are done: result-of-alpha, result-of-beta, result-of-gamma."]);
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_answers_twice_and_agent_wait_only_watches() {
    let place = Place::new();
    let (served, mut client) = serve(&place).await;
    let params = json!({ "sessionKey": SESSION, "message": "say hello", "idempotencyKey": "run-1" });

    let id = client.send_request("agent", params.clone()).await.unwrap();
    let accepted = client.answer(&id).await.unwrap();
    assert_eq!((&accepted["status"], &accepted["runId"]), (&json!("accepted"), &json!("run-1")));
    let done = client.answer(&id).await.unwrap();
    assert_eq!((&done["status"], &done["summary"]), (&json!("ok"), &json!("completed")));
    let text = done["result"]["payloads"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("Offline demo:") && text.contains("say hello"), "{text}");

    // The same again: the run that was, told in the same two answers.
    let id = client.send_request("agent", params).await.unwrap();
    assert_eq!(client.answer(&id).await.unwrap()["status"], "accepted");
    assert_eq!(client.answer(&id).await.unwrap()["result"]["payloads"], done["result"]["payloads"]);
    let entries = ledger::transcript(served.host.store(), &session()).await;
    let is_user = |entry: &&TranscriptEntry| matches!(entry.message, TranscriptMessage::User { .. });
    assert_eq!(entries.iter().filter(is_user).count(), 1);

    let waited =
        client.request("agent.wait", json!({ "runId": "run-1", "timeoutMs": 50_000 })).await.unwrap();
    assert_eq!(waited["status"], "ok");
    let waited =
        client.request("agent.wait", json!({ "runId": "no-such-run", "timeoutMs": 1 })).await.unwrap();
    assert_eq!(waited["status"], "timeout");
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_id_of_another_session_and_a_foreign_handoff_are_refused() {
    let place = Place::new();
    let (served, mut client) = serve(&place).await;
    let params = json!({ "sessionKey": SESSION, "message": "say hello", "idempotencyKey": "run-1" });
    client.request("chat.send", params).await.unwrap();

    let elsewhere = json!({ "sessionKey": "agent:main:other", "message": "hi", "idempotencyKey": "run-1" });
    let Err(ClientError::Answer(error)) = client.request("chat.send", elsewhere).await else {
        panic!("the id of another session's run was accepted")
    };
    assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
    let handoff = json!({
        "sessionKey": SESSION, "message": "hi", "idempotencyKey": "run-2",
        "internalRuntimeHandoffId": "00000000-0000-4000-8000-000000000000",
    });
    let Err(ClientError::Answer(error)) = client.request("agent", handoff).await else {
        panic!("a client's handoff was accepted")
    };
    assert_eq!(error["code"], "FORBIDDEN", "{error}");
    served.host.stop().await;
}
