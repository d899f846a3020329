//! What waits for a person while the gateway panics and restarts.

use serde_json::Value;
use tidegate_protocol::payload::permissions::ApprovalVerdict;
use tidegate_testkit::client::GatewayClient;

use super::*;

/// A person's client: it writes, and asks about commands of its own.
async fn client(place: &Place, port: u16) -> Result<GatewayClient, ClientError> {
    let options = ConnectOptions::default()
        .device(&DeviceIdentity::numbered(1))
        .token(place.tokens()[0].reveal())
        .scopes(&["operator.write", "operator.approvals"]);
    let mut client = GatewayClient::open(&format!("ws://127.0.0.1:{port}")).await?;
    client.connect(&options).await?;
    Ok(client)
}

fn desktop(supervised: &Supervised) -> tidegate_gateway::DesktopAuthority {
    supervised.host().expect("it serves").desktop().expect("a desktop runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_waits_on_while_a_gateway_that_panicked_restarts() {
    let place = Place::new();
    let file = place.root.path().canonicalize().expect("it is there").join("notes.txt");
    std::fs::write(&file, "the tide turns at nine").expect("written");
    let supervised = supervise(place.options_beside_a_desktop());
    let port = ready(&supervised, 1).await;
    assert!(client(&place, port).await.is_err(), "a person has to let it in");
    let until_quit = requests(&supervised).pop().expect("it waits");
    decide(&supervised, &until_quit, GrantLifetime::UntilQuit).await;
    let mut before = client(&place, port).await.expect("until Tidegate quits");
    let request = place.request_pairing(&supervised, port, 2).await;
    // A run asks, and so does the client.
    let message = json!({
        "sessionKey": "agent:main:main",
        "message": format!("/read {}", file.display()),
        "idempotencyKey": "the-run",
    });
    before.request("chat.send", message).await.expect("accepted");
    before.event("exec.approval.requested").await.expect("the run asks");
    let own = json!({ "id": "of-the-client", "command": "make", "twoPhase": true });
    before.send_request("exec.approval.request", own).await.expect("sent");
    before.event("exec.approval.requested").await.expect("the client asks");
    let commands = desktop(&supervised).commands();
    assert_eq!(commands.len(), 2, "{commands:?}");

    place.strike("accept loop");

    let closed = before.closed().await.expect("closed");
    assert_eq!((closed.code, closed.reason.as_str()), (Some(1012), "service restart"));
    assert_eq!(ready(&supervised, 2).await, port);
    let desktop = desktop(&supervised);
    assert_eq!(desktop.requests(), std::slice::from_ref(&request), "under its id, and as it was drawn");
    assert_eq!(desktop.commands(), commands);
    let mut after = client(&place, port).await.expect("it reconnects unasked");
    let allow_once = ApprovalVerdict::AllowOnce;
    for command in &commands {
        desktop.decide_approval(&command.id, &command.command.digest, &allow_once).await.expect("it waited");
    }
    let waited = json!({ "runId": "the-run", "timeoutMs": 30_000 });
    assert_eq!(after.request("agent.wait", waited).await.expect("answered")["status"], "ok");
    let history = json!({ "sessionKey": "agent:main:main" });
    let history: Value = after.request("chat.history", history).await.expect("answered");
    assert!(history.to_string().contains("the tide turns at nine"), "{history}");
    let decision = json!({ "id": "of-the-client" });
    let decision = after.request("exec.approval.waitDecision", decision).await.expect("answered");
    assert_eq!(decision["decision"], "allow-once");
    decide(&supervised, &request, GrantLifetime::Always).await;
    place.device(port, 2).await.expect("let in");
    supervised.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_panic_in_the_trust_service_what_is_stored_counts() {
    let place = Place::new();
    let supervised = supervise(place.options_beside_a_desktop());
    let port = ready(&supervised, 1).await;
    for (number, duration) in [(1, GrantLifetime::Always), (2, GrantLifetime::UntilQuit)] {
        let request = place.request_pairing(&supervised, port, number).await;
        decide(&supervised, &request, duration).await;
    }
    let trust = supervised.host().expect("it serves").services.context.trust.clone();
    let panicked = std::thread::spawn(move || {
        let _half_changed = trust.authority();
        panic!("the test was asked to panic");
    });
    assert!(panicked.join().is_err());

    // The next one to connect notices it.
    let _ = place.device(port, 1).await;

    let port = ready(&supervised, 2).await;
    place.device(port, 1).await.expect("it is stored");
    assert!(place.device(port, 2).await.is_err(), "it has to ask again");
    assert_eq!(place.tokens().len(), 1, "the shared token is stored");
    let subagents = supervised.host().expect("it serves").subagents().clone();
    assert!(subagents.call("sessions.list", json!({})).await.is_ok(), "our own client is let in");
    supervised.stop().await;
}
