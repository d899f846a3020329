//! Events as each connection gets them: numbered without a gap, and before the answers that wait for them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidegate_testkit::client::GatewayClient;
use tokio::task::JoinSet;

use crate::support::World;

const SCOPES: &[&str] = &["operator.read", "operator.write", "operator.approvals"];
const DEVICE: u64 = 1;

/// A connection of the device that gets every event there is for it.
async fn listener(world: &World) -> GatewayClient {
    let options = world.device(DEVICE, SCOPES).caps(&["tool-events"]);
    let mut client = world.connect(&options).await.unwrap();
    client.request("sessions.subscribe", json!({})).await.unwrap();
    client
}

async fn next_frame(client: &mut GatewayClient) -> Value {
    client.wait("a frame", |_| true).await.unwrap()
}

async fn start(client: &mut GatewayClient, run: &str) {
    let session = format!("agent:main:of-{run}");
    let params = json!({ "message": "go on", "sessionKey": session, "idempotencyKey": run });
    client.send_request("agent", params).await.unwrap();
}

fn is_answer(frame: &Value, status: &str) -> bool {
    frame["type"] == "res" && frame["payload"]["status"] == status
}

fn run_of(frame: &Value) -> String {
    frame["payload"]["runId"].as_str().unwrap().to_owned()
}

fn is_last(frame: &Value, run: &str, event: &str) -> bool {
    let payload = &frame["payload"];
    frame["event"] == event
        && payload["runId"] == run
        && (payload["state"] == "final" || payload["data"]["phase"] == "end")
}

/// Every answer about a run that has ended came after the run's last events.
#[track_caller]
fn assert_ends_come_before_answers(frames: &[Value]) {
    for (at, answer) in frames.iter().enumerate().filter(|(_, frame)| is_answer(frame, "ok")) {
        let run = run_of(answer);
        for event in ["agent", "chat"] {
            let came = frames[..at].iter().any(|frame| is_last(frame, &run, event));
            assert!(came, "the last {event} event of {run} comes after {answer}");
        }
    }
}

/// All events have a number, from 1 and without a gap.
#[track_caller]
fn assert_numbered(frames: &[Value]) {
    let events: Vec<_> = frames.iter().filter(|frame| frame["type"] == "event").collect();
    for (expected, event) in (1_u64..).zip(&events) {
        assert_eq!(event["seq"], expected, "{event}");
    }
}

/// Starts runs, waits for each one besides, and gives all frames until everything was answered.
async fn play(client: &mut GatewayClient, name: &str, runs: usize) -> Vec<Value> {
    for number in 0..runs {
        start(client, &format!("{name}-{number}")).await;
    }
    let (mut frames, mut answered) = (Vec::new(), 0);
    while answered < 2 * runs {
        let frame = next_frame(client).await;
        if is_answer(&frame, "accepted") {
            client.send_request("agent.wait", json!({ "runId": run_of(&frame) })).await.unwrap();
        }
        answered += usize::from(is_answer(&frame, "ok"));
        frames.push(frame);
    }
    frames
}

