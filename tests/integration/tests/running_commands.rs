//! A command while it runs: clients see what it prints, and the person interrupts it at the command line.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;

use serde_json::{Value, json};
use tidegate_integration_tests::serving::{Serving, allow_next};
use tidegate_testkit::client::{ClientError, GatewayClient};

/// Bytes of text that an update has at most.
const MAX_UPDATE: usize = 8 * 1024;
/// Milliseconds between two updates of one command at least.
const INTERVAL: u64 = 250;
const SESSION: &str = "agent:main:main";

struct Scene {
    serving: Serving,
    /// A client that draws tool calls.
    client: GatewayClient,
}

impl Scene {
    async fn new() -> Self {
        let serving = Serving::start().await;
        let client = serving.connect(&["tool-events"]).await.unwrap();
        Self { serving, client }
    }

    /// Has the demo model run a script, allows that, and waits for the beginning of the call.
    async fn start(&mut self, script: &str) -> Value {
        fs::write(self.serving.workspace().join("script.sh"), script).unwrap();
        let message =
            json!({ "sessionKey": SESSION, "message": "/run sh ./script.sh", "idempotencyKey": "the-run" });
        self.client.request("chat.send", message).await.unwrap();
        allow_next(&mut self.client).await;
        self.tool("start").await
    }

    /// The next event of the tool call in this phase.
    async fn tool(&mut self, phase: &str) -> Value {
        let phase = phase.to_owned();
        let fits = move |frame: &Value| {
            let payload = &frame["payload"];
            frame["event"] == "agent"
                && payload["stream"] == "tool"
                && payload["data"]["phase"] == phase.as_str()
        };
        self.client.wait("a tool event", fits).await.unwrap()["payload"].take()
    }

    async fn interrupt(&self, call: &Value) {
        self.serving.cli(&["commands", "interrupt", call["data"]["toolCallId"].as_str().unwrap()]).await;
    }
}

fn text_of(result: &Value) -> String {
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_is_sent_while_a_command_runs_and_it_is_interrupted() {
    let mut scene = Scene::new().await;
    let mut other = scene.serving.connect(&[]).await.unwrap();
    let started = scene.start("echo first; sleep 600; echo never").await;

    let update = scene.tool("update").await;
    for (field, value) in [("runId", "the-run"), ("sessionKey", SESSION)] {
        assert_eq!(update[field], value, "{update}");
    }
    assert_eq!(update["data"]["toolCallId"], started["data"]["toolCallId"]);
    assert_eq!(update["data"]["name"], "exec");
    assert_eq!(text_of(&update["data"]["partialResult"]), "first\n");

    let listed = scene.serving.cli_json(&["commands", "list"]).await;
    assert_eq!(listed["commands"].as_array().map(Vec::len), Some(1), "{listed}");
    let command = &listed["commands"][0];
    assert_eq!(command["command"], "sh ./script.sh");
    assert_eq!((&command["runId"], &command["sessionKey"]), (&json!("the-run"), &json!(SESSION)));

    // No client has this power, whatever its scopes are.
    let id = started["data"]["toolCallId"].clone();
    let refused = other.request("tidegate.commands.interrupt", json!({ "toolCallId": id })).await;
    assert!(matches!(refused, Err(ClientError::Answer(_))), "{refused:?}");

    scene.interrupt(&started).await;
    let result = scene.tool("result").await;
    let text = text_of(&result["data"]["result"]);
    assert!(text.starts_with("first\n[interrupted by a person with Ctrl-C; exit code 130"), "{text}");
    assert_eq!(result["data"]["isError"], true);
    let waited = json!({ "runId": "the-run", "timeoutMs": 50_000 });
    assert_eq!(scene.client.request("agent.wait", waited).await.unwrap()["status"], "ok");

    let late = scene.serving.try_cli(&["commands", "interrupt", id.as_str().unwrap()]).await;
    let (code, told) = late.unwrap_err();
    assert_eq!(code, Some(1));
    assert!(told.contains("it has not started, or it has ended"), "{told}");

    // A client without the capability gets no tool events, as before.
    other.request("health", json!({})).await.unwrap();
    let is_tool = |frame: &Value| frame["payload"]["stream"] == "tool";
    assert!(!other.take_kept().iter().any(is_tool));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_output_is_a_few_bounded_events() {
    let mut scene = Scene::new().await;
    let started = scene.start("yes | cat -n").await;
    let mut updates = Vec::new();
    for _ in 0..5 {
        updates.push(scene.tool("update").await);
    }
    scene.interrupt(&started).await;
    let result = scene.tool("result").await;
    let is_update = |frame: &Value| frame["payload"]["data"]["phase"] == "update";
    updates.extend(
        scene
            .client
            .take_kept()
            .iter()
            .filter(|&frame| is_update(frame))
            .map(|frame| frame["payload"].clone()),
    );

    for update in &updates {
        let text = text_of(&update["data"]["partialResult"]);
        assert!(text.len() <= MAX_UPDATE, "{} bytes", text.len());
    }
    let at = |event: &Value| event["ts"].as_u64().unwrap();
    let span = at(&result) - at(&started);
    assert!(updates.len() as u64 <= span / INTERVAL + 2, "{} updates in {span} ms", updates.len());
    let text = text_of(&result["data"]["result"]);
    assert!(text.len() < 66 * 1024 && text.contains("interrupted by a person"), "{} bytes", text.len());
}
