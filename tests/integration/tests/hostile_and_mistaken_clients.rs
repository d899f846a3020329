//! What clients do wrong, by mistake or on purpose: each gets a clear error, and the gateway lives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use serde_json::{Value, json};
use tidegate_integration_tests::control::Control;
use tidegate_integration_tests::device::device_id;
use tidegate_integration_tests::eventually::eventually;
use tidegate_integration_tests::host::Served;
use tidegate_integration_tests::place::Place;
use tidegate_protocol::{Scope, limits};
use tidegate_providers::local::{LocalAddress, LocalServerKind};
use tidegate_testkit::client::{ClientError, Closed, GatewayClient};
use tidegate_testkit::identity::DeviceIdentity;
use tidegate_testkit::model_server::{Answer, Rule, Script, ScriptedModel, Step, When};
use tidegate_testkit::raw_socket::RawSocket;

const FULL: &[Scope] = &[Scope::Admin, Scope::Approvals, Scope::Pairing];
const FULL_NAMES: [&str; 3] = ["operator.admin", "operator.approvals", "operator.pairing"];

fn person() -> DeviceIdentity {
    DeviceIdentity::numbered(0)
}

async fn serve(place: &Place) -> (Served, GatewayClient) {
    let served = Served::with_devices(place, &[(&person(), FULL)]).await;
    let client = served.connect(&person(), &FULL_NAMES).await.unwrap();
    (served, client)
}

#[track_caller]
fn refused(answer: Result<Value, ClientError>) -> Value {
    match answer {
        Err(ClientError::Answer(error)) => error,
        other => panic!("not refused but {other:?}"),
    }
}

