//! Every way in which a handshake is refused, over the real socket of the real host: the whole error,
//! and the code and reason of the close frame that follows. Where OpenClaw's gateways were recorded
//! in the same situation, their codes and details are compared too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure in a test's own helper fails the test"
)]

use serde_json::{Value, json};
use tidegate_integration_tests::control::Control;
use tidegate_integration_tests::device::device_id;
use tidegate_integration_tests::host::Served;
use tidegate_integration_tests::keyring::{Keyring, OWN_SEED};
use tidegate_integration_tests::place::Place;
use tidegate_protocol::refusal::{AuthReason, PairingReason, PairingRequired, Refusal};
use tidegate_protocol::{Dialect, Scope, limits};
use tidegate_testkit::client::{ClientError, Closed, ConnectOptions, GatewayClient, clock_millis};
use tidegate_testkit::identity::DeviceIdentity;

const READ: &[Scope] = &[Scope::Read];

/// A device that a person let in.
fn known() -> DeviceIdentity {
    DeviceIdentity::numbered(0)
}

fn reads(served: &Served) -> ConnectOptions {
    served.options(&known(), &["operator.read"])
}

/// The error of a refused `connect`, and the close frame after it.
async fn refusal(served: &Served, options: &ConnectOptions) -> (Value, Closed) {
    let mut client = GatewayClient::open(&served.url()).await.unwrap();
    let error = match client.connect(options).await {
        Err(ClientError::Answer(error)) => error,
        other => panic!("not refused but {other:?}"),
    };
    (error, client.closed().await.unwrap())
}

fn closed(code: u16, reason: &str) -> Closed {
    Closed { code: Some(code), reason: reason.to_owned() }
}

/// It is refused with exactly this error, and closed with 1008 and the error's message.
async fn assert_refused(served: &Served, what: &str, options: &ConnectOptions, expected: Value) {
    let (error, close) = refusal(served, options).await;
    assert_eq!(error, expected, "{what}");
    assert_eq!(close, closed(1008, expected["message"].as_str().unwrap()), "{what}");
    // The gateway lives, and a known client is admitted without delay; that ends this one's.
    served.connect(&known(), &["operator.read"]).await.unwrap_or_else(|error| panic!("{what}: {error}"));
}

fn unauthorized(code: &str, reason: &str, message: &str, can_retry: bool, step: &str) -> Value {
    json!({
        "code": "INVALID_REQUEST",
        "message": format!("unauthorized: {message}"),
        "details": {
            "code": code, "authReason": reason, "canRetryWithDeviceToken": can_retry, "recommendedNextStep": step,
        },
    })
}

/// What OpenClaw was recorded to answer in a case.
fn recorded(case: &str) -> Value {
    let path = "../../crates/protocol/tests/frames/refusals.jsonl";
    let path = std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join(path);
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.find(|line| line["case"] == case).unwrap_or_else(|| panic!("{case} was not recorded"))
}

