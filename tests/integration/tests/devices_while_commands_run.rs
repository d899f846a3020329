//! While commands of agents run, the person's other programs connect as at any other time.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::fs;

use serde_json::json;
use tidegate_integration_tests::device::{self, record};
use tidegate_integration_tests::eventually::eventually;
use tidegate_integration_tests::place::Place;
use tidegate_integration_tests::program::{Program, Ready, TOKEN, choose_offline_model};
use tidegate_protocol::Scope;
use tidegate_testkit::client::{ClientError, ConnectOptions, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_trust::Change;

const BINARY: &str = "tidegate-under-test";
/// Connections while the commands run: one that comes in by chance proves nothing.
const CONNECTIONS: usize = 1000;

async fn connect(ready: &Ready) -> Result<GatewayClient, ClientError> {
    let options = ConnectOptions::default()
        .device(&DeviceIdentity::numbered(0))
        .token(TOKEN)
        .scopes(&["operator.admin", "operator.approvals"]);
    let mut client = GatewayClient::open(&ready.url()).await?;
    client.connect(&options).await?;
    Ok(client)
}

/// Commands that run at the same time, each of its own session: as many as the runtime lets work at once.
const COMMANDS: usize = 4;

/// Asks for commands, allows them, and waits until all run.
async fn start_commands(client: &mut GatewayClient, place: &Place) {
    let workspace = place.outside().join("state-workspace");
    fs::write(workspace.join("script.sh"), "touch \"running-$1\"; exec sleep 600\n").unwrap();
    for number in 0..COMMANDS {
        let session = format!("agent:main:sleeper-{number}");
        let command = format!("/run sh ./script.sh {number}");
        let message = json!({ "sessionKey": session, "message": command, "idempotencyKey": session });
        client.request("chat.send", message).await.unwrap();
        let requested = client.event("exec.approval.requested").await.unwrap();
        let allow = json!({ "id": requested["id"], "decision": "allow-once" });
        client.request("exec.approval.resolve", allow).await.unwrap();
        let running = workspace.join(format!("running-{number}"));
        eventually("the command runs", || async { running.exists().then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_device_connects_while_commands_run() {
    let place = Place::new();
    choose_offline_model(&place.state_dir());
    let scopes = [Scope::Admin, Scope::Approvals];
    let person = record(device::public_key(&DeviceIdentity::numbered(0)), "person", &scopes);
    device::commit(&place.state_dir(), vec![Change::PutDevice(Box::new(person))]).await;
    let mut program = Program::start(BINARY, &place);
    let ready = program.ready().await;
    let mut first = connect(&ready).await.unwrap();
    start_commands(&mut first, &place).await;

    let mut refused = Vec::new();
    for _ in 0..CONNECTIONS {
        refused.extend(connect(&ready).await.err());
    }

    assert!(refused.is_empty(), "{} of {CONNECTIONS} were refused: {refused:?}", refused.len());
    program.kill().await;
}
