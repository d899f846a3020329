//! What OpenClaw's gateways and clients were recorded to say, against what we parse and answer.
//! Message texts may differ in words; codes, details, close codes and the fixed beginnings that
//! clients look for may not.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_protocol::device::DeviceId;
use tidegate_protocol::frame::{RequestFrame, StateVersion};
use tidegate_protocol::hello::{Auth, Features, HelloOk, Policy, Server, SessionDefaults, Snapshot};
use tidegate_protocol::refusal::{AuthReason, DeviceProofError, PairingReason, PairingRequired, Refusal};
use tidegate_protocol::rpc::{self, Rpc};
use tidegate_protocol::{
    ConnectParams, Dialect, Event, Method, Scope, UnixMillis, for_each_method, json as strict, limits,
};

#[derive(Deserialize)]
struct Refused {
    case: String,
    first: String,
    error: Value,
    close: (u16, String),
}

fn lines(file: &str) -> Vec<Value> {
    let path = std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says it"))
        .join("tests/frames")
        .join(file);
    let text = std::fs::read_to_string(path).expect("the recorded frames are here");
    text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

fn refusals() -> Vec<Refused> {
    lines("refusals.jsonl").into_iter().map(|line| serde_json::from_value(line).expect("a refusal")).collect()
}

fn dialect(case: &str) -> Dialect {
    if case.ends_with("4.1") { Dialect::V3 } else { Dialect::V4 }
}

/// The beginnings of messages that clients look for.
const FIXED: [&str; 6] = [
    "pairing required",
    "unauthorized:",
    "protocol mismatch",
    "device signature invalid",
    "invalid handshake: first request must be connect",
    "missing scope:",
];

/// Our refusal in the situation of a recorded case.
fn ours(refused: &Refused) -> Refusal {
    let unauthorized =
        |reason, can_retry_with_device_token| Refusal::Unauthorized { reason, can_retry_with_device_token };
    let details = &refused.error["details"];
    let text = |field: &str| details[field].as_str().map(str::to_owned);
    match refused.case.rsplit_once('-').expect("a case has a version").0 {
        "neg-bad-sig" => Refusal::DeviceProof(DeviceProofError::SignatureInvalid),
        "neg-no-token" => unauthorized(AuthReason::TokenMissing, false),
        "neg-wrong-token" => unauthorized(AuthReason::TokenMismatch, true),
        "neg-nofirstconnect" => {
            assert_eq!(refused.first, "health");
            Refusal::InvalidHandshake("invalid handshake: first request must be connect".to_owned())
        }
        "neg-proto-99" => Refusal::ProtocolMismatch { client_min: 99, client_max: 99 },
        "pend" | "scope-upgrade" => Refusal::PairingRequired(Box::new(PairingRequired {
            reason: if refused.case.starts_with("pend") {
                PairingReason::NotPaired
            } else {
                PairingReason::ScopeUpgrade
            },
            request_id: text("requestId"),
            device: text("deviceId").map(|id| DeviceId::parse(&id).expect("a recorded id")),
            role: "operator".to_owned(),
            scopes: vec![Scope::Read],
            approved: None,
            expect_decision: true,
        })),
        other => panic!("an unknown case: {other}"),
    }
}

#[test]
fn refusals_have_the_recorded_codes_and_close_codes() {
    let refusals = refusals();
    assert_eq!(refusals.len(), 13);
    for refused in &refusals {
        let case = &refused.case;
        let (error, close) = ours(refused).answer(dialect(case));
        let error = serde_json::to_value(error).expect("an error is JSON");
        assert_eq!(error["code"], refused.error["code"], "{case}");
        assert_eq!(close.code as u16, refused.close.0, "{case}");
        let recorded = refused.error["message"].as_str().expect("a message");
        for fixed in FIXED.iter().filter(|fixed| recorded.starts_with(**fixed)) {
            assert!(error["message"].as_str().expect("a message").starts_with(fixed), "{case}: {error}");
            assert!(close.reason.starts_with(fixed), "{case}: {}", close.reason);
        }
        let Some(details) = refused.error["details"].as_object() else { continue };
        for (field, recorded) in details {
            let same_value = !matches!(field.as_str(), "remediationHint" | "expectedProtocol");
            let ours = &error["details"][field];
            assert!(!ours.is_null(), "{case}: {field} is missing in {error}");
            assert!(!same_value || ours == recorded, "{case}: {field} is {ours}, recorded {recorded}");
        }
    }
}

#[test]
fn a_refused_pairing_tells_version_3_and_4_what_each_recorded() {
    for refused in refusals().iter().filter(|refused| refused.error["details"]["code"] == "PAIRING_REQUIRED")
    {
        let dialect = dialect(&refused.case);
        let (error, close) = ours(refused).answer(dialect);
        match dialect {
            // Word for word: clients of version 3 compare these texts.
            Dialect::V3 => {
                assert_eq!(error.message, refused.error["message"], "{}", refused.case);
                assert_eq!(close.reason, refused.close.1);
                let keys: Vec<_> =
                    error.details.as_ref().and_then(Value::as_object).expect("details").keys().collect();
                assert_eq!(
                    keys.len(),
                    refused.error["details"].as_object().expect("details").len(),
                    "{keys:?}"
                );
            }
            Dialect::V4 => {
                let id = refused.error["details"]["requestId"].as_str().expect("an id");
                assert!(close.reason.ends_with(&format!("(requestId: {id})")), "{}", close.reason);
                assert_eq!(close.reason, refused.close.1);
            }
        }
    }
}

#[test]
fn every_recorded_connect_is_understood() {
    let connects = lines("connects.jsonl");
    assert!(connects.len() > 30);
    for line in connects {
        let text = line["params"].to_string();
        let params: ConnectParams = strict::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        params.check().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(serde_json::to_value(&params).expect("JSON")["client"], line["params"]["client"]);
        let asked: Vec<_> = params.requested_scopes().iter().map(|scope| scope.name().to_owned()).collect();
        assert_eq!(json!(asked), line["params"]["scopes"], "no scope is lost");
    }
}

macro_rules! params_of {
    ($($method:ident)*) => {
        fn params_of(frame: &RequestFrame, method: Method) -> Result<(), strict::ParseError> {
            match method {
                $(Method::$method => frame.params::<<rpc::$method as Rpc>::Params>().map(|_| ()),)*
            }
        }
    };
}

for_each_method!(params_of);

#[test]
fn every_recorded_request_is_understood_or_refused_as_recorded() {
    let requests = lines("requests.jsonl");
    assert!(requests.len() > 40);
    for line in requests {
        let frame = RequestFrame::parse(&line["frame"].to_string()).expect("a request");
        let recorded = line["error"]["message"].as_str();
        let Some(method) = Method::parse(&frame.method) else {
            let expected = format!("unknown method: {}", frame.method);
            assert_eq!(recorded, Some(expected.as_str()));
            continue;
        };
        match params_of(&frame, method) {
            // `commands.list` came after 2026.4.1, which did not know it.
            Ok(()) => {
                assert!(recorded.is_none_or(|message| message.starts_with("unknown method:")), "{line}")
            }
            Err(error) => {
                let ours = format!("invalid {} params: {error}", frame.method);
                assert_eq!(Some(ours.as_str()), recorded, "{line}");
            }
        }
    }
}

fn hello(dialect: Dialect) -> Value {
    let hello = HelloOk {
        kind: "hello-ok",
        protocol: dialect.number(),
        server: Server { version: "1", boot_id: "b".to_owned(), conn_id: "c".to_owned() },
        features: Features::all(),
        snapshot: Snapshot {
            presence: Vec::new(),
            health: serde_json::from_str("{}").expect("JSON"),
            state_version: StateVersion { presence: 1, health: 1 },
            uptime_ms: 1,
            session_defaults: SessionDefaults::default(),
            config_path: Some("/c".to_owned()),
            state_dir: Some("/s".to_owned()),
            auth_mode: Some("token"),
        },
        auth: Auth {
            method: "token",
            role: "operator",
            scopes: vec![Scope::Read],
            device_token: Some("t".to_owned()),
            issued_at_ms: Some(UnixMillis(1)),
        },
        policy: Policy::with_max_payload(limits::MAX_PAYLOAD),
    };
    serde_json::to_value(hello).expect("JSON")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Checks that everything recorded that we know is there with the same type.
fn same_shape(place: &str, ours: &Value, recorded: &Value) {
    assert_eq!(kind(ours), kind(recorded), "{place}");
    if let (Value::Object(ours), Value::Object(recorded)) = (ours, recorded) {
        for (name, value) in ours {
            if let Some(recorded) = recorded.get(name) {
                same_shape(&format!("{place}/{name}"), value, recorded);
            }
        }
    }
}

#[test]
fn our_hello_has_the_recorded_shape() {
    for line in lines("hellos.jsonl") {
        let recorded = &line["payload"];
        let ours = hello(dialect(line["case"].as_str().expect("a case")));
        same_shape("", &ours, recorded);
        assert_eq!(ours["protocol"], recorded["protocol"]);
        for part in ["server", "snapshot", "auth", "policy", "features"] {
            assert!(ours[part].is_object(), "{part}");
        }
        for field in ["maxPayload", "maxBufferedBytes", "tickIntervalMs"] {
            assert!(ours["policy"][field].is_u64() && recorded["policy"][field].is_u64(), "{field}");
        }
        for field in ["defaultAgentId", "mainKey", "mainSessionKey", "scope"] {
            let place = "/snapshot/sessionDefaults/".to_owned() + field;
            assert_eq!(ours.pointer(&place), recorded.pointer(&place), "{field}");
        }
    }
}

#[test]
fn our_events_have_names_that_openclaw_knows() {
    let recorded = lines("hellos.jsonl");
    let events = recorded[0]["payload"]["features"]["events"].as_array().expect("events").clone();
    for event in Event::ALL.iter().filter(|event| event.is_advertised()) {
        assert!(events.contains(&json!(event.name())), "{}", event.name());
    }
}
