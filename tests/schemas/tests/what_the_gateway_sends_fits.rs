//! A real host answers every method that clients and windows use, and tells what happens: each
//! answer and each event fits its schema, to the last field.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidegate_integration_tests::host::Served;
use tidegate_integration_tests::place::Place;
use tidegate_protocol::Scope;
use tidegate_schema_tests::Schemas;
use tidegate_testkit::client::GatewayClient;
use tidegate_testkit::identity::DeviceIdentity;

const SCOPES: [&str; 4] = ["operator.admin", "operator.pairing", "operator.approvals", "operator.questions"];
const GRANTED: &[Scope] = &[Scope::Admin, Scope::Pairing, Scope::Approvals, Scope::Questions];

struct Checked {
    schemas: Schemas,
    client: GatewayClient,
    problems: Vec<String>,
    /// The names of the events that came.
    seen: BTreeSet<String>,
    /// The runs whose end was told.
    ended: BTreeSet<String>,
}

impl Checked {
    /// Asks, and checks question, answer and every event that came until then.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.problems.extend(self.schemas.problems_of_params(method, &params));
        let answer = self.client.request(method, params).await;
        let answer = answer.unwrap_or_else(|error| panic!("{method}: {error}"));
        self.problems.extend(self.schemas.problems_of_result(method, &answer));
        self.check_events();
        answer
    }

    fn check_events(&mut self) {
        let frames = self.client.take_kept();
        for frame in &frames {
            self.problems.extend(self.schemas.problems_of_frame(frame, None));
            self.seen.extend(frame["event"].as_str().map(str::to_owned));
            if frame["event"] == "chat" && frame["payload"]["state"] == "final" {
                self.ended.extend(frame["payload"]["runId"].as_str().map(str::to_owned));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_and_every_event_fits_its_schema() {
    let place = Place::new();
    let (device, other) = (DeviceIdentity::numbered(1), DeviceIdentity::numbered(2));
    let served = Served::with_devices(&place, &[(&device, GRANTED), (&other, &[Scope::Read])]).await;
    let mut client = GatewayClient::open(&served.url()).await.unwrap();
    let hello = client.connect(&served.options(&device, &SCOPES)).await.unwrap();
    let schemas = Schemas::default();
    let mut problems = schemas.problems_of_result("connect", &hello);
    problems.extend(schemas.problems_of_params("connect", &served.options(&device, &SCOPES).params("nonce")));
    let mut checked = Checked { schemas, client, problems, seen: BTreeSet::new(), ended: BTreeSet::new() };

    checked.ask("sessions.subscribe", json!({})).await;
    checked.ask("sessions.messages.subscribe", json!({ "key": "main" })).await;
    let key = "a-turn";
    checked
        .ask(
            "chat.send",
            json!({
                "sessionKey": "main", "message": "/status\n/spawn one: say hello", "idempotencyKey": key,
            }),
        )
        .await;
    checked.ask("agent.wait", json!({ "runId": key, "timeoutMs": 20_000 })).await;
    assert!(checked.ended.contains(key), "the end comes before the answer that waits for it");

    for (method, params) in [
        ("health", json!({})),
        ("status", json!({})),
        ("system-presence", json!({})),
        ("last-heartbeat", json!({})),
        ("device.pair.list", json!({})),
        ("device.pair.rename", json!({ "deviceId": other.device_id(), "label": "Kitchen" })),
        ("device.token.rotate", json!({ "deviceId": other.device_id(), "role": "operator" })),
        ("sessions.list", json!({ "limit": 10, "includeLastMessage": true })),
        ("sessions.describe", json!({ "key": "main" })),
        ("sessions.preview", json!({ "keys": ["main", "nobody"] })),
        ("sessions.patch", json!({ "key": "main", "label": "First", "thinkingLevel": "high" })),
        ("chat.history", json!({ "sessionKey": "main" })),
        ("chat.history", json!({ "sessionKey": "nobody" })),
        ("chat.history", json!({ "sessionKey": "main", "limit": 1, "offset": 1 })),
        ("chat.history", json!({ "sessionKey": "main", "cursor": "another gateway's" })),
        ("chat.history", json!({ "sessionKey": "main", "inputRunIds": [key, "nobody"] })),
        ("chat.startup", json!({ "sessionKey": "main", "limit": 5 })),
        ("chat.startup", json!({ "shortId": "00000000" })),
        ("chat.metadata", json!({ "sessionKey": "main" })),
        ("chat.message.get", json!({ "sessionKey": "main", "messageId": "nothing" })),
        ("sessions.create", json!({ "key": "made", "label": "Made" })),
        ("sessions.get", json!({ "key": "main" })),
        ("sessions.resolve", json!({ "key": "made" })),
        ("sessions.resolve", json!({ "key": "nobody", "allowMissing": true })),
        ("sessions.abort", json!({ "key": "main" })),
        ("sessions.branches.list", json!({ "sessionKey": "main" })),
        ("sessions.companion.state", json!({ "sessionKey": "main" })),
        ("sessions.observer.visibility", json!({ "visible": true })),
        ("exec.approvals.get", json!({})),
        ("openclaw.approval.list", json!({})),
        ("node.pair.list", json!({})),
        ("cron.runs", json!({ "limit": 20 })),
        ("models.authStatus", json!({})),
        ("usage.status", json!({})),
        ("tasks.list", json!({ "status": ["queued", "running"] })),
        ("progressCard.get", json!({ "sessionKey": "main" })),
        ("plugins.list", json!({})),
        ("skills.status", json!({})),
        ("update.status", json!({})),
        ("chat.send", json!({ "sessionKey": "main", "message": "/status", "idempotencyKey": "status" })),
        ("chat.send", json!({ "sessionKey": "main", "message": "/help", "idempotencyKey": "help" })),
        ("chat.abort", json!({ "sessionKey": "main" })),
        ("chat.send", json!({ "sessionKey": "main", "message": "/stop", "idempotencyKey": "stop" })),
        ("agent.identity.get", json!({})),
        ("agents.list", json!({})),
        ("models.list", json!({})),
        ("tools.catalog", json!({})),
        ("config.get", json!({})),
        ("logs.tail", json!({ "limit": 5 })),
        ("exec.approval.list", json!({})),
        ("commands.list", json!({})),
        ("cron.list", json!({})),
        ("cron.status", json!({})),
        ("node.list", json!({})),
        ("channels.status", json!({})),
        ("question.list", json!({})),
        ("plugin.approval.list", json!({})),
        ("taskSuggestions.list", json!({})),
        ("sessions.messages.unsubscribe", json!({ "key": "main" })),
        ("sessions.reset", json!({ "key": "main" })),
        ("sessions.delete", json!({ "key": "other" })),
        ("system-event", json!({ "text": "here" })),
        ("device.pair.remove", json!({ "deviceId": other.device_id() })),
    ] {
        checked.ask(method, params).await;
    }

    // A stranger asks to pair, and a command waits: the events that tell of them.
    let stranger = DeviceIdentity::numbered(3);
    assert!(served.connect(&stranger, &["operator.read"]).await.is_err());
    let requested = checked.client.event("device.pair.requested").await.unwrap();
    let waits = checked.schemas.problems_of_frame(
        &json!({ "type": "event", "event": "device.pair.requested", "payload": requested }),
        None,
    );
    checked.problems.extend(waits);
    checked.ask("device.pair.list", json!({})).await;
    checked.ask("device.pair.reject", json!({ "requestId": requested["requestId"] })).await;
    let asked = json!({ "id": "a-command", "command": "true", "cwd": "/", "twoPhase": true });
    checked.ask("exec.approval.request", asked).await;
    checked.ask("exec.approval.list", json!({})).await;
    checked.ask("exec.approval.resolve", json!({ "id": "a-command", "decision": "deny" })).await;
    checked.ask("exec.approval.waitDecision", json!({ "id": "a-command" })).await;

    for name in ["agent", "session.message", "sessions.changed"] {
        assert!(checked.seen.contains(name), "no {name} was seen: {:?}", checked.seen);
    }
    assert!(checked.problems.is_empty(), "{:#?}", checked.problems);
    served.host.stop().await;
}