fn message(error: &Value) -> &str {
    error["message"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_are_no_requests_get_an_error_and_the_socket_lives() {
    let place = Place::new();
    let (served, mut client) = serve(&place).await;
    for broken in [
        "not json at all",
        "",
        "[]",
        "null",
        "{\"type\":\"req\"}",
        "{\"type\":\"req\",\"id\":7,\"method\":\"health\"}",
        "{\"type\":\"res\",\"id\":\"x\",\"ok\":true}",
        "{\"type\":\"req\",\"id\":\"x\",\"method\":\"health\",\"extra\":1}",
        "{\"type\":\"req\",\"id\":\"x\",\"method\":{}}",
    ] {
        client.send_text(broken.to_owned()).await.unwrap();
        let answer = client.wait("an error", |frame| frame["type"] == "res").await.unwrap();
        assert_eq!(answer["ok"], false, "{broken}: {answer}");
        assert_eq!(answer["error"]["code"], "INVALID_REQUEST", "{broken}: {answer}");
    }
    assert_eq!(client.request("health", json!({})).await.unwrap()["ok"], true);
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_methods_and_parameters_are_named() {
    let place = Place::new();
    let (served, mut client) = serve(&place).await;

    let error = refused(client.request("sessions.explode", json!({})).await);
    assert_eq!(error["code"], "INVALID_REQUEST");
    assert!(message(&error).contains("sessions.explode"), "{error}");
    let error = refused(client.request("sessions.list", json!({ "colour": "red" })).await);
    assert_eq!(error["code"], "INVALID_REQUEST");
    assert!(message(&error).contains("sessions.list") && message(&error).contains("colour"), "{error}");
    let error = refused(client.request("chat.send", json!({ "sessionKey": "main", "message": "x" })).await);
    assert!(message(&error).contains("idempotencyKey"), "{error}");
    let error = refused(client.request("connect", json!({})).await);
    assert!(message(&error).contains("first request"), "{error}");
    // What the person's command line asks on the local socket is nothing for devices.
    let error = refused(client.request("tidegate.token.rotate", json!({})).await);
    assert!(!message(&error).is_empty());
    assert_eq!(client.request("health", json!({})).await.unwrap()["ok"], true);
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_over_the_limit_closes_with_1009_and_one_at_the_limit_is_answered() {
    let place = Place::new();
    let (served, mut client) = serve(&place).await;
    let frame_of = |length: usize| {
        let frame = |filling: &str| {
            format!(
                "{{\"type\":\"req\",\"id\":\"big\",\"method\":\"system-event\",\"params\":{{\"text\":\"{filling}\"}}}}"
            )
        };
        frame(&"x".repeat(length - frame("").len()))
    };

    client.send_text(frame_of(limits::MAX_PAYLOAD)).await.unwrap();
    let answer = client.wait("an answer", |frame| frame["id"] == "big").await.unwrap();
    assert_eq!(answer["type"], "res");

    // The gateway closes on the announced length, so the rest may not be written any more.
    let sent = client.send_text(frame_of(limits::MAX_PAYLOAD + 1)).await;
    let closed = match sent {
        Err(ClientError::Closed(closed)) => closed,
        _ => client.closed().await.unwrap(),
    };
    assert_eq!(closed.code, Some(1009), "{closed:?}");
    let mut other = served.connect(&person(), &FULL_NAMES).await.unwrap();
    assert_eq!(other.request("health", json!({})).await.unwrap()["ok"], true);
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_grant_reads_and_hears_which_scope_is_missing() {
    let place = Place::new();
    let (served, mut owner) = serve(&place).await;
    let newcomer = DeviceIdentity::numbered(1);
    let scopes = ["operator.read", "operator.write", "operator.admin"];

    let error = refused(served.connect(&newcomer, &scopes).await.map(|_| Value::Null));
    assert_eq!(error["code"], "NOT_PAIRED");
    let requested = owner.event("device.pair.requested").await.unwrap();
    assert_eq!(requested["requestId"], error["details"]["requestId"]);
    // The person gives less than was asked, on the local socket.
    let decide = json!({ "requestId": requested["requestId"], "verdict": "approve", "level": "read" });
    Control::open(&served).await.call("tidegate.devices.decide", decide).await.unwrap();
    let resolved = owner.event("device.pair.resolved").await.unwrap();
    assert_eq!(resolved["decision"], "approved");

    let mut client = GatewayClient::open(&served.url()).await.unwrap();
    let hello = client.connect(&served.options(&newcomer, &scopes)).await.unwrap();
    assert_eq!(hello["auth"]["scopes"], json!(["operator.read"]), "what was decided is not asked again");
    assert!(client.request("sessions.list", json!({})).await.is_ok());
    let send = json!({ "sessionKey": "main", "message": "hi", "idempotencyKey": "r" });
    let error = refused(client.request("chat.send", send).await);
    assert_eq!(
        (&error["code"], &error["details"]["missingScope"]),
        (&json!("FORBIDDEN"), &json!("operator.write"))
    );
    let error = refused(client.request("sessions.reset", json!({ "key": "agent:main:x" })).await);
    assert_eq!(error["details"]["missingScope"], "operator.admin");
    let error = refused(client.request("device.pair.list", json!({})).await);
    assert_eq!(error["details"]["missingScope"], "operator.pairing");
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removing_a_device_closes_its_open_socket_and_its_way_back() {
    let place = Place::new();
    let other = DeviceIdentity::numbered(1);
    let read: &[Scope] = &[Scope::Read];
    let served = Served::with_devices(&place, &[(&person(), FULL), (&other, read)]).await;
    let mut owner = served.connect(&person(), &FULL_NAMES).await.unwrap();
    let mut client = served.connect(&other, &["operator.read"]).await.unwrap();

    owner.request("device.pair.remove", json!({ "deviceId": device_id(&other) })).await.unwrap();

    let closed = client.closed().await.unwrap();
    assert_eq!(closed, Closed { code: Some(4001), reason: "device removed".to_owned() });
    let error = refused(served.connect(&other, &["operator.read"]).await.map(|_| Value::Null));
    assert_eq!(error["code"], "NOT_PAIRED");
    assert_eq!(owner.request("health", json!({})).await.unwrap()["ok"], true);
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_takes_its_own_rights_away_gets_its_answer_first() {
    for method in ["device.pair.remove", "device.token.rotate", "device.token.revoke"] {
        let place = Place::new();
        let (served, mut client) = serve(&place).await;
        let mut params = json!({ "deviceId": device_id(&person()) });
        if method != "device.pair.remove" {
            params["role"] = json!("operator");
        }

        let answer = client.request(method, params).await;

        let answer = answer.unwrap_or_else(|error| panic!("{method}: {error}"));
        assert_eq!(answer["deviceId"], device_id(&person()).to_string(), "{method}");
        let closed = client.closed().await.unwrap();
        assert_eq!(closed.code, Some(4001), "{method}: {closed:?}");
        served.host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_strangers_keeps_out_neither_the_person_nor_who_is_known() {
    let place = Place::new();
    let (served, _owner) = serve(&place).await;
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], served.host.port()));
    let mut crowd = Vec::new();
    for _ in 0..4 * limits::MAX_UNAUTHENTICATED {
        // Some are refused with 503 before they are upgraded: the crowd is one user's.
        if let Ok(socket) = RawSocket::upgraded(address).await {
            crowd.push(socket);
        }
    }
    assert!(crowd.len() >= limits::MAX_UNAUTHENTICATED / 2, "{} came in", crowd.len());

    let let_in = || async { served.connect(&person(), &FULL_NAMES).await.ok() };
    let mut known = eventually("one who is known", let_in).await;
    assert_eq!(known.request("health", json!({})).await.unwrap()["ok"], true);
    let mut person = Control::open(&served).await;
    assert_eq!(person.call("tidegate.status", json!({})).await.unwrap()["gateway"]["ready"], true);
    let tested = person.call("tidegate.selftest", json!({})).await;
    assert!(tested.is_ok(), "our own client spawns: {tested:?}");
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_names_and_labels_stay_text() {
    const LABEL: &str =
        "<b>{0}%s%n</b>\u{202e}evil\u{7}\n[security audit] \"quoted\" $(id) '; DROP TABLE sessions;--";
    let place = Place::new();
    let (served, mut owner) = serve(&place).await;
    let key = "agent:main:hostile";

    let patched = owner.request("sessions.patch", json!({ "key": key, "label": LABEL })).await.unwrap();
    let shown = patched["entry"]["label"].as_str().unwrap().to_owned();
    assert!(shown.starts_with(
        "<b>{0}%s%n</b>\\u{202e}evil\\u{7}\\u{a}[security audit] \"quoted\" $(id) '; DROP TABLE"
    ));
    let listed = owner.request("sessions.list", json!({ "label": shown })).await.unwrap();
    assert_eq!(listed["sessions"][0]["label"], shown.as_str());
    assert_eq!(listed["sessions"][0]["key"], key);
    let searched = owner.request("sessions.list", json!({ "search": "%' OR 1=1 --" })).await.unwrap();
    assert_eq!(searched["count"], 0);

    let newcomer = DeviceIdentity::numbered(1);
    let options = served.options(&newcomer, &["operator.read"]).display_name(LABEL);
    let mut client = GatewayClient::open(&served.url()).await.unwrap();
    refused(client.connect(&options).await);
    let listed = owner.request("device.pair.list", json!({})).await.unwrap();
    let name = listed["pending"][0]["displayName"].as_str().unwrap();
    assert!(name.starts_with("<b>{0}%s%n</b>\\u{202e}evil") && name.chars().count() <= 65, "{name}");
    assert!(!name.chars().any(|character| character.is_control()), "{name}");

    // A run's message is kept as it was said, and one that is only control characters is refused.
    let send = json!({ "sessionKey": key, "message": LABEL, "idempotencyKey": "r1" });
    owner.request("chat.send", send).await.unwrap();
    let said = eventually("the message in the history", || async {
        let entries = tidegate_integration_tests::ledger::transcript(
            served.host.store(),
            &tidegate_protocol::SessionKey::parse(key).unwrap(),
        )
        .await;
        entries.first().map(|entry| entry.message.text().to_owned())
    })
    .await;
    assert_eq!(said, LABEL.replace('\u{7}', ""));
    let send = json!({ "sessionKey": key, "message": "\u{7}\u{1b}", "idempotencyKey": "r2" });
    assert!(message(&refused(owner.request("chat.send", send).await)).contains("/message"));
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_server_that_breaks_off_gives_an_error_event_and_the_next_turn_works() {
    let place = Place::new();
    let script = Script::new([
        Rule::new(
            When::last_contains("break"),
            Answer::stream(vec![Step::text("half a sent"), Step::CutOff]),
        ),
        Rule::new(When::last_contains("refuse"), Answer::error(400, "<b>no</b>\u{1b}[31m")),
        Rule::new(When::default(), Answer::text("all is well")),
    ]);
    let model = ScriptedModel::start(script).await.unwrap();
    let address = LocalAddress { kind: LocalServerKind::LlamaCpp, address: model.address() };
    let served = Served::with_devices_and(&place, &[(&person(), FULL)], |options| {
        options.local_models = Some(vec![address]);
    })
    .await;
    served.use_found_model().await;
    let mut client = served.connect(&person(), &FULL_NAMES).await.unwrap();

    for (number, said) in ["break", "refuse", "go on"].into_iter().enumerate() {
        let run = format!("run-{number}");
        let session = if said == "refuse" { "agent:main:other" } else { "main" };
        let send = json!({ "sessionKey": session, "message": said, "idempotencyKey": run });
        client.request("chat.send", send).await.unwrap();
        let is_end = |frame: &Value| {
            frame["event"] == "chat"
                && frame["payload"]["runId"] == run
                && frame["payload"]["state"] != "delta"
        };
        let end = client.wait("the turn's end", is_end).await.unwrap()["payload"].clone();
        if said == "go on" {
            assert_eq!(end["state"], "final", "{end}");
            assert_eq!(end["message"]["content"][0]["text"], "all is well");
        } else {
            assert_eq!(end["state"], "error", "{said}: {end}");
            let error = end["errorMessage"].as_str().unwrap();
            assert!(!error.is_empty() && !error.contains('\u{1b}'), "{error}");
        }
    }
    served.host.stop().await;
}

/// Only root mounts a small disk.
mod as_root {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs root"]
    async fn on_a_full_disk_nobody_is_let_in_and_the_request_waits_on() {
        let place = Place::small_disk(2048);
        let (served, mut owner) = serve(&place).await;
        let stranger = DeviceIdentity::numbered(1);
        let request = |error: Value| error["details"]["requestId"].as_str().unwrap().to_owned();
        let attempt =
            || async { refused(served.connect(&stranger, &["operator.read"]).await.map(|_| Value::Null)) };
        let id = request(attempt().await);
        let mut person = Control::open(&served).await;
        let approve = json!({ "requestId": id, "verdict": "approve" });
        place.fill();

        for _ in 0..3 {
            let error = person.call("tidegate.devices.decide", approve.clone()).await.unwrap_err();
            assert_eq!(
                (&error["code"], &error["retryable"]),
                (&json!("UNAVAILABLE"), &json!(true)),
                "{error}"
            );
            let words = "the decision could not be saved, so it does not count";
            assert!(message(&error).starts_with(words), "{error}");
            assert_eq!(request(attempt().await), id, "it waits on under its id");
        }
        let send = json!({ "sessionKey": "main", "message": "hi", "idempotencyKey": "full" });
        assert_eq!(refused(owner.request("chat.send", send.clone()).await)["code"], "UNAVAILABLE");
        assert_eq!(owner.request("health", json!({})).await.unwrap()["ok"], true);

        std::fs::remove_file(place.state_dir().join("ballast")).unwrap();
        person.call("tidegate.devices.decide", approve).await.unwrap();
        served.connect(&stranger, &["operator.read"]).await.unwrap();
        assert_eq!(owner.request("chat.send", send).await.unwrap()["status"], "started");
        served.host.stop().await;
    }
}