/// The codes, every recorded detail but the words for a person, and the close code are the recorded
/// ones.
fn assert_as_recorded(case: &str, error: &Value, close: &Closed) {
    let recorded = recorded(case);
    assert_eq!(error["code"], recorded["error"]["code"], "{case}");
    assert_eq!(json!(close.code), recorded["close"][0], "{case}");
    for (field, value) in recorded["error"]["details"].as_object().into_iter().flatten() {
        // Ids differ, words are ours, and 4.1 knew no newer version than 3.
        if !matches!(field.as_str(), "requestId" | "deviceId" | "remediationHint" | "expectedProtocol") {
            assert_eq!(&error["details"][field], value, "{case}: {field}");
        }
        assert!(!error["details"][field].is_null(), "{case}: {field} is missing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_proof_of_a_devices_key() {
    let place = Place::new();
    let served = Served::with_devices(&place, &[(&known(), READ)]).await;
    let other = DeviceIdentity::numbered(1);
    let device = |field: &'static str, value: Value| {
        reads(&served).tampered(move |params| params["device"][field] = value.clone())
    };
    let signed = |signed_at: u64| reads(&served).changed(|options| options.signed_at = Some(signed_at));
    let skew = u64::try_from(limits::SIGNATURE_SKEW.as_millis()).unwrap();
    let cases = [
        (
            "no key",
            device("publicKey", json!("AAAA")),
            "public key invalid",
            "PUBLIC_KEY_INVALID",
            "device-public-key",
        ),
        (
            "another id",
            device("id", json!(other.device_id())),
            "identity mismatch",
            "DEVICE_ID_MISMATCH",
            "device-id-mismatch",
        ),
        (
            "another key",
            device("publicKey", json!(other.public_key())),
            "identity mismatch",
            "DEVICE_ID_MISMATCH",
            "device-id-mismatch",
        ),
        (
            "too old",
            signed(clock_millis() - skew - 10_000),
            "signature expired",
            "SIGNATURE_EXPIRED",
            "device-signature-stale",
        ),
        (
            "of the future",
            signed(clock_millis() + skew + 60_000),
            "signature expired",
            "SIGNATURE_EXPIRED",
            "device-signature-stale",
        ),
        ("no nonce", device("nonce", json!("")), "nonce required", "NONCE_REQUIRED", "device-nonce-missing"),
        (
            "another nonce",
            device("nonce", json!("030e251a-3d5f-4e96-8b7d-f5cd144ee719")),
            "nonce mismatch",
            "NONCE_MISMATCH",
            "device-nonce-mismatch",
        ),
        (
            "another signature",
            device("signature", json!(other.sign("anything"))),
            "signature invalid",
            "SIGNATURE_INVALID",
            "device-signature",
        ),
        (
            "more scopes than signed",
            reads(&served).tampered(|params| params["scopes"] = json!(["operator.admin"])),
            "signature invalid",
            "SIGNATURE_INVALID",
            "device-signature",
        ),
    ];
    for (what, options, message, code, reason) in cases {
        let expected = json!({
            "code": "INVALID_REQUEST",
            "message": format!("device {message}"),
            "details": { "code": format!("DEVICE_AUTH_{code}"), "reason": reason },
        });
        assert_refused(&served, what, &options, expected).await;
    }
    for (case, version) in [("neg-bad-sig-4.1", 3), ("neg-bad-sig-9.6", 4)] {
        let forged = device("signature", json!(other.sign("anything"))).protocol(version, version);
        let (error, close) = refusal(&served, &forged).await;
        assert_as_recorded(case, &error, &close);
        assert_eq!(error, recorded(case)["error"], "word for word");
        served.connect(&known(), &["operator.read"]).await.unwrap();
    }
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_or_wrong_credential() {
    let place = Place::new();
    let served = Served::with_devices(&place, &[(&known(), READ)]).await;
    let without = reads(&served).changed(|options| options.token = None);
    let missing = unauthorized(
        "AUTH_TOKEN_MISSING",
        "token_missing",
        "gateway token missing (pass the token that `tidegate token` shows)",
        false,
        "update_auth_configuration",
    );
    let mismatch = |can_retry, step| {
        let message = "gateway token mismatch (pass the token that `tidegate token` shows)";
        unauthorized("AUTH_TOKEN_MISMATCH", "token_mismatch", message, can_retry, step)
    };
    let device_mismatch = unauthorized(
        "AUTH_DEVICE_TOKEN_MISMATCH",
        "device_token_mismatch",
        "device token mismatch (connect with the gateway's token to get a new one)",
        false,
        "update_auth_credentials",
    );
    let no_device = reads(&served).changed(|options| options.device = None);

    assert_refused(&served, "none", &without, missing.clone()).await;
    // Being there is not being right: what is compared is the text.
    for blank in ["", " ", "\t\n"] {
        let blank = without.clone().token(blank);
        assert_refused(&served, "a blank one", &blank, missing.clone()).await;
    }
    let wrong = without.clone().token("wrong");
    assert_refused(&served, "a wrong one", &wrong, mismatch(true, "retry_with_device_token")).await;
    let both = wrong.clone().device_token("wrong too");
    assert_refused(&served, "two wrong ones", &both, mismatch(false, "update_auth_credentials")).await;
    let of_device = without.clone().device_token("wrong");
    assert_refused(&served, "a wrong one of a device", &of_device, device_mismatch).await;
    let nobody = wrong.clone().changed(|options| options.device = None);
    assert_refused(&served, "a wrong one and no device", &nobody, mismatch(false, "update_auth_credentials"))
        .await;
    let neither = no_device.changed(|options| options.token = None);
    let identity = json!({
        "code": "NOT_PAIRED",
        "message": "device identity required",
        "details": { "code": "DEVICE_IDENTITY_REQUIRED" },
    });
    assert_refused(&served, "neither device nor token", &neither, identity).await;

    for (case, options, version) in [
        ("neg-no-token-4.1", &without, 3),
        ("neg-no-token-9.6", &without, 4),
        ("neg-wrong-token-4.1", &wrong, 3),
        ("neg-wrong-token-9.6", &wrong, 4),
    ] {
        let (error, close) = refusal(&served, &options.clone().protocol(version, version)).await;
        assert_as_recorded(case, &error, &close);
    }
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_or_version_that_is_not_served() {
    let place = Place::new();
    let served = Served::with_devices(&place, &[(&known(), READ)]).await;
    for role in ["node", "admin", "Operator"] {
        let options = reads(&served).changed(|options| options.role = role.to_owned());
        let expected = json!({ "code": "INVALID_REQUEST", "message": "invalid role" });
        assert_refused(&served, role, &options, expected).await;
    }
    for (min, max) in [(99, 99), (1, 2), (4, 3)] {
        let (error, close) = refusal(&served, &reads(&served).protocol(min, max)).await;
        let expected = json!({
            "code": "INVALID_REQUEST",
            "message": "protocol mismatch",
            "details": {
                "code": "PROTOCOL_MISMATCH", "clientMinProtocol": min, "clientMaxProtocol": max,
                "expectedProtocol": 4, "minimumProbeProtocol": 3,
            },
        });
        assert_eq!(error, expected);
        assert_eq!(close, closed(1002, "protocol mismatch"));
        if min == 99 {
            assert_as_recorded("neg-proto-99-4.1", &error, &close);
            assert_as_recorded("neg-proto-99-9.6", &error, &close);
            assert_eq!(error, recorded("neg-proto-99-9.6")["error"], "word for word");
        }
    }
    served.host.stop().await;
}

/// Sends one message in place of `connect`: an answer, if there is one, and the end.
async fn instead_of_connect(served: &Served, message: Sent<'_>) -> (Option<Value>, Closed) {
    let mut client = GatewayClient::open(&served.url()).await.unwrap();
    client.challenge().await.unwrap();
    let sent = match message {
        Sent::Text(text) => client.send_text(text.to_owned()).await,
        Sent::Binary(bytes) => client.send_binary(bytes.to_vec()).await,
    };
    let close = match sent {
        // A message that is too large is refused while it is written.
        Err(ClientError::Closed(close)) => close,
        _ => client.closed().await.unwrap(),
    };
    (client.take_kept().pop(), close)
}

#[derive(Clone, Copy)]
enum Sent<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_message_that_is_no_connect() {
    let place = Place::new();
    let served = Served::with_devices(&place, &[(&known(), READ)]).await;
    for method in ["health", "status", "tidegate.token.show", "Connect", "no.such.method"] {
        let text = json!({ "type": "req", "id": "1", "method": method, "params": {} }).to_string();
        let (answer, close) = instead_of_connect(&served, Sent::Text(&text)).await;
        let message = "invalid handshake: first request must be connect";
        let error = json!({ "code": "INVALID_REQUEST", "message": message });
        assert_eq!(
            answer,
            Some(json!({ "type": "res", "id": "1", "ok": false, "error": error })),
            "{method}"
        );
        assert_eq!(close, closed(1008, message), "{method}");
        for case in ["neg-nofirstconnect-4.1", "neg-nofirstconnect-9.6"] {
            assert_as_recorded(case, &error, &close);
            assert_eq!(error, recorded(case)["error"], "word for word");
        }
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let twice = r#"{"type":"req","id":"1","method":"connect","method":"health","params":{}}"#;
    for text in
        ["", "no json", "null", "[]", "\u{feff}{}", &deep, twice, r#"{"type":"event","event":"tick"}"#]
    {
        let (answer, close) = instead_of_connect(&served, Sent::Text(text)).await;
        let shown = text.get(..40).unwrap_or(text);
        assert_eq!((answer, close), (None, closed(1008, "invalid request frame")), "{shown}");
    }
    let answered = instead_of_connect(&served, Sent::Binary(b"{}")).await;
    assert_eq!(answered, (None, closed(1008, "binary messages are not accepted")));
    let large = "x".repeat(limits::MAX_PAYLOAD_BEFORE_AUTH + 1);
    let (answer, close) = instead_of_connect(&served, Sent::Text(&large)).await;
    assert_eq!((answer, close.code), (None, Some(1009)), "{}", close.reason);
    served.connect(&known(), &["operator.read"]).await.unwrap();
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_of_connect_that_are_none_are_named() {
    let place = Place::new();
    let served = Served::with_devices(&place, &[(&known(), READ)]).await;
    let long = "x".repeat(2000);
    let changes: [(&str, &str, Value); 14] = [
        ("/minProtocol", "minProtocol", json!("3")),
        ("/minProtocol", "minProtocol", json!(-1)),
        ("/minProtocol", "minProtocol", json!(1e300)),
        ("/client", "client", json!([])),
        ("/client/id", "client", json!({ "id": "nobody", "version": "1", "platform": "x", "mode": "cli" })),
        ("/client/version", "client", json!({ "id": "cli", "version": "", "platform": "x", "mode": "cli" })),
        (
            "/client/displayName",
            "client",
            json!({ "id": "cli", "displayName": long, "version": "1", "platform": "x", "mode": "cli" }),
        ),
        ("/scopes", "scopes", json!("operator.admin")),
        ("/scopes/0", "scopes", json!([""])),
        ("/scopes/1", "scopes", json!(["operator.read", "\u{43e}perator.admin"])),
        ("/scopes", "scopes", json!(vec!["operator.read"; 33])),
        ("/auth/token", "auth", json!({ "token": ["x"] })),
        ("/device", "device", json!("device")),
        ("__proto__", "__proto__", json!({})),
    ];
    for (place, field, value) in changes {
        let shown = format!("{field}: {}", value.to_string().get(..60).unwrap_or_default());
        let (error, close) =
            refusal(&served, &reads(&served).tampered(move |params| params[field] = value.clone())).await;
        let message = error["message"].as_str().unwrap();
        assert_eq!(error["code"], "INVALID_REQUEST", "{shown}");
        assert!(message.starts_with("invalid connect params: "), "{shown}: {message}");
        assert!(message.contains(place), "{shown}: {message}");
        assert!(message.len() < 400, "{shown}: {message}");
        assert_eq!(close.code, Some(1008), "{shown}");
        assert!(message.starts_with(&close.reason), "{shown}: {}", close.reason);
    }
    served.connect(&known(), &["operator.read"]).await.unwrap();
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_key_and_our_own_key() {
    let place = Place::new();
    let served = Served::with_devices_and(&place, &[(&known(), READ)], |options| {
        options.secrets = Some(Keyring::with_own_key().store());
    })
    .await;
    let blocked = DeviceIdentity::numbered(1);
    let mut person = Control::open(&served).await;
    person.call("tidegate.devices.block", json!({ "id": device_id(&blocked) })).await.unwrap();
    let step = "review_auth_configuration";

    let expected =
        unauthorized("AUTH_UNAUTHORIZED", "blocked", "this device or token is blocked", false, step);
    let options = served.options(&blocked, &["operator.read"]);
    assert_refused(&served, "a blocked key", &options, expected).await;
    let expected = unauthorized(
        "AUTH_UNAUTHORIZED",
        "own_key_elsewhere",
        "this key belongs to the gateway itself",
        false,
        step,
    );
    let own = served.options(&DeviceIdentity::from_seed(OWN_SEED), &["operator.admin"]);
    assert_refused(&served, "our own key", &own, expected.clone()).await;
    let own_as_node = own.changed(|options| options.role = "node".to_owned());
    assert_refused(&served, "our own key in another role", &own_as_node, expected).await;

    let audit = person.call("tidegate.audit", json!({})).await.unwrap();
    let alarms = audit["events"].as_array().unwrap().iter();
    let alarms = alarms.filter(|event| event["kind"] == "own-key.elsewhere" && event["severity"] == "alarm");
    assert_eq!(alarms.count(), 2, "{audit}");
    let list = person.call("device.pair.list", json!({})).await.unwrap();
    assert_eq!(list["pending"], json!([]), "nobody was asked");
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_has_to_decide() {
    let place = Place::new();
    let moving = DeviceIdentity::numbered(2);
    let served = Served::with_devices(&place, &[(&known(), READ), (&moving, READ)]).await;
    let mut person = Control::open(&served).await;
    let stranger = DeviceIdentity::numbered(1);
    let cases = [
        ("not-paired", served.options(&stranger, &["operator.read"]), "device is not approved yet"),
        (
            "scope-upgrade",
            served.options(&known(), &["operator.admin"]),
            "device asks for more scopes than were decided",
        ),
        (
            "metadata-upgrade",
            served
                .options(&moving, &["operator.read"])
                .changed(|options| options.platform = "darwin".to_owned()),
            "device changed its platform or family",
        ),
    ];
    for (reason, options, words) in cases {
        let (error, close) = refusal(&served, &options).await;
        let id = error["details"]["requestId"].as_str().unwrap().to_owned();
        let message = format!("pairing required: {words}");
        let device = device_id(options.device.as_ref().unwrap());
        let mut details = json!({
            "code": "PAIRING_REQUIRED",
            "reason": reason,
            "requestId": id,
            "remediationHint": "Approve the waiting request in Tidegate, or with `tidegate devices approve`.",
            "deviceId": device,
            "requestedRole": "operator",
            "requestedScopes": options.scopes,
            "recommendedNextStep": "wait_then_retry",
            "retryable": true,
            "pauseReconnect": false,
        });
        if reason != "not-paired" {
            details["approvedScopes"] = json!(["operator.read"]);
        }
        assert_eq!(
            error,
            json!({ "code": "NOT_PAIRED", "message": message, "details": details }),
            "{reason}"
        );
        assert_eq!(close, closed(1008, &format!("{message} (requestId: {id})")), "{reason}");
        if reason == "not-paired" {
            assert_as_recorded("pend-9.6", &error, &close);
        }

        // Version 3 receives the same request in its own words.
        let (error, close) = refusal(&served, &options.clone().protocol(3, 3)).await;
        let details = json!({ "code": "PAIRING_REQUIRED", "reason": reason, "requestId": id });
        let expected = json!({ "code": "NOT_PAIRED", "message": "pairing required", "details": details });
        assert_eq!((error.clone(), close.clone()), (expected, closed(1008, "pairing required")), "{reason}");
        if reason == "scope-upgrade" {
            assert_as_recorded("scope-upgrade-4.1", &error, &close);
        }
        person.call("device.pair.reject", json!({ "requestId": id })).await.unwrap();

        // Refused, it is not heard for a while, and hears so.
        let (error, close) = refusal(&served, &options).await;
        assert_eq!(close, closed(1008, &message), "{reason}");
        assert_eq!(
            error["details"]["remediationHint"],
            "A person refused this a short while ago; ask them before you try again."
        );
        for field in ["requestId", "recommendedNextStep", "retryable", "pauseReconnect"] {
            assert!(error["details"].get(field).is_none(), "{reason}: {field} in {error}");
        }
    }
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_wait() {
    let place = Place::new();
    let served = Served::with_devices(&place, &[(&known(), READ)]).await;
    for number in 1..=2 {
        let options = served.options(&DeviceIdentity::numbered(number), &["operator.read"]);
        assert!(refusal(&served, &options).await.0["details"]["requestId"].is_string(), "{number}");
    }

    let third = served.options(&DeviceIdentity::numbered(3), &["operator.read"]);
    let (error, close) = refusal(&served, &third).await;

    assert_eq!(error["code"], "NOT_PAIRED");
    assert_eq!(close, closed(1008, "pairing required: device is not approved yet"));
    assert_eq!(
        error["details"]["remediationHint"],
        "Too many requests wait; decide them in Tidegate, then try again."
    );
    assert_eq!(
        (&error["details"]["retryable"], error["details"].get("requestId")),
        (&json!(true), None),
        "{error}"
    );
    served.host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_client_is_closed_without_a_word() {
    let place = Place::new();
    let served = Served::with_devices(&place, &[]).await;
    let mut silent = GatewayClient::open(&served.url()).await.unwrap();
    silent.challenge().await.unwrap();

    let close = silent.closed().await.unwrap();

    assert_eq!(close, closed(1000, ""));
    assert!(silent.take_kept().is_empty());
    served.host.stop().await;
}

/// What this host cannot be brought to over its socket: a tool is another process (see
/// `tools_cannot_decide`), a peer that cannot be identified has to hide from the kernel's tables, and
/// no second role is served.
#[test]
fn the_answers_to_tools_to_the_unknown_and_to_another_role() {
    let step = "review_auth_configuration";
    for (reason, name, message) in [
        (AuthReason::Tool, "agent_tool", "programs that the agent started cannot connect to the gateway"),
        (AuthReason::PeerUnknown, "peer_unknown", "the connecting program could not be identified"),
    ] {
        for dialect in [Dialect::V3, Dialect::V4] {
            let (error, close) =
                Refusal::Unauthorized { reason, can_retry_with_device_token: false }.answer(dialect);
            let expected = unauthorized("AUTH_UNAUTHORIZED", name, message, false, step);
            assert_eq!(serde_json::to_value(error).unwrap(), expected);
            assert_eq!((close.code as u16, close.reason), (1008, format!("unauthorized: {message}")));
        }
    }
    let required = PairingRequired {
        reason: PairingReason::RoleUpgrade,
        request_id: None,
        device: None,
        role: "node".to_owned(),
        scopes: Vec::new(),
        approved: None,
        expect_decision: true,
    };
    let (error, close) = Refusal::PairingRequired(Box::new(required)).answer(Dialect::V4);
    assert_eq!(error.message, "pairing required: device asks for another role");
    assert_eq!((close.code as u16, close.reason), (1008, error.message));
}
