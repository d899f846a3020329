//! While commands of agents run, the person's other programs connect as at any other time.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;

use serde_json::json;
use tidegate_integration_tests::eventually::eventually;
use tidegate_integration_tests::serving::{Serving, allow_next};
use tidegate_testkit::client::GatewayClient;

/// Connections while the commands run: one that comes in by chance proves nothing.
const CONNECTIONS: usize = 1000;

/// Commands that run at the same time, each of its own session: as many as the runtime lets work at once.
const COMMANDS: usize = 4;

/// Asks for commands, allows them, and waits until all run.
async fn start_commands(client: &mut GatewayClient, serving: &Serving) {
    let workspace = serving.workspace();
    fs::write(workspace.join("script.sh"), "touch \"running-$1\"; exec sleep 600\n").unwrap();
    for number in 0..COMMANDS {
        let session = format!("agent:main:sleeper-{number}");
        let command = format!("/run sh ./script.sh {number}");
        let message = json!({ "sessionKey": session, "message": command, "idempotencyKey": session });
        client.request("chat.send", message).await.unwrap();
        allow_next(client).await;
        let running = workspace.join(format!("running-{number}"));
        eventually("the command runs", || async { running.exists().then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_device_connects_while_commands_run() {
    let serving = Serving::start().await;
    let mut first = serving.connect(&[]).await.unwrap();
    start_commands(&mut first, &serving).await;

    let mut refused = Vec::new();
    for _ in 0..CONNECTIONS {
        refused.extend(serving.connect(&[]).await.err());
    }

    assert!(refused.is_empty(), "{} of {CONNECTIONS} were refused: {refused:?}", refused.len());
    serving.program.kill().await;
}