/// Waits for every run that begins, until so many have ended.
async fn watch(client: &mut GatewayClient, runs: usize) -> Vec<Value> {
    let (mut frames, mut answered) = (Vec::new(), 0);
    while answered < runs {
        let frame = next_frame(client).await;
        if frame["event"] == "agent" && frame["payload"]["data"]["phase"] == "start" {
            client.send_request("agent.wait", json!({ "runId": run_of(&frame) })).await.unwrap();
        }
        answered += usize::from(is_answer(&frame, "ok"));
        frames.push(frame);
    }
    frames
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_about_many_runs_come_after_their_last_events() {
    const CLIENTS: usize = 4;
    const RUNS: usize = 12;
    let world = World::with_desktop().await;
    drop(world.let_in(DEVICE, SCOPES).await);
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        let mut client = listener(&world).await;
        tasks.spawn(async move { watch(&mut client, CLIENTS * RUNS).await });
    }
    for number in 0..CLIENTS {
        let mut client = listener(&world).await;
        tasks.spawn(async move { play(&mut client, &format!("client-{number}"), RUNS).await });
    }

    for frames in tasks.join_all().await {
        assert_ends_come_before_answers(&frames);
        assert_numbered(&frames);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_gets_the_last_events_before_the_answers() {
    let world = World::with_desktop().await;
    drop(world.let_in(DEVICE, SCOPES).await);
    let mut slow = listener(&world).await;
    let mut quick = listener(&world).await;
    for number in 0..20 {
        start(&mut slow, &format!("slow-{number}")).await;
    }
    // Meanwhile the slow one reads nothing.
    watch(&mut quick, 20).await;

    let mut frames = Vec::new();
    while frames.iter().filter(|frame| is_answer(frame, "ok")).count() < 20 {
        frames.push(next_frame(&mut slow).await);
    }

    assert_ends_come_before_answers(&frames);
    assert_numbered(&frames);
}

#[tokio::test]
async fn a_run_that_ended_long_ago_is_answered_without_its_events() {
    let world = World::with_desktop().await;
    drop(world.let_in(DEVICE, SCOPES).await);
    play(&mut listener(&world).await, "early", 1).await;
    let mut late = listener(&world).await;

    let waited = late.request("agent.wait", json!({ "runId": "early-0" })).await.unwrap();

    assert_eq!(waited["status"], "ok");
}

#[tokio::test]
async fn events_of_every_kind_share_one_sequence() {
    let world = World::with_desktop().await;
    drop(world.let_in(DEVICE, SCOPES).await);
    let mut client = listener(&world).await;

    let mut frames = play(&mut client, "turn", 2).await;
    let asked = world.ask_for_a_run().await;
    while !frames.iter().any(|frame| frame["event"] == "exec.approval.requested") {
        frames.push(next_frame(&mut client).await);
    }

    assert_numbered(&frames);
    let names: BTreeSet<_> = frames.iter().filter_map(|frame| frame["event"].as_str()).collect();
    for name in ["agent", "chat", "exec.approval.requested", "session.message", "sessions.changed"] {
        assert!(names.contains(name), "no {name} among {names:?}");
    }
    asked.abort();
}

#[tokio::test]
async fn events_of_a_run_name_its_transcript_answers_and_session() {
    let world = World::with_desktop().await;
    drop(world.let_in(DEVICE, SCOPES).await);
    let mut client = listener(&world).await;

    let frames = play(&mut client, "turn", 1).await;

    let payloads = |event: &'static str| {
        frames.iter().filter(move |frame| frame["event"] == event).map(|frame| &frame["payload"])
    };
    let messages: Vec<_> = payloads("session.message").collect();
    let session = &messages[0]["session"];
    assert_eq!(session["key"], "agent:main:of-turn-0");
    for step in payloads("agent") {
        match step["stream"].as_str() {
            Some("lifecycle") => assert_eq!(step["sessionId"], session["sessionId"], "{step}"),
            Some("assistant") => assert_eq!(step["data"]["itemId"], "turn-0:1", "{step}"),
            stream => panic!("{stream:?}"),
        }
    }
    let keys: Vec<_> = messages.iter().map(|message| &message["message"]["idempotencyKey"]).collect();
    assert_eq!(keys, [&json!("turn-0:user"), &Value::Null]);
    assert_eq!(messages[0]["message"]["__openclaw"]["idempotencyKey"], "turn-0:user");
}

#[tokio::test]
async fn text_that_was_held_back_comes_before_the_final_message() {
    let world = World::with_desktop().await;
    drop(world.let_in(DEVICE, SCOPES).await);
    let mut client = listener(&world).await;

    let frames = play(&mut client, "turn", 1).await;

    let chats = frames.iter().filter(|frame| frame["event"] == "chat").map(|frame| &frame["payload"]);
    let (deltas, ends): (Vec<_>, Vec<_>) = chats.partition(|chat| chat["state"] == "delta");
    let told: String = deltas.iter().filter_map(|delta| delta["deltaText"].as_str()).collect();
    assert_eq!(told, "yes", "{deltas:?}");
    assert_eq!(deltas.last().unwrap()["message"]["content"][0]["text"], "yes");
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0]["message"]["content"][0]["text"], "yes");
}
